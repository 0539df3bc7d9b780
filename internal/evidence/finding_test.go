package evidence_test

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/evidence"
)

// At the boundary of a revoked log key: up to its last size the log answers for it, beyond only whoever holds the key.
func TestT13T26RevokedLogKey(t *testing.T) {
	p := newParty(t)
	all := samples(t, p)
	for _, tt := range []struct {
		sample  string
		last    uint64 // of the log's key
		lastOld int    // of the old log's key, negative: not revoked
		want    evidence.Accused
		wantOld bool // the old key is accused
		wantNew bool // the key in use is accused
	}{
		{"E1-two-roots", 6, -1, evidence.AccusedKey, false, true},
		{"E1-two-roots", 7, -1, evidence.AccusedLog, false, true},
		{"E1-two-roots", 8, -1, evidence.AccusedLog, false, true},
		{"E1-two-roots", 0, -1, evidence.AccusedKey, false, true},
		{"E2-rewritten", 4, -1, evidence.AccusedKey, false, true},
		{"E2-rewritten", 5, -1, evidence.AccusedKey, false, true}, // the honest head is within, the thief's beyond
		{"E2-rewritten", 8, -1, evidence.AccusedKey, false, true},
		{"E2-rewritten", 9, -1, evidence.AccusedLog, false, true},
		{"E3-two-leaves", 11, -1, evidence.AccusedKey, false, true},
		{"E3-two-leaves", 12, -1, evidence.AccusedLog, false, true},
		{"E2-after-rotation", math.MaxInt64, -1, evidence.AccusedLog, true, true},
		{"E2-after-rotation", math.MaxInt64, 5, evidence.AccusedLog, true, true},
		{"E2-after-rotation", math.MaxInt64, 4, evidence.AccusedKey, true, false}, // the new key's head is the log's own
		{"E2-after-rotation", 8, 5, evidence.AccusedKey, false, true},
		{"E2-after-rotation", 8, 4, evidence.AccusedKey, true, true},
	} {
		keys := p.keys(t)
		keys.revokeLog(p.log, tt.last)
		if tt.lastOld >= 0 {
			keys.revokeLog(p.oldLog, uint64(tt.lastOld))
		}
		f := find(t, all[tt.sample], keys)
		accused := func(s *checkpoint.Signer) bool {
			for _, k := range f.Keys {
				if k.Equal(s.Key()) {
					return true
				}
			}
			return false
		}
		if f.Accused != tt.want || accused(p.oldLog) != tt.wantOld || accused(p.log) != tt.wantNew || !f.Revoked {
			t.Errorf("%s, keys end at %d and %d: accuses %v, keys %v", tt.sample, tt.last, tt.lastOld, f.Accused, f.Keys)
		}
		if f.Key() != find(t, all[tt.sample], p.keys(t)).Key() {
			t.Errorf("%s: identity depends on what is revoked", tt.sample)
		}
	}
}

func TestT13T26RevokedWitnessKey(t *testing.T) {
	p := newParty(t)
	all := samples(t, p)
	for _, tt := range []struct {
		sample string
		from   uint64
		want   evidence.Accused
	}{
		{"E4-smaller-size-later", start + 61, evidence.AccusedWitness},
		{"E4-smaller-size-later", start + 60, evidence.AccusedKey},
		{"E4-fork", start + 61, evidence.AccusedWitness},
		{"E4-fork", start + 60, evidence.AccusedKey},
		{"E4-fork", start, evidence.AccusedKey},
		{"E4-one-size", start + 60, evidence.AccusedKey},
		{"E4-mldsa44", start + 60, evidence.AccusedWitness}, // another's key
		{"E4-fork", 0, evidence.AccusedKey},
	} {
		keys := p.keys(t)
		keys.revokeWitness(p.w1, tt.from)
		if f := find(t, all[tt.sample], keys); f.Accused != tt.want || len(f.Keys) != 1 || f.Kind != evidence.WitnessFault {
			t.Errorf("%s, revoked from %d: accuses %v, keys %v", tt.sample, tt.from, f.Accused, f.Keys)
		}
	}
}

