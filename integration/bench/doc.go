// Command bench measures Cityproof beside its peers, on one machine in one run, and prints one table.
//
// Each measurement runs in a child process of its own (the same binary, started again), so that peak memory, processor
// time and bytes written are that subject's alone. Children run one after another, never two subjects at once; a round
// visits all subjects before the next round begins, and the table shows the median of the rounds.
//
// README.md says what each figure means and which settings the peers were given.
package main
