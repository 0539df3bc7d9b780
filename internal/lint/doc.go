// Package lint holds the rules of this repository that no ready-made linter knows. It has only tests: every
// `go test ./...` reads the sources of the whole module and fails where one of these is broken.
//
//   - Floors: a package imports its own floor or a lower one, and a package that the table in floors_test.go
//     does not list fails. That is what keeps the bytes (floor 0) apart from the machine they run on.
//   - Floor 0 is arithmetic on bytes: no files, sockets, goroutines, loggers, clocks or randomness, but for the
//     exceptions the table gives with a reason.
//   - Every package has a doc.go with a package comment, no file is longer than 600 lines, no function longer
//     than 70, and none is an init.
//   - gRPC codes are chosen in the files listed in rules_test.go, so that an error can't say more to a stranger
//     than that one table allows.
//   - cmd/cityproof links neither Pebble nor a log server nor anything of the node.
//   - No committed file names a path of somebody's machine or the host of a package registry.
//
// Floors and size bind the code that ships. Tests may import anything but this package, and may be as long as
// 600 lines a file too.
//
// It does not look at types, and does not repeat what vet, staticcheck and the linters of .golangci.yml find.
package lint
