package signingkey_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/signingkey"
	"github.com/cityproof/cityproof/internal/testenv"
)

const origin = "kanaalstad.example/log"

func newKey(t *testing.T, role signingkey.Role, alg signingkey.Algorithm) *signingkey.Key {
	t.Helper()
	k, err := signingkey.Generate(role, "officer-1", alg)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestI7KeyFileRoundTrip(t *testing.T) {
	for _, k := range []*signingkey.Key{
		newKey(t, signingkey.Publisher, signingkey.Ed25519), newKey(t, signingkey.Log, signingkey.MLDSA44),
	} {
		file := filepath.Join(t.TempDir(), "a.key")
		if err := signingkey.WriteFile(file, k.Format()); err != nil {
			t.Fatal(err)
		}
		got, err := signingkey.ReadFile(file, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got.Role != k.Role || got.Label != k.Label || !bytes.Equal(got.Public(), k.Public()) || !bytes.Equal(got.Format(), k.Format()) {
			t.Errorf("read back %s %s, want %s %s", got.Role, got.Label, k.Role, k.Label)
		}
		if err := signingkey.WriteFile(file, []byte("other")); !errors.Is(err, os.ErrExist) {
			t.Errorf("writing over a key: %v, want os.ErrExist", err)
		}
		if st, err := os.Stat(file); err != nil || st.Mode().Perm() != 0o600 {
			t.Errorf("mode %v, %v, want 0600", st.Mode(), err)
		}
	}
}

func TestEncryptedKeyFile(t *testing.T) {
	testenv.SkipInRace(t)
	k := newKey(t, signingkey.Publisher, signingkey.Ed25519)
	b, err := k.Encrypt("a long sentence")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "a.key")
	if err := signingkey.WriteFile(file, b); err != nil {
		t.Fatal(err)
	}
	with := func(pass string) signingkey.Passphrase {
		return func(string) (string, error) { return pass, nil }
	}
	if got, err := signingkey.ReadFile(file, with("a long sentence")); err != nil || !bytes.Equal(got.Public(), k.Public()) {
		t.Errorf("with its passphrase: %v", err)
	}
	for _, wrong := range []string{"another sentence", ""} {
		if _, err := signingkey.ReadFile(file, with(wrong)); !errors.Is(err, signingkey.ErrPassphrase) {
			t.Errorf("with %q: %v, want ErrPassphrase", wrong, err)
		}
	}
	if _, err := signingkey.ReadFile(file, nil); err == nil {
		t.Error("an encrypted key opens without a passphrase")
	}
}

func TestT43KeyFileThatOthersCouldReadOrSwapIsRefused(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "a.key")
	if err := signingkey.WriteFile(file, newKey(t, signingkey.Publisher, signingkey.Ed25519).Format()); err != nil {
		t.Fatal(err)
	}
	link, pipe := filepath.Join(dir, "link.key"), filepath.Join(dir, "pipe.key")
	if err := errors.Join(os.Symlink(file, link), syscall.Mkfifo(pipe, 0o600)); err != nil {
		t.Fatal(err)
	}
	for _, f := range []string{link, pipe, dir} {
		if _, err := signingkey.ReadFile(f, nil); err == nil {
			t.Errorf("%s is read", filepath.Base(f))
		}
	}
	for _, mode := range []os.FileMode{0o640, 0o604, 0o620} {
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := signingkey.ReadFile(file, nil); err == nil || !strings.Contains(err.Error(), "chmod 600") {
			t.Errorf("mode %v: %v, want a hint to chmod", mode, err)
		}
	}
}

func TestT44NoErrorHoldsTheSeed(t *testing.T) {
	text := string(newKey(t, signingkey.Publisher, signingkey.Ed25519).Format())
	_, seed, _ := strings.Cut(text, "seed ")
	seed = strings.TrimSpace(seed)
	if b, err := base64.StdEncoding.DecodeString(seed); err != nil || len(b) != 32 {
		t.Fatalf("the test does not find the seed: %v", err)
	}
	for name, damaged := range map[string]string{
		"another header": strings.Replace(text, "cityproof-key 1", "cityproof-key 2", 1),
		"another role":   strings.Replace(text, "role publisher", "role mayor", 1),
		"another alg":    strings.Replace(text, "ed25519", "rsa", 1),
		"a label":        strings.Replace(text, "officer-1", "Officer 1", 1),
		"a longer seed":  strings.Replace(text, seed, seed+"AAAA", 1),
		"no seed name":   strings.Replace(text, "seed ", "sed ", 1),
		"a line more":    text + "more\n",
		"nothing":        "",
	} {
		_, err := signingkey.Parse([]byte(damaged))
		if !errors.Is(err, signingkey.ErrNotKey) {
			t.Errorf("%s: %v, want ErrNotKey", name, err)
		} else if strings.Contains(err.Error(), seed[:12]) {
			t.Errorf("%s: the error quotes the seed", name)
		}
	}
}

