package alliancetest

import (
	"crypto"
	"testing"

	"google.golang.org/protobuf/proto"

	registryv1 "github.com/cityproof/cityproof/api/cityproof/registry/v1"
	"github.com/cityproof/cityproof/internal/act"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/roster"
)

// Named returns the private keys of these names.
func Named(names ...string) []crypto.Signer {
	var keys []crypto.Signer
	for _, n := range names {
		keys = append(keys, Key(n))
	}
	return keys
}

// Act makes an act that follows the last effective one of a roster: what it does is a message like *registryv1.Admit.
func Act(t testing.TB, r *roster.Roster, what proto.Message, signers ...crypto.Signer) []byte {
	t.Helper()
	alliance, previous := r.Root().Alliance, r.Previous()
	m := &registryv1.Act{Alliance: alliance[:], DeclaredAt: proto.String("2026-11-24T04:00:00Z")}
	if previous != (proof.Hash{}) {
		m.Previous = previous[:]
	}
	field := m.ProtoReflect().Descriptor().Oneofs().ByName("act").Fields()
	set := false
	for i := range field.Len() {
		if f := field.Get(i); f.Message().FullName() == what.ProtoReflect().Descriptor().FullName() {
			m.ProtoReflect().Set(f, m.ProtoReflect().NewField(f))
			proto.Merge(m.ProtoReflect().Mutable(f).Message().Interface(), what)
			set = true
		}
	}
	if !set {
		t.Fatalf("%T is no act", what)
	}
	a, err := act.Sign(m, signers...)
	if err != nil {
		t.Fatal(err)
	}
	return a.Envelope.Format()
}
