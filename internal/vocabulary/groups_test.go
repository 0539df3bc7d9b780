package vocabulary_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cityproof/cityproof/internal/vocabulary"
)

// TestGroupsHoldExactlyTheseCodes names every member, so that a new code that a parent or a list draws into a
// rule is seen by a person.
func TestGroupsHoldExactlyTheseCodes(t *testing.T) {
	for _, c := range []struct {
		name   string
		in     func(vocabulary.Scheme, string) bool
		scheme vocabulary.Scheme
		want   string
	}{
		{"V-10 tech", vocabulary.SensesPeopleTech, vocabulary.DTPRDeviceTech, `biometrics de_identified_image
			de_identified_video de_identified_voice facial_characterization identifiable_image identifiable_video
			identifiable_wifi_sensor image image_infrared intercom microphone non_identifiable_video
			person_detection video_camera video_camera_infrared voice wireless_access_point`},
		{"V-10 local", vocabulary.SensesPeopleTech, vocabulary.Local, `bluetooth_sensor body_worn_camera
			cell_site_simulator speed_camera vehicle_mounted_camera`},
		{"V-14", vocabulary.HighRiskCapability, vocabulary.DPVAI, `BiometricCategorisation
			BiometricEmotionRecognition BiometricIdentification EmotionRecognition FaceRecognition
			LocalBiometricIdentification PostTimeBiometricIdentification RealTimeBiometricIdentification
			RemoteBiometricIdentification`},
		{"V-14 local", vocabulary.HighRiskCapability, vocabulary.Local, "gait_recognition"},
		{"V-21", vocabulary.CitationLegalBasis, vocabulary.DPVLegalBasis, `A49-1-d A6-1-c A6-1-e
			A6-1-e-official-authority A6-1-e-public-interest A9-2-g A9-2-i A9-2-j LegalObligation
			OfficialAuthorityOfController PublicInterest`},
		{"V-29", vocabulary.ConsentLegalBasis, vocabulary.DPVLegalBasis, `A49-1-a A6-1-a
			A6-1-a-explicit-consent A6-1-a-non-explicit-consent A9-2-a Consent ExplicitlyExpressedConsent
			ExpressedConsent ImpliedConsent InformedConsent UninformedConsent`},
		{"no person", vocabulary.NonPersonalData, vocabulary.DPVPD, "AnonymisedData NonPersonalData SyntheticData"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			for _, s := range vocabulary.Schemes() {
				for _, term := range vocabulary.Terms(s) {
					if s == c.scheme && c.in(s, term.Code) {
						got = append(got, term.Code)
					}
				}
			}
			slices.Sort(got)
			if diff := cmp.Diff(strings.Fields(c.want), got); diff != "" {
				t.Errorf("group (-want +got):\n%s", diff)
			}
			if c.in("DTPR_PURPOSE", got[0]) || c.in(c.scheme, vocabulary.Other) || c.in(c.scheme, "") {
				t.Error("the group holds a code of another scheme, \"other\" or no code")
			}
		})
	}
}

func TestSpecialCategoryDataFollowsParents(t *testing.T) {
	for code, want := range map[string]bool{
		"FacialPrint": true, "Health": true, "MentalHealth": true, "Religion": true, "Ethnicity": true,
		"SpecialCategoryPersonalData": true, "Picture": false, "Income": false, "NonPersonalData": false, "nothing": false,
	} {
		if got := vocabulary.SpecialCategoryData(vocabulary.DPVPD, code); got != want {
			t.Errorf("SpecialCategoryData(%q) = %v, want %v", code, got, want)
		}
	}
}

func TestWatchTermsAreTheFourOfO25(t *testing.T) {
	matches := [][]string{
		{"DPV_AI:FaceRecognition"},
		{"LOCAL:licence_plate_recognition"},
		{"LOCAL:predictive_policing"},
		{"DTPR_DEVICE_TECH:identifiable_wifi_sensor", "LOCAL:wifi_tracking"},
	}
	names := []string{"face recognition", "licence plates", "predictive policing", "Wi-Fi tracking"}
	terms := vocabulary.WatchTerms()
	if len(terms) != len(names) {
		t.Fatalf("there are %d watch terms, want %d", len(terms), len(names))
	}
	for i, w := range terms {
		if w.Name != names[i] || w.Term.IsZero() {
			t.Errorf("watch term %d is %q %v, want %q", i, w.Name, w.Term, names[i])
		}
		var got []string
		for _, s := range vocabulary.Schemes() {
			for _, term := range vocabulary.Terms(s) {
				if w.Matches(s, term.Code) {
					got = append(got, term.String())
				}
			}
		}
		if diff := cmp.Diff(matches[i], got); diff != "" {
			t.Errorf("codes that %q matches (-want +got):\n%s", w.Name, diff)
		}
	}
}

func TestCarries(t *testing.T) {
	ai, local, tech := vocabulary.DPVAI, vocabulary.Local, vocabulary.DTPRDeviceTech
	for _, c := range []struct {
		scheme       vocabulary.Scheme
		code         string
		wantedScheme vocabulary.Scheme
		wanted       string
		want         bool
	}{
		{ai, "FaceRecognition", ai, "FaceRecognition", true},
		{ai, "RealTimeBiometricIdentification", ai, "BiometricIdentification", true},
		{ai, "BiometricIdentification", ai, "RealTimeBiometricIdentification", false},
		{tech, "identifiable_wifi_sensor", local, "wifi_tracking", true},
		{tech, "wireless_access_point", local, "wifi_tracking", false},
		{local, "FaceRecognition", ai, "FaceRecognition", false},
		{ai, "other", ai, "other", false},
	} {
		if got := vocabulary.Carries(c.scheme, c.code, c.wantedScheme, c.wanted); got != c.want {
			t.Errorf("Carries(%s, %q, %s, %q) = %v, want %v", c.scheme, c.code, c.wantedScheme, c.wanted, got, c.want)
		}
	}
}

func TestFoundationalPoliciesServeOnePrincipleEach(t *testing.T) {
	var flagged []string
	for _, term := range vocabulary.Terms(vocabulary.GSCAPolicy) {
		if term.Flags&vocabulary.FlagFoundational != 0 {
			flagged = append(flagged, term.Code)
		}
	}
	var got []string
	for i, f := range vocabulary.FoundationalPolicies() {
		if f.Policy.IsZero() || f.Principle != i+1 {
			t.Errorf("policy %d is %v for principle %d", i, f.Policy, f.Principle)
		}
		got = append(got, f.Policy.Code)
	}
	slices.Sort(got)
	slices.Sort(flagged)
	if diff := cmp.Diff(flagged, got); diff != "" || len(got) != 5 {
		t.Errorf("foundational policies by flag and by function differ (-flag +function):\n%s", diff)
	}
	if n := len(vocabulary.Terms(vocabulary.GSCAPolicy)); n != 17 {
		t.Errorf("there are %d policies with \"other\", want 17", n)
	}
	if got := vocabulary.Terms(vocabulary.GSCAPrinciple)[0].Code; got != "transparency_and_privacy" {
		t.Errorf("principle 1 is %q", got)
	}
}
