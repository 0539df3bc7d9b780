package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cityproof/cityproof/internal/client"
)

func (a *App) history() *cobra.Command {
	var q asking
	cmd := &cobra.Command{
		Use:     "history SUBJECT|NICKNAME",
		Short:   "List the revisions of a record, each with its reason",
		Example: "  cityproof history plaza-video",
		Args:    cobra.ExactArgs(1),
	}
	q.flags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		ctx := cmd.Context()
		c, kind, err := a.open(ctx, &q)
		if err != nil {
			return err
		}
		defer c.Close()
		records, err := c.History(ctx, args[0], kind)
		if err != nil {
			return err
		}
		if q.asJSON {
			out := []*recordJSON{}
			for _, rec := range records {
				out = append(out, asRecordJSON(rec))
			}
			return printJSON(a.Out, out)
		}
		a.printHistory(records, q.lang)
		return nil
	}
	return cmd
}

func (a *App) printHistory(records []*client.Record, lang string) {
	newest := records[len(records)-1]
	title := newest.Statement.Subject.String()
	if n := newest.Body.GetNickname(); n != "" {
		title += "  " + line(n)
	}
	a.say("%s of %s, in %s", title, line(newest.Statement.City), line(newest.Head.Origin))
	rows := [][]string{{"revision", "", "effective on", "declared at", "entry", "key"}}
	reasons := []string{""}
	for _, rec := range records {
		s := rec.Statement
		p := &bodyPrinter{columns: a.columnsOf(), base: rec.Body.GetLanguage(), lang: lang}
		why := ""
		if rec.Body.GetReason() != nil {
			why = line(p.text(rec.Body.GetReason()))
		}
		if rec.ErasedBy != nil {
			why = fmt.Sprintf("the body is erased, by the notice in entry %d", rec.ErasedBy.Index)
		}
		var keys []string
		for _, id := range signersOf(rec) {
			keys = append(keys, id[:8])
		}
		rows = append(rows, []string{fmt.Sprint(s.Revision), operationWords(s.Operation), s.EffectiveOn.String(),
			s.DeclaredAt.Format(time.RFC3339), fmt.Sprint(rec.Index), strings.Join(keys, " ")})
		reasons = append(reasons, why)
	}
	var aligned strings.Builder
	columns(&aligned, rows)
	for i, row := range strings.Split(strings.TrimSuffix(aligned.String(), "\n"), "\n") {
		a.say("%s", row)
		if reasons[i] != "" {
			a.say("%s", hang("          ", reasons[i], a.columnsOf()))
		}
	}
	basis := "Each is in the log and names the one before it. That the last is the newest is the node's word."
	if !newest.Trusted {
		basis = "Each names the one before it. CHECKED AGAINST " + unchecked + "."
	}
	a.say("%s", hang("", basis, a.columnsOf()))
}
