package draft

import (
	"crypto/sha256"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/declaration"
)

// Draft is one declaration that is not signed yet.
type Draft struct {
	// File and Lines say where it was written: Lines maps a field path such as
	// "deployment.tech" to its line in File, from 1.
	File  string
	Lines map[string]int

	Operation   declaration.Operation
	EffectiveOn declaration.Date // zero: the day of signing
	Provenance  declaration.Provenance

	// Target names what an AMEND, WITHDRAW or REINSTATE is about: a subject or a
	// nickname. Empty for PUBLISH, whose nickname is in Body.
	Target string
	// Set holds an amendment's changes, in the order written. The record that
	// they apply to is fetched and verified first; Body holds only what stands
	// beside the record (language, reason) until Amend has applied them.
	Set []Change

	// Body is what will be declared. Until Number has run, references to other
	// subjects may be nicknames, and the nonce is absent.
	Body *declarationv1.Body

	// Files are attachments to upload before publishing.
	Files []File

	// Unknown lists what an import could not tell, in the source's words.
	Unknown []Unknown

	// Subject is set by Number.
	Subject declaration.Subject
}

// Change is one line of an amendment's `set`.
type Change struct {
	Path  string // shorthand path, for example "keeps[blurred video]"
	Value string // one-line form
	Line  int
}

// File is an attachment beside the file that names it.
type File struct {
	Name   string // as written, relative to the declaring file
	SHA256 [sha256.Size]byte
	Size   uint32
}

// Unknown is a value of a source register that no field could be made of.
type Unknown struct {
	Column string // of the source
	Value  string // as it stands there
	Field  string // ours that stays unspecified
	Why    string
}

// Kind is the kind of record that the draft holds.
func (d *Draft) Kind() declaration.Kind {
	k, _ := declaration.KindOf(d.Body)
	return k
}
