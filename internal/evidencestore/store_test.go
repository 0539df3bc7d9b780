package evidencestore_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cityproof/cityproof/internal/alliancetest"
	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/evidence"
	"github.com/cityproof/cityproof/internal/evidencestore"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/roster"
)

// fork is a proof that a city's log signed two roots at a size.
func fork(t *testing.T, c *alliancetest.City, r *roster.Roster, size uint64, salt byte) (*evidence.Evidence, *evidence.Finding) {
	t.Helper()
	key, err := checkpoint.NewVerifier(r.Member(c.ID).Member.Log[0])
	if err != nil {
		t.Fatal(err)
	}
	a := c.Note(t, size, proof.Hash{1, salt}, alliancetest.FoundedAt)
	b := c.Note(t, size, proof.Hash{2, salt}, alliancetest.FoundedAt)
	e, err := evidence.NewE1(evidence.Head{Note: a, Key: key}, evidence.Head{Note: b, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	f, err := e.Verify(r.EvidenceKeys())
	if err != nil {
		t.Fatal(err)
	}
	return e, f
}

func world(t *testing.T) ([]*alliancetest.City, *roster.Roster) {
	t.Helper()
	var cities []*alliancetest.City
	for _, id := range []string{"xx-secretariat", "nl-kanaalstad", "jp-minato"} {
		cities = append(cities, alliancetest.NewCity(t, id))
	}
	r, err := roster.New(alliancetest.Found(t, cities...))
	if err != nil {
		t.Fatal(err)
	}
	return cities, r
}

func open(t *testing.T, dir string) *evidencestore.Store {
	t.Helper()
	s, err := evidencestore.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestEvidenceIsKeptByteForByteOverRestarts(t *testing.T) {
	cities, r := world(t)
	dir := t.TempDir()
	s := open(t, dir)
	e, f := fork(t, cities[1], r, 7, 0)
	for i, want := range []bool{true, false} {
		if fresh, err := s.Add(e, f); err != nil || fresh != want {
			t.Errorf("Add %d = %v, %v, want %v", i+1, fresh, err, want)
		}
	}
	s = open(t, dir)
	if fresh, err := s.Add(e, f); err != nil || fresh {
		t.Errorf("after a restart Add = %v, %v, want it known", fresh, err)
	}
	items := s.Items()
	if len(items) != 1 || !bytes.Equal(items[0].Evidence.Format(), e.Format()) || items[0].Key != f.Key() || items[0].Resumed != nil {
		t.Fatalf("kept: %+v", items)
	}
	on, err := os.ReadFile(filepath.Join(dir, "evidence", f.Key()+".evidence"))
	if err != nil || !bytes.Equal(on, e.Format()) {
		t.Errorf("on disk %d bytes, %v, want the evidence itself", len(on), err)
	}
}

// T-25, F14: who signs a thousand contradictions fills no disk but his own.
func TestT25AtMostThreeProofsAKey(t *testing.T) {
	cities, r := world(t)
	s := open(t, t.TempDir())
	for i := range byte(20) {
		e, f := fork(t, cities[1], r, 7+uint64(i), i)
		if fresh, err := s.Add(e, f); err != nil || fresh != (i < 3) {
			t.Errorf("proof %d: %v, %v", i, fresh, err)
		}
	}
	e, f := fork(t, cities[2], r, 7, 0)
	if fresh, err := s.Add(e, f); err != nil || !fresh {
		t.Errorf("another city's: %v, %v, want it kept", fresh, err)
	}
}

func TestResumeIsTheOperatorsWord(t *testing.T) {
	cities, r := world(t)
	dir := t.TempDir()
	s := open(t, dir)
	for i, c := range cities[1:] {
		e, f := fork(t, c, r, 7, byte(i))
		if _, err := s.Add(e, f); err != nil {
			t.Fatal(err)
		}
	}
	for _, reason := range []string{"", "  ", "two\nlines", strings.Repeat("x", 3000)} {
		if n, err := s.Resume(cities[1].Origin, reason, time.Now()); err == nil || n != 0 {
			t.Errorf("Resume for %q = %d, %v, want it refused", reason, n, err)
		}
	}
	at := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	if n, err := s.Resume(cities[1].Origin, "a restored backup; new keys since Monday", at); n != 1 || err != nil {
		t.Fatalf("Resume = %d, %v", n, err)
	}
	for _, it := range open(t, dir).Items() {
		if want := it.Evidence.Origin() == cities[1].Origin; (it.Resumed != nil) != want {
			t.Errorf("%s is resumed %v, want %v", it.Evidence.Origin(), it.Resumed, want)
		} else if want && (!it.Resumed.At.Equal(at) || it.Resumed.Reason != "a restored backup; new keys since Monday") {
			t.Errorf("resumed: %+v", it.Resumed)
		}
	}
	if n, err := s.Resume(cities[1].Origin, "again", at); n != 0 || err != nil {
		t.Errorf("a second Resume = %d, %v, want nothing left", n, err)
	}
}

func TestDamagedEvidenceIsSaidAtStart(t *testing.T) {
	dir := t.TempDir()
	open(t, dir)
	if err := os.WriteFile(filepath.Join(dir, "evidence", "00.evidence"), []byte("not evidence"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := evidencestore.Open(dir); err == nil {
		t.Error("Open took what is no evidence")
	}
}
