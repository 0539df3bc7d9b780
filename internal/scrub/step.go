package scrub

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/cityproof/cityproof/internal/bodystore"
	"github.com/cityproof/cityproof/internal/logstore"
	"github.com/cityproof/cityproof/internal/pebbledb"
	"github.com/cityproof/cityproof/internal/tile"
)

const (
	maxLevel  = tile.Levels - 1
	stepBytes = 256 << 10 // about what one step reads; a bundle of large entries is up to 16 MiB
	stepTiles = stepBytes / (tile.FullWidth * 32)
	stepKeys  = 4096

	firstPrefix, lastPrefix = 'a', 'z'
)

// step checks what is next, and returns what is next then, and how many bytes it read.
func (s *Scrubber) step(ctx context.Context, at position) (next position, n int) {
	switch at.Stage {
	case stageEntries:
		if at.Next >= bundles(s.saved.Size) {
			return position{Stage: stageTiles, Level: 1}, 0
		}
		n = s.check(ctx, bundleKey(at.Next), func() logstore.Checked { return s.checker.Bundle(at.Next) })
		at.Next++
		return at, n
	case stageTiles:
		return s.tiles(ctx, at)
	}
	return s.keys(ctx, at)
}

func bundles(size uint64) uint64 { return (size + tile.FullWidth - 1) / tile.FullWidth }

func bundleKey(n uint64) []byte { return pebbledb.Uint64Key(pebbledb.PrefixEntry, n) }

func headKey() []byte { return append([]byte{pebbledb.PrefixMeta}, "head"...) }

// check runs a check of the thing that has a key, again if it finds damage, lists what it finds both times, and has it mended.
func (s *Scrubber) check(ctx context.Context, key []byte, look func() logstore.Checked) int {
	c := s.judge(key, look)
	if len(c.Damages) == 0 || s.Mend == nil {
		return c.Bytes
	}
	mended := false
	for _, d := range c.Damages {
		mended = s.mend(ctx, d.Key) || mended
	}
	if mended {
		s.judge(key, look)
	}
	return c.Bytes
}

func (s *Scrubber) judge(key []byte, look func() logstore.Checked) logstore.Checked {
	c := look()
	if len(c.Damages) > 0 {
		c = look()
	}
	bad := map[string]bool{}
	if len(c.Damages) > 0 {
		var what []string
		for _, d := range c.Damages {
			what = append(what, describe(d))
		}
		bad[string(key)] = true
		s.Damages.FoundKey(key, strings.Join(what, "; "))
	}
	s.Damages.whole(key, append(bytes.Clone(key), 0), bad)
	return c
}

// mend reports whether a key may be whole again.
func (s *Scrubber) mend(ctx context.Context, key []byte) bool {
	if s.Mend == nil || len(key) == 0 {
		return false
	}
	if err := s.Mend(ctx, key); err != nil {
		s.Logger.Debug("a damage can't be mended now", slog.String("key", fmt.Sprintf("%c %x", key[0], key[1:])), slog.Any("err", err))
		return false
	}
	return true
}

// retryMend is how often what could not be mended is tried again.
const retryMend = time.Minute

// MendFound has what is on the list mended, whoever found it, until ctx ends. It may run beside Run.
func (s *Scrubber) MendFound(ctx context.Context) {
	tick := time.NewTicker(retryMend)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.Damages.news:
		case <-tick.C:
		}
		s.recheck(ctx)
	}
}

// describe says what is damaged in words, for those who don't know the keys.
func describe(d logstore.Damage) string {
	if len(d.Key) == 0 {
		return d.Detail
	}
	rest := d.Key[1:]
	switch {
	case d.Key[0] == pebbledb.PrefixEntry && len(rest) == 8:
		return fmt.Sprintf("entry bundle %d: %s", binary.BigEndian.Uint64(rest), d.Detail)
	case d.Key[0] == pebbledb.PrefixTile && len(rest) == 9:
		return fmt.Sprintf("tile %d of level %d: %s", binary.BigEndian.Uint64(rest[1:]), rest[0], d.Detail)
	case d.Key[0] == pebbledb.PrefixBody:
		return fmt.Sprintf("body %x: %s", rest, d.Detail)
	case d.Key[0] == pebbledb.PrefixAttachment:
		return fmt.Sprintf("attachment %x: %s", rest, d.Detail)
	}
	return d.String()
}

// tiles checks the next tiles of level 1 and above; those of level 0 were checked with their bundles. After the last one it
// checks the right edge.
func (s *Scrubber) tiles(ctx context.Context, at position) (next position, n int) {
	for range stepTiles {
		for at.Level <= maxLevel && at.Next >= tilesAt(at.Level, s.saved.Size) {
			at.Level, at.Next = at.Level+1, 0
		}
		if at.Level > maxLevel {
			s.check(ctx, headKey(), s.checker.Root)
			return position{Stage: stageKeys, Key: []byte{firstPrefix}}, n
		}
		n += s.check(ctx, pebbledb.TileKey(uint8(at.Level), at.Next), func() logstore.Checked { return s.checker.Tile(at.Level, at.Next) }) //nolint:gosec // at most maxLevel
		at.Next++
	}
	return at, n
}

