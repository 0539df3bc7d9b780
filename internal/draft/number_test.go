package draft_test

import (
	"errors"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/draft"
)

// city is a registry from a map: next numbers by kind, subjects by kind and nickname.
type city struct {
	next  map[declaration.Kind]uint32
	names map[declaration.Kind]map[string]uint32
	err   error
}

func (c *city) Next(k declaration.Kind) (uint32, error) { return max(1, c.next[k]), c.err }

func (c *city) Lookup(k declaration.Kind, nickname string) (declaration.Subject, bool, error) {
	n, ok := c.names[k][nickname]
	return declaration.Subject{Kind: k, Number: n}, ok, c.err
}

func (c *city) Nicknames(k declaration.Kind) ([]string, error) {
	var out []string
	for n := range c.names[k] {
		out = append(out, n)
	}
	return out, c.err
}

func deployment(nickname string, uses ...string) *draft.Draft {
	body := &declarationv1.Body{Language: proto.String("en"), Record: &declarationv1.Body_Deployment{Deployment: &declarationv1.Deployment{DataUses: uses}}}
	if nickname != "" {
		body.Nickname = &nickname
	}
	return &draft.Draft{File: "f.yaml", Lines: map[string]int{"": 1, "deployment.data_uses": 5}, Operation: declaration.Publish, Body: body}
}

func dataUse(nickname string) *draft.Draft {
	return &draft.Draft{File: "f.yaml", Lines: map[string]int{"": 9}, Operation: declaration.Publish, Body: &declarationv1.Body{
		Language: proto.String("en"), Nickname: &nickname, Record: &declarationv1.Body_DataUse{DataUse: &declarationv1.DataUse{}}}}
}

func TestNumber(t *testing.T) {
	reg := &city{next: map[declaration.Kind]uint32{declaration.Deployment: 18, declaration.DataUse: 31},
		names: map[declaration.Kind]map[string]uint32{declaration.DataUse: {"old-video": 7}}}
	a, b := deployment("a", "video", "old-video", "use/3"), deployment("b", "sound")
	video, sound := dataUse("video"), dataUse("sound")
	drafts := []*draft.Draft{a, video, b, sound}
	if err := draft.Number(drafts, reg); err != nil {
		t.Fatal(err)
	}
	check := func(want ...string) {
		t.Helper()
		got := []string{a.Subject.String(), video.Subject.String(), b.Subject.String(), sound.Subject.String(),
			strings.Join(a.Body.GetDeployment().DataUses, " "), strings.Join(b.Body.GetDeployment().DataUses, " ")}
		if strings.Join(got, "; ") != strings.Join(want, "; ") {
			t.Errorf("numbered %q, want %q", got, want)
		}
	}
	check("dep/18", "use/31", "dep/19", "use/32", "use/31 use/7 use/3", "use/32")

	// Somebody else took use/31 and use/32 meanwhile. A reference that names use/31 in so
	// many words now is theirs, and stays.
	reg.next[declaration.DataUse] = 33
	if err := draft.Number(drafts, reg); err != nil {
		t.Fatal(err)
	}
	check("dep/18", "use/33", "dep/19", "use/34", "use/33 use/7 use/3", "use/34")
}

func TestNumberKeepsWhatWasWrittenSince(t *testing.T) {
	reg := &city{}
	a, video := deployment("a", "video"), dataUse("video")
	drafts := []*draft.Draft{a, video}
	if err := draft.Number(drafts, reg); err != nil {
		t.Fatal(err)
	}
	a.Body.GetDeployment().DataUses[0] = "use/99" // the officer's new word
	reg.next = map[declaration.Kind]uint32{declaration.DataUse: 5}
	if err := draft.Number(drafts, reg); err != nil {
		t.Fatal(err)
	}
	if got := a.Body.GetDeployment().DataUses[0]; got != "use/99" {
		t.Errorf("reference %q, want use/99", got)
	}
}

