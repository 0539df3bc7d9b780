package act

import (
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	registryv1 "github.com/cityproof/cityproof/api/cityproof/registry/v1"
	"github.com/cityproof/cityproof/internal/canonical"
	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/declaration"
)

// Limits of an entry.
const (
	maxPublishers = 16
	maxNameChars  = 100
	maxRegion     = 64 // characters
	maxLabel      = 40 // bytes
	maxHTTP       = 200
	maxGRPC       = 200
)

// Role is what a key is for.
type Role string

// The roles of a member's keys.
const (
	RoleLog       Role = "log"
	RoleWitness   Role = "witness"
	RoleMirror    Role = "mirror"
	RolePublisher Role = "publisher"
	RoleNode      Role = "node"
	RoleRecovery  Role = "recovery"
	RoleTLS       Role = "tls"
)

// Key is one of a member's public keys.
type Key struct {
	Role Role
	// Raw is the key itself: 32 bytes of Ed25519, or of RoleLog also 1,312 of ML-DSA-44.
	Raw []byte
}

// Ed25519 reports whether the key can sign an envelope.
func (k Key) Ed25519() bool { return len(k.Raw) == ed25519.PublicKeySize }

// Member is an entry whose form was checked.
type Member struct {
	// Entry is what was signed.
	Entry *registryv1.Member
	// Hash is SHA-256 of the entry's canonical JSON: what a request that replaces it names.
	Hash [sha256.Size]byte
	// Log are the keys of the log: Ed25519, then ML-DSA-44.
	Log [2]checkpoint.VKey
	// Witness and Mirror are keys of TypeEd25519Cosignature.
	Witness, Mirror checkpoint.VKey
}

// ID returns the member id.
func (m *Member) ID() string { return m.Entry.GetId() }

// Origin returns the origin of the member's log.
func (m *Member) Origin() string { return m.Entry.GetOrigin() }

// PublishThreshold is how many publishers must sign a request of the member.
func (m *Member) PublishThreshold() int {
	return max(1, int(m.Entry.GetPublishThreshold()))
}

// Keys returns all keys of the entry, the log's first.
func (m *Member) Keys() []Key {
	keys := []Key{
		{RoleLog, m.Log[0].Key}, {RoleLog, m.Log[1].Key}, {RoleWitness, m.Witness.Key}, {RoleMirror, m.Mirror.Key},
		{RoleNode, m.Entry.GetNodeKey()}, {RoleRecovery, m.Entry.GetRecoveryKey()}, {RoleTLS, m.Entry.GetTlsKey()},
	}
	for _, p := range m.Entry.GetPublishers() {
		keys = append(keys, Key{RolePublisher, p.GetKey()})
	}
	return keys
}

// NewMember checks the form of an entry. The entry must not change afterwards.
func NewMember(e *registryv1.Member) (*Member, error) {
	b, err := codecs().member.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("member entry: %w", err)
	}
	m := &Member{Entry: e, Hash: sha256.Sum256(b)}
	for _, check := range []func() error{m.checkNames, m.checkVKeys, m.checkPublishers, m.checkKeys, m.checkAddresses} {
		if err := check(); err != nil {
			return nil, fmt.Errorf("member entry of %s: %w", canonical.Quote(e.GetId()), err)
		}
	}
	return m, nil
}

// Format returns the entry's canonical JSON.
func (m *Member) Format() ([]byte, error) { return codecs().member.Marshal(m.Entry) }

func (m *Member) checkNames() error {
	e := m.Entry
	if err := declaration.CheckMemberID(e.GetId()); err != nil {
		return err
	}
	if err := declaration.CheckOrigin(e.GetOrigin()); err != nil {
		return err
	}
	if err := declaration.CheckMemberID(e.GetOperator()); err != nil {
		return fmt.Errorf("operator: %w", err)
	}
	if err := checkText("name", e.GetName(), maxNameChars); err != nil {
		return err
	}
	if e.Region != nil {
		if err := checkText("region", e.GetRegion(), maxRegion); err != nil {
			return err
		}
	}
	if e.GetKind() == registryv1.MemberKind_MEMBER_KIND_UNSPECIFIED {
		return errors.New("kind is missing")
	}
	if e.GetCountry() != strings.ToUpper(e.GetId()[:2]) {
		return fmt.Errorf("country is %s, and the id begins with %q: want the same country, in capitals", canonical.Quote(e.GetCountry()), e.GetId()[:2])
	}
	return nil
}

// checkText refuses what would show as something else: controls, and overrides of direction (T-04).
func checkText(field, s string, maxChars int) error {
	if n := utf8.RuneCountInString(s); n < 1 || n > maxChars {
		return fmt.Errorf("%s has %d characters, want 1 to %d", field, n, maxChars)
	}
	if strings.TrimSpace(s) != s {
		return fmt.Errorf("%s has space around it", field)
	}
	for _, r := range s {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || !unicode.IsGraphic(r) {
			return fmt.Errorf("%s has the character %U, which can't be seen", field, r)
		}
	}
	return nil
}

