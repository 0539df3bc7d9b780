// Package testenv finds what a test needs and the repository does not hold: real registers in the shared data
// folder, and programs of the machine. Spoil plays a bad disk.
//
// Where such a thing is missing, the test skips and names it, so that `go test ./...` passes on a machine with
// nothing but Go. The environment variable CITYPROOF_REQUIRE turns the skip into a failure: it lists, separated
// by spaces or commas, what must be there ("data", or the name of a program such as "strace"). CI sets it, so
// that a check can't go missing unseen.
//
// It is for _test.go files only (internal/lint checks that). It is not called testdata because the go command
// leaves folders of that name out of ./... and would never vet or test it.
package testenv
