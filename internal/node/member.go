package node

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/cityproof/cityproof/internal/bodystore"
	"github.com/cityproof/cityproof/internal/config"
	"github.com/cityproof/cityproof/internal/gossipnet"
	"github.com/cityproof/cityproof/internal/ledger"
	"github.com/cityproof/cityproof/internal/logstore"
	"github.com/cityproof/cityproof/internal/mirror"
	"github.com/cityproof/cityproof/internal/mirrorstore"
	"github.com/cityproof/cityproof/internal/pebbledb"
	"github.com/cityproof/cityproof/internal/peerstore"
	"github.com/cityproof/cityproof/internal/scrub"
	"github.com/cityproof/cityproof/internal/signingkey"
	"github.com/cityproof/cityproof/internal/witness"
)

// member is one city's open log.
type member struct {
	cfg    config.Member
	origin string
	trust  *trustFile
	db     *pebbledb.DB
	log    *logstore.Log
	state  *signingkey.State
	signer *signingkey.LogSigner
	bodies *bodystore.Store
	ledger *ledger.Ledger

	damages *scrub.Damages
	scrub   *scrub.Scrubber // nil: off

	peers   *peerstore.Store // nil: no witness
	witness *witness.Witness // nil: it has no key

	alliance *alliance          // nil: none
	copies   *mirrorstore.Store // nil: it mirrors nothing
	mirror   *mirror.Mirror     // as copies

	accusations *accusations      // nil: no alliance
	logs        *copies           // of the alliance, and where they are; nil: no alliance
	gossip      *gossipnet.Engine // nil: no alliance, or no key
	certificate tls.Certificate   // of gossip
}

// openMember opens everything that belongs to one city, or nothing.
func openMember(ctx context.Context, cfg config.Member, whole *config.Config, logger *slog.Logger) (m *member, err error) {
	m = &member{cfg: cfg}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("opening %s: %w", cfg.City, err), m.close())
			m = nil
		}
	}()
	if m.origin, err = cfg.Origin(); err != nil {
		return m, err
	}
	m.watchDamage(logger)
	if m.signer, err = m.openSigner(); err != nil {
		return m, err
	}
	if err = m.openTrust(); err != nil {
		return m, err
	}
	if err = m.openAlliance(whole, logger); err != nil {
		return m, err
	}
	if err = m.openEvidence(alerts(whole.Alerts, logger)); err != nil {
		return m, err
	}
	if err = m.openLog(ctx, whole, logger); err != nil {
		return m, err
	}
	m.openScrub(whole.Scrub, logger)
	if m.alliance != nil {
		if err = m.alliance.joinLog(ctx); err != nil {
			return m, err
		}
	}
	if err = m.openWitness(whole.Witness, logger); err != nil {
		return m, err
	}
	if err = m.openMirror(whole.Mirror, logger); err != nil || m.alliance == nil {
		return m, err
	}
	if err = m.alliance.findRegistry(); err != nil {
		return m, err
	}
	return m, m.openGossip(whole)
}

// openLog opens the city's own log. What others hold against it is known by then: nothing is signed that must not be.
func (m *member) openLog(ctx context.Context, whole *config.Config, logger *slog.Logger) (err error) {
	if err = os.RemoveAll(checkpointDir(m.cfg)); err != nil { // of a process that was killed; it would keep what is erased
		return err
	}
	if m.db, err = pebbledb.Open(m.cfg.Data, pebbledb.Options{Logger: logger}); err != nil {
		return err
	}
	// An entry's identity is computed from the entry (package declaration).
	if m.log, err = logstore.Open(m.db, logstore.Options{PureIdentity: true, OnDamage: m.foundDamage, Logger: logger}); err != nil {
		return err
	}
	if err = m.findForeign(logger); err != nil {
		return err
	}
	m.ledger, err = ledger.Open(ctx, ledger.Options{
		City:      m.cfg.City,
		DB:        m.db,
		Log:       m.log,
		Bodies:    m.openBodies(),
		Signer:    m.signer,
		Publisher: m.publisher,
		Quota:     ledger.Quota{StatementsPerHour: whole.Limits.StatementsPerHour, BytesPerDay: whole.Limits.BytesPerDay},
		Now:       time.Now,
		Damaged:   m.takesNothing,
		Known:     m.alliance != nil,
		OnPublish: m.news,
		Logger:    logger,
	})
	return err
}

