package publication

import "slices"

// Imports says what a rule does to an imported record, of which the city knows no
// more than its source says.
type Imports int

// What a rule does to imports.
const (
	// RefuseImports: the rule is about form, codes, order or contradiction, and an
	// import must be right there like everybody's words.
	RefuseImports Imports = iota
	// ListAbsent: what is left unsaid is listed as a warning ("imported,
	// incomplete"); what is said wrongly is refused as ever.
	ListAbsent
)

// Rule is one publication rule, for lists.
type Rule struct {
	ID    string // "V-01"
	Level Level  // the highest that it gives
	// Live: the rule, or part of it, looks at other records of the city.
	Live    bool
	Imports Imports
	Text    string // one line in plain words
}

// rules is declarations.md, section 2.10, in its order. V-50 is not here: it holds
// a Member record to the registry's act.
var rules = []Rule{
	{"V-01", Reject, true, ListAbsent, "Every required field is there, values are known, and lengths, counts and ranges stay within limits."},
	{"V-02", Reject, true, RefuseImports, "Each revision follows the one before it, a change gives its reason, and a withdrawal repeats the record."},
	{"V-03", Reject, false, RefuseImports, "Languages are valid BCP 47 tags, each once, and every text is there in the declaration's own language."},
	{"V-04", Reject, false, ListAbsent, "Codes are of the vocabulary that the field takes; \"other\" is explained in the city's own words."},
	{"V-05", Reject, false, ListAbsent, "At least one sector, none twice."},
	{"V-06", Reject, false, RefuseImports, "Addresses are https without a user name, hashes have their length, and no text holds control or hidden characters."},
	{"V-07", Reject, false, RefuseImports, "The signing clock is within 5 minutes of the node's, and nothing takes effect before 1900."},
	{"V-08", Warn, false, RefuseImports, "A mailbox that looks like a person's (first.last@) stands in a contact."},
	{"V-10", Reject, true, ListAbsent, "What senses people, uses personal data or has a high impact names its data and its assessment, or when that is owed."},
	{"V-11", Reject, false, ListAbsent, "What senses people names its technology or capability."},
	{"V-12", Reject, false, ListAbsent, "What is in use says since when, and which body is accountable."},
	{"V-13", Warn, false, RefuseImports, "A digital twin names what feeds it, or says that nothing live does."},
	{"V-14", Reject, true, ListAbsent, "Face recognition, biometric identification or categorisation and emotion recognition have a high impact and a data use of special categories."},
	{"V-15", Reject, false, RefuseImports, "Ends are not before beginnings; an end more than 10 years away is shown."},
	{"V-16", Reject, true, RefuseImports, "A reference names an existing record of the right kind that is not withdrawn."},
	{"V-17", Reject, false, RefuseImports, "Coordinates are on the globe; (0, 0) is shown."},
	{"V-18", Reject, true, RefuseImports, "A nickname names one record; a second record of the same content, source id, name or sites is shown."},
	{"V-20", Reject, false, ListAbsent, "Personal data have a legal basis, and a right with somebody to ask."},
	{"V-21", Reject, false, ListAbsent, "A legal obligation, public interest or official authority cites its law."},
	{"V-22", Reject, false, ListAbsent, "Data from people or sensors say what happens to who refuses; a penalty or denial cites its law."},
	{"V-23", Reject, false, ListAbsent, "How long each kind of data is kept is said; personal data kept without an end are shown."},
	{"V-24", Reject, true, ListAbsent, "Personal data that a company collects, or that come from public space, say whether public bodies may look."},
	{"V-25", Reject, false, RefuseImports, "Who says that no public body may look lists none as a recipient."},
	{"V-26", Reject, false, ListAbsent, "Access of public bodies says who, when, what they need for it, and by which law."},
	{"V-27", Reject, false, ListAbsent, "A decentralised architecture names at least two operators."},
	{"V-28", Reject, false, ListAbsent, "Access in a crisis only says when the crisis ends or what sets it off."},
	{"V-29", Reject, false, ListAbsent, "Consent says how it is taken back."},
	{"V-30", Reject, false, ListAbsent, "A completed assessment says when, by which criteria, for which stages, and tells the public."},
	{"V-31", Reject, true, ListAbsent, "An assessment says who assesses; a body that assesses its own deployment of high impact is shown."},
	{"V-32", Reject, false, ListAbsent, "Each criterion has a result; each risk has likelihood, severity, and mitigation or acceptance."},
	{"V-33", Reject, false, RefuseImports, "No harm is not claimed where a high risk remains."},
	{"V-34", Warn, true, RefuseImports, "A deployment is in use although its assessment says not to continue."},
	{"V-41", Reject, false, ListAbsent, "A policy or pledge has a due date or is done with proof, and says what follows if it is not kept."},
	{"V-42", Reject, false, ListAbsent, "A certificate names its certifier, number and expiry."},
	{"V-43", Reject, true, RefuseImports, "A city does not state that it lacks what a live deployment of it has."},
	{"V-60", Reject, false, ListAbsent, "A service has at least one channel."},
	{"V-61", Reject, false, ListAbsent, "A service that asks who people are names what is done with the data."},
	{"V-62", Reject, false, RefuseImports, "A channel's languages are valid BCP 47 tags, each once."},
	{"V-63", Warn, true, RefuseImports, "Where refusing costs people a service, the service says whether it has an offline alternative."},
}

// Rules returns the publication rules in their order. The slice is the caller's.
func Rules() []Rule { return slices.Clone(rules) }

func ruleByID(id string) Rule {
	for _, r := range rules {
		if r.ID == id {
			return r
		}
	}
	panic("publication: no rule " + id) // our own code named it
}
