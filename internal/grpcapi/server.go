package grpcapi

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"google.golang.org/grpc/metadata"

	ledgerv1 "github.com/cityproof/cityproof/api/cityproof/ledger/v1"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/ledger"
	"github.com/cityproof/cityproof/internal/logstore"
	"github.com/cityproof/cityproof/internal/priority"
	"github.com/cityproof/cityproof/internal/proof"
)

// Member is one city's log behind the API.
type Member struct {
	Ledger *ledger.Ledger
	// Publishers returns the raw keys that may publish now.
	Publishers func() []ed25519.PublicKey
	// Earlier returns the logs from which the member's log goes on, oldest first.
	Earlier func() []*ledgerv1.EarlierLog
}

// Options say what a server tells of itself besides its ledgers. Version, Public
// and Logger are required.
type Options struct {
	// Version of the software.
	Version string
	// Public is the host:port under which others reach this gRPC server.
	Public string
	// Observe is told of each publication: the log, how many declarations, how
	// long it took, and the error that the caller gets. Default: nobody is told.
	Observe func(origin string, n int, took time.Duration, err error)
	// Gate is told while something is published; default: one of its own.
	Gate *priority.Gate
	// Now is the clock; default time.Now.
	Now    func() time.Time
	Logger *slog.Logger
}

// CityKey is the metadata key by which a caller says which member of a node it
// means. A node with one member doesn't need it.
const CityKey = "cityproof-city"

// Server implements ledgerv1.LedgerServiceServer over the members of one node.
type Server struct {
	ledgerv1.UnimplementedLedgerServiceServer
	members []Member // at least one
	opts    Options
	streams chan struct{} // a place for each stream that may be held in memory
}

// maxStreams bounds the batches and files that are received at once: each is held
// in memory until it is whole.
const maxStreams = 8

// New returns the API of a node's members, at least one.
func New(members []Member, opts Options) *Server {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Observe == nil {
		opts.Observe = func(string, int, time.Duration, error) {}
	}
	if opts.Gate == nil {
		opts.Gate = priority.New()
	}
	return &Server{members: members, opts: opts, streams: make(chan struct{}, maxStreams)}
}

func (s *Server) status(err error) error { return toStatus(err, s.opts.Logger) }

// member returns the member that a call is for.
func (s *Server) member(ctx context.Context) (Member, error) {
	named := metadata.ValueFromIncomingContext(ctx, CityKey)
	if len(named) == 0 && len(s.members) == 1 {
		return s.members[0], nil
	}
	for _, m := range s.members {
		if len(named) == 1 && named[0] == m.Ledger.City() {
			return m, nil
		}
	}
	if len(named) == 0 {
		return Member{}, invalid("this node hosts several members: say which in the metadata %s", CityKey)
	}
	return Member{}, s.status(&ledger.NotFoundError{What: fmt.Sprintf("member %q", named[0])})
}

// GetLog implements ledgerv1.LedgerServiceServer.
func (s *Server) GetLog(ctx context.Context, _ *ledgerv1.GetLogRequest) (*ledgerv1.GetLogResponse, error) {
	m, err := s.member(ctx)
	if err != nil {
		return nil, err
	}
	resp := &ledgerv1.GetLogResponse{
		Origin:   m.Ledger.Origin(),
		City:     m.Ledger.City(),
		LogVkeys: m.Ledger.VKeys(),
		Limits: &ledgerv1.Limits{
			EntryBytes:      declaration.MaxEntry,
			BodyBytes:       declaration.MaxBody,
			AttachmentBytes: declaration.MaxAttachment,
			BatchStatements: ledger.MaxBatch,
			BatchBytes:      ledger.MaxBatchBytes,
			PageSize:        ledger.MaxPage,
		},
		Now:      s.opts.Now().Unix(),
		Version:  s.opts.Version,
		ReadOnly: m.Ledger.ReadOnly(),
		GrpcAddr: s.opts.Public,
	}
	for _, key := range m.Publishers() {
		resp.Publishers = append(resp.Publishers, key)
	}
	resp.Earlier = m.Earlier()
	return resp, nil
}

