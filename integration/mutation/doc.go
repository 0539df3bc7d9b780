// Package mutation takes one safety of the log engine out at a time and checks that the tests notice.
//
// Each mutant is a small change of the source, applied to a copy through go test -overlay. A mutant whose text is not in
// the source any more fails every test run, so that the list stays true; whether each mutant is caught takes minutes, and
// is asked for:
//
//	CITYPROOF_MUTANTS=all go test ./integration/mutation -v -timeout 60m
//
// MUTANTS.md holds the table of the last whole run.
package mutation
