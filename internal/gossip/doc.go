// Package gossip decides what a node tells others about heads of logs and what it
// makes of what it is told: PROTOCOL.md. It is a state machine without input, output,
// goroutines or a clock: messages go in, messages come out, time and chance are
// arguments. So the very code that runs between cities runs in a simulation of ten
// thousand of them (package simulation).
package gossip
