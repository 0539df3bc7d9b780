package cli

import (
	"bytes"
	"cmp"
	"context"
	"crypto"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	registryv1 "github.com/cityproof/cityproof/api/cityproof/registry/v1"
	"github.com/cityproof/cityproof/internal/act"
	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/roster"
)

// memberOf replays the registry and returns it with a member that has not left.
func (a *App) memberOf(ctx context.Context, d *decision, id string) (*roster.Roster, *roster.Member, error) {
	st, _, err := a.follow(ctx, d)
	if err != nil {
		return nil, nil, err
	}
	m := st.Roster.Member(id)
	if m == nil || st.Roster.Status(m) == roster.Left {
		return nil, nil, usage(fmt.Errorf("%s is no member of %s", canonicalName(id), line(st.Roster.Root().Terms.Name)), "cityproof alliance roster lists the members")
	}
	return st.Roster, m, nil
}

// canonicalName is an id that somebody typed, fit to print.
func canonicalName(id string) string { return fmt.Sprintf("%q", id) }

// changed is a copy of a member's entry to change. Officers who were retired are gone from it: no request may name them.
func changed(m *roster.Member) *registryv1.Member {
	e := proto.CloneOf(m.Entry)
	e.Publishers = slices.DeleteFunc(e.Publishers, func(p *registryv1.PublisherKey) bool { return retired(m, p.GetKey()) })
	return e
}

// retired reports whether a publisher key of a member was revoked.
func retired(m *roster.Member, key []byte) bool {
	return slices.ContainsFunc(m.PublisherRanges(), func(p roster.PublisherRange) bool { return bytes.Equal(p.Key, key) && p.To != 0 })
}

// signChange makes a request that replaces a member's entry.
func signChange(r *roster.Roster, m *roster.Member, e *registryv1.Member, note []byte, signers ...crypto.Signer) (*act.Request, error) {
	registry := r.Root().Terms.Registry.Origin
	req := &registryv1.Request{Registry: &registry, Replaces: m.Hash[:], Member: e, Checkpoint: note}
	return act.SignRequest(req, signers...)
}

// difference is one thing that a request changes.
type difference struct {
	Field string `json:"field"`
	Old   string `json:"old,omitempty"`
	New   string `json:"new,omitempty"`
}

// differences lists what a new entry changes, officers one by one. A retired officer who is gone is no difference.
func differences(m *roster.Member, now *act.Member) []difference {
	var out []difference
	add := func(field, before, after string) {
		if before != after {
			out = append(out, difference{field, before, after})
		}
	}
	o, n := m.Entry, now.Entry
	add("name", o.GetName(), n.GetName())
	add("kind", o.GetKind().String(), n.GetKind().String())
	add("country", o.GetCountry(), n.GetCountry())
	add("operator", o.GetOperator(), n.GetOperator())
	add("region", o.GetRegion(), n.GetRegion())
	add("origin", o.GetOrigin(), n.GetOrigin())
	add("log keys", strings.Join(o.GetLogVkeys(), " "), strings.Join(n.GetLogVkeys(), " "))
	add("witness key", o.GetWitnessVkey(), n.GetWitnessVkey())
	add("mirror key", o.GetMirrorVkey(), n.GetMirrorVkey())
	add("node key", encode(o.GetNodeKey()), encode(n.GetNodeKey()))
	add("recovery key", encode(o.GetRecoveryKey()), encode(n.GetRecoveryKey()))
	add("TLS key", encode(o.GetTlsKey()), encode(n.GetTlsKey()))
	add("http", o.GetHttp(), n.GetHttp())
	add("grpc", o.GetGrpc(), n.GetGrpc())
	for _, p := range o.GetPublishers() {
		if !retired(m, p.GetKey()) && labelIn(n, p.GetKey()) == "" {
			out = append(out, difference{"publisher", p.GetLabel() + " " + encode(p.GetKey()), ""})
		}
	}
	for _, p := range n.GetPublishers() {
		if before := labelIn(o, p.GetKey()); before != p.GetLabel() {
			out = append(out, difference{"publisher", before, p.GetLabel() + " " + encode(p.GetKey())})
		}
	}
	add("officers who must sign", fmt.Sprint(m.PublishThreshold()), fmt.Sprint(now.PublishThreshold()))
	return out
}

// labelIn is the label of a publisher key in an entry; empty where it is not in it.
func labelIn(e *registryv1.Member, key []byte) string {
	for _, p := range e.GetPublishers() {
		if bytes.Equal(p.GetKey(), key) {
			return p.GetLabel()
		}
	}
	return ""
}

func encode(key []byte) string { return base64.StdEncoding.EncodeToString(key) }

func (a *App) sayDifferences(list []difference) {
	for _, d := range list {
		a.say("  %s", d.Field)
		if d.Old != "" {
			a.say("    is now   %s", line(brief(d.Old)))
		}
		a.say("    becomes  %s", cmp.Or(line(brief(d.New)), "(gone)"))
	}
}

// brief is a value as people read it: of each post-quantum key, of some 1,800 characters, the name and the hash. What people
// compare is the fingerprint of the whole entry.
func brief(value string) string {
	for _, w := range strings.Fields(value) {
		if k, err := checkpoint.ParseVKey(w); err == nil && k.Type == checkpoint.TypeMLDSA44 {
			value = strings.Replace(value, w, fmt.Sprintf("%s+%08x+… (ML-DSA-44)", k.Name, k.ID()), 1)
		}
	}
	return value
}

// approvals counts the officers of the entry in force who signed a request, of how many must. An error says that a
// signature is by nobody who may sign, or does not verify.
func approvals(m *roster.Member, r *act.Request) (have, want int, err error) {
	keys := map[declaration.KeyID]act.Key{}
	for _, k := range r.Member.Keys() {
		if k.Ed25519() {
			keys[declaration.KeyIDOf(k.Raw)] = k
		}
	}
	for _, k := range m.Keys() {
		if k.Ed25519() {
			keys[declaration.KeyIDOf(k.Raw)] = k
		}
	}
	err = r.Envelope.Verify(func(id declaration.KeyID) (ed25519.PublicKey, bool) {
		k, ok := keys[id]
		if ok && k.Role == act.RolePublisher && labelIn(m.Entry, k.Raw) != "" && !retired(m, k.Raw) {
			have++
		}
		return k.Raw, ok
	})
	return have, m.PublishThreshold(), err
}

// unsignedNew returns the keys that are new in a request and did not sign it.
func unsignedNew(m *roster.Member, r *act.Request) []act.Key {
	return slices.DeleteFunc(r.Unsigned(), func(k act.Key) bool {
		return slices.ContainsFunc(m.Keys(), func(o act.Key) bool { return bytes.Equal(o.Raw, k.Raw) })
	})
}

// errOldEntry says that a member's entry changed since a request was written.
var errOldEntry = errors.New("the request was written for an earlier entry of the city, which has changed since")
