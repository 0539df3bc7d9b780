package shorthand

import (
	"google.golang.org/protobuf/reflect/protoreflect"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
)

// form is how a message is written in one line.
type form struct {
	in      string // name of the message
	form    string // as FORMAT.md shows it; capitals are the writer's, [ ] may be left out
	example string
	about   string
	read    func(v value, m protoreflect.Message)
}

// typed lets a reader of one message take its Go type.
func typed[M any](read func(v value, m M)) func(value, protoreflect.Message) {
	return func(v value, m protoreflect.Message) {
		read(v, m.Interface().(M)) // the table names the message beside the reader
	}
}

// formTable lists every message that has a one-line form. LocalizedText and Term have
// theirs in value.go: a plain string, and a code.
func formTable() []form {
	return []form{
		{"Affected", "GROUP, RELATIONSHIP[, vulnerable]", "Child, bystander, vulnerable",
			"a group of people and how it meets the technology", typed(readAffected)},
		{"Assessor", "NAME[ (COUNTRY)], INDEPENDENCE", "Privacy Advies Noord BV, external",
			"who assessed; the name may hold commas, the last part is the independence", typed(readAssessor)},
		{"Attachment", "FILE", "plaza-pia.pdf", "a file beside this one: hashed, and uploaded when publishing", typed(readAttachment)},
		{"Channel", "KIND PLACE-OR-URL[ - LANGUAGES][ - ACCESSIBILITY]", "web https://kanaalstad.example/geboorte - nl, en - WCAG_2_2_AA",
			"a way to reach a service; of the parts after the place, the last may be an accessibility, the one before it are languages", typed(readChannel)},
		{"Condition", "TEXT[ - by DATE][ - met|not met]", "Borden bij elke ingang - by 2027-01-01 - not met",
			"a condition on which it may continue", typed(readCondition)},
		{"Conformity", "KIND[, CERTIFIER, NUMBER, until DATE]", "certified, Certiq BV, NL-1201, until 2028-05-01",
			"who says that a standard is met", typed(readConformity)},
		{"Consequence", "[FOR, ]KIND[ - TEXT]", "staff, publication - De raad krijgt de lijst.",
			"what happens when a commitment is not kept; none is said, not implied", typed(readConsequence)},
		{"Consultation", "DATE to DATE - HOW", "2027-01-10 to 2027-02-10 - Formulier op de website",
			"a consultation of residents", typed(readConsultation)},
		{"Consulted", "GROUP[ DATE][ - HOW]", "residents 2026-09-10 - avond in het buurthuis", "a group that was heard", typed(readConsulted)},
		{"Criterion", "TEXT - met|partly|not met|n/a", "Noodzaak aangetoond - met",
			"a criterion and its result; the text may hold dashes, the last part is the result", typed(readCriterion)},
		{"Exemption", "GROUND[, CITATION][ - TEXT] or owed by DATE", "owed by 2027-02-01",
			"why there is no assessment; owed by DATE is ground not_yet_assessed with that date as review_on", typed(readExemption)},
		{"ForeignSubject", "ORIGIN SUBJECT", "tsukuba.example/log dep/17", "a record in another city's log", typed(readForeignSubject)},
		{"GovernmentAccess", "none", "none", "no public body may look; other access has a structured form, or police", typed(readNoAccess)},
		{"LeafRef", "ORIGIN HASH", "tsukuba.example/log 9f2c… (64 digits)", "a leaf of a log", typed(readLeafRef)},
		{"LegalBasis", "BASIS[, CITATION]", "official_authority, Gemeentewet art. 151c",
			"the citation may hold commas; jurisdiction is the workspace's country", typed(readLegalBasis)},
		{"Negative", "TERM[, since DATE][, until DATE]", "FaceRecognition, since 2026-01-01", "what the city says that it does not use", typed(readNegative)},
		{"NoHarm", "yes|no[ - TEXT]", "yes - Niemand wordt gevolgd.", "the no-harm statement", typed(readNoHarm)},
		{"Party", "ROLE NAME[ (COUNTRY)]", "data_processor Wolk BV (NL)", "an organisation in a role; never a person", typed(readParty)},
		{"Point", "LATITUDE LONGITUDE", "52.3701 4.9001", "degrees with at most 7 decimals, latitude first", typed(readPoint)},
		{"Population", "COUNT (YEAR)", "74200 (2025)", "inhabitants in a year", typed(readPopulation)},
		{"Position", "STANCE, BODY, PROPOSAL[, vote DATE]", "supports, ISO TC 268, ISO DIS 37122, vote 2027-03-01",
			"a position on a standard; the proposal may hold commas", typed(readPosition)},
		{"Purpose", "CODE[ - TEXT]", "safety_security - Terugkijken na een incident", "what data are used for; the text may hold dashes", typed(readPurpose)},
		{"Recipient", "ROLE NAME[ (COUNTRY)][ - PURPOSE]", "data_processor Wolk BV (NL) - safety_security", "an organisation that gets the data", typed(readRecipient)},
		{"Refusal", "CONSEQUENCE[, CITATION][ - TEXT]", "not_possible - Het plein is te vermijden via de Kerkstraat.",
			"what happens to a person who refuses; the text may hold dashes", typed(readRefusal)},
		{"ResponsibleRole", "SCOPE - TITLE[ - TEXT]", "cybersecurity - Chief information security officer", "a role, never a name; the text may hold dashes", typed(readRole)},
		{"Retention", "WHAT - IDENTIFIABILITY - HOW", "blurred video - de_identified - 28 days",
			"HOW is none, a duration, until DATE, until EVENT, indeterminate or endless; after any of them but an event, a comma and a citation", typed(readRetention)},
		{"Right", "RIGHT[ - HOW]", "access - Formulier op de website", "a right and how to use it; its contact is the workspace's", typed(readRight)},
		{"Risk", "HARM - TEXT - LIKELIHOODxSEVERITY - MITIGATION - RESIDUAL", "civil_liberties_harm - beeld gelekt - 2x4 - sleutel vernietigd - 1",
			"1 to 5 each; texts may hold dashes; a mitigation that begins with accepted: says why the risk is accepted instead", typed(readRisk)},
		{"Signage", "KIND[ URL]", "dtpr_sign https://kanaalstad.example/borden", "how people on the spot are told", typed(readSignage)},
		{"Site", "LABEL or LABEL - LATITUDE LONGITUDE", "Marktplein NO - 52.3701 4.9001", "one place; a list of places may be a file, see sites", typed(readSite)},
		{"Storage", "WHERE COUNTRY[, OPERATOR]", "third_party_cloud IE, Wolk BV", "where data lie", typed(readStorage)},
	}
}

// formOf returns the one-line form of a message, or nil.
func (r *reader) formOf(name protoreflect.Name) *form { return r.forms[string(name)] }

// badForm reports that the text does not fit its message's one-line form.
func (v value) badForm(m interface{ ProtoReflect() protoreflect.Message }, problem string) {
	f := v.rec.formOf(m.ProtoReflect().Descriptor().Name())
	v.fail(problem, "write "+f.form+", for example "+f.example+"; or its fields, each as name: value")
}

// schemesOf returns the schemes that a message's field takes.
func schemesOf(m interface{ ProtoReflect() protoreflect.Message }, field protoreflect.Name) []declarationv1.Scheme {
	return rulesOf(m.ProtoReflect().Descriptor().Fields().ByName(field)).GetSchemes()
}