// Host is what the names of a member's witness and mirror begin with: the origin without its last part.
func Host(origin string) string {
	if i := strings.LastIndexByte(origin, '/'); i >= 0 {
		return origin[:i]
	}
	return origin
}

func (m *Member) checkVKeys() error {
	e := m.Entry
	if len(e.GetLogVkeys()) != len(m.Log) {
		return fmt.Errorf("log_vkeys has %d keys, want 2: Ed25519 and ML-DSA-44", len(e.GetLogVkeys()))
	}
	host := Host(e.GetOrigin())
	for _, v := range []struct {
		field, text, name string
		typ               checkpoint.KeyType
		into              *checkpoint.VKey
	}{
		{"log_vkeys[0]", e.GetLogVkeys()[0], e.GetOrigin(), checkpoint.TypeEd25519, &m.Log[0]},
		{"log_vkeys[1]", e.GetLogVkeys()[1], e.GetOrigin(), checkpoint.TypeMLDSA44, &m.Log[1]},
		{"witness_vkey", e.GetWitnessVkey(), host + "/witness", checkpoint.TypeEd25519Cosignature, &m.Witness},
		{"mirror_vkey", e.GetMirrorVkey(), host + "/mirror", checkpoint.TypeEd25519Cosignature, &m.Mirror},
	} {
		key, err := checkpoint.ParseVKey(v.text)
		if err != nil {
			return fmt.Errorf("%s: %w", v.field, err)
		}
		if key.Name != v.name || key.Type != v.typ {
			return fmt.Errorf("%s is %v, want the name %q and the type %v", v.field, key, v.name, v.typ)
		}
		*v.into = key
	}
	return nil
}

func (m *Member) checkPublishers() error {
	ps := m.Entry.GetPublishers()
	if len(ps) < 1 || len(ps) > maxPublishers {
		return fmt.Errorf("%d publishers, want 1 to %d", len(ps), maxPublishers)
	}
	if t := m.Entry.PublishThreshold; t != nil && (*t < 1 || int(*t) > len(ps)) {
		return fmt.Errorf("publish_threshold is %d of %d publishers", *t, len(ps))
	}
	labels := map[string]bool{}
	for i, p := range ps {
		l := p.GetLabel()
		if l == "" || len(l) > maxLabel || strings.Trim(l, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || labels[l] {
			return fmt.Errorf("publishers[%d] has the label %s: want 1 to %d of a-z, 0-9 and hyphens, none twice", i, canonical.Quote(l), maxLabel)
		}
		labels[l] = true
	}
	return nil
}

// checkKeys refuses keys that prove nothing, and one key in two roles (T-06, T-07).
func (m *Member) checkKeys() error {
	seen := map[string]Role{}
	for _, k := range m.Keys() {
		if k.Role != RoleLog {
			if err := checkpoint.CheckEd25519Key(k.Raw); err != nil {
				return fmt.Errorf("%s key: %w", k.Role, err)
			}
		}
		if other, ok := seen[string(k.Raw)]; ok {
			return fmt.Errorf("one key is given as %s and as %s key", other, k.Role)
		}
		seen[string(k.Raw)] = k.Role
	}
	return nil
}

func (m *Member) checkAddresses() error {
	e := m.Entry
	u, err := url.Parse(e.GetHttp())
	if err != nil || len(e.GetHttp()) > maxHTTP || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" ||
		strings.HasSuffix(u.Path, "/") || u.String() != e.GetHttp() {
		return fmt.Errorf("http is %s, want an address like https://log.tsukuba.example", canonical.Quote(e.GetHttp()))
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !private(u.Hostname())) {
		return fmt.Errorf("http is %s: without TLS only for an address in private space", canonical.Quote(e.GetHttp()))
	}
	g, err := url.Parse("//" + e.GetGrpc())
	if err != nil || len(e.GetGrpc()) > maxGRPC || g.Host != e.GetGrpc() || g.Hostname() == "" || !port(g.Port()) {
		return fmt.Errorf("grpc is %s, want an address like log.tsukuba.example:9090", canonical.Quote(e.GetGrpc()))
	}
	return nil
}

// port reports whether s is the number of a port.
func port(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0
}

// private reports whether host is this machine or an address that no other network routes to.
func private(host string) bool {
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && (a.IsLoopback() || a.IsPrivate())
}

// VerifyLogNote checks a note of the member's log by all its keys.
func (m *Member) VerifyLogNote(note []byte, witnesses []*checkpoint.Verifier) (*checkpoint.Verified, error) {
	var log []*checkpoint.Verifier
	for _, k := range m.Log {
		v, err := checkpoint.NewVerifier(k)
		if err != nil {
			return nil, err
		}
		log = append(log, v)
	}
	return checkpoint.Verify(note, log, witnesses)
}

// CheckpointLimit bounds the note in a request: both signatures of a log fit several times.
const CheckpointLimit = 16 << 10
