// Package publication is the rules that a declaration has to keep to be published:
// V-01 to V-63 of the design's section 2.10, without V-50, which is the registry's. The
// publishing node refuses what breaks one of level Reject; every verifier marks it,
// and never disagrees about the chain because of it (note F13 of the threat model).
//
// CheckRecord runs what needs only the record. Most of that is one walk over the
// populated fields, steered by the annotations in field_rules.proto, which are
// compiled once. CheckLive runs what looks at the city's other records, through the
// small interface Live: the ledger keeps them in its database, Memory for auditors
// and `cityproof validate`. Each failure is reported once, by one of the two.
//
// # How the rules read
//
// Personal means identifiability PSEUDONYMOUS or above. A withheld field counts as
// there; a rule that needs its value can't tell and stays silent. A body that was
// erased (Newest.Body nil) likewise.
//
// Coarse dates are read to the city's disadvantage where a rule sets a limit: an end
// more than 10 years away (V-15), a review more than 36 months away and an
// assessment valid for more than three years (V-01) count from the first day that
// the earlier date may mean to the last day that the later one may mean; a negative
// statement (V-43) holds from the first day of since to the last day of until, and a
// deployment carries its terms from the first day of starts_on to the last day of
// ends_on, without limit where it says none. Where two dates must be in order
// (V-15), only what is wrong under every reading is refused: 2026 to 2026-05 may be
// true.
//
// # Withdrawing
//
// The body of a WITHDRAW carries the reason and repeats the last record unchanged, so
// that whoever shows a withdrawn subject needs no other body (V-02; not where that
// body was erased). It owes nothing more: what is absent is not reported, and the
// rules V-10 and above are not run on it. What live records refer to can't be withdrawn unless they are
// amended or withdrawn in the same batch (V-16).
//
// # Imports
//
// For a record of provenance IMPORTED_* what is absent is listed as a warning with
// Result.Incomplete; what is malformed, contradicts itself, or refers to nothing is
// refused as ever. Rule.Imports says which rules ask for something.
//
// # Invariants
//
// I8: the results of one record are bounded. I9: the same records give the same
// results in the same order on any machine; country and currency codes are lists of
// our own, language tags are those of golang.org/x/text at the version in go.mod.
//
// # What it does not do
//
// It parses nothing and checks no signature, hash or address. It doesn't judge what
// a city does, only whether the record says it: the obligations are package rules'.
package publication
