package signingkey_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/signingkey"
)

const here = "cityproof-state 1\ninode 7\nborn 1795480458.000000001\ndevice 254:0\nmachine aa\nboot b1\n"

func TestI2WhatMakesAStateForeign(t *testing.T) {
	for name, tc := range map[string]struct {
		was, now []string // replacements in here, old and new in turn
		foreign  string   // in what is said; empty: it is in its own place
	}{
		"nothing has changed":                       {},
		"a reboot":                                  {now: []string{"b1", "b2"}},
		"a reboot that numbers devices anew":        {now: []string{"b1", "b2", "254:0", "254:1"}},
		"a container rebuilt over its volume":       {now: []string{"machine aa", "machine bb"}},
		"a container that has no machine id now":    {now: []string{"machine aa", "machine -"}},
		"nothing but the file is known":             {was: []string{"machine aa", "machine -", "b1", "-"}, now: []string{"machine aa", "machine -", "b1", "-"}},
		"a file system that tells no birth":         {was: []string{"born 1795480458.000000001", "born -"}},
		"a copy":                                    {now: []string{"inode 7", "inode 8"}, foreign: "a copy"},
		"a copy that got the same inode":            {now: []string{"1795480458", "1795480459"}, foreign: "a copy"},
		"a snapshot mounted beside it":              {now: []string{"254:0", "254:9"}, foreign: "another device"},
		"its disk in another machine":               {now: []string{"b1", "b2", "machine aa", "machine bb"}, foreign: "another machine"},
		"another device, no machine id, a new boot": {now: []string{"b1", "b2", "machine aa", "machine -", "254:0", "254:1"}, foreign: "another device"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := signingkey.ForeignTo(strings.NewReplacer(tc.was...).Replace(here), strings.NewReplacer(tc.now...).Replace(here))
			if err != nil {
				t.Fatal(err)
			}
			if (got == "") != (tc.foreign == "") || !strings.Contains(got, tc.foreign) {
				t.Errorf("foreignTo says %q, want %q in it", got, tc.foreign)
			}
		})
	}
}

// signed makes a state in which size 5 was signed.
func signed(t *testing.T) (dir string, keys logKeys, note []byte) {
	t.Helper()
	dir, keys = filepath.Join(t.TempDir(), "state"), newLogKeys(t)
	l := keys.signer(t, openState(t, dir))
	note, err := l.Sign(5, proof.LeafHash(nil), noon)
	if err = errors.Join(err, l.Close()); err != nil {
		t.Fatal(err)
	}
	return dir, keys, note
}

func TestI2CopiedStateSignsNothing(t *testing.T) {
	for name, copying := range map[string]func(t *testing.T, dir string) (string, error){
		"copied beside": func(_ *testing.T, dir string) (string, error) {
			return dir + "2", os.CopyFS(dir+"2", os.DirFS(dir))
		},
		"removed and put back from a copy, with the same inodes as like as not": func(_ *testing.T, dir string) (string, error) {
			return dir, errors.Join(os.CopyFS(dir+"2", os.DirFS(dir)), os.RemoveAll(dir), os.CopyFS(dir, os.DirFS(dir+"2")))
		},
		"only lastsigned put into a new directory": func(_ *testing.T, dir string) (string, error) {
			return dir + "2", errors.Join(os.Mkdir(dir+"2", 0o700), os.Rename(dir+"/lastsigned", dir+"2/lastsigned"))
		},
		"identity removed": func(_ *testing.T, dir string) (string, error) { return dir, os.Remove(dir + "/identity") },
		"identity damaged": func(_ *testing.T, dir string) (string, error) {
			return dir, os.WriteFile(dir+"/identity", []byte("cityproof-state 1\n"), 0o600)
		},
		"LOCK removed": func(_ *testing.T, dir string) (string, error) { return dir, os.Remove(dir + "/LOCK") },
	} {
		t.Run(name, func(t *testing.T) {
			dir, keys, note := signed(t)
			dir, err := copying(t, dir)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "lastsigned.new"), []byte("what a crash left"), 0o600); err != nil {
				t.Fatal(err)
			}
			l := keys.signer(t, openState(t, dir))
			var foreign *signingkey.ForeignError
			if !errors.As(l.Foreign(), &foreign) {
				t.Fatalf("Foreign() = %v, want *ForeignError", l.Foreign())
			}
			if _, err := l.Sign(6, proof.LeafHash([]byte("six")), noon); !errors.As(err, &foreign) || !errors.Is(err, signingkey.ErrHalted) {
				t.Errorf("Sign: %v, want a halt by *ForeignError", err)
			}
			if c, n, ok := l.Last(); !ok || c.Size != 5 || !bytes.Equal(n, note) {
				t.Errorf("Last: size %d, want 5: a copy can still be read", c.Size)
			}
			if _, _, err := signingkey.Adopt(dir); !errors.Is(err, signingkey.ErrLocked) {
				t.Errorf("adopted while it is in use: %v, want ErrLocked", err)
			}
			if _, err := os.Stat(filepath.Join(dir, "lastsigned.new")); err != nil {
				t.Errorf("a copy was tidied up: %v", err)
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			was, last, err := signingkey.Adopt(dir)
			if err != nil || !errors.As(was, &foreign) || !bytes.Equal(last, note) {
				t.Fatalf("Adopt: %v, %v", was, err)
			}
			if _, err := keys.signer(t, openState(t, dir)).Sign(6, proof.LeafHash([]byte("six")), noon); err != nil {
				t.Errorf("after adopting: %v", err)
			}
		})
	}
}

