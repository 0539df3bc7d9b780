// Package draft is a declaration before it is signed: the record as far as it is
// known, names instead of numbers, and where each field was written. Drafts come
// from the officer's shorthand (package shorthand), from other registers (package
// importer) and from the long form that this package reads and writes (FORMAT.md in
// this folder); they become submissions once subjects are numbered, references
// resolved and the statement signed.
//
// Read turns YAML and JSON into nodes of text, for this package and for shorthand:
// the one place where a file that somebody wrote is bounded and checked for what
// can't be seen or is said twice.
//
// Invariants: I7, Parse(Format(x)) = x; I8, every file has a size, a count and a
// depth bound before anything recurses over it; nothing that was written is cut,
// rounded or read as another type without an error; Seal signs only bytes that the
// strict parsers of package declaration read back.
//
// It reads no files and asks no node: the registry of numbers, randomness, time and
// signers are arguments. Whether a record says enough is package publication's.
package draft
