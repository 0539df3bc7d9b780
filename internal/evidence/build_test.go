package evidence_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/evidence"
	"github.com/cityproof/cityproof/internal/proof"
)

func TestSamplesHold(t *testing.T) {
	p := newParty(t)
	for name, e := range samples(t, p) {
		f := find(t, e, p.keys(t))
		want := evidence.AccusedLog
		if e.Kind() == evidence.WitnessFault {
			want = evidence.AccusedWitness
		}
		if kind := name[:2]; f.Kind.String() != kind || e.Kind().String() != kind || f.Accused != want || f.Revoked {
			t.Errorf("%s: finding %v accuses %v", name, f.Kind, f.Accused)
		}
		found, read := f.Heads, e.Heads()
		if f.Origin != origin || e.Origin() != origin || !slices.EqualFunc(found[:], read[:], sameHead) {
			t.Errorf("%s: finding is about %s %v", name, f.Origin, f.Heads)
		}
		if len(e.Format()) > evidence.MaxSize || strings.Count(string(e.Format()), "— ") != 2 {
			t.Errorf("%s: %d bytes, want two signature lines and no more", name, len(e.Format()))
		}
	}
}

func sameHead(a, b evidence.SignedHead) bool {
	return a.Key.Equal(b.Key) && a.Size == b.Size && a.Root == b.Root && a.Time == b.Time
}

// What was signed is in the evidence byte for byte, and alone: cosignatures and the ML-DSA line are gone.
func TestI5BytesStayAsSigned(t *testing.T) {
	p := newParty(t)
	h, o := newHistory(t, 9, 9), newHistory(t, 9, 3)
	a, b := h.head(t, p, p.log, 5, start), o.head(t, p, p.log, 9, start)
	e := must(evidence.NewE2(a, b, o.fork(t, 5, 9)))(t)
	for _, note := range [][]byte{h.bare(t, p.log, 5, start).Note, o.bare(t, p.log, 9, start).Note} {
		if !bytes.Contains(e.Format(), append([]byte("\n\n"), note...)) {
			t.Errorf("evidence\n%s\ndoes not hold\n%s", e.Format(), note)
		}
	}
}

// The same contradiction has the same bytes, whoever found it and with whatever on the notes.
func TestI7OneEncoding(t *testing.T) {
	p := newParty(t)
	h, o := newHistory(t, 12, 12), newHistory(t, 12, 3)
	at := func(h *history, s *checkpoint.Signer, size uint64) [2]evidence.Head {
		return [2]evidence.Head{h.head(t, p, s, size, start), h.bare(t, s, size, start)}
	}
	fork := o.fork(t, 5, 9)
	unneeded := h.fork(t, 5, 9)
	for name, build := range map[string]struct {
		a, b [2]evidence.Head
		make func(a, b evidence.Head, swapped bool) (*evidence.Evidence, error)
	}{
		"E1": {at(h, p.log, 7), at(o, p.log, 7), func(a, b evidence.Head, _ bool) (*evidence.Evidence, error) {
			return evidence.NewE1(a, b)
		}},
		"E2": {at(h, p.log, 5), at(o, p.log, 9), func(a, b evidence.Head, _ bool) (*evidence.Evidence, error) {
			return evidence.NewE2(a, b, fork)
		}},
		"E2 after rotation": {at(h, p.oldLog, 5), at(o, p.log, 9), func(a, b evidence.Head, _ bool) (*evidence.Evidence, error) {
			return evidence.NewE2(a, b, fork)
		}},
		"E3": {at(h, p.log, 7), at(o, p.log, 12), func(a, b evidence.Head, swapped bool) (*evidence.Evidence, error) {
			if swapped {
				return evidence.NewE3(5, a, o.leaf(t, 5, 12), b, h.leaf(t, 5, 7))
			}
			return evidence.NewE3(5, a, h.leaf(t, 5, 7), b, o.leaf(t, 5, 12))
		}},
		"E4 fork": {at(h, p.w1, 5), at(o, p.w1, 9), func(a, b evidence.Head, _ bool) (*evidence.Evidence, error) {
			return evidence.NewE4(a, b, &fork)
		}},
		"E4 one size": {at(h, p.w1, 7), at(o, p.w1, 7), func(a, b evidence.Head, swapped bool) (*evidence.Evidence, error) {
			if swapped {
				return evidence.NewE4(a, b, &unneeded)
			}
			return evidence.NewE4(a, b, nil)
		}},
	} {
		a, b := build.a, build.b
		want := must(build.make(a[0], b[0], false))(t)
		for i, other := range []func() (*evidence.Evidence, error){
			func() (*evidence.Evidence, error) { return build.make(b[0], a[0], true) },
			func() (*evidence.Evidence, error) { return build.make(a[1], b[1], false) },
			func() (*evidence.Evidence, error) { return build.make(b[1], a[0], true) },
			func() (*evidence.Evidence, error) { return evidence.Parse(want.Format()) },
		} {
			got := must(other())(t)
			if !bytes.Equal(got.Format(), want.Format()) {
				t.Errorf("%s: way %d gives\n%s\nwant\n%s", name, i, got.Format(), want.Format())
			}
			if k := find(t, got, p.keys(t)).Key(); k != find(t, want, p.keys(t)).Key() {
				t.Errorf("%s: way %d has key %s", name, i, k)
			}
		}
	}
}

