package witness

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/pebbledb"
	"github.com/cityproof/cityproof/internal/peerstore"
	"github.com/cityproof/cityproof/internal/proof"
)

// Default rate of one log: a round takes one request or two, and none is shorter than a second.
const (
	defaultRate  = 10 // a second
	defaultBurst = 50
)

// Log is a log that is witnessed.
type Log struct {
	// Keys must all have signed a checkpoint: at least one, of TypeEd25519 or TypeMLDSA44.
	Keys []*checkpoint.Verifier
	// Pin is the head from which witnessing begins; the zero value is the beginning. federation.md, "Hand-over".
	Pin Pin
	// Stopped says in words why this log is not cosigned any more; empty while it is.
	Stopped string
}

// Pin is a head that an alliance settled.
type Pin struct {
	Size uint64
	Root proof.Hash
}

// Logs says which logs a node witnesses.
type Logs interface {
	// Log returns a log by its origin; ok is false if it is not witnessed.
	Log(origin string) (log Log, ok bool)
}

// Options of New.
type Options struct {
	Logs   Logs
	Store  *peerstore.Store
	Signer *checkpoint.Signer // of TypeEd25519Cosignature
	// Next cosigns beside Signer, whose place it takes when an alliance's next epoch begins: who counts one of them ignores the
	// other's line, so nothing must happen at that very moment. Default: none.
	Next *checkpoint.Signer

	// Ready returns why nothing may be signed now: a clock that is off, a state directory of another machine. It is asked
	// before each cosignature, with the log's turn held. Default: nil.
	Ready func() error
	// Label, where it is set, sets the heads in Store apart from those of another role of the same node.
	Label string
	// Hold is asked before a head is cosigned, with the log's turn held, and returns why not: a mirror stores all that is new.
	// Default: nil.
	Hold func(ctx context.Context, c checkpoint.Checkpoint) error
	// Seen is told of each note whose log signatures hold, also of one that is then refused. Default: nobody is told.
	Seen func(note []byte)
	// Conflict is told of two notes of one size with two roots, both signed by the log: of the one that was cosigned, and of
	// the one that was shown now. Default: nobody is told.
	Conflict func(cosigned, shown []byte)
	// Now is the clock. Default: time.Now.
	Now func() time.Time
	// Rate and Burst bound how often one log may grow, a second. Only what would be cosigned counts: anybody can show a
	// checkpoint that the log made public. Default: 10 and 50.
	Rate  rate.Limit
	Burst int
}

func (o *Options) setDefaults() {
	if o.Ready == nil {
		o.Ready = func() error { return nil }
	}
	if o.Hold == nil {
		o.Hold = func(context.Context, checkpoint.Checkpoint) error { return nil }
	}
	if o.Seen == nil {
		o.Seen = func([]byte) {}
	}
	if o.Conflict == nil {
		o.Conflict = func([]byte, []byte) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Rate == 0 {
		o.Rate, o.Burst = defaultRate, defaultBurst
	}
}

// Witness cosigns checkpoints. It is safe for concurrent use; requests for one log wait for each other.
type Witness struct {
	opts      Options
	signers   []*checkpoint.Signer
	verifiers []*checkpoint.Verifier // of their cosignatures, in the same order

	mu     sync.Mutex // guards growth
	growth map[string]*rate.Limiter
}

// New returns a witness.
func New(opts Options) (*Witness, error) {
	opts.setDefaults()
	w := &Witness{opts: opts, signers: []*checkpoint.Signer{opts.Signer}, growth: map[string]*rate.Limiter{}}
	if opts.Next != nil {
		w.signers = append(w.signers, opts.Next)
	}
	for _, s := range w.signers {
		if t := s.Key().Type; t != checkpoint.TypeEd25519Cosignature {
			return nil, fmt.Errorf("a witness signs with a key of type %v, not %v", checkpoint.TypeEd25519Cosignature, t)
		}
		v, err := checkpoint.NewVerifier(s.Key())
		if err != nil {
			return nil, err
		}
		w.verifiers = append(w.verifiers, v)
	}
	return w, nil
}

// RefusedError is why a checkpoint was not cosigned, with the status that tlog-witness gives it.
type RefusedError struct {
	// Status is an HTTP status: 400, 403, 404, 409, 422, 429 or 503.
	Status int
	// Size was cosigned last; of status 409.
	Size uint64
	// RetryAfter is how long to wait; of status 429.
	RetryAfter time.Duration
	Err        error
}

func (e *RefusedError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *RefusedError) Unwrap() error { return e.Err }

func refuse(status int, format string, args ...any) *RefusedError {
	return &RefusedError{Status: status, Err: fmt.Errorf(format, args...)}
}

// AddCheckpoint takes an add-checkpoint request and returns the line of the cosignature, or of both where a key is about to
// take over, once the head is stored. Errors that are the request's are *RefusedError; others are this node's.
func (w *Witness) AddCheckpoint(ctx context.Context, request []byte) ([]byte, error) {
	r, err := ParseRequest(request)
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "malformed request: %w", err)
	}
	h, err := w.verify(r)
	if err != nil {
		return nil, err
	}
	w.opts.Seen(r.Note)
	var sigs []checkpoint.Signature
	var conflict []byte
	err = w.opts.Store.Update(w.key(sha256.Sum256([]byte(h.c.Origin))), func(stored peerstore.Head) (next peerstore.Head, err error) {
		// Waiting for the log's turn may have taken long: what is known of it now counts.
		log, ok := w.opts.Logs.Log(h.c.Origin)
		if !ok {
			return stored, errUnknown()
		}
		if stored.Time != 0 && stored.Size == h.c.Size && stored.Root != h.c.Root {
			conflict = stored.Note
		}
		if err := check(r, h, log, stored); err != nil {
			return stored, err
		}
		if err := w.opts.Hold(ctx, h.c); err != nil {
			return stored, refuse(http.StatusServiceUnavailable, "%w", err)
		}
		next, sigs, err = w.cosign(h, stored)
		return next, err
	})
	if conflict != nil { // whatever else was wrong with the request
		w.opts.Conflict(conflict, r.Note)
	}
	if err != nil {
		return nil, halted(err)
	}
	return checkpoint.FormatSignatures(sigs)
}

