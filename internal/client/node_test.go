package client_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	pb "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	ledgerv1 "github.com/cityproof/cityproof/api/cityproof/ledger/v1"
	"github.com/cityproof/cityproof/internal/client"
	"github.com/cityproof/cityproof/internal/config"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/draft"
	"github.com/cityproof/cityproof/internal/node"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/receipt"
)

const (
	origin = "kanaalstad.example/log"
	owner  = "nl-kanaalstad"
)

// officer is a test key; never a key of a city.
func officer(n int) ed25519.PrivateKey {
	seed := sha256.Sum256(fmt.Appendf(nil, "cityproof test key %d", n))
	return ed25519.NewKeyFromSeed(seed[:])
}

// town is a running node: the real one, in this process.
type town struct {
	http, grpc string
	trust      *receipt.Trust
}

func startTown(t testing.TB) *town {
	t.Helper()
	made, err := node.Init(node.InitOptions{
		City: owner, URL: "https://kanaalstad.example", Dir: t.TempDir(), HTTP: "127.0.0.1:0", GRPC: "127.0.0.1:0",
		Publishers: []ed25519.PublicKey{officer(1).Public().(ed25519.PublicKey), officer(2).Public().(ed25519.PublicKey)},
	})
	must(t, err)
	cfg, err := config.Load(made.Config)
	must(t, err)
	text, err := os.ReadFile(made.Trust)
	must(t, err)
	c := &town{}
	c.trust, err = receipt.ParseTrust(text)
	must(t, err)

	ctx, stop := context.WithCancel(context.Background())
	up, down := make(chan node.Addresses, 1), make(chan error, 1)
	go func() {
		down <- node.Run(ctx, cfg, node.Options{
			Version: "test", Logger: slog.New(slog.DiscardHandler), Level: &slog.LevelVar{},
			Ready: func(a node.Addresses) error { up <- a; return nil },
		})
	}()
	t.Cleanup(func() {
		stop()
		if err := <-down; err != nil {
			t.Errorf("stopping the node: %v", err)
		}
	})
	select {
	case a := <-up:
		c.http, c.grpc = "http://"+a.HTTP, a.GRPC
	case err := <-down:
		down <- err
		t.Fatalf("starting the node: %v", err)
	}
	return c
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func dial(t testing.TB, opts client.Options) *client.Client {
	t.Helper()
	c, err := client.Dial(context.Background(), opts)
	must(t, err)
	t.Cleanup(c.Close)
	return c
}

// pledge is a short record that keeps every rule.
func pledge(n int) *pb.Body {
	return &pb.Body{
		Nonce: binary.BigEndian.AppendUint64(make([]byte, 8), uint64(n)), Language: proto.String("nl"), Nickname: proto.String(fmt.Sprintf("besluit-%d", n)),
		Record: &pb.Body_Commitment{Commitment: &pb.Commitment{
			Kind: pb.CommitmentKind_COMMITMENT_KIND_NEGATIVE_STATEMENT.Enum(),
			Text: &pb.LocalizedText{Texts: []*pb.Text{{Lang: proto.String("nl"), Value: proto.String(fmt.Sprintf("Besluit %d", n))}}},
			Negative: &pb.Negative{
				Term:  &pb.Term{Scheme: pb.Scheme_SCHEME_DPV_AI.Enum(), Code: proto.String("FaceRecognition")},
				Since: proto.String("2019"),
			},
		}},
	}
}

// seal signs revision 1 of com/n, or the revision that follows head.
func seal(t testing.TB, n int, head *declaration.Head, keys ...int) draft.Submission {
	t.Helper()
	d := &draft.Draft{Operation: declaration.Publish, Body: pledge(n), Subject: declaration.Subject{Kind: declaration.Commitment, Number: uint32(n)}}
	place := draft.Place{Log: origin, City: owner, Revision: 1}
	if head != nil {
		d.Operation, place.Revision, place.Previous = declaration.Amend, head.Revision+1, head.Leaf
		d.Body.Reason = &pb.LocalizedText{Texts: []*pb.Text{{Lang: proto.String("nl"), Value: proto.String("beter zo")}}}
	}
	return sealed(t, d, place, keys...)
}

func sealed(t testing.TB, d *draft.Draft, place draft.Place, keys ...int) draft.Submission {
	t.Helper()
	var sub draft.Submission
	var err error
	if len(keys) == 2 {
		sub, err = draft.Seal(d, place, [16]byte(append(d.Body.Nonce[:15:15], byte(place.Revision))), time.Now(), officer(keys[0]), officer(keys[1]))
	} else {
		sub, err = draft.Seal(d, place, [16]byte(append(d.Body.Nonce[:15:15], byte(place.Revision))), time.Now(), officer(append(keys, 1)[0]))
	}
	must(t, err)
	return sub
}

func TestPublishReadAndProve(t *testing.T) {
	c := startTown(t)
	ctx := context.Background()
	cl := dial(t, client.Options{Node: c.http, Trust: c.trust})
	if info := cl.Known(); info.Origin != origin || info.City != owner || info.GRPC != c.grpc || !info.Trusted || info.Skew.Abs() > time.Minute {
		t.Errorf("Known() = %+v", info)
	}
	before, _, err := cl.HeadNow(ctx)
	must(t, err)
	if before.Size != 0 {
		t.Fatalf("a new log has size %d", before.Size)
	}

	out, err := cl.Publish(ctx, []draft.Submission{seal(t, 1, nil)})
	must(t, err)
	first := out.Placed[0]
	if first.Index != 0 || first.Repeat || !first.Trusted || first.Statement.Subject.String() != "com/1" {
		t.Errorf("placed %+v", first)
	}
	file, err := receipt.New(first.Envelope, first.Raw, first.Index, first.Path, first.Checkpoint).Format()
	must(t, err)
	r, err := receipt.Parse(file)
	must(t, err)
	if _, err := receipt.Verify(r, c.trust); err != nil {
		t.Errorf("the receipt does not verify offline: %v", err)
	}

	head := &declaration.Head{Revision: 1, Leaf: first.Hash, Operation: declaration.Publish}
	batch := []draft.Submission{seal(t, 1, head), seal(t, 2, nil), seal(t, 3, nil)}
	out, err = cl.Publish(ctx, batch)
	must(t, err)
	again, err := cl.Publish(ctx, batch)
	must(t, err)
	for i := range batch {
		if out.Placed[i].Index != uint64(i+1) || again.Placed[i].Index != uint64(i+1) || !again.Placed[i].Repeat {
			t.Errorf("submission %d is at %d, then at %d (repeat %v); want %d both times",
				i, out.Placed[i].Index, again.Placed[i].Index, again.Placed[i].Repeat, i+1)
		}
	}

	newest, err := cl.Newest(ctx, "besluit-1", declaration.Commitment)
	must(t, err)
	if newest.Statement.Revision != 2 || !bytes.Equal(newest.Raw, batch[0].Body) || !newest.Trusted {
		t.Errorf("newest %+v", newest)
	}
	if rec, err := cl.Revision(ctx, "com/1", "", 1); err != nil || rec.Statement.Revision != 1 {
		t.Errorf("Revision(com/1, 1) = %+v, %v", rec, err)
	}
	history, err := cl.History(ctx, "com/1", "")
	must(t, err)
	if len(history) != 2 || history[1].Index != 1 {
		t.Errorf("history of %d", len(history))
	}
	if n, err := cl.NextNumber(ctx, declaration.Commitment); err != nil || n != 4 {
		t.Errorf("NextNumber = %d, %v; want 4", n, err)
	}
	after, _, err := cl.HeadNow(ctx)
	must(t, err)
	must(t, cl.Extends(ctx, before, after))
	must(t, cl.Extends(ctx, first.Head, after))
	must(t, cl.Extends(ctx, after, after))
	forged := first.Head
	forged.Root = proof.LeafHash(nil)
	var history2 *client.HistoryError
	if err := cl.Extends(ctx, forged, after); !errors.As(err, &history2) {
		t.Errorf("Extends(forged) = %v, want HistoryError", err)
	}
	if err := cl.Extends(ctx, after, first.Head); !errors.As(err, &history2) {
		t.Errorf("Extends backwards = %v, want HistoryError", err)
	}
}

func TestErrorsCarryTheNodesReasons(t *testing.T) {
	c := startTown(t)
	ctx := context.Background()
	cl := dial(t, client.Options{GRPC: c.grpc, Trust: c.trust})
	out, err := cl.Publish(ctx, []draft.Submission{seal(t, 1, nil)})
	must(t, err)

	// Somebody else took the number.
	d := &draft.Draft{Operation: declaration.Publish, Body: pledge(7), Subject: declaration.Subject{Kind: declaration.Commitment, Number: 1}}
	_, err = cl.Publish(ctx, []draft.Submission{seal(t, 2, nil), sealed(t, d, draft.Place{Log: origin, City: owner, Revision: 1})})
	var stale *client.StaleError
	if !errors.As(err, &stale) || stale.Submission != 1 || stale.Subject != d.Subject || stale.NextNumber != 2 || stale.Revision != 1 || stale.Leaf != out.Placed[0].Hash {
		t.Errorf("a taken number: %v (%+v)", err, stale)
	}

	// A rule is broken.
	d.Subject.Number = 9
	d.Body.GetCommitment().Negative = nil
	_, err = cl.Publish(ctx, []draft.Submission{seal(t, 2, nil), sealed(t, d, draft.Place{Log: origin, City: owner, Revision: 1})})
	var rules *client.RuleError
	if !errors.As(err, &rules) || len(rules.Results) == 0 || rules.Results[0].Submission != 1 || rules.Results[0].Field == "" {
		t.Errorf("a broken rule: %v", err)
	}

	// A rule is broken by each of many: the reasons are more than an error can carry.
	var many []draft.Submission
	for n := range uint32(400) {
		d.Subject.Number = 100 + n
		many = append(many, sealed(t, d, draft.Place{Log: origin, City: owner, Revision: 1}))
	}
	rules = nil
	_, err = cl.Publish(ctx, many)
	if !errors.As(err, &rules) || len(rules.Results) == 0 || !rules.Results[0].Reject || len(rules.Results)+rules.Omitted < len(many) {
		t.Errorf("many broken rules: %v", err)
	}

	var refused *client.NodeError
	if _, err = cl.Publish(ctx, []draft.Submission{seal(t, 3, nil, 9)}); !errors.As(err, &refused) || refused.Refusal != client.Forbidden {
		t.Errorf("a stranger's key: %v", err)
	}
	if _, err = cl.Newest(ctx, "dep/1", ""); !errors.As(err, &refused) || refused.Refusal != client.Missing {
		t.Errorf("nothing there: %v", err)
	}
	if _, err = cl.Receipt(ctx, 99); !errors.As(err, &refused) || refused.Refusal != client.Missing {
		t.Errorf("beyond the end: %v", err)
	}
	elsewhere := sealed(t, &draft.Draft{Operation: declaration.Publish, Body: pledge(3), Subject: declaration.Subject{Kind: declaration.Commitment, Number: 3}},
		draft.Place{Log: "elders.example/log", City: owner, Revision: 1})
	var place *declaration.PlaceError
	if _, err = cl.Publish(ctx, []draft.Submission{elsewhere}); !errors.As(err, &place) {
		t.Errorf("another log: %v", err)
	}
}

func TestWithoutTrustEverythingSaysSo(t *testing.T) {
	c := startTown(t)
	ctx := context.Background()
	cl := dial(t, client.Options{Node: c.http})
	out, err := cl.Publish(ctx, []draft.Submission{seal(t, 1, nil)})
	must(t, err)
	newest, err := cl.Newest(ctx, "com/1", "")
	must(t, err)
	if cl.Known().Trusted || out.Placed[0].Trusted || newest.Trusted {
		t.Error("something is called trusted without a trust file")
	}
}

func TestTrustOfAnotherLogIsRefused(t *testing.T) {
	c := startTown(t)
	for name, change := range map[string]func(*client.Options, *receipt.Trust){
		"origin": func(_ *client.Options, tr *receipt.Trust) { tr.Origin = "elders.example/log" },
		"city":   func(_ *client.Options, tr *receipt.Trust) { tr.City = "nl-elders" },
		"member": func(o *client.Options, _ *receipt.Trust) { o.City = "nl-elders" },
	} {
		tr := *c.trust
		opts := client.Options{Node: c.http, Trust: &tr}
		change(&opts, &tr)
		if cl, err := client.Dial(context.Background(), opts); err == nil {
			cl.Close()
			t.Errorf("another %s was dialled", name)
		}
	}
}

func TestAttachmentsAndFiles(t *testing.T) {
	c := startTown(t)
	ctx := context.Background()
	cl := dial(t, client.Options{Node: c.http, Trust: c.trust})
	data := bytes.Repeat([]byte("%PDF-1.7 "), 60_000) // several chunks
	sum := sha256.Sum256(data)
	for try, want := range []bool{false, true} {
		if repeat, err := cl.UploadAttachment(ctx, bytes.NewReader(data), uint32(len(data)), sum, officer(1)); err != nil || repeat != want {
			t.Errorf("upload %d: repeat %v, %v; want %v", try+1, repeat, err, want)
		}
	}
	if _, err := cl.UploadAttachment(ctx, bytes.NewReader(data[1:]), uint32(len(data)), sum, officer(1)); err == nil {
		t.Error("a file that has changed was uploaded")
	}
	if _, err := cl.UploadAttachment(ctx, bytes.NewReader([]byte("x")), 1, sha256.Sum256([]byte("x")), officer(9)); err == nil {
		t.Error("a stranger's file was taken")
	}
	if _, err := cl.UploadAttachment(ctx, bytes.NewReader(nil), 11<<20, sum, officer(1)); err == nil {
		t.Error("11 MiB were tried")
	}
	files, err := cl.Files()
	must(t, err)
	if got, err := files.Attachment(ctx, sum); err != nil || !bytes.Equal(got, data) {
		t.Errorf("Attachment = %d bytes, %v", len(got), err)
	}
	out, err := cl.Publish(ctx, []draft.Submission{seal(t, 1, nil)})
	must(t, err)
	st := out.Placed[0].Statement
	if got, err := files.Body(ctx, st.BodySHA256, st.BodySize); err != nil || !bytes.Equal(got, out.Placed[0].Raw) {
		t.Errorf("Body = %d bytes, %v", len(got), err)
	}
	if entries, err := files.Bundle(ctx, 0, 1); err != nil || !bytes.Equal(entries[0], out.Placed[0].Envelope) {
		t.Errorf("Bundle = %v, %v", entries, err)
	}
}

// T-36.
func TestErasedBodyNeedsItsNotice(t *testing.T) {
	c := startTown(t)
	ctx := context.Background()
	cl := dial(t, client.Options{Node: c.http, Trust: c.trust})
	out, err := cl.Publish(ctx, []draft.Submission{seal(t, 1, nil), seal(t, 2, nil)})
	must(t, err)
	gone, other := out.Placed[0], out.Placed[1]
	_, err = cl.Publish(ctx, []draft.Submission{sealed(t, &draft.Draft{
		Operation: declaration.Publish, Subject: declaration.Subject{Kind: declaration.Notice, Number: 1}, Body: erasure(gone.Leaf),
	}, draft.Place{Log: origin, City: owner, Revision: 1})})
	must(t, err)

	rec, err := cl.Newest(ctx, "com/1", "")
	must(t, err)
	if rec.Body != nil || rec.Raw != nil || rec.ErasedBy == nil || rec.ErasedBy.Index != 2 {
		t.Errorf("erased record %+v", rec)
	}
	files, err := cl.Files()
	must(t, err)
	_, err = files.Body(ctx, gone.Statement.BodySHA256, gone.Statement.BodySize)
	var answer *client.GoneError
	if !errors.As(err, &answer) {
		t.Fatalf("Body of what is erased: %v, want GoneError", err)
	}
	if _, index, err := client.CheckGone(answer.Answer, c.trust, gone.Statement, gone.Hash); err != nil || index != 2 {
		t.Errorf("CheckGone = %d, %v; want 2", index, err)
	}
	if _, _, err := client.CheckGone(answer.Answer, c.trust, other.Statement, other.Hash); err == nil {
		t.Error("the notice erased another body")
	}
	if _, _, err := client.CheckGone(nil, c.trust, gone.Statement, gone.Hash); err == nil {
		t.Error("no notice erased a body")
	}
	for i := 0; i < len(answer.Answer); i += 7 {
		changed := bytes.Clone(answer.Answer)
		changed[i] ^= 1
		if _, _, err := client.CheckGone(changed, c.trust, gone.Statement, gone.Hash); err == nil {
			t.Errorf("a notice with byte %d changed erased a body", i)
		}
	}
}

func erasure(l *client.Leaf) *pb.Body {
	return &pb.Body{Nonce: make([]byte, 16), Language: proto.String("nl"), Record: &pb.Body_Notice{Notice: &pb.Notice{
		Type: pb.NoticeType_NOTICE_TYPE_ERASURE.Enum(), About: []string{l.Statement.Subject.String()},
		Text: &pb.LocalizedText{Texts: []*pb.Text{{Lang: proto.String("nl"), Value: proto.String("De rechter heeft het wissen gelast.")}}},
		Erasure: &pb.Erasure{
			Leaf: l.Hash[:], BodySha256: l.Statement.BodySHA256[:],
			Ground: pb.ErasureGround_ERASURE_GROUND_COURT_ORDER.Enum(), Authority: proto.String("Rechtbank Noord"),
		},
	}}}
}

// T-41: a node elsewhere can't send this machine to one of its own ports.
func TestDiscoveredAddress(t *testing.T) {
	for _, tc := range []struct{ answer, want string }{
		{`{"origin":"a.example/log","city":"nl-a"}`, "does not say where"},
		{`{"grpc_addr":"nonsense"}`, "does not say where"},
		{`[]`, "asking"},
		{`{"origin":`, "asking"},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(tc.answer)) }))
		if cl, err := client.Dial(context.Background(), client.Options{Node: server.URL}); err == nil {
			cl.Close()
			t.Errorf("%s was dialled", tc.answer)
		}
		server.Close()
	}
}

