// Package buildinfo says which version of the software runs, from what the Go
// toolchain recorded when it was built. It takes no version from linker flags.
package buildinfo
