package signingkey

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

// identity is what a copy of a state directory can't keep (FORMAT.md). A field
// that this machine doesn't tell is "-".
type identity struct {
	inode, born string // of LOCK
	device      string // that LOCK is on
	machine     string // hash of the installation's id
	boot        string // id of the kernel's run
}

const (
	identityHeader = "cityproof-state 1"
	unknown        = "-"
	maxIdentity    = 4 << 10
)

func (i identity) format() []byte {
	return fmt.Appendf(nil, "%s\ninode %s\nborn %s\ndevice %s\nmachine %s\nboot %s\n",
		identityHeader, i.inode, i.born, i.device, i.machine, i.boot)
}

// parseIdentity reads an identity file; what format would not write is refused.
func parseIdentity(b []byte) (i identity, err error) {
	lines := strings.Split(string(b), "\n")
	fields := []struct {
		name  string
		value *string
	}{{"inode", &i.inode}, {"born", &i.born}, {"device", &i.device}, {"machine", &i.machine}, {"boot", &i.boot}}
	bad := errors.New("state/identity is damaged")
	if len(lines) != len(fields)+2 || lines[0] != identityHeader || lines[len(fields)+1] != "" {
		return i, bad
	}
	for n, f := range fields {
		v, ok := strings.CutPrefix(lines[n+1], f.name+" ")
		if !ok || v == "" || strings.ContainsAny(v, " \t\r") {
			return i, bad
		}
		*f.value = v
	}
	return i, nil
}

// foreignTo says what shows that a state with this identity is not in its own
// place when now is what is found; empty: it is. Why these rules: FORMAT.md.
func (i identity) foreignTo(now identity) string {
	known := func(a, b string) bool { return a != unknown && b != unknown }
	switch {
	case i.inode != now.inode, known(i.born, now.born) && i.born != now.born:
		return "it is a copy: its LOCK is not the file that it was made with"
	case known(i.boot, now.boot) && i.boot == now.boot:
		if i.device != now.device {
			return "it is on another device than a moment ago: a clone or snapshot of its file system is mounted"
		}
	case known(i.machine, now.machine):
		if i.machine != now.machine {
			return "it is on another machine than the one that signed last"
		}
	case i.device != now.device:
		return "it is on another device than the one it was made on, and no machine id tells whether the machine is the same"
	}
	return ""
}

// ForeignError says that a state directory is not where its log was signed last.
type ForeignError struct{ What string }

func (e *ForeignError) Error() string {
	return "the state directory is not in its own place: " + e.What + ". Nothing is signed from here, because two copies of one state would sign two histories. " +
		"If the node that signed for this log can still run, let it run there and leave this copy. If it is stopped for good and this copy was made after it stopped, " +
		"tell this machine so: cityproof-node adopt --config FILE --yes-the-other-copy-is-destroyed"
}

// ErrUnmade says that a state directory holds nothing: whether its log was ever
// signed nobody knows who has lost the one that did.
var ErrUnmade = errors.New("the state directory is empty: what this log has signed is not known here. If its keys have signed before, put back the state directory of the machine " +
	"that signed last; if it is lost, begin another log (cityproof-node init in another folder), or the two histories of this one would make it dead for ever. " +
	"Only if these keys have never signed anything, say so: cityproof-node adopt --config FILE --yes-the-other-copy-is-destroyed")

// identify compares the directory with its identity file, and renews that where its
// lesser parts have changed. It sets s.foreign; an error says that it could not tell.
func (s *State) identify() error {
	b, found, err := s.readIdentity()
	if err != nil {
		return err
	}
	now, err := s.present()
	if err != nil {
		return err
	}
	if !found {
		signed, err := s.signed()
		if err != nil {
			return err
		}
		if signed == "" {
			s.foreign = ErrUnmade
			return nil
		}
		s.foreign = &ForeignError{"state/identity is missing beside " + signed}
		return nil
	}
	was, err := parseIdentity(b)
	if err != nil {
		s.foreign = &ForeignError{err.Error()}
		return nil
	}
	if what := was.foreignTo(now); what != "" {
		s.foreign = &ForeignError{what}
		return nil
	}
	if was != now {
		return s.writeIdentity(now)
	}
	return nil
}

// signed names what shows that keys have signed from this directory; empty: nothing.
func (s *State) signed() (string, error) {
	if s.last != nil {
		return lastFile, nil
	}
	for _, name := range []string{markFile, WitnessDir} {
		_, err := s.root.Lstat(name)
		if err == nil {
			return name, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	return "", nil
}

func (s *State) readIdentity() (b []byte, found bool, err error) {
	f, err := s.root.Open(identityFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	defer func() { _ = f.Close() }() // only read
	b, err = io.ReadAll(io.LimitReader(f, maxIdentity))
	return b, true, err
}

// present is the identity that the directory has here and now.
func (s *State) present() (identity, error) {
	i, err := lockIdentity(s.lock)
	if err != nil {
		return identity{}, err
	}
	i.machine, i.boot = unknown, unknown
	// Files of the running system; where there is none, its part is unknown.
	if b, rerr := os.ReadFile("/etc/machine-id"); rerr == nil && len(strings.TrimSpace(string(b))) == 32 {
		// machine-id(5) asks not to show the id itself.
		sum := sha256.Sum256([]byte(identityHeader + "\n" + strings.TrimSpace(string(b))))
		i.machine = hex.EncodeToString(sum[:])
	}
	if b, rerr := os.ReadFile("/proc/sys/kernel/random/boot_id"); rerr == nil && len(strings.TrimSpace(string(b))) == 36 {
		i.boot = strings.TrimSpace(string(b))
	}
	return i, nil
}

// claim makes the directory this machine's own.
func (s *State) claim() error {
	now, err := s.present()
	if err == nil {
		err = s.writeIdentity(now)
	}
	if err == nil {
		s.foreign = nil
	}
	return err
}

func (s *State) writeIdentity(i identity) error { return replace(s.root, identityFile, i.format()) }

// replace puts a file into a directory in the place of an older one, durably.
func replace(root *os.Root, name string, content []byte) error {
	tmp := name + ".new"
	f, err := root.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := root.Rename(tmp, name); err != nil {
		return err
	}
	return syncIn(root, ".")
}

// Adopt makes a state directory this machine's own. Only an operator may ask for
// it, who knows that no other copy will ever sign again and that this one was made
// after the last signature: else the log signs two histories. It returns what made
// the directory foreign, nil if nothing did, and the last signed note.
func Adopt(dir string) (was error, last []byte, err error) {
	if _, err = os.Stat(dir); err != nil {
		return nil, nil, fmt.Errorf("adopting state: %w", err)
	}
	s, err := lockState(dir)
	if err != nil {
		return nil, nil, fmt.Errorf("adopting state: %w", err)
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if err = s.load(); err == nil {
		was, err = adoptWitness(dir)
	}
	if err == nil && s.foreign != nil {
		was = s.foreign
		err = s.claim()
	}
	if err != nil {
		return nil, nil, fmt.Errorf("adopting state %s: %w", dir, err)
	}
	return was, s.last, nil
}