func TestI2MovedStateSigns(t *testing.T) {
	dir, keys, _ := signed(t)
	if err := os.Rename(dir, dir+"-elsewhere"); err != nil {
		t.Fatal(err)
	}
	l := keys.signer(t, openState(t, dir+"-elsewhere"))
	if _, err := l.Sign(6, proof.LeafHash([]byte("six")), noon); err != nil {
		t.Error(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if was, _, err := signingkey.Adopt(dir + "-elsewhere"); was != nil || err != nil {
		t.Errorf("Adopt: %v, %v, want nothing to adopt", was, err)
	}
	if _, _, err := signingkey.Adopt(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("adopting what is not there: %v", err)
	}
}

func TestI2ClosedStateSwapsNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	s := openState(t, dir)
	if err := errors.Join(s.Swap([]byte("one")), s.Close()); err != nil {
		t.Fatal(err)
	}
	next := openState(t, dir)
	if err := s.Swap([]byte("two")); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Swap after Close: %v, want os.ErrClosed", err)
	}
	if err := next.Swap([]byte("two of the next")); err != nil {
		t.Error(err)
	}
}

// What a process can't explain once it doesn't try again.
func TestI2FailedSwapIsTheLast(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	s := openState(t, dir)
	file := filepath.Join(dir, "lastsigned")
	if err := errors.Join(s.Swap([]byte("one")), os.WriteFile(file, []byte("another"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := s.Swap([]byte("two")); !errors.Is(err, signingkey.ErrSwapped) {
		t.Fatalf("Swap: %v, want ErrSwapped", err)
	}
	if err := os.WriteFile(file, []byte("one"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Swap([]byte("two")); !errors.Is(err, signingkey.ErrSwapped) {
		t.Errorf("Swap after all is put back: %v, want ErrSwapped still", err)
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != "one" {
		t.Errorf("lastsigned = %q, %v", b, err)
	}
}

// A directory that holds nothing signs nothing, before somebody says that nothing was signed before.
func TestI2EmptyStateSignsNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	for range 2 {
		s, err := signingkey.OpenState(dir)
		if err != nil {
			t.Fatal(err)
		}
		if !errors.Is(s.Foreign(), signingkey.ErrUnmade) || !errors.Is(s.Swap([]byte("one")), signingkey.ErrUnmade) {
			t.Errorf("an empty directory may sign: %v", s.Foreign())
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	was, last, err := signingkey.Adopt(dir)
	if !errors.Is(was, signingkey.ErrUnmade) || last != nil || err != nil {
		t.Errorf("adopting: %v, %q, %v", was, last, err)
	}
	s, err := signingkey.OpenState(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Foreign(), s.Swap([]byte("one")), s.Close()); err != nil {
		t.Error(err)
	}
}

// MakeState lets an empty directory sign, and no other one that may not.
func TestI2MakeStateHelpsOnlyAnEmptyOne(t *testing.T) {
	dir, _, _ := signed(t)
	if err := os.Remove(filepath.Join(dir, "identity")); err != nil {
		t.Fatal(err)
	}
	s, err := signingkey.MakeState(dir)
	if err != nil {
		t.Fatal(err)
	}
	var foreign *signingkey.ForeignError
	if !errors.As(s.Foreign(), &foreign) {
		t.Errorf("a state without its identity may sign: %v", s.Foreign())
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
