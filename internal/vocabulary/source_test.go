package vocabulary_test

import (
	"encoding/csv"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/cityproof/cityproof/internal/vocabulary"
)

// sourceDir returns the directory of a source vocabulary's own files, which are not part of the repository.
func sourceDir(t *testing.T, name string) string {
	t.Helper()
	dir := filepath.Join("..", "..", "..", "shared", "data", name)
	if _, err := os.Stat(dir); err != nil {
		if strings.Contains(os.Getenv("CITYPROOF_REQUIRE"), "data") {
			t.Fatalf("source vocabulary %s is missing, and CITYPROOF_REQUIRE asks for data: %v", name, err)
		}
		t.Skipf("source vocabulary %s is not here", name)
	}
	return dir
}

// class is one row of a DPV extension's table.
type class struct {
	term, iri string
	types     []string
	broader   []string
}

func readDPV(t *testing.T, dir, extension string) []class {
	t.Helper()
	f, err := os.Open(filepath.Join(dir, extension+".csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatalf("reading %s.csv: %v", extension, err)
	}
	column := make(map[string]int)
	for i, name := range rows[0] {
		column[name] = i
	}
	var out []class
	for _, r := range rows[1:] {
		if r[column["type"]] != "class" { // the rest are properties such as hasLegalBasis
			continue
		}
		out = append(out, class{
			term: r[column["term"]], iri: r[column["iri"]],
			types:   strings.Split(r[column["dpvtype"]], ";"),
			broader: strings.Split(r[column["hasbroader"]], ";"),
		})
	}
	return out
}

func ofType(rows []class, types ...string) []class {
	return slices.DeleteFunc(slices.Clone(rows), func(c class) bool {
		return !slices.ContainsFunc(types, func(t string) bool { return slices.Contains(c.types, t) })
	})
}

func named(rows []class, names string) []class {
	want := strings.Fields(names)
	return slices.DeleteFunc(slices.Clone(rows), func(c class) bool { return !slices.Contains(want, c.term) })
}

func TestDPVCodesAndParentsAreThoseOfTheSource(t *testing.T) {
	dir := sourceDir(t, "dpv")
	dpv := readDPV(t, dir, "dpv")
	const ns = "https://w3id.org/dpv#"
	// Sorted as in the taken part: what the scheme's file says in its notice.
	want := map[vocabulary.Scheme][]class{
		vocabulary.DPVPurpose:    ofType(dpv, ns+"Purpose"),
		vocabulary.DPVAI:         ofType(readDPV(t, dir, "ai"), "https://w3id.org/dpv/ai#Capability"),
		vocabulary.DPVLegalBasis: append(ofType(dpv, ns+"LegalBasis"), ofType(readDPV(t, dir, "eu-gdpr"), ns+"LegalBasis")...),
		vocabulary.DPVMeasure: ofType(dpv, ns+"TechnicalMeasure", ns+"OrganisationalMeasure",
			ns+"LegalMeasure", ns+"PhysicalMeasure"),
		vocabulary.DPVDataSubject: append(ofType(dpv, ns+"HumanSubject"), named(dpv, "HumanSubject DataSubject")...),
		vocabulary.DPVPD: append(readDPV(t, dir, "pd"), named(dpv, `AnonymisedData CollectedPersonalData
			DerivedPersonalData GeneratedPersonalData IdentifyingPersonalData InferredPersonalData NonPersonalData
			ObservedPersonalData PersonalData ProvidedPersonalData PseudonymisedData SensitivePersonalData
			SpecialCategoryPersonalData SyntheticData`)...),
	}
	for scheme, rows := range want {
		t.Run(string(scheme), func(t *testing.T) {
			byTerm := make(map[string][]class)
			codeOf := make(map[string]string) // IRI to code
			for _, c := range rows {
				byTerm[c.term] = append(byTerm[c.term], c)
				codeOf[c.iri] = c.term
			}
			compareCodes(t, scheme, byTerm)
			for _, c := range rows {
				term, _ := vocabulary.Lookup(scheme, c.term)
				got := term.Parents()
				for _, b := range c.broader {
					if p, ok := codeOf[b]; ok && p != c.term && !slices.Contains(got, p) {
						t.Errorf("parents of %q are %v, and the source also has %q", c.term, got, p)
					}
				}
			}
			for _, term := range vocabulary.Terms(scheme) {
				for _, p := range term.Parents() {
					if !slices.ContainsFunc(byTerm[term.Code], func(c class) bool {
						return slices.ContainsFunc(c.broader, func(b string) bool { return codeOf[b] == p })
					}) {
						t.Errorf("%q has the parent %q, which the source doesn't give it", term.Code, p)
					}
				}
			}
		})
	}
}

// TestSpecialCategoriesAreThoseOfTheSource holds the parent chain against the source's own marks.
func TestSpecialCategoriesAreThoseOfTheSource(t *testing.T) {
	for _, c := range readDPV(t, sourceDir(t, "dpv"), "pd") {
		want := slices.Contains(c.types, "https://w3id.org/dpv#SpecialCategoryPersonalData") || c.term == "Ethnicity"
		if got := vocabulary.SpecialCategoryData(vocabulary.DPVPD, c.term); got != want {
			t.Errorf("SpecialCategoryData(%q) = %v, want %v", c.term, got, want)
		}
	}
}

func compareCodes[V any](t *testing.T, scheme vocabulary.Scheme, want map[string]V) {
	t.Helper()
	got := make(map[string]bool)
	for _, term := range vocabulary.Terms(scheme) {
		if term.Code == vocabulary.Other {
			continue
		}
		got[term.Code] = true
		if _, ok := want[term.Code]; !ok {
			t.Errorf("%s has %q, which the source lacks", scheme, term.Code)
		}
	}
	for _, code := range slices.Sorted(maps.Keys(want)) {
		if !got[code] {
			t.Errorf("%s lacks %q of the source", scheme, code)
		}
	}
}

var (
	dtprID       = regexp.MustCompile(`(?m)^id: (\S+)`)
	dtprCategory = regexp.MustCompile(`(?m)^category_id: (\S+)`)
	dtprChain    = regexp.MustCompile(`(?m)^ *- ((?:device|ai)__\S+)`)
)

func TestDTPRCodesAreThoseOfTheSource(t *testing.T) {
	dir := sourceDir(t, "dtpr-taxonomy")
	byCategory := make(map[string]map[string]bool)
	add := func(category, id string) {
		if byCategory[category] == nil {
			byCategory[category] = make(map[string]bool)
		}
		byCategory[category][id] = true
	}
	elements, err := filepath.Glob(filepath.Join(dir, "ai-*__elements__*.yaml"))
	if err != nil || len(elements) == 0 {
		t.Fatalf("AI elements: %v, %v", elements, err)
	}
	for _, name := range elements {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		id, category := dtprID.FindStringSubmatch(string(data)), dtprCategory.FindStringSubmatch(string(data))
		if id == nil || category == nil {
			t.Fatalf("%s has no id or no category", filepath.Base(name))
		}
		add("ai:"+category[1], id[1])
	}
	v1, err := os.ReadFile(filepath.Join(dir, "dtpr-v1-device-and-ai.en-fr-es-pt.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range strings.Split(string(v1), "#### FILE ")[1:] {
		if id := dtprID.FindStringSubmatch(file); id != nil {
			for _, c := range dtprChain.FindAllStringSubmatch(file, -1) {
				add("v1:"+c[1], id[1])
			}
		}
	}
	for scheme, categories := range map[vocabulary.Scheme][]string{
		vocabulary.DTPRDeviceTech: {"v1:device__tech"},
		vocabulary.DTPRPurpose:    {"v1:device__purpose", "v1:ai__purpose", "ai:purpose"},
		vocabulary.DTPRProcessing: {"v1:device__process", "ai:processing"},
		vocabulary.DTPRHarm:       {"v1:ai__risks_mitigation", "ai:risks_mitigation"},
		vocabulary.DTPRRight:      {"v1:ai__rights", "ai:rights"},
	} {
		t.Run(string(scheme), func(t *testing.T) {
			want := make(map[string]bool)
			for _, c := range categories {
				if len(byCategory[c]) == 0 {
					t.Fatalf("the source has no category %s", c)
				}
				maps.Copy(want, byCategory[c])
			}
			if scheme == vocabulary.DTPRProcessing {
				// The source lists these as purposes; they are also what a system does, and are taken as both.
				for _, id := range []string{"content_moderation", "risk_assessment", "translation_language"} {
					want[id] = byCategory["ai:purpose"][id]
				}
			}
			compareCodes(t, scheme, want)
		})
	}
}