func TestBuildersRefuse(t *testing.T) {
	p := newParty(t)
	h, o := newHistory(t, 12, 12), newHistory(t, 12, 3)
	log := func(h *history, size uint64) evidence.Head { return h.head(t, p, p.log, size, start) }
	w1 := func(h *history, size, at uint64) evidence.Head { return h.head(t, p, p.w1, size, at) }
	extended := func(x string) evidence.Head {
		return evidence.Head{Note: signed(t, text(7, h.root(t, 7), x), start, p.log), Key: verifierOf(t, p.log)}
	}
	foreign := evidence.Head{Key: verifierOf(t, p.other), Note: signed(t, strings.Replace(text(7, o.root(t, 7)), "city", "other", 1), start, p.other)}
	fork := o.fork(t, 5, 9)
	badPath := evidence.Fork{Root: fork.Root, Path: slices.Clone(fork.Path)}
	badPath.Path[1][0] ^= 1
	longPath := evidence.Fork{Root: fork.Root, Path: append(slices.Clone(fork.Path), proof.Hash{})}
	honest := h.fork(t, 5, 9)
	type result = func() (*evidence.Evidence, error)
	proves := map[string]result{
		"E1 of one head":             func() (*evidence.Evidence, error) { return evidence.NewE1(log(h, 7), log(h, 7)) },
		"E1 of extension lines":      func() (*evidence.Evidence, error) { return evidence.NewE1(extended("a"), extended("b")) },
		"E2 of an honest log":        func() (*evidence.Evidence, error) { return evidence.NewE2(log(h, 5), log(h, 9), honest) },
		"E2 with a proof that fails": func() (*evidence.Evidence, error) { return evidence.NewE2(log(h, 5), log(o, 9), badPath) },
		"E2 with a proof too long":   func() (*evidence.Evidence, error) { return evidence.NewE2(log(h, 5), log(o, 9), longPath) },
		"E2 with another root": func() (*evidence.Evidence, error) {
			return evidence.NewE2(log(h, 5), log(o, 9), evidence.Fork{Path: fork.Path})
		},
		"E2 without a proof": func() (*evidence.Evidence, error) { return evidence.NewE2(log(h, 5), log(o, 9), evidence.Fork{}) },
		"E2 from size 0":     func() (*evidence.Evidence, error) { return evidence.NewE2(log(h, 0), log(o, 9), o.fork(t, 0, 9)) },
		"E3 of one leaf": func() (*evidence.Evidence, error) {
			return evidence.NewE3(2, log(h, 7), h.leaf(t, 2, 7), log(o, 12), o.leaf(t, 2, 12))
		},
		"E3 beyond the first head": func() (*evidence.Evidence, error) {
			return evidence.NewE3(7, log(h, 7), h.leaf(t, 6, 7), log(o, 12), o.leaf(t, 7, 12))
		},
		"T26 E3 with an index that is not the leaf's": func() (*evidence.Evidence, error) {
			return evidence.NewE3(6, log(h, 7), h.leaf(t, 6, 7), log(h, 12), h.leaf(t, 5, 12))
		},
		"E4 of two sizes in one second": func() (*evidence.Evidence, error) { return evidence.NewE4(w1(h, 5, start), w1(h, 9, start), nil) },
		"E4 of a witness that grows":    func() (*evidence.Evidence, error) { return evidence.NewE4(w1(h, 5, start), w1(h, 9, start+1), nil) },
		"E4 that says a fork":           func() (*evidence.Evidence, error) { return evidence.NewE4(w1(h, 5, start), w1(h, 9, start), &honest) },
		"E4 of a fork without a proof":  func() (*evidence.Evidence, error) { return evidence.NewE4(w1(h, 5, start), w1(o, 9, start), nil) },
		"E4 of the same tree twice":     func() (*evidence.Evidence, error) { return evidence.NewE4(w1(h, 9, start), w1(h, 9, start+1), nil) },
		"T12 E1 without the Ed25519 line": func() (*evidence.Evidence, error) {
			return evidence.NewE1(evidence.Head{Note: h.bare(t, p.logPQ, 7, start).Note, Key: verifierOf(t, p.log)}, log(o, 7))
		},
	}
	unfit := map[string]result{
		"E1 of two sizes": func() (*evidence.Evidence, error) { return evidence.NewE1(log(h, 5), log(o, 7)) },
		"E1 of two logs":  func() (*evidence.Evidence, error) { return evidence.NewE1(log(h, 7), foreign) },
		"E1 of no note": func() (*evidence.Evidence, error) {
			return evidence.NewE1(evidence.Head{Key: verifierOf(t, p.log)}, log(o, 7))
		},
		"E2 of one size": func() (*evidence.Evidence, error) { return evidence.NewE2(log(h, 7), log(o, 7), evidence.Fork{}) },
		"E3 of one size": func() (*evidence.Evidence, error) {
			return evidence.NewE3(5, log(h, 7), h.leaf(t, 5, 7), log(o, 7), o.leaf(t, 5, 7))
		},
		"E4 of two witnesses": func() (*evidence.Evidence, error) {
			return evidence.NewE4(w1(h, 7, start), o.head(t, p, p.pq, 7, start), nil)
		},
		"another root of nothing": func() (*evidence.Evidence, error) {
			return evidence.NewE1(evidence.Head{Note: signed(t, text(0, proof.Hash{}), start, p.log), Key: verifierOf(t, p.log)}, log(h, 0))
		},
		"a text that is too long": func() (*evidence.Evidence, error) {
			return evidence.NewE1(extended(strings.Repeat("x", evidence.MaxText)), log(o, 7))
		},
	}
	for name, build := range proves {
		if e, err := build(); !errors.Is(err, evidence.ErrNotProven) {
			t.Errorf("%s: %v, %v, want ErrNotProven", name, e, err)
		}
	}
	for name, build := range unfit {
		if e, err := build(); err == nil || errors.Is(err, evidence.ErrNotProven) {
			t.Errorf("%s: %v, %v, want an error about the heads", name, e, err)
		}
	}
}

