package shorthand

import (
	"google.golang.org/protobuf/reflect/protoreflect"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/draft"
)

// shortName is a key that an officer writes instead of a field's own name.
type shortName struct {
	in    string   // name of the message in whose place the key stands
	key   string   // as written
	to    []string // fields of that message that it sets; an amendment selects in the first
	form  string   // as FORMAT.md shows it; empty: what the first field takes
	about string
	// read gets the value and the message; nil reads the first field as it is.
	read func(v value, m protoreflect.Message)
}

// partyKeys are the keys for the parties in one role, of deployments and, but for
// the first, of services.
var partyKeys = []struct {
	key   string
	role  declarationv1.PartyRole
	about string
}{
	{"accountable", declarationv1.PartyRole_PARTY_ROLE_ACCOUNTABLE, "the body that answers for it; the workspace's where left out"},
	{"controller", declarationv1.PartyRole_PARTY_ROLE_DATA_CONTROLLER, "role data_controller"},
	{"joint_controller", declarationv1.PartyRole_PARTY_ROLE_JOINT_CONTROLLER, ""},
	{"processor", declarationv1.PartyRole_PARTY_ROLE_DATA_PROCESSOR, "role data_processor"},
	{"operator", declarationv1.PartyRole_PARTY_ROLE_OPERATOR, ""},
	{"vendor", declarationv1.PartyRole_PARTY_ROLE_VENDOR, ""},
	{"funder", declarationv1.PartyRole_PARTY_ROLE_FUNDER, ""},
	{"auditor", declarationv1.PartyRole_PARTY_ROLE_AUDITOR, ""},
	{"third_party", declarationv1.PartyRole_PARTY_ROLE_THIRD_PARTY, ""},
}

// shortTable is the table of FORMAT.md. A test holds it to the protos: every target
// exists, and no key hides a field of the same name.
func shortTable() []shortName {
	table := []shortName{
		{"Deployment", "sector", []string{"sectors"}, "", "", nil},
		{"Deployment", "status", []string{"status", "starts_on", "ends_on", "start_unknown"}, "STATUS[ since DATE|unknown][ until DATE]",
			"the date keeps its precision: 2021-05 says that the day is not known", typedMessage(readStatus)},
		{"Deployment", "impact", []string{"impact_class"}, "", "", nil},
		{"Deployment", "purpose", []string{"purpose", "purpose_text"}, "CODE[ - TEXT]", "a list gives more codes; one of them has the text", readDeploymentPurpose},
		{"Deployment", "sites", []string{"sites"}, "FILE.csv, FILE.geojson, or a list of sites",
			"columns camera_id, location, longitude, latitude; over 2,000 places the file becomes an attachment", readSites},
		{"Deployment", "contact", []string{"parties"}, "ROLE MAILBOX or telephone number",
			"the accountable party's, and every right's of the data uses below; the workspace's where left out", readContact},
		{"Deployment", "data", []string{"data_uses"}, "a list of data uses, each with use: NICKNAME, or of references", "", readData},
		{"Deployment", "assessment", []string{"assessments", "exemption"}, "an assessment with nickname:, references, or owed by DATE",
			"owed by DATE is an exemption: not_yet_assessed, with review_on", readAssessments},

		{"DataUse", "purpose", []string{"purposes"}, "", "", nil},
		{"DataUse", "secondary", []string{"purposes"}, "CODE[ - TEXT]", "a purpose with secondary: yes", readSecondary},
		{"DataUse", "from", []string{"source", "collected_by"}, "SOURCE[, by COLLECTOR]", "", readFrom},
		{"DataUse", "keeps", []string{"retention"}, "", "identifiability is the highest among them where left out", nil},
		{"DataUse", "stored", []string{"storage"}, "", "the workspace's where left out", nil},
		{"DataUse", "police", []string{"government_access"}, policeForm,
			"government_access at level law_enforcement; none says it of the police alone", readPoliceField},
		{"DataUse", "decides", []string{"automated_decision"}, "", "", nil},
		{"DataUse", "contact", []string{"rights"}, "ROLE MAILBOX or telephone number", "of every right without one; the workspace's where left out", readContact},

		{"Assessment", "completed", []string{"completed_on", "state"}, "DATE", "state is completed", readCompleted},
		{"Assessment", "started", []string{"started_on", "state"}, "DATE", "state is started, unless completed is there", readStarted},
		{"Assessment", "lifecycle", []string{"lifecycle"}, "all, or a list", "", readLifecycle},
		{"Assessment", "asked", []string{"consulted"}, "", "", nil},

		{"Commitment", "consequence", []string{"consequences"}, "", "", nil},

		{"Service", "sector", []string{"sectors"}, "", "", nil},
		{"Service", "status", []string{"status", "starts_on"}, "STATUS[ since DATE]", "", typedMessage(readStatus)},
		{"Service", "competent_body", []string{"competent_body"}, "NAME[ (COUNTRY)]", "the workspace's accountable body where left out", readCompetentBody},
		{"Service", "contact", []string{"competent_body"}, "ROLE MAILBOX or telephone number", "the competent body's; the workspace's where left out", readContact},
		{"Service", "data", []string{"data_uses"}, "a list of data uses, each with use: NICKNAME, or of references", "", readData},

		{"Notice", "kind", []string{"incident_kinds"}, "", "", nil},
		{"Notice", "status", []string{"incident_status"}, "", "", nil},
		{"Notice", "investigation", []string{"investigation_status"}, "", "", nil},
		{"Notice", "people", []string{"people_affected"}, "a band: none, 1-10, 10-100, 100-1000, …, over 100000, unknown", "", nil},
		{"Notice", "ticket", []string{"in_reply_to_ticket"}, "", "", nil},

		{"Member", "name", []string{"names"}, "", "", nil},
		{"Member", "roles", []string{"responsible_roles"}, "", "", nil},

		{"Attachment", "file", []string{"title", "sha256", "media_type", "size"}, "FILE", "title is the file's name where left out", typedMessage(readAttachmentFile)},
		{"Point", "latitude", []string{"latitude_e7"}, "degrees, at most 7 decimals", "", readDegrees("latitude_e7", 90)},
		{"Point", "longitude", []string{"longitude_e7"}, "degrees, at most 7 decimals", "", readDegrees("longitude_e7", 180)},
		{"Party", "contract", []string{"contract_ref"}, "", "", nil},
		{"Retention", "how", []string{"mode", "duration", "until", "event", "citation"}, "none, DURATION, until DATE, until EVENT, indeterminate, endless", "", typedMessage(readHow)},
	}
	for _, p := range partyKeys {
		key := shortName{"Deployment", p.key, []string{"parties"}, "NAME[ (COUNTRY)]", p.about, readParties(p.role)}
		table = append(table, key)
		if key.in = "Service"; p.role != declarationv1.PartyRole_PARTY_ROLE_ACCOUNTABLE {
			table = append(table, key)
		}
	}
	return table
}

