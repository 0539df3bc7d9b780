package cli

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/cityproof/cityproof/internal/draft"
)

// pending is the file NAME.pending: what was signed and is on its way. It is
// written before anything is sent, and removed once the receipts are written. A
// lost answer is then no riddle: the same bytes are sent again, and the node
// answers a statement that it has with its first place.
type pending struct {
	Version int           `json:"version"`
	Node    string        `json:"node"`
	Source  string        `json:"source_sha256"` // of the declaring file, to see a change
	Records []pendingItem `json:"records"`
	Done    int           `json:"done"` // so many of the first records have their receipts

	of []*draft.Draft // the drafts of the records after Done; nil: of an earlier run
}

type pendingItem struct {
	Name     string `json:"name"` // of the record, for its receipt
	Envelope []byte `json:"envelope"`
	Body     []byte `json:"body"`
}

const pendingVersion = 1

func (p *pending) submissions(from, to int) []draft.Submission {
	var out []draft.Submission
	for _, r := range p.Records[from:to] {
		out = append(out, draft.Submission{Envelope: r.Envelope, Body: r.Body})
	}
	return out
}

func sourceHash(data []byte) string { return fmt.Sprintf("%x", sha256.Sum256(data)) }

// readPending reads what an earlier run left; nil if it left nothing.
func readPending(path string) (*pending, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	p := &pending{}
	if err := json.Unmarshal(b, p); err != nil || p.Version != pendingVersion || p.Done > len(p.Records) || p.Done < 0 {
		return nil, usage(fmt.Errorf("%s can't be read", path),
			"look with cityproof show whether its declarations are in the log; if not, remove the file and publish again")
	}
	return p, nil
}

func (p *pending) write(path string) error {
	b, err := json.Marshal(p)
	if err != nil {
		return err
	}
	return writeFile(path, b)
}

// writeFile replaces a file whole and durably: after a crash it is the old one or
// the new one.
func writeFile(path string, b []byte) error {
	tmp := path + ".new"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644) //nolint:gosec // receipts are made to be handed on
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	if err = os.Rename(tmp, path); err != nil {
		return err
	}
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
