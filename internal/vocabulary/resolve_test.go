package vocabulary_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/cityproof/cityproof/internal/vocabulary"
)

// TestWordsOfTheExamplesResolve holds every code word that the project's example declarations use.
func TestWordsOfTheExamplesResolve(t *testing.T) {
	for _, c := range []struct{ kind, word, want string }{
		{"tech", "video_camera", "DTPR_DEVICE_TECH:video_camera"},
		{"tech", "de_identified_video", "DTPR_DEVICE_TECH:de_identified_video"},
		{"purpose", "safety_security", "DTPR_PURPOSE:safety_security"},
		{"purpose", "FraudPreventionAndDetection", "DPV_PURPOSE:FraudPreventionAndDetection"},
		{"data", "Picture", "DPV_PD:Picture"},
		{"data", "Income", "DPV_PD:Income"},
		{"data", "HomeLocation", "DPV_PD:HomeLocation"},
		{"legal_basis", "official_authority", "DPV_LEGAL_BASIS:OfficialAuthorityOfController"},
		{"legal_basis", "legal_obligation", "DPV_LEGAL_BASIS:LegalObligation"},
		{"right", "access", "DTPR_RIGHT:right_access"},
		{"right", "correction", "DTPR_RIGHT:right_correction"},
		{"right", "object", "DTPR_RIGHT:right_object"},
		{"right", "contest", "DTPR_RIGHT:right_contest"},
		{"harm", "civil_liberties_harm", "DTPR_HARM:civil_liberties_harm"},
		{"capability", "FaceRecognition", "DPV_AI:FaceRecognition"},
		{"capability", "licence_plate_recognition", "LOCAL:licence_plate_recognition"},
		{"capability", "predictive_policing", "LOCAL:predictive_policing"},
		{"capability", "wifi_tracking", "LOCAL:wifi_tracking"},
		{"policy", "privacy_impact_assessment", "GSCA_POLICY:privacy_impact_assessment"},
	} {
		got, err := vocabulary.ResolveKind(c.kind, c.word)
		if err != nil || got.String() != c.want {
			t.Errorf("ResolveKind(%q, %q) = %v, %v, want %s", c.kind, c.word, got, err, c.want)
		}
	}
}

func TestResolveTakesOtherSpellingsAndAliases(t *testing.T) {
	for _, c := range []struct{ kind, word, want string }{
		{"tech", "Video camera", "video_camera"},
		{"tech", "CCTV", "video_camera"},
		{"tech", "LiDAR", "li_dar"},
		{"tech", "drone", "unmanned_aircraft_system"},
		{"capability", "face_recognition", "FaceRecognition"},
		{"capability", "ANPR", "licence_plate_recognition"},
		{"capability", "license plate recognition", "licence_plate_recognition"},
		{"capability", "Wi-Fi tracking", "wifi_tracking"},
		{"purpose", "fraud prevention and detection", "FraudPreventionAndDetection"},
		{"legal_basis", "consent", "Consent"},
		{"legal_basis", "public_interest", "PublicInterest"},
		{"legal_basis", "vital_interest", "VitalInterest"},
		{"legal_basis", "contract", "Contract"},
		{"legal_basis", "legitimate_interest", "LegitimateInterest"},
		{"legal_basis", "GDPR 6(1)(e)", "A6-1-e"},
		{"legal_basis", "Art. 9(2)(g)", "A9-2-g"},
		{"right", "be_forgotten", "right_be_forgotten"},
		{"right", "algorithmic_transparency", "right_algorithmic_transparency"},
		{"right", "individual_decision_explanation", "right_individual_decision_explanation"},
		{"right", "non_discrimination", "right_non_discrimination"},
		{"right", "purpose_limitation", "right_purpose_limitation"},
		{"right", "to_human_review", "right_to_human_review"},
		{"right", "human review", "right_to_human_review"},
		{"right", "to_notice", "right_to_notice"},
		{"right", "notice", "right_to_notice"},
		{"data", "vehicle_license_number", "VehicalLicenseNumber"},
		{"subject", "children", "Child"},
		{"data", "movement pattern", "movement_pattern"},
		{"standard", "ISO 37122", "ISO-37122"},
		{"standard", "ISO/IEC 29134", "ISO-IEC-29134"},
		{"standard", "iso 27001", "ISO-IEC-27001"},
		{"standard", "ITU-T Y.4903", "ITU-T-Y.4903"},
		{"standard", "OASC MIM7", "OASC-MIM7"},
		{"standard", "EN 303 645", "ETSI-EN-303-645"},
		{"policy", "PIA", "privacy_impact_assessment"},
		{"tech", "Other", "other"},
		{"purpose", "OTHER", "other"},
	} {
		got, err := vocabulary.ResolveKind(c.kind, c.word)
		if err != nil || got.Code != c.want {
			t.Errorf("ResolveKind(%q, %q) = %v, %v, want %s", c.kind, c.word, got, err, c.want)
		}
	}
}

