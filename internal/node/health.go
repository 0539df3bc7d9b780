package node

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/ledger"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/tile"
)

// health answers /healthz (the process lives) and /readyz (a visitor can read a
// log that verifies, and a publisher can publish). Readiness asks the node's own
// public port, as a visitor would: what only works inside is not ready (incident
// 13).
type health struct {
	members []*member
	client  *http.Client
	base    string // of the node's own public port, "http://127.0.0.1:8080"
}

func newHealth(members []*member, addr net.Addr, encrypted bool) *health {
	h := &health{members: members, client: &http.Client{
		Timeout: 5 * time.Second,
		Transport: &http.Transport{
			// It asks itself by address, where no certificate fits; what it reads
			// is checked by the log's signatures.
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // see above
		},
	}}
	host, port, _ := net.SplitHostPort(addr.String())
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	scheme := "http"
	if encrypted {
		scheme = "https"
	}
	h.base = scheme + "://" + net.JoinHostPort(host, port)
	return h
}

func (h *health) routes(mux *http.ServeMux) {
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "ok")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		if err := h.ready(r.Context()); err != nil {
			http.Error(w, "not ready: "+err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ready")
	})
}

func (h *health) ready(ctx context.Context) error {
	for _, m := range h.members {
		// Why nothing is published explains what can't be read, and not the other way round.
		if why := m.ledger.ReadOnly(); why != "" {
			return fmt.Errorf("%s: %w", m.origin, &ledger.ReadOnlyError{Reason: why})
		}
		if err := h.readable(ctx, m); err != nil {
			return fmt.Errorf("%s: %w", m.origin, err)
		}
	}
	return nil
}

// readable reads the checkpoint and the last entry through the public port and
// checks both.
func (h *health) readable(ctx context.Context, m *member) error {
	note, err := h.get(ctx, m.cfg.BasePath+"/log/checkpoint")
	if err != nil {
		return err
	}
	var keys []*checkpoint.Verifier
	for _, vkey := range m.ledger.VKeys() {
		key, kerr := checkpoint.ParseVerifier(vkey)
		if kerr != nil {
			return kerr
		}
		keys = append(keys, key)
	}
	v, err := checkpoint.Verify(note, keys, nil)
	if err != nil || v.Checkpoint.Size == 0 {
		return err
	}
	last := v.Checkpoint.Size - 1
	id, ok := tile.At(0, last/tile.FullWidth, v.Checkpoint.Size)
	if !ok {
		return errors.New("the last tile is out of range")
	}
	hashes, err := h.get(ctx, m.cfg.BasePath+"/log/"+id.Path())
	if err != nil {
		return err
	}
	id.Entries = true
	bundle, err := h.get(ctx, m.cfg.BasePath+"/log/"+id.Path())
	if err != nil {
		return err
	}
	entries, err := tile.ParseBundle(bundle, id.Width)
	if err != nil {
		return err
	}
	want := proof.LeafHash(entries[len(entries)-1])
	if !bytes.HasSuffix(hashes, want[:]) {
		return errors.New("the last entry and its tile disagree: run cityproof-node fsck --deep")
	}
	return nil
}

// maxRead bounds what readiness reads: a full entry bundle of the largest
// entries.
const maxRead = 17 << 20

func (h *health) get(ctx context.Context, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, h.base+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := h.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s", path, resp.Status)
	}
	return io.ReadAll(io.LimitReader(resp.Body, maxRead))
}
