// Package years is a test: it simulates years of an alliance's life, from its founding by three cities on, and holds product code
// (roster, root, act, authority, receipt, evidence, registry) to what must be true at any time. Keys are real, time is an
// argument, and all follows from a seed, which a failure prints.
//
//	go test ./internal/years                          a few dozen seeds
//	go test ./internal/years -seeds 1000 -years 3     more of them, for longer
//	go test ./internal/years -first 77 -seeds 1 -v    one again
//
// Cities join, leave, are suspended and come back; seats change hands each month; officers come and go; keys of logs, witnesses
// and mirrors turn, contested or not, and are revoked; logs fork, are frozen and move; the root's keys turn; the registry's
// keys sign two histories, and the root says which goes on; its seats fall silent, and the root
// names others. In between acts are tried that must be void. Receipts are made
// at any time, true ones and forged ones, and all are judged at the end, by the first root and by the newest.
package years
