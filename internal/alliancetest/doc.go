// Package alliancetest makes members of an invented alliance for tests: their
// keys, derived from names so that they are the same in every run, their entries,
// requests and signed notes, and a founded alliance. Only tests may import it: the
// keys are no secret.
package alliancetest
