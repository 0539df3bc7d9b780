package trillianapi_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"testing"

	"github.com/google/trillian"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/cityproof/cityproof/internal/logstore"
	"github.com/cityproof/cityproof/internal/tile"
)

// fill appends n entries of the largest size.
func fill(tb testing.TB, log *logstore.Log, n int) {
	tb.Helper()
	for i := range n {
		entry := binary.BigEndian.AppendUint64(bytes.Repeat([]byte("x"), tile.MaxEntrySize-8), uint64(i))
		if _, err := log.Append(tb.Context(), logstore.Group{Leaves: []logstore.Leaf{{Entry: entry, Identity: sha256.Sum256(entry)}}}); err != nil {
			tb.Fatal(err)
		}
	}
}

func TestLeavesOfOneAnswerAreBounded(t *testing.T) {
	e := newEnv(t)
	fill(t, e.city, 40)
	at := int64(0)
	for at < 40 {
		resp, err := e.client.GetLeavesByRange(t.Context(), &trillian.GetLeavesByRangeRequest{LogId: cityID, StartIndex: at, Count: 1 << 62})
		if err != nil {
			t.Fatal(err)
		}
		if len(resp.Leaves) == 0 || resp.Leaves[0].LeafIndex != at || proto.Size(resp) > 320<<10 {
			t.Fatalf("from %d: %d leaves in %d bytes", at, len(resp.Leaves), proto.Size(resp))
		}
		at += int64(len(resp.Leaves))
	}
	if at != 40 {
		t.Errorf("%d leaves in all, want 40", at)
	}
}

func TestWritesToScratchTreesAreBounded(t *testing.T) {
	e := newEnv(t)
	e.init(t, scratchID)
	e.init(t, preorderedID)
	extra := func(n int) *trillian.QueueLeafRequest {
		return &trillian.QueueLeafRequest{LogId: scratchID, Leaf: &trillian.LogLeaf{LeafValue: []byte("x"), ExtraData: make([]byte, n)}}
	}
	_, err := e.client.QueueLeaf(t.Context(), extra(tile.MaxEntrySize+1))
	wantCode(t, "too much extra data", err, codes.InvalidArgument)
	_, err = e.client.QueueLeaf(t.Context(), extra(tile.MaxEntrySize))
	wantCode(t, "as much extra data as may be", err, codes.OK)
	leaves := make([]*trillian.LogLeaf, 1025)
	for i := range leaves {
		leaves[i] = &trillian.LogLeaf{LeafValue: binary.BigEndian.AppendUint32(nil, uint32(i)), LeafIndex: int64(i)}
	}
	_, err = e.client.AddSequencedLeaves(t.Context(), &trillian.AddSequencedLeavesRequest{LogId: preorderedID, Leaves: leaves})
	wantCode(t, "too many leaves", err, codes.InvalidArgument)
	_, err = e.client.AddSequencedLeaves(t.Context(), &trillian.AddSequencedLeavesRequest{LogId: preorderedID, Leaves: leaves[:1024]})
	wantCode(t, "as many leaves as may be", err, codes.OK)
}
