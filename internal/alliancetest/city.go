package alliancetest

import (
	"cmp"
	"crypto"
	"crypto/ed25519"
	"crypto/sha256"
	"io"
	"maps"
	"strings"
	"testing"
	"time"

	"filippo.io/mldsa"
	"google.golang.org/protobuf/proto"

	registryv1 "github.com/cityproof/cityproof/api/cityproof/registry/v1"
	"github.com/cityproof/cityproof/internal/act"
	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/proof"
)

// City is a member with all its private keys.
type City struct {
	ID, Origin string
	Entry      *registryv1.Member

	names map[string]string // of keys, by role, that are not "<id> <role>": Renew
}

// name is what the key of a role is called.
func (c *City) name(role string) string {
	if n, ok := c.names[role]; ok {
		return n
	}
	return c.ID + " " + role
}

// Renew is the city with other keys for some of the roles "log", "witness", "mirror", "node", "recovery" and "tls", as the
// names of these keys say, and with the log at another origin if that is not empty. The city itself stays as it is.
func (c *City) Renew(t testing.TB, origin string, names map[string]string) *City {
	t.Helper()
	n := &City{ID: c.ID, Origin: cmp.Or(origin, c.Origin), Entry: proto.CloneOf(c.Entry), names: maps.Clone(c.names)}
	if n.names == nil {
		n.names = map[string]string{}
	}
	maps.Copy(n.names, names)
	n.Entry.Origin = &n.Origin
	n.setKeys(t)
	return n
}

// setKeys writes the public side of all keys but the publishers' into the entry.
func (c *City) setKeys(t testing.TB) {
	c.Entry.LogVkeys = []string{checkpoint.FormatVKey(c.logEd(t).Key()), checkpoint.FormatVKey(c.logPQ(t).Key())}
	c.Entry.WitnessVkey = proto.String(checkpoint.FormatVKey(c.Witness(t).Key()))
	c.Entry.MirrorVkey = proto.String(checkpoint.FormatVKey(c.Mirror(t).Key()))
	c.Entry.NodeKey, c.Entry.RecoveryKey, c.Entry.TlsKey = Public(c.name("node")), Public(c.name("recovery")), Public(c.name("tls"))
}

// Key derives the Ed25519 key of a name: "nl-kanaalstad log", "root 1".
func Key(name string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte("cityproof test key " + name))
	return ed25519.NewKeyFromSeed(seed[:])
}

// Public returns the public side of Key.
func Public(name string) ed25519.PublicKey { return Key(name).Public().(ed25519.PublicKey) }

// repeatable signs without the random bytes of ML-DSA: what a test founds, and so its seeds, are the same in every run.
type repeatable struct{ *mldsa.PrivateKey }

func (r repeatable) Sign(_ io.Reader, msg []byte, opts crypto.SignerOpts) ([]byte, error) {
	return r.SignDeterministic(msg, opts)
}

func pqKey(t testing.TB, name string) crypto.Signer {
	t.Helper()
	seed := sha256.Sum256([]byte("cityproof test key " + name + " ml-dsa-44"))
	k, err := mldsa.NewPrivateKey(mldsa.MLDSA44(), seed[:])
	if err != nil {
		t.Fatal(err)
	}
	return repeatable{k}
}

// NewCity makes a city: keys are named after the id, and the log lies at <name>.example/log.
func NewCity(t testing.TB, id string) *City {
	t.Helper()
	_, name, _ := strings.Cut(id, "-")
	host := name + ".example"
	c := &City{ID: id, Origin: host + "/log"}
	c.Entry = &registryv1.Member{
		Id: &c.ID, Name: proto.String("City of " + name), Kind: registryv1.MemberKind_MEMBER_KIND_CITY.Enum(),
		Country: proto.String(strings.ToUpper(id[:2])), Operator: &c.ID, Origin: &c.Origin,
		Publishers: []*registryv1.PublisherKey{c.Publisher("officer-1"), c.Publisher("officer-2")},
		Http:       proto.String("https://" + host), Grpc: proto.String(host + ":9090"),
	}
	c.setKeys(t)
	return c
}

