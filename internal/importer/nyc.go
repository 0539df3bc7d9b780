package importer

import (
	"slices"
	"strings"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/vocabulary"
)

// New York City's report of algorithmic tools (Local Law 35 of 2022), NYC Open Data
// jaw4-yuem. The report of 2022 has free text on data and vendor; from 2023 on ten
// columns say more.
func nycFormat() Format {
	return Format{
		Name:   "nyc-local-law-35",
		Title:  "New York City's report of algorithmic tools (Local Law 35)",
		Files:  "CSV with the columns year, agency, tool_name",
		run:    importNYC,
		orgs:   []string{"agency"},
		lang:   "en",
		source: "nyc-local-law-35",
		known: []string{
			"year", "agency", "tool_name", "tool_desc_brief", "tool_desc_detail", "data", "vendor", "date_use",
			"data_training", "data_input", "data_output", "vendor_name", "vendor_desc", "identifying_info", "analysis_type",
			"population_type", "updated", "updated_desc",
		},
	}
}

// nycTool is what the report knows a tool by.
type nycTool struct{ agency, name string }

// nycYear is one year's report of a tool.
type nycYear struct {
	year string
	r    *row
}

func importNYC(im *importer, data []byte) error {
	tools := map[nycTool][]nycYear{}
	if err := eachCSV(data, []string{"year", "agency", "tool_name"}, func(rec *record) error {
		im.nyc(rec, tools)
		return nil
	}); err != nil {
		return err
	}
	for _, years := range tools {
		im.continueYears(years)
	}
	return nil
}

func (im *importer) nyc(rec *record, tools map[nycTool][]nycYear) {
	r, ok := im.begin(rec)
	if !ok {
		return
	}
	r.deployment(declarationv1.DeploymentType_DEPLOYMENT_TYPE_ALGORITHM_OR_AI)
	year := r.value("year", "source_id")
	agency, _ := clean(rec.text("agency"), false)
	name := r.value("tool_name", "deployment.name")
	id := ""
	if year != "" && agency != "" && name != "" {
		id = year + ":" + agency + ":" + name
	}
	if !r.claim(id, "nyc", year, agency, name) {
		return
	}
	whole := r.name("tool_name", name)
	brief := r.words("tool_desc_brief", "deployment.summary")
	detail := r.words("tool_desc_detail", "deployment.purpose_text")
	if r.summary("tool_desc_brief", brief) {
		brief = ""
	}
	r.dep.PurposeText = r.longText("tool_desc_detail", "deployment.purpose_text", paragraphs(whole, brief, detail))
	r.dep.StartsOn = r.date("date_use", "deployment.starts_on")
	r.accountable("agency", "US")
	if year != "" {
		r.unknown("year", "deployment.status", "the report says that the tool was used in that year, not that it still is")
	}
	if year == "2022" {
		r.nycFree()
	} else {
		r.nycColumns()
	}
	if id != "" {
		tool := nycTool{agency, name}
		tools[tool] = append(tools[tool], nycYear{year, r})
	}
	im.add(r.d)
}

// nycFree notes the columns that only the report of 2022 fills.
func (r *row) nycFree() {
	r.noField("data", "data_use.summary")
	r.noField("vendor", "deployment.parties")
}

// nycColumns takes the columns of the report of 2023 and later.
func (r *row) nycColumns() {
	if vendor := r.value("vendor_name", "deployment.parties"); vendor != "" {
		r.party("vendor_name", vendor, declarationv1.PartyRole_PARTY_ROLE_VENDOR, "")
	}
	r.nycAnalysis()
	switch s := r.value("identifying_info", "data_use.identifiability"); strings.ToLower(s) {
	case "":
	case "true":
		r.unknown("identifying_info", "data_use.identifiability", "the report says that identifying information is used, not which: add the data use")
	case "false":
		r.unknown("identifying_info", "data_use.identifiability", "the report says that no identifying information is used: confirm it with a data use or an exemption")
	default:
		r.unknown("identifying_info", "data_use.identifiability", whyUnlisted)
	}
	r.noField("data_training", "data_use.summary")
	r.noField("data_input", "data_use.summary")
	r.noField("data_output", "data_use.summary")
	r.noField("vendor_desc", "deployment.parties")
	r.noField("population_type", "deployment.affected")
	r.noField("updated_desc", "reason")
}

// maxAnalyses bounds how many words are looked up for one tool.
const maxAnalyses = 40

// nycAnalysis takes the kinds of analysis that are, word for word, a capability of
// the vocabulary.
func (r *row) nycAnalysis() {
	const column, field = "analysis_type", "deployment.capabilities"
	s := r.value(column, field)
	if s == "" {
		return
	}
	words := strings.Split(s, ";")
	if len(words) > maxAnalyses {
		r.unknown(column, field, "a list too long to be one of kinds of analysis")
		return
	}
	for _, word := range words {
		word = strings.TrimSpace(word)
		t, err := vocabulary.Resolve([]vocabulary.Scheme{vocabulary.DPVAI}, word)
		switch {
		case word == "":
		case err != nil || t.Code == vocabulary.Other:
			r.unknownValue(column, word, field, "no capability of the vocabulary has this name")
		case !slices.ContainsFunc(r.dep.Capabilities, func(c *declarationv1.Term) bool { return c.GetCode() == t.Code }) && len(r.dep.Capabilities) < 12:
			r.dep.Capabilities = append(r.dep.Capabilities, &declarationv1.Term{
				Scheme: ptr(declarationv1.Scheme_SCHEME_DPV_AI), Code: ptr(t.Code)})
		}
	}
}

// continueYears makes each year's record of a tool replace the one before, so that
// history and diff go through them. Agency and name are all that the report knows
// a tool by, so the officer is asked to confirm.
func (im *importer) continueYears(years []nycYear) {
	slices.SortStableFunc(years, func(a, b nycYear) int { return strings.Compare(a.year, b.year) })
	for i := 1; i < len(years); i++ {
		before, after := years[i-1], years[i]
		after.r.d.Body.Replaces = []string{before.r.d.Body.GetNickname()}
		after.r.unknownValue("tool_name", before.year, "replaces", Confirm+"the same agency reported a tool of this name for this earlier year")
	}
}
