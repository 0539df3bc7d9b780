package cosigning

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/proof"
)

// defaultTimeout is how long a round lasts at most: federation.md, "One cosigning round at a time".
const defaultTimeout = 5 * time.Second

// Witness is one that is asked: a witness, or a mirror, which first fetches and stores all that is new.
type Witness struct {
	// Key verifies its cosignatures: of TypeEd25519Cosignature.
	Key *checkpoint.Verifier
	// URL is its submission prefix, to which /add-checkpoint is added.
	URL string
}

// Prover proves that the log only grew.
type Prover interface {
	// ConsistencyProof proves that the log's tree of size extends that of old.
	ConsistencyProof(ctx context.Context, old, size uint64) ([]proof.Hash, error)
}

// Options of New.
type Options struct {
	Witnesses []Witness
	// Quorum is how many of them make a head final; at least 1.
	Quorum int
	// Mirrors are asked as well, and MirrorQuorum of them must have cosigned a final head.
	Mirrors      []Witness
	MirrorQuorum int
	Prover       Prover
	// Client makes the requests; it must not follow redirects to where the operator didn't allow. Default: one that follows
	// none.
	Client *http.Client
	// Timeout of a round. Default: 5 s.
	Timeout time.Duration
}

func (o *Options) setDefaults() {
	if o.Client == nil {
		o.Client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
}

// Collector asks the witnesses of one log. Rounds run one after another.
type Collector struct {
	opts Options

	mu    sync.Mutex        // guards sizes
	sizes map[string]uint64 // by witness: the size that it cosigned last, as far as this process knows
}

// New returns a collector.
func New(opts Options) (*Collector, error) {
	opts.setDefaults()
	if opts.Quorum < 1 || opts.Quorum > len(opts.Witnesses) {
		return nil, fmt.Errorf("a quorum of %d of %d witnesses: nothing could be final, or everything", opts.Quorum, len(opts.Witnesses))
	}
	if opts.MirrorQuorum < 0 {
		return nil, fmt.Errorf("a quorum of %d mirrors", opts.MirrorQuorum)
	}
	seen := map[string]bool{}
	for _, w := range slices.Concat(opts.Witnesses, opts.Mirrors) {
		k := w.Key.Key()
		if k.Type != checkpoint.TypeEd25519Cosignature || seen[string(k.Key)] {
			return nil, fmt.Errorf("%v is no witness's or mirror's key, or is there twice", k)
		}
		seen[string(k.Key)] = true
	}
	return &Collector{opts: opts, sizes: map[string]uint64{}}, nil
}

// Head is what a round made of a log's checkpoint.
type Head struct {
	Checkpoint checkpoint.Checkpoint
	// Note is the checkpoint with the log's lines and the cosignatures that came, in the order in which they came, and no
	// more of them than the quorums: a note has room for 16 lines.
	Note []byte
	// Cosigned counts the witnesses that signed, Mirrored the mirrors; Final is whether both are the quorum.
	Cosigned, Mirrored int
	Final              bool
	// Missing says of each that did not cosign why. Once the head is final the others are not waited for.
	Missing map[string]error // by the witness's name
}

// AheadError says that a witness cosigned a larger head of this log than the log has.
type AheadError struct {
	Witness string
	URL     string // its submission prefix
	Size    uint64 // of the head that the witness knows
	Own     uint64
}

func (e *AheadError) Error() string {
	return fmt.Sprintf("%s has cosigned this log at size %d, which has only %d: it went back, or somebody else signs for it", e.Witness, e.Size, e.Own)
}

// errFinal is why a witness was not waited for.
var errFinal = errors.New("the head is final without it")

// Round shows a checkpoint, signed by the log, to all witnesses at once. It ends when the quorum has cosigned, when all have
// answered, or after the timeout. An error means that no round took place.
func (c *Collector) Round(ctx context.Context, note []byte) (*Head, error) {
	n, err := checkpoint.ParseNote(note)
	if err != nil {
		return nil, fmt.Errorf("cosigning round: %w", err)
	}
	h := &Head{Missing: map[string]error{}}
	if h.Checkpoint, err = checkpoint.ParseCheckpoint(n.Text); err != nil {
		return nil, fmt.Errorf("cosigning round: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, c.opts.Timeout)
	defer cancel()
	type reply struct {
		witness Witness
		mirror  bool
		sig     checkpoint.Signature
		err     error
	}
	all := len(c.opts.Witnesses) + len(c.opts.Mirrors)
	replies := make(chan reply, all)
	ask := func(w Witness, mirror bool) {
		sig, err := c.ask(ctx, w, note, n.Text, h.Checkpoint)
		replies <- reply{w, mirror, sig, err}
	}
	for _, w := range c.opts.Witnesses {
		go ask(w, false)
	}
	for _, m := range c.opts.Mirrors {
		go ask(m, true)
	}
	signed := &checkpoint.Note{Text: n.Text, Sigs: n.Sigs}
	for range all { // also those that were cancelled: nobody is left behind
		r := <-replies
		count, quorum := &h.Cosigned, c.opts.Quorum
		if r.mirror {
			count, quorum = &h.Mirrored, c.opts.MirrorQuorum
		}
		switch {
		case r.err != nil && h.Final && ctx.Err() != nil:
			h.Missing[r.witness.Key.Key().Name] = errFinal
		case r.err != nil:
			h.Missing[r.witness.Key.Key().Name] = r.err
		default:
			if *count++; *count <= quorum {
				signed.Sigs = append(signed.Sigs, r.sig)
			}
		}
		if !h.Final && h.Cosigned >= c.opts.Quorum && h.Mirrored >= c.opts.MirrorQuorum {
			h.Final = true
			cancel()
		}
	}
	if h.Note, err = checkpoint.FormatNote(signed); err != nil {
		return nil, fmt.Errorf("cosigning round: %w", err)
	}
	return h, nil
}