// Publisher returns an officer's public key as an entry has it. The private key is named "<id> <label>".
func (c *City) Publisher(label string) *registryv1.PublisherKey {
	return &registryv1.PublisherKey{Key: Public(c.ID + " " + label), Label: &label}
}

func signer(t testing.TB, name string, typ checkpoint.KeyType, key crypto.Signer) *checkpoint.Signer {
	t.Helper()
	s, err := checkpoint.NewSigner(name, typ, key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (c *City) logEd(t testing.TB) *checkpoint.Signer {
	return signer(t, c.Origin, checkpoint.TypeEd25519, Key(c.name("log")))
}

func (c *City) logPQ(t testing.TB) *checkpoint.Signer {
	return signer(t, c.Origin, checkpoint.TypeMLDSA44, pqKey(t, c.name("log")))
}

// Witness signs as the city's witness.
func (c *City) Witness(t testing.TB) *checkpoint.Signer {
	return signer(t, act.Host(c.Origin)+"/witness", checkpoint.TypeEd25519Cosignature, Key(c.name("witness")))
}

// Mirror signs as the city's mirror.
func (c *City) Mirror(t testing.TB) *checkpoint.Signer {
	return signer(t, act.Host(c.Origin)+"/mirror", checkpoint.TypeEd25519Cosignature, Key(c.name("mirror")))
}

// Note is a checkpoint of the city's log by both its keys, cosigned by the witnesses of others.
func (c *City) Note(t testing.TB, size uint64, root proof.Hash, now time.Time, witnesses ...*City) []byte {
	t.Helper()
	b, err := checkpoint.Sign(checkpoint.Checkpoint{Origin: c.Origin, Size: size, Root: root}, now, c.logEd(t), c.logPQ(t))
	if err != nil {
		t.Fatal(err)
	}
	n, err := checkpoint.ParseNote(b)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range witnesses {
		sig, err := w.Witness(t).Sign(n.Text, now)
		if err != nil {
			t.Fatal(err)
		}
		n.Sigs = append(n.Sigs, sig)
	}
	if b, err = checkpoint.FormatNote(n); err != nil {
		t.Fatal(err)
	}
	return b
}

// Keys returns the private keys that sign an envelope for the city, by their names: "log", "officer-1".
func (c *City) Keys(names ...string) []crypto.Signer {
	var keys []crypto.Signer
	for _, n := range names {
		keys = append(keys, Key(c.name(n)))
	}
	return keys
}

// AllKeys returns every key that must sign a request to join.
func (c *City) AllKeys() []crypto.Signer {
	names := []string{"log", "witness", "mirror", "node", "recovery", "tls"}
	for _, p := range c.Entry.GetPublishers() {
		names = append(names, p.GetLabel())
	}
	return c.Keys(names...)
}

// Join is the city's request to join the alliance of a registry, signed by the keys given or else by all.
func (c *City) Join(t testing.TB, registry string, signers ...crypto.Signer) *act.Request {
	t.Helper()
	if len(signers) == 0 {
		signers = c.AllKeys()
	}
	r, err := act.SignRequest(&registryv1.Request{
		Registry: &registry, Member: c.Entry,
		Checkpoint: c.Note(t, 0, proof.EmptyRoot(), time.Unix(1780000000, 0)),
	}, signers...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Change is a request to replace the entry old by the one that edit makes of it.
func (c *City) Change(t testing.TB, registry string, old *act.Member, edit func(*registryv1.Member), note []byte, signers ...crypto.Signer) *act.Request {
	t.Helper()
	e := proto.Clone(old.Entry).(*registryv1.Member)
	edit(e)
	r, err := act.SignRequest(&registryv1.Request{Registry: &registry, Replaces: old.Hash[:], Member: e, Checkpoint: note}, signers...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
