package node

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/client"
	"github.com/cityproof/cityproof/internal/cosigning"
	"github.com/cityproof/cityproof/internal/evidence"
	"github.com/cityproof/cityproof/internal/evidencestore"
)

const (
	// foreignDir is where, in the state directory, heads of the own log are kept that this node did not sign.
	foreignDir = "foreign"
	// maxForeign is how many of them are kept: one is enough to halt.
	maxForeign = 8
)

// foreignError is why a node signs no more: a clone of it, a thief of its keys, or a disk that went back.
type foreignError struct{ head checkpoint.Checkpoint }

func (e *foreignError) Error() string {
	return fmt.Sprintf("somebody else signs for this log, or its data went back: others hold a head of size %d with the root %s, "+
		"signed by the log's key, which this node did not sign. Stop every other copy of this node; the head is in state/%s", e.head.Size, e.head.Root, foreignDir)
}

// foreignHead is told of each head of the member's own log that others show. One that the log's key signed and that does not
// belong to the history that this node signed ends signing: federation.md, section 7, threat T-20. It is kept, so that the
// node finds it again when it is started; once its history has come here, it halts nothing any more.
func (m *member) foreignHead(note []byte) {
	if m.lost() {
		return // it knows that others hold more, and signs nothing before it has that
	}
	head, err := m.ownHead(note)
	if err != nil || m.signedHere(head) || m.excused(head) {
		return
	}
	first := m.signer.Halted() == nil
	m.signer.Halt(&foreignError{head})
	path, err := m.keepForeign(head, note)
	if !first {
		return
	}
	attrs := []any{slog.String("origin", m.origin), slog.Uint64("size", head.Size), slog.String("root", head.Root.String()), slog.String("note", path)}
	if err != nil {
		attrs = append(attrs, slog.Any("err", err))
	}
	m.alliance.logger.Error("ALARM: others hold a head of this log that this node did not sign; it signs nothing any more", attrs...)
	m.accusations.alert("Cityproof: somebody else signs for "+m.origin, (&foreignError{head}).Error()+"\n"+
		"Until this is settled the node only reads. If a copy of it runs on another machine, stop one of the two for ever.\n"+
		"If no copy runs, somebody has the log's keys: tell the alliance, which can freeze the log and let it move.\n"+
		"If you put back an older disk, put back the newer one.\n")
}

// foreignIn is told of evidence that speaks of the member's own log.
func (m *member) foreignIn(e *evidence.Evidence) {
	if e.Origin() != m.origin {
		return
	}
	notes, err := e.Notes()
	if err != nil {
		return // it was verified: it has them
	}
	for _, note := range notes {
		m.foreignHead(note)
	}
}

// foreign is why this node signs no more because somebody else signs for its log, nil where nobody is known to. Its witness
// and mirror sign no more either: who runs a clone of the log runs clones of them.
func (m *member) foreign() error {
	var f *foreignError
	if errors.As(m.signer.Halted(), &f) {
		return f
	}
	return nil
}

// ownHead reads a head of the own log, signed by one of its keys.
func (m *member) ownHead(note []byte) (c checkpoint.Checkpoint, err error) {
	for _, vkey := range m.signer.VKeys() {
		var key *checkpoint.Verifier
		if key, err = checkpoint.ParseVerifier(vkey); err != nil {
			return c, err
		}
		var v *checkpoint.Verified
		if v, err = checkpoint.Verify(note, []*checkpoint.Verifier{key}, nil); err == nil {
			return v.Checkpoint, nil
		}
	}
	return c, err
}

// signedHere reports whether a head belongs to the history that this node signed. What can't be read accuses nobody: the
// disk's own alarms say that.
func (m *member) signedHere(c checkpoint.Checkpoint) bool {
	last, _, ok := m.signer.Last() // is written before anybody is shown what was signed
	switch {
	case ok && c.Size == last.Size:
		return c.Root == last.Root
	case c.Size > last.Size:
		return false
	}
	root, err := m.log.Root(context.Background(), c.Size)
	return err != nil || root == c.Root
}

// excused reports whether this node's operator has said, with a reason, that the log goes on although there is evidence against
// it: heads of that other history, which end where this log has come to, are known then. One beyond that is news.
func (m *member) excused(c checkpoint.Checkpoint) bool {
	last, _, _ := m.signer.Last()
	if m.accusations == nil || c.Size > last.Size {
		return false
	}
	return slices.ContainsFunc(m.accusations.store.Items(), func(it evidencestore.Item) bool {
		return it.Resumed != nil && it.Evidence.Origin() == m.origin
	})
}

// keepForeign writes a note into the state directory and returns its path.
func (m *member) keepForeign(c checkpoint.Checkpoint, note []byte) (string, error) {
	dir := filepath.Join(m.cfg.State, foreignDir)
	path := filepath.Join(dir, fmt.Sprintf("%d-%s.note", c.Size, hex.EncodeToString(c.Root[:8])))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return path, err
	}
	if kept, err := os.ReadDir(dir); err != nil || len(kept) >= maxForeign {
		return path, err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return path, nil
	}
	if err != nil {
		return path, err
	}
	_, err = f.Write(note)
	return path, errors.Join(err, f.Sync(), f.Close())
}

// findForeign halts signing if one of the heads that were kept still belongs to another history.
func (m *member) findForeign(logger *slog.Logger) error {
	dir := filepath.Join(m.cfg.State, foreignDir)
	kept, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, f := range kept[:min(len(kept), maxForeign)] {
		note, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			return err
		}
		head, err := m.ownHead(note)
		if err != nil {
			return fmt.Errorf("%s is no head of this log: %w", filepath.Join(dir, f.Name()), err)
		}
		if !m.signedHere(head) && !m.excused(head) {
			m.signer.Halt(&foreignError{head})
			logger.Error("signing is halted", slog.String("origin", m.origin), slog.Any("err", &foreignError{head}))
		}
	}
	return nil
}

// ahead asks a witness or mirror that has cosigned more of this log than it was shown for that head. A mirror that has
// followed the log by itself shows one of this node's own.
func (a *alliance) ahead(ctx context.Context, e *cosigning.AheadError) {
	note, err := a.cosignedBy(ctx, e.URL)
	if err == nil {
		_, err = a.member.ownHead(note)
	}
	if err != nil {
		a.logger.Warn("a witness says that it has seen more of this log than there is, and does not show it", slog.Any("says", e), slog.Any("err", err))
		return
	}
	a.member.foreignHead(note)
}

// cosignedBy reads the head of this log that a witness or mirror cosigned last.
func (a *alliance) cosignedBy(ctx context.Context, url string) ([]byte, error) {
	if node, ok := strings.CutSuffix(url, "/witness"); ok { // a mirror's names the log already
		url = client.WitnessURL(node, a.member.origin)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/checkpoint", nil)
	if err != nil {
		return nil, err
	}
	resp, err := a.peers.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("it answers %s", resp.Status)
	}
	return io.ReadAll(io.LimitReader(resp.Body, checkpoint.MaxNoteSize))
}
