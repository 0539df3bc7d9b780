package grpcapi

import (
	"context"
	"errors"

	ledgerv1 "github.com/cityproof/cityproof/api/cityproof/ledger/v1"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/ledger"
)

const (
	defaultPage = 100
	// maxAnswer bounds what one answer holds, in bytes: below gRPC's 4 MiB.
	maxAnswer = 3 << 20
)

// ListDeclarations implements ledgerv1.LedgerServiceServer. A page token is the
// last subject of the page before.
func (s *Server) ListDeclarations(ctx context.Context, req *ledgerv1.ListDeclarationsRequest) (*ledgerv1.ListDeclarationsResponse, error) {
	m, err := s.member(ctx)
	if err != nil {
		return nil, err
	}
	var kind declaration.Kind
	var after declaration.Subject
	if req.GetKind() != "" {
		if kind, err = declaration.KindByPrefix(req.GetKind()); err != nil {
			return nil, invalid("%v", err)
		}
	}
	if req.GetPageToken() != "" {
		if after, err = declaration.ParseSubject(req.GetPageToken()); err != nil || (kind != "" && after.Kind != kind) {
			return nil, invalid("page_token is not one that this list gave")
		}
	}
	n := int(req.GetPageSize())
	switch {
	case n == 0:
		n = defaultPage
	case n > ledger.MaxPage:
		return nil, invalid("page_size is at most %d", ledger.MaxPage)
	}
	list, err := m.Ledger.List(kind, after, req.GetIncludeWithdrawn(), n)
	if err != nil {
		return nil, s.status(err)
	}
	resp := &ledgerv1.ListDeclarationsResponse{}
	size := 0
	for i, d := range list {
		// A page of large bodies ends early: an answer has at most 4 MiB.
		if size += len(d.Envelope) + len(d.Body); size > maxAnswer && i > 0 {
			list = list[:i]
			n = i
			break
		}
		resp.Declarations = append(resp.Declarations, toProto(d))
	}
	if len(list) == n && n > 0 {
		resp.NextPageToken = list[n-1].Subject.String()
	}
	return resp, nil
}

// GetDeclaration implements ledgerv1.LedgerServiceServer.
func (s *Server) GetDeclaration(ctx context.Context, req *ledgerv1.GetDeclarationRequest) (*ledgerv1.GetDeclarationResponse, error) {
	m, err := s.member(ctx)
	if err != nil {
		return nil, err
	}
	subject, err := s.subject(m, req.GetSubject(), req.GetKind())
	if err != nil {
		return nil, err
	}
	d, err := m.Ledger.Declaration(subject, req.GetRevision())
	if err != nil {
		return nil, s.status(err)
	}
	return &ledgerv1.GetDeclarationResponse{Declaration: toProto(d)}, nil
}

// ListHistory implements ledgerv1.LedgerServiceServer.
func (s *Server) ListHistory(ctx context.Context, req *ledgerv1.ListHistoryRequest) (*ledgerv1.ListHistoryResponse, error) {
	m, err := s.member(ctx)
	if err != nil {
		return nil, err
	}
	subject, err := s.subject(m, req.GetSubject(), req.GetKind())
	if err != nil {
		return nil, err
	}
	history, err := m.Ledger.History(subject)
	if err != nil {
		return nil, s.status(err)
	}
	resp := &ledgerv1.ListHistoryResponse{}
	size := 0
	for _, d := range history {
		if size += len(d.Envelope) + len(d.Body); size > maxAnswer {
			d.Body = nil // the reader fetches it by its hash
		}
		resp.Declarations = append(resp.Declarations, toProto(d))
	}
	return resp, nil
}

// subject reads "dep/17" or a nickname, of one kind if given.
func (s *Server) subject(m Member, name, kind string) (declaration.Subject, error) {
	if subject, err := declaration.ParseSubject(name); err == nil {
		return subject, nil
	}
	kinds := declaration.Kinds()
	if kind != "" {
		k, err := declaration.KindByPrefix(kind)
		if err != nil {
			return declaration.Subject{}, invalid("%v", err)
		}
		kinds = []declaration.Kind{k}
	}
	var found []declaration.Subject
	for _, k := range kinds {
		subject, ok, err := m.Ledger.Lookup(k, name)
		if err != nil {
			return declaration.Subject{}, s.status(err)
		}
		if ok {
			found = append(found, subject)
		}
	}
	switch len(found) {
	case 0:
		return declaration.Subject{}, s.status(&ledger.NotFoundError{What: name})
	case 1:
		return found[0], nil
	}
	return declaration.Subject{}, invalid("%q names %s and %s: say which", name, found[0], found[1])
}

