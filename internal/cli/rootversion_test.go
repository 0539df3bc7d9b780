package cli_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"path/filepath"
	"testing"

	"github.com/cityproof/cityproof/internal/alliancetest"
	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/receipt"
	"github.com/cityproof/cityproof/internal/root"
)

// founding is a folder with root.json, and trust.json of a second log of the secretariat.
func founding(t *testing.T) (dir string, first *root.Root, secretariat *alliancetest.City) {
	t.Helper()
	var cities []*alliancetest.City
	for _, id := range []string{"xx-secretariat", "nl-kanaalstad", "jp-minato"} {
		cities = append(cities, alliancetest.NewCity(t, id))
	}
	first = alliancetest.Found(t, cities...)
	b, err := first.Format()
	if err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	write(t, dir, "root.json", b)
	second := cities[0].Renew(t, "secretariat.example/log-2", map[string]string{"log": "the second log"})
	trust := &receipt.Trust{Origin: second.Origin, City: second.ID, Publishers: []receipt.Publisher{{Key: alliancetest.Public("xx-secretariat officer-1")}}}
	for _, vkey := range second.Entry.GetLogVkeys() {
		v, err := checkpoint.ParseVerifier(vkey)
		if err != nil {
			t.Fatal(err)
		}
		trust.Log = append(trust.Log, v)
	}
	if b, err = trust.Format(); err != nil {
		t.Fatal(err)
	}
	write(t, dir, "trust.json", b)
	return dir, first, cities[0]
}

func parsed(t *testing.T, file string) *root.Root {
	t.Helper()
	r, err := root.Parse(read(t, file))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestNextRootReplacesWhatIsNamed(t *testing.T) {
	dir, first, _ := founding(t)
	key := func(name string) string { return base64.StdEncoding.EncodeToString(alliancetest.Public(name)) }
	out := filepath.Join(dir, "root.2.json")
	args := []string{"alliance", "next-root", filepath.Join(dir, "root.json"), "--out", out, "--drop-act-key", key("act 2"), "--drop-act-key", key("act 3"), "--add-act-key", key("act 9"), "--act-threshold", "2"}
	run(t, args...).exit(t, 0, "version 2", "unsigned", "0 keys of the version before, 3 wanted")
	next := parsed(t, out)
	for _, n := range []string{"root 1", "root 3", "root 5"} {
		var err error
		if next, err = next.Sign(first, ed25519.PrivateKey(alliancetest.Key(n))); err != nil {
			t.Fatal(err)
		}
	}
	if err := first.VerifyNext(next); err != nil || len(next.Terms.ActKeys) != 2 || next.Terms.ContinueFrom != nil {
		t.Errorf("VerifyNext = %v, %d act keys", err, len(next.Terms.ActKeys))
	}
	run(t, args...).exit(t, 2, "exists already")
	run(t, "alliance", "next-root", filepath.Join(dir, "root.json"), "--out", out+"x", "--drop-act-key", key("act 9")).exit(t, 2, "is none of the keys")
}

// TestF21NextRootGoesOnFromACheckpoint: one flag names the head, one the new log.
func TestF21NextRootGoesOnFromACheckpoint(t *testing.T) {
	dir, first, secretariat := founding(t)
	head := proof.LeafHash(nil)
	note := write(t, dir, "agreed.checkpoint", secretariat.Note(t, 40, head, alliancetest.FoundedAt))
	out := filepath.Join(dir, "root.2.json")
	args := []string{"alliance", "next-root", filepath.Join(dir, "root.json"), "--out", out, "--log", filepath.Join(dir, "trust.json"), "--continue-from"}
	other := write(t, dir, "other.checkpoint", alliancetest.NewCity(t, "jp-minato").Note(t, 40, head, alliancetest.FoundedAt))
	run(t, append(args, other)...).exit(t, 1, "a checkpoint of minato.example/log")
	run(t, append(args, filepath.Join(dir, "trust.json"))...).exit(t, 1)
	run(t, args[:len(args)-1]...).exit(t, 2, "belong together")
	run(t, append(args, note)...).exit(t, 0, "goes on in secretariat.example/log-2 from size 40", "void")
	next := parsed(t, out)
	if c := next.GoesOn(); c == nil || c.Size != 40 || proof.Hash(c.Root) != head || next.Terms.Registry.Origin != "secretariat.example/log-2" || first.CheckNext(next) != nil {
		t.Errorf("terms %+v", next.Terms)
	}
}
