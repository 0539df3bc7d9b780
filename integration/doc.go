// Package integration tries the two programs as their users do: real processes, real files, ports that the kernel
// chooses. It holds no product code.
//
// What it tests is what no package can see alone: that a receipt survives its node being killed, that a reader who
// knows only C2SP's formats can check the log, that a wrong start ends with a sentence an operator can act on.
package integration