// A log that signs its fork under extension lines does not get away with it.
func TestExtensionLinesAreKept(t *testing.T) {
	p := newParty(t)
	h, o := newHistory(t, 7, 7), newHistory(t, 7, 3)
	long := strings.Repeat("x", evidence.MaxText-len(text(7, proof.Hash{}))-1)
	head := func(h *history, x string, s *checkpoint.Signer) evidence.Head {
		return evidence.Head{Note: signed(t, text(7, h.root(t, 7), x), start, s), Key: verifierOf(t, s)}
	}
	keys := map[string]bool{}
	for _, x := range []string{long, "y", "z"} {
		e := must(evidence.NewE1(head(h, x, p.log), head(o, "y", p.log)))(t)
		keys[find(t, e, p.keys(t)).Key()] = true
		must(evidence.NewE4(head(h, x, p.w1), head(o, "y", p.w1), nil))(t)
		if e, err := evidence.NewE4(head(h, x, p.pq), head(o, "y", p.pq), nil); err == nil {
			t.Errorf("NewE4 = %s, though ML-DSA-44 does not cover the extension lines", e.Format())
		}
	}
	if len(keys) != 1 {
		t.Errorf("one contradiction has %d keys", len(keys))
	}
}

// A signature of one type, under the key of another, proves nothing.
func TestT08TypesNeverStandIn(t *testing.T) {
	p := newParty(t)
	h, o := newHistory(t, 9, 9), newHistory(t, 9, 3)
	types := []checkpoint.KeyType{checkpoint.TypeEd25519, checkpoint.TypeEd25519Cosignature, checkpoint.TypeMLDSA44}
	names := []string{origin, "w1.example.com/witness"}
	built := 0
	for _, name := range names {
		for _, keyType := range types {
			key := newSigner(t, name, "one", keyType)
			for _, sigType := range types {
				by := newSigner(t, name, "one", sigType)
				head := func(h *history, at uint64) evidence.Head {
					n, err := checkpoint.ParseNote(signed(t, text(7, h.root(t, 7)), at, by))
					if err != nil {
						t.Fatal(err)
					}
					s := &n.Sigs[0]
					s.KeyID = key.Key().ID()
					switch { // so that the length is right, where the key is
					case keyType == checkpoint.TypeEd25519 && sigType == checkpoint.TypeEd25519Cosignature:
						s.Sig = s.Sig[8:]
					case keyType == checkpoint.TypeEd25519Cosignature && sigType == checkpoint.TypeEd25519:
						s.Sig = append(binary.BigEndian.AppendUint64(nil, at), s.Sig...)
					}
					return evidence.Head{Note: format(t, n), Key: verifierOf(t, key)}
				}
				a, b := head(h, start), head(o, start+1)
				e1, err1 := evidence.NewE1(a, b)
				e4, err4 := evidence.NewE4(a, b, nil)
				if want := name == origin && keyType == sigType && keyType == checkpoint.TypeEd25519; (err1 == nil) != want {
					t.Errorf("E1 by %v with a signature of %v under %s: %v, %v", keyType, sigType, name, e1, err1)
				}
				if want := name != origin && keyType == sigType && keyType != checkpoint.TypeEd25519; (err4 == nil) != want {
					t.Errorf("E4 by %v with a signature of %v under %s: %v, %v", keyType, sigType, name, e4, err4)
				}
				if err1 == nil || err4 == nil {
					built++
				}
			}
		}
	}
	if built != 3 {
		t.Errorf("%d combinations are evidence, want the 3 of a log's Ed25519 key and a witness's two types", built)
	}

	// Nor does a key count in another role with a verifier that mixes them up.
	keys := p.keys(t)
	for vkey, k := range keys.logs {
		keys.witnesses[vkey] = evidence.WitnessKey{Verifier: k.Verifier}
	}
	for vkey, k := range keys.witnesses {
		keys.logs[vkey] = evidence.LogKey{Verifier: k.Verifier}
	}
	for name, e := range samples(t, p) {
		b := e.Format()
		for kind := range 5 {
			swapped := bytes.Replace(b, []byte("kind "+name[:2]), []byte{'k', 'i', 'n', 'd', ' ', 'E', '0' + byte(kind)}, 1)
			swapped = bytes.Replace(swapped, []byte("\nlog "), []byte("\nwitness "), 1)
			for _, b := range [][]byte{swapped, bytes.Replace(swapped, []byte("\nwitness "), []byte("\nlog "), 1)} {
				if e, err := evidence.Parse(b); err == nil && e.Kind().String() != name[:2] {
					if f, err := e.Verify(keys); err == nil {
						t.Errorf("%s passes as %v", name, f)
					}
				}
			}
		}
	}
}