// news is told of each new checkpoint.
func (m *member) news() {
	if m.alliance == nil {
		return
	}
	m.alliance.news()
	if p := m.ledger; p != nil && m.gossip != nil {
		m.gossip.Learn(p.Published().Note)
	}
}

// openSigner reads the log keys and locks the state directory: from then on no
// other process signs for this log on this disk.
func (m *member) openSigner() (*signingkey.LogSigner, error) {
	ed, pq, err := readLogKeys(m.cfg.Keys)
	if err != nil {
		return nil, err
	}
	open := signingkey.OpenState
	if m.cfg.Root != "" { // its committee is asked before anything is signed
		open = signingkey.MakeState
	}
	if m.state, err = open(m.cfg.State); err != nil {
		if errors.Is(err, signingkey.ErrLocked) {
			err = fmt.Errorf("%w: is this node running already? Two nodes must never sign for one log", err)
		}
		return nil, err
	}
	nextEd, nextPQ, err := readNextLogKeys(m.cfg.Keys)
	if err != nil {
		return nil, err
	}
	return signingkey.NewTurningLogSigner(m.origin, ed, pq, nextEd, nextPQ, m.state)
}

// openTrust reads who may publish, which must be of the log that this node signs.
func (m *member) openTrust() error {
	vkeys, err := memberVKeys(m.cfg)
	if err == nil {
		m.trust, err = openTrust(m.cfg.Trust, m.origin, vkeys...)
	}
	return err
}

// readNextLogKeys reads the keys that will take the place of the log's; nil where there are none.
func readNextLogKeys(keys config.Keys) (ed, pq *signingkey.Key, err error) {
	if keys.NextLogEd25519 == "" && keys.NextLogMLDSA44 == "" {
		return nil, nil, nil
	}
	if ed, err = signingkey.ReadFile(keys.NextLogEd25519, passphrase(keys)); err == nil {
		pq, err = signingkey.ReadFile(keys.NextLogMLDSA44, passphrase(keys))
	}
	if err != nil {
		return nil, nil, fmt.Errorf("the log's next keys: %w", err)
	}
	return ed, pq, nil
}

// passphrase answers for all key files of a member.
func passphrase(keys config.Keys) signingkey.Passphrase {
	if keys.PassphraseFile == "" {
		return nil
	}
	return signingkey.PassphraseFile(keys.PassphraseFile)
}

func readLogKeys(keys config.Keys) (ed, pq *signingkey.Key, err error) {
	ask := passphrase(keys)
	if ed, err = signingkey.ReadFile(keys.LogEd25519, ask); err == nil {
		pq, err = signingkey.ReadFile(keys.LogMLDSA44, ask)
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w: put the log's key back from its safe copy; a new key would be another log", err)
	}
	return ed, pq, err
}

// close gives back what is open, in the order in which it depends on each other.
func (m *member) close() error {
	var errs []error
	if m.log != nil {
		m.log.Close()
	}
	if m.db != nil {
		errs = append(errs, m.db.Close())
	}
	if m.copies != nil {
		errs = append(errs, m.copies.Close())
	}
	if m.peers != nil {
		errs = append(errs, m.peers.Close())
	}
	if m.state != nil {
		errs = append(errs, m.state.Close())
	}
	return errors.Join(errs...)
}

// openMembers opens all members of a node, or none.
func openMembers(ctx context.Context, cfg *config.Config, logger *slog.Logger) (members []*member, err error) {
	for _, mc := range cfg.Members {
		m, err := openMember(ctx, mc, cfg, logger)
		if err != nil {
			return nil, errors.Join(err, closeMembers(members))
		}
		members = append(members, m)
	}
	return members, nil
}

func closeMembers(members []*member) error {
	var errs []error
	for _, m := range slices.Backward(members) {
		errs = append(errs, m.close())
	}
	return errors.Join(errs...)
}
