package witness

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/cityproof/cityproof/internal/checkpoint"
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

	// Ready returns why nothing may be signed now: a clock that is off, a state directory of another machine. Default: nil.
	Ready func() error
	// Now is the clock. Default: time.Now.
	Now func() time.Time
	// Rate and Burst bound the requests of one log a second, counted once its signature was checked. Default: 10 and 50.
	Rate  rate.Limit
	Burst int
}

func (o *Options) setDefaults() {
	if o.Ready == nil {
		o.Ready = func() error { return nil }
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
	opts Options

	mu   sync.Mutex // guards logs
	logs map[string]*turn
}

// turn is what requests for one log share.
type turn struct {
	sync.Mutex // held from reading the stored head until the new one is stored
	limit      *rate.Limiter
}

// New returns a witness.
func New(opts Options) (*Witness, error) {
	opts.setDefaults()
	if t := opts.Signer.Key().Type; t != checkpoint.TypeEd25519Cosignature {
		return nil, fmt.Errorf("a witness signs with a key of type %v, not %v", checkpoint.TypeEd25519Cosignature, t)
	}
	return &Witness{opts: opts, logs: map[string]*turn{}}, nil
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

// AddCheckpoint takes an add-checkpoint request and returns the cosignature's line, once the head is stored. Errors that
// are the request's are *RefusedError; others are this node's.
func (w *Witness) AddCheckpoint(request []byte) ([]byte, error) {
	r, err := ParseRequest(request)
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "malformed request: %w", err)
	}
	h, err := w.verify(r)
	if err != nil {
		return nil, err
	}
	t := w.turn(h.c.Origin)
	if res := t.limit.Reserve(); res.Delay() > 0 {
		wait := res.Delay()
		res.Cancel()
		return nil, &RefusedError{Status: http.StatusTooManyRequests, RetryAfter: wait, Err: errors.New("this log asks too often")}
	}
	t.Lock()
	defer t.Unlock()
	return w.cosign(r, h)
}

// head is a checkpoint whose log signatures were checked.
type head struct {
	c     checkpoint.Checkpoint
	text  string
	lines []checkpoint.Signature // of the log, as they were checked
	log   Log
	empty error // the root of an empty tree is not that of one
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
	var ok bool
	if h.log, ok = w.opts.Logs.Log(h.c.Origin); !ok {
		return nil, refuse(http.StatusNotFound, "this witness does not know the log")
	}
	v, err := checkpoint.Verify(r.Note, h.log.Keys, nil)
	switch {
	case errors.Is(err, proof.ErrMismatch): // asked last, after the signatures and only of a size 0
		h.empty = err
	case err != nil:
		return nil, refuse(http.StatusForbidden, "%w", err)
	default:
		for _, s := range v.Log {
			h.lines = append(h.lines, s.Signature)
		}
	}
	if h.log.Stopped != "" {
		return nil, refuse(http.StatusForbidden, "cosigning this log is stopped: %s", h.log.Stopped)
	}
	return h, nil
}

// cosign compares with the stored head, and stores and signs the new one. The log's turn is held.
func (w *Witness) cosign(r *Request, h *head) ([]byte, error) {
	origin := sha256.Sum256([]byte(h.c.Origin))
	stored, _, err := w.opts.Store.Head(origin)
	if err != nil {
		return nil, err
	}
	size, root := stored.Size, stored.Root
	if h.log.Pin.Size > size {
		size, root = h.log.Pin.Size, h.log.Pin.Root
	}
	if size == 0 {
		root = proof.EmptyRoot()
	}
	if r.Old > h.c.Size {
		return nil, refuse(http.StatusBadRequest, "old size %d is above the checkpoint's, %d", r.Old, h.c.Size)
	}
	if r.Old != size {
		return nil, &RefusedError{Status: http.StatusConflict, Size: size, Err: fmt.Errorf("this witness is at size %d, not %d", size, r.Old)}
	}
	if h.empty != nil {
		return nil, refuse(http.StatusUnprocessableEntity, "%w", h.empty)
	}
	if err := proof.VerifyConsistency(size, h.c.Size, root, h.c.Root, r.Proof); err != nil {
		return nil, refuse(http.StatusUnprocessableEntity, "the checkpoint is not proven to extend size %d: %w", size, err)
	}
	if err := w.opts.Ready(); err != nil {
		return nil, refuse(http.StatusServiceUnavailable, "this witness signs nothing now: %w", err)
	}
	return w.sign(origin, h, stored)
}

// sign makes the cosignature, stores the head with it, and only then gives it away.
func (w *Witness) sign(origin [sha256.Size]byte, h *head, stored peerstore.Head) ([]byte, error) {
	now := w.opts.Now()
	if unix := now.Unix(); unix < 1 || uint64(unix) < stored.Time {
		now = time.Unix(int64(max(stored.Time, 1)), 0) //nolint:gosec // was a clock's once
	}
	sig, err := w.opts.Signer.Sign(h.text, now)
	if err != nil {
		return nil, err
	}
	note, err := checkpoint.FormatNote(&checkpoint.Note{Text: h.text, Sigs: append(h.lines, sig)})
	if err != nil {
		return nil, err
	}
	next := peerstore.Head{Size: h.c.Size, Root: h.c.Root, Time: uint64(now.Unix()), Note: note} //nolint:gosec // at least 1
	if err := w.opts.Store.Put(origin, next, stored); err != nil {
		return nil, err
	}
	return checkpoint.FormatSignatures([]checkpoint.Signature{sig})
}

// Checkpoint returns the note that was cosigned last of the log whose origin has this hash, with the log's signatures and
// the cosignature; ok is false if there is none.
func (w *Witness) Checkpoint(origin [sha256.Size]byte) (note []byte, ok bool, err error) {
	h, ok, err := w.opts.Store.Head(origin)
	return h.Note, ok, err
}

// turn returns what requests for a log share. Only logs that are witnessed come here, so there are not many.
func (w *Witness) turn(origin string) *turn {
	w.mu.Lock()
	defer w.mu.Unlock()
	t := w.logs[origin]
	if t == nil {
		t = &turn{limit: rate.NewLimiter(w.opts.Rate, w.opts.Burst)}
		w.logs[origin] = t
	}
	return t
}
