// Package registry follows an alliance's registry log and keeps its roster: who is a
// member, whose keys count, who witnesses whom. A follower believes no server: it
// computes the registry's root from the entries that it replays, and takes them only
// where the registry's own keys have signed that root. Package roster says what the
// entries do.
package registry