// Publish implements ledgerv1.LedgerServiceServer.
func (s *Server) Publish(ctx context.Context, req *ledgerv1.PublishRequest) (*ledgerv1.PublishResponse, error) {
	out, err := s.publish(ctx, []*ledgerv1.Submission{req.GetSubmission()})
	if err != nil {
		return nil, err
	}
	placed := out.Placed[0]
	return &ledgerv1.PublishResponse{
		Receipt: &ledgerv1.Receipt{
			Envelope:      req.GetSubmission().GetEnvelope(),
			Body:          req.GetSubmission().GetBody(),
			Index:         placed.Index,
			InclusionPath: hashes(placed.Path),
			Checkpoint:    out.Published.Note,
		},
		Repeat:   placed.Repeat,
		Warnings: ruleResults(out.Warnings),
	}, nil
}

// PublishBatch implements ledgerv1.LedgerServiceServer.
func (s *Server) PublishBatch(stream ledgerv1.LedgerService_PublishBatchServer) error {
	subs, release, err := s.receiveBatch(stream)
	if err != nil {
		return s.status(err)
	}
	defer release()
	out, err := s.publish(stream.Context(), subs)
	if err != nil {
		return err
	}
	resp := &ledgerv1.PublishBatchResponse{Checkpoint: out.Published.Note, Warnings: ruleResults(out.Warnings)}
	for _, p := range out.Placed {
		resp.Placed = append(resp.Placed, &ledgerv1.Placed{Index: p.Index, Repeat: p.Repeat, InclusionPath: hashes(p.Path)})
	}
	return stream.SendAndClose(resp)
}

// receiveBatch holds a batch in memory until release. Only who shows a first
// declaration that a publisher of this log has signed gets a place: a stranger
// could hold all of them.
func (s *Server) receiveBatch(stream ledgerv1.LedgerService_PublishBatchServer) (subs []*ledgerv1.Submission, release func(), err error) {
	m, err := s.member(stream.Context())
	if err != nil {
		return nil, nil, err
	}
	release = func() {}
	defer func() {
		if err != nil {
			release()
		}
	}()
	for total := 0; ; {
		req, rerr := receive(stream.Context(), stream.Recv)
		if errors.Is(rerr, io.EOF) {
			return subs, release, nil
		}
		if rerr != nil {
			return nil, release, rerr
		}
		sub := req.GetSubmission()
		total += len(sub.GetEnvelope()) + len(sub.GetBody())
		if len(subs) == ledger.MaxBatch || total > ledger.MaxBatchBytes {
			return nil, release, invalid("a batch has at most %d declarations and %d bytes", ledger.MaxBatch, ledger.MaxBatchBytes)
		}
		if len(subs) == 0 {
			if err = m.Ledger.Vouch(submission(sub)); err != nil {
				return nil, release, err
			}
			free, terr := s.takeStream()
			if terr != nil {
				return nil, release, terr
			}
			release = free
		}
		subs = append(subs, sub)
	}
}

func submission(sub *ledgerv1.Submission) ledger.Submission {
	return ledger.Submission{Envelope: sub.GetEnvelope(), Body: sub.GetBody()}
}

func (s *Server) publish(ctx context.Context, subs []*ledgerv1.Submission) (*ledger.Outcome, error) {
	m, err := s.member(ctx)
	if err != nil {
		return nil, err
	}
	start := s.opts.Now()
	batch := make([]ledger.Submission, len(subs))
	for i, sub := range subs {
		batch[i] = submission(sub)
	}
	done := s.opts.Gate.Publishing()
	out, err := m.Ledger.Publish(ctx, batch)
	done()
	err = s.status(err)
	s.opts.Observe(m.Ledger.Origin(), len(batch), s.opts.Now().Sub(start), err)
	return out, err
}

