package signingkey_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/signingkey"
)

// turning opens the signer of a log whose keys are to be replaced.
func turning(t *testing.T, dir string, old, next logKeys) *signingkey.LogSigner {
	t.Helper()
	l, err := signingkey.NewTurningLogSigner(origin, old.ed, old.pq, next.ed, next.pq, openState(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// signedBy wants a note to be signed by keys, all of them.
func signedBy(t *testing.T, note []byte, vkeys []string) {
	t.Helper()
	var keys []*checkpoint.Verifier
	for _, vkey := range vkeys {
		v, err := checkpoint.ParseVerifier(vkey)
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, v)
	}
	if _, err := checkpoint.Verify(note, keys, nil); err != nil {
		t.Errorf("the note is not by %q: %v", vkeys, err)
	}
}

func TestLogKeysTurnWhenTheyAreToldTo(t *testing.T) {
	dir, old, next := t.TempDir(), newLogKeys(t), newLogKeys(t)
	one, two := proof.LeafHash([]byte("one")), proof.LeafHash([]byte("two"))
	l := turning(t, dir, old, next)
	before, after := l.VKeys(), l.NextVKeys()
	first, err := l.Sign(5, one, noon)
	if err != nil {
		t.Fatal(err)
	}
	signedBy(t, first, before)

	l.Turn()
	if got := l.VKeys(); !slices.Equal(got, after) || l.NextVKeys() != nil {
		t.Errorf("after the turn %q sign, want %q", got, after)
	}
	again, err := l.Sign(5, one, noon.Add(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	signedBy(t, again, after)
	if third, err := l.Sign(5, one, noon.Add(time.Minute)); err != nil || !bytes.Equal(third, again) {
		t.Errorf("the same by the same keys is another note: %v", err)
	}
	l.Turn() // there is nothing more to turn to
	if note, err := l.Sign(6, two, noon); err != nil {
		t.Fatal(err)
	} else {
		signedBy(t, note, after)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}

	// A restart with the same configuration, and one after the operator has cleared it up.
	l = turning(t, dir, old, next)
	if got := l.VKeys(); !slices.Equal(got, after) || l.NextVKeys() != nil {
		t.Errorf("after a restart %q sign, want %q", got, after)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	s := openState(t, dir)
	if _, err := signingkey.NewLogSigner(origin, old.ed, old.pq, s); err == nil {
		t.Error("the old keys take the log over again")
	}
	signedBy(t, s.Last(), next.signer(t, s).VKeys())
}

// I2: turning the keys lets no second root through.
func TestI2TurnedKeysNeverGoBack(t *testing.T) {
	for name, size := range map[string]uint64{"another root of the same size": 5, "a smaller size": 4} {
		l := turning(t, t.TempDir(), newLogKeys(t), newLogKeys(t))
		if _, err := l.Sign(5, proof.LeafHash([]byte("one")), noon); err != nil {
			t.Fatal(err)
		}
		l.Turn()
		var rollback *signingkey.RollbackError
		if _, err := l.Sign(size, proof.LeafHash([]byte("other")), noon); !errors.As(err, &rollback) {
			t.Errorf("%s: %v, want *RollbackError", name, err)
		}
	}
}
