package draft_test

import (
	"testing"

	"google.golang.org/protobuf/proto"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/draft"
)

func term(code string) *declarationv1.Term { return &declarationv1.Term{Code: &code} }

// watched is a data use with what the table is about.
func watched() *declarationv1.Body {
	return &declarationv1.Body{Record: &declarationv1.Body_DataUse{DataUse: &declarationv1.DataUse{
		Categories: []*declarationv1.Term{term("Video")}, Identifiability: declarationv1.Identifiability_IDENTIFIABILITY_PSEUDONYMOUS.Enum(),
		Safeguards: []*declarationv1.Term{term("Encryption")}, ProhibitedUses: []*declarationv1.LocalizedText{text("No selling.")},
		LegalBasis: []*declarationv1.LegalBasis{{Term: term("Law"), Citation: proto.String("art. 5")}},
		Retention: []*declarationv1.Retention{{What: text("video"), Duration: proto.String("P28D"),
			Mode: declarationv1.RetentionMode_RETENTION_MODE_FIXED.Enum()}},
		GovernmentAccess: &declarationv1.GovernmentAccess{Mode: declarationv1.AccessMode_ACCESS_MODE_CONDITIONAL.Enum(),
			Levels: []declarationv1.GovernmentLevel{declarationv1.GovernmentLevel_GOVERNMENT_LEVEL_NATIONAL}},
	}}}
}

func TestCompareAreClassedByTheTable(t *testing.T) {
	use := func(change func(*declarationv1.DataUse)) *declarationv1.Body {
		b := watched()
		change(b.GetDataUse())
		return b
	}
	for name, tc := range map[string]struct {
		to    *declarationv1.Body
		there draft.Effect // and the reverse on the way back
	}{
		"retention is longer":    {use(func(u *declarationv1.DataUse) { u.Retention[0].Duration = proto.String("P2M") }), draft.Weakens},
		"retention is shorter":   {use(func(u *declarationv1.DataUse) { u.Retention[0].Duration = proto.String("PT36H") }), draft.Strengthens},
		"four weeks are 28 days": {use(func(u *declarationv1.DataUse) { u.Retention[0].Duration = proto.String("P4W") }), draft.Neutral},
		"kept for ever": {use(func(u *declarationv1.DataUse) {
			u.Retention[0].Mode = declarationv1.RetentionMode_RETENTION_MODE_ENDLESS.Enum()
		}), draft.Weakens},
		"one category more": {use(func(u *declarationv1.DataUse) { u.Categories = append(u.Categories, term("Voice")) }), draft.Weakens},
		"access is routine": {use(func(u *declarationv1.DataUse) {
			u.GovernmentAccess.Mode = declarationv1.AccessMode_ACCESS_MODE_ROUTINE.Enum()
		}), draft.Weakens},
		"the police come in":      {use(func(u *declarationv1.DataUse) { u.GovernmentAccess.Levels = append(u.GovernmentAccess.Levels, 4) }), draft.Weakens},
		"a prohibited use is out": {use(func(u *declarationv1.DataUse) { u.ProhibitedUses = nil }), draft.Weakens},
		"a citation is out":       {use(func(u *declarationv1.DataUse) { u.LegalBasis[0].Citation = nil }), draft.Weakens},
		"a safeguard is out":      {use(func(u *declarationv1.DataUse) { u.Safeguards = nil }), draft.Weakens},
		"people are identifiable": {use(func(u *declarationv1.DataUse) {
			u.Identifiability = declarationv1.Identifiability_IDENTIFIABILITY_IDENTIFIABLE.Enum()
		}), draft.Weakens},
		"something else": {use(func(u *declarationv1.DataUse) { u.SpecialCategory = proto.Bool(true) }), draft.Neutral},
	} {
		back := map[draft.Effect]draft.Effect{draft.Weakens: draft.Strengthens, draft.Strengthens: draft.Weakens, draft.Neutral: draft.Neutral}[tc.there]
		for _, way := range []struct {
			old, new *declarationv1.Body
			want     draft.Effect
		}{{watched(), tc.to, tc.there}, {tc.to, watched(), back}} {
			got := draft.Compare(declaration.Amend, way.old, way.new)
			if len(got) != 1 || got[0].Effect != way.want {
				t.Errorf("%s: %+v, want one that is %s", name, got, way.want)
			}
		}
	}
}

func TestCompareOfDatesAndWithdrawals(t *testing.T) {
	dep := func(change func(*declarationv1.Deployment)) *declarationv1.Body {
		d := &declarationv1.Deployment{StartsOn: proto.String("2026-05"), EndsOn: proto.String("2027-01-01"), Autonomy: declarationv1.Autonomy_AUTONOMY_AUTONOMOUS.Enum(),
			ImpactClass: declarationv1.ImpactClass_IMPACT_CLASS_MODERATE.Enum()}
		if change != nil {
			change(d)
		}
		return &declarationv1.Body{Record: &declarationv1.Body_Deployment{Deployment: d}}
	}
	for name, tc := range map[string]struct {
		to   *declarationv1.Body
		want draft.Effect
	}{
		"starts later":           {dep(func(d *declarationv1.Deployment) { d.StartsOn = proto.String("2026-06") }), draft.Weakens},
		"never ends":             {dep(func(d *declarationv1.Deployment) { d.EndsOn = nil }), draft.Weakens},
		"ends earlier":           {dep(func(d *declarationv1.Deployment) { d.EndsOn = proto.String("2026-12-31") }), draft.Strengthens},
		"its start is not said":  {dep(func(d *declarationv1.Deployment) { d.StartsOn = nil }), draft.Neutral},
		"autonomy has no say":    {dep(func(d *declarationv1.Deployment) { d.Autonomy = declarationv1.Autonomy_AUTONOMY_NOT_APPLICABLE.Enum() }), draft.Neutral},
		"impact is called lower": {dep(func(d *declarationv1.Deployment) { d.ImpactClass = declarationv1.ImpactClass_IMPACT_CLASS_LOW.Enum() }), draft.Weakens},
	} {
		if got := draft.Compare(declaration.Amend, dep(nil), tc.to); len(got) != 1 || got[0].Effect != tc.want {
			t.Errorf("%s: %+v, want one that is %s", name, got, tc.want)
		}
	}
	none := &declarationv1.Body{Record: &declarationv1.Body_Commitment{Commitment: &declarationv1.Commitment{Kind: declarationv1.CommitmentKind_COMMITMENT_KIND_NEGATIVE_STATEMENT.Enum()}}}
	if got := draft.Compare(declaration.Withdraw, none, none); len(got) != 1 || got[0].Effect != draft.Weakens {
		t.Errorf("a withdrawn negative statement: %+v", got)
	}
	if got := draft.Compare(declaration.Withdraw, dep(nil), dep(nil)); len(got) != 1 || got[0].Effect != draft.Neutral {
		t.Errorf("a withdrawn deployment: %+v", got)
	}
	if got := draft.Compare(declaration.Amend, &declarationv1.Body{}, &declarationv1.Body{}); len(got) != 0 {
		t.Errorf("two empty bodies: %+v", got)
	}
}
