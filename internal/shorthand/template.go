package shorthand

import (
	"embed"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"text/template"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/cityproof/cityproof/internal/draft"
)

//go:embed templates/*.yaml
var templates embed.FS

// Cases lists the cases that Template knows, in the order of help texts.
func Cases() []string {
	return []string{"camera", "algorithm", "platform", "twin", "app", "service", "incident", "none", "pledge", "member"}
}

// Template returns a commented file for a case, in which the questions to answer are
// values of "?", each with an example behind it; what the workspace says is not
// asked. questions counts the question marks, filled the values that the workspace
// gives to the records once all is answered.
func Template(caseName string, ws Workspace) (text string, questions, filled int, err error) {
	source, err := templates.ReadFile("templates/" + caseName + ".yaml")
	if err != nil {
		return "", 0, 0, unknownCase(caseName)
	}
	t, err := template.New(caseName).Parse(string(source))
	if err != nil {
		return "", 0, 0, fmt.Errorf("parsing template %s: %w", caseName, err)
	}
	var b strings.Builder
	if err := t.Execute(&b, ws); err != nil {
		return "", 0, 0, fmt.Errorf("filling template %s: %w", caseName, err)
	}
	text = b.String()
	filled, err = countFilled(text, ws)
	return text, len(question.FindAllString(text, -1)), filled, err
}

func unknownCase(name string) error {
	problem := fmt.Sprintf("unknown case %q: the cases are %s", name, strings.Join(Cases(), ", "))
	if near := draft.Nearest(name, Cases()); len(near) > 0 {
		problem += "; did you mean " + strings.Join(near, " or ") + "?"
	}
	return errors.New(problem)
}

// question is a line to answer, with its example.
var question = regexp.MustCompile(`(?m)^( *(?:- )?[a-z_]+: )\?  # e\.g\. (.+)$`)

// Answered returns a template's text with each question answered by its example.
func Answered(text string) string { return question.ReplaceAllString(text, "$1$2") }

// countFilled counts the values that the workspace gives: those of the answered
// template that an empty workspace would not give, and each record's language.
func countFilled(text string, ws Workspace) (int, error) {
	if ws.Language == "" {
		ws.Language = "en"
	}
	count := func(ws Workspace) (values, records int, err error) {
		drafts, err := Parse("template", []byte(Answered(text)), ws, nil)
		for _, d := range drafts {
			values += leaves(d.Body.ProtoReflect())
		}
		return values, len(drafts), err
	}
	with, records, err := count(ws)
	if err != nil {
		return 0, fmt.Errorf("reading the template's own examples: %w", err)
	}
	without, _, err := count(Workspace{Language: ws.Language})
	if err != nil {
		return 0, fmt.Errorf("reading the template's own examples: %w", err)
	}
	return with - without + records, nil
}

// leaves counts the scalar values of a message.
func leaves(m protoreflect.Message) int {
	n := 0
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case fd.IsList():
			for i := range v.List().Len() {
				if fd.Kind() == protoreflect.MessageKind {
					n += leaves(v.List().Get(i).Message())
				} else {
					n++
				}
			}
		case fd.Kind() == protoreflect.MessageKind:
			n += leaves(v.Message())
		default:
			n++
		}
		return true
	})
	return n
}
