package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"time"

	"github.com/cityproof/cityproof/internal/config"
	"github.com/cityproof/cityproof/internal/evidence"
	"github.com/cityproof/cityproof/internal/gossip"
	"github.com/cityproof/cityproof/internal/gossipnet"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/signingkey"
	"github.com/cityproof/cityproof/internal/tile"
)

// maxClockOffset is how far this node's clock may be from its peers' median while it cosigns, and minClocks how many peers
// must say so (federation.md, section 3).
const (
	maxClockOffset = 5 * time.Minute
	minClocks      = 3
)

// openGossip makes the member's gossip ready, if it is in an alliance and has the key.
func (m *member) openGossip(whole *config.Config) error {
	if m.alliance == nil {
		return nil
	}
	key, err := signingkey.ReadFile(m.cfg.Keys.TLS, passphrase(m.cfg.Keys))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("the TLS key: %w", err)
	}
	if key.Role != signingkey.TLS {
		return fmt.Errorf("the TLS key %s was made as a %s key", m.cfg.Keys.TLS, key.Role)
	}
	cert, err := gossipnet.Certificate(key.Signer())
	if err != nil {
		return err
	}
	m.certificate = cert
	dialer := &net.Dialer{Timeout: 10 * time.Second}
	if !whole.Peers.AllowPrivate {
		dialer.Control = refusePrivate
	}
	m.gossip = gossipnet.New(gossipnet.Options{
		Self: m.cfg.City, Roster: m.alliance.follower.Roster, Certificate: cert, Period: time.Duration(whole.Peers.Gossip),
		Dial:      func(ctx context.Context, addr string) (net.Conn, error) { return dialer.DialContext(ctx, "tcp", addr) },
		Prove:     m.prove,
		ProveHere: m.proveHere,
		Kept:      m.kept,
		Evidence:  m.heard,
		Origin:    m.origin,
		Own:       m.foreignHead,
		Logger:    m.alliance.logger,
	})
	for _, it := range m.accusations.store.Items() {
		m.gossip.AddEvidence(it.Evidence.Format())
	}
	if p := m.ledger.Published(); p != nil {
		m.gossip.Learn(p.Note)
	}
	return nil
}

// heard takes evidence that came by gossip, or that gossip found.
func (m *member) heard(p gossip.Proof) {
	e, err := evidence.Parse(p.Bytes)
	if err == nil {
		err = m.accusations.add(e)
	}
	if err != nil {
		m.alliance.logger.Error("evidence that can't be kept", slog.Any("err", err))
	}
}

// seen is told of each head whose log signature the witness or mirror checked, also of one that it refused: where two
// histories are shown to different nodes, this is how they meet.
func (m *member) seen(note []byte) {
	if m.gossip != nil {
		m.gossip.Learn(note)
	}
}

// ready says why nothing may be cosigned now.
func (m *member) ready() error {
	if err := errors.Join(m.state.InPlace(), m.foreign()); err != nil || m.gossip == nil {
		return err
	}
	if off, n := m.gossip.ClockOffset(); n >= minClocks && off.Abs() > maxClockOffset {
		return fmt.Errorf("this node's clock is %v from the median of %d peers", off.Abs().Round(time.Second), n)
	}
	return nil
}

// prove answers a question of gossip from the log's own node or its mirrors, whoever gives a proof that holds.
func (m *member) prove(ctx context.Context, origin string, q gossip.Question) (*proof.Hash, []proof.Hash, error) {
	var errs []error
	for _, src := range m.tilesOf(origin) {
		root, err := tile.Root(ctx, src, q.Small.Size)
		var path []proof.Hash
		if err == nil {
			path, err = tile.ConsistencyProof(ctx, src, q.Small.Size, q.Large.Size)
		}
		if err == nil && q.Large.Root != (proof.Hash{}) {
			err = proof.VerifyConsistency(q.Small.Size, q.Large.Size, root, q.Large.Root, path)
		}
		if err == nil {
			return &root, path, nil
		}
		if errs = append(errs, err); ctx.Err() != nil {
			break
		}
	}
	return nil, nil, fmt.Errorf("nobody proves size %d of %s from size %d: %w", q.Large.Size, origin, q.Small.Size, errors.Join(errs...))
}

// proveHere answers a member who asks for a consistency proof, from this node's own files.
func (m *member) proveHere(ctx context.Context, origin string, small, large uint64) ([]proof.Hash, error) {
	src := m.tilesHere(origin)
	if src == nil {
		return nil, fmt.Errorf("nothing is held of %s", origin)
	}
	return tile.ConsistencyProof(ctx, src, small, large)
}

// tilesHere are the tiles of a log on this node's disk; nil: there are none.
func (m *member) tilesHere(origin string) tile.Source {
	if origin == m.origin {
		return ownTiles{m.ledger}
	}
	if m.copies == nil {
		return nil
	}
	if log, err := m.copies.Find(originHash(origin)); err == nil && log != nil {
		return log
	}
	return nil
}

// tilesOf are where the tiles of a log are: here, or at the city and its mirrors. Of the own log the mirrors have what this
// node has not where another node signs for it.
func (m *member) tilesOf(origin string) (out []tile.Source) {
	if src := m.tilesHere(origin); src != nil {
		out = append(out, src)
	}
	if origin == m.origin {
		for _, src := range m.logs.own() {
			out = append(out, src)
		}
	}
	if log, ok := m.logs.Mirrored(origin); ok {
		for _, s := range log.Sources {
			out = append(out, s)
		}
	}
	return out
}

// gossipOf returns the member that gossips, or nil. A node that hosts several speaks for the first one: a port shows one key.
func (n *node) gossipOf() *member {
	for _, m := range n.members {
		if m.gossip != nil {
			return m
		}
	}
	return nil
}
