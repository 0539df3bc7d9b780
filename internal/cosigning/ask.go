package cosigning

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/cityproof/cityproof/internal/canonical"
	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/witness"
)

// Bounds of one conversation with a witness.
const (
	maxAnswer = 16 << 10 // bytes: a few lines
	maxAsked  = 3        // requests: the witness may move on between two, if another process shows it heads
)

// ask gets one witness's cosignature. A 409 says where the witness stands; from there it is asked again.
func (c *Collector) ask(ctx context.Context, w Witness, note []byte, text string, head checkpoint.Checkpoint) (checkpoint.Signature, error) {
	old := min(c.size(w), head.Size)
	for range maxAsked {
		r := witness.Request{Old: old, Note: note}
		if old > 0 && old < head.Size {
			var err error
			if r.Proof, err = c.opts.Prover.ConsistencyProof(ctx, old, head.Size); err != nil {
				return checkpoint.Signature{}, fmt.Errorf("proving size %d from %d: %w", head.Size, old, err)
			}
		}
		code, body, err := c.post(ctx, w, r.Format())
		switch {
		case err != nil:
			return checkpoint.Signature{}, err
		case code == http.StatusOK:
			sig, err := pick(w, text, body)
			if err == nil {
				c.stands(w, head.Size)
			}
			return sig, err
		case code != http.StatusConflict:
			return checkpoint.Signature{}, fmt.Errorf("status %d: %s", code, canonical.Quote(strings.TrimSpace(string(body))))
		}
		if old, err = conflict(w, body, head); err != nil {
			return checkpoint.Signature{}, err
		}
		c.stands(w, old)
	}
	return checkpoint.Signature{}, fmt.Errorf("it names another size each of %d times", maxAsked)
}

// conflict reads the size in a 409.
func conflict(w Witness, body []byte, head checkpoint.Checkpoint) (uint64, error) {
	line, ok := strings.CutSuffix(string(body), "\n")
	size, err := proof.ParseSize(line)
	if !ok || err != nil {
		return 0, fmt.Errorf("status 409 without a size: %s", canonical.Quote(body))
	}
	if size > head.Size {
		return 0, &AheadError{Witness: w.Key.Key().Name, URL: w.URL, Size: size, Own: head.Size}
	}
	return size, nil
}

// pick finds the witness's own line among those it answered, and checks it. Lines by other keys are ignored.
func pick(w Witness, text string, body []byte) (checkpoint.Signature, error) {
	sigs, err := checkpoint.ParseSignatures(body)
	if err != nil {
		return checkpoint.Signature{}, fmt.Errorf("reading its answer: %w", err)
	}
	key := w.Key.Key()
	for _, s := range sigs {
		if s.Name != key.Name || s.KeyID != key.ID() {
			continue
		}
		at, err := w.Key.Verify(text, s)
		if err == nil && at == 0 {
			err = errors.New("it is for a subtree") // T-08
		}
		if err != nil {
			return checkpoint.Signature{}, fmt.Errorf("its cosignature: %w", err)
		}
		return s, nil
	}
	return checkpoint.Signature{}, errors.New("it answered with no cosignature of its own")
}

func (c *Collector) post(ctx context.Context, w Witness, body []byte) (code int, answer []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL+"/add-checkpoint", bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	resp, err := c.opts.Client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err == nil && len(answer) > maxAnswer {
		err = fmt.Errorf("its answer has more than %d bytes", maxAnswer)
	}
	return resp.StatusCode, answer, err
}

func (c *Collector) size(w Witness) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sizes[w.Key.Key().Name]
}

// stands remembers where a witness is.
func (c *Collector) stands(w Witness, size uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sizes[w.Key.Key().Name] = size
}
