package cli

import (
	"bytes"
	"cmp"
	"context"
	"crypto"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	registryv1 "github.com/cityproof/cityproof/api/cityproof/registry/v1"
	"github.com/cityproof/cityproof/internal/act"
	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/roster"
	"github.com/cityproof/cityproof/internal/signingkey"
)

// changing is one run of the verb change-request.
type changing struct {
	officer
	name, http, grpc string
	threshold        uint32
	newKeys, keys    []string
	moveTo, out      string
}

func (a *App) changeRequest() *cobra.Command {
	var c changing
	cmd := &cobra.Command{
		Use:   "change-request --key KEY",
		Short: "Ask that your city's entry in the alliance is changed: addresses, keys, another log",
		Long: `Writes your city's changed entry, signed by the keys at hand, for the secretariat to enter.
What is not named stays as it is. Who has to sign, and which verb enters it:

  addresses, name, TLS key     officers             cityproof alliance admit
  the other keys of the node,
  the recovery key             the recovery key     cityproof alliance rotate
  another log, after lost      the recovery key     cityproof alliance move-log
  keys or a proven fork

Each new key signs too: --new names its file, and what the key is for stands in the file.
Keys that lie elsewhere sign afterwards: cityproof join-request sign FILE --key …`,
		Example: `  cityproof change-request --http https://log.kanaalstad.example --key officer-1.key
  cityproof keygen witness-2.key --role witness --plain
  cityproof change-request --new witness-2.key --key recovery.key
  cityproof change-request --move-to new/node.yaml --key recovery.key`,
		Args: cobra.NoArgs,
	}
	c.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&c.name, "name", "", "your city as people call it")
	f.StringVar(&c.http, "http", "", "`URL` at which others reach the node")
	f.StringVar(&c.grpc, "grpc", "", "host:port of gRPC as others reach it")
	f.Uint32Var(&c.threshold, "publish-threshold", 0, "how many officers must sign your city's requests")
	f.StringArrayVar(&c.newKeys, "new", nil, "key `file` that takes the place of the city's key of the same role (repeat for more; a log has two)")
	f.StringVar(&c.moveTo, "move-to", "", "configuration `file` of the node with the log that your city moves to")
	f.StringArrayVar(&c.keys, "key", nil, "key `file` that signs, an officer's or the recovery key (repeat for more)")
	f.StringVar(&c.key.passphraseFile, "passphrase-file", "", "read the keys' passphrase from this `file`")
	f.StringVarP(&c.out, "out", "o", "", "`file` to write (default: CITY.change.json)")
	_ = cmd.MarkFlagRequired("key")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return a.writeChange(cmd.Context(), &c) }
	return cmd
}

func (a *App) writeChange(ctx context.Context, c *changing) error {
	r, m, err := a.officersCity(ctx, &c.officer)
	if err != nil {
		return err
	}
	entry := changed(m)
	for _, f := range []struct {
		to **string
		by string
	}{{&entry.Name, c.name}, {&entry.Http, c.http}, {&entry.Grpc, c.grpc}} {
		if f.by != "" {
			*f.to = &f.by
		}
	}
	if c.threshold > 0 {
		entry.PublishThreshold = &c.threshold
	}
	signers, err := a.signersOf(c.keys, c.key.passphraseFile)
	if err != nil {
		return err
	}
	var note []byte
	if c.moveTo != "" {
		more, head, err := a.moveEntry(c, entry)
		if err != nil {
			return err
		}
		signers, note = append(signers, more...), head
	} else {
		more, logKeys, err := a.newKeys(c, m, entry)
		if err != nil {
			return err
		}
		signers = append(signers, more...)
		if rotates(m, entry) {
			entry.Publishers = proto.CloneOf(m.Entry).Publishers // a rotation leaves them as they are, the retired too
		}
		if len(logKeys) > 0 {
			if note, err = a.possession(ctx, r, m, logKeys); err != nil {
				return err
			}
		}
	}
	req, err := signChange(r, m, entry, note, signers...)
	if err != nil {
		return usage(err, "mend what it says and run the same again")
	}
	if len(differences(m, req.Member)) == 0 {
		return usage(errors.New("this would change nothing"), "say what shall change: cityproof change-request --help")
	}
	out := cmp.Or(c.out, m.ID()+".change.json")
	if err := writeFile(out, req.Envelope.Format()); err != nil {
		return err
	}
	return a.sayChange(out, r, m, req, c.asJSON)
}

// rotates reports whether an entry changes a key that only a rotation changes.
func rotates(m *roster.Member, e *registryv1.Member) bool {
	return !slices.Equal(m.Entry.GetLogVkeys(), e.GetLogVkeys()) || m.Entry.GetWitnessVkey() != e.GetWitnessVkey() || m.Entry.GetMirrorVkey() != e.GetMirrorVkey() ||
		!bytes.Equal(m.Entry.GetNodeKey(), e.GetNodeKey()) || !bytes.Equal(m.Entry.GetRecoveryKey(), e.GetRecoveryKey())
}

