package cli_test

import (
	"path/filepath"
	"testing"

	registryv1 "github.com/cityproof/cityproof/api/cityproof/registry/v1"
	"github.com/cityproof/cityproof/internal/alliancetest"
	"github.com/cityproof/cityproof/internal/signingkey"
	"github.com/cityproof/cityproof/internal/testenv"
)

// What change-request writes is what the acts take: each request goes into the registry that it was written for.
func TestChangeRequestsAreGranted(t *testing.T) {
	testenv.SkipInRace(t)
	w := newWorld(t, nil)
	one, recovery := w.key("nl-kanaalstad officer-1", signingkey.Publisher), w.key("nl-kanaalstad recovery", signingkey.Recovery)
	city, out := w.cities[1], filepath.Join(w.dir, "change.json")
	ask := func(args ...string) ran {
		return w.ask(append([]string{"change-request", "--city", "nl-kanaalstad", "--out", out}, args...)...)
	}
	review := func(code int, want ...string) {
		t.Helper()
		w.ask("alliance", "review", out).exit(t, code, want...)
	}

	ask("--key", one).exit(t, 2, "would change nothing")
	ask("--key", one, "--http", "ftp://x").exit(t, 2, "without TLS only for an address in private space")
	ask("--key", one, "--new", w.key("a new officer", signingkey.Publisher)).exit(t, 2, "cityproof key request")
	ask("--key", recovery, "--new", w.key("one log", signingkey.Log)).exit(t, 2, "rotated together")

	// The recovery key alone moves no address, and officers alone replace no key of the node.
	ask("--key", recovery, "--http", "https://new.kanaalstad.example").exit(t, 0, "Not signed by all who must")
	review(1, "https://new.kanaalstad.example")
	witness := w.key("new witness", signingkey.Witness)
	ask("--key", one, "--new", witness).exit(t, 0, "Not signed by all who must")
	review(1, "witness key")
	ask("--key", recovery, "--new", witness, "--name", "Another").exit(t, 0, "can't change together")

	ask("--key", one, "--http", "https://new.kanaalstad.example", "--new", w.key("new tls", signingkey.TLS), "--publish-threshold", "2").exit(t, 0, "All have signed who must", "TLS key", "officers who must sign")
	review(0, "cityproof alliance admit")
	w.enter(&registryv1.Update{Request: read(t, out)}, "act 1", "act 2")
	review(1, "an earlier entry")

	// Two must sign now; the second does it on the file.
	ask("--key", one, "--grpc", "new.kanaalstad.example:9090").exit(t, 0, "1 of 2 officers")
	w.ask("alliance", "review", out, "--json").exitSilently(t, 1, `"problem": "1 of 2 officers of nl-kanaalstad have signed"`)
	run(t, "join-request", "sign", out, "--key", w.key("nl-kanaalstad officer-2", signingkey.Publisher)).exit(t, 0, "2 signatures")
	w.ask("alliance", "review", out, "--json").exit(t, 0, `"asks": "change"`)
	w.enter(&registryv1.Update{Request: read(t, out)}, "act 1", "act 2")

	// A rotation after an officer was retired: the entry keeps them, as the act wants it.
	w.enter(&registryv1.RevokeKey{Member: &city.ID, Key: alliancetest.Public("nl-kanaalstad officer-2"), FinalNote: w.final(city)}, "nl-kanaalstad officer-1")
	ask("--key", recovery, "--new", witness, "--new", w.key("new recovery", signingkey.Recovery)).exit(t, 0, "All have signed who must")
	review(0, "cityproof alliance rotate")
	w.enter(&registryv1.RotateKey{Request: read(t, out)}, "root 1", "root 2", "root 3")
	if got := w.roster.Member(city.ID).Entry; string(got.GetRecoveryKey()) != string(alliancetest.Public("new recovery")) || got.GetHttp() != "https://new.kanaalstad.example" {
		t.Errorf("the entry in force: %v", got)
	}
}
