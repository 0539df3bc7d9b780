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

// cosigner reads a member's key of the role witness or mirror, which is named after the log beside it.
func cosigner(m config.Member, role signingkey.Role, file string) (*checkpoint.Signer, error) {
	key, err := signingkey.ReadFile(file, passphrase(m.Keys))
	if err != nil {
		return nil, fmt.Errorf("the %s key: %w", role, err)
	}
	if key.Role != role {
		return nil, fmt.Errorf("the %s key %s was made as a %s key", role, file, key.Role)
	}
	origin, err := m.Origin()
	if err != nil {
		return nil, err
	}
	return checkpoint.NewSigner(act.Host(origin)+"/"+string(role), checkpoint.TypeEd25519Cosignature, key.Signer())
}

// nextCosigner reads the key that takes over at the next epoch; nil where the configuration names none.
func nextCosigner(m config.Member, role signingkey.Role, file string) (*checkpoint.Signer, error) {
	if file == "" {
		return nil, nil
	}
	signer, err := cosigner(m, role, file)
	if err != nil {
		return nil, fmt.Errorf("what takes over at the next epoch: %w", err)
	}
	return signer, nil
}

// openWitness opens the member's witness, if it has a key.
func (m *member) openWitness(cfg config.Witness, logger *slog.Logger) error {
	signer, err := cosigner(m.cfg, signingkey.Witness, m.cfg.Keys.Witness)
	if errors.Is(err, fs.ErrNotExist) && len(cfg.ExtraLogs) == 0 && m.alliance == nil {
		return nil // a node from before there were witnesses
	}
	if err != nil {
		return err
	}
	next, err := nextCosigner(m.cfg, signingkey.Witness, m.cfg.Keys.NextWitness)
	if err != nil {
		return err
	}
	vkeys := []string{checkpoint.FormatVKey(signer.Key())}
	if next != nil {
		vkeys = append(vkeys, checkpoint.FormatVKey(next.Key()))
	}
	logs, err := readExtraLogs(cfg.ExtraLogs)
	if err != nil {
		return err
	}
	if errors.Is(m.signer.Foreign(), signingkey.ErrUnmade) {
		logger.Error("this node witnesses nobody: what its witness has signed is not known here either")
		return nil
	}
	loss, _ := m.ledger.Lost()
	m.peers, err = peerstore.Open(m.cfg.State, vkeys, peerstore.Options{Logger: logger, Lost: loss == ledger.LostState})
	if errors.Is(err, peerstore.ErrLost) { // the city's own log is none the worse
		logger.Error("this node witnesses nobody", slog.Any("err", err))
		return nil
	}
	if err != nil {
		return err
	}
	m.witness, err = witness.New(witness.Options{Logs: witnessed{logs, m.alliance}, Store: m.peers, Signer: signer, Next: next, Ready: m.ready, Seen: m.seen, Conflict: m.conflict})
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
