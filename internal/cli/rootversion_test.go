package cli_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"os"
	"path/filepath"
	"testing"

	"google.golang.org/protobuf/proto"

	registryv1 "github.com/cityproof/cityproof/api/cityproof/registry/v1"
	"github.com/cityproof/cityproof/internal/alliancetest"
	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/receipt"
	"github.com/cityproof/cityproof/internal/root"
	"github.com/cityproof/cityproof/internal/signingkey"
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

// TestNextRootReseatsTheRegistry: flags name the members, the registry their keys, and whoever signs is told.
func TestNextRootReseatsTheRegistry(t *testing.T) {
	w := newWorld(t, nil)
	first := parsed(t, w.root)
	second, third := filepath.Join(w.dir, "root.2.json"), filepath.Join(w.dir, "root.3.json")
	next := func(ids ...string) ran {
		args := []string{"alliance", "next-root", w.root, "--out", second}
		for _, id := range ids {
			args = append(args, "--reseat", id)
		}
		return w.ask(args...)
	}
	next("nl-kanaalstad", "xx-secretariat").exit(t, 1, "xx-secretariat is run by who runs the registry")
	next("nl-kanaalstad", "nl-nowhere").exit(t, 1, "nl-nowhere is no member")
	next("nl-kanaalstad").exit(t, 1, "reseat has 1 seats")
	next("nl-kanaalstad", "nl-kanaalstad").exit(t, 1, "there twice")
	says := []string{"reseated in epoch 0", "2 of these 2 members", "jp-minato, run by jp-minato, with the keys " + w.cities[2].Entry.GetWitnessVkey()}
	next("nl-kanaalstad", "jp-minato").exit(t, 0, append(says, "unsigned")...)
	s := parsed(t, second).Reseats()
	if s == nil || len(s.Seats) != 2 || s.Seats[1].Mirror != w.cities[1].Entry.GetMirrorVkey() || first.CheckNext(parsed(t, second)) != nil {
		t.Fatalf("reseat %+v", s)
	}
	for _, n := range []string{"root 1", "root 2", "root 3"} {
		run(t, "alliance", "sign", second, "--previous", w.root, "--key", w.key(n, signingkey.Root)).exit(t, 0, says...)
	}
	held := filepath.Join(w.dir, "root.act.json")
	w.ask("alliance", "root", second, "--key", w.key("act 1", signingkey.Act), "--hold", "--out", held).exit(t, 0, "Wrote")
	run(t, "alliance", "sign", held, "--key", w.key("act 2", signingkey.Act)).exit(t, 0, append(says, "record the root.json")...)
	if err := os.Remove(held + ".file"); err != nil {
		t.Fatal(err)
	}
	run(t, "alliance", "sign", held, "--key", w.key("act 3", signingkey.Act)).exit(t, 0, "record the root.json")

	w.ask("alliance", "next-root", second, "--out", third).exit(t, 0, "version 3")
	repeated := parsed(t, third)
	if repeated.Terms.Reseat == nil || repeated.Reseats() != nil {
		t.Errorf("the version after it has the reseat %+v", repeated.Terms.Reseat)
	}
	d := alliancetest.NextDraft(parsed(t, second))
	d.Terms.Pin = &root.Pin{Epoch: 1, RosterRoot: make([]byte, 32), Committee: []string{"jp-minato"}}
	b, err := alliancetest.SignRoot(t, parsed(t, second), d).Format()
	must(t, err)
	w.ask("alliance", "next-root", write(t, w.dir, "pinned.json", b), "--out", third+"x").exit(t, 0, "version 4")
	if gone := parsed(t, third+"x"); gone.Terms.Reseat != nil {
		t.Errorf("after a pin of a later epoch the reseat %+v is still there", gone.Terms.Reseat)
	}
}

// TestStatusOfASilentRegistry: how many could still sign, and who can help.
func TestStatusOfASilentRegistry(t *testing.T) {
	w := newWorld(t, nil)
	w.ask("alliance", "status").exit(t, 0, "RED the registry", "3 of the 3 on its seats may sign, and 2 must", "next-root PREVIOUS.json --out root.2.json --reseat")
	for _, id := range []string{"jp-minato", "ke-mwambao"} {
		w.enter(&registryv1.Suspend{Member: proto.String(id)}, "root 1", "root 2", "root 3")
	}
	w.ask("alliance", "status").exit(t, 0, "1 of the 3 on its seats may sign, and 2 must")
}