func tilesAt(level int, size uint64) uint64 { return size >> (tile.Height * level) / tile.FullWidth }

// keys reads the next keys and values of the database, and hashes those that are bodies or attachments.
func (s *Scrubber) keys(ctx context.Context, at position) (next position, n int) {
	prefix := at.Key[0]
	switch {
	case prefix > lastPrefix:
		return position{Stage: stageDone}, 0
	case prefix == pebbledb.PrefixEntry, prefix == pebbledb.PrefixTile: // done in the other stages
		return position{Stage: stageKeys, Key: []byte{prefix + 1}}, 0
	}
	span := pebbledb.Span{Start: at.Key, End: []byte{prefix + 1}}
	var key []byte
	var err error
	if prefix == pebbledb.PrefixBody || prefix == pebbledb.PrefixAttachment {
		key, n, err = s.content(ctx, span)
	} else {
		key, n, err = s.walk(span)
	}
	if ctx.Err() != nil {
		return at, n
	}
	switch {
	case err != nil: // what is behind key can't be reached: go on further away
		s.Damages.FoundKey(key, fmt.Sprintf("keys from %x: %v", key, firstLine(err)))
		key = beyond(key)
	case key == nil:
		key = span.End
	}
	return position{Stage: stageKeys, Key: key}, n
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n") // Pebble's go on for lines
	return line
}

// beyond returns a key well behind one near which a table is damaged: nearly all keys are hashes, of which a block holds a
// few, and this leaves out 1/65536 of them.
func beyond(key []byte) []byte {
	var at [3]byte
	copy(at[:], key)
	if hop := binary.BigEndian.Uint16(at[1:]); hop < 0xffff {
		binary.BigEndian.PutUint16(at[1:], hop+1)
		return at[:]
	}
	return []byte{key[0] + 1}
}

// content hashes the next bodies or attachments.
func (s *Scrubber) content(ctx context.Context, span pebbledb.Span) (next []byte, n int, err error) {
	var suspects [][]byte
	got, err := bodystore.Check(ctx, s.DB.Reader(), span, stepBytes, func(key []byte, _ error) { suspects = append(suspects, key) })
	if ctx.Err() != nil {
		return nil, got.Bytes, err
	}
	bad := map[string]bool{}
	for _, key := range suspects {
		if what := s.look(ctx, key); what != "" {
			s.Damages.FoundKey(key, what)
			bad[string(key)] = !s.mend(ctx, key) || s.look(ctx, key) != ""
		}
	}
	end := got.Next
	if end == nil {
		end = span.End
	}
	s.Damages.whole(span.Start, end, bad)
	return got.Next, got.Bytes, err
}

// look hashes one body or attachment; empty if it is whole, or not there.
func (s *Scrubber) look(ctx context.Context, key []byte) (what string) {
	span := pebbledb.Span{Start: key, End: append(bytes.Clone(key), 0)}
	_, err := bodystore.Check(ctx, s.DB.Reader(), span, 0, func(_ []byte, err error) {
		what = describe(logstore.Damage{Key: key, Detail: firstLine(err)})
	})
	if what == "" && err != nil {
		what = describe(logstore.Damage{Key: key, Detail: firstLine(err)})
	}
	return what
}

// walk reads the next keys and values for the sake of their checksums.
func (s *Scrubber) walk(span pebbledb.Span) (next []byte, n int, err error) {
	next, n, err = s.DB.ReadThrough(span, stepKeys, stepBytes)
	if err != nil {
		return next, n, err
	}
	end := next
	if end == nil {
		end = span.End
	}
	s.Damages.whole(span.Start, end, map[string]bool{string(headKey()): true}) // that one is checked with the tiles
	return next, n, nil
}

// recheck looks first at what was damaged when the last process ended.
func (s *Scrubber) recheck(ctx context.Context) {
	for _, key := range s.Damages.keys() {
		if ctx.Err() != nil {
			return
		}
		rest := key[1:]
		switch {
		case key[0] == pebbledb.PrefixEntry && len(rest) == 8:
			n := binary.BigEndian.Uint64(rest)
			s.check(ctx, key, func() logstore.Checked { return s.checker.Bundle(n) })
		case key[0] == pebbledb.PrefixTile && len(rest) == 9 && rest[0] == 0: // checked with its entries
			n := binary.BigEndian.Uint64(rest[1:])
			s.check(ctx, key, func() logstore.Checked { return s.checker.Bundle(n) })
		case key[0] == pebbledb.PrefixTile && len(rest) == 9 && rest[0] <= maxLevel:
			level, n := int(rest[0]), binary.BigEndian.Uint64(rest[1:])
			s.check(ctx, key, func() logstore.Checked { return s.checker.Tile(level, n) })
		case key[0] == pebbledb.PrefixBody, key[0] == pebbledb.PrefixAttachment:
			what := s.look(ctx, key)
			if what != "" && s.mend(ctx, key) {
				what = s.look(ctx, key)
			}
			if what == "" {
				s.Damages.whole(key, append(bytes.Clone(key), 0), nil)
			} else {
				s.Damages.FoundKey(key, what)
			}
		case bytes.Equal(key, headKey()):
			s.check(ctx, key, s.checker.Root)
		}
	}
}
