package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/cityproof/cityproof/internal/client"
	"github.com/cityproof/cityproof/internal/declaration"
)

// asking is what the verbs that read single records are told.
type asking struct {
	connection
	kind   string
	lang   string
	asJSON bool
}

func (q *asking) flags(cmd *cobra.Command) {
	q.connection.flags(cmd)
	cmd.Flags().StringVar(&q.kind, "kind", "", "what a nickname stands for, where it stands for several: mem, dep, use, asm, com, svc, not, fin")
	cmd.Flags().StringVar(&q.lang, "lang", "", "`language` of texts where they have it (default: the record's own)")
	cmd.Flags().BoolVar(&q.asJSON, "json", false, "print JSON")
}

// readKind reads a kind's prefix; empty stands for any.
func readKind(prefix string) (declaration.Kind, error) {
	if prefix == "" {
		return "", nil
	}
	kind, err := declaration.KindByPrefix(prefix)
	if err != nil {
		return "", usage(err, "the kinds are mem, dep, use, asm, com, svc, not and fin")
	}
	return kind, nil
}

// open connects, and reads the kind.
func (a *App) open(ctx context.Context, q *asking) (*client.Client, declaration.Kind, error) {
	kind, err := readKind(q.kind)
	if err != nil {
		return nil, "", err
	}
	ws, err := findWorkspace(q.workspace, ".")
	if err != nil {
		return nil, "", err
	}
	c, err := a.dial(ctx, q.connection, ws)
	return c, kind, err
}

func (a *App) show() *cobra.Command {
	var q asking
	var revision uint32
	var raw bool
	var attachments string
	cmd := &cobra.Command{
		Use:     "show SUBJECT|NICKNAME",
		Short:   "Show a record and what it was checked against",
		Example: "  cityproof show plaza-cameras\n  cityproof show dep/17 --revision 1 --lang en",
		Args:    cobra.ExactArgs(1),
	}
	q.flags(cmd)
	cmd.Flags().Uint32Var(&revision, "revision", 0, "an older revision, counted from 1")
	cmd.Flags().BoolVar(&raw, "raw", false, "print the body's exact bytes and nothing else")
	cmd.Flags().StringVar(&attachments, "attachments", "", "fetch and check the record's files, and save them into this `folder`")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		ctx := cmd.Context()
		c, kind, err := a.open(ctx, &q)
		if err != nil {
			return err
		}
		defer c.Close()
		var rec *client.Record
		if revision > 0 {
			rec, err = c.Revision(ctx, args[0], kind, revision)
		} else {
			rec, err = c.Newest(ctx, args[0], kind)
		}
		if err != nil {
			return err
		}
		switch {
		case attachments != "" && rec.Body != nil:
			return a.saveAttachments(ctx, c, rec, attachments)
		case raw && rec.Body == nil:
			return unknown(fmt.Errorf("the body of %s is erased", rec.Statement.Subject), "without --raw the notice that erased it is shown")
		case raw:
			if !rec.Trusted {
				a.note("warning: %s", unchecked)
			}
			return a.exact(rec.Raw)
		case q.asJSON:
			return printJSON(a.Out, asRecordJSON(rec))
		}
		a.printRecord(rec, q.lang, revision == 0)
		return nil
	}
	return cmd
}

// unchecked is said of whatever was not compared with a trust file.
const unchecked = "nothing that you trust: the log's keys are the node's own word, and nobody's signature was checked; name a trust file to have it checked"

// recordJSON is a verified record in the JSON form.
type recordJSON struct {
	Subject     string   `json:"subject"`
	Revision    uint32   `json:"revision"`
	Operation   string   `json:"operation"`
	City        string   `json:"city"`
	EffectiveOn string   `json:"effective_on"`
	DeclaredAt  string   `json:"declared_at"`
	Provenance  string   `json:"provenance"`
	Origin      string   `json:"origin"`
	Index       uint64   `json:"index"`
	Leaf        string   `json:"leaf"` // base64, as everywhere in C2SP
	Size        uint64   `json:"size"`
	Root        string   `json:"root"`
	Signers     []string `json:"signers"`
	// Trusted says that keys of a trust file were checked.
	Trusted  bool            `json:"trusted"`
	Body     json.RawMessage `json:"body,omitempty"`
	ErasedBy *recordJSON     `json:"erased_by,omitempty"`
}

