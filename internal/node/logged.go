package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/evidence"
	"github.com/cityproof/cityproof/internal/signingkey"
)

// retryLogging is how long evidence that could not be written into the log waits.
const retryLogging = time.Minute

// toLog tells that there is evidence to be written into the log.
func (a *accusations) toLog() {
	select {
	case a.fresh <- struct{}{}:
	default: // a word is waiting already
	}
}

// logAll writes all evidence that this node keeps into the city's own log, each once, signed with the node key, until ctx ends
// (federation.md, section 6): what honest cities know can't be lost with their state, and anybody can count who knew. The log
// knows an entry that it has, so nothing else need be remembered.
func (a *accusations) logAll(ctx context.Context) {
	m := a.alliance.member
	key, err := nodeKey(m)
	if err != nil {
		a.alliance.logger.Warn("evidence is not written into the log", slog.Any("err", err))
		return
	}
	again := time.NewTimer(0)
	defer again.Stop()
	logged := map[string]bool{} // by this process
	said := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-a.fresh:
		case <-again.C:
		}
		for _, it := range a.store.Items() {
			if logged[it.Key] || m.lost() {
				continue
			}
			err := a.log(ctx, it.Evidence, key)
			if ctx.Err() != nil {
				return
			}
			if logged[it.Key] = err == nil; err != nil && err.Error() != said {
				said = err.Error()
				a.alliance.logger.Warn("evidence can't be written into the log now", slog.String("evidence", it.Key), slog.Any("err", err))
			}
		}
		again.Reset(retryLogging)
	}
}

func (a *accusations) log(ctx context.Context, e *evidence.Evidence, key *signingkey.Key) error {
	envelope, err := declaration.Sign(evidence.PayloadType, e.FormatPayload(), key.Signer())
	if err != nil {
		return err
	}
	_, err = a.alliance.member.ledger.Append(ctx, envelope.Format(), nil)
	return err
}

// nodeKey is the key with which a node signs what it states itself.
func nodeKey(m *member) (*signingkey.Key, error) {
	key, err := signingkey.ReadFile(m.cfg.Keys.Node, passphrase(m.cfg.Keys))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: without its node key this node states nothing itself", err)
	}
	if err != nil {
		return nil, fmt.Errorf("the node key: %w", err)
	}
	if key.Role != signingkey.Node {
		return nil, fmt.Errorf("the node key %s was made as a %s key", m.cfg.Keys.Node, key.Role)
	}
	return key, nil
}
