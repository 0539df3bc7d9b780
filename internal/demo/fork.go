package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"time"

	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/client"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/signingkey"
	"github.com/cityproof/cityproof/internal/witness"
)

// The fault mode. A node has no way to do what follows: its signer never signs two roots of one size. So the demo takes the
// last city's log keys from its disk, as a thief or a second machine would, and signs a second history with them.

// forkTries is how often the second history is shown: the first one grows meanwhile, and two heads of one size are wanted.
const forkTries = 40

// showFork lets the last city lie, and the others catch it.
func (d *demo) showFork(ctx context.Context) error {
	liar, caught := d.members[len(d.members)-1], d.members[1]
	d.tell("\nFAULT MODE. With the keys of %s a second history of its log is signed, and shown to %s alone.", liar.id, caught.id)
	begun := time.Now()
	if err := d.fork(ctx, liar, caught); err != nil {
		return fmt.Errorf("%s: %w", caught.id, err)
	}
	for _, m := range d.members[:len(d.members)-1] {
		if err := d.waitKnown(ctx, m); err != nil {
			return fmt.Errorf("%s: %w", m.id, err)
		}
	}
	d.tell("It refuses, keeps the proof and cosigns %s no more; by gossip all others have it, %v after the lie:", liar.origin(), time.Since(begun).Round(10*time.Millisecond))
	asked := d.members[2]
	if err := d.run(ctx, 0, "evidence", "list", "--node", asked.url(), "--root", d.rootFile()); err != nil {
		return err
	}
	known, err := d.known(ctx, asked)
	if err != nil {
		return err
	}
	file := filepath.Join(d.opts.Dir, known[0][:16]+".evidence")
	d.tell("\nA stranger takes the proof along and checks it offline, against root.json alone:")
	if err := d.quiet(ctx, "evidence", "show", known[0], "--node", asked.url(), "--out", file); err != nil {
		return err
	}
	return d.run(ctx, 0, "evidence", "verify", file, "--root", d.rootFile())
}

// waitKnown waits until a node keeps the proof.
func (d *demo) waitKnown(ctx context.Context, m *member) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		if known, err := d.known(ctx, m); err != nil || len(known) > 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.New("gossip did not bring it the proof")
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// fork signs a second root at the size that a city cosigned last, and shows it to that city, until it has the proof.
func (d *demo) fork(ctx context.Context, liar, to *member) error {
	signers, err := logSigners(liar)
	if err != nil {
		return err
	}
	for range forkTries {
		if known, err := d.known(ctx, to); err != nil || len(known) > 0 {
			return err
		}
		seen, err := d.cosigned(ctx, liar, to)
		if err != nil {
			return err
		}
		if seen.Size > 0 {
			lie := checkpoint.Checkpoint{Origin: liar.origin(), Size: seen.Size, Root: proof.LeafHash([]byte("another history"))}
			note, err := checkpoint.Sign(lie, time.Now(), signers...)
			if err != nil {
				return err
			}
			if err := d.mustRefuse(ctx, to, &witness.Request{Old: seen.Size, Note: note}); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
	return errors.New("it was shown two histories and has no proof of it")
}

// logSigners takes the keys with which a log signs.
func logSigners(m *member) ([]*checkpoint.Signer, error) {
	var out []*checkpoint.Signer
	for file, typ := range map[string]checkpoint.KeyType{"log-ed25519.key": checkpoint.TypeEd25519, "log-mldsa44.key": checkpoint.TypeMLDSA44} {
		key, err := signingkey.ReadFile(filepath.Join(m.nodeDir(), "keys", file), nil)
		if err != nil {
			return nil, err
		}
		s, err := checkpoint.NewSigner(m.origin(), typ, key.Signer())
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

// cosigned is the head of a log that a city's witness signed last.
func (d *demo) cosigned(ctx context.Context, of, by *member) (c checkpoint.Checkpoint, err error) {
	note, code, err := d.fetch(ctx, http.MethodGet, client.WitnessURL(by.url(), of.origin())+"/checkpoint", nil)
	if err != nil || code == http.StatusNotFound {
		return c, err
	}
	return checkpoint.Unverified(note)
}

// mustRefuse shows a second history to a witness, which must not sign it.
func (d *demo) mustRefuse(ctx context.Context, to *member, r *witness.Request) error {
	answer, code, err := d.fetch(ctx, http.MethodPost, to.url()+"/witness/add-checkpoint", r.Format())
	if err == nil && code == http.StatusOK {
		err = fmt.Errorf("it cosigned a second history: %s", answer)
	}
	return err
}

// known lists the evidence that a node keeps.
func (d *demo) known(ctx context.Context, at *member) ([]string, error) {
	b, _, err := d.fetch(ctx, http.MethodGet, at.url()+"/api/v1/evidence", nil)
	if err != nil {
		return nil, err
	}
	var list struct {
		Evidence []struct{ Key string }
	}
	if err := json.Unmarshal(b, &list); err != nil {
		return nil, err
	}
	var keys []string
	for _, e := range list.Evidence {
		keys = append(keys, e.Key)
	}
	return keys, nil
}

// maxFetched bounds what the demo reads of an answer.
const maxFetched = 1 << 20

func (d *demo) fetch(ctx context.Context, method, url string, body []byte) (answer []byte, code int, err error) {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, 0, err
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(io.LimitReader(resp.Body, maxFetched))
	return answer, resp.StatusCode, err
}
