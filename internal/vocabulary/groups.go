package vocabulary

import "slices"

// The groups below are what rules ask about a code. They work on scheme and code as a declaration carries
// them; a code that the scheme lacks, and "other", belong to no group.

// IsA reports whether code is ancestor or, through parents, a narrower term of it, both in one scheme.
func IsA(scheme Scheme, code, ancestor string) bool {
	t := builtin.table(scheme)
	seen := make(map[string]bool)
	queue := []string{code}
	for len(queue) > 0 {
		c := queue[0]
		queue = queue[1:]
		term, ok := t.byCode[c]
		if !ok || seen[c] {
			continue
		}
		if c == ancestor {
			return true
		}
		seen[c] = true
		queue = append(queue, term.row.parents...)
	}
	return false
}

func isAny(scheme Scheme, code string, ancestors ...string) bool {
	return slices.ContainsFunc(ancestors, func(a string) bool { return IsA(scheme, code, a) })
}

// peopleTech is camera, microphone and Wi-Fi technology by code, and what takes its place under other names:
// Bluetooth sensors and cell-site simulators see phones as Wi-Fi sensors do. A sound level meter is not here
// (it keeps loudness only), nor a drone (its camera is named beside it).
var peopleTech = map[Scheme][]string{
	DTPRDeviceTech: {
		"video_camera", "video_camera_infrared", "identifiable_video", "de_identified_video", "non_identifiable_video",
		"image", "image_infrared", "identifiable_image", "de_identified_image",
		"facial_characterization", "person_detection", "biometrics",
		"microphone", "voice", "de_identified_voice", "intercom",
		"identifiable_wifi_sensor", "wireless_access_point",
	},
	Local: {"body_worn_camera", "vehicle_mounted_camera", "speed_camera", "bluetooth_sensor", "cell_site_simulator"},
}

// SensesPeopleTech reports whether a technology is a camera, a microphone or Wi-Fi equipment, so that a
// deployment that claims to sense nobody is warned about and listed (V-10).
func SensesPeopleTech(scheme Scheme, code string) bool {
	return slices.Contains(peopleTech[scheme], code)
}

// HighRiskCapability reports whether a capability forces impact HIGH and a data use of special categories
// (V-14): face recognition, biometric identification of any kind, biometric categorisation and emotion
// recognition, with their narrower terms. Gait recognition, our own term, identifies by the body and counts
// too: otherwise LOCAL would be the way round the rule.
func HighRiskCapability(scheme Scheme, code string) bool {
	switch scheme {
	case DPVAI:
		return isAny(DPVAI, code, "FaceRecognition", "BiometricIdentification", "BiometricCategorisation", "EmotionRecognition")
	case Local:
		return code == "gait_recognition"
	}
	return false
}

// CitationLegalBasis reports whether a legal basis must cite its law (V-21): legal obligation, public
// interest and official authority, with their GDPR articles (6(1)(c) and (e), 9(2)(g), (i) and (j), 49(1)(d)).
func CitationLegalBasis(scheme Scheme, code string) bool {
	return scheme == DPVLegalBasis && isAny(DPVLegalBasis, code, "LegalObligation", "PublicInterest", "OfficialAuthorityOfController")
}

// ConsentLegalBasis reports whether a legal basis is consent, so that it must say how to withdraw it (V-29).
func ConsentLegalBasis(scheme Scheme, code string) bool {
	return scheme == DPVLegalBasis && IsA(DPVLegalBasis, code, "Consent")
}

// SpecialCategoryData reports whether a kind of personal data is a special category (health, belief, origin,
// biometrics …), which a data use that says special_category = false contradicts. Ethnicity counts, though the
// source lists only EthnicOrigin as one.
func SpecialCategoryData(scheme Scheme, code string) bool {
	return scheme == DPVPD && isAny(DPVPD, code, "SpecialCategoryPersonalData", "Ethnicity")
}

// NonPersonalData reports whether a kind of data concerns no identifiable person.
func NonPersonalData(scheme Scheme, code string) bool {
	return scheme == DPVPD && isAny(DPVPD, code, "NonPersonalData", "SyntheticData")
}

// A WatchTerm is one about which every city either declares a deployment or states that it has none (O-25).
type WatchTerm struct {
	Name string // as in the rules: "face recognition"
	Term Term   // the term that a nil statement names
}

// watchTerms are in the order of O-25.
var watchTerms = []struct {
	name   string
	scheme Scheme
	code   string
}{
	{"face recognition", DPVAI, "FaceRecognition"},
	{"licence plates", Local, "licence_plate_recognition"},
	{"predictive policing", Local, "predictive_policing"},
	{"Wi-Fi tracking", Local, "wifi_tracking"},
}

// WatchTerms returns the watch terms in the order of O-25. The slice is the caller's.
func WatchTerms() []WatchTerm {
	out := make([]WatchTerm, len(watchTerms))
	for i, w := range watchTerms {
		t, _ := Lookup(w.scheme, w.code)
		out[i] = WatchTerm{Name: w.name, Term: t}
	}
	return out
}

// Matches reports whether a deployment that carries this code uses what the watch term names.
func (w WatchTerm) Matches(scheme Scheme, code string) bool {
	return Carries(scheme, code, w.Term.Scheme, w.Term.Code)
}

// Carries reports whether a record that names code thereby names the term wanted: it is the same code, a
// narrower one of the same scheme, or one of another scheme that can't be used without it. A nil statement
// about wanted is contradicted by a live deployment that carries it (V-43).
func Carries(scheme Scheme, code string, wantedScheme Scheme, wanted string) bool {
	if code == Other {
		return false
	}
	if scheme == wantedScheme {
		return IsA(scheme, code, wanted)
	}
	// A sensor that tells one phone's Wi-Fi from another's is what Wi-Fi tracking is done with.
	return wantedScheme == Local && wanted == "wifi_tracking" &&
		scheme == DTPRDeviceTech && code == "identifiable_wifi_sensor"
}

// foundational are the five policies that O-26 asks for, each with the principle that it serves, 1 to 5.
var foundational = []struct {
	code      string
	principle int
}{
	{"privacy_impact_assessment", 1},
	{"cyber_accountability", 2},
	{"open_data", 3},
	{"dig_once", 4},
	{"ict_accessibility", 5},
}

// A FoundationalPolicy is one of the five model policies that every member is expected to adopt.
type FoundationalPolicy struct {
	Policy    Term
	Principle int // 1 to 5, the place in Terms(GSCAPrinciple) counted from 1
}

// FoundationalPolicies returns the five policies of O-26 in the order of their principles.
func FoundationalPolicies() []FoundationalPolicy {
	out := make([]FoundationalPolicy, len(foundational))
	for i, f := range foundational {
		t, _ := Lookup(GSCAPolicy, f.code)
		out[i] = FoundationalPolicy{Policy: t, Principle: f.principle}
	}
	return out
}
