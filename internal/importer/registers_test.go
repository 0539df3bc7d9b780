package importer_test

import (
	"slices"
	"testing"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/draft"
	"github.com/cityproof/cityproof/internal/importer"
)

func TestATRSOnRecord(t *testing.T) {
	drafts, rep := importShared(t, "uk-atrs", "uk-atrs/atrs_records.json", importer.Options{})
	fromCSV, csvRep := importShared(t, "uk-atrs", "uk-atrs/atrs_records.csv", importer.Options{})
	compare(t, []counted{
		{"rows", rep.Rows, 136},
		{"drafts", rep.Drafts, 136},
		{"CSV drafts", csvRep.Drafts, 136},
		{"blank bodies", rep.UnknownRows("publishing_body", ""), 6},
		{"summaries", count(drafts, func(d *declarationv1.Deployment) bool { return d.Summary != nil }), 136},
		{"CSV summaries", count(fromCSV, func(d *declarationv1.Deployment) bool { return d.Summary != nil }), 0},
		{"with a status", count(drafts, func(d *declarationv1.Deployment) bool { return d.Status != nil }), 0},
		{"with a party", count(drafts, func(d *declarationv1.Deployment) bool { return len(d.Parties) == 1 }), 130},
		{"problems", len(rep.Problems), 0},
	})
	for i, d := range drafts {
		if a, b := d.Body.GetSourceId(), fromCSV[i].Body.GetSourceId(); a != b || a == "" {
			t.Errorf("row %d: source id %q from JSON, %q from CSV", i+1, a, b)
		}
	}
}

func TestNewYorkOnRecord(t *testing.T) {
	drafts, rep := importShared(t, "nyc-local-law-35", "nyc-algorithmic-tools/algorithm_tool_compliance.csv", importer.Options{})
	replacing := 0
	for _, d := range drafts {
		replacing += len(d.Body.GetReplaces())
	}
	vendors := count(drafts, func(d *declarationv1.Deployment) bool {
		return slices.ContainsFunc(d.Parties, func(p *declarationv1.Party) bool { return p.GetRole() == declarationv1.PartyRole_PARTY_ROLE_VENDOR })
	})
	compare(t, []counted{
		{"rows", rep.Rows, 76},
		{"drafts", rep.Drafts, 76},
		{"of 2022", rep.UnknownRows("year", "2022"), 31},
		{"of 2023", rep.UnknownRows("year", "2023"), 45},
		{"impossible month", rep.UnknownRows("date_use", "1997/00"), 1},
		{"starts", count(drafts, func(d *declarationv1.Deployment) bool { return d.StartsOn != nil }), 75},
		{"vendors", vendors, 20},
		{"vendor N/A", rep.UnknownRows("vendor_name", "N/A"), 24},
		{"vendor not disclosable", rep.UnknownRows("vendor_name", "Not disclosable"), 1},
		{"identifying", rep.UnknownRows("identifying_info", "true"), 16},
		{"not identifying", rep.UnknownRows("identifying_info", "false"), 29},
		{"free text on data", rep.Reasons("data", "data_use.summary"), 31},
		{"computer vision", count(drafts, func(d *declarationv1.Deployment) bool { return len(d.Capabilities) == 1 }), 3},
		{"tools of both years", replacing, 17},
		{"names too long", rep.Reasons("tool_name", "deployment.name"), 2},
	})
}

