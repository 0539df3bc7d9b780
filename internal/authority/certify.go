package authority

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"

	registryv1 "github.com/cityproof/cityproof/api/cityproof/registry/v1"
	"github.com/cityproof/cityproof/internal/act"
	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/root"
	"github.com/cityproof/cityproof/internal/roster"
)

// ErrCouldNotTell is wrapped by errors of Certify where nothing is false, but the holder's root and the authority together
// don't lead to the epoch.
var ErrCouldNotTell = errors.New("it could not be told")

// Holder is a version of the root as somebody holds who verifies.
type Holder struct {
	root     *root.Root
	founding *roster.Roster // of version 1 alone
}

// NewHolder checks a version of the root by its own keys, and of version 1 the founders.
func NewHolder(r *root.Root) (*Holder, error) {
	if r.Version > 1 {
		return &Holder{root: r}, r.Verify()
	}
	founding, err := roster.New(r)
	if err != nil {
		return nil, fmt.Errorf("reading founding: %w", err)
	}
	return &Holder{r, founding}, nil
}

// Root is the version that is held.
func (h *Holder) Root() *root.Root { return h.root }

// Certificate is who has to vouch for heads of a log in an epoch, and whose keys count in it.
type Certificate struct {
	Epoch uint32
	// Size of the registry as of which the keys are those that count.
	Size uint64
	// Root is the newest version that was proven.
	Root     *root.Root
	Standing *roster.Standing
	Bench    *roster.Bench
	// Reseats are those who may vouch instead, of the registry's own log: versions of the root named them for the epoch.
	Reseats []*roster.Bench
}

// Final checks that those who may vouch made a note final, and returns the members on their seats. Errors wrap roster.ErrNotFinal
// where only cosignatures are missing.
func (c *Certificate) Final(note []byte, log []*checkpoint.Verifier) (by *roster.FinalBy, committee []string, err error) {
	return oneOf(append([]*roster.Bench{c.Bench}, c.Reseats...), func(b *roster.Bench) (*roster.FinalBy, error) { return b.Final(note, log) })
}

// Counts refuses a head of a registry log that has ended, after its keys signed two histories: offline only the one that a
// version of the root names can be told (../root/FORMAT.md). Errors wrap ErrCouldNotTell.
func (c *Certificate) Counts(head checkpoint.Checkpoint) error {
	for _, from := range c.Root.Terms.ContinueFrom {
		if from.Origin == head.Origin && (from.Size != int64(head.Size) || [32]byte(from.Root) != head.Root) { //nolint:gosec // package checkpoint bounds it
			return fmt.Errorf("%w: it is superseded: after the keys of %s signed two histories, version %d of the root says that its head of size %d counts; prove it again against that",
				ErrCouldNotTell, head.Origin, from.Version, from.Size)
		}
	}
	return nil
}

// Certify checks an authority from the holder's root on, for the log of an origin. Errors wrap ErrCouldNotTell; any other
// says that something in it is false.
func (h *Holder) Certify(a *Authority, origin string) (*Certificate, error) {
	roots, err := h.roots(a.message)
	if err != nil {
		return nil, err
	}
	if a.Epoch() == 0 {
		return h.certifyFounding(origin, roots)
	}
	at, links, err := h.start(roots, a.message)
	if err != nil {
		return nil, err
	}
	for _, l := range links {
		if at, err = at.follow(l, roots); err != nil {
			return nil, fmt.Errorf("epoch %d: %w", l.GetNumber(), err)
		}
	}
	if at.epoch != a.Epoch() {
		return nil, fmt.Errorf("its links lead to epoch %d, and it is judged by epoch %d", at.epoch, a.Epoch())
	}
	c := &Certificate{Epoch: at.epoch, Size: at.size, Root: roots[len(roots)-1]}
	if c.Standing, c.Bench, err = at.read(a.message.GetLines(), origin); err != nil {
		return nil, fmt.Errorf("epoch %d: %w", at.epoch, err)
	}
	return c, c.reseat(origin, roots)
}

func (h *Holder) certifyFounding(origin string, roots []*root.Root) (*Certificate, error) {
	if h.founding == nil {
		return nil, fmt.Errorf("%w: it is judged by the founding, which is in version 1 of root.json, and this is version %d", ErrCouldNotTell, h.root.Version)
	}
	m := h.founding.ByOrigin(origin)
	if m == nil {
		return nil, fmt.Errorf("%w: the log %s is of none of the founders", ErrCouldNotTell, origin)
	}
	c := &Certificate{Root: roots[len(roots)-1], Standing: h.founding.Standing(m), Bench: h.founding.Bench(m, 0)}
	return c, c.reseat(origin, roots)
}