// Time 0 belongs to subtrees, which a witness signs of any size at any moment.
func TestT08Time0IsNeverEvidence(t *testing.T) {
	p := newParty(t)
	h, o := newHistory(t, 9, 9), newHistory(t, 9, 3)
	fork := o.fork(t, 5, 9)
	for word, s := range map[string]*checkpoint.Signer{"w1": p.w1, "pq": p.pq} {
		zero := func(h *history, size uint64) evidence.Head {
			x := text(size, h.root(t, size))
			n := &checkpoint.Note{Text: x, Sigs: []checkpoint.Signature{atTime0(t, s, word, x)}}
			return evidence.Head{Note: format(t, n), Key: verifierOf(t, s)}
		}
		for _, heads := range [][2]evidence.Head{
			{zero(h, 7), zero(o, 7)}, {zero(h, 7), o.bare(t, s, 7, start)}, {h.bare(t, s, 7, start), zero(o, 7)},
			{zero(h, 5), zero(o, 9)}, {h.bare(t, s, 5, start), zero(o, 9)}, {h.bare(t, s, 5, start), zero(h, 9)},
		} {
			if e, err := evidence.NewE4(heads[0], heads[1], &fork); err == nil {
				t.Errorf("%s: NewE4 = %s", word, e.Format())
			}
		}
	}
}

