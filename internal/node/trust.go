package node

import (
	"crypto/ed25519"
	"fmt"
	"math"
	"os"
	"slices"
	"sync/atomic"

	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/receipt"
)

// trustFile is who may publish, until a registry says so. It is read again when
// the operator asks for it (SIGHUP).
type trustFile struct {
	path   string
	origin string
	vkeys  [][]string // that sign the log, or will: the file names one of these
	now    atomic.Pointer[receipt.Trust]
}

func openTrust(path, origin string, vkeys ...[]string) (*trustFile, error) {
	t := &trustFile{path: path, origin: origin, vkeys: vkeys}
	return t, t.reload()
}

// readTrust reads a trust file.
func readTrust(path string) (*receipt.Trust, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading trust: %w", err)
	}
	t, err := receipt.ParseTrust(b)
	if err != nil {
		return nil, fmt.Errorf("reading trust %s: %w", path, err)
	}
	return t, nil
}

// reload reads the file again. After an error the old content stays in force.
func (t *trustFile) reload() error {
	trust, err := readTrust(t.path)
	if err != nil {
		return err
	}
	switch {
	case trust.Origin != t.origin:
		return fmt.Errorf("reading trust %s: it is for the log %s, this node runs %s", t.path, trust.Origin, t.origin)
	case !slices.ContainsFunc(t.vkeys, func(v []string) bool { return slices.Equal(trust.VKeys(), v) }):
		return fmt.Errorf("reading trust %s: its log_vkeys are not the keys that this node signs with: %q", t.path, t.vkeys)
	}
	t.now.Store(trust)
	return nil
}

func (t *trustFile) publisher(id declaration.KeyID, index uint64) (ed25519.PublicKey, bool) {
	return t.now.Load().Publisher(id, index)
}

// publishers are the keys that may sign the next leaf.
func (t *trustFile) publishers(size uint64) []ed25519.PublicKey {
	var out []ed25519.PublicKey
	for _, p := range t.now.Load().Publishers {
		if end := p.ToSize; p.FromSize <= size && (end == nil && size < math.MaxUint64 || end != nil && size < *end) {
			out = append(out, p.Key)
		}
	}
	return out
}