func TestNumberFindsTargets(t *testing.T) {
	reg := &city{names: map[declaration.Kind]map[string]uint32{
		declaration.DataUse: {"video": 7, "both": 1}, declaration.Deployment: {"plaza": 3, "both": 2}}}
	for target, want := range map[string]string{"video": "use/7", "plaza": "dep/3", "use/9": "use/9"} {
		d := &draft.Draft{Operation: declaration.Amend, Target: target, Body: &declarationv1.Body{}}
		if err := draft.Number([]*draft.Draft{d}, reg); err != nil || d.Subject.String() != want {
			t.Errorf("%s: %v, %v; want %s", target, d.Subject, err, want)
		}
	}
	// A notice about what the same batch amends finds it by its target.
	amend := &draft.Draft{Operation: declaration.Amend, Target: "video", Body: &declarationv1.Body{}}
	notice := &draft.Draft{Operation: declaration.Publish, Body: &declarationv1.Body{Record: &declarationv1.Body_Notice{Notice: &declarationv1.Notice{About: []string{"video"}}}}}
	if err := draft.Number([]*draft.Draft{amend, notice}, reg); err != nil || notice.Body.GetNotice().About[0] != "use/7" {
		t.Errorf("about %v, %v", notice.Body.GetNotice().About, err)
	}
}

func TestNumberRefuses(t *testing.T) {
	reg := &city{names: map[declaration.Kind]map[string]uint32{
		declaration.DataUse: {"plaza-video": 7, "both": 1}, declaration.Deployment: {"both": 2, "taken": 4}}}
	amend := func(target string) *draft.Draft {
		return &draft.Draft{File: "f.yaml", Lines: map[string]int{"": 3}, Operation: declaration.Amend, Target: target, Body: &declarationv1.Body{}}
	}
	withKind := amend("use/7")
	withKind.Body.Record = &declarationv1.Body_Deployment{Deployment: &declarationv1.Deployment{}}
	notice := &draft.Draft{File: "f.yaml", Operation: declaration.Publish, Body: &declarationv1.Body{
		Record: &declarationv1.Body_Notice{Notice: &declarationv1.Notice{About: []string{"both"}}}}}
	for name, c := range map[string]struct {
		drafts []*draft.Draft
		want   []string
	}{
		"unknown nickname, with line and suggestion": {[]*draft.Draft{deployment("a", "plaza-vidoe")}, []string{"f.yaml:5: deployment.data_uses[0]", "did you mean plaza-video?"}},
		"unknown nickname, suggestion of the batch":  {[]*draft.Draft{deployment("a", "soundd"), dataUse("sound")}, []string{"did you mean sound?"}},
		"a nickname of another kind":                 {[]*draft.Draft{deployment("a", "taken")}, []string{"no data_use has this nickname"}},
		"a number of another kind":                   {[]*draft.Draft{deployment("a", "dep/4")}, []string{"names a deployment, want a data_use"}},
		"nonsense":                                   {[]*draft.Draft{deployment("a", "use/x")}, []string{"neither a subject nor a nickname"}},
		"nickname taken":                             {[]*draft.Draft{deployment("taken")}, []string{"already belongs to dep/4", "amend: taken"}},
		"nickname twice":                             {[]*draft.Draft{deployment("a"), deployment("a")}, []string{"another deployment of this batch"}},
		"several problems at once":                   {[]*draft.Draft{deployment("a", "x"), deployment("taken", "y")}, []string{`"x"`, `"y"`, "dep/4"}},
		"target of two kinds":                        {[]*draft.Draft{amend("both")}, []string{"dep/2 or use/1", "write the number"}},
		"unknown target":                             {[]*draft.Draft{amend("plaza-vide")}, []string{"f.yaml:3", "did you mean plaza-video?"}},
		"target of another kind":                     {[]*draft.Draft{withKind}, []string{"names a data_use, the record is a deployment"}},
		"reference of two kinds":                     {[]*draft.Draft{notice}, []string{"dep/2 or use/1"}},
	} {
		err := draft.Number(c.drafts, reg)
		var problems draft.Problems
		if !errors.As(err, &problems) {
			t.Errorf("%s: %v, want Problems", name, err)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v; want %q", name, err, want)
			}
		}
	}
}

func TestNumberPassesRegistryErrorsOn(t *testing.T) {
	broken := errors.New("connection lost")
	for _, d := range []*draft.Draft{deployment("a"), deployment(""), {Operation: declaration.Amend, Target: "a", Body: &declarationv1.Body{}}} {
		if err := draft.Number([]*draft.Draft{d}, &city{err: broken}); !errors.Is(err, broken) {
			t.Errorf("%v, want %v", err, broken)
		}
	}
	full := &city{next: map[declaration.Kind]uint32{declaration.Deployment: 1_000_000_000}}
	if err := draft.Number([]*draft.Draft{deployment("a")}, full); err == nil {
		t.Error("a number beyond the pattern was given")
	}
}