// A witness whose state is an hour old signs what it has forgotten to have outgrown.
func TestT35RestoredWitness(t *testing.T) {
	p := newParty(t)
	h := newHistory(t, 12, 12)
	before, after := h.head(t, p, p.w1, 9, start), h.head(t, p, p.w1, 7, start+3600)
	f := find(t, must(evidence.NewE4(before, after, nil))(t), p.keys(t))
	if f.Accused != evidence.AccusedWitness || f.Heads[0].Time != start+3600 || f.Heads[1].Time != start {
		t.Errorf("finding accuses %v, of %v", f.Accused, f.Heads)
	}
	// With a new key it may begin where it likes.
	fresh := newSigner(t, p.w1.Key().Name, "fresh", checkpoint.TypeEd25519Cosignature)
	if e, err := evidence.NewE4(before, h.bare(t, fresh, 7, start+3600), nil); err == nil {
		t.Errorf("two keys of one witness make %s", e.Format())
	}
}

// The largest that Parse takes of each kind fits: no log can sign its way out of evidence with long texts.
func TestI8EverythingThatProvesFits(t *testing.T) {
	long := strings.Repeat("o", checkpoint.MaxNameSize)
	witness := strings.Repeat("w", checkpoint.MaxNameSize)
	path := strings.Repeat(proof.Hash{}.String()+"\n", proof.MaxPath)
	note := func(s *checkpoint.Signer, size string, root byte, sigSize int, extend bool) string {
		x := long + "\n" + size + "\n" + proof.Hash{root}.String() + "\n"
		if pad := evidence.MaxText - len(x) - 1; extend {
			x += strings.Repeat("x", pad) + "\n"
		}
		sig := binary.BigEndian.AppendUint32(nil, s.Key().ID())
		if s.Key().Type != checkpoint.TypeEd25519 {
			sig = binary.BigEndian.AppendUint64(sig, start)
		}
		sig = append(sig, make([]byte, sigSize)...)
		return "\n" + x + "\n— " + s.Key().Name + " " + base64.StdEncoding.EncodeToString(sig) + "\n"
	}
	const small, large = "4611686018427387903", "4611686018427387904"
	a, b := newSigner(t, long, "a", checkpoint.TypeEd25519), newSigner(t, long, "b", checkpoint.TypeEd25519)
	logs := "log " + checkpoint.FormatVKey(a.Key()) + "\nlog " + checkpoint.FormatVKey(b.Key()) + "\n"
	logNotes := note(a, small, 1, 64, true) + note(b, large, 2, 64, true)
	w, pq := newSigner(t, witness, "w", checkpoint.TypeEd25519Cosignature), newSigner(t, witness, "pq", checkpoint.TypeMLDSA44)
	root := "root " + proof.Hash{3}.String() + "\n" + path
	for _, x := range []string{
		"kind E1\n" + logs + note(a, small, 1, 64, true) + note(b, small, 2, 64, true),
		"kind E2\n" + logs + root + logNotes,
		"kind E3\n" + logs + "index 4611686018427387902\nleaf " + proof.Hash{}.String() + "\n" + path + "leaf " + proof.Hash{1}.String() + "\n" + path + logNotes,
		"kind E4\nwitness " + checkpoint.FormatVKey(w.Key()) + "\n" + root + note(w, small, 1, 64, true) + note(w, large, 2, 64, true),
		"kind E4\nwitness " + checkpoint.FormatVKey(pq.Key()) + "\n" + root + note(pq, small, 1, 2420, false) + note(pq, large, 2, 2420, false),
	} {
		x = "cityproof/evidence/v1\n" + x
		e, err := evidence.Parse([]byte(x))
		if err != nil {
			t.Errorf("%.40q, %d bytes: %v", x, len(x), err)
		} else if string(e.Format()) != x {
			t.Errorf("%.40q does not come back", x)
		} else {
			t.Logf("%.30q: %d bytes", x, len(x))
		}
	}
}