func toProto(d *ledger.Declaration) *ledgerv1.Declaration {
	p := &ledgerv1.Declaration{
		Subject:   d.Subject.String(),
		Revision:  d.Revision,
		Operation: string(d.Operation),
		Index:     d.Index,
		LeafHash:  d.Leaf[:],
		Envelope:  d.Envelope,
		Body:      d.Body,
		ErasedBy:  d.ErasedBy,
	}
	if body, err := declaration.ParseBody(d.Body); err == nil {
		p.Nickname = body.GetNickname()
	}
	return p
}

// GetReceipt implements ledgerv1.LedgerServiceServer.
func (s *Server) GetReceipt(ctx context.Context, req *ledgerv1.GetReceiptRequest) (*ledgerv1.GetReceiptResponse, error) {
	m, err := s.member(ctx)
	if err != nil {
		return nil, err
	}
	r, err := s.receipt(ctx, m, req.GetIndex())
	if err != nil {
		return nil, err
	}
	return &ledgerv1.GetReceiptResponse{Receipt: r}, nil
}

func (s *Server) receipt(ctx context.Context, m Member, index uint64) (*ledgerv1.Receipt, error) {
	r, err := m.Ledger.Receipt(ctx, index)
	if err != nil {
		return nil, s.status(err)
	}
	return &ledgerv1.Receipt{
		Envelope: r.Envelope, Body: r.Body, Index: r.Index, InclusionPath: hashes(r.Path), Checkpoint: r.Note,
	}, nil
}

// GetInclusionProof implements ledgerv1.LedgerServiceServer.
func (s *Server) GetInclusionProof(ctx context.Context, req *ledgerv1.GetInclusionProofRequest) (*ledgerv1.GetInclusionProofResponse, error) {
	m, err := s.member(ctx)
	if err != nil {
		return nil, err
	}
	path, size, err := m.Ledger.InclusionProof(ctx, req.GetIndex(), req.GetSize())
	if err != nil {
		return nil, s.status(err)
	}
	root, err := m.Ledger.RootAt(ctx, size)
	if err != nil {
		return nil, s.status(err)
	}
	return &ledgerv1.GetInclusionProofResponse{Path: hashes(path), Size: size, Root: root[:]}, nil
}

// GetConsistencyProof implements ledgerv1.LedgerServiceServer.
func (s *Server) GetConsistencyProof(ctx context.Context, req *ledgerv1.GetConsistencyProofRequest) (*ledgerv1.GetConsistencyProofResponse, error) {
	m, err := s.member(ctx)
	if err != nil {
		return nil, err
	}
	path, size, err := m.Ledger.ConsistencyProof(ctx, req.GetOldSize(), req.GetNewSize())
	if err != nil {
		return nil, s.status(err)
	}
	return &ledgerv1.GetConsistencyProofResponse{Path: hashes(path), NewSize: size}, nil
}

// GetCheckpoint implements ledgerv1.LedgerServiceServer.
func (s *Server) GetCheckpoint(ctx context.Context, _ *ledgerv1.GetCheckpointRequest) (*ledgerv1.GetCheckpointResponse, error) {
	m, err := s.member(ctx)
	if err != nil {
		return nil, err
	}
	p := m.Ledger.Published()
	if p == nil {
		return nil, s.status(&ledger.ReadOnlyError{Reason: "no checkpoint is published yet"})
	}
	return &ledgerv1.GetCheckpointResponse{Checkpoint: p.Note}, nil
}

// GetBody implements ledgerv1.LedgerServiceServer.
func (s *Server) GetBody(ctx context.Context, req *ledgerv1.GetBodyRequest) (*ledgerv1.GetBodyResponse, error) {
	m, err := s.member(ctx)
	if err != nil {
		return nil, err
	}
	hash, err := parseHex(req.GetSha256Hex())
	if err != nil {
		return nil, err
	}
	body, err := m.Ledger.Body(hash)
	var erased *ledger.ErasedError
	if errors.As(err, &erased) {
		notice, rerr := s.receipt(ctx, m, erased.Notice)
		if rerr != nil {
			return nil, rerr
		}
		return &ledgerv1.GetBodyResponse{Erased: &ledgerv1.ErasedBody{Notice: notice}}, nil
	}
	if err != nil {
		return nil, s.status(err)
	}
	return &ledgerv1.GetBodyResponse{Body: body}, nil
}