// TestEveryCodeAndAliasResolvesToItsTerm: no code of a kind hides another, and no alias is taken twice.
func TestEveryCodeAndAliasResolvesToItsTerm(t *testing.T) {
	for _, k := range vocabulary.Kinds() {
		for _, term := range vocabulary.Search(k.Name, "") {
			for _, word := range append(term.Aliases(), term.Code, strings.ToUpper(term.Code)) {
				if got, err := vocabulary.ResolveKind(k.Name, word); err != nil || got != term {
					t.Errorf("ResolveKind(%q, %q) = %v, %v, want %v", k.Name, word, got, err, term)
				}
			}
		}
	}
}

// TestFieldsOfSeveralSchemesHaveNoAmbiguousWord takes the lists of schemes that single fields allow.
func TestFieldsOfSeveralSchemesHaveNoAmbiguousWord(t *testing.T) {
	for field, schemes := range map[string][]vocabulary.Scheme{
		"nil statement":     {vocabulary.DPVAI, vocabulary.DTPRDeviceTech, vocabulary.Local},
		"commitment target": {vocabulary.GSCAPolicy, vocabulary.GSCAPrinciple, vocabulary.Standard, vocabulary.Local},
		"tech":              {vocabulary.DTPRDeviceTech, vocabulary.Local},
		"capabilities":      {vocabulary.DPVAI, vocabulary.Local},
		"purpose":           {vocabulary.DTPRPurpose, vocabulary.DPVPurpose},
		"categories":        {vocabulary.DPVPD, vocabulary.Local},
	} {
		for _, s := range schemes {
			for _, term := range vocabulary.Terms(s) {
				for _, word := range append(term.Aliases(), strings.ToUpper(term.Code)) {
					if term.Code == vocabulary.Other {
						continue
					}
					if got, err := vocabulary.Resolve(schemes, word); err != nil || got != term {
						t.Errorf("%s: Resolve(%q) = %v, %v, want %v", field, word, got, err, term)
					}
				}
			}
		}
	}
}

func TestResolveLooksInTheSchemesInOrder(t *testing.T) {
	schemes := []vocabulary.Scheme{vocabulary.DTPRPurpose, vocabulary.DTPRProcessing}
	got, err := vocabulary.Resolve(schemes, "risk_assessment")
	if err != nil || got.Scheme != vocabulary.DTPRPurpose {
		t.Errorf("Resolve(%v, risk_assessment) = %v, %v, want the first scheme's", schemes, got, err)
	}
}

