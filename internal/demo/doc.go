// Package demo shows the whole of Cityproof on one machine: it makes a city's node,
// runs it as a process of its own, and then does with the command cityproof what an
// officer and a journalist would do: publish, verify every receipt, try to pass a
// forged one, and audit the log from its files alone.
//
// It has no shortcut: what it prints was done by the real programs through the real
// interfaces. The city Kanaalstad and all that it declares (samples/) are invented.
package demo
