// Package registry follows an alliance's registry log and keeps its roster: who is a
// member, whose keys count, who witnesses whom. A follower believes no server: it
// computes the registry's root from the entries that it replays, and takes them only
// where the registry's own keys have signed that root. Package roster says what the
// entries do.
//
// After the registry's keys signed two histories, a version of the root says from which
// head it goes on, in another log (F21). A follower takes it from a file (Adopt) or finds
// it in that log, drops what it replayed and replays that; until it has seen that log it
// takes no act and no larger head of the old one.
package registry
