package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/draft"
	"github.com/cityproof/cityproof/internal/shorthand"
)

func (a *App) amend() *cobra.Command {
	var p publisher
	cmd := &cobra.Command{
		Use:   "amend FILE…",
		Short: "Change what a record says, with a reason",
		Long: `Reads amendments:

  amend: plaza-video            # or use/31
  reason: Reports come in after five weeks on average.
  set:
    keeps[blurred video]: 60 days

The current record is fetched and verified, the changes are applied and shown, and a
notice of the change is published in the same batch.`,
		Args: cobra.MinimumNArgs(1),
	}
	p.flags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return a.runPublish(cmd.Context(), &p, args[0], func(ws shorthand.Workspace) ([]*source, error) {
			return loadOnly(args, ws, declaration.Amend)
		})
	}
	return cmd
}

func (a *App) withdraw() *cobra.Command {
	return a.retire("withdraw", "Withdraw a record, with a reason; it stays on record as withdrawn", declaration.Withdraw)
}

func (a *App) reinstate() *cobra.Command {
	return a.retire("reinstate", "Take back a withdrawal, with a reason", declaration.Reinstate)
}

// retire makes a verb that takes files, or one subject and a reason.
func (a *App) retire(verb, short string, op declaration.Operation) *cobra.Command {
	var p publisher
	var reason string
	cmd := &cobra.Command{
		Use:     verb + " FILE… | SUBJECT --reason TEXT",
		Short:   short,
		Args:    cobra.MinimumNArgs(1),
		Example: fmt.Sprintf("  cityproof %s plaza-cameras --reason \"The square is rebuilt.\"", verb),
	}
	p.flags(cmd)
	cmd.Flags().StringVar(&reason, "reason", "", "why, in the workspace's language")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return a.runPublish(cmd.Context(), &p, nearFile(args[0]), func(ws shorthand.Workspace) ([]*source, error) {
			if isFile(args[0]) {
				return loadOnly(args, ws, op)
			}
			if len(args) > 1 {
				return nil, usage(errors.New("one subject at a time"), "write a file with several to have them published together")
			}
			if reason == "" {
				return nil, usage(fmt.Errorf("why is %s to be %sn?", args[0], verb), "give --reason \"…\": it is published with the record")
			}
			return oneDraft(verb, args[0], &draft.Draft{
				Operation: op, Target: args[0], Provenance: declaration.CityOwn,
				Body: &declarationv1.Body{Language: proto.String(languageOf(ws)), Reason: text(ws, reason)},
			}), nil
		})
	}
	return cmd
}

func isFile(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// nearFile is the file whose workspace counts: the one named, or this folder's.
func nearFile(name string) string {
	if isFile(name) {
		return name
	}
	return "."
}

// oneDraft is a source that no file holds; its receipt is named after the subject.
func oneDraft(verb, subject string, d *draft.Draft) []*source {
	name := verb + "-" + strings.ReplaceAll(subject, "/", "-")
	d.File = name
	return []*source{{file: name, name: name, data: []byte(subject), drafts: []*draft.Draft{d}}}
}

func languageOf(ws shorthand.Workspace) string {
	if ws.Language == "" {
		return "en"
	}
	return ws.Language
}

func text(ws shorthand.Workspace, s string) *declarationv1.LocalizedText {
	return &declarationv1.LocalizedText{Texts: []*declarationv1.Text{{Lang: proto.String(languageOf(ws)), Value: &s}}}
}

// loadOnly reads files that hold nothing but one operation.
func loadOnly(paths []string, ws shorthand.Workspace, op declaration.Operation) ([]*source, error) {
	sources, err := load(paths, ws)
	if err != nil {
		return nil, err
	}
	for _, s := range sources {
		for _, d := range s.drafts {
			if d.Operation != op {
				return nil, usage(fmt.Errorf("%s holds a %s", s.file, d.Operation), "cityproof publish takes any file of declarations")
			}
		}
	}
	return sources, nil
}

// applyAmendments brings every draft that is about an existing record up to date
// with the log: the current revision is fetched and verified, the changes applied,
// and a notice of what changed added to the same batch.
func (a *App) applyAmendments(ctx context.Context, p *publisher, s *source, drafts []*draft.Draft) ([]*draft.Draft, error) {
	var out []*draft.Draft
	var notices []*draft.Draft
	for _, d := range drafts {
		out = append(out, d)
		if d.Operation == declaration.Publish || d.Kind() != "" && len(d.Set) == 0 {
			continue // new, or a long form that says the whole record
		}
		current, err := p.client.Newest(ctx, d.Target, "")
		if err != nil {
			return nil, err
		}
		if current.Body == nil {
			return nil, refused(fmt.Errorf("the body of %s was erased, so there is nothing to go on from", current.Statement.Subject),
				"publish a new record that says replaces: "+current.Statement.Subject.String())
		}
		d.Target = current.Statement.Subject.String()
		if err := shorthand.Amend(d, current.Body, p.ws, s.files); err != nil {
			return nil, err
		}
		if notice := draft.ChangeNotice(d, current.Body); notice != nil {
			a.say("%s changes:\n%s", d.Target, indent(printable(firstOf(notice.Body.GetNotice().GetText()))))
			for _, c := range draft.Compare(d.Operation, current.Body, d.Body) {
				if c.Effect == draft.Weakens {
					a.say("  WEAKENS  %s", line(c.Path))
				}
			}
			notices = append(notices, notice)
		}
	}
	return append(out, notices...), nil
}

func firstOf(t *declarationv1.LocalizedText) string {
	if len(t.GetTexts()) == 0 {
		return ""
	}
	return t.GetTexts()[0].GetValue()
}