// proxy stands between a client and a node and changes what it likes.
type proxy struct {
	ledgerv1.UnimplementedLedgerServiceServer
	node ledgerv1.LedgerServiceClient

	mu      sync.Mutex // guards the following
	busy    int        // calls still to be refused
	lose    int        // answers still to be lost
	refuse  error
	calls   int
	log     func(*ledgerv1.GetLogResponse)
	publish func(*ledgerv1.PublishResponse)
	batch   func(*ledgerv1.PublishBatchResponse)
	receipt func(*ledgerv1.Receipt)
	declare func(*ledgerv1.Declaration)
	history func(*ledgerv1.ListHistoryResponse)
	body    func(*ledgerv1.GetBodyResponse)
	sizes   []int // of the batches
}

func startProxy(t *testing.T, c *town) (*proxy, string) {
	t.Helper()
	conn, err := grpc.NewClient(c.grpc, grpc.WithTransportCredentials(insecure.NewCredentials()))
	must(t, err)
	p := &proxy{node: ledgerv1.NewLedgerServiceClient(conn)}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	server := grpc.NewServer()
	ledgerv1.RegisterLedgerServiceServer(server, p)
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-done; err != nil {
			t.Errorf("serving: %v", err)
		}
		_ = conn.Close()
	})
	return p, l.Addr().String()
}

