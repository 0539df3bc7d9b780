package integration_test

import (
	"context"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/trillian"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	ledgerv1 "github.com/cityproof/cityproof/api/cityproof/ledger/v1"
)

// maxHostileGrowth bounds by how much hostile Trillian clients, all at once, may make the node's memory peak higher. What
// they can hold is about 110 MiB (trillianapi/limits.go), and as much again may wait for the collector.
const maxHostileGrowth = 256 << 20

// hostile knows a node's Trillian socket.
type hostile struct {
	t      *testing.T
	socket string
	conn   *grpc.ClientConn
	log    trillian.TrillianLogClient
}

func (p *place) trillian() (socket string) {
	p.t.Helper()
	dir, err := os.MkdirTemp("", "cp") // a socket's path is short
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket = filepath.Join(dir, "trillian.sock")
	p.configure("    url: https://kanaalstad.example\n", "    url: https://kanaalstad.example\n    trillian:\n      listen: unix:"+socket+"\n")
	return socket
}

func newHostile(t *testing.T, socket string) *hostile {
	t.Helper()
	conn, err := grpc.NewClient("unix:"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &hostile{t, socket, conn, trillian.NewTrillianLogClient(conn)}
}

// TestF18HostileTrillianClientNeitherWritesNorExhausts turns Trillian's interface on, as only an operator can, and lets
// a client do its worst, while the officer goes on publishing.
func TestF18HostileTrillianClientNeitherWritesNorExhausts(t *testing.T) {
	p := newPlace(t)
	socket := p.trillian()
	n := p.start(true)
	p.noticesAt(n, 2000)
	size := int64(2000)
	peak := n.peak()
	still := func(after string) {
		t.Helper()
		p.noticesAt(n, 1)
		size++
		if got := n.tree(p).N; got != size {
			t.Fatalf("%s: size %d, want %d: what the officer published, and nothing else", after, got, size)
		}
	}
	for _, attack := range []struct {
		name string
		do   func(*hostile) (end func())
	}{
		{"writes", (*hostile).writes},
		{"methods that are not there", (*hostile).strangeMethods},
		{"absurd numbers", (*hostile).absurd},
		{"large messages", (*hostile).large},
		{"cancelled calls", (*hostile).cancelled},
		{"connections that send nothing", (*hostile).silent},
		{"streams that send nothing", (*hostile).unsent},
		{"answers that nobody reads", (*hostile).unread},
	} {
		client := newHostile(t, socket)
		end := attack.do(client)
		still(attack.name)
		end()
		_ = client.conn.Close() // it would hold one of the few connections
		t.Logf("after %s: peak %d MiB above %d MiB", attack.name, (n.peak()-peak)>>20, peak>>20)
	}
	if growth := n.peak() - peak; growth > maxHostileGrowth {
		t.Errorf("the node's memory peaked %d MiB higher than before, want at most %d", growth>>20, maxHostileGrowth>>20)
	}
	root, err := newHostile(t, socket).log.GetLatestSignedLogRoot(t.Context(), &trillian.GetLatestSignedLogRootRequest{LogId: 1}, grpc.WaitForReady(true))
	if err != nil || root.GetSignedLogRoot() == nil {
		t.Errorf("an honest client afterwards: %v", err)
	}
	tree := n.tree(p)
	n.stop()
	p.fsckIs(tree.N, tree.Hash.String(), int(size))
}

func TestHeadersAreBoundedOnThePublicPort(t *testing.T) {
	p := newPlace(t)
	r := p.refuser(p.start(true))
	for size, want := range map[int]codes.Code{8 << 10: codes.OK, 32 << 10: codes.Internal} { // INTERNAL is the client's, who was told the bound
		ctx := metadata.AppendToOutgoingContext(t.Context(), "x", strings.Repeat("x", size))
		if _, err := r.raw.GetLog(ctx, &ledgerv1.GetLogRequest{}); status.Code(err) != want {
			t.Errorf("headers of %d bytes: %v, want %v", size, err, want)
		}
	}
}

// peak is the most memory that the process has had resident, in bytes.
func (n *process) peak() int64 {
	n.t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", n.cmd.Process.Pid))
	if err != nil {
		return 0 // no Linux
	}
	_, after, _ := strings.Cut(string(b), "VmHWM:")
	var kib int64
	if _, err := fmt.Sscanf(after, "%d kB", &kib); err != nil {
		n.t.Fatalf("reading VmHWM: %v", err)
	}
	return kib << 10
}

func (h *hostile) want(what string, err error, want codes.Code) {
	h.t.Helper()
	if got := status.Code(err); got != want {
		h.t.Errorf("%s: %v, want %v", what, err, want)
	}
}

func nothing() {}

// writes tries every way to write, to every sort of tree.
func (h *hostile) writes() (end func()) {
	ctx := h.t.Context()
	leaf := &trillian.LogLeaf{LeafValue: []byte("a leaf past the rules"), ExtraData: []byte("x"), LeafIndex: 2000}
	for id, want := range map[int64]codes.Code{
		1: codes.PermissionDenied, 0: codes.NotFound, 2: codes.NotFound, -1: codes.NotFound, math.MaxInt64: codes.NotFound, math.MinInt64: codes.NotFound,
	} {
		for _, l := range []*trillian.LogLeaf{leaf, nil, {}, {LeafValue: leaf.LeafValue, LeafIndex: -1}, {LeafValue: leaf.LeafValue, LeafIndex: math.MaxInt64},
			{LeafValue: leaf.LeafValue, LeafIdentityHash: []byte("short")}} {
			_, err := h.log.QueueLeaf(ctx, &trillian.QueueLeafRequest{LogId: id, Leaf: l, ChargeTo: &trillian.ChargeTo{User: []string{"officer"}}})
			h.want(fmt.Sprintf("QueueLeaf of %v to %d", l, id), err, want)
			_, err = h.log.AddSequencedLeaves(ctx, &trillian.AddSequencedLeavesRequest{LogId: id, Leaves: []*trillian.LogLeaf{l, l}})
			h.want(fmt.Sprintf("AddSequencedLeaves of %v to %d", l, id), err, want)
		}
		_, err := h.log.AddSequencedLeaves(ctx, &trillian.AddSequencedLeavesRequest{LogId: id})
		h.want(fmt.Sprintf("AddSequencedLeaves of nothing to %d", id), err, want)
		_, err = h.log.InitLog(ctx, &trillian.InitLogRequest{LogId: id})
		h.want(fmt.Sprintf("InitLog of %d", id), err, want)
	}
	return nothing
}

// strangeMethods calls what the socket does not serve: it has no other way to the log.
func (h *hostile) strangeMethods() (end func()) {
	ctx := h.t.Context()
	admin := trillian.NewTrillianAdminClient(h.conn)
	tree := &trillian.Tree{TreeId: 1, TreeState: trillian.TreeState_ACTIVE, TreeType: trillian.TreeType_LOG}
	_, err := admin.CreateTree(ctx, &trillian.CreateTreeRequest{Tree: tree})
	h.want("CreateTree", err, codes.Unimplemented)
	_, err = admin.UpdateTree(ctx, &trillian.UpdateTreeRequest{Tree: tree, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"tree_type"}}})
	h.want("UpdateTree", err, codes.Unimplemented)
	_, err = admin.DeleteTree(ctx, &trillian.DeleteTreeRequest{TreeId: 1})
	h.want("DeleteTree", err, codes.Unimplemented)
	_, err = admin.ListTrees(ctx, &trillian.ListTreesRequest{})
	h.want("ListTrees", err, codes.Unimplemented)
	for _, method := range []string{
		"/trillian.TrillianLog/QueueLeaves", "/trillian.TrillianLog/", "/trillian.TrillianMap/SetLeaves", "//", "/x",
		"/cityproof.ledger.v1.LedgerService/Publish", "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", "/grpc.health.v1.Health/Check",
	} {
		h.want(method, h.conn.Invoke(ctx, method, &emptypb.Empty{}, &emptypb.Empty{}), codes.Unimplemented)
	}
	return nothing
}