func TestResolveRefusesWhatItWouldHaveToGuess(t *testing.T) {
	var unknown *vocabulary.UnknownError
	_, err := vocabulary.ResolveKind("tech", "vidoe_camera")
	if !errors.As(err, &unknown) {
		t.Fatalf("ResolveKind(tech, vidoe_camera) = %v, want an UnknownError", err)
	}
	if len(unknown.Suggestions) == 0 || unknown.Suggestions[0].Code != "video_camera" {
		t.Errorf("suggestions for vidoe_camera are %v, want video_camera first", unknown.Suggestions)
	}
	if want := `unknown code "vidoe_camera" in DTPR_DEVICE_TECH, LOCAL; did you mean video_camera`; !strings.HasPrefix(err.Error(), want) {
		t.Errorf("error is %q, want it to start %q", err, want)
	}

	_, err = vocabulary.ResolveKind("tech", "face recognition")
	if !errors.As(err, &unknown) || len(unknown.Elsewhere) != 1 || unknown.Elsewhere[0].String() != "DPV_AI:FaceRecognition" {
		t.Errorf("ResolveKind(tech, face recognition) = %v, want it to say where the code belongs", err)
	}
	_, err = vocabulary.ResolveKind("tech", "licence_plate_recognition")
	if !errors.As(err, &unknown) || len(unknown.Elsewhere) != 1 || unknown.Elsewhere[0].Scheme != vocabulary.Local {
		t.Errorf("ResolveKind(tech, licence_plate_recognition) = %v, want a refusal: LOCAL has it as a capability", err)
	}

	var ambiguous *vocabulary.AmbiguousError
	_, err = vocabulary.Resolve([]vocabulary.Scheme{vocabulary.DTPRProcessing, vocabulary.DPVAI}, "Computer Vision")
	if !errors.As(err, &ambiguous) || len(ambiguous.Matches) != 2 {
		t.Errorf("Resolve of a word that fits two schemes = %v, want an AmbiguousError with both", err)
	}

	for _, word := range []string{"", " ", "---", "camera", "x", strings.Repeat("video_camera", 1000)} {
		if got, err := vocabulary.ResolveKind("tech", word); !errors.As(err, &unknown) || !got.IsZero() {
			t.Errorf("ResolveKind(tech, %.30q) = %v, %v, want an UnknownError", word, got, err)
		} else if len(err.Error()) > 1000 {
			t.Errorf("error for a word of %d bytes has %d bytes", len(word), len(err.Error()))
		}
	}
	if _, err := vocabulary.ResolveKind("gadget", "x"); err == nil || !strings.Contains(err.Error(), "legal_basis") {
		t.Errorf("ResolveKind(gadget) = %v, want an error that lists the kinds", err)
	}
	if _, err := vocabulary.Resolve(nil, "video_camera"); !errors.As(err, &unknown) {
		t.Errorf("Resolve in no scheme = %v, want an UnknownError", err)
	}
}

func FuzzResolve(f *testing.F) {
	for _, s := range []string{"video_camera", "Wi-Fi tracking", "GDPR 6(1)(e)", "other", "", "\xff\xfe", "ſİ", "ISO/IEC 29134"} {
		f.Add("capability", s)
		f.Add("", s)
	}
	f.Fuzz(func(t *testing.T, kind, word string) {
		schemes := vocabulary.Schemes()
		if k, ok := vocabulary.KindByName(kind); ok {
			schemes = k.Schemes
		}
		term, err := vocabulary.Resolve(schemes, word)
		var unknown *vocabulary.UnknownError
		var ambiguous *vocabulary.AmbiguousError
		switch {
		case err == nil:
			if again, ok := vocabulary.Lookup(term.Scheme, term.Code); !ok || again != term {
				t.Errorf("Resolve(%q) = %v, which Lookup doesn't know", word, term)
			}
		case errors.As(err, &unknown):
			if len(unknown.Suggestions) > 3 {
				t.Errorf("Resolve(%q) suggests %d terms", word, len(unknown.Suggestions))
			}
		case !errors.As(err, &ambiguous) || len(ambiguous.Matches) < 2:
			t.Errorf("Resolve(%q) = %v, an error of no known type", word, err)
		}
		if len(err2s(err)) > 4096 {
			t.Errorf("Resolve(%.40q): the error has %d bytes", word, len(err2s(err)))
		}
		for _, found := range vocabulary.Search(kind, word) {
			if found.IsZero() {
				t.Errorf("Search(%q, %q) holds the zero term", kind, word)
			}
		}
	})
}

func err2s(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
