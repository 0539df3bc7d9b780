package cli

import (
	"cmp"
	"crypto"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	registryv1 "github.com/cityproof/cityproof/api/cityproof/registry/v1"
	"github.com/cityproof/cityproof/internal/act"
	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/config"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/root"
	"github.com/cityproof/cityproof/internal/signingkey"
)

// joiner is one run of the verb join-request.
type joiner struct {
	config, city, out       string
	registry, root          string
	name, kind, operator    string
	region, recovery        string
	publishers, keys        []string
	threshold               uint32
	passphraseFile, address string
	http                    string
}

func (a *App) joinRequest() *cobra.Command {
	var j joiner
	cmd := &cobra.Command{
		Use:   "join-request --config node.yaml --registry ORIGIN --name NAME",
		Short: "Ask to join an alliance: your city's entry, signed by each of its keys",
		Long: `Writes your city's entry in the alliance's roster and has every key in it sign, so that
nobody can enter a key that they don't hold. Run it on the node's machine, after the node
has run once. Keys that lie elsewhere (officers', the recovery key) are named by their
public halves here, and sign the file afterwards: cityproof join-request sign FILE.

Hand the file to the secretariat, or to who holds the founding. Nothing in it is secret.`,
		Args: cobra.NoArgs,
		Example: `  cityproof join-request --config node.yaml --registry secretariat.example/log --name "City of Kanaalstad" \
      --publisher officer-1="$(cityproof keygen officer-1.key --public)" --recovery "$(cityproof keygen recovery.key --public)"
  cityproof join-request sign nl-kanaalstad.join.json --key recovery.key`,
	}
	f := cmd.Flags()
	f.StringVar(&j.config, "config", "", "the node's configuration `file`")
	f.StringVar(&j.city, "city", "", "which member, where the node has several")
	f.StringVar(&j.registry, "registry", "", "`origin` of the alliance's registry")
	f.StringVar(&j.root, "root", "", "root.json of the alliance, instead of --registry")
	f.StringVar(&j.name, "name", "", "your city as people call it")
	f.StringVar(&j.kind, "kind", "city", "city, region or secretariat")
	f.StringVar(&j.operator, "operator", "", "member id of who runs the machine (default: your own)")
	f.StringVar(&j.region, "region", "", "the secretariat's code of your region")
	f.StringVar(&j.address, "grpc", "", "host:port of gRPC as others reach it (default: grpc.public of the configuration)")
	f.StringVar(&j.http, "http", "", "`URL` at which others reach the node (default: url of the configuration)")
	f.StringArrayVar(&j.publishers, "publisher", nil, "an officer, as `LABEL=PUBLIC KEY` (repeat for more)")
	f.Uint32Var(&j.threshold, "publish-threshold", 0, "how many officers must sign your city's later requests (default 1)")
	f.StringVar(&j.recovery, "recovery", "", "public half of the recovery `key`, which stays offline")
	f.StringArrayVar(&j.keys, "key", nil, "a key `file` that is at hand, of an officer or for recovery: it is entered and signs (repeat for more)")
	f.StringVar(&j.passphraseFile, "passphrase-file", "", "read the keys' passphrase from this `file`")
	f.StringVarP(&j.out, "out", "o", "", "`file` to write (default: CITY.join.json)")
	for _, name := range []string{"config", "name"} {
		_ = cmd.MarkFlagRequired(name)
	}
	cmd.RunE = func(*cobra.Command, []string) error { return a.writeJoinRequest(&j) }
	cmd.AddCommand(a.joinSign())
	return cmd
}

func (a *App) joinSign() *cobra.Command {
	var keys []string
	var passphraseFile string
	cmd := &cobra.Command{
		Use:     "sign FILE --key KEY",
		Short:   "Add the signature of a key that lies elsewhere",
		Args:    cobra.ExactArgs(1),
		Example: "  cityproof join-request sign nl-kanaalstad.join.json --key officer-2.key",
	}
	cmd.Flags().StringArrayVar(&keys, "key", nil, "key `file` (repeat for more)")
	cmd.Flags().StringVar(&passphraseFile, "passphrase-file", "", "read the keys' passphrase from this `file`")
	_ = cmd.MarkFlagRequired("key")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		b, err := os.ReadFile(args[0])
		if err != nil {
			return err
		}
		r, err := act.ParseRequest(b)
		if err != nil {
			return refused(err, "is this the file that cityproof join-request wrote?")
		}
		signers, err := a.signersOf(keys, passphraseFile)
		if err != nil {
			return err
		}
		if r, err = r.Countersign(signers...); err != nil {
			return refused(err, "each key signs once")
		}
		if err := writeFile(args[0], r.Envelope.Format()); err != nil {
			return err
		}
		if r.Replaces != [sha256.Size]byte{} {
			a.say("Signed %s: %d signatures. cityproof alliance review %s says whether more must.", args[0], len(r.Envelope.Signatures), args[0])
			return nil
		}
		a.sayUnsigned(args[0], r)
		return nil
	}
	return cmd
}

