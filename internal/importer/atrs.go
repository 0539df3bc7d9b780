package importer

import (
	"cmp"
	"strings"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
)

// The UK's Algorithmic Transparency Recording Standard, as harvested from GOV.UK's
// search (title, body, description, date, URL), with the columns of the published
// data standard that say more where a file has them.
func atrsFormat() Format {
	return Format{
		Name:   "uk-atrs",
		Title:  "UK Algorithmic Transparency Recording Standard (gov.uk)",
		Files:  `JSON: {"records": [...]} or a list; or CSV with the columns tool_name and url`,
		run:    importATRS,
		orgs:   []string{"publishing_body", "organisation"},
		lang:   "en",
		source: "uk-atrs",
		known: []string{
			"publishing_body", "organisation", "tool_name", "title", "url", "published", "description", "listed_organisations",
			"phase", "alternatives_considered", "human_decisions", "appeals_and_review",
		},
	}
}

// atrsPhase maps the standard's five phases (declarations.md 2.11).
var atrsPhase = map[string]declarationv1.Status{
	"idea":        declarationv1.Status_STATUS_PLANNED,
	"design":      declarationv1.Status_STATUS_PLANNED,
	"development": declarationv1.Status_STATUS_DEVELOPMENT,
	"production":  declarationv1.Status_STATUS_IN_USE,
	"retired":     declarationv1.Status_STATUS_RETIRED,
}

func importATRS(im *importer, data []byte) error {
	each := func(rec *record) error {
		im.atrs(rec)
		return nil
	}
	if isJSON(data) {
		_, err := eachJSON(data, []string{"records"}, each)
		return err
	}
	return eachCSV(data, []string{"tool_name", "url"}, each)
}

func (im *importer) atrs(rec *record) {
	r, ok := im.begin(rec)
	if !ok {
		return
	}
	r.deployment(declarationv1.DeploymentType_DEPLOYMENT_TYPE_ALGORITHM_OR_AI)
	id := lastSegment(r.importedFrom())
	name := r.value("tool_name", "deployment.name")
	if name == "" {
		name = r.value("title", "deployment.name")
	}
	if !r.claim(id, "atrs", cmp.Or(id, name)) {
		return
	}
	whole := r.name("tool_name", name)
	text := r.words("description", "deployment.summary")
	if r.summary("description", text) {
		text = ""
	}
	// A description that fits is a summary and no more: what the tool is for is not said.
	r.dep.PurposeText = r.longText("description", "deployment.purpose_text", paragraphs(whole, text))
	org := "publishing_body"
	if !rec.has(org) {
		org = "organisation"
	}
	r.accountable(org, "GB")
	r.mapped("phase", "deployment.status", func(s string) bool {
		status, ok := atrsPhase[fold(s)]
		if ok {
			r.dep.Status = &status
		}
		return ok
	})
	r.dep.AlternativesConsidered = r.field("alternatives_considered", "deployment.alternatives_considered")
	r.dep.HumanOversight = r.field("human_decisions", "deployment.human_oversight")
	r.dep.Appeal = r.field("appeals_and_review", "deployment.appeal")
	im.add(r.d)
}

// lastSegment is the end of a URL's path: GOV.UK's own name of a page.
func lastSegment(u string) string {
	u, _, _ = strings.Cut(u, "?")
	u, _, _ = strings.Cut(u, "#")
	u = strings.TrimRight(u, "/")
	if i := strings.LastIndexByte(u, '/'); i > len("https://") {
		return u[i+1:]
	}
	return ""
}
