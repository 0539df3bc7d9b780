package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/client"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/draft"
	"github.com/cityproof/cityproof/internal/shorthand"
)

// eraser is one run of the verb erase.
type eraser struct {
	publisher
	revision                            uint32
	ground, authority, citation, reason string
	emergency                           bool
}

func (a *App) erase() *cobra.Command {
	var e eraser
	cmd := &cobra.Command{
		Use:   "erase SUBJECT --ground GROUND --authority WHO --reason TEXT",
		Short: "Remove a record's body by order; the signed notice of it stays",
		Long: `Publishes a notice that says which body is erased, on what ground and by whose
authority, and has the node delete that body. Its entry in the log, the notice and a
visible gap remain, and every proof still holds. It can't be undone.

Grounds: court_order, legal_duty, personal_data.`,
		Args:    cobra.ExactArgs(1),
		Example: `  cityproof erase dep/17 --ground court_order --authority "Rechtbank Den Haag" --reason "…"`,
	}
	e.flags(cmd)
	cmd.Flags().Uint32Var(&e.revision, "revision", 0, "which revision (default: the newest)")
	cmd.Flags().StringVar(&e.ground, "ground", "", "court_order, legal_duty or personal_data")
	cmd.Flags().StringVar(&e.authority, "authority", "", "who orders it")
	cmd.Flags().StringVar(&e.citation, "citation", "", "by which law or ruling")
	cmd.Flags().StringVar(&e.reason, "reason", "", "why, in the workspace's language; never repeat what is erased")
	cmd.Flags().BoolVar(&e.emergency, "emergency", false, "a court's emergency order")
	for _, name := range []string{"ground", "authority", "reason"} {
		_ = cmd.MarkFlagRequired(name)
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		ws, err := findWorkspace(e.workspace, ".")
		if err != nil {
			return err
		}
		rec, err := a.toErase(cmd.Context(), &e, ws, args[0])
		if err != nil {
			return err
		}
		notice, err := e.notice(rec, ws)
		if err != nil {
			return err
		}
		a.say("Will erase the body of %s, revision %d (entry %d), for good.", rec.Statement.Subject, rec.Statement.Revision, rec.Index)
		return a.runPublish(cmd.Context(), &e.publisher, ".", func(shorthand.Workspace) ([]*source, error) {
			return oneDraft("erase", rec.Statement.Subject.String(), notice), nil
		})
	}
	return cmd
}

// toErase fetches and verifies the record whose body is to go.
func (a *App) toErase(ctx context.Context, e *eraser, ws shorthand.Workspace, subject string) (*client.Record, error) {
	c, err := a.dial(ctx, e.connection, ws)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	var rec *client.Record
	if e.revision == 0 {
		rec, err = c.Newest(ctx, subject, "")
	} else {
		rec, err = c.Revision(ctx, subject, "", e.revision)
	}
	if err != nil {
		return nil, err
	}
	if rec.ErasedBy != nil {
		return nil, refused(errors.New("it is erased already"), "cityproof show "+line(subject)+" shows the notice")
	}
	return rec, nil
}

// notice says what is erased, on what ground, and by whose authority.
func (e *eraser) notice(rec *client.Record, ws shorthand.Workspace) (*draft.Draft, error) {
	ground, ok := declarationv1.ErasureGround_value["ERASURE_GROUND_"+strings.ToUpper(e.ground)]
	if !ok || ground == 0 {
		return nil, usage(fmt.Errorf("unknown ground %q", e.ground), "court_order, legal_duty or personal_data")
	}
	erasure := &declarationv1.Erasure{
		Leaf: rec.Hash[:], BodySha256: rec.Statement.BodySHA256[:], Ground: declarationv1.ErasureGround(ground).Enum(), Authority: &e.authority,
	}
	if e.citation != "" {
		erasure.Citation = &e.citation
	}
	if e.emergency {
		erasure.Emergency = proto.Bool(true)
	}
	return &draft.Draft{
		Operation: declaration.Publish, Provenance: declaration.CityOwn,
		Body: &declarationv1.Body{
			Language: proto.String(languageOf(ws)),
			Record: &declarationv1.Body_Notice{Notice: &declarationv1.Notice{
				Type: declarationv1.NoticeType_NOTICE_TYPE_ERASURE.Enum(), About: []string{rec.Statement.Subject.String()},
				Text: text(ws, e.reason), Erasure: erasure,
			}},
		},
	}, nil
}
