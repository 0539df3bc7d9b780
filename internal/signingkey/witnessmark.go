package signingkey

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// The witness's part of a state directory: the mark, and the database that it
// speaks of (package peerstore).
const (
	markFile   = "witness-key"
	markHeader = "cityproof-witness 1"
	maxMark    = 4 << 10

	// WitnessDir is the witness's directory in a state directory.
	WitnessDir = "witness"
	// WitnessStore is the witness's database in a state directory.
	WitnessStore = WitnessDir + "/pebble"
)

// ErrMark says that a witness mark is not as it was written.
var ErrMark = errors.New("state/" + markFile + " is damaged")

// WitnessMark says that a witness's keys have signed, or may have, and which database
// remembers what: the file witness-key of a state directory (package peerstore, FORMAT.md).
type WitnessMark struct {
	// VKeys are the verifier keys of the witness: one, or two while one takes over.
	VKeys []string
	// Store is what a copy of the database can't keep: "inode N born T", as Birth
	// returns it.
	Store string
}

// Birth is what the file system says of a file or directory and lets nobody set:
// its inode, and when it was made. A copy of it differs.
func Birth(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	i, err := lockIdentity(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return "", err
	}
	return "inode " + i.inode + " born " + i.born, nil
}

// ReadWitnessMark reads the mark of a state directory: nil if there is none, an
// error that wraps ErrMark if it is damaged.
func ReadWitnessMark(state string) (*WitnessMark, error) {
	f, err := os.Open(filepath.Join(state, markFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading witness mark: %w", err)
	}
	defer func() { _ = f.Close() }() // only read
	b, err := io.ReadAll(io.LimitReader(f, maxMark))
	if err != nil {
		return nil, fmt.Errorf("reading witness mark: %w", err)
	}
	m, ok := parseMark(string(b))
	if !ok {
		return nil, fmt.Errorf("reading witness mark: %w", ErrMark)
	}
	return m, nil
}

func parseMark(text string) (*WitnessMark, bool) {
	lines := strings.Split(text, "\n")
	last := len(lines) - 2 // store, and nothing after its end
	if last < 2 || lines[0] != markHeader || lines[last+1] != "" {
		return nil, false
	}
	m := &WitnessMark{}
	for _, line := range lines[1:last] {
		key, ok := strings.CutPrefix(line, "key ")
		if !ok || key == "" {
			return nil, false
		}
		m.VKeys = append(m.VKeys, key)
	}
	var ok bool
	m.Store, ok = strings.CutPrefix(lines[last], "store ")
	return m, ok && m.Store != ""
}

// Write puts the mark into a state directory in the place of an older one, durably.
func (m WitnessMark) Write(state string) error {
	root, err := os.OpenRoot(state)
	if err != nil {
		return fmt.Errorf("writing witness mark: %w", err)
	}
	text := []byte(markHeader + "\n")
	for _, key := range m.VKeys {
		text = fmt.Appendf(text, "key %s\n", key)
	}
	text = fmt.Appendf(text, "store %s\n", m.Store)
	if err := errors.Join(replace(root, markFile, text), root.Close()); err != nil {
		return fmt.Errorf("writing witness mark: %w", err)
	}
	return nil
}

// adoptWitness makes the mark speak of the database that is here. It returns what
// made that foreign, nil if nothing did. Where the database is missing or the mark
// damaged, nothing is changed: no word of an operator brings the heads back.
func adoptWitness(state string) (was, err error) {
	m, err := ReadWitnessMark(state)
	if errors.Is(err, ErrMark) || err == nil && m == nil {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	now, err := Birth(filepath.Join(state, WitnessStore))
	if errors.Is(err, fs.ErrNotExist) || err == nil && now == m.Store {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	m.Store = now
	return &ForeignError{"its " + WitnessStore + " is a copy"}, m.Write(state)
}