// roots returns the holder's version and all that follow it, each proven by the one before.
func (h *Holder) roots(a *registryv1.Authority) ([]*root.Root, error) {
	out := []*root.Root{h.root}
	for _, b := range a.GetRoots() {
		next, err := root.Parse(b)
		if err != nil {
			return nil, err
		}
		last := out[len(out)-1]
		switch {
		case next.Version <= h.root.Version:
			continue // what the holder has counts, not this
		case next.Version != last.Version+1:
			return nil, fmt.Errorf("%w: version %d of the root follows version %d", ErrCouldNotTell, next.Version, last.Version)
		}
		if err := last.VerifyNext(next); err != nil {
			return nil, err
		}
		out = append(out, next)
	}
	return out, nil
}

// place is an epoch that was proven.
type place struct {
	epoch      uint32
	size       uint64 // of the registry just after its EPOCH; 0 of the founding and of a pin
	rosterRoot proof.Hash
	committee  []string // of the registry
	version    int      // of roots, counted from 0: whose act keys signed
	voices     []roster.Voice
}

// start is the newest epoch that the roots prove by themselves, and the links that lead on from there.
func (h *Holder) start(roots []*root.Root, a *registryv1.Authority) (place, []*registryv1.EpochLink, error) {
	var at place
	found := h.founding != nil
	if found {
		b := h.founding.Bench(h.founding.ByOrigin(h.root.Terms.Registry.Origin), 0)
		at.committee, at.voices = b.Committee, b.Voices
	}
	for _, r := range roots {
		if p := r.Terms.Pin; p != nil && p.Epoch <= a.GetEpoch() {
			// A version may pin an epoch of long before it: act keys of earlier versions signed those in between.
			at, found = place{epoch: p.Epoch, rosterRoot: proof.Hash(p.RosterRoot), committee: p.Committee}, true
		}
	}
	if !found {
		return at, nil, fmt.Errorf("%w: it is judged by epoch %d, which lies before what version %d of root.json pins: prove the declaration again against a newer head (cityproof final), or use an older version",
			ErrCouldNotTell, a.GetEpoch(), h.root.Version)
	}
	links := slices.DeleteFunc(slices.Clone(a.GetLinks()), func(l *registryv1.EpochLink) bool { return l.GetNumber() <= at.epoch })
	if want := int(a.GetEpoch() - at.epoch); len(links) < want {
		return at, nil, fmt.Errorf("%w: it proves %d of the epochs from %d to %d: a version of root.json between the two is missing", ErrCouldNotTell, len(links), at.epoch+1, a.GetEpoch())
	}
	return at, links, nil
}

// follow checks the next EPOCH: signed by act keys, and covered by an anchor of the registry that the committee before it
// has cosigned.
func (p place) follow(l *registryv1.EpochLink, roots []*root.Root) (place, error) {
	var next place
	a, err := act.Parse(l.GetAct())
	if err != nil {
		return next, err
	}
	e := a.Message.GetEpoch()
	alliance := roots[0].Alliance
	switch {
	case e == nil:
		return next, fmt.Errorf("its act is no EPOCH but %s", a.Kind())
	case e.GetNumber() != p.epoch+1 || l.GetNumber() != e.GetNumber():
		return next, fmt.Errorf("its act is of epoch %d, want %d", e.GetNumber(), p.epoch+1)
	case [32]byte(a.Message.GetAlliance()) != alliance:
		return next, errors.New("its act is of another alliance")
	}
	next = place{epoch: e.GetNumber(), size: l.GetIndex() + 1, rosterRoot: proof.Hash(e.GetRosterRoot()), committee: e.GetCommittee()}
	if next.version, err = signedBy(a.Envelope, roots, p.version); err != nil {
		return next, err
	}
	path, err := hashes(l.GetPath())
	if err != nil {
		return next, err
	}
	voices := p.voices
	if p.epoch > 0 {
		if voices, err = p.readVoices(l.GetLines()); err != nil {
			return next, err
		}
	}
	head, err := p.anchored(l.GetAnchor(), voices, roots)
	if err != nil {
		return next, err
	}
	if err := proof.VerifyInclusion(l.GetIndex(), head.Size, proof.LeafHash(l.GetAct()), path, head.Root); err != nil {
		return next, fmt.Errorf("the act is not in the registry: %w", err)
	}
	return next, nil
}

// signedBy finds the first version from one on whose act keys, or root keys, are enough to decide.
func signedBy(e *declaration.Envelope, roots []*root.Root, from int) (int, error) {
	var errs []error
	for i := from; i < len(roots); i++ {
		acts, holders := 0, 0
		err := e.Verify(func(id declaration.KeyID) (ed25519.PublicKey, bool) {
			for _, k := range roots[i].Terms.ActKeys {
				if declaration.KeyIDOf(k) == id {
					acts++
					return k, true
				}
			}
			for _, k := range roots[i].Keys {
				if declaration.KeyIDOf(k) == id {
					holders++
					return k, true
				}
			}
			return nil, false
		})
		if err == nil && (acts >= roots[i].Terms.ActThreshold || holders >= roots[i].Threshold) {
			return i, nil
		}
		if err == nil {
			err = fmt.Errorf("%d act keys of version %d of the root signed, want %d", acts, roots[i].Version, roots[i].Terms.ActThreshold)
		}
		errs = append(errs, err)
	}
	err := errors.Join(errs...)
	if roots[0].Version > 1 { // or by keys of a version before the holder's
		err = fmt.Errorf("%w: %w", ErrCouldNotTell, err)
	}
	return 0, err
}

