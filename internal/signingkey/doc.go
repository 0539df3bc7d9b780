// Package signingkey holds private keys and what keeps a log key from signing
// twice.
//
// A key file is text (FORMAT.md), encrypted with age unless its owner said
// otherwise. Keys are used behind crypto.Signer, so that one may live in an agent
// or an HSM later.
//
// A LogSigner signs checkpoints and guards invariant I2: in one state directory,
// for one origin and size, at most one root is ever signed. The last signed note
// is compared and swapped on disk before a new note is shown to anybody. The
// state directory lies beside the data directory and is never part of a backup:
// rolled back, it would let the same log sign two histories. A copy of it, or one
// that came to another machine, signs nothing until an operator adopts it.
//
// That a new root extends the old one is checked by package ledger, which has the
// tree; this package only refuses to go back.
package signingkey