// absurd asks for what can't be.
func (h *hostile) absurd() (end func()) {
	ctx := h.t.Context()
	numbers := []int64{math.MinInt64, -1, 0, 1, 1 << 31, 1 << 62, math.MaxInt64}
	fine := func(what string, err error) {
		h.t.Helper()
		if c := status.Code(err); c != codes.OK && c != codes.InvalidArgument && c != codes.NotFound {
			h.t.Errorf("%s: %v", what, err)
		}
	}
	for _, a := range numbers {
		for _, b := range numbers {
			what := fmt.Sprintf("%d and %d", a, b)
			leaves, err := h.log.GetLeavesByRange(ctx, &trillian.GetLeavesByRangeRequest{LogId: 1, StartIndex: a, Count: b})
			fine("leaves "+what, err)
			if got := proto.Size(leaves); got > 1<<20 {
				h.t.Errorf("leaves %s: %d bytes", what, got)
			}
			_, err = h.log.GetInclusionProof(ctx, &trillian.GetInclusionProofRequest{LogId: 1, LeafIndex: a, TreeSize: b})
			fine("inclusion "+what, err)
			_, err = h.log.GetEntryAndProof(ctx, &trillian.GetEntryAndProofRequest{LogId: 1, LeafIndex: a, TreeSize: b})
			fine("entry "+what, err)
			_, err = h.log.GetConsistencyProof(ctx, &trillian.GetConsistencyProofRequest{LogId: 1, FirstTreeSize: a, SecondTreeSize: b})
			fine("consistency "+what, err)
			_, err = h.log.GetInclusionProofByHash(ctx, &trillian.GetInclusionProofByHashRequest{LogId: 1, LeafHash: make([]byte, 32), TreeSize: b, OrderBySequence: true})
			fine("by hash "+what, err)
			_, err = h.log.GetLatestSignedLogRoot(ctx, &trillian.GetLatestSignedLogRootRequest{LogId: a, FirstTreeSize: b})
			fine("root "+what, err)
		}
	}
	_, err := h.log.GetInclusionProofByHash(ctx, &trillian.GetInclusionProofByHashRequest{LogId: 1, LeafHash: make([]byte, 1<<16), TreeSize: 1})
	h.want("a hash of 64 KiB", err, codes.InvalidArgument)
	return nothing
}

