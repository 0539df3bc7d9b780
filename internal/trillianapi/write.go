package trillianapi

import (
	"context"
	"errors"

	"github.com/cockroachdb/pebble/v2"
	"github.com/google/trillian"

	"github.com/cityproof/cityproof/internal/logstore"
	"github.com/cityproof/cityproof/internal/pebbledb"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/tile"
)

// writable finds a tree to write.
func (s *Server) writable(id int64, preordered bool) (*tree, error) {
	t := s.trees[id]
	if t == nil {
		return nil, notFound("no tree %d", id)
	}
	if t.Scratch == nil {
		return nil, denied(id)
	}
	if t.Preordered != preordered {
		return nil, invalid("tree %d: LOG trees take QueueLeaf, PREORDERED_LOG trees take AddSequencedLeaves", id)
	}
	return s.tree(id)
}

// InitLog implements trillian.TrillianLogServer.
func (s *Server) InitLog(_ context.Context, req *trillian.InitLogRequest) (*trillian.InitLogResponse, error) {
	t := s.trees[req.LogId]
	if t == nil {
		return nil, notFound("no tree %d", req.LogId)
	}
	if t.Scratch == nil {
		return nil, denied(req.LogId)
	}
	if err := t.init(); err != nil {
		return nil, rpcError(err)
	}
	slr, _, err := s.root(t)
	if err != nil {
		return nil, err
	}
	return &trillian.InitLogResponse{Created: slr}, nil
}

func (t *tree) init() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	ok, err := t.initialised()
	if err != nil {
		return err
	}
	if ok {
		return alreadyExists("tree %d is initialised already", t.ID)
	}
	b := t.Scratch.NewBatch()
	defer b.Close()
	if err := b.Set(initKey(), nil, nil); err != nil {
		return err
	}
	return t.Scratch.Commit(b)
}

// QueueLeaf implements trillian.TrillianLogServer. The leaf is durable and in the tree when it returns.
func (s *Server) QueueLeaf(ctx context.Context, req *trillian.QueueLeafRequest) (*trillian.QueueLeafResponse, error) {
	t, err := s.writable(req.LogId, false)
	if err != nil {
		return nil, err
	}
	g, err := s.group([]*trillian.LogLeaf{req.Leaf})
	if err != nil {
		return nil, err
	}
	r, err := t.Log.Append(ctx, g)
	if err != nil {
		return nil, rpcError(err)
	}
	leaf, err := t.leaf(r.Index[0])
	if err != nil {
		return nil, rpcError(err)
	}
	queued := &trillian.QueuedLogLeaf{Leaf: leaf, Status: leafStatus(nil)}
	if !r.Fresh[0] {
		queued.Status = leafStatus(alreadyExists("a leaf with this identity is in the log already"))
	}
	return &trillian.QueueLeafResponse{QueuedLeaf: queued}, nil
}

// Limits of a call that writes: the answer repeats each leaf, and one of AddSequencedLeaves those that are there instead.
const (
	maxLeaves = 1024
	maxExtra  = tile.MaxEntrySize
)

// group turns leaves into a group that also stores their extra data.
func (s *Server) group(leaves []*trillian.LogLeaf) (logstore.Group, error) {
	var g logstore.Group
	if len(leaves) > maxLeaves {
		return g, invalid("%d leaves, want at most %d in a call", len(leaves), maxLeaves)
	}
	extras := make([]scratchLeaf, len(leaves))
	for i, l := range leaves {
		switch {
		case l == nil:
			return g, invalid("leaf %d is missing", i)
		case len(l.LeafValue) == 0 || len(l.LeafValue) > tile.MaxEntrySize:
			return g, invalid("leaf %d: leaf_value has %d bytes, want 1 to %d", i, len(l.LeafValue), tile.MaxEntrySize)
		case len(l.ExtraData) > maxExtra:
			return g, invalid("leaf %d: extra_data has %d bytes, want at most %d", i, len(l.ExtraData), maxExtra)
		case l.LeafIndex < 0:
			return g, invalid("leaf %d: leaf_index is %d, want >= 0", i, l.LeafIndex)
		}
		identity := [32]byte(proof.LeafHash(l.LeafValue))
		switch len(l.LeafIdentityHash) {
		case 0:
		case len(identity):
			identity = [32]byte(l.LeafIdentityHash)
		default:
			return g, invalid("leaf %d: leaf_identity_hash has %d bytes, want 0 or %d", i, len(l.LeafIdentityHash), len(identity))
		}
		g.Leaves = append(g.Leaves, logstore.Leaf{Entry: l.LeafValue, Identity: identity})
		g.StageBytes += scratchHeader + len(l.ExtraData)
		extras[i] = scratchLeaf{nanos: uint64(s.now().UnixNano()), identity: identity, extra: l.ExtraData}
	}
	g.Stage = func(w pebble.Writer, index []uint64, fresh []bool) error {
		for i := range extras {
			if !fresh[i] {
				continue
			}
			if err := w.Set(pebbledb.Uint64Key(pebbledb.PrefixScratch, index[i]), extras[i].append(nil), nil); err != nil {
				return err
			}
		}
		return nil
	}
	return g, nil
}

// maxRaces is how often AddSequencedLeaves starts again when other writers are faster.
const maxRaces = 8