// before refuses, and after loses or changes an answer.
func (p *proxy) before() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls++
	if p.busy > 0 {
		p.busy--
		return p.refuse
	}
	return nil
}

func after[A any](p *proxy, change func(A), resp A, err error) (A, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var none A
	if err != nil {
		return none, err
	}
	if p.lose > 0 {
		p.lose--
		return none, status.Error(codes.Unavailable, "the line broke")
	}
	if change != nil {
		change(resp)
	}
	return resp, nil
}

func (p *proxy) GetLog(ctx context.Context, q *ledgerv1.GetLogRequest) (*ledgerv1.GetLogResponse, error) {
	r, err := p.node.GetLog(ctx, q)
	return after(p, p.log, r, err)
}

func (p *proxy) Publish(ctx context.Context, q *ledgerv1.PublishRequest) (*ledgerv1.PublishResponse, error) {
	if err := p.before(); err != nil {
		return nil, err
	}
	r, err := p.node.Publish(ctx, q)
	return after(p, p.publish, r, err)
}

func (p *proxy) PublishBatch(s ledgerv1.LedgerService_PublishBatchServer) error {
	up, err := p.node.PublishBatch(s.Context())
	if err != nil {
		return err
	}
	n := 0
	for {
		q, err := s.Recv()
		if err != nil {
			break
		}
		n++
		if err := up.Send(q); err != nil {
			return err
		}
	}
	r, err := up.CloseAndRecv()
	if r, err = after(p, p.batch, r, err); err != nil {
		return err
	}
	p.mu.Lock()
	p.sizes = append(p.sizes, n)
	p.mu.Unlock()
	return s.SendAndClose(r)
}

