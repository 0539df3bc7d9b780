// Package roster computes who is a member of an alliance, whose keys count and
// who witnesses whom, from the root metadata and the entries of the registry log:
// a pure function of them, so that everybody computes the same (FORMAT.md in this
// folder).
//
// A Roster begins with root version 1 and takes the registry's entries in order.
// An act that breaks a rule is void for everybody; it is reported and changes
// nothing. An act of a later version ends the replay: from there on nothing can be
// told.
//
// It does not prove that the entries are the registry's: whoever feeds it checks
// the tree and the checkpoint (packages client and audit).
package roster