// sayChange tells what a request changes, and what it still needs.
func (a *App) sayChange(file string, r *roster.Roster, m *roster.Member, req *act.Request, asJSON bool) error {
	problem := judgeChange(r, m, req)
	if asJSON {
		v := reviewOf(req, asks(differences(m, req.Member)))
		v.Changes = differences(m, req.Member)
		v.unsigned(unsignedNew(m, req))
		if problem != nil {
			v.Problem = problem.Error()
		}
		return printJSON(a.Out, v)
	}
	a.say("Wrote %s: %s asks for a change.", file, m.ID())
	a.sayDifferences(differences(m, req.Member))
	a.say("  fingerprint %x", req.Member.Hash)
	if req.Member.Origin() != m.Log().Origin {
		a.say("  The new log will begin with the entries of the old one: publish nothing there before. Its node fetches them from the mirrors\n" +
			"  once the holders of the root keys have moved the city and root: names root.json in its node.yaml.")
	} else if !req.Member.Witness.Equal(m.Witness) || !req.Member.Mirror.Equal(m.Mirror) {
		a.say("  Leave the old witness and mirror keys with the node until the epoch after this begins, for seats keep their keys for an epoch:\n" +
			"  in node.yaml keys.witness and keys.mirror stay, and keys.next_witness and keys.next_mirror name the new files.")
	}
	if problem != nil {
		a.say("Not signed by all who must: %s.", line(problem.Error()))
		a.say("  cityproof join-request sign %s --key …", file)
		return nil
	}
	a.say("All have signed who must. Hand it in: the secretariat runs cityproof alliance review %s", file)
	return nil
}

// newKeys puts new keys into an entry, and returns those that sign the request and those of a log.
func (a *App) newKeys(c *changing, m *roster.Member, e *registryv1.Member) (signers []crypto.Signer, logs []*signingkey.Key, err error) {
	host := act.Host(m.Origin())
	vkeys := slices.Clone(e.LogVkeys)
	for _, file := range c.newKeys {
		key, err := signingkey.ReadFile(file, a.passphrase(c.key.passphraseFile))
		if err != nil {
			return nil, nil, err
		}
		vkey := func(name string, typ checkpoint.KeyType) string {
			k, kerr := checkpoint.NewVKey(name, typ, key.Public())
			err = errors.Join(err, kerr)
			return checkpoint.FormatVKey(k)
		}
		switch key.Role {
		case signingkey.Witness:
			v := vkey(host+"/witness", checkpoint.TypeEd25519Cosignature)
			e.WitnessVkey = &v
		case signingkey.Mirror:
			v := vkey(host+"/mirror", checkpoint.TypeEd25519Cosignature)
			e.MirrorVkey = &v
		case signingkey.Node:
			e.NodeKey = key.Public()
		case signingkey.TLS:
			e.TlsKey = key.Public()
		case signingkey.Recovery:
			e.RecoveryKey = key.Public()
		case signingkey.Log:
			if key.Algorithm == signingkey.Ed25519 {
				vkeys[0] = vkey(m.Origin(), checkpoint.TypeEd25519)
			} else {
				vkeys[1] = vkey(m.Origin(), checkpoint.TypeMLDSA44)
			}
			logs = append(logs, key)
		default:
			return nil, nil, usage(fmt.Errorf("%s is a %s key", file, key.Role), "an officer's key is asked for with cityproof key request; root and act keys stand in root.json")
		}
		if err != nil {
			return nil, nil, err
		}
		if key.Algorithm == signingkey.Ed25519 {
			signers = append(signers, key.Signer())
		}
	}
	if len(logs) > 0 && (len(logs) != len(vkeys) || vkeys[0] == e.LogVkeys[0] || vkeys[1] == e.LogVkeys[1]) {
		return nil, nil, usage(errors.New("a log's keys are rotated together, Ed25519 and ML-DSA-44"), "give --new twice, for both of the new log's key files")
	}
	e.LogVkeys = vkeys
	return signers, logs, nil
}

// possession signs the log's newest final head with its new keys: that shows that they are held, and says nothing new.
func (a *App) possession(ctx context.Context, r *roster.Roster, m *roster.Member, keys []*signingkey.Key) ([]byte, error) {
	note, err := a.finalNoteOf(ctx, r, m)
	if err != nil {
		return nil, err
	}
	head, err := checkpoint.Unverified(note)
	if err != nil {
		return nil, err
	}
	var signers []*checkpoint.Signer
	for _, k := range keys {
		typ := checkpoint.TypeEd25519
		if k.Algorithm == signingkey.MLDSA44 {
			typ = checkpoint.TypeMLDSA44
		}
		s, err := checkpoint.NewSigner(m.Origin(), typ, k.Signer())
		if err != nil {
			return nil, err
		}
		signers = append(signers, s)
	}
	return checkpoint.Sign(head, a.Now().Truncate(time.Second), signers...)
}

// moveEntry enters the log, keys and addresses of another node, and returns the node's keys and a checkpoint of its log.
func (a *App) moveEntry(c *changing, e *registryv1.Member) ([]crypto.Signer, []byte, error) {
	j := joiner{kind: "city", http: c.http, address: c.grpc}
	m, cfg, err := memberIn(c.moveTo, e.GetId())
	if err != nil {
		return nil, nil, err
	}
	made, err := j.entry(m, cfg)
	if err != nil {
		return nil, nil, err
	}
	e.Origin, e.Http, e.Grpc, e.LogVkeys = made.Origin, made.Http, made.Grpc, nil
	signers, err := a.nodeKeys(m, e)
	if err != nil {
		return nil, nil, err
	}
	note, err := signingkey.ReadLastSigned(m.State)
	if err != nil {
		return nil, nil, err
	}
	if note == nil {
		return nil, nil, usage(errors.New("the new log has signed nothing yet"), "start its node once: its first checkpoint proves that it holds the log's keys")
	}
	head, err := checkpoint.Unverified(note)
	if err == nil && head.Size > 0 {
		err = usage(fmt.Errorf("the new log has %d entries already", head.Size), "it will begin with those of the old one: make another (cityproof-node init), and publish nothing there before the move")
	}
	return signers, note, err
}
