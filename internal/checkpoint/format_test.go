package checkpoint_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/proof"
)

// The examples in FORMAT.md, here and in package proof, are what the code makes.
func TestFormatExamples(t *testing.T) {
	p := newParty(t)
	var leaves []proof.Hash
	var r, right proof.Range
	for i := range 7 {
		leaves = append(leaves, proof.LeafHash(fmt.Appendf(nil, "entry %d", i)))
		r.Append(leaves[i])
	}
	c := checkpoint.Checkpoint{Origin: origin, Size: 7, Root: r.Root()}
	text, err := checkpoint.FormatCheckpoint(c)
	if err != nil {
		t.Fatal(err)
	}
	note := format(t, &checkpoint.Note{Text: text, Sigs: []checkpoint.Signature{sign(t, p.logEd, text), sign(t, p.w1, text)}})

	for _, h := range leaves[:4] {
		right.Append(h)
	}
	tp := &proof.TLogProof{Extra: []byte("salt"), Index: 5, Path: []proof.Hash{leaves[4], leaves[6], right.Root()}, Checkpoint: note}
	if err := proof.VerifyInclusion(5, 7, leaves[5], tp.Path, c.Root); err != nil {
		t.Fatal(err)
	}
	file, err := tp.Format()
	if err != nil {
		t.Fatal(err)
	}

	for name, examples := range map[string][]string{
		"FORMAT.md":          {string(note), checkpoint.FormatVKey(p.logEd.Key()), checkpoint.FormatVKey(p.w1.Key())},
		"../proof/FORMAT.md": {string(file)},
	} {
		doc, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range examples {
			if !strings.Contains(string(doc), e) {
				t.Errorf("%s does not have the example\n%s", name, e)
			}
		}
	}
}
