package declaration_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/proof"
)

func TestCheckChain(t *testing.T) {
	leaf, other := proof.LeafHash([]byte("revision 3")), proof.LeafHash([]byte("another"))
	head := func(op declaration.Operation) *declaration.Head {
		return &declaration.Head{Revision: 3, Leaf: leaf, Operation: op}
	}
	for _, c := range []struct {
		name      string
		head      *declaration.Head
		revision  uint32
		previous  proof.Hash
		operation declaration.Operation
		want      string // part of the problem; empty if it follows
	}{
		{"first publish", nil, 1, proof.Hash{}, declaration.Publish, ""},
		{"first amend", nil, 1, proof.Hash{}, declaration.Amend, "the first revision is PUBLISH"},
		{"first withdraw", nil, 1, proof.Hash{}, declaration.Withdraw, "the first revision is PUBLISH"},
		{"first reinstate", nil, 1, proof.Hash{}, declaration.Reinstate, "the first revision is PUBLISH"},
		{"second without first", nil, 2, leaf, declaration.Amend, "no revision 1"},
		{"amend", head(declaration.Publish), 4, leaf, declaration.Amend, ""},
		{"amend after amend", head(declaration.Amend), 4, leaf, declaration.Amend, ""},
		{"amend after reinstate", head(declaration.Reinstate), 4, leaf, declaration.Amend, ""},
		{"withdraw", head(declaration.Amend), 4, leaf, declaration.Withdraw, ""},
		{"reinstate what is withdrawn", head(declaration.Withdraw), 4, leaf, declaration.Reinstate, ""},
		{"number taken", head(declaration.Amend), 1, proof.Hash{}, declaration.Publish, "number is taken"},
		{"number of a withdrawn subject", head(declaration.Withdraw), 1, proof.Hash{}, declaration.Publish, "number is taken"},
		{"same revision", head(declaration.Amend), 3, leaf, declaration.Amend, "want 4"},
		{"gap", head(declaration.Amend), 5, leaf, declaration.Amend, "want 4"},
		{"backwards", head(declaration.Amend), 2, leaf, declaration.Amend, "want 4"},
		{"other previous", head(declaration.Amend), 4, other, declaration.Amend, "not the leaf of revision 3"},
		{"publish again", head(declaration.Amend), 4, leaf, declaration.Publish, "use AMEND"},
		{"publish what is withdrawn", head(declaration.Withdraw), 4, leaf, declaration.Publish, "use AMEND"},
		{"amend what is withdrawn", head(declaration.Withdraw), 4, leaf, declaration.Amend, "only REINSTATE"},
		{"withdraw twice", head(declaration.Withdraw), 4, leaf, declaration.Withdraw, "only REINSTATE"},
		{"reinstate what is live", head(declaration.Amend), 4, leaf, declaration.Reinstate, "can't be reinstated"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := sampleStatement(t, declaration.Deployment)
			s.Revision, s.Previous, s.Operation = c.revision, c.previous, c.operation
			err := s.CheckChain(c.head)
			if c.want == "" {
				if err != nil {
					t.Errorf("CheckChain = %v, want nil", err)
				}
				return
			}
			var ce *declaration.ChainError
			if !errors.As(err, &ce) || !strings.Contains(ce.Problem, c.want) || ce.Head != c.head || ce.Subject != s.Subject {
				t.Errorf("CheckChain = %v, want a ChainError with %q", err, c.want)
			}
			if err != nil && !strings.HasPrefix(err.Error(), "dep/18: ") {
				t.Errorf("%q does not name the subject first", err)
			}
		})
	}
}

// TestT09CheckPlace is T-09: a statement shows by itself that it is not this log's.
func TestT09CheckPlace(t *testing.T) {
	s := sampleStatement(t, declaration.Deployment)
	for _, c := range []struct{ origin, city, field string }{
		{s.Log, s.City, ""},
		{s.Log, "", ""},
		{"tsukuba.example/log", s.City, "log"},
		{s.Log + "/", s.City, "log"},
		{"", s.City, "log"},
		{s.Log, "jp-tsukuba", "city"},
		{"tsukuba.example/log", "jp-tsukuba", "log"},
	} {
		err := s.CheckPlace(c.origin, c.city)
		var pe *declaration.PlaceError
		if errors.As(err, &pe) != (c.field != "") || pe != nil && (pe.Field != c.field || !strings.Contains(pe.Error(), pe.Got) || !strings.Contains(pe.Error(), pe.Want)) {
			t.Errorf("CheckPlace(%q, %q) = %v, want a PlaceError of %q", c.origin, c.city, err, c.field)
		}
	}
}

func TestCheckBody(t *testing.T) {
	s := sampleStatement(t, declaration.Deployment)
	raw, body := sampleBytes(t, declaration.Deployment), sample(t, declaration.Deployment)
	if err := s.CheckBody(raw, body); err != nil {
		t.Fatalf("CheckBody = %v", err)
	}
	for name, check := range map[string]func(s declaration.Statement) error{
		"a body one bit off": func(s declaration.Statement) error {
			changed := append([]byte(nil), raw...)
			changed[len(changed)/2] ^= 1
			return s.CheckBody(changed, body)
		},
		"a shorter body": func(s declaration.Statement) error { return s.CheckBody(raw[1:], body) },
		"another size": func(s declaration.Statement) error {
			s.BodySize++
			return s.CheckBody(raw, body)
		},
		"a body of another kind": func(s declaration.Statement) error {
			s.Subject.Kind = declaration.Service
			return s.CheckBody(raw, body)
		},
		"a body without a record": func(s declaration.Statement) error { return s.CheckBody(raw, nil) },
	} {
		if err := check(*s); err == nil {
			t.Errorf("CheckBody accepted %s", name)
		}
	}
}
