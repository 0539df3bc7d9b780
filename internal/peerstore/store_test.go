package peerstore_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/cityproof/cityproof/internal/peerstore"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/signingkey"
)

const (
	key     = "witness.example/witness+00000001+AAAA"
	another = "witness.example/witness+00000002+BBBB"
)

var (
	origin = [32]byte{1}
	five   = peerstore.Head{Size: 5, Root: proof.LeafHash([]byte("x")), Time: 100, Note: []byte("note")}
)

// node is a state directory as a node has it, in which a witness signed.
func node(t *testing.T) (state string) {
	t.Helper()
	state = filepath.Join(t.TempDir(), "state")
	use(t, state, func(s *peerstore.Store) {
		put(t, s, five)
	})
	return state
}

// put stores a head in the place of whatever is there.
func put(t *testing.T, s *peerstore.Store, h peerstore.Head) {
	t.Helper()
	if err := s.Update(origin, func(peerstore.Head) (peerstore.Head, error) { return h, nil }); err != nil {
		t.Fatal(err)
	}
}

// use opens state as a node does, and closes it.
func use(t *testing.T, state string, f func(*peerstore.Store)) {
	t.Helper()
	st, err := signingkey.MakeState(state)
	if err != nil {
		t.Fatal(err)
	}
	s, err := peerstore.Open(state, []string{key}, peerstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	f(s)
	if err := errors.Join(s.Close(), st.Close()); err != nil {
		t.Fatal(err)
	}
}

// maySign says that a witness with this key would sign from size 0 or what else it finds: that neither the state directory
// nor the store objects.
func maySign(t *testing.T, state, vkey string) bool {
	t.Helper()
	st, err := signingkey.MakeState(state)
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	s, err := peerstore.Open(state, []string{vkey}, peerstore.Options{})
	if err != nil {
		return false
	}
	defer s.Close()
	return st.Foreign() == nil
}

// TestT35RestoredStoreSignsNothing puts back every part of the state that a copy, a backup or a tidy operator could.
func TestT35RestoredStoreSignsNothing(t *testing.T) {
	for name, restore := range map[string]func(state string) (string, error){
		"the whole state, copied": func(state string) (string, error) {
			return state + "2", os.CopyFS(state+"2", os.DirFS(state))
		},
		"the store, copied and put back": func(state string) (string, error) {
			w := filepath.Join(state, "witness")
			return state, errors.Join(os.CopyFS(w+".old", os.DirFS(w)), os.RemoveAll(w), os.CopyFS(w, os.DirFS(w+".old")))
		},
		"the database in it, copied and put back": func(state string) (string, error) {
			w := filepath.Join(state, "witness", "pebble")
			return state, errors.Join(os.CopyFS(w+".old", os.DirFS(w)), os.RemoveAll(w), os.Rename(w+".old", w))
		},
		"the store and its marker in a new state": func(state string) (string, error) {
			return state + "2", errors.Join(os.MkdirAll(state+"2/witness", 0o700), os.CopyFS(state+"2/witness", os.DirFS(state+"/witness")),
				os.Rename(state+"/witness-key", state+"2/witness-key"))
		},
		"the marker in a new state": func(state string) (string, error) {
			return state + "2", errors.Join(os.MkdirAll(state+"2", 0o700), os.Rename(state+"/witness-key", state+"2/witness-key"))
		},
		"the marker removed":   func(state string) (string, error) { return state, os.Remove(state + "/witness-key") },
		"the store removed":    func(state string) (string, error) { return state, os.RemoveAll(state + "/witness") },
		"its database removed": func(state string) (string, error) { return state, os.RemoveAll(state + "/witness/pebble") },
		"its FORMAT removed":   func(state string) (string, error) { return state, os.Remove(state + "/witness/FORMAT") },
		"its files removed": func(state string) (string, error) {
			return state, errors.Join(os.RemoveAll(state+"/witness/pebble"), os.Mkdir(state+"/witness/pebble", 0o700))
		},
		"the marker was damaged": func(state string) (string, error) { return state, os.WriteFile(state+"/witness-key", nil, 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			state, err := restore(node(t))
			if err != nil {
				t.Fatal(err)
			}
			for range 2 { // a refusal is not forgotten at the next start
				if maySign(t, state, key) {
					t.Error("the witness signs")
				}
			}
		})
	}
}
