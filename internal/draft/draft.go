package draft

import (
	"crypto/sha256"
	"strings"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/declaration"
)

// Draft is one declaration that is not signed yet.
type Draft struct {
	// File and Lines say where it was written: Lines maps a field path such as
	// "deployment.tech" or "data_use.retention[1].mode" (proto names, items from 0,
	// relative to Body) to its line in File, from 1. The path "" is the draft's
	// first line. See Line.
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
	// beside the record (language, reason) until shorthand.Amend has applied them
	// and emptied Set.
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

	// named remembers which fields Number filled, so that it can be called again.
	named map[string]naming
}

// Action is what a change does to the field that it names.
type Action string

// The actions.
const (
	Set    Action = "set"    // give the field, or the list's item, this value
	Add    Action = "add"    // append to the list
	Remove Action = "remove" // leave the field, or the list's item, out
)

// Change is one line of an amendment.
type Change struct {
	Action Action
	Path   string // shorthand path, for example "keeps[blurred video]"
	Value  *Node  // nil for Remove
	Line   int
}

// File is an attachment beside the file that names it.
type File struct {
	Name   string // as written, relative to the declaring file
	SHA256 [sha256.Size]byte
	Size   uint32 // bytes, at most declaration.MaxAttachment
}

// Unknown is a value of a source register that no field could be made of.
type Unknown struct {
	Column string // of the source
	Value  string // as it stands there
	Field  string // ours that stays unspecified
	Why    string
}

// Kind is the kind of record that the draft holds; empty while an amendment's
// record has not been fetched.
func (d *Draft) Kind() declaration.Kind {
	k, _ := declaration.KindOf(d.Body)
	return k
}

// Nickname is the officer's name for the subject: of the body, or an amendment's
// target where that is not a number.
func (d *Draft) Nickname() string {
	if n := d.Body.GetNickname(); n != "" {
		return n
	}
	if _, err := declaration.ParseSubject(d.Target); err == nil {
		return ""
	}
	return d.Target
}

// Line returns the line of the file where the field stands: that of the longest
// known beginning of the path, so that a rule about "data_use.legal_basis[0].citation"
// points at the line that wrote the legal basis. It is 0 when nothing is known.
func Line(d *Draft, fieldPath string) int {
	for path := fieldPath; ; {
		if line, ok := d.Lines[path]; ok {
			return line
		}
		i := strings.LastIndexAny(path, ".[")
		if i < 0 {
			return d.Lines[""]
		}
		path = path[:i]
	}
}
