package node

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"

	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/config"
	"github.com/cityproof/cityproof/internal/receipt"
	"github.com/cityproof/cityproof/internal/signingkey"
)

// Check looks at everything that a start needs and that can be looked at without
// taking a lock: the configuration (which Load has checked), key files, trust.
func Check(cfg *config.Config) error {
	var errs []error
	for _, m := range cfg.Members {
		if err := checkMember(m); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", m.City, err))
		}
	}
	if _, err := newCertificates(cfg.TLS); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func checkMember(m config.Member) error {
	vkeys, err := memberVKeys(m)
	if err != nil {
		return err
	}
	origin, err := m.Origin()
	if err != nil {
		return err
	}
	_, err = openTrust(m.Trust, origin, vkeys...)
	return err
}

// memberVKeys derives the log's vkeys from its key files: of those that sign, and of the next ones where there are some.
func memberVKeys(m config.Member) ([][]string, error) {
	origin, err := m.Origin()
	if err != nil {
		return nil, err
	}
	ed, pq, err := readLogKeys(m.Keys)
	if err != nil {
		return nil, err
	}
	now, err := logVKeys(origin, ed, pq)
	if err != nil {
		return nil, err
	}
	if ed, pq, err = readNextLogKeys(m.Keys); err != nil || ed == nil {
		return [][]string{now}, err
	}
	next, err := logVKeys(origin, ed, pq)
	return [][]string{now, next}, err
}

func logVKeys(origin string, ed, pq *signingkey.Key) (vkeys []string, err error) {
	for _, k := range []struct {
		key *signingkey.Key
		typ checkpoint.KeyType
	}{{ed, checkpoint.TypeEd25519}, {pq, checkpoint.TypeMLDSA44}} {
		vkey, err := checkpoint.NewVKey(origin, k.typ, k.key.Public())
		if err != nil {
			return nil, err
		}
		vkeys = append(vkeys, checkpoint.FormatVKey(vkey))
	}
	return vkeys, nil
}

// KeyInfo is what `cityproof-node keys` tells of one key.
type KeyInfo struct {
	File   string `json:"file"`
	VKey   string `json:"vkey"`
	For    string `json:"for"`
	IfLost string `json:"if_lost"`
}

// Keys lists the keys of a member, what each is for, and what to do when it is
// lost or stolen.
func Keys(m config.Member) ([]KeyInfo, error) {
	all, err := memberVKeys(m)
	if err != nil {
		return nil, err
	}
	vkeys := all[0]
	const ifLost = "Lost: put it back from its safe copy; without one this log can never be signed again and the city must begin another (in an alliance: cityproof change-request --move-to). " +
		"Stolen: stop the node and tell everybody who reads this log; a thief can sign a second history, and whoever sees both can prove it. In an alliance replace both at once: cityproof change-request --new."
	keys := []KeyInfo{
		{m.Keys.LogEd25519, vkeys[0], "signs every checkpoint (Ed25519: any C2SP tool checks it)", ifLost},
		{m.Keys.LogMLDSA44, vkeys[1], "signs every checkpoint again (ML-DSA-44: holds when quantum computers break the other)", ifLost},
	}
	witness, err := cosigner(m, signingkey.Witness, m.Keys.Witness)
	if errors.Is(err, fs.ErrNotExist) {
		return keys, nil // this city witnesses nobody
	}
	if err != nil {
		return nil, err
	}
	keys = append(keys, KeyInfo{m.Keys.Witness, checkpoint.FormatVKey(witness.Key()), "cosigns checkpoints of other logs: what this node saw of them (C2SP tlog-witness)",
		"Lost, or state/witness is: make another (cityproof keygen) and have the registry rotate it, or give its vkey to those who count on it. " +
			"Stolen: the same, at once; a thief can cosign a second history of another log, which then needs fewer accomplices."})
	return allianceKeys(m, keys)
}

// allianceKeys adds the keys with which the node takes part in an alliance; a node of before has none.
func allianceKeys(m config.Member, keys []KeyInfo) ([]KeyInfo, error) {
	const rotate = "make another (cityproof keygen FILE --plain --role …) and have the registry rotate it (cityproof change-request --new FILE --key recovery.key)."
	for _, k := range []struct{ file, purpose, lost string }{
		{m.Keys.NextWitness, "cosigns beside the witness key, whose place it takes when an epoch begins", "Lost or stolen: " + rotate},
		{m.Keys.NextMirror, "cosigns beside the mirror key, whose place it takes when an epoch begins", "Lost or stolen: " + rotate},
		{m.Keys.Mirror, "cosigns checkpoints of logs that this node holds a full copy of", "Lost: " + rotate + " Stolen: the same, at once; a thief can vouch for copies that nobody has."},
		{m.Keys.Node, "signs what the node itself states", "Lost or stolen: " + rotate},
		{m.Keys.TLS, "of the certificate that other members' nodes know this one by", "Lost: " + rotate + " Stolen: the same; a thief can gossip in the city's name and spend its quota, and make nothing true."},
	} {
		key, err := signingkey.ReadFile(k.file, passphrase(m.Keys))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		keys = append(keys, KeyInfo{k.file, base64.StdEncoding.EncodeToString(key.Public()), k.purpose, k.lost})
	}
	return keys, nil
}

// lastSize is the size of the last signed checkpoint; 0 before the first.
func lastSize(note []byte) (uint64, error) {
	if note == nil {
		return 0, nil
	}
	c, err := checkpoint.Unverified(note)
	return c.Size, err
}

// AddPublisher lets a key publish from the log's present size on. A running node
// takes it up on SIGHUP.
func AddPublisher(m config.Member, key ed25519.PublicKey) (from uint64, err error) {
	if err = checkpoint.CheckEd25519Key(key); err != nil {
		return 0, err
	}
	t, err := readTrust(m.Trust)
	if err != nil {
		return 0, err
	}
	note, err := signingkey.ReadLastSigned(m.State)
	if err != nil {
		return 0, err
	}
	if from, err = lastSize(note); err != nil {
		return 0, err
	}
	for _, p := range t.Publishers {
		if bytes.Equal(p.Key, key) {
			return 0, fmt.Errorf("this key is in %s already; a key that was ended stays ended: make a new one", m.Trust)
		}
	}
	t.Publishers = append(t.Publishers, receipt.Publisher{Key: key, FromSize: from})
	return from, writeTrust(m.Trust, t)
}

// EndPublisher ends a key at the log's present size: what it signed before stays
// valid. The node must not run, or it could take one more declaration meanwhile,
// and that one would be judged false for ever.
func EndPublisher(m config.Member, key ed25519.PublicKey) (to uint64, err error) {
	state, err := signingkey.OpenState(m.State)
	if err != nil {
		if errors.Is(err, signingkey.ErrLocked) {
			err = fmt.Errorf("%w: stop the node first, end the key, start it again", err)
		}
		return 0, err
	}
	defer func() { err = errors.Join(err, state.Close()) }()
	if to, err = lastSize(state.Last()); err != nil {
		return 0, err
	}
	t, err := readTrust(m.Trust)
	if err != nil {
		return 0, err
	}
	for i := range t.Publishers {
		if p := &t.Publishers[i]; bytes.Equal(p.Key, key) && p.ToSize == nil {
			p.ToSize = &to
			return to, writeTrust(m.Trust, t)
		}
	}
	return 0, fmt.Errorf("%s lists no such key that may still publish", m.Trust)
}
