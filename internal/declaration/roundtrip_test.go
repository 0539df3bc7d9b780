package declaration_test

import (
	"bytes"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/proof"
)

func TestI7BodyRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		body := anyBody().Draw(t, "body")
		b, err := declaration.FormatBody(body)
		if err != nil {
			t.Fatal(err)
		}
		again, err := declaration.ParseBody(b)
		if err != nil {
			t.Fatalf("parsing %s: %v", b, err)
		}
		if !proto.Equal(again, body) {
			t.Fatalf("Parse(Format(x)) = %v, want %v", again, body)
		}
		if !oracleBody(b) {
			t.Fatalf("protojson and JCS spell it otherwise: %s", b)
		}
		if got := oracleFormat(t, body); !bytes.Equal(got, b) {
			t.Fatalf("FormatBody = %s\nprotojson and JCS: %s", b, got)
		}
	})
}

func TestI7StatementRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := anyStatement(t)
		b := s.Format()
		again, err := declaration.ParseStatement(b)
		if err != nil {
			t.Fatalf("parsing %s: %v", b, err)
		}
		if *again != *s {
			t.Fatalf("Parse(Format(x)) = %+v, want %+v", again, s)
		}
		if !oracleStatement(b) {
			t.Fatalf("encoding/json and JCS spell it otherwise: %s", b)
		}
	})
}

func anyStatement(t *rapid.T) *declaration.Statement {
	s := &declaration.Statement{
		Log:  rapid.StringMatching(`[a-z0-9]{1,20}(\.[a-z]{2,9}){0,2}(:[0-9]{1,5})?(/[a-z0-9~_-]{1,12}){0,3}`).Draw(t, "log"),
		City: rapid.StringMatching(`[a-z]{2}(-[a-z0-9]{1,9}){1,6}`).Draw(t, "city"),
		Subject: declaration.Subject{
			Kind:   rapid.SampledFrom(declaration.Kinds()).Draw(t, "kind"),
			Number: rapid.Uint32Range(1, 999_999_999).Draw(t, "number"),
		},
		Revision: rapid.Uint32Range(1, 999_999_999).Draw(t, "revision"),
		Operation: rapid.SampledFrom([]declaration.Operation{
			declaration.Publish, declaration.Amend, declaration.Withdraw, declaration.Reinstate,
		}).Draw(t, "operation"),
		EffectiveOn: anyDate(t),
		DeclaredAt:  time.Unix(rapid.Int64Range(-30_610_224_000, 253_402_300_799).Draw(t, "declared_at"), 0).UTC(),
		Provenance: rapid.SampledFrom([]declaration.Provenance{
			declaration.CityOwn, declaration.ImportedByCity, declaration.ImportedByOthers,
		}).Draw(t, "provenance"),
		BodySHA256: anyHash(t, "body"),
		BodySize:   rapid.Uint32Range(2, declaration.MaxBody).Draw(t, "size"),
	}
	if s.Revision > 1 {
		s.Previous = anyHash(t, "previous")
		s.Previous[0] |= 1 // zeros stand for none
	}
	return s
}

func anyDate(t *rapid.T) declaration.Date {
	day := rapid.Int64Range(-354_285, 2_932_896).Draw(t, "day") // 1000-01-01 to 9999-12-31
	d := declaration.DateOf(time.Unix(day*86_400, 0))
	switch rapid.IntRange(0, 2).Draw(t, "precision") {
	case 0:
		d.Month, d.Day = 0, 0
	case 1:
		d.Day = 0
	}
	return d
}

func anyHash(t *rapid.T, name string) proof.Hash {
	return proof.Hash(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, name))
}

func TestI7EnvelopeRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := &declaration.Envelope{
			PayloadType: anyText().Draw(t, "type"),
			Payload:     rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "payload"),
		}
		ids := rapid.SliceOfNDistinct(rapid.Byte(), 1, 8, rapid.ID[byte]).Draw(t, "keyids")
		sorted := bytes.Clone(ids)
		sortBytes(sorted)
		for _, id := range sorted {
			sig := rapid.SliceOfN(rapid.Byte(), 64, 64).Draw(t, "sig")
			e.Signatures = append(e.Signatures, declaration.Signature{KeyID: declaration.KeyID{id}, Sig: sig})
		}
		b := e.Format()
		again, err := declaration.ParseEnvelope(b)
		if err != nil {
			t.Fatalf("parsing %s: %v", b, err)
		}
		if !bytes.Equal(again.Format(), b) || again.Identity() != e.Identity() || again.PayloadType != e.PayloadType {
			t.Fatalf("Parse(Format(x)) = %+v, want %+v", again, e)
		}
		if !oracleEnvelope(b) {
			t.Fatalf("encoding/json and JCS spell it otherwise: %s", b)
		}
	})
}