func (p *proxy) GetReceipt(ctx context.Context, q *ledgerv1.GetReceiptRequest) (*ledgerv1.GetReceiptResponse, error) {
	r, err := p.node.GetReceipt(ctx, q)
	return after(p, func(r *ledgerv1.GetReceiptResponse) {
		if p.receipt != nil {
			p.receipt(r.Receipt)
		}
	}, r, err)
}

func (p *proxy) GetDeclaration(ctx context.Context, q *ledgerv1.GetDeclarationRequest) (*ledgerv1.GetDeclarationResponse, error) {
	r, err := p.node.GetDeclaration(ctx, q)
	return after(p, func(r *ledgerv1.GetDeclarationResponse) {
		if p.declare != nil {
			p.declare(r.Declaration)
		}
	}, r, err)
}

func (p *proxy) ListHistory(ctx context.Context, q *ledgerv1.ListHistoryRequest) (*ledgerv1.ListHistoryResponse, error) {
	r, err := p.node.ListHistory(ctx, q)
	return after(p, p.history, r, err)
}

func (p *proxy) GetBody(ctx context.Context, q *ledgerv1.GetBodyRequest) (*ledgerv1.GetBodyResponse, error) {
	r, err := p.node.GetBody(ctx, q)
	return after(p, p.body, r, err)
}