// anchored checks an anchor by the quorum of the registry's committee in p, and by the registry's own key.
func (p place) anchored(note []byte, voices []roster.Voice, roots []*root.Root) (checkpoint.Checkpoint, error) {
	benches, err := reseats(roots, p.epoch, &roster.Bench{Committee: p.committee, Voices: voices})
	if err != nil {
		return checkpoint.Checkpoint{}, err
	}
	var errs []error
	for _, r := range slices.Backward(roots) {
		key, err := checkpoint.NewVerifier(r.Log[0])
		if err != nil {
			return checkpoint.Checkpoint{}, err
		}
		by, _, err := oneOf(benches, func(b *roster.Bench) (*roster.FinalBy, error) { return b.Witnessed(note, []*checkpoint.Verifier{key}) })
		if err == nil {
			return by.Head, ended(by.Head, roots[len(roots)-1])
		}
		var unsigned *checkpoint.MissingSignatureError                         // by the registry's key of that version of the root
		before := roots[0].Version > 1 && errors.Is(err, checkpoint.ErrOrigin) // maybe of a log that ended before the holder's version
		if before || errors.Is(err, roster.ErrNotFinal) || errors.As(err, &unsigned) {
			err = fmt.Errorf("%w: %w", ErrCouldNotTell, err)
		}
		errs = append(errs, err)
	}
	return checkpoint.Checkpoint{}, fmt.Errorf("the anchor of the registry: %w", errors.Join(errs...))
}

// ended refuses an anchor above the head at which a later version of the root ends the registry's old log.
func ended(head checkpoint.Checkpoint, newest *root.Root) error {
	for _, from := range newest.Terms.ContinueFrom {
		if from.Origin == head.Origin && from.Head().Size < head.Size {
			return fmt.Errorf("%w: the anchor of size %d is superseded: version %d of the root ends that log at size %d", ErrCouldNotTell, head.Size, from.Version, from.Size)
		}
	}
	return nil
}

// readVoices proves lines of voices by the epoch's root, none twice.
func (p place) readVoices(lines []*registryv1.RosterLine) ([]roster.Voice, error) {
	var out []roster.Voice
	for _, l := range lines {
		if err := p.prove(l); err != nil {
			return nil, err
		}
		v, err := roster.ParseVoice(l.GetText())
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(out, func(o roster.Voice) bool { return o.ID == v.ID }) {
			return nil, fmt.Errorf("the voice of %s is there twice", v.ID)
		}
		out = append(out, v)
	}
	return out, nil
}

// read proves the lines about a log: first its member's standing, then voices.
func (p place) read(lines []*registryv1.RosterLine, origin string) (*roster.Standing, *roster.Bench, error) {
	if len(lines) == 0 {
		return nil, nil, errors.New("it has no lines of the roster")
	}
	if err := p.prove(lines[0]); err != nil {
		return nil, nil, err
	}
	s, err := roster.ParseStanding(lines[0].GetText())
	if err != nil {
		return nil, nil, err
	}
	if !slices.ContainsFunc(s.Logs, func(l *roster.Log) bool { return l.Origin == origin }) {
		return nil, nil, fmt.Errorf("its line of the roster is about %s, which never had the log %s", s.ID(), origin)
	}
	voices, err := p.readVoices(lines[1:])
	if err != nil {
		return nil, nil, err
	}
	return s, &roster.Bench{Committee: s.Committee, Voices: voices, Operator: s.Entry.GetOperator()}, nil
}

// prove checks that a line is one of the epoch's. The number of lines is the prover's word: it can't make a line of what is none.
func (p place) prove(l *registryv1.RosterLine) error {
	path, err := hashes(l.GetPath())
	if err != nil {
		return err
	}
	if err := proof.VerifyInclusion(l.GetIndex(), l.GetSize(), proof.LeafHash(l.GetText()), path, p.rosterRoot); err != nil {
		return fmt.Errorf("a line is not in the roster: %w", err)
	}
	return nil
}

func hashes(list [][]byte) ([]proof.Hash, error) {
	out := make([]proof.Hash, len(list))
	for i, b := range list {
		if len(b) != len(proof.Hash{}) {
			return nil, fmt.Errorf("a hash of %d bytes", len(b))
		}
		out[i] = proof.Hash(b)
	}
	return out, nil
}