// key is where Store has the head of the log whose origin has this hash.
func (w *Witness) key(origin [sha256.Size]byte) [sha256.Size]byte {
	if w.opts.Label == "" {
		return origin
	}
	return sha256.Sum256(append([]byte(w.opts.Label+"\n"), origin[:]...))
}

// halted is for errors of a store: one that has halted said so once, to its logger, and needs not be told again for each
// request.
func halted(err error) error {
	if errors.Is(err, pebbledb.ErrHalted) {
		return refuse(http.StatusServiceUnavailable, "this witness can't store anything any more: its operator must look at its disk")
	}
	return err
}

func errUnknown() error { return refuse(http.StatusNotFound, "this witness does not know the log") }

// head is a checkpoint whose log signatures were checked.
type head struct {
	c     checkpoint.Checkpoint
	text  string
	lines []checkpoint.Signature // of the log, as they were checked
	empty error                  // the root of an empty tree is not that of one
}

// verify finds the log and checks its signatures.
func (w *Witness) verify(r *Request) (*head, error) {
	n, err := checkpoint.ParseNote(r.Note)
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "malformed checkpoint: %w", err)
	}
	h := &head{text: n.Text}
	if h.c, err = checkpoint.ParseCheckpoint(n.Text); err != nil {
		return nil, refuse(http.StatusBadRequest, "malformed checkpoint: %w", err)
	}
	log, ok := w.opts.Logs.Log(h.c.Origin)
	if !ok {
		return nil, errUnknown()
	}
	v, err := checkpoint.Verify(r.Note, log.Keys, nil)
	switch {
	case errors.Is(err, proof.ErrMismatch): // asked last, after the signatures and only of a size 0
		h.empty = err
	case errors.Is(err, checkpoint.ErrSignature):
		return nil, refuse(http.StatusForbidden, "%w", err)
	case err != nil:
		return nil, err // the keys that this node has for the log are at fault
	default:
		for _, s := range v.Log {
			h.lines = append(h.lines, s.Signature)
		}
	}
	return h, nil
}

// check compares a request with what is stored and known of its log, in the order of the specification.
func check(r *Request, h *head, log Log, stored peerstore.Head) error {
	if log.Stopped != "" {
		return refuse(http.StatusForbidden, "cosigning this log is stopped: %s", log.Stopped)
	}
	size, root := stored.Size, stored.Root
	pinned := log.Pin.Size > 0 && log.Pin.Size >= size
	if pinned {
		size, root = log.Pin.Size, log.Pin.Root
	}
	if size == 0 {
		root = proof.EmptyRoot()
	}
	if r.Old > h.c.Size {
		return refuse(http.StatusBadRequest, "old size %d is above the checkpoint's, %d", r.Old, h.c.Size)
	}
	if r.Old != size {
		return &RefusedError{Status: http.StatusConflict, Size: size, Err: fmt.Errorf("this witness is at size %d, not %d", size, r.Old)}
	}
	if h.empty != nil {
		return refuse(http.StatusUnprocessableEntity, "%w", h.empty)
	}
	if pinned && stored.Size == size && stored.Root != root {
		return refuse(http.StatusUnprocessableEntity, "the alliance settled another root at size %d than the one that this witness cosigned", size)
	}
	if err := proof.VerifyConsistency(size, h.c.Size, root, h.c.Root, r.Proof); err != nil {
		return refuse(http.StatusUnprocessableEntity, "the checkpoint is not proven to extend size %d: %w", size, err)
	}
	return nil
}