// signersOf opens key files.
func (a *App) signersOf(files []string, passphraseFile string) ([]crypto.Signer, error) {
	var out []crypto.Signer
	for _, f := range files {
		k, err := signingkey.ReadFile(f, a.passphrase(passphraseFile))
		if err != nil {
			return nil, err
		}
		out = append(out, k.Signer())
	}
	return out, nil
}

func (a *App) writeJoinRequest(j *joiner) error {
	m, cfg, err := j.member()
	if err != nil {
		return err
	}
	entry, err := j.entry(m, cfg)
	if err != nil {
		return err
	}
	signers, err := a.nodeKeys(m, entry)
	if err != nil {
		return err
	}
	more, err := a.officersKeys(j, entry)
	if err != nil {
		return err
	}
	if entry.RecoveryKey == nil {
		return usage(errors.New("which recovery key?"), "make one with cityproof keygen recovery.key --role recovery, keep it offline, and give --recovery its public half")
	}
	if len(entry.Publishers) == 0 {
		return usage(errors.New("which officers may publish?"), "give --publisher LABEL=KEY, or --key officer.key")
	}
	req := &registryv1.Request{Registry: &j.registry, Member: entry}
	if req.Checkpoint, err = signingkey.ReadLastSigned(m.State); err != nil {
		return err
	}
	if req.Checkpoint == nil {
		return usage(errors.New("the log has signed nothing yet"), "start the node once: its first checkpoint proves that it holds the log's keys")
	}
	r, err := act.SignRequest(req, append(signers, more...)...)
	if err != nil {
		return usage(err, "mend what it says and run the same again")
	}
	out := cmp.Or(j.out, m.City+".join.json")
	if err := writeFile(out, r.Envelope.Format()); err != nil {
		return err
	}
	a.say("Wrote %s: the entry of %s in the alliance of %s.", out, m.City, j.registry)
	a.sayUnsigned(out, r)
	return nil
}

// sayUnsigned tells who still has to sign a request to join.
func (a *App) sayUnsigned(file string, r *act.Request) {
	missing := r.Unsigned()
	if len(missing) == 0 {
		a.say("Every key has signed. Hand it in: the secretariat runs cityproof alliance review %s", file)
		return
	}
	a.say("These keys still have to sign (cityproof join-request sign %s --key …):", file)
	for _, k := range missing {
		a.say("  %s key %s", k.Role, base64.StdEncoding.EncodeToString(k.Raw))
	}
}

// member reads the node's configuration, and the registry's name from root.json where that is given.
func (j *joiner) member() (m config.Member, cfg *config.Config, err error) {
	if j.root != "" {
		r, err := readRoot(j.root)
		if err != nil {
			return m, nil, err
		}
		j.registry = r.Terms.Registry.Origin
	}
	if j.registry == "" {
		return m, nil, usage(errors.New("which alliance?"), "give --registry ORIGIN, or --root root.json")
	}
	return memberIn(j.config, j.city)
}

// memberIn reads a node's configuration and finds a member in it: the only one, where none is named.
func memberIn(file, city string) (m config.Member, cfg *config.Config, err error) {
	if cfg, err = config.Load(file); err != nil {
		return m, nil, usage(err, "give the node's own node.yaml")
	}
	i := slices.IndexFunc(cfg.Members, func(m config.Member) bool {
		return m.City == city || city == "" && len(cfg.Members) == 1
	})
	if i < 0 {
		return m, nil, usage(errors.New("which member?"), "name it with --city")
	}
	return cfg.Members[i], cfg, nil
}

// readRoot reads a file of root metadata that verifies by its own keys, as version 1 must, or at least by its form.
func readRoot(file string) (*root.Root, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	r, err := root.Parse(b)
	if err != nil {
		return nil, refused(fmt.Errorf("%s: %w", file, err), "get root.json again, by a way that you trust")
	}
	return r, nil
}

var memberKinds = map[string]registryv1.MemberKind{
	"city":        registryv1.MemberKind_MEMBER_KIND_CITY,
	"region":      registryv1.MemberKind_MEMBER_KIND_REGION,
	"secretariat": registryv1.MemberKind_MEMBER_KIND_SECRETARIAT,
}