// Evidence against the registry is E5, but not what a thief made with its revoked key, and it counts as the same.
func TestRegistry(t *testing.T) {
	p := newParty(t)
	keys := p.keys(t)
	for vkey, k := range keys.logs {
		k.Registry = true
		keys.logs[vkey] = k
	}
	for name, e := range samples(t, p) {
		plain, f := find(t, e, p.keys(t)), find(t, e, keys)
		want := evidence.RegistryFork
		if e.Kind() == evidence.WitnessFault {
			want = evidence.WitnessFault
		}
		if f.Kind != want || f.Key() != plain.Key() {
			t.Errorf("%s: kind %v, key %s, want %v, %s", name, f.Kind, f.Key(), want, plain.Key())
		}
	}
	vkey := checkpoint.FormatVKey(p.log.Key())
	k := keys.logs[vkey]
	k.Revoked, k.LastSize = true, 6
	keys.logs[vkey] = k
	if f := find(t, samples(t, p)["E1-two-roots"], keys); f.Kind != evidence.TwoRoots || f.Accused != evidence.AccusedKey {
		t.Errorf("revoked key of the registry: %v accuses %v", f.Kind, f.Accused)
	}
}

func TestUnknownKeysTellNothing(t *testing.T) {
	p := newParty(t)
	for name, e := range samples(t, p) {
		for _, h := range e.Heads() {
			keys := p.keys(t)
			delete(keys.logs, checkpoint.FormatVKey(h.Key))
			delete(keys.witnesses, checkpoint.FormatVKey(h.Key))
			if f, err := e.Verify(keys); !errors.Is(err, evidence.ErrUnknownKey) || errors.Is(err, evidence.ErrNotProven) {
				t.Errorf("%s without %v: %v, %v", name, h.Key, f, err)
			}
		}
	}
}

// What people read, for each kind and each accused.
func TestExplain(t *testing.T) {
	p := newParty(t)
	all := samples(t, p)
	registry, revoked, within := p.keys(t), p.keys(t), p.keys(t)
	for vkey, k := range registry.logs {
		k.Registry = true
		registry.logs[vkey] = k
	}
	revoked.revokeLog(p.log, 3)
	revoked.revokeLog(p.oldLog, 3)
	revoked.revokeWitness(p.w1, start)
	within.revokeLog(p.log, 12)
	far := newHistory(t, 9, 9)
	late := must(evidence.NewE4(far.head(t, p, p.w1, 1, 1<<60), far.head(t, p, p.w1, 9, start), nil))(t)
	var b strings.Builder
	show := func(title string, f *evidence.Finding) {
		fmt.Fprintf(&b, "# %s\n\n%s\n", title, f.Explain())
	}
	for _, name := range []string{"E1-two-roots", "E2-rewritten", "E3-two-leaves", "E4-smaller-size-later", "E4-one-size", "E4-fork"} {
		show(name, find(t, all[name], p.keys(t)))
	}
	show("E5, the registry's E1", find(t, all["E1-two-roots"], registry))
	show("E1 beyond the end of a revoked key", find(t, all["E1-two-roots"], revoked))
	show("E2 with two keys, both beyond their end", find(t, all["E2-after-rotation"], revoked))
	show("E4 after the revocation", find(t, all["E4-one-size"], revoked))
	show("E1 of a revoked key within its time", find(t, all["E1-two-roots"], within))
	show("E4 with a time that no calendar has", find(t, late, p.keys(t)))
	checkGolden(t, "explain.txt", []byte(b.String()))
}

// The example in FORMAT.md is what the code makes.
func TestFormatExample(t *testing.T) {
	doc, err := os.ReadFile("FORMAT.md")
	if err != nil {
		t.Fatal(err)
	}
	example := string(samples(t, newParty(t))["E1-two-roots"].Format())
	if *update {
		before, rest, ok1 := strings.Cut(string(doc), "```\n")
		_, after, ok2 := strings.Cut(rest, "```\n")
		if !ok1 || !ok2 {
			t.Fatal("FORMAT.md has no example to replace")
		}
		writeGolden(t, "FORMAT.md", []byte(before+"```\n"+example+"```\n"+after))
	} else if !strings.Contains(string(doc), "```\n"+example+"```\n") {
		t.Errorf("FORMAT.md does not have the example\n%s", example)
	}
}

// checkGolden compares got with the file and rewrites the file under -update.
func checkGolden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		writeGolden(t, file, got)
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("%s differs from what the test makes; run with -update and read the diff", file)
	}
}

func writeGolden(t *testing.T, file string, data []byte) {
	t.Helper()
	if err := os.WriteFile(file, data, 0o644); err != nil {
		t.Fatal(err)
	}
}
