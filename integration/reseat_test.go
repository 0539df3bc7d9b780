package integration_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestSilentRegistryIsReseated: one seat of the registry lies already, a second one loses its keys, and nothing of the registry is
// final any more. The holders of the root keys seat those who can speak; the nodes follow while they run, and an epoch is handed
// over.
func TestSilentRegistryIsReseated(t *testing.T) {
	t.Parallel()
	a := &governed{members: newAlliance(t), moved: map[int]string{}}
	a.startAll()
	const secretariat, kanaalstad, minato = 0, 1, 2
	before := a.publish(kanaalstad, 0, 30*time.Second)
	var witness, mirror, newWitness string

	a.step(t, "the second of three seats falls silent, and time stands still", func(t *testing.T) {
		witness, newWitness = a.newVKey(minato, "witness-2", "witness")
		mirror, _ = a.newVKey(minato, "mirror-2", "mirror")
		a.kill(minato)
		for name, file := range map[string]string{"witness.key": witness, "mirror.key": mirror} {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(a.folder(minato), "node", "keys", name), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		a.start(minato)
		a.publish(secretariat, 3, 5*time.Second)
		was := a.status()
		a.publish(secretariat, 3, 5*time.Second) // anchors come every two seconds, where they come
		now := a.status()
		if now.RegistrySize <= was.RegistrySize || now.RegistryTime != was.RegistryTime {
			t.Errorf("with two of three seats silent the registry's size went from %d to %d and its time from %d to %d", was.RegistrySize, now.RegistrySize, was.RegistryTime, now.RegistryTime)
		}
	})

	a.step(t, "keys are replaced by the root keys, and count for nothing yet", func(t *testing.T) {
		request := filepath.Join(t.TempDir(), "change.json")
		a.cityproof(0, "change-request", "--city", "jp-minato", "--new", witness, "--new", mirror, "--key", a.recovery(minato), "--out", request, "--root", a.demo.Root)
		a.roots(0, "rotate", request)
		was := a.status().RegistryTime
		a.publish(secretariat, 3, 5*time.Second)
		if now := a.status().RegistryTime; now != was {
			t.Errorf("registry time went from %d to %d", was, now)
		}
	})

	a.step(t, "the holders name the seats, and heads are final again", func(t *testing.T) {
		next := filepath.Join(a.dir, "next.json")
		a.says(a.cityproof(0, "alliance", "next-root", a.demo.Root, "--out", next, "--reseat", "nl-kanaalstad", "--reseat", "jp-minato", "--root", a.demo.Root),
			"reseated in epoch 0", "2 of these 2 members", newWitness)
		for _, n := range []string{"root-1", "root-3"} {
			a.says(a.cityproof(0, "alliance", "sign", next, "--previous", a.demo.Root, "--key", a.holder(n)), "reseated in epoch 0", newWitness)
		}
		a.says(a.acts(0, "root", next), "In the registry: entry")
		if s := a.status(); s.RootVersion != 2 {
			t.Errorf("version %d of the root, want 2", s.RootVersion)
		}
		was := a.status().RegistryTime
		a.until("registry time moves", func() bool { return a.status().RegistryTime > was })
		// In the registry's own log that needs the version beside the receipt, and a reader version 1 alone.
		a.cityproof(0, "verify", "--root", a.demo.Root, a.publish(secretariat, 0, 30*time.Second))
		a.cityproof(0, "verify", "--root", a.demo.Root, before)
	})

	a.step(t, "an epoch is drawn and handed over, and everything is as ever", func(t *testing.T) {
		a.until("the next epoch can be drawn", func() bool { return a.status().EpochDue })
		a.says(a.acts(0, "epoch"), "In the registry: entry", "epoch")
		a.until("the registry has handed over", func() bool {
			return strings.Contains(a.cityproof(0, "alliance", "roster", "--policy", "xx-secretariat", "--root", a.demo.Root), "# cityproof epoch 1,")
		})
		for _, i := range []int{secretariat, kanaalstad, minato} {
			a.cityproof(0, "verify", "--root", a.demo.Root, a.publish(i, 0, 30*time.Second))
		}
		if s := a.status(); len(s.VoidActs) != 0 {
			t.Errorf("void acts: %v", s.VoidActs)
		}
	})
}