// cosign makes the cosignatures and the head to be stored with them. Nobody is shown either before that is done.
func (w *Witness) cosign(h *head, stored peerstore.Head) (next peerstore.Head, sigs []checkpoint.Signature, err error) {
	if err := w.opts.Ready(); err != nil {
		return next, nil, refuse(http.StatusServiceUnavailable, "this witness signs nothing now: %w", err)
	}
	now := w.opts.Now()
	if grown := h.c.Size > stored.Size || stored.Time == 0; grown {
		if err := w.takeRate(h.c.Origin, now); err != nil {
			return next, nil, err
		}
	}
	at := now
	if unix := now.Unix(); unix < 1 || uint64(unix) < stored.Time {
		at = time.Unix(int64(max(stored.Time, 1)), 0) //nolint:gosec // was a clock's once
	}
	if stored.Size == h.c.Size && stored.Time == uint64(at.Unix()) { //nolint:gosec // at least 1
		same, err := w.again(h, stored)
		if same != nil || err != nil {
			return stored, same, err
		}
	}
	for _, s := range w.signers {
		sig, err := s.Sign(h.text, at)
		if err != nil {
			return next, nil, err
		}
		sigs = append(sigs, sig)
	}
	note, err := checkpoint.FormatNote(&checkpoint.Note{Text: h.text, Sigs: append(h.lines, sigs...)})
	if err != nil {
		return next, nil, refuse(http.StatusBadRequest, "the checkpoint leaves no room for a cosignature: %w", err)
	}
	return peerstore.Head{Size: h.c.Size, Root: h.c.Root, Time: uint64(at.Unix()), Note: note}, sigs, nil //nolint:gosec // at least 1
}

// again finds the cosignatures that this very checkpoint got in this very second: others would be the same, byte for byte.
// So whoever shows public heads again and again makes this witness write once a second for each log, and needs no other
// limit. It returns nil where the stored ones are by other keys of this witness.
func (w *Witness) again(h *head, stored peerstore.Head) ([]checkpoint.Signature, error) {
	n, err := checkpoint.ParseNote(stored.Note)
	if err != nil {
		return nil, fmt.Errorf("reading the witnessed head of %s: %w", h.c.Origin, err)
	}
	if n.Text != h.text { // other extension lines
		return nil, &RefusedError{Status: http.StatusTooManyRequests, RetryAfter: time.Second, Err: errors.New("another checkpoint of that size was cosigned in this second")}
	}
	sigs := n.Sigs[max(0, len(n.Sigs)-len(w.verifiers)):]
	for i, v := range w.verifiers {
		if i >= len(sigs) {
			return nil, nil
		}
		if at, err := v.Verify(h.text, sigs[i]); err != nil || at != stored.Time {
			return nil, nil
		}
	}
	return sigs, nil
}

// takeRate counts a log's growth. Only logs that are witnessed come here, so there are not many.
func (w *Witness) takeRate(origin string, now time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	limit := w.growth[origin]
	if limit == nil {
		limit = rate.NewLimiter(w.opts.Rate, w.opts.Burst)
		w.growth[origin] = limit
	}
	res := limit.ReserveN(now, 1)
	wait := res.DelayFrom(now)
	if wait > 0 {
		res.CancelAt(now)
		return &RefusedError{Status: http.StatusTooManyRequests, RetryAfter: wait, Err: errors.New("this log grows too often")}
	}
	return nil
}

// Checkpoint returns the note that was cosigned last of the log whose origin has this hash, with the log's signatures and
// the cosignature; ok is false if there is none. It waits for a cosignature that is being stored.
func (w *Witness) Checkpoint(origin [sha256.Size]byte) (note []byte, ok bool, err error) {
	h, ok, err := w.opts.Store.Head(w.key(origin))
	return h.Note, ok, halted(err)
}
