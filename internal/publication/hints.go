package publication

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/vocabulary"
)

// plain turns a field's name into words: "impact_class" is "impact class".
func plain(name string) string { return strings.ReplaceAll(name, "_", " ") }

// article puts "a" or "an" before a word.
func article(word string) string {
	if word != "" && strings.IndexByte("aeio", word[0]) >= 0 {
		return "an " + word
	}
	return "a " + word
}

// asks says what a missing field is asked for, by its name, where "the" and the name
// would be no English.
var asks = map[string]string{
	"senses_people":      "whether it senses people",
	"special_category":   "whether the data are of a special category",
	"identity_needed":    "whether people must tell who they are",
	"collected_by":       "who collects the data",
	"source":             "where the data come from",
	"identifiability":    "how far people can be identified",
	"automated_decision": "how far a machine decides",
	"architecture":       "who holds the data",
	"impact_class":       "how high the impact is",
	"space":              "in what space it works",
	"purpose":            "what it is for",
	"purposes":           "what the data are for",
	"purpose_text":       "what it is for, in a sentence",
	"sectors":            "in which sector it is",
	"parties":            "who takes part, and in which role",
	"categories":         "which kinds of data these are",
	"retention":          "how long the data are kept",
	"claimed":            "whether you claim it",
}

// ask is the sentence that asks for a missing field.
func ask(f *field) string {
	if f.minItems > 1 {
		return fmt.Sprintf("Name at least %d %s.", f.minItems, plain(f.name))
	}
	if words, ok := asks[f.name]; ok {
		return "Say " + words + "."
	}
	return "Say the " + plain(f.name) + "."
}

// examples shows fields in the officer's shorthand, by their path without indexes.
// What is not here gets a hint from its type.
var examples = map[string]string{
	"language":                        "language: nl",
	"deployment.name":                 "name: Market Square cameras",
	"deployment.summary":              "summary: Twelve fixed cameras. Faces are blurred inside the camera.",
	"deployment.type":                 "type: camera_system",
	"deployment.sectors":              "sector: safety_resilience_infrastructure",
	"deployment.status":               "status: in use since 2026-12-14",
	"deployment.space":                "space: public_space",
	"deployment.senses_people":        "senses_people: yes",
	"deployment.impact_class":         "impact: moderate",
	"deployment.purpose":              "purpose: safety_security - Looking back after an incident",
	"deployment.purpose_text":         "purpose: safety_security - Looking back after an incident",
	"deployment.parties":              "accountable: Gemeente Kanaalstad, afdeling Openbare Ruimte",
	"data_use.name":                   "name: Blurred video of the square",
	"data_use.summary":                "summary: Pictures of the square, faces blurred before storage.",
	"data_use.categories":             "categories: [Picture]",
	"data_use.identifiability":        "keeps: [raw image - identifiable - none, blurred video - de_identified - 28 days]",
	"data_use.special_category":       "special_category: no",
	"data_use.collected_by":           "from: sensor, by government",
	"data_use.source":                 "from: sensor, by government",
	"data_use.purposes":               "purpose: safety_security - Looking back after an incident",
	"data_use.retention":              "keeps: [blurred video - de_identified - 28 days]",
	"data_use.architecture":           "architecture: on_device",
	"data_use.automated_decision":     "decides: none",
	"assessment.kind":                 "kind: PIA",
	"assessment.state":                "completed: 2026-11-16",
	"commitment.kind":                 "pledge: adopt_policy privacy_impact_assessment",
	"service.name":                    "name: Registration of a birth",
	"service.summary":                 "summary: Register a child within three days.",
	"service.life_event":              "life_event: birth",
	"service.sectors":                 "sector: civil_status",
	"service.competent_body":          "accountable: Gemeente Kanaalstad, Burgerzaken",
	"service.identity_needed":         "identity_needed: no",
	"service.status":                  "status: in use since 2019-01",
	"notice.type":                     "notice: incident",
	"notice.text":                     "text: Two hours of unblurred video were open to a vendor.",
	"member.languages":                "languages: [nl, en]",
	"deployment.affected.group":       "affected: [Visitor bystander]",
	"data_use.legal_basis.term":       "legal_basis: official_authority, Gemeentewet art. 151c",
	"data_use.rights.term":            "rights: [access, correction, object]",
	"data_use.refusal.consequence":    "refusal: not_possible - The square can be avoided by Church Street.",
	"data_use.government_access.mode": "police: none",
}

// hintFor says what to write into a field.
func hintFor(path string, f *field) string {
	example, ok := examples[withoutIndexes(path)]
	if f.shape == shapeTerm {
		if ok {
			return "for example:  " + example + "        list: " + codesCommand(f.schemes)
		}
		return codesHint(f.schemes)
	}
	hint := ""
	if ok {
		hint = "for example:  " + example
	}
	if f.shape == shapeEnum {
		if hint != "" {
			hint += "        "
		}
		hint += "one of: " + strings.Join(valuesOf(f), ", ")
	}
	return hint
}

func valuesOf(f *field) []string {
	var out []string
	values := f.desc.Enum().Values()
	for i := range values.Len() {
		if v := values.Get(i); v.Number() != 0 {
			out = append(out, words(string(v.Name()), string(f.desc.Enum().Name())))
		}
	}
	return out
}

// withoutIndexes removes "[3]" from a path.
func withoutIndexes(path string) string {
	for {
		before, rest, ok := strings.Cut(path, "[")
		if !ok {
			return path
		}
		_, after, _ := strings.Cut(rest, "]")
		path = before + after
	}
}

// codesHint names the command that lists the codes of some schemes.
func codesHint(schemes []declarationv1.Scheme) string {
	return "list: " + codesCommand(schemes)
}

func codesCommand(list []declarationv1.Scheme) string {
	for _, k := range vocabulary.Kinds() {
		if len(list) > 0 && len(k.Schemes) > 0 && k.Schemes[0] == schemes[list[0]] {
			return "cityproof codes " + k.Name + " WORD"
		}
	}
	return "cityproof codes"
}

// suggestion is " Did you mean …?", or nothing.
func suggestion(list []declarationv1.Scheme, own vocabulary.Scheme, code string) string {
	var in []vocabulary.Scheme
	for _, s := range list {
		in = append(in, schemes[s])
	}
	if in == nil && own.Valid() {
		in = []vocabulary.Scheme{own}
	}
	t, err := vocabulary.Resolve(in, code)
	if err == nil {
		return fmt.Sprintf(" Did you mean %s of %s?", t.Code, t.Scheme)
	}
	var unknown *vocabulary.UnknownError
	if !errors.As(err, &unknown) || len(unknown.Suggestions) == 0 {
		return ""
	}
	names := make([]string, len(unknown.Suggestions))
	for i, s := range unknown.Suggestions {
		names[i] = s.Code
	}
	return " Did you mean " + strings.Join(names, " or ") + "?"
}

// maxNamed is how many subjects a message names.
const maxNamed = 5

// names lists subjects in a fixed order: "dep/3, dep/17 and 4 more".
func names(subjects []declaration.Subject) string {
	sorted := slices.Clone(subjects)
	sortSubjects(sorted)
	var first []string
	for _, s := range sorted[:min(len(sorted), maxNamed)] {
		first = append(first, s.String())
	}
	text := strings.Join(first, ", ")
	if more := len(sorted) - maxNamed; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