func TestFlockOnRecord(t *testing.T) {
	drafts, rep := importShared(t, "flock-portal", "us-flock-portals/latest_usage04262023.csv", importer.Options{})
	kept := map[string]int{}
	full, none, listed := 0, 0, 0
	for _, d := range drafts {
		use := d.Body.GetDataUse()
		if use == nil {
			continue
		}
		for _, r := range use.GetRetention() {
			kept[r.GetDuration()]++
		}
		switch n := len(use.GetRecipients()); {
		case n == 0:
			none++
		case n == 200 && len(d.Files) == 1:
			full++
		default:
			listed++
		}
	}
	compare(t, []counted{
		{"rows", rep.Rows, 365},
		{"drafts", rep.Drafts, 730},
		{"30 days", kept["P30D"], 339},
		{"365 days", kept["P365D"], 9},
		{"15 days", kept["P15D"], 1},
		{"60 days", kept["P60D"], 1},
		{"different durations", len(kept), 4},
		{"-Infinity days", rep.UnknownRows("data_retention_in_days", "-Infinity days"), 7},
		{"NA", rep.UnknownRows("data_retention_in_days", "NA"), 8},
		{"units", count(drafts, func(d *declarationv1.Deployment) bool { return d.Units != nil }), 343},
		{"units NA", rep.UnknownRows("number_of_owned_cameras", "NA"), 22},
		{"a count for names", rep.UnknownRows("external_organizations_with_access", "988"), 1},
		{"nobody named", none, 140},
		{"more than a record lists", full, 58},
		{"listed whole", listed, 167},
		{"attachments", len(rep.Files), 58},
	})
	for _, d := range drafts {
		if d.EffectiveOn != (declaration.Date{Year: 2024, Month: 4, Day: 26}) {
			t.Errorf("%s: effective %v, want the day of access", d.Nickname(), d.EffectiveOn)
		}
	}
}

func TestCameraListsOnRecord(t *testing.T) {
	opt := importer.Options{As: "town-cameras", Language: "en", Country: "GB", Accountable: "Trafford Council"}
	trafford, rep := importShared(t, "camera-csv", "trafford-cctv/CCTV_cameras_trafford.csv", opt)
	dep := trafford[0].Body.GetDeployment()
	compare(t, []counted{
		{"Trafford rows", rep.Rows, 98},
		{"Trafford drafts", rep.Drafts, 1},
		{"Trafford sites", len(dep.GetSites()), 98},
		{"Trafford units", int(dep.GetUnits()), 98},
		{"Trafford problems", len(rep.Problems), 0},
		// -2.2880219999999998 in the file: a float's tail, not 1e-7 of a degree less.
		{"rounded longitude", int(dep.GetSites()[3].GetPoint().GetLongitudeE7()), -22880220},
	})
	orleans, rep := importShared(t, "camera-csv", "new-orleans-cameras/new_orleans_cameras_3_11_2022.csv",
		importer.Options{As: "crime-centre", Language: "en", Accountable: "City of New Orleans"})
	compare(t, []counted{
		{"New Orleans rows", rep.Rows, 432},
		{"New Orleans sites", len(orleans[0].Body.GetDeployment().GetSites()), 432},
		{"New Orleans unread columns", len(rep.Unread), 1},
	})
}

func TestPerthPoliceNeverMixWithTheCity(t *testing.T) {
	drafts, rep := importShared(t, "camera-geojson", "perth-cameras/cameras_database.json",
		importer.Options{As: "citywatch", Language: "en", Country: "AU", Accountable: "City of Perth"})
	own, others := 0, 0
	for _, d := range drafts {
		dep := d.Body.GetDeployment()
		owner := dep.GetParties()[0].GetName()
		switch {
		case d.Nickname() == "citywatch" && owner == "City of Perth" && d.Provenance == declaration.ImportedByCity:
			own += len(dep.GetSites())
		case owner == "WA Police" && d.Provenance == declaration.ImportedByOthers:
			others += len(dep.GetSites())
		default:
			t.Errorf("%s: of %q with provenance %s", d.Nickname(), owner, d.Provenance)
		}
	}
	compare(t, []counted{
		{"rows", rep.Rows, 762},
		{"drafts", rep.Drafts, 5},
		{"the city's", own, 711},
		{"of others", others, 51},
		{"AI cameras", rep.UnknownRows("type", "AI Camera"), 8},
	})

	only, rep := importShared(t, "camera-geojson", "perth-cameras/cameras_database.json",
		importer.Options{As: "citywatch", Language: "en", Only: "City of Perth"})
	compare(t, []counted{{"drafts of the city only", len(only), 1}, {"left out", rep.Skipped, 51}})

	nobody, _ := importShared(t, "camera-geojson", "perth-cameras/cameras_database.json", importer.Options{As: "perth", Language: "en"})
	for _, d := range nobody {
		if d.Provenance != declaration.ImportedByOthers {
			t.Errorf("%s: provenance %s, though nobody says whose it is", d.Nickname(), d.Provenance)
		}
	}
}