func asRecordJSON(rec *client.Record) *recordJSON {
	s := rec.Statement
	out := &recordJSON{
		Subject: s.Subject.String(), Revision: s.Revision, Operation: string(s.Operation), City: s.City,
		EffectiveOn: s.EffectiveOn.String(), DeclaredAt: s.DeclaredAt.Format(time.RFC3339), Provenance: string(s.Provenance),
		Origin: rec.Head.Origin, Index: rec.Index, Leaf: rec.Hash.String(), Size: rec.Head.Size, Root: rec.Head.Root.String(),
		Signers: signersOf(rec), Trusted: rec.Trusted, Body: rec.Raw,
	}
	if rec.ErasedBy != nil {
		out.ErasedBy = asRecordJSON(rec.ErasedBy)
	}
	return out
}

// signersOf lists the ids of the keys in the envelope.
func signersOf(rec *client.Record) []string {
	ids := []string{}
	envelope, err := declaration.ParseEnvelope(rec.Envelope)
	if err != nil {
		return ids // package client has parsed it before
	}
	for _, s := range envelope.Signatures {
		ids = append(ids, s.KeyID.String())
	}
	return ids
}

// printRecord prints a record for people: what it is, what it says, and what that
// rests on.
func (a *App) printRecord(rec *client.Record, lang string, newest bool) {
	p := &bodyPrinter{w: a.Out, columns: a.columnsOf(), base: rec.Body.GetLanguage(), lang: lang}
	s := rec.Statement
	title := s.Subject.String()
	if n := rec.Body.GetNickname(); n != "" {
		title += "  " + line(n)
	}
	a.say("%s", title)
	p.say("Kind", fmt.Sprintf("%s, revision %d (%s)", kindWords(s.Subject.Kind), s.Revision, operationWords(s.Operation)))
	p.say("City", line(s.City))
	p.say("Effective on", s.EffectiveOn.String())
	p.say("Whose words", provenanceWords(s.Provenance))
	if rec.Body != nil {
		p.say("Language", line(rec.Body.GetLanguage()))
		a.say("")
		p.body(rec.Body)
	}
	if rec.ErasedBy != nil {
		a.say("")
		a.say("%s", hang("", "The body is erased. This notice, in the same log, says why:", p.columns))
		p.base = rec.ErasedBy.Body.GetLanguage()
		p.say("Notice", fmt.Sprintf("%s, entry %d", rec.ErasedBy.Statement.Subject, rec.ErasedBy.Index))
		p.body(rec.ErasedBy.Body)
	}
	a.say("")
	a.printBasis(p, rec)
	if newest {
		p.say("Newest revision", "on the node's word; cityproof audit reads the whole log and can tell")
	}
}

// printBasis prints what a record rests on.
func (a *App) printBasis(p *bodyPrinter, rec *client.Record) {
	p.say("Declared at", rec.Statement.DeclaredAt.Format(time.RFC3339)+", by the city's own clock")
	p.say("Log time", "not known: no witness has vouched for this log yet")
	p.say("In the log", fmt.Sprintf("%s, entry %d of %d", line(rec.Head.Origin), rec.Index, rec.Head.Size))
	for _, id := range signersOf(rec) {
		p.say("Signed by", "key "+id)
	}
	if rec.Trusted {
		p.say("Checked against", "the keys of your trust file: the proof, the log's signatures and the publisher's")
	} else {
		p.say("CHECKED AGAINST", unchecked)
	}
}

func kindWords(k declaration.Kind) string {
	if k == declaration.DataUse {
		return "data use"
	}
	return string(k)
}

func operationWords(op declaration.Operation) string {
	switch op {
	case declaration.Publish:
		return "published"
	case declaration.Amend:
		return "amended"
	case declaration.Withdraw:
		return "WITHDRAWN"
	case declaration.Reinstate:
		return "reinstated"
	}
	return string(op)
}

func provenanceWords(p declaration.Provenance) string {
	switch p {
	case declaration.CityOwn:
		return "the city's own"
	case declaration.ImportedByCity:
		return "imported by the city from another register: labelled, and not scored"
	case declaration.ImportedByOthers:
		return "imported by others: not the city's words, and never scored"
	}
	return string(p)
}