// role returns the role of the parties that the key is about, where it is about one.
func (s *shortName) role() (declarationv1.PartyRole, bool) {
	for _, p := range partyKeys {
		if s != nil && p.key == s.key && s.to[0] == "parties" {
			return p.role, true
		}
	}
	return 0, false
}

func typedMessage[M any](read func(v value, m M)) func(value, protoreflect.Message) {
	return func(v value, m protoreflect.Message) {
		if typed, ok := m.Interface().(M); ok {
			read(v, typed)
			return
		}
		panic("shorthand table: a reader stands beside the wrong message " + string(m.Descriptor().Name()))
	}
}

// newReader makes a reader with the tables: built once a file, since a table of
// functions that look things up in it can't be a variable.
func newReader(file string, ws Workspace, files Files) *reader {
	r := &reader{file: file, ws: ws, files: files, short: map[[2]string]*shortName{}, forms: map[string]*form{}}
	for _, s := range shortTable() {
		r.short[[2]string{s.in, s.key}] = &s
	}
	for _, f := range formTable() {
		r.forms[f.in] = &f
	}
	return r
}

// shortOf returns the table's entry for a key in a message's place, or nil.
func (r *reader) shortOf(message protoreflect.Name, key string) *shortName {
	return r.short[[2]string{string(message), key}]
}

// fieldOf returns the field that a key names by itself: its own name, or for a date
// the name without "_on" ("due" is due_on).
func fieldOf(md protoreflect.MessageDescriptor, key string) protoreflect.FieldDescriptor {
	if fd := md.Fields().ByName(protoreflect.Name(key)); fd != nil {
		return fd
	}
	return md.Fields().ByName(protoreflect.Name(key + "_on"))
}

// keysOf lists what may be written in a message's place, for "did you mean".
func keysOf(md protoreflect.MessageDescriptor) []string {
	var keys []string
	for _, s := range shortTable() {
		if s.in == string(md.Name()) {
			keys = append(keys, s.key)
		}
	}
	return append(keys, draft.FieldNames(md)...)
}
