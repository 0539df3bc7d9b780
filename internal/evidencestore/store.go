package evidencestore

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/evidence"
)

const (
	dirName  = "evidence"
	proofExt = ".evidence"
	goneExt  = ".resumed"

	// maxPerKey is how many proofs are kept that name one key.
	maxPerKey = 3
	// maxReason bounds an operator's reason, in bytes.
	maxReason = 2000
)

// Item is one proof.
type Item struct {
	Key      string // identity of the contradiction
	Evidence *evidence.Evidence
	Resumed  *Resumed // nil: nobody has said that the node may go on
}

// Resumed is an operator's word.
type Resumed struct {
	At     time.Time
	Reason string
}

// Store is the evidence of one member. It is safe for concurrent use.
type Store struct {
	dir string

	mu      sync.Mutex // guards the following
	items   map[string]*Item
	version int // counts changes
}

// Open reads the evidence in a state directory, which it makes ready.
func Open(state string) (*Store, error) {
	s := &Store{dir: filepath.Join(state, dirName), items: map[string]*Item{}}
	if err := s.open(); err != nil {
		return nil, fmt.Errorf("opening the evidence in %s: %w", s.dir, err)
	}
	return s, nil
}

func (s *Store) open() error {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	files, err := os.ReadDir(s.dir)
	if err != nil {
		return err
	}
	for _, f := range files {
		key, ok := strings.CutSuffix(f.Name(), proofExt)
		if !ok {
			continue
		}
		b, err := os.ReadFile(filepath.Join(s.dir, f.Name()))
		if err != nil {
			return err
		}
		e, err := evidence.Parse(b)
		if err != nil {
			return fmt.Errorf("%s: %w", f.Name(), err)
		}
		item := &Item{Key: key, Evidence: e}
		if item.Resumed, err = s.resumed(key); err != nil {
			return err
		}
		s.items[key] = item
	}
	return nil
}

func (s *Store) resumed(key string) (*Resumed, error) {
	b, err := os.ReadFile(filepath.Join(s.dir, key+goneExt))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	at, reason, _ := strings.Cut(string(b), "\n")
	t, err := time.Parse(time.RFC3339, at)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key+goneExt, err)
	}
	return &Resumed{t, strings.TrimSuffix(reason, "\n")}, nil
}

// Version changes whenever what Items returns does.
func (s *Store) Version() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.version
}

// Reload reads the operator's words again, which another process may have written.
func (s *Store) Reload() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, it := range s.items {
		word, err := s.resumed(it.Key)
		if err != nil {
			return fmt.Errorf("reading evidence: %w", err)
		}
		if (word == nil) != (it.Resumed == nil) {
			it.Resumed = word
			s.version++
		}
	}
	return nil
}

// Add keeps evidence with what it proved. fresh is false for a contradiction that is kept already, or of a key of which
// enough are; then nothing is written. It is durable when Add returns.
func (s *Store) Add(e *evidence.Evidence, f *evidence.Finding) (fresh bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := f.Key()
	if s.items[key] != nil {
		return false, nil
	}
	for _, h := range f.Heads {
		if s.naming(h.Key) >= maxPerKey {
			return false, nil
		}
	}
	if err := s.write(key+proofExt, e.Format()); err != nil {
		return false, fmt.Errorf("keeping evidence: %w", err)
	}
	s.items[key] = &Item{Key: key, Evidence: e}
	s.version++
	return true, nil
}

// naming counts the proofs that name a key.
func (s *Store) naming(k checkpoint.VKey) (n int) {
	for _, it := range s.items {
		if heads := it.Evidence.Heads(); heads[0].Key.Equal(k) || heads[1].Key.Equal(k) {
			n++
		}
	}
	return n
}

// Items returns all that is kept, by identity.
func (s *Store) Items() []Item {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Item, 0, len(s.items))
	for _, it := range s.items {
		out = append(out, *it)
	}
	slices.SortFunc(out, func(a, b Item) int { return strings.Compare(a.Key, b.Key) })
	return out
}

// Resume records an operator's word about all that is kept of an origin, and returns how many proofs that were.
func (s *Store) Resume(origin, reason string, now time.Time) (n int, err error) {
	reason = strings.TrimSpace(reason)
	if reason == "" || len(reason) > maxReason || strings.ContainsRune(reason, '\n') {
		return 0, fmt.Errorf("a reason has 1 to %d bytes on one line", maxReason)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	word := &Resumed{now.UTC().Truncate(time.Second), reason}
	for _, it := range s.items {
		if it.Evidence.Origin() != origin || it.Resumed != nil {
			continue
		}
		text := fmt.Sprintf("%s\n%s\n", word.At.Format(time.RFC3339), word.Reason)
		if err := s.write(it.Key+goneExt, []byte(text)); err != nil {
			return n, fmt.Errorf("resuming %s: %w", origin, err)
		}
		it.Resumed = word
		s.version++
		n++
	}
	return n, nil
}

// write puts a file in its place, durably.
func (s *Store) write(name string, content []byte) error {
	path := filepath.Join(s.dir, name)
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, content) {
		return nil
	}
	f, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	d, err := os.Open(s.dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
