package audit_test

import (
	"crypto"
	"crypto/ed25519"
	"strings"
	"testing"

	"filippo.io/mldsa"

	"github.com/cityproof/cityproof/internal/audit"
	"github.com/cityproof/cityproof/internal/checkpoint"
)

// anchor is a head of the city's own, as its log writes it down: with the Ed25519 line alone.
func (c *city) anchor(h checkpoint.Checkpoint) []byte {
	c.t.Helper()
	var ed []*checkpoint.Signer
	for _, s := range c.signers {
		if s.Key().Type == checkpoint.TypeEd25519 {
			ed = append(ed, s)
		}
	}
	note, err := checkpoint.Sign(h, now, ed...)
	must(c.t, err)
	return note
}

func (c *city) head() checkpoint.Checkpoint {
	return checkpoint.Checkpoint{Origin: origin, Size: c.edge.Size(), Root: c.edge.Root()}
}

func TestAnchorsAreCheckedAgainstTheTree(t *testing.T) {
	c := newCity(t)
	c.append(c.anchor(c.head())) // of the empty log
	var heads []checkpoint.Checkpoint
	for range 700 { // over bundles
		heads = append(heads, c.head())
		c.append([]byte("{"))
	}
	good := []checkpoint.Checkpoint{heads[3], heads[300], heads[511], c.head()}
	for _, h := range good {
		c.append(c.anchor(h))
	}
	late := c.append(c.anchor(heads[600])) // an older head after a newer
	wrong := c.head()
	wrong.Root[0] ^= 1
	lie := c.append(c.anchor(wrong))
	ahead := c.head()
	ahead.Size += 5
	future := c.append(c.anchor(ahead))
	forged := c.append([]byte(strings.Replace(string(c.anchor(c.head())), "— "+origin, "— x"+origin, 1)))
	c.sign()
	r := run(t, c.options())
	if want := uint64(1 + len(good)); r.Anchors != want {
		t.Errorf("%d anchors, want %d", r.Anchors, want)
	}
	void := map[uint64]string{}
	for _, n := range r.VoidLeaves {
		void[n.Index] = n.Why
	}
	for index, why := range map[uint64]string{late: "after one of size", lie: "with the root", future: "an anchor of size", forged: "does not verify"} {
		if !strings.Contains(void[index], why) {
			t.Errorf("entry %d: %q, want it void: %s", index, void[index], why)
		}
	}
	if r.Verdict != audit.False || r.Void != 700+4 {
		t.Errorf("verdict %s, %d void", r.Verdict, r.Void)
	}
}

func TestLogOfAnchorsAloneIsTrue(t *testing.T) {
	c := newCity(t)
	for range 600 {
		c.append(c.anchor(c.head()))
	}
	c.sign()
	if r := run(t, c.options()); r.Verdict != audit.True || r.Anchors != 600 {
		t.Errorf("verdict %s: %v, %d anchors", r.Verdict, r.Reasons, r.Anchors)
	}
}

// An alliance replaces a log's keys from a size on. Anchors below it are by the old ones, those above by the new; what the node
// still wrote with the old ones before it knew is late.
func TestAnchorsOfALogWhoseKeysWereReplaced(t *testing.T) {
	c := newCity(t)
	oldTrust := c.trust.Log
	c.append(c.anchor(c.head())) // of size 0
	c.append(c.anchor(c.head())) // of size 1
	turned := c.edge.Size()      // the last size of the old keys
	c.append(c.anchor(c.head()))
	late := c.append(c.anchor(c.head())) // above it, and by the old ones
	quantum, err := mldsa.NewPrivateKey(mldsa.MLDSA44(), seed(103))
	must(t, err)
	c.signers, c.trust.Log = nil, nil
	for typ, key := range map[checkpoint.KeyType]crypto.Signer{checkpoint.TypeEd25519: ed25519.NewKeyFromSeed(seed(102)), checkpoint.TypeMLDSA44: quantum} {
		s, err := checkpoint.NewSigner(origin, typ, key)
		must(t, err)
		v, err := checkpoint.NewVerifier(s.Key())
		must(t, err)
		c.signers, c.trust.Log = append(c.signers, s), append(c.trust.Log, v)
	}
	c.append(c.anchor(c.head()))
	c.sign()
	opts := c.options()
	opts.LogKeys = func(size uint64) ([]*checkpoint.Verifier, error) {
		if size <= turned {
			return oldTrust, nil
		}
		return c.trust.Log, nil
	}
	wantVerdict(t, run(t, opts), audit.False)
	opts.Late = true
	opts.EndedLogKeys = func(size uint64) [][]*checkpoint.Verifier {
		if size <= turned {
			return nil
		}
		return [][]*checkpoint.Verifier{oldTrust}
	}
	r := run(t, opts)
	wantVerdict(t, r, audit.True)
	if r.Anchors != 4 || r.Late != 1 || r.LateLeaves[0].Index != late {
		t.Errorf("%d anchors, late %v; want 4, and entry %d", r.Anchors, r.LateLeaves, late)
	}
}