// large sends more than a message may have.
func (h *hostile) large() (end func()) {
	big := &trillian.LogLeaf{LeafValue: make([]byte, 8<<20)}
	extra := &trillian.LogLeaf{LeafValue: []byte("x"), ExtraData: make([]byte, 8<<20)}
	many := make([]*trillian.LogLeaf, 100_000)
	for i := range many {
		many[i] = &trillian.LogLeaf{LeafValue: []byte("x"), LeafIndex: int64(i)}
	}
	h.together(64, func(ctx context.Context) {
		_, err := h.log.QueueLeaf(ctx, &trillian.QueueLeafRequest{LogId: 1, Leaf: big})
		h.want("a leaf of 8 MiB", err, codes.ResourceExhausted)
		_, err = h.log.QueueLeaf(ctx, &trillian.QueueLeafRequest{LogId: 1, Leaf: extra})
		h.want("extra data of 8 MiB", err, codes.ResourceExhausted)
		_, err = h.log.AddSequencedLeaves(ctx, &trillian.AddSequencedLeavesRequest{LogId: 1, Leaves: many})
		h.want("100,000 leaves", err, codes.ResourceExhausted)
		ctx = metadata.AppendToOutgoingContext(ctx, "x", strings.Repeat("x", 1<<20))
		if _, err = h.log.InitLog(ctx, &trillian.InitLogRequest{LogId: 1}); err == nil {
			h.t.Error("headers of 1 MiB: no error")
		}
	})
	return nothing
}

// together runs f in n goroutines.
func (h *hostile) together(n int, f func(context.Context)) {
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() { f(h.t.Context()) })
	}
	wg.Wait()
}

// cancelled begins calls and does not wait for them.
func (h *hostile) cancelled() (end func()) {
	h.together(64, func(ctx context.Context) {
		for range 50 {
			call, cancel := context.WithCancel(ctx)
			stream, err := h.conn.NewStream(call, &grpc.StreamDesc{}, "/trillian.TrillianLog/GetLeavesByRange")
			if err == nil {
				err = stream.SendMsg(&trillian.GetLeavesByRangeRequest{LogId: 1, Count: math.MaxInt64})
			}
			cancel()
			if c := status.Code(err); c != codes.OK && c != codes.Canceled {
				h.t.Errorf("a call to be cancelled: %v", err)
			}
		}
	})
	return nothing
}