// NextSubject implements ledgerv1.LedgerServiceServer.
func (s *Server) NextSubject(ctx context.Context, req *ledgerv1.NextSubjectRequest) (*ledgerv1.NextSubjectResponse, error) {
	m, err := s.member(ctx)
	if err != nil {
		return nil, err
	}
	kind, err := declaration.KindByPrefix(req.GetKind())
	if err != nil {
		return nil, invalid("%v", err)
	}
	n, err := m.Ledger.NextNumber(kind)
	if err != nil {
		return nil, s.status(err)
	}
	return &ledgerv1.NextSubjectResponse{Number: n}, nil
}

// UploadAttachment implements ledgerv1.LedgerServiceServer.
func (s *Server) UploadAttachment(stream ledgerv1.LedgerService_UploadAttachmentServer) error {
	m, err := s.member(stream.Context())
	if err != nil {
		return err
	}
	first, err := receive(stream.Context(), stream.Recv)
	if err != nil {
		return s.status(err)
	}
	h := first.GetHeader()
	if h == nil || len(h.GetSha256()) != sha256.Size || len(h.GetPublisher()) != ed25519.PublicKeySize {
		return invalid("the first message must be a header with the file's hash and the publisher's key")
	}
	up := ledger.Upload{
		SHA256: [32]byte(h.GetSha256()), Size: h.GetSize(), Publisher: h.GetPublisher(), SignedAt: h.GetSignedAt(), Signature: h.GetSignature(),
	}
	held, err := m.Ledger.AdmitUpload(up)
	if err != nil {
		return s.status(err)
	}
	if !held {
		if err := s.receiveFile(stream, m, up); err != nil {
			return s.status(err)
		}
	}
	return stream.SendAndClose(&ledgerv1.UploadAttachmentResponse{Sha256: h.GetSha256(), Repeat: held})
}

// receiveFile takes and stores the bytes of a file whose header was admitted.
func (s *Server) receiveFile(stream ledgerv1.LedgerService_UploadAttachmentServer, m Member, up ledger.Upload) error {
	release, err := s.takeStream()
	if err != nil {
		return err
	}
	defer release()
	data := make([]byte, 0, up.Size) // AdmitUpload has bounded it
	for {
		req, rerr := receive(stream.Context(), stream.Recv)
		if errors.Is(rerr, io.EOF) {
			return m.Ledger.StoreUpload(up, data)
		}
		if rerr != nil {
			return rerr
		}
		if len(data)+len(req.GetChunk()) > int(up.Size) {
			return invalid("more bytes than the header says (%d)", up.Size)
		}
		data = append(data, req.GetChunk()...)
	}
}

// takeStream takes a place for a stream, or refuses at once where none is free.
func (s *Server) takeStream() (release func(), err error) {
	select {
	case s.streams <- struct{}{}:
		return func() { <-s.streams }, nil
	default:
		return nil, s.status(&logstore.OverloadError{RetryAfter: time.Second})
	}
}

// receive gives up when ctx ends: a stream's own Recv waits for as long as the
// peer likes. The goroutine left behind ends when the handler returns, because
// that ends the stream.
func receive[T any](ctx context.Context, recv func() (T, error)) (T, error) {
	type result struct {
		msg T
		err error
	}
	ch := make(chan result, 1)
	go func() {
		msg, err := recv()
		ch <- result{msg, err}
	}()
	select {
	case r := <-ch:
		return r.msg, r.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

// hashes as bytes, for messages.
func hashes(in []proof.Hash) [][]byte {
	out := make([][]byte, len(in))
	for i := range in {
		out[i] = in[i][:]
	}
	return out
}

func parseHex(s string) (h [sha256.Size]byte, err error) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(h) {
		return h, invalid("want a SHA-256 as 64 hexadecimal digits")
	}
	return [32]byte(b), nil
}
