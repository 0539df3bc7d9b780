package evidence

import (
	"fmt"
	"strconv"

	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/proof"
)

const (
	versionPrefix = "cityproof/evidence/v"
	headerLine    = versionPrefix + "1"

	kindPrefix    = "kind "
	logPrefix     = "log "
	witnessPrefix = "witness "
	rootPrefix    = "root "
	indexPrefix   = "index "
	leafPrefix    = "leaf "
)

// Format returns the bytes of the evidence, at most MaxSize. Parse gives the same evidence back.
func (e *Evidence) Format() []byte {
	b := append([]byte(headerLine), '\n')
	b = appendLine(b, kindPrefix, e.kind.String())
	prefix := logPrefix
	if e.kind == WitnessFault {
		prefix = witnessPrefix
	}
	b = appendLine(b, prefix, checkpoint.FormatVKey(e.heads[0].key))
	if !e.heads[1].key.Equal(e.heads[0].key) {
		b = appendLine(b, prefix, checkpoint.FormatVKey(e.heads[1].key))
	}
	if e.fork != nil {
		b = appendLine(b, rootPrefix, e.fork.Root.String())
		b = appendPath(b, e.fork.Path)
	}
	if e.leaves != nil {
		b = appendLine(b, indexPrefix, strconv.FormatUint(e.index, 10))
		for _, l := range e.leaves {
			b = appendLine(b, leafPrefix, l.Hash.String())
			b = appendPath(b, l.Path)
		}
	}
	for _, h := range e.heads {
		note, err := checkpoint.FormatNote(&checkpoint.Note{Text: h.text, Sigs: []checkpoint.Signature{h.sig}})
		if err != nil {
			panic(fmt.Sprintf("evidence: a head that was parsed has no bytes: %v", err))
		}
		b = append(append(b, '\n'), note...)
	}
	return b
}

func appendLine(b []byte, prefix, value string) []byte {
	return append(append(append(b, prefix...), value...), '\n')
}

func appendPath(b []byte, path []proof.Hash) []byte {
	for _, h := range path {
		b = appendLine(b, "", h.String())
	}
	return b
}
