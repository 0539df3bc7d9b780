package scrub_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cityproof/cityproof/internal/bodystore"
	"github.com/cityproof/cityproof/internal/pebbledb"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/scrub"
	"github.com/cityproof/cityproof/internal/testenv"
)

// mender gives what the master has, as a mirror does; a liar gives other bytes first.
func (s *store) mender(t *testing.T) func(ctx context.Context, key []byte) error {
	bodies := bodystore.New(s.db)
	contents := map[string][]byte{}
	for i := range 200 {
		b := body(i)
		a := append([]byte("attached "), b...)
		contents[string(pebbledb.HashKey(pebbledb.PrefixBody, sha256.Sum256(b)))] = b
		contents[string(pebbledb.HashKey(pebbledb.PrefixAttachment, sha256.Sum256(a)))] = a
	}
	return func(ctx context.Context, key []byte) error {
		if c := contents[string(key)]; c != nil {
			if err := bodies.Mend(key, append([]byte("x"), c[1:]...)); err == nil {
				t.Error("a liar's bytes were stored")
			}
			return bodies.Mend(key, c)
		}
		if key[0] == pebbledb.PrefixEntry {
			if err := s.log.Mend(ctx, key, elsewhere{lie: true}); err == nil {
				t.Error("a liar's entries were written")
			}
		}
		return s.log.Mend(ctx, key, elsewhere{})
	}
}

// elsewhere is a copy of the master's log; a liar's has another entry in each bundle.
type elsewhere struct{ lie bool }

func (e elsewhere) Bundle(_ context.Context, n uint64, width int) (entries [][]byte, err error) {
	for i := range width {
		entries = append(entries, entry(int(n)*256+i))
	}
	if e.lie {
		entries[1] = bytes.Clone(entries[1])
		entries[1][0] ^= 1
	}
	return entries, nil
}

func (e elsewhere) Tile(_ context.Context, level int, n uint64, width int) (hashes []proof.Hash, err error) {
	for i := range uint64(width) {
		var f proof.Range
		for j := range 1 << (8 * level) {
			f.Append(proof.LeafHash(entry(int((n*256+i)<<(8*level)) + j)))
		}
		hashes = append(hashes, f.Root())
	}
	return hashes, nil
}

// outside lets a function be called in a bubble and run outside of it: Pebble's goroutines are there.
func outside(t *testing.T, f func(ctx context.Context, key []byte) error) func(context.Context, []byte) error {
	keys, answers := make(chan []byte), make(chan error)
	t.Cleanup(func() { close(keys) })
	go func() {
		for key := range keys {
			answers <- f(context.Background(), key)
		}
	}()
	return func(_ context.Context, key []byte) error {
		keys <- key
		return <-answers
	}
}