func openState(t *testing.T, dir string) *signingkey.State {
	t.Helper()
	s, err := signingkey.MakeState(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestI2StateIsOneProcesss(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	s := openState(t, dir)
	if _, err := signingkey.OpenState(dir); !errors.Is(err, signingkey.ErrLocked) {
		t.Errorf("second open: %v, want ErrLocked", err)
	}
	file := filepath.Join(dir, "lastsigned")
	if err := s.Swap([]byte("one")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("somebody else's"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Swap([]byte("two")); !errors.Is(err, signingkey.ErrSwapped) {
		t.Errorf("changed behind its back: %v, want ErrSwapped", err)
	}
	if err := errors.Join(s.Close(), os.WriteFile(file+".new", []byte("half"), 0o600)); err != nil {
		t.Fatal(err)
	}
	again := openState(t, dir)
	if string(again.Last()) != "somebody else's" {
		t.Errorf("Last = %q", again.Last())
	}
	if err := again.Swap([]byte("three")); err != nil {
		t.Errorf("a leftover of a crash is in the way: %v", err)
	}
}

type logKeys struct{ ed, pq *signingkey.Key }

func newLogKeys(t *testing.T) logKeys {
	return logKeys{newKey(t, signingkey.Log, signingkey.Ed25519), newKey(t, signingkey.Log, signingkey.MLDSA44)}
}

func (k logKeys) signer(t *testing.T, s *signingkey.State) *signingkey.LogSigner {
	t.Helper()
	l, err := signingkey.NewLogSigner(origin, k.ed, k.pq, s)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

var noon = time.Unix(1_800_000_000, 0)

func TestI2LogSignerNeverGoesBack(t *testing.T) {
	one, other := proof.LeafHash([]byte("one")), proof.LeafHash([]byte("other"))
	for name, tc := range map[string]struct {
		size uint64
		root proof.Hash
	}{"another root of the same size": {5, other}, "a smaller size": {4, other}, "a smaller size, same root": {4, one}} {
		t.Run(name, func(t *testing.T) {
			dir, keys := t.TempDir(), newLogKeys(t)
			l := keys.signer(t, openState(t, dir))
			first, err := l.Sign(5, one, noon)
			if err != nil {
				t.Fatal(err)
			}
			again, err := l.Sign(5, one, noon.Add(time.Hour))
			if err != nil || !bytes.Equal(again, first) {
				t.Fatalf("the same again: another note, %v", err)
			}
			var rollback *signingkey.RollbackError
			if _, err := l.Sign(tc.size, tc.root, noon); !errors.As(err, &rollback) || !errors.Is(err, signingkey.ErrHalted) {
				t.Fatalf("Sign: %v, want a halt by *RollbackError", err)
			}
			if _, err := l.Sign(6, other, noon); !errors.Is(err, signingkey.ErrHalted) || l.Halted() == nil {
				t.Errorf("after the halt: %v, want ErrHalted", err)
			}
			if disk, err := signingkey.ReadLastSigned(dir); err != nil || !bytes.Equal(disk, first) {
				t.Errorf("lastsigned changed: %v", err)
			}
		})
	}
}

func TestI2LogSignerRemembersAcrossRestarts(t *testing.T) {
	dir, keys := t.TempDir(), newLogKeys(t)
	s := openState(t, dir)
	l := keys.signer(t, s)
	if _, err := l.Sign(5, proof.LeafHash(nil), noon); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	s = openState(t, dir)
	if _, err := signingkey.NewLogSigner(origin, newKey(t, signingkey.Log, signingkey.Ed25519), keys.pq, s); err == nil {
		t.Error("another log's key takes over the state")
	}
	if _, err := signingkey.NewLogSigner("elders.example/log", keys.ed, keys.pq, s); err == nil {
		t.Error("another log's name takes over the state")
	}
	l = keys.signer(t, s)
	if c, _, ok := l.Last(); !ok || c.Size != 5 {
		t.Errorf("Last: size %d, %v, want 5", c.Size, ok)
	}
	// The clock has gone back an hour: the new note is not older than the last one.
	note, err := l.Sign(6, proof.LeafHash([]byte("six")), noon.Add(-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	var keysOf []*checkpoint.Verifier
	for _, vkey := range l.VKeys() {
		v, err := checkpoint.ParseVerifier(vkey)
		if err != nil {
			t.Fatal(err)
		}
		keysOf = append(keysOf, v)
	}
	v, err := checkpoint.Verify(note, keysOf, nil)
	if err != nil {
		t.Fatal(err)
	}
	var stamped bool
	for _, sig := range v.Log {
		if sig.Timestamp != 0 {
			stamped = true
			if int64(sig.Timestamp) < noon.Unix() {
				t.Errorf("timestamp %d before the last note's %d", sig.Timestamp, noon.Unix())
			}
		}
	}
	if !stamped {
		t.Error("no signature has a time")
	}
}
