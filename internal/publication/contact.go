package publication

import (
	"slices"
	"strings"
)

// looksLikePerson guesses whether a mailbox is a person's: first.last@ or f.last@
// (V-08). It only warns: offices have two-word names too.
func looksLikePerson(contact string) bool {
	local, _, ok := strings.Cut(contact, "@")
	if !ok {
		return false
	}
	sep := strings.IndexAny(local, "._")
	if sep < 0 {
		return false
	}
	parts := strings.FieldsFunc(strings.ToLower(local), func(r rune) bool { return r == '.' || r == '_' || r == '-' })
	if len(parts) < 2 || len(parts) > 4 {
		return false
	}
	for _, p := range parts {
		if strings.ContainsFunc(p, func(r rune) bool { return r < 'a' || r > 'z' }) || roleWord(p) {
			return false
		}
	}
	return len(parts[len(parts)-1]) > 1
}

// roleWord reports whether a word is one of an office, in the languages of cities
// that publish registers today.
func roleWord(w string) bool {
	_, found := slices.BinarySearch(roleWords, w)
	return found
}

// roleWords is sorted.
var roleWords = []string{
	"access", "accessibility", "administracion", "afdeling", "ai", "algorithm", "algorithms", "algoritme", "algoritmes",
	"archive", "ayuntamiento", "bestuur", "board", "burgerzaken", "business", "camera", "cameras", "cctv", "centre",
	"citizen", "citizens", "city", "communication", "communications", "compliance", "contact", "control", "council",
	"customer", "cyber", "cybersecurity", "data", "datenschutz", "delegado", "department", "desk", "dienst", "digital",
	"digitale", "doe", "donnees", "dpo", "enquiries", "feedback", "fg", "foi", "freedom", "gegevens", "gegevensbescherming",
	"gemeente", "general", "governance", "health", "help", "helpdesk", "ict", "info", "informatie", "information",
	"innovation", "iot", "it", "kontakt", "legal", "loket", "mail", "mairie", "mobility", "municipal", "office", "officer",
	"open", "operations", "parking", "planning", "police", "policy", "politie", "press", "privacidad", "privacy",
	"proteccion", "protection", "public", "records", "register", "registry", "request", "requests", "responsable", "safety",
	"secretariat", "security", "sensor", "sensoren", "sensors", "service", "services", "servicio", "smart", "smartcity",
	"stad", "stadt", "standards", "street", "support", "team", "technology", "traffic", "transparency", "transport",
	"transporte", "urban", "verkeer", "ville", "web", "webmaster", "works",
}
