package draft

import (
	"fmt"
	"slices"
	"strings"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/declaration"
)

// noticed are the kinds of record whose changes are announced.
var noticed = []declaration.Kind{declaration.Deployment, declaration.DataUse, declaration.Assessment, declaration.Commitment}

// maxChangeText is the room for the list of changes in a notice, in characters; with
// a reason of 2,000 it stays below the 5,000 of a text.
const maxChangeText = 2800

// ChangeNotice returns the notice of type CHANGE to publish in the same batch as d,
// or nil where none is called for. d is an amendment, withdrawal or reinstatement
// whose Body is complete; old is the body that it follows.
//
// O-23 asks for the notice when a change weakens a declaration. Until package rules
// classes changes, every change of a deployment, data use, assessment or commitment
// is announced but one of wording, and so is every withdrawal of one: a notice too
// many costs a city nothing, one too few is an obligation missed.
//
// The text is the reason, in each of its languages, and a list of the fields that
// changed, old → new.
func ChangeNotice(d *Draft, old *declarationv1.Body) *Draft {
	kind, _ := declaration.KindOf(old)
	if !slices.Contains(noticed, kind) || d.Operation == declaration.Publish {
		return nil
	}
	changes := diff(old, d.Body)
	if len(changes) == 0 && d.Operation == declaration.Amend {
		return nil
	}
	about := d.Target
	if !d.Subject.IsZero() {
		about = d.Subject.String()
	}
	language := d.Body.GetLanguage()
	body := &declarationv1.Body{Language: &language}
	body.Record = &declarationv1.Body_Notice{Notice: &declarationv1.Notice{
		Type:  declarationv1.NoticeType_NOTICE_TYPE_CHANGE.Enum(),
		About: []string{about},
		Text:  changeText(d, changes),
	}}
	lines := map[string]int{"": Line(d, "")}
	return &Draft{File: d.File, Lines: lines, Operation: declaration.Publish, EffectiveOn: d.EffectiveOn, Provenance: d.Provenance, Body: body}
}

func changeText(d *Draft, changes []fieldChange) *declarationv1.LocalizedText {
	var list strings.Builder
	if d.Operation != declaration.Amend {
		list.WriteString(string(d.Operation))
	}
	used := 0
	for i, c := range changes {
		line := fmt.Sprintf("%s: %s → %s", c.path, c.old, c.new)
		if used += len([]rune(line)) + 1; used > maxChangeText {
			fmt.Fprintf(&list, "\n… +%d", len(changes)-i)
			break
		}
		if list.Len() > 0 {
			list.WriteString("\n")
		}
		list.WriteString(line)
	}
	out := &declarationv1.LocalizedText{}
	for _, t := range d.Body.GetReason().GetTexts() {
		lang, text := t.GetLang(), t.GetValue()+"\n"+list.String()
		out.Texts = append(out.Texts, &declarationv1.Text{Lang: &lang, Value: &text})
	}
	return out
}
