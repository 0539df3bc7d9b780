// Package draft is a declaration before it is signed: the record as far as it is
// known, names instead of numbers, and where each field was written. Drafts come
// from the officer's shorthand (package shorthand), from other registers (package
// importer) and from the long form that this package reads and writes; they
// become submissions once subjects are numbered, references resolved and the
// statement signed.
package draft
