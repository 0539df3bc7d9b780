package draft_test

import (
	"fmt"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/draft"
)

func text(s string) *declarationv1.LocalizedText {
	return &declarationv1.LocalizedText{Texts: []*declarationv1.Text{
		{Lang: proto.String("en"), Value: proto.String(s)}, {Lang: proto.String("nl"), Value: proto.String("nl " + s)}}}
}

// follows is an operation on old whose body was changed.
func follows(op declaration.Operation, old *declarationv1.Body, change func(*declarationv1.Body)) *draft.Draft {
	body := proto.CloneOf(old)
	body.Reason = text("Because.")
	if change != nil {
		change(body)
	}
	return &draft.Draft{Operation: op, Target: "x", Body: body}
}

func TestChangeNoticeOfOperations(t *testing.T) {
	old := dataUse("x").Body
	for name, c := range map[string]struct {
		d    *draft.Draft
		old  *declarationv1.Body
		want string // none: no notice
	}{
		"withdrawal":            {follows(declaration.Withdraw, old, nil), old, "Because.\nWITHDRAW"},
		"reinstatement":         {follows(declaration.Reinstate, old, nil), old, "Because.\nREINSTATE"},
		"publication":           {follows(declaration.Publish, old, nil), old, ""},
		"amendment of nothing":  {follows(declaration.Amend, old, nil), old, ""},
		"nickname and language": {follows(declaration.Amend, old, func(b *declarationv1.Body) { b.Nickname = proto.String("y") }), old, ""},
		"withdrawal of a service": {follows(declaration.Withdraw, &declarationv1.Body{Record: &declarationv1.Body_Service{Service: &declarationv1.Service{}}}, nil),
			&declarationv1.Body{Record: &declarationv1.Body_Service{Service: &declarationv1.Service{}}}, ""},
		"false to true": {follows(declaration.Amend, old, func(b *declarationv1.Body) { b.GetDataUse().SpecialCategory = proto.Bool(true) }), old, "data_use.special_category: – → true"},
		"attachment": {follows(declaration.Amend, old, func(b *declarationv1.Body) {
			b.Attachments = []*declarationv1.Attachment{{Title: proto.String("A"), Sha256: []byte{1, 2}}}
		}), old, "attachments[A]: – → A, 0102"},
	} {
		n := draft.ChangeNotice(c.d, c.old)
		if n == nil {
			if c.want != "" {
				t.Errorf("%s: no notice", name)
			}
			continue
		}
		texts := n.Body.GetNotice().GetText().GetTexts()
		if c.want == "" || !strings.Contains(texts[0].GetValue(), c.want) {
			t.Errorf("%s: %q, want %q", name, texts[0].GetValue(), c.want)
		}
		if len(texts) != 2 || !strings.HasPrefix(texts[1].GetValue(), "nl Because.") {
			t.Errorf("%s: texts %v, want one a language of the reason", name, texts)
		}
	}
}

func TestChangeNoticeFitsAText(t *testing.T) {
	old := dataUse("x").Body
	d := follows(declaration.Amend, old, func(b *declarationv1.Body) {
		for i := range 200 {
			b.GetDataUse().Recipients = append(b.GetDataUse().Recipients, &declarationv1.Recipient{
				Party: &declarationv1.Party{Name: proto.String(fmt.Sprintf("%03d %s", i, strings.Repeat("é", 190)))}})
		}
		b.Reason = text(strings.Repeat("w", 1990))
	})
	value := draft.ChangeNotice(d, old).Body.GetNotice().GetText().GetTexts()[1].GetValue()
	if n := len([]rune(value)); n > 5000 || !strings.Contains(value, "\n… +") {
		t.Errorf("%d characters, ending in %q", n, value[len(value)-40:])
	}
}