func TestAmsterdamSensorsOnRecord(t *testing.T) {
	drafts, rep := importShared(t, "camera-geojson", "amsterdam-sensors/sensors.redacted.json", importer.Options{})
	var ends []string
	for _, d := range drafts {
		ends = append(ends, d.Body.GetDeployment().GetEndsOn()[:4])
	}
	slices.Sort(ends)
	if want := []string{"2022", "2026", "2026", "2032", "2041", "2050", "2100", "3000"}; !slices.Equal(ends, want) {
		t.Errorf("ends = %v, want %v", ends, want)
	}
	compare(t, []counted{
		{"rows", rep.Rows, 8},
		{"drafts", rep.Drafts, 8},
		{"personal data", rep.UnknownRows("containsPiData", "true"), 1},
		{"no personal data", rep.UnknownRows("containsPiData", "false"), 7},
		{"a privacy statement that is no URL", rep.UnknownRows("privacy_declaration", "nee"), 1},
		{"sites", count(drafts, func(d *declarationv1.Deployment) bool { return len(d.Sites) == 1 && d.Sites[0].Point != nil }), 8},
	})
}

func TestDutchStandardOnRecord(t *testing.T) {
	for _, n := range []string{"1", "2", "3", "4"} {
		drafts, rep := importShared(t, "nl-algorithm-register", "nl-register-schema/algorithm_"+n+"_v1_0.json", importer.Options{})
		compare(t, []counted{
			{"drafts", len(drafts), 1},
			{"unknown language", rep.UnknownRows("lang", "xxx"), 1},
			{"no date", rep.UnknownRows("begin_date", "tb_date"), 1},
			{"no URL", rep.UnknownRows("url", "test_url"), 1},
			{"no mailbox", rep.UnknownRows("contact_email", "test_contact_email"), 1},
		})
		if s := drafts[0].Body.GetDeployment().GetStatus(); s != declarationv1.Status_STATUS_RETIRED {
			t.Errorf("status %v, want RETIRED", s)
		}
	}
}

func TestOneCityPerMunicipality(t *testing.T) {
	const name = "nl-algoritmeregister/algoritmes-2026-06-12.json"
	organisations := organisationsOf(t, "nl-algorithm-register", name)
	municipalities, rows := 0, 0
	for _, o := range organisations {
		if len(o.Name) > 9 && o.Name[:9] == "Gemeente " {
			municipalities++
		}
		rows += o.Rows
	}
	compare(t, []counted{{"organisations", len(organisations), 328}, {"municipalities", municipalities, 196}, {"rows", rows, 1463}})

	drafts, rep := importShared(t, "nl-algorithm-register", name,
		importer.Options{Only: "Gemeente Amsterdam", City: "nl-amsterdam", Contact: "algoritmen@amsterdam.example"})
	compare(t, []counted{{"Amsterdam", len(drafts), 69}, {"others", rep.Skipped, 1394}})
	for _, d := range drafts {
		p := d.Body.GetDeployment().GetParties()[0]
		if p.GetMemberId() != "nl-amsterdam" || p.GetContact() != "algoritmen@amsterdam.example" {
			t.Errorf("%s: party %v is not marked as the city itself", d.Nickname(), p)
		}
	}
}

func TestDutchRegisterMay(t *testing.T) {
	drafts, rep := importShared(t, "nl-algorithm-register", "nl-algoritmeregister/algoritmes-2026-05-13.json", importer.Options{})
	compare(t, []counted{
		{"rows", rep.Rows, 1431},
		{"drafts", rep.Drafts, 1431},
		{"Onbekend", rep.UnknownRows("impactassessment", "Onbekend"), 842},
		{"Ja", rep.UnknownRows("impactassessment", "Ja"), 589},
		{"unread columns", len(rep.Unread), 0},
	})
	// Both files name the same rows by the same ids, so a later import finds them.
	june, _, err := importer.Import("nl-algorithm-register", open(t, "nl-algoritmeregister/algoritmes-2026-06-12.json"), importer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ids := func(drafts []*draft.Draft) map[string]bool {
		m := map[string]bool{}
		for _, d := range drafts {
			m[d.Body.GetSourceId()] = true
		}
		return m
	}
	both, later := 0, ids(june)
	for id := range ids(drafts) {
		if later[id] {
			both++
		}
	}
	if both != 1431 {
		t.Errorf("%d ids of May stand in June, want all 1431", both)
	}
}