// entry is what can be said of a member without its keys.
func (j *joiner) entry(m config.Member, cfg *config.Config) (*registryv1.Member, error) {
	origin, err := m.Origin()
	if err != nil {
		return nil, err
	}
	kind, ok := memberKinds[j.kind]
	if !ok {
		return nil, usage(fmt.Errorf("kind %q", j.kind), "city, region or secretariat")
	}
	e := &registryv1.Member{
		Id: &m.City, Name: &j.name, Kind: kind.Enum(), Country: proto.String(strings.ToUpper(m.City[:2])),
		Operator: proto.String(cmp.Or(j.operator, m.City)), Origin: &origin,
		Http: proto.String(strings.TrimSuffix(cmp.Or(j.http, m.URL), "/")), Grpc: proto.String(cmp.Or(j.address, cfg.GRPC.Public)),
	}
	if j.region != "" {
		e.Region = &j.region
	}
	if j.threshold > 0 {
		e.PublishThreshold = &j.threshold
	}
	for _, p := range j.publishers {
		label, text, _ := strings.Cut(p, "=")
		key, err := publicKey(text)
		if err != nil {
			return nil, err
		}
		e.Publishers = append(e.Publishers, &registryv1.PublisherKey{Key: key, Label: &label})
	}
	if j.recovery != "" {
		if e.RecoveryKey, err = publicKey(j.recovery); err != nil {
			return nil, err
		}
	}
	return e, nil
}

func publicKey(text string) ([]byte, error) {
	b, err := base64.StdEncoding.Strict().DecodeString(text)
	if err == nil {
		err = checkpoint.CheckEd25519Key(b)
	}
	if err != nil {
		return nil, usage(fmt.Errorf("%q is no public key: %w", text, err), "cityproof keygen FILE --public prints it: 44 characters of base64")
	}
	return b, nil
}

// nodeKeys enters the keys that lie on the node's machine, and returns those that can sign the request.
func (a *App) nodeKeys(m config.Member, e *registryv1.Member) ([]crypto.Signer, error) {
	var signers []crypto.Signer
	host := act.Host(e.GetOrigin())
	var ask signingkey.Passphrase
	if m.Keys.PassphraseFile != "" {
		ask = signingkey.PassphraseFile(m.Keys.PassphraseFile)
	}
	for _, k := range []struct {
		file string
		role signingkey.Role
		name string
		typ  checkpoint.KeyType
		set  func(vkey string, raw []byte)
	}{
		{m.Keys.LogEd25519, signingkey.Log, e.GetOrigin(), checkpoint.TypeEd25519, func(v string, _ []byte) { e.LogVkeys = append(e.LogVkeys, v) }},
		{m.Keys.LogMLDSA44, signingkey.Log, e.GetOrigin(), checkpoint.TypeMLDSA44, func(v string, _ []byte) { e.LogVkeys = append(e.LogVkeys, v) }},
		{m.Keys.Witness, signingkey.Witness, host + "/witness", checkpoint.TypeEd25519Cosignature, func(v string, _ []byte) { e.WitnessVkey = &v }},
		{m.Keys.Mirror, signingkey.Mirror, host + "/mirror", checkpoint.TypeEd25519Cosignature, func(v string, _ []byte) { e.MirrorVkey = &v }},
		{m.Keys.Node, signingkey.Node, "", 0, func(_ string, raw []byte) { e.NodeKey = raw }},
		{m.Keys.TLS, signingkey.TLS, "", 0, func(_ string, raw []byte) { e.TlsKey = raw }},
	} {
		key, err := signingkey.ReadFile(k.file, ask)
		if err != nil {
			return nil, usage(fmt.Errorf("the node's %s key: %w", k.role, err), "run this on the node's machine; a node of before there were alliances: cityproof keygen FILE --plain --role "+string(k.role))
		}
		if key.Role != k.role {
			return nil, usage(fmt.Errorf("%s is a %s key, want %s", k.file, key.Role, k.role), "look at keys in the node's configuration")
		}
		vkey := ""
		if k.name != "" {
			v, err := checkpoint.NewVKey(k.name, k.typ, key.Public())
			if err != nil {
				return nil, err
			}
			vkey = checkpoint.FormatVKey(v)
		}
		k.set(vkey, key.Public())
		if key.Algorithm == signingkey.Ed25519 {
			signers = append(signers, key.Signer())
		}
	}
	return signers, nil
}

// officersKeys enters the keys at hand of officers and for recovery, and returns them.
func (a *App) officersKeys(j *joiner, e *registryv1.Member) ([]crypto.Signer, error) {
	var signers []crypto.Signer
	for _, file := range j.keys {
		key, err := signingkey.ReadFile(file, a.passphrase(j.passphraseFile))
		if err != nil {
			return nil, err
		}
		switch {
		case key.Role == signingkey.Recovery && (e.RecoveryKey == nil || slices.Equal(e.RecoveryKey, key.Public())):
			e.RecoveryKey = key.Public()
		case key.Role == signingkey.Publisher:
			known := slices.ContainsFunc(e.Publishers, func(p *registryv1.PublisherKey) bool { return slices.Equal(p.Key, key.Public()) })
			if !known {
				e.Publishers = append(e.Publishers, &registryv1.PublisherKey{Key: key.Public(), Label: proto.String(key.Label)})
			}
		default:
			return nil, usage(fmt.Errorf("%s is a %s key with the id %s", file, key.Role, declaration.KeyIDOf(key.Public())), "give officers' keys and one recovery key; the node's own are read by themselves")
		}
		signers = append(signers, key.Signer())
	}
	return signers, nil
}
