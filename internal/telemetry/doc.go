// Package telemetry is what a node shows its operator: Prometheus metrics in a
// registry that is passed in, and the debug server that serves them with profiles
// and the log level. Labels come from closed sets; no address of a reader, no
// secret and no text of a declaration ever becomes one.
package telemetry
