package importer_test

import (
	"strings"
	"testing"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/importer"
)

func TestDutchRegisterJune(t *testing.T) {
	drafts, rep := importShared(t, "nl-algorithm-register", "nl-algoritmeregister/algoritmes-2026-06-12.json", importer.Options{})
	status := func(s declarationv1.Status) int {
		return count(drafts, func(d *declarationv1.Deployment) bool { return d.GetStatus() == s })
	}
	compare(t, []counted{
		{"rows", rep.Rows, 1463},
		{"drafts", rep.Drafts, 1463},
		{"skipped", rep.Skipped, 0},
		{"in use", status(declarationv1.Status_STATUS_IN_USE), 1330},
		{"in development", status(declarationv1.Status_STATUS_DEVELOPMENT), 71},
		{"retired", status(declarationv1.Status_STATUS_RETIRED), 62},
		{"Onbekend", rep.UnknownRows("impactassessment", "Onbekend"), 862},
		{"Ja", rep.UnknownRows("impactassessment", "Ja"), 580},
		{"Nee", rep.UnknownRows("impactassessment", "Nee"), 21},
		{"blank goals", rep.UnknownRows("doel", ""), 7},
		{"blank legal bases", rep.UnknownRows("juridische_basis", ""), 356},
		{"goals with invisible characters", len(rep.Problems), 10},
		{"goals", count(drafts, func(d *declarationv1.Deployment) bool { return d.PurposeText != nil }), 1456},
		{"long goals", rep.Reasons("doel", "deployment.summary"), 908},
		{"unread columns", len(rep.Unread), 0},
	})
	for _, d := range drafts {
		dep := d.Body.GetDeployment()
		switch {
		case d.Body.GetLanguage() != "nl" || dep.GetName().GetTexts()[0].GetLang() != "nl":
			t.Errorf("%s: language %q", d.Nickname(), d.Body.GetLanguage())
		case !strings.HasPrefix(d.Body.GetSourceId(), "nl-algoritmeregister:") || len(d.Body.GetImportedFrom()) != 1:
			t.Errorf("%s: source %q, %v", d.Nickname(), d.Body.GetSourceId(), d.Body.GetImportedFrom())
		case dep.Space != nil || dep.SensesPeople != nil || dep.ImpactClass != nil || dep.Sectors != nil || dep.StartsOn != nil || dep.StartUnknown != nil:
			t.Errorf("%s: a field is filled that the register doesn't have", d.Nickname())
		case len(dep.GetParties()) != 1 || dep.GetParties()[0].GetCountry() != "NL" || dep.GetParties()[0].Contact != nil:
			t.Errorf("%s: parties %v", d.Nickname(), dep.GetParties())
		case d.Provenance != declaration.ImportedByCity || d.EffectiveOn != declaration.Date{Year: 2026, Month: 6, Day: 12}:
			t.Errorf("%s: provenance %s, effective %v", d.Nickname(), d.Provenance, d.EffectiveOn)
		}
	}
}
