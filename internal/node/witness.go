package node

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"

	"github.com/cityproof/cityproof/internal/act"
	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/config"
	"github.com/cityproof/cityproof/internal/ledger"
	"github.com/cityproof/cityproof/internal/peerstore"
	"github.com/cityproof/cityproof/internal/roster"
	"github.com/cityproof/cityproof/internal/signingkey"
	"github.com/cityproof/cityproof/internal/witness"
)

// witnessed are the logs that a member's witness cosigns: those that the configuration names, and those of its alliance.
type witnessed struct {
	extra    map[string]witness.Log
	alliance *alliance // nil: none
}

// Log implements witness.Logs. A member's own log is for others to witness.
func (l witnessed) Log(origin string) (witness.Log, bool) {
	if log, ok := l.extra[origin]; ok {
		return log, true
	}
	if l.alliance == nil || origin == l.alliance.member.origin {
		return witness.Log{}, false
	}
	log, ok := rosterLog(l.alliance.follower.Roster(), origin)
	member := l.alliance.member
	if why := member.accusations.why(origin); ok && why != "" {
		log.Stopped = why
	} else if ok && log.Stopped == "" && member.mirror != nil {
		log.Stopped = member.mirror.Withheld(origin)
	}
	return log, ok
}

// rosterLog is what the roster says of a log.
func rosterLog(r *roster.Roster, origin string) (log witness.Log, ok bool) {
	m := r.ByOrigin(origin)
	if m == nil {
		return log, false
	}
	pin, _ := r.Epoch().Pin(origin)
	log.Pin = witness.Pin{Size: pin.Size, Root: pin.Root}
	if m.Log().Origin != origin || m.Log().End != nil || r.Status(m) == roster.Left {
		log.Stopped = "the registry says that this log has ended"
	}
	// Keys that were rotated signed up to a size that is settled: what comes now is by the keys of now.
	var err error
	log.Keys, err = r.NewestLogKeys(origin)
	return log, err == nil
}

// witnessSigner reads a member's witness key. The witness is named after the log beside it.
func witnessSigner(m config.Member) (*checkpoint.Signer, error) {
	key, err := signingkey.ReadFile(m.Keys.Witness, passphrase(m.Keys))
	if err != nil {
		return nil, fmt.Errorf("the witness key: %w", err)
	}
	if key.Role != signingkey.Witness {
		return nil, fmt.Errorf("the witness key %s was made as a %s key", m.Keys.Witness, key.Role)
	}
	origin, err := m.Origin()
	if err != nil {
		return nil, err
	}
	return checkpoint.NewSigner(act.Host(origin)+"/witness", checkpoint.TypeEd25519Cosignature, key.Signer())
}

// openWitness opens the member's witness, if it has a key.
func (m *member) openWitness(cfg config.Witness, logger *slog.Logger) error {
	signer, err := witnessSigner(m.cfg)
	if errors.Is(err, fs.ErrNotExist) && len(cfg.ExtraLogs) == 0 && m.alliance == nil {
		return nil // a node from before there were witnesses
	}
	if err != nil {
		return err
	}
	logs, err := readExtraLogs(cfg.ExtraLogs)
	if err != nil {
		return err
	}
	loss, _ := m.ledger.Lost()
	m.peers, err = peerstore.Open(m.cfg.State, checkpoint.FormatVKey(signer.Key()), peerstore.Options{Logger: logger, Lost: loss == ledger.LostState})
	if errors.Is(err, peerstore.ErrLost) { // the city's own log is none the worse
		logger.Error("this node witnesses nobody", slog.Any("err", err))
		return nil
	}
	if err != nil {
		return err
	}
	m.witness, err = witness.New(witness.Options{Logs: witnessed{logs, m.alliance}, Store: m.peers, Signer: signer, Ready: m.ready, Seen: m.seen, Conflict: m.conflict})
	return err
}

// readExtraLogs groups verifier keys by their log.
func readExtraLogs(vkeys []string) (map[string]witness.Log, error) {
	logs := map[string]witness.Log{}
	for _, text := range vkeys {
		v, err := checkpoint.ParseVerifier(text)
		if err != nil {
			return nil, fmt.Errorf("witness.extra_logs: %w", err)
		}
		log := logs[v.Key().Name]
		log.Keys = append(log.Keys, v)
		logs[v.Key().Name] = log
	}
	return logs, nil
}
