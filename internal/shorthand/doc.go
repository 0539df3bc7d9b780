// Package shorthand reads what an officer writes: short YAML files, one file one
// batch, in which a camera network with its data use and its assessment is some
// fifty values. It makes drafts of them; the long form that is signed is package
// draft's. FORMAT.md in this folder is the reference that an officer reads.
//
// Short names and one-line forms are data (table.go, forms.go); every field of the
// model can also be written under its own name in a structured form.
//
// Invariants: nothing is guessed and nothing is cut. Scalars are read as text and
// parsed by the field's type; a one-line form that could be read in two ways is an
// error that says how to write it; a default comes only from the workspace file or
// from what the same record says, and is shown by `validate --expand`. All
// problems of a file are reported at once, each with its line and what to do.
//
// It reads no files (they come through Files) and doesn't judge whether a
// declaration says enough: the V rules are package publication's.
package shorthand