// Incident 2: what rots in the city's own log is mended with what mirrors hold, by hash, and is then on no list any more.
func TestIncident2OwnLogIsMendedFromMirrors(t *testing.T) {
	testenv.SkipInRace(t)
	bodyKey := pebbledb.HashKey(pebbledb.PrefixBody, sha256.Sum256(body(7)))
	fileKey := pebbledb.HashKey(pebbledb.PrefixAttachment, sha256.Sum256(append([]byte("attached "), body(7)...)))
	for name, harm := range map[string]func(*store){
		"an entry":                          func(s *store) { s.flipFile("entry 777", "entsy 777") },
		"the length of an entry":            func(s *store) { s.flipFile("\x00\x64entry 777", "\x00\x65entry 777") },
		"the place of a bundle":             func(s *store) { s.flip(bundleKey(3), 7) },
		"a place that is no place":          func(s *store) { s.set(bundleKey(3), []byte("gone")) },
		"two bundles beside each other":     func(s *store) { s.flipFile("entry 777", "entsy 777"); s.flipFile("entry 500", "entsy 500") },
		"the first bundle":                  func(s *store) { s.flipFile("entry 3 ", "entry 4 ") },
		"the last bundle of a file":         func(s *store) { s.flipFile("entry 65500", "entry 65501") },
		"the first bundle of a file":        func(s *store) { s.flipFile("entry 65537", "entry 65538") },
		"an entry of the unfinished bundle": func(s *store) { s.flipFile("entry 65990", "entsy 65990") },
		"a tile of level 0":                 func(s *store) { s.flip(pebbledb.TileKey(0, 3), 40) },
		"a tile of level 0 on the edge":     func(s *store) { s.flip(pebbledb.TileKey(0, 256), 40) },
		"a tile of level 1":                 func(s *store) { s.flip(pebbledb.TileKey(1, 0), 8191) },
		"entries and their tile":            func(s *store) { s.flipFile("entry 777", "entsy 777"); s.flip(pebbledb.TileKey(0, 3), 40) },
		"entries, their tile and that above": func(s *store) {
			s.flipFile("entry 777", "entsy 777")
			s.flip(pebbledb.TileKey(0, 3), 40)
			s.flip(pebbledb.TileKey(1, 0), 32*200)
		},
		"a body":        func(s *store) { s.flip(bodyKey, 100) },
		"an attachment": func(s *store) { s.flip(fileKey, 100) },
	} {
		t.Run(name, func(t *testing.T) {
			s := openMaster(t)
			harm(s)
			o := s.options(time.Hour, fast)
			o.Mend = outside(t, s.mender(t))
			cycle(t, scrub.New(o), time.Hour)
			cycle(t, scrub.New(o), 2*time.Hour)
			if why := s.damages.Reason(); why != "" {
				t.Errorf("it is still on the list: %s", why)
			}
			if _, found := s.damages.Count(); found == 0 {
				t.Error("it was never found")
			}
			if got := s.fsck(); len(got) != 0 {
				t.Errorf("fsck finds %v", got)
			}
			size, root := s.log.Head()
			s.log.Close()
			if err := s.db.Close(); err != nil {
				t.Fatal(err)
			}
			s.open()
			if got, r := s.log.Head(); got != size || r != root {
				t.Errorf("opened again, the log has size %d and root %v", got, r)
			}
		})
	}
}

// What a reader finds is mended at once, not only when the scrub comes by.
func TestIncident2WhatAReaderFindsIsMendedAtOnce(t *testing.T) {
	s := openMaster(t)
	s.flipFile("entry 777", "entsy 777")
	o := s.options(24*time.Hour, fast)
	var away atomic.Bool
	away.Store(true)
	mend := outside(t, s.mender(t))
	o.Mend = func(ctx context.Context, key []byte) error {
		if away.Load() {
			return errors.New("no mirror answers")
		}
		return mend(ctx, key)
	}
	synctest.Test(t, func(t *testing.T) {
		s.damages = scrub.NewDamages(slog.New(slog.DiscardHandler)) // its channel belongs to the bubble
		o.Damages = s.damages
		sc := scrub.New(o)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { sc.MendFound(ctx); close(done) }()
		s.damages.FoundKey(bundleKey(3), "entry 777 is another")
		synctest.Wait()
		if now, _ := s.damages.Count(); now != 1 {
			t.Errorf("while no mirror answers, %d things are damaged, want 1", now)
		}
		away.Store(false)
		time.Sleep(2 * time.Minute) // it is tried again by itself
		synctest.Wait()
		if why := s.damages.Reason(); why != "" {
			t.Error(why)
		}
		cancel()
		<-done
	})
	if got, err := s.log.Entry(777); err != nil || !bytes.Equal(got, entry(777)) {
		t.Errorf("entry 777 is %q, %v", got, err)
	}
}

// T-36: what was erased is not brought back by mending.
func TestT36MendingDoesNotUndoAnErasure(t *testing.T) {
	testenv.SkipInRace(t)
	s := openMaster(t)
	bodies := bodystore.New(s.db)
	sum := sha256.Sum256(body(7))
	if err := bodies.Erase(t.Context(), sum, 5); err != nil {
		t.Fatal(err)
	}
	if err := bodies.Mend(pebbledb.HashKey(pebbledb.PrefixBody, sum), body(7)); err != nil {
		t.Fatal(err)
	}
	if _, err := bodies.Body(sum); !errors.Is(err, bodystore.ErrErased) {
		t.Errorf("Body = %v, want it erased still", err)
	}
}
