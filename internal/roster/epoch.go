package roster

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	registryv1 "github.com/cityproof/cityproof/api/cityproof/registry/v1"
	"github.com/cityproof/cityproof/internal/canonical"
	"github.com/cityproof/cityproof/internal/proof"
)

// Bounds of an epoch's next draw, in seconds of registry time from the EPOCH on.
const (
	minDraw = 60
	maxDraw = 7_776_000 // 90 days
)

// MaxPins is the largest pins file, in bytes.
const MaxPins = 8 << 20

// Epoch is a period in which committees don't change.
type Epoch struct {
	Number   uint32
	Seed     proof.Hash
	NextDraw int64 // Unix second: the first registry anchor at or past it fixes the next seed

	committees map[string][]string // member id of a log to member ids of its seats
	voices     map[string]Voice    // with which keys a member cosigns
	reseat     *reseat             // of the registry; nil: the committee that was drawn
	lines      *Lines              // nil of the founding, which root.json proves, and once nobody needs them
	began      int64               // registry time of the EPOCH
	act        []byte              // the entry of the EPOCH
	index      uint64              // its index in the registry
	registry   uint64              // the registry's own pin: its size just after the anchor that handed over; 0 before
	pins       map[[sha256.Size]byte]Pin
}

// AwaitsHandOver reports whether there was an EPOCH that no anchor of the registry has covered yet.
func (r *Roster) AwaitsHandOver() bool { return r.epoch.Number > 0 && r.epoch.registry == 0 }

// Lines are the roster's lines of the epoch; nil of the founding.
func (e Epoch) Lines() *Lines { return e.lines }

// Pin returns the head of a log that the epoch pinned.
func (e Epoch) Pin(origin string) (Pin, bool) {
	p, ok := e.pins[sha256.Sum256([]byte(origin))]
	return p, ok
}

// NextSeed returns the seed of the next epoch, once an anchor has fixed it.
func (r *Roster) NextSeed() (proof.Hash, bool) {
	if r.draw == nil {
		return proof.Hash{}, false
	}
	return *r.draw, true
}

// Proposal is what the next EPOCH must say; only the pins and the next draw are the proposer's to choose.
type Proposal struct {
	Number     uint32
	RosterRoot proof.Hash
	Committee  []string

	epoch Epoch
}

// Propose computes the next epoch with a pins file (FormatPins). It fails before its seed is fixed.
func (r *Roster) Propose(pins []byte) (*Proposal, error) {
	if r.draw == nil {
		return nil, fmt.Errorf("no anchor of the registry is at or past %d yet, which fixes the seed", r.epoch.NextDraw)
	}
	e := Epoch{Number: r.epoch.Number + 1, Seed: *r.draw, began: r.time, index: r.Size(), voices: r.newVoices()}
	var err error
	if e.pins, err = ParsePins(pins); err != nil {
		return nil, err
	}
	e.committees = r.committees(e, r.epoch.lastSeats())
	if e.lines, err = r.newLines(e); err != nil {
		return nil, err
	}
	return &Proposal{Number: e.Number, RosterRoot: e.lines.Root(), Committee: e.committees[r.origins[r.root.Terms.Registry.Origin]], epoch: e}, nil
}

// begin takes an EPOCH.
func (r *Roster) begin(a *registryv1.Epoch, entry []byte, files FilesFunc) error {
	if r.draw == nil {
		_, err := r.Propose(nil)
		return err
	}
	file, err := files.get(a.GetPins())
	if err != nil {
		return err
	}
	p, err := r.Propose(file)
	if err != nil {
		return err
	}
	next := int64(a.GetNextDraw()) //nolint:gosec // the codec's bound is 2^63-1
	switch {
	case a.GetNumber() != p.Number:
		return fmt.Errorf("number %d, want %d", a.GetNumber(), p.Number)
	case next < r.time+minDraw || next > r.time+maxDraw:
		return fmt.Errorf("next_draw is %d, want %d to %d seconds from %d on", next, minDraw, maxDraw, r.time)
	case !slices.Equal(a.GetCommittee(), p.Committee):
		return fmt.Errorf("the committee is %v, computed %v", a.GetCommittee(), p.Committee)
	case !bytes.Equal(a.GetRosterRoot(), p.RosterRoot[:]):
		return errors.New("roster_root is not what was computed")
	}
	e := p.epoch
	e.NextDraw, e.act = next, entry
	for origin, old := range r.epoch.pins {
		if now, ok := e.pins[origin]; !ok || now.Size < old.Size || now.Size == old.Size && now.Root != old.Root {
			return fmt.Errorf("the pin of the log %x goes back from size %d", origin, old.Size)
		}
	}
	for _, m := range r.members {
		if log, turns := m.turned(e); turns {
			m.Logs[len(m.Logs)-1], m.turning = log, nil
		}
	}
	r.last, r.epoch, r.draw = r.epoch, e, nil
	r.epochs = append(r.epochs, settled{p.RosterRoot, p.Committee})
	return nil
}

const pinsHeader = "cityproof/pins/v1\n"

// FormatPins writes a pins file from heads by origin.
func FormatPins(heads map[string]Pin) []byte {
	var lines []string
	for origin, p := range heads {
		sum := sha256.Sum256([]byte(origin))
		lines = append(lines, fmt.Sprintf("%s %d %s\n", hex.EncodeToString(sum[:]), p.Size, p.Root))
	}
	slices.Sort(lines)
	return []byte(pinsHeader + strings.Join(lines, ""))
}

// ParsePins reads a pins file. It accepts exactly what FormatPins writes, of at most MaxPins bytes.
func ParsePins(b []byte) (map[[sha256.Size]byte]Pin, error) {
	rest, ok := strings.CutPrefix(string(b), pinsHeader)
	if !ok || len(b) > MaxPins {
		return nil, fmt.Errorf("reading pins: want %q first and at most %d bytes", pinsHeader, MaxPins)
	}
	pins := map[[sha256.Size]byte]Pin{}
	last := ""
	lines := bufio.NewScanner(strings.NewReader(rest))
	for lines.Scan() {
		fields := strings.Split(lines.Text(), " ")
		if len(fields) != 3 || fields[0] <= last {
			return nil, fmt.Errorf("reading pins: line %s: want origin hash, size and root, ascending", canonical.Quote(lines.Text()))
		}
		last = fields[0]
		sum, err := hex.DecodeString(fields[0])
		size, sizeErr := proof.ParseSize(fields[1])
		root, rootErr := proof.ParseHash(fields[2])
		if err != nil || sizeErr != nil || rootErr != nil || len(sum) != sha256.Size || hex.EncodeToString(sum) != fields[0] ||
			strconv.FormatUint(size, 10) != fields[1] {
			return nil, fmt.Errorf("reading pins: line %s", canonical.Quote(lines.Text()))
		}
		pins[[sha256.Size]byte(sum)] = Pin{size, root}
	}
	if err := lines.Err(); err != nil || rest != "" && !strings.HasSuffix(rest, "\n") || strings.Contains(rest, "\r") {
		return nil, errors.New("reading pins: the last line is cut, or has other line ends")
	}
	return pins, nil
}
