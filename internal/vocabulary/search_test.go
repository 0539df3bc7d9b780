package vocabulary_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cityproof/cityproof/internal/vocabulary"
)

func TestSearchFinds(t *testing.T) {
	for _, c := range []struct{ kind, words, first string }{
		{"tech", "camera", "video_camera"},
		{"tech", "camra", "video_camera"},
		{"tech", "video camera", "video_camera"},
		{"tech", "VideoCamera", "video_camera"},
		{"tech", "video_camera", "video_camera"},
		{"tech", "cctv", "video_camera"},
		{"tech", "wi-fi sensor", "identifiable_wifi_sensor"},
		{"tech", "wi fi", "wireless_access_point"},
		{"tech", "drone", "unmanned_aircraft_system"},
		{"tech", "noise", "sound_level_meter"},
		{"tech", "bodycam", "body_worn_camera"},
		{"capability", "face", "FaceRecognition"},
		{"capability", "facial recogntion", "FaceRecognition"},
		{"capability", "number plates", "licence_plate_recognition"},
		{"capability", "plates", "licence_plate_recognition"},
		{"capability", "gait", "gait_recognition"},
		{"purpose", "fraud", "FraudPreventionAndDetection"},
		{"purpose", "DetectionFraud", "FraudPreventionAndDetection"},
		{"purpose", "parking", "mobility"},
		{"harm", "privacy", "compromise_of_privacy"},
		{"right", "delete my data", "right_be_forgotten"},
		{"data", "photographs", "Picture"},
		{"data", "ip address", "IPAddress"},
		{"legal_basis", "public task", "OfficialAuthorityOfController"},
		{"legal_basis", "gdpr 6(1)(e)", "A6-1-e"},
		{"measure", "blurred", "DataRedaction"},
		{"measure", "anonymization", "Anonymisation"},
		{"subject", "elderly", "ElderlyHuman"},
		{"standard", "37122", "ISO-37122"},
		{"standard", "privacy impact", "ISO-IEC-29134"},
		{"policy", "pia", "privacy_impact_assessment"},
		{"principle", "equity", "equity_inclusion_societal_impact"},
		{"local", "gunshot", "gunshot_detection"},
		{"", "microphone", "microphone"},
	} {
		got := vocabulary.Search(c.kind, c.words)
		if len(got) == 0 || got[0].Code != c.first {
			t.Errorf("Search(%q, %q) = %v, want %s first", c.kind, c.words, codes(got), c.first)
		}
	}
}

func TestSearchRanksByHowWellAWordFits(t *testing.T) {
	got := codes(vocabulary.Search("tech", "camera"))
	want := []string{"video_camera", "speed_camera", "body_worn_camera", "video_camera_infrared",
		"vehicle_mounted_camera",  // a word of the code, shortest first
		"image", "image_infrared", // a word of the label
		"person_detection", "unmanned_aircraft_system"} // a word of the gloss
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Search(tech, camera) (-want +got):\n%s", diff)
	}
	if got := codes(vocabulary.Search("standard", "37122")); len(got) != 1 {
		t.Errorf("Search(standard, 37122) = %v: another number is no slip of the pen", got)
	}
	if got := codes(vocabulary.Search("data", "food")); !slices.Equal(got, []string{"FavouriteFood"}) {
		t.Errorf("Search(data, food) = %v, want no near spelling (mood) where a word fits", got)
	}
}

func TestSearchKeepsToItsKind(t *testing.T) {
	if got := codes(vocabulary.Search("tech", "licence plate recognition")); slices.Contains(got, "licence_plate_recognition") {
		t.Errorf("Search(tech) = %v, which holds a capability", got)
	}
	if got := vocabulary.Search("gadget", "camera"); got != nil {
		t.Errorf("Search of an unknown kind = %v, want nil", codes(got))
	}
	if got := vocabulary.Search("tech", "zzzzzzzz"); len(got) != 0 {
		t.Errorf("Search(tech, zzzzzzzz) = %v, want nothing", codes(got))
	}
	if got := vocabulary.Search("tech", strings.Repeat("camera ", 100)); len(got) != 0 {
		t.Errorf("Search for 700 bytes = %v, want nothing", codes(got))
	}
	seen := make(map[vocabulary.Term]bool)
	for _, k := range vocabulary.Kinds() {
		all := vocabulary.Search(k.Name, "")
		if len(all) < 2 || all[len(all)-1].Code != vocabulary.Other {
			t.Errorf("Search(%q, \"\") = %v, want the whole kind and \"other\" last", k.Name, codes(all))
		}
		for i, term := range all {
			seen[term] = true
			if !k.Accepts(term) {
				t.Errorf("%v is listed under %s, which doesn't accept it", term, k.Name)
			}
			if term.Code == vocabulary.Other && i < len(all)-1 {
				t.Errorf("Search(%q, \"\") has \"other\" twice", k.Name)
			}
		}
	}
	for _, s := range vocabulary.Schemes() {
		for _, term := range vocabulary.Terms(s) {
			if term.Code != vocabulary.Other && !seen[term] {
				t.Errorf("no kind has %v", term)
			}
		}
	}
}

// TestEveryLocalTermHasAKindOfItsOwn: a LOCAL term without a flag would be found only under "local".
func TestEveryLocalTermHasAKindOfItsOwn(t *testing.T) {
	fields := vocabulary.FlagTech | vocabulary.FlagCapability | vocabulary.FlagData
	for _, term := range vocabulary.Terms(vocabulary.Local) {
		if term.Code != vocabulary.Other && term.Flags&fields == 0 {
			t.Errorf("%v is meant for no field", term)
		}
	}
}

func TestSuggest(t *testing.T) {
	for _, c := range []struct {
		scheme vocabulary.Scheme
		wrong  string
		first  string // "" means none
	}{
		{vocabulary.DTPRDeviceTech, "vido_camera", "video_camera"},
		{vocabulary.DTPRDeviceTech, "lidra", "li_dar"},
		{vocabulary.DPVAI, "FacialRecognition", "FaceRecognition"},
		{vocabulary.DPVAI, "FaceRecogniton", "FaceRecognition"},
		{vocabulary.DPVPurpose, "FraudPrevention", "FraudPreventionAndDetection"},
		{vocabulary.DTPRRight, "rigth_acces", "right_access"},
		{vocabulary.Local, "license_plate_recogniton", "licence_plate_recognition"},
		{vocabulary.DTPRDeviceTech, "zzzzzzzz", ""},
		{vocabulary.DTPRDeviceTech, "", ""},
		{"NO_SCHEME", "video_camera", ""},
		{vocabulary.DTPRDeviceTech, strings.Repeat("camera ", 100), ""},
	} {
		got := vocabulary.Suggest(c.scheme, c.wrong)
		if len(got) > 3 {
			t.Errorf("Suggest(%s, %q) = %v, want at most 3", c.scheme, c.wrong, codes(got))
		}
		first := ""
		if len(got) > 0 {
			first = got[0].Code
		}
		if first != c.first {
			t.Errorf("Suggest(%s, %q) = %v, want %q first", c.scheme, c.wrong, codes(got), c.first)
		}
	}
}

func codes(terms []vocabulary.Term) []string {
	out := make([]string, len(terms))
	for i, t := range terms {
		out[i] = t.Code
	}
	return out
}

func BenchmarkSearchAllKinds(b *testing.B) {
	for b.Loop() {
		vocabulary.Search("", "camera people")
	}
}
