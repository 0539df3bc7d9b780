// Package cli is the command cityproof: what an officer publishes with and what
// anybody checks with. One file holds one verb.
//
// Exit codes: 0 true or done, 1 verification failed or refused, 2 usage, 3 could
// not tell (network, missing data). Errors print "error:" then "hint:". Text that
// comes from outside is escaped before it reaches a terminal.
//
// It links neither the database nor any server: what a journalist runs stays small
// enough to read (package lint holds that).
package cli
