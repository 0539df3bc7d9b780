package shorthand

import (
	"strings"

	"golang.org/x/text/language"

	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/draft"
)

// WorkspaceFile is the name of the file with a folder's defaults.
const WorkspaceFile = "cityproof.yaml"

// Workspace holds the defaults for every file beside it. All of them may be empty
// but Language.
type Workspace struct {
	City        string // member id, "nl-kanaalstad"
	Node        string // URL of the city's node
	Language    string // BCP 47: of every text written as a plain string
	Country     string // ISO 3166-1, of the accountable body and of legal bases
	Accountable string // name of the body that answers for deployments and services
	Contact     string // role mailbox or telephone number, of that body and of every right
	Stored      string // one-line form of a storage, "city_cloud NL"
}

// Files gives the files that a declaration names, such as a list of sites or a
// report; names are relative to the declaring file, with forward slashes, and
// never lead out of its folder.
type Files interface {
	ReadFile(name string) ([]byte, error)
}

// ParseWorkspace reads cityproof.yaml. Unknown keys are errors. Errors are
// draft.Problems.
func ParseWorkspace(data []byte) (Workspace, error) {
	docs, err := draft.Read(WorkspaceFile, data)
	if err != nil {
		return Workspace{}, err
	}
	var ws Workspace
	var problems draft.Problems
	fail := func(line int, key, value, problem, do string, suggestions ...string) {
		problems = append(problems, &draft.SourceError{File: WorkspaceFile, Line: line, Path: key, Value: value,
			Problem: problem, Do: do, Suggestions: suggestions})
	}
	if len(docs) != 1 || docs[0].Shape != draft.Map {
		fail(docs[0].Line, "", "", "want one map", "write keys such as city: and language:")
		return Workspace{}, problems
	}
	targets := map[string]*string{"city": &ws.City, "node": &ws.Node, "language": &ws.Language, "country": &ws.Country,
		"accountable": &ws.Accountable, "contact": &ws.Contact, "stored": &ws.Stored}
	for _, e := range docs[0].Entries {
		to, ok := targets[e.Key]
		switch {
		case !ok:
			fail(e.Line, "", e.Key, "unknown key", "the keys are "+strings.Join(workspaceKeys, ", "), draft.Nearest(e.Key, workspaceKeys)...)
		case e.Value.Shape != draft.Scalar || e.Value.Absent || e.Value.Text == "":
			fail(e.Line, e.Key, "", "want a text", "write a value, or leave the key out")
		case e.Value.Hash && e.Key != "city" && e.Key != "language" && e.Key != "country":
			fail(e.Line, e.Key, e.Value.Text, hashProblem, hashAdvice)
		default:
			*to = e.Value.Text
			if problem := checkWorkspaceValue(e.Key, e.Value.Text); problem != "" {
				fail(e.Value.Line, e.Key, e.Value.Text, problem, "")
			}
		}
	}
	if len(problems) == 0 && ws.Language == "" {
		fail(docs[0].Line, "language", "", "the language of the texts is missing", "write for example language: nl")
	}
	if len(problems) > 0 {
		return Workspace{}, problems
	}
	return ws, nil
}

var workspaceKeys = []string{"city", "node", "language", "country", "accountable", "contact", "stored"}

func checkWorkspaceValue(key, value string) string {
	switch key {
	case "city":
		if err := declaration.CheckMemberID(value); err != nil {
			return err.Error()
		}
	case "language":
		if !isLanguage(value) {
			return "this is no language tag: want for example nl or pt-BR"
		}
	case "country":
		if !isCountry(value) {
			return "this is no country: want two capital letters of ISO 3166-1, for example NL"
		}
	case "stored":
		// Read as if it stood in a data use, so that a mistake is found once, here.
		r := newReader(WorkspaceFile, Workspace{}, nil)
		r.checkStored(value)
		if len(r.problems) > 0 {
			return r.problems[0].Problem
		}
	}
	return ""
}

// isLanguage reports whether s is a BCP 47 tag in its canonical form (V-03).
func isLanguage(s string) bool {
	tag, err := language.Raw.Parse(s)
	return err == nil && tag.String() == s && tag != language.Und
}

// isCountry reports whether s is an ISO 3166-1 alpha-2 code of a country.
func isCountry(s string) bool {
	if len(s) != 2 || strings.ToUpper(s) != s {
		return false
	}
	region, err := language.ParseRegion(s)
	return err == nil && region.IsCountry() && region.Canonicalize().String() == s
}
