package importer

import (
	"cmp"
	"strings"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
)

// The Dutch Algorithm Register (algoritmes.overheid.nl), in two shapes: the daily
// extract that a third party keeps (columns in Dutch), and records of publication
// standard 1.0 (github.com/MinBZK/Algoritmeregister, v1_0.json; columns in English).
func nlFormat() Format {
	return Format{
		Name:   "nl-algorithm-register",
		Title:  "Dutch Algorithm Register (algoritmes.overheid.nl)",
		Files:  `JSON: {"algoritmes": [...]}, a list, or one record of publication standard 1.0`,
		run:    importNL,
		orgs:   []string{"organisatie", "organization"},
		lang:   "nl",
		source: "nl-algoritmeregister",
		known: []string{
			"id", "title", "organisatie", "status", "impactassessment", "juridische_basis", "doel",
			"geregistreerd", "toegevoegd", "laatst_gewijzigd", "url",
			"name", "description_short", "organization", "category", "begin_date", "end_date", "contact_email", "website",
			"publication_category", "goal", "proportionality", "human_intervention", "risks", "lawful_basis",
			"lawful_basis_grouping", "process_index_url", "impacttoetsen_grouping", "impacttoetsen", "dpia", "source_data",
			"source_data_grouping", "methods_and_models", "provider", "publiccode", "lang", "language", "standard_version",
			"source_id", "tags", "lars", "uuid", "publication_dt",
		},
	}
}

// nlStatus maps the register's three words (declarations.md 2.11).
var nlStatus = map[string]declarationv1.Status{
	"in ontwikkeling": declarationv1.Status_STATUS_DEVELOPMENT,
	"ontwikkeling":    declarationv1.Status_STATUS_DEVELOPMENT,
	"in gebruik":      declarationv1.Status_STATUS_IN_USE,
	"buiten gebruik":  declarationv1.Status_STATUS_RETIRED,
}

// nlImpact maps the publication categories A, B and C.
var nlImpact = map[string]declarationv1.ImpactClass{
	"hoog risico ai systeem":  declarationv1.ImpactClass_IMPACT_CLASS_HIGH,
	"hoog risico ai systemen": declarationv1.ImpactClass_IMPACT_CLASS_HIGH,
	"impactvolle algoritmes":  declarationv1.ImpactClass_IMPACT_CLASS_MODERATE,
	"impactvol algoritme":     declarationv1.ImpactClass_IMPACT_CLASS_MODERATE,
	"overige algoritmes":      declarationv1.ImpactClass_IMPACT_CLASS_LOW,
	"overig algoritme":        declarationv1.ImpactClass_IMPACT_CLASS_LOW,
}

// nlLanguages maps the register's ISO 639-3 codes.
var nlLanguages = map[string]string{"nld": "nl", "eng": "en", "fry": "fy"}

