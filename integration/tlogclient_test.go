package integration_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"testing"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// stranger reads a log with what Go's checksum database is read with. It knows tlog-tiles and nothing of Cityproof.
type stranger struct {
	ctx  context.Context //nolint:containedctx // tlog.TileReader has none
	base string          // of the log
}

func (s *stranger) get(path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(s.ctx, http.MethodGet, s.base+"/"+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", path, resp.Status)
	}
	return io.ReadAll(resp.Body)
}

// Height implements tlog.TileReader.
func (s *stranger) Height() int { return 8 }

// ReadTiles implements tlog.TileReader. tlog writes paths with the height, tlog-tiles without it.
func (s *stranger) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var out [][]byte
	for _, t := range tiles {
		b, err := s.get(tilePath(t))
		if err != nil {
			return nil, err
		}
		out = append(out, b)
	}
	return out, nil
}

// SaveTiles implements tlog.TileReader.
func (s *stranger) SaveTiles([]tlog.Tile, [][]byte) {}

func tilePath(t tlog.Tile) string {
	var path string
	if t.L == -1 {
		_, _ = fmt.Sscanf(t.Path(), "tile/8/data/%s", &path)
		return "tile/entries/" + path
	}
	_, _ = fmt.Sscanf(t.Path(), "tile/8/%s", &path)
	return "tile/" + path
}

// checkpoint opens the log's note with its Ed25519 key.
func (s *stranger) checkpoint(vkey string) (tlog.Tree, error) {
	v, err := note.NewVerifier(vkey)
	if err != nil {
		return tlog.Tree{}, err
	}
	raw, err := s.get("checkpoint")
	if err != nil {
		return tlog.Tree{}, err
	}
	n, err := note.Open(raw, note.VerifierList(v))
	if err != nil {
		return tlog.Tree{}, err
	}
	var tree tlog.Tree
	var name, root string
	if _, err := fmt.Sscanf(n.Text, "%s\n%d\n%s\n", &name, &tree.N, &root); err != nil {
		return tlog.Tree{}, err
	}
	if name != v.Name() {
		return tlog.Tree{}, fmt.Errorf("the checkpoint is of %s, the key of %s", name, v.Name())
	}
	tree.Hash, err = tlog.ParseHash(root)
	return tree, err
}

// entries reads every entry and checks its record hash against tiles that are checked against the tree.
func (s *stranger) entries(tree tlog.Tree) ([][]byte, error) {
	hashes := tlog.TileHashReader(tree, s)
	var out [][]byte
	for n := int64(0); n < tree.N; n += 256 {
		t := tlog.Tile{H: 8, L: -1, N: n / 256, W: int(min(256, tree.N-n))}
		bundle, err := s.get(tilePath(t))
		if err != nil {
			return nil, err
		}
		for rest := cryptobyte.String(bundle); !rest.Empty(); {
			var entry cryptobyte.String
			if !rest.ReadUint16LengthPrefixed(&entry) {
				return nil, fmt.Errorf("bundle %d is cut short", t.N)
			}
			index := int64(len(out))
			got, err := hashes.ReadHashes([]int64{tlog.StoredHashIndex(0, index)})
			if err != nil {
				return nil, err
			}
			if got[0] != tlog.RecordHash(entry) {
				return nil, fmt.Errorf("entry %d does not have the hash that the tree has", index)
			}
			out = append(out, bytes.Clone(entry))
		}
	}
	if int64(len(out)) != tree.N {
		return nil, fmt.Errorf("%d entries in a tree of %d", len(out), tree.N)
	}
	return out, nil
}

// vkey is the log's Ed25519 key.
func (p *place) vkey() string { return p.logVKeys()[0] }

// logVKeys are the log's keys in trust.json: Ed25519, then ML-DSA-44.
func (p *place) logVKeys() []string {
	p.t.Helper()
	b, err := os.ReadFile(p.trust)
	if err != nil {
		p.t.Fatal(err)
	}
	var trust struct {
		LogVKeys []string `json:"log_vkeys"`
	}
	if err := json.Unmarshal(b, &trust); err != nil || len(trust.LogVKeys) != 2 {
		p.t.Fatalf("reading trust.json: %v", err)
	}
	return trust.LogVKeys
}

// TestLogIsReadableByATlogTilesClientThatKnowsNothingOfCityproof also crosses a full tile: 300 entries.
func TestLogIsReadableByATlogTilesClientThatKnowsNothingOfCityproof(t *testing.T) {
	p := newPlace(t)
	n := p.start(true)
	o := p.dial(n)
	const size = 300
	subs := o.notices(size)
	if _, err := o.client.Publish(t.Context(), subs); err != nil {
		t.Fatal(err)
	}
	s := &stranger{t.Context(), n.http + "/log"}
	tree, err := s.checkpoint(p.vkey())
	if err != nil {
		t.Fatal(err)
	}
	if tree.N != size {
		t.Fatalf("size %d, want %d", tree.N, size)
	}
	root, err := tlog.TreeHash(tree.N, tlog.TileHashReader(tree, s))
	if err != nil || root != tree.Hash {
		t.Fatalf("the tiles have root %v, %v; the checkpoint %v", root, err, tree.Hash)
	}
	entries, err := s.entries(tree)
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range entries {
		if !bytes.Equal(e, subs[i].Envelope) {
			t.Fatalf("entry %d is not what was published", i)
		}
	}
	// The stranger is no rubber stamp: of another root it says no.
	tree.Hash[0] ^= 1
	if _, err := s.entries(tree); err == nil {
		t.Error("a tlog client accepts tiles of another tree")
	}
}