// silent opens connections that send nothing, or half of a greeting.
func (h *hostile) silent() (end func()) {
	var conns []net.Conn
	for i := range 300 {
		c := h.dial()
		if i%2 == 1 {
			if _, err := io.WriteString(c, http2.ClientPreface[:i%len(http2.ClientPreface)]); err != nil {
				h.t.Fatal(err)
			}
		}
		conns = append(conns, c)
	}
	return closeAll(conns)
}

func (h *hostile) dial() net.Conn {
	h.t.Helper()
	var d net.Dialer
	c, err := d.DialContext(h.t.Context(), "unix", h.socket)
	if err != nil {
		h.t.Fatal(err)
	}
	return c
}

func closeAll(conns []net.Conn) func() {
	return func() {
		for _, c := range conns {
			_ = c.Close() // whatever the node has made of it
		}
	}
}

// Streams and connections of a client that hoards: many more than are allowed.
const (
	hoardedStreams     = 64
	hoardedConnections = 32
	servedConnections  = 16
	servedStreams      = 8
)

// unsent begins calls, announces a message and sends no more of it.
func (h *hostile) unsent() (end func()) {
	var conns []net.Conn
	for range hoardedConnections {
		conns = append(conns, h.hoard([]byte{0, 0, 1, 0, 0, 'x'}, false).Conn)
	}
	return closeAll(conns)
}

// unread asks for as much as it gets, on connections that let no answer through.
func (h *hostile) unread() (end func()) {
	ask, err := proto.Marshal(&trillian.GetLeavesByRangeRequest{LogId: 1, Count: math.MaxInt64})
	if err != nil {
		h.t.Fatal(err)
	}
	message := append([]byte{0, 0, 0, 0, byte(len(ask))}, ask...)
	var conns []net.Conn
	for i := range hoardedConnections {
		c := h.hoard(message, true)
		if i < servedConnections {
			c.answered(h.t)
		} // the others wait to be accepted
		conns = append(conns, c.Conn)
	}
	return closeAll(conns)
}

// hoarder is a connection whose client has closed its windows.
type hoarder struct {
	net.Conn
	frames *http2.Framer
}

// hoard opens a connection with as many streams as it likes, each with data in it.
func (h *hostile) hoard(data []byte, whole bool) hoarder {
	h.t.Helper()
	c := hoarder{Conn: h.dial()}
	c.frames = http2.NewFramer(c, c)
	var headers strings.Builder
	enc := hpack.NewEncoder(&headers)
	for _, f := range [][2]string{{":method", "POST"}, {":scheme", "http"}, {":path", "/trillian.TrillianLog/GetLeavesByRange"}, {":authority", "x"},
		{"content-type", "application/grpc"}, {"te", "trailers"}} {
		if err := enc.WriteField(hpack.HeaderField{Name: f[0], Value: f[1], Sensitive: true}); err != nil { // so that each block is the same
			h.t.Fatal(err)
		}
	}
	_, err := io.WriteString(c, http2.ClientPreface)
	if err == nil {
		err = c.frames.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
	}
	for i := range uint32(hoardedStreams) {
		if err == nil {
			err = c.frames.WriteHeaders(http2.HeadersFrameParam{StreamID: 2*i + 1, BlockFragment: []byte(headers.String()), EndHeaders: true})
		}
		if err == nil {
			err = c.frames.WriteData(2*i+1, whole, data)
		}
	}
	if err != nil {
		h.t.Fatal(err)
	}
	return c
}

// answered reads until each stream has an answer's headers, whose data then wait in the node, or is refused.
func (c hoarder) answered(t *testing.T) {
	t.Helper()
	served, refused := 0, 0
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	for served+refused < hoardedStreams {
		f, err := c.frames.ReadFrame()
		if err != nil {
			t.Fatalf("after %d answers and %d refusals: %v", served, refused, err)
		}
		switch f := f.(type) {
		case *http2.HeadersFrame:
			served++
		case *http2.RSTStreamFrame:
			if f.ErrCode != http2.ErrCodeRefusedStream {
				t.Errorf("a stream ends with %v", f.ErrCode)
			}
			refused++
		}
	}
	if served != servedStreams {
		t.Errorf("%d streams were served at once on one connection, want %d", served, servedStreams)
	}
}