func importNL(im *importer, data []byte) error {
	top, err := eachJSON(data, []string{"algoritmes"}, func(rec *record) error {
		if rec.has("organization") {
			im.nlStandard(rec)
		} else {
			im.nlExtract(rec)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if d, err := date(top.text("fetched_at")); err == nil {
		im.fetched = d
	}
	return nil
}

// nlExtract imports a row of the extract.
func (im *importer) nlExtract(rec *record) {
	r, ok := im.begin(rec)
	if !ok {
		return
	}
	r.deployment(declarationv1.DeploymentType_DEPLOYMENT_TYPE_ALGORITHM_OR_AI)
	r.importedFrom()
	id := r.value("id", "source_id")
	name := r.value("title", "deployment.name")
	if !r.claim(id, "nl", cmp.Or(id, name)) {
		return
	}
	whole := r.name("title", name)
	goal := r.words("doel", "deployment.purpose_text")
	r.summary("doel", goal)
	r.dep.PurposeText = r.longText("doel", "deployment.purpose_text", paragraphs(whole, goal))
	r.nlStatus()
	r.accountable("organisatie", "NL")
	if r.value("juridische_basis", "data_use.legal_basis") != "" {
		r.unknown("juridische_basis", "data_use.legal_basis",
			"the register doesn't say which data this is the legal basis for: put it into the data use")
	}
	r.nlAssessed()
	im.add(r.d)
}

func (r *row) nlStatus() {
	r.mapped("status", "deployment.status", func(s string) bool {
		status, ok := nlStatus[fold(s)]
		if ok {
			r.dep.Status = &status
		}
		return ok
	})
}

// nlAssessed notes what the extract says of impact assessments. "Ja" doesn't name
// the kind: a text about a DPIA, an IAMA or a scan all give it.
func (r *row) nlAssessed() {
	const column, field = "impactassessment", "deployment.assessments"
	switch v := r.value(column, field); fold(v) {
	case "":
	case "ja":
		r.unknown(column, field, "the register says that one was made, not of which kind: add the assessment")
	case "nee":
		r.unknown(column, field, "the register says that none was made, not why or by when: add an exemption with its date")
	default:
		r.unknown(column, field, whyUnlisted)
	}
}

// nlStandard imports a record of publication standard 1.0.
func (im *importer) nlStandard(rec *record) {
	r, ok := im.begin(rec)
	if !ok {
		return
	}
	r.deployment(declarationv1.DeploymentType_DEPLOYMENT_TYPE_ALGORITHM_OR_AI)
	r.setLanguage(r.nlLanguage())
	r.importedFrom()
	id := r.value("lars", "source_id")
	if id == "" {
		if own := r.value("source_id", "source_id"); own != "" {
			id = "bron:" + own // the organisation's own id, in a space of its own
		}
	}
	name := r.value("name", "deployment.name")
	if !r.claim(id, "nl", cmp.Or(id, name)) {
		return
	}
	whole := r.name("name", name)
	short := r.words("description_short", "deployment.summary")
	shown := r.summary("description_short", short)
	if shown {
		short = ""
	}
	goal := r.words("goal", "deployment.purpose_text")
	r.dep.PurposeText = r.longText("goal", "deployment.purpose_text", paragraphs(whole, short, goal))
	r.dep.HumanOversight = r.field("human_intervention", "deployment.human_oversight")
	r.nlStatus()
	r.dep.StartsOn = r.date("begin_date", "deployment.starts_on")
	r.dep.EndsOn = r.date("end_date", "deployment.ends_on")
	r.nlImpact()
	r.nlParties()
	if u := r.url("website", "deployment.public_page"); u != "" {
		r.dep.PublicPage = &u
	}
	if u := r.url("publiccode", "deployment.source_code"); u != "" {
		r.dep.SourceCode = &u
	}
	r.nlNoField()
	im.add(r.d)
}

// nlLanguage is the language of the record; the register's, if it names none.
func (r *row) nlLanguage() string {
	for _, column := range []string{"lang", "language"} {
		if lang, ok := nlLanguages[strings.ToLower(r.rec.text(column))]; ok {
			return lang
		}
		if r.rec.text(column) != "" {
			r.unknown(column, "language", whyUnlisted)
		}
	}
	return "nl"
}

func (r *row) nlImpact() {
	r.mapped("publication_category", "deployment.impact_class", func(s string) bool {
		class, ok := nlImpact[fold(s)]
		if ok {
			r.dep.ImpactClass = &class
		}
		return ok
	})
}

func (r *row) nlParties() {
	r.accountable("organization", "NL")
	if len(r.dep.Parties) == 1 {
		r.contact("contact_email", r.dep.Parties[0])
	} else {
		r.value("contact_email", "deployment.parties")
	}
	if name := r.value("provider", "deployment.parties"); name != "" {
		r.party("provider", name, declarationv1.PartyRole_PARTY_ROLE_VENDOR, "")
	}
}

// nlNoField notes the columns that describe the algorithm where our record
// describes data or an assessment.
func (r *row) nlNoField() {
	for _, c := range []struct{ column, field string }{
		{"category", "deployment.sectors"},
		{"proportionality", "deployment.alternatives_considered"},
		{"risks", "assessment.risks"},
		{"lawful_basis", "data_use.legal_basis"},
		{"impacttoetsen", "deployment.assessments"},
		{"dpia", "deployment.assessments"},
		{"source_data", "data_use.categories"},
		{"methods_and_models", "deployment.capabilities"},
		{"process_index_url", "data_use.legal_basis"},
	} {
		if said(r.rec.text(c.column)) {
			r.unknown(c.column, c.field, whyNoField)
		}
	}
	for _, c := range []struct{ column, field string }{
		{"impacttoetsen_grouping", "deployment.assessments"},
		{"lawful_basis_grouping", "data_use.legal_basis"},
		{"source_data_grouping", "data_use.categories"},
	} {
		list, _ := r.rec.vals[c.column].([]any)
		for _, item := range list {
			if o, ok := item.(*record); ok && said(o.text("title")) {
				r.unknownValue(c.column, o.text("title"), c.field, whyNoField)
			}
		}
	}
}
