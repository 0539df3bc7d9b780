// Package importer turns other registers' files into drafts of declarations, and
// guesses nothing. FORMAT.md in this folder says of each format what becomes of
// every column, and what is left unsaid.
//
// A value that is blank, says "NA", or is of no list that we know, leaves its
// field absent; it is kept on the draft (draft.Unknown) and counted in the
// Report. Where words had to be chosen (a summary from a first sentence, a name
// cut to its limit) the draft says so with a reason that begins with Confirm, so
// that a person looks. Texts are cleaned in one defined way (clean in text.go),
// because a log can never forget an invisible character or a person's address;
// each cleaning is reported by row.
//
// Invariants of this package:
//
//   - The same bytes and options give the same drafts and report, in the order of
//     the file (part of I9).
//   - No input makes it panic or use more than a fixed multiple of 64 MiB (I8).
//   - A field is filled only with what the row, the register as a whole, or the
//     workspace says. No personal address gets into a body.
//
// It does not fetch, write files, number, sign or publish, and does not judge
// whether a draft says enough: that is package publication's, and an import may
// be published incomplete, labelled as one (declarations.md 2.11).
package importer