// AddSequencedLeaves implements trillian.TrillianLogServer.
func (s *Server) AddSequencedLeaves(ctx context.Context, req *trillian.AddSequencedLeavesRequest) (*trillian.AddSequencedLeavesResponse, error) {
	t, err := s.writable(req.LogId, true)
	if err != nil {
		return nil, err
	}
	if len(req.Leaves) == 0 {
		return nil, invalid("no leaves")
	}
	if _, err := s.group(req.Leaves); err != nil {
		return nil, err
	}
	first := req.Leaves[0].LeafIndex
	for i, l := range req.Leaves {
		if l.LeafIndex != first+int64(i) {
			return nil, precondition("leaf %d: leaf_index is %d, want %d: indices must be consecutive", i, l.LeafIndex, first+int64(i))
		}
	}
	for range maxRaces {
		resp, err := s.addSequenced(ctx, t, req.Leaves)
		if !errors.Is(err, errRace) {
			return resp, rpcError(err)
		}
	}
	return nil, aborted("tree %d is being written by others at the same indices: try again", t.ID)
}

// addSequenced compares the leaves below the end of the tree and appends the others. errRace asks to start again.
func (s *Server) addSequenced(ctx context.Context, t *tree, leaves []*trillian.LogLeaf) (*trillian.AddSequencedLeavesResponse, error) {
	size, _ := t.Log.Head()
	if first := uint64(leaves[0].LeafIndex); first > size {
		return nil, precondition("leaf_index %d leaves a gap: the tree ends at %d", first, size)
	}
	resp := &trillian.AddSequencedLeavesResponse{}
	for len(leaves) > 0 && uint64(leaves[0].LeafIndex) < size {
		result, err := t.compare(leaves[0])
		if err != nil {
			return nil, err
		}
		resp.Results = append(resp.Results, result)
		leaves = leaves[1:]
	}
	if len(leaves) == 0 {
		return resp, nil
	}
	added, err := s.appendAt(ctx, t, leaves, size)
	if err != nil {
		return nil, err
	}
	resp.Results = append(resp.Results, added...)
	return resp, nil
}

// errRace says that the tree has grown between reading its size and the commit.
var errRace = errors.New("the tree has grown meanwhile")

// compare answers for a leaf whose index is taken.
func (t *tree) compare(leaf *trillian.LogLeaf) (*trillian.QueuedLogLeaf, error) {
	have, err := t.leaf(uint64(leaf.LeafIndex))
	if err != nil {
		return nil, err
	}
	why := alreadyExists("this leaf is at index %d already", leaf.LeafIndex)
	if string(have.LeafValue) != string(leaf.LeafValue) {
		why = precondition("another leaf is at index %d", leaf.LeafIndex)
	}
	return &trillian.QueuedLogLeaf{Leaf: have, Status: leafStatus(why)}, nil
}

// errTaken says that an identity in a call of AddSequencedLeaves is in the log at another index.
var errTaken = errors.New("an identity is taken")

// appendAt appends leaves at the end of the tree, which must be size, all or none.
func (s *Server) appendAt(ctx context.Context, t *tree, leaves []*trillian.LogLeaf, size uint64) ([]*trillian.QueuedLogLeaf, error) {
	g, err := s.group(leaves)
	if err != nil {
		return nil, err
	}
	var taken map[int]uint64 // by leaf: the index that its identity is at
	g.Check = func(_ pebble.Reader, index []uint64, fresh []bool) error {
		taken = make(map[int]uint64)
		end := size // where the next fresh leaf goes if the tree still ends where it did
		for i := range fresh {
			switch {
			case fresh[i] && index[i] != end, !fresh[i] && index[i] >= end:
				return errRace // others have appended meanwhile, perhaps these very leaves
			case fresh[i]:
				end++
			default:
				taken[i] = index[i]
			}
		}
		if len(taken) > 0 {
			return errTaken
		}
		return nil
	}
	_, err = t.Log.Append(ctx, g)
	switch {
	case errors.Is(err, errTaken):
		return t.refused(len(leaves), taken)
	case err != nil:
		return nil, err
	}
	results := make([]*trillian.QueuedLogLeaf, len(leaves))
	for i := range results {
		leaf, err := t.leaf(size + uint64(i))
		if err != nil {
			return nil, err
		}
		results[i] = &trillian.QueuedLogLeaf{Leaf: leaf, Status: leafStatus(nil)}
	}
	return results, nil
}

// refused answers for n leaves of which some identities are taken, so that none was added.
func (t *tree) refused(n int, taken map[int]uint64) ([]*trillian.QueuedLogLeaf, error) {
	size, _ := t.Log.Head()
	results := make([]*trillian.QueuedLogLeaf, n)
	for i := range results {
		results[i] = &trillian.QueuedLogLeaf{}
		at, ok := taken[i]
		if !ok {
			results[i].Status = leafStatus(precondition("not added: another leaf of this call has an identity that is taken"))
			continue
		}
		results[i].Status = leafStatus(precondition("this identity is at index %d already", at))
		if at >= size { // taken by an earlier leaf of this call
			continue
		}
		leaf, err := t.leaf(at)
		if err != nil {
			return nil, err
		}
		results[i].Leaf = leaf
	}
	return results, nil
}
