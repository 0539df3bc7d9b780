// Package gossipnet carries gossip between nodes: gRPC over mutual TLS, where the one
// and the other side must hold the TLS key that the roster gives for its member. No
// certificate authority has a say. What makes a claim true is never the channel; it
// says whose quota a call spends.
//
// What to say and what to make of what is said, package gossip decides.
package gossipnet
