package integration_test

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	registryv1 "github.com/cityproof/cityproof/api/cityproof/registry/v1"
	"github.com/cityproof/cityproof/internal/checkpoint"
)

// Every act of an alliance, one after another, with the real programs: who decides runs the verbs, the nodes follow.
func TestEveryActOfAnAlliance(t *testing.T) {
	t.Parallel()
	a := &governed{members: newAlliance(t), moved: map[int]string{}}
	a.startAll()
	const kanaalstad, minato, liar = 1, 2, 3

	a.step(t, "the door refuses what would be void, in the rule's words", func(t *testing.T) {
		a.says(a.acts(0, "suspend", "nl-kanaalstad"), "It has no effect yet", "0 root keys signed, want 2", "alliance sign")
		a.says(a.cityproof(1, "alliance", "submit", "suspend-nl-kanaalstad.act.json", "--root", a.demo.Root), "this suspend would have no effect", "0 root keys signed, want 2", "nothing was submitted")
		a.says(a.decides(1, []string{a.officer(minato)}, "leave", "nl-kanaalstad"), "not signed by those who have a say in it")
		a.says(a.acts(1, "reinstate", "nl-kanaalstad"), "is not suspended")
		a.says(a.roots(1, "leave", "xx-secretariat"), "the registry's own member can't leave")
		a.says(a.acts(2, "freeze", "xx-nowhere"), "is no member")
		one, two, root := a.holder("act-1"), a.holder("act-2"), a.holder("root-1")
		accredit := &registryv1.Act{Act: &registryv1.Act_Accredit{Accredit: &registryv1.Accredit{Name: proto.String("An auditor"), Key: make([]byte, 32)}}}
		a.refusedAtDoor(accredit, "1 act keys signed, want 2", one)
		a.refusedAtDoor(accredit, "not signed by those who have a say", one, two, a.officer(kanaalstad))
		a.refusedAtDoor(&registryv1.Act{Act: &registryv1.Act_Suspend{Suspend: &registryv1.Suspend{Member: proto.String("nl-kanaalstad")}}}, "1 root keys signed, want 2", root)
		if s := a.status(); len(s.VoidActs) != 0 {
			t.Errorf("the registry holds what was refused: %v", s.VoidActs)
		}
	})

	a.step(t, "an act is signed by one after another, on files", func(t *testing.T) {
		_, public := a.newKey(0, "auditor", "node")
		file := filepath.Join(t.TempDir(), "accredit.act.json")
		a.says(a.decides(0, []string{a.holder("act-3")}, "accredit", "An auditor", public, "--out", file), "signed by 1", "alliance sign", "alliance submit")
		a.says(a.cityproof(1, "alliance", "submit", file, "--root", a.demo.Root), "1 act keys signed, want 2")
		a.says(a.cityproof(0, "alliance", "sign", file, "--key", a.holder("act-1")), "It has 2 signatures")
		a.says(a.cityproof(0, "alliance", "submit", file, "--root", a.demo.Root), "In the registry: entry", "accredit")
		a.says(a.cityproof(1, "alliance", "submit", file, "--root", a.demo.Root), "does not follow the last effective act") // T-10
		a.says(a.acts(1, "accredit", "Another", public), "was used before")                                                 // T-06
		a.acts(0, "accredit", "An auditor", public, "--end")
		bundle := filepath.Join(t.TempDir(), "rules.json")
		if err := os.WriteFile(bundle, []byte("{}"), 0o600); err != nil {
			t.Fatal(err)
		}
		a.says(a.acts(0, "ruleset", bundle, "--reason", "the first rules"), "rule set")
		if s := a.status(); s.RuleSet != 1 {
			t.Errorf("rule set %d, want 1", s.RuleSet)
		}
	})

	two := filepath.Join(a.folder(kanaalstad), "officer-2.key")
	a.step(t, "a second officer is asked for, approved and admitted", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "officer-2.request.json")
		a.cityproof(0, "key", "request", "--label", "officer-2", "--key", two, "--plain", "--city", "nl-kanaalstad", "--out", file, "--root", a.demo.Root)
		a.says(a.cityproof(0, "key", "approve", file, "--key", a.officer(kanaalstad), "--yes", "--root", a.demo.Root), "1 of 1 officers", "alliance admit")
		a.says(a.cityproof(0, "alliance", "review", file, "--root", a.demo.Root), "officer-2", "All have signed who must")
		a.says(a.acts(0, "admit", file), "In the registry: entry", "update")
		a.until("the node counts the new officer's key", func() bool {
			_, err := a.declare(kanaalstad, 0, two)
			return err == nil
		})
		a.cityproof(0, "key", "doctor", "--key", two, "--key", a.recovery(kanaalstad), "--root", a.demo.Root)
	})

	a.step(t, "T-13: a key retired under load is refused at the very index, and the colleague publishes on", func(t *testing.T) {
		stop := a.publishing(kanaalstad, 1, a.officer(kanaalstad))
		a.says(a.cityproof(0, "key", "retire", "officer-2", "--lost", "--key", a.officer(kanaalstad), "--yes", "--root", a.demo.Root), "In the registry: entry", "revoke key")
		var out string
		a.until("the node refuses the retired key", func() (refused bool) {
			var err error
			out, err = a.declare(kanaalstad, 1, two)
			return err != nil
		})
		a.says(out, "error:", "officer")
		if n := stop(); n == 0 {
			t.Error("nothing was published meanwhile")
		}
		a.cityproof(0, "verify", "--root", a.demo.Root, a.publish(kanaalstad, 0, 30*time.Second))
		a.says(a.cityproof(1, "key", "doctor", "--key", two, "--without-recovery", "--root", a.demo.Root), "is retired")
	})
	var newcomer int
	a.step(t, "a city joins while the alliance runs, and follows", func(t *testing.T) {
		newcomer = a.newNode("ke-mwambao", "ke-mwambao", "mwambao.example")
		n := a.demo.Nodes[newcomer]
		join := filepath.Join(t.TempDir(), "ke-mwambao.join.json")
		a.start(newcomer)
		a.says(a.cityproof(0, "join-request", "--config", n.Config, "--root", a.demo.Root, "--name", "Mwambao", "--http", n.HTTP, "--grpc", n.GRPC,
			"--key", a.officer(newcomer), "--recovery", a.public(a.recovery(newcomer)), "--out", join), "still have to sign", "recovery key")
		a.says(a.cityproof(1, "alliance", "review", join), "NOT SIGNED by its recovery key", "join-request sign")
		a.says(a.acts(1, "admit", join), "not signed as it must be")
		a.says(a.cityproof(0, "join-request", "sign", join, "--key", a.recovery(newcomer)), "Every key has signed")
		a.says(a.cityproof(0, "alliance", "review", join), "Every key has signed", "fingerprint")
		a.says(a.acts(0, "admit", join), "In the registry: entry", "admit")
		a.says(a.acts(1, "admit", join), "is a member already")
		a.kill(newcomer)
		a.edit(n.Config, "  - city: ke-mwambao\n", "  - city: ke-mwambao\n    root: "+a.demo.Root+"\n")
		a.start(newcomer)
		if m := a.member("ke-mwambao"); m.Status != "ACTIVE" || len(m.Committee) != 0 {
			t.Errorf("before an epoch: %+v", m)
		}
		a.publish(newcomer, 3, time.Second) // in its log, and nobody is drawn to witness it yet
	})

	a.step(t, "who was caught is suspended by the proof, without one only by the root keys", func(t *testing.T) {
		proofs, err := filepath.Glob(filepath.Join(a.dir, "*.evidence"))
		if err != nil || len(proofs) != 1 {
			t.Fatalf("the proofs of the demo: %v %v", proofs, err)
		}
		a.says(a.acts(1, "suspend", "nl-kanaalstad", "--evidence", proofs[0]), "evidence against nl-kanaalstad")
		a.acts(0, "suspend", "ca-riviere", "--evidence", proofs[0])
		if m := a.member("ca-riviere"); m.Status != "SUSPENDED" {
			t.Errorf("suspended: %+v", m)
		}
		a.acts(0, "reinstate", "ca-riviere")
		a.roots(0, "suspend", "ca-riviere", "--reason", "it does not answer")
		a.says(a.acts(0, "reinstate", "ca-riviere"), "It has no effect yet", "root keys signed, want 2")
		a.roots(0, "reinstate", "ca-riviere")
		if m := a.member("ca-riviere"); m.Status != "ACTIVE" {
			t.Errorf("reinstated: %+v", m)
		}
	})

	a.step(t, "T-31: a contested rotation takes no effect", func(t *testing.T) {
		file, public := a.newKey(minato, "witness-thief", "witness")
		request := filepath.Join(t.TempDir(), "change.json")
		a.says(a.cityproof(0, "change-request", "--city", "jp-minato", "--new", file, "--key", a.officer(minato), "--out", request, "--root", a.demo.Root), "may not sign here")
		a.says(a.cityproof(1, "alliance", "review", request, "--root", a.demo.Root), "witness key")
		a.says(a.acts(1, "rotate", request), "may not sign here")
		a.says(a.acts(1, "admit", request), "can't change witness_vkey")
		a.cityproof(0, "change-request", "--city", "jp-minato", "--new", file, "--key", a.recovery(minato), "--out", request, "--root", a.demo.Root)
		a.says(a.cityproof(0, "alliance", "review", request, "--root", a.demo.Root), "witness key", "cityproof alliance rotate")
		a.acts(0, "rotate", request)
		s := a.status()
		if len(s.Rotations) != 1 || s.Rotations[0].Member != "jp-minato" {
			t.Fatalf("pending rotations: %+v", s.Rotations)
		}
		a.decides(1, []string{a.officer(kanaalstad)}, "contest", s.Rotations[0].Leaf)
		a.decides(0, []string{a.officer(minato)}, "contest", s.Rotations[0].Leaf)
		a.says(a.decides(1, []string{a.officer(minato)}, "contest", s.Rotations[0].Leaf), "not signed by those who have a say in it")
		if s := a.status(); len(s.Rotations) != 0 {
			t.Errorf("after the contest: %+v", s.Rotations)
		}
		if strings.Contains(a.cityproof(0, "alliance", "roster", "--policy", "nl-kanaalstad", "--root", a.demo.Root), public) {
			t.Error("the contested key is a witness")
		}
		a.roots(0, "rotate", request) // contested or not: the root keys say that it is the city's wish
		a.says(a.roots(1, "rotate", request), "replaces another entry")
	})

	a.step(t, "a witness and a mirror get new keys while publishing goes on, and count from the next epoch", func(t *testing.T) {
		witness, newWitness := a.newVKey(minato, "witness-3", "witness")
		mirror, newMirror := a.newVKey(minato, "mirror-2", "mirror")
		a.kill(minato)
		a.edit(a.demo.Nodes[minato].Config, "  - city: jp-minato\n", "  - city: jp-minato\n    keys:\n      next_witness: "+witness+"\n      next_mirror: "+mirror+"\n")
		a.start(minato)
		stop := a.publishing(kanaalstad, 1, a.officer(kanaalstad))
		request := filepath.Join(t.TempDir(), "change.json")
		a.cityproof(0, "change-request", "--city", "jp-minato", "--new", witness, "--new", mirror, "--key", a.recovery(minato), "--out", request, "--root", a.demo.Root)
		a.roots(0, "rotate", request)
		a.until("the next epoch can be drawn", func() bool { return a.status().EpochDue })
		a.says(a.acts(0, "epoch", "--next", "70s"), "In the registry: entry", "epoch")
		if s := a.status(); s.Epoch != 1 {
			t.Errorf("epoch %d, want 1", s.Epoch)
		}
		// Each log's committee turns to the new keys at a moment of its own, and the node has both.
		for _, i := range []int{0, kanaalstad, minato, newcomer} {
			a.publish(i, 0, 30*time.Second)
		}
		a.until("the registry has handed over", func() bool {
			return strings.Contains(a.cityproof(0, "alliance", "roster", "--policy", "xx-secretariat", "--root", a.demo.Root), newWitness)
		})
		a.kill(minato)
		a.edit(a.demo.Nodes[minato].Config, "      next_witness: "+witness+"\n      next_mirror: "+mirror+"\n", "")
		for name, file := range map[string]string{"witness.key": witness, "mirror.key": mirror} {
			if err := os.Rename(file, filepath.Join(a.folder(minato), "node", "keys", name)); err != nil {
				t.Fatal(err)
			}
		}
		a.start(minato)
		for _, i := range []int{0, kanaalstad, minato, newcomer} {
			a.publish(i, 0, 30*time.Second)
		}
		if n := stop(); n == 0 {
			t.Error("nothing was published meanwhile")
		}
		if m := a.member("ke-mwambao"); len(m.Committee) != 4 {
			t.Errorf("the newcomer's committee: %+v", m)
		}
		if m := a.member("nl-kanaalstad"); slices.Contains(m.Committee, "ke-mwambao") { // T-29
			t.Errorf("the newcomer has a seat at once: %+v", m)
		}
		a.until("jp-minato cosigns with its new keys", func() bool {
			return a.cosigns(minato, "witness", newWitness, kanaalstad) && a.cosigns(minato, "mirror", newMirror, kanaalstad)
		})
	})

	a.step(t, "a log gets new keys while publishing goes on", func(t *testing.T) {
		request := filepath.Join(t.TempDir(), "change.json")
		ed, pq := a.newLogKeys(kanaalstad)
		ask := []string{"change-request", "--city", "nl-kanaalstad", "--new", ed, "--key", a.recovery(kanaalstad), "--out", request, "--root", a.demo.Root}
		a.says(a.cityproof(2, ask...), "rotated together")
		a.cityproof(0, append(ask, "--new", pq)...)
		review := a.cityproof(0, "alliance", "review", request, "--root", a.demo.Root)
		a.says(review, "log keys", "(ML-DSA-44)", "cityproof alliance rotate")
		if slices.ContainsFunc(strings.Split(review, "\n"), func(l string) bool { return len(l) > 250 }) { // a post-quantum key is nothing to read
			t.Errorf("the review has lines that nobody reads:\n%s", review)
		}
		a.startWithNext(kanaalstad, "nl-kanaalstad", ed, pq)
		a.publish(kanaalstad, 0, 30*time.Second) // by the keys of before
		stop := a.publishing(kanaalstad, 100, a.officer(kanaalstad))
		a.roots(0, "rotate", request)
		policy := a.cityproof(0, "alliance", "roster", "--policy", "nl-kanaalstad", "--root", a.demo.Root)
		if strings.Contains(policy, a.demo.Nodes[kanaalstad].LogVKey) {
			t.Errorf("the policy has the old key:\n%s", policy)
		}
		a.until("the node has turned to its new keys", func() bool {
			_, err := a.declare(kanaalstad, 1, a.officer(kanaalstad))
			return err == nil
		})
		a.publish(kanaalstad, 0, 30*time.Second)
		if n := stop(); n == 0 {
			t.Error("nothing was published meanwhile")
		}
		a.kill(kanaalstad) // what has turned stays turned
		a.start(kanaalstad)
		a.publish(kanaalstad, 0, 30*time.Second)
	})

	a.step(t, "the registry's own log gets new keys, by the root keys alone, and everybody follows", func(t *testing.T) {
		request := filepath.Join(t.TempDir(), "change.json")
		ed, pq := a.newLogKeys(0)
		a.cityproof(0, "change-request", "--city", "xx-secretariat", "--new", ed, "--new", pq, "--key", a.recovery(0), "--out", request, "--root", a.demo.Root)
		a.startWithNext(0, "xx-secretariat", ed, pq)
		stop := a.publishing(kanaalstad, 400, a.officer(kanaalstad))
		a.says(a.acts(1, "rotate", request), "no EPOCH pins the registry, so its log keys turn by the root keys alone")
		a.roots(0, "rotate", request)
		if policy := a.cityproof(0, "alliance", "roster", "--policy", "xx-secretariat", "--root", a.demo.Root); strings.Contains(policy, a.demo.Nodes[0].LogVKey) {
			t.Errorf("the policy has the old key:\n%s", policy)
		}
		_, auditor := a.newKey(0, "auditor-3", "node")
		a.acts(0, "accredit", "A third", auditor) // the next act, under the new keys
		a.publish(0, 0, 30*time.Second)
		a.publish(kanaalstad, 0, 30*time.Second)
		if n := stop(); n == 0 {
			t.Error("nothing was published meanwhile")
		}
		a.kill(0)
		a.start(0)
		a.publish(0, 0, 30*time.Second)
		a.says(a.cityproof(0, "audit", "--root", a.demo.Root, "xx-secretariat"), "TRUE           xx-secretariat")
		if s := a.status(); !s.RootOutdated {
			t.Error("the status does not say that the next version of the root is due")
		}
	})

	a.step(t, "a node moves to other addresses, and the others follow while they run", func(t *testing.T) {
		n, ports := &a.demo.Nodes[kanaalstad], a.freePorts(3)
		request := filepath.Join(t.TempDir(), "change.json")
		a.cityproof(0, "change-request", "--city", "nl-kanaalstad", "--http", "http://"+ports[0], "--grpc", ports[1], "--key", a.officer(kanaalstad), "--out", request, "--root", a.demo.Root)
		a.says(a.cityproof(0, "alliance", "review", request, "--root", a.demo.Root), ports[0], ports[1], "All have signed who must")
		a.acts(0, "admit", request)
		a.kill(kanaalstad)
		a.edit(n.Config, strings.TrimPrefix(n.HTTP, "http://"), ports[0])
		a.edit(n.Config, n.GRPC, ports[1])
		a.edit(n.Config, "", "debug:\n  listen: "+ports[2]+"\n")
		n.HTTP, n.GRPC = "http://"+ports[0], ports[1]
		a.start(kanaalstad)
		a.publish(kanaalstad, 0, 30*time.Second) // its mirrors find it
		a.until("others gossip with it", func() bool {
			_, metrics := call(a.t.(*testing.T), http.MethodGet, "http://"+ports[2]+"/metrics", nil)
			return strings.Contains(metrics, `method="/cityproof.gossip.v1.GossipService/`)
		})
	})

	var kept, old string // a receipt of the log that is frozen, and its name
	a.step(t, "a log is frozen at its final head, as its witnesses have it while its node is off", func(t *testing.T) {
		kept = a.publish(newcomer, 0, 30*time.Second)
		a.kill(newcomer)
		a.acts(0, "freeze", "ke-mwambao", "--reason", "the machine was stolen")
		a.says(a.acts(1, "freeze", "ke-mwambao"), "the log has ended already")
		a.start(newcomer)
		a.until("the node of a frozen log takes no more", func() bool {
			out, err := a.declare(newcomer, 1, a.officer(newcomer))
			return err != nil && strings.Contains(out, "the alliance's registry ended this log")
		})
	})

	a.step(t, "a member moves to another log, though its old node is dead, and its declarations go on there", func(t *testing.T) {
		a.kill(newcomer)
		next := a.newNode("ke-mwambao-2", "ke-mwambao", "new.mwambao.example")
		a.start(next)
		request := filepath.Join(t.TempDir(), "move.json")
		n := a.demo.Nodes[next]
		old = a.demo.Nodes[newcomer].Origin
		a.cityproof(0, "change-request", "--city", "ke-mwambao", "--move-to", n.Config, "--http", n.HTTP, "--grpc", n.GRPC, "--key", a.recovery(newcomer), "--out", request, "--root", a.demo.Root)
		a.says(a.cityproof(0, "alliance", "review", request, "--root", a.demo.Root), "new.mwambao.example/log", "alliance move-log")
		a.kill(next)
		a.edit(n.Config, "  - city: ke-mwambao\n", "  - city: ke-mwambao\n    root: "+a.demo.Root+"\n")
		a.spawn(next)
		a.until("the new node waits for the registry's word", func() bool {
			why, _ := a.ready(next)
			return strings.Contains(why, "until the registry moves the city here")
		})
		a.says(a.acts(0, "move-log", request), "It has no effect yet", "root keys signed, want 2")
		a.roots(0, "move-log", request)
		if err := os.Rename(a.officer(newcomer), filepath.Join(a.dir, "ke-mwambao-2", "officer-1.key")); err != nil {
			t.Fatal(err)
		}
		a.moved[next] = "ke-mwambao"
		newcomer = next
		a.untilReady(newcomer)
		a.publish(newcomer, 0, 30*time.Second)

		subject := regexp.MustCompile(`[a-z]{3}/[0-9]+`).FindString(a.cityproof(0, "verify", "--root", a.demo.Root, kept))
		at := []string{"--node", n.HTTP, "--root", a.demo.Root, "--workspace", filepath.Join(filepath.Dir(kept), "cityproof.yaml")}
		a.says(a.cityproof(0, append([]string{"withdraw", subject, "--reason", "It was for the old machine.", "--key", a.officer(newcomer), "--yes", "--final"}, at...)...), subject+" notice (withdrawn)", "root.json alone can judge it from the next epoch on: the log new.mwambao.example/log is not in the lines of epoch 1")
		a.cityproof(0, "verify", "--root", a.demo.Root, kept)
		a.says(a.cityproof(0, "history", subject, "--node", n.HTTP), "It was for the old machine.")
		a.says(a.cityproof(0, "audit", "--root", a.demo.Root, "ke-mwambao"), "TRUE           ke-mwambao", "It goes on from the log "+old+", with the same entries.")
	})

	a.step(t, "T-11: version 2 of the root is signed by old holders and new, and who was dropped decides no more", func(t *testing.T) {
		dir := t.TempDir()
		next := filepath.Join(dir, "root-2.json")
		for _, role := range []string{"root", "act"} {
			a.cityproof(0, "keygen", a.holder(role+"-4"), "--role", role, "--plain")
		}
		a.says(a.cityproof(0, "alliance", "next-root", a.demo.Root, "--pin", "--root", a.demo.Root, "--drop-root-key", a.public(a.holder("root-1")), "--add-root-key", a.public(a.holder("root-4")),
			"--drop-act-key", a.public(a.holder("act-3")), "--add-act-key", a.public(a.holder("act-4")), "--out", next), "version 2", "0 keys of the version before, 2 wanted", "it names the keys that sign the registry's log now")
		a.cityproof(0, "alliance", "sign", next, "--previous", a.demo.Root, "--key", a.holder("root-1"))
		a.says(a.cityproof(1, "alliance", "sign", next, "--previous", a.demo.Root, "--key", a.holder("act-1")), "no root key")
		a.cityproof(0, "alliance", "sign", next, "--previous", a.demo.Root, "--key", a.holder("root-2"))
		a.says(a.acts(1, "root", next), "version 2 by its own keys")
		a.says(a.cityproof(0, "alliance", "sign", next, "--previous", a.demo.Root, "--key", a.holder("root-4")), "It is signed")
		a.acts(0, "root", next)
		if s := a.status(); s.RootVersion != 2 || s.RootOutdated {
			t.Errorf("root version %d, want 2", s.RootVersion)
		}
		a.says(a.acts(1, "root", next), "version 2 follows version 2")
		_, auditor := a.newKey(0, "auditor-2", "node")
		a.decides(1, []string{a.holder("act-3"), a.holder("act-1")}, "accredit", "Another", auditor)
		a.decides(1, []string{a.holder("root-1"), a.holder("root-2")}, "accredit", "Another", auditor)
		a.decides(0, []string{a.holder("act-4"), a.holder("act-1")}, "accredit", "Another", auditor)
		a.decides(0, []string{a.holder("root-4"), a.holder("root-2")}, "accredit", "Another", auditor, "--end")
		a.publish(kanaalstad, 0, 30*time.Second)
	})

	a.step(t, "an officer's key is revoked by the act keys, and a witness key from a time within the epoch on", func(t *testing.T) {
		officer := a.public(a.officer(minato))
		a.says(a.acts(1, "revoke", "nl-kanaalstad", officer), "no publisher, witness or mirror key of the member")
		a.says(a.decides(0, []string{a.officer(minato)}, "revoke", "jp-minato", officer), "It has no effect yet", "act keys signed, want 2") // nobody ends their own
		a.acts(0, "revoke", "jp-minato", officer)
		a.says(a.acts(1, "revoke", "jp-minato", officer), "revoked before")
		a.until("the node refuses the revoked key", func() bool {
			_, err := a.declare(minato, 1, a.officer(minato))
			return err != nil
		})
		k, err := checkpoint.ParseVKey(a.demo.Nodes[liar].WitnessVKey)
		if err != nil {
			t.Fatal(err)
		}
		key := base64.StdEncoding.EncodeToString(k.Key)
		a.says(a.acts(1, "revoke", "ca-riviere", key, "--from-time", "1"), "lies before the epoch")
		now := strconv.FormatInt(time.Now().Unix(), 10)
		a.acts(0, "revoke", "ca-riviere", key, "--from-time", now)
		a.says(a.acts(1, "revoke", "ca-riviere", key, "--from-time", now), "revoked before")
		a.publish(kanaalstad, 0, 30*time.Second) // two of its three witnesses are left
	})

	a.step(t, "from the next epoch on root.json alone judges by the new log what the old one took", func(t *testing.T) {
		a.until("the next epoch can be drawn", func() bool { return a.status().EpochDue })
		a.acts(0, "epoch")
		a.until("an anchor proves the epoch", func() bool {
			a.cityproof(0, "final", kept, "--node", a.demo.Nodes[newcomer].HTTP, "--root", a.demo.Root, "--workspace", filepath.Join(filepath.Dir(kept), "cityproof.yaml"))
			return exec.Command(cityproof, "verify", "--root", a.demo.Root, kept).Run() == nil
		})
		out := strings.Join(strings.Fields(a.cityproof(0, "verify", "--root", a.demo.Root, kept)), " ")
		a.says(out, "the statement was made for "+old+", whose entries this log begins with")
	})

	a.step(t, "a city leaves by its own officers' word", func(t *testing.T) {
		a.decides(1, []string{a.recovery(newcomer)}, "leave", "ke-mwambao")
		a.decides(0, []string{a.officer(newcomer)}, "leave", "ke-mwambao")
		if m := a.member("ke-mwambao"); m.Status != "LEFT" {
			t.Errorf("after it left: %+v", m)
		}
		a.until("the node of a city that left takes no more", func() bool {
			out, err := a.declare(newcomer, 1, a.officer(newcomer))
			return err != nil && strings.Contains(out, "has left the alliance")
		})
		a.says(a.acts(1, "suspend", "ke-mwambao"), "is no member")
	})

	a.step(t, "the whole is true: no act is void, and every log replays", func(t *testing.T) {
		if s := a.status(); len(s.VoidActs) != 0 {
			t.Errorf("void acts: %+v", s.VoidActs)
		}
		a.publish(kanaalstad, 0, 30*time.Second)
		// Heads that the city which left had cosigned are final again once others have.
		var out []byte
		t.Cleanup(func() {
			if t.Failed() {
				t.Logf("the audit:\n%s", out)
			}
		})
		a.until("the audit finds all true", func() bool {
			var err error
			out, err = exec.Command(cityproof, "audit", "--root", a.demo.Root, "xx-secretariat", "nl-kanaalstad", "jp-minato").CombinedOutput()
			if bytes.Contains(out, []byte("FALSE ")) {
				t.Fatal("the audit finds what is false")
			}
			return err == nil
		})
	})
}
