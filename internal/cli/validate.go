package cli

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cityproof/cityproof/internal/client"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/draft"
	"github.com/cityproof/cityproof/internal/publication"
)

func (a *App) validate() *cobra.Command {
	var workspace string
	var expand, rules, asJSON bool
	cmd := &cobra.Command{
		Use:   "validate FILE|DIR…",
		Short: "Check declarations before they are published; nothing is sent",
		Long: `Checks declarations against every rule that needs only what stands in the files, and
says at each line what to do. What depends on the city's other records is checked
when they are published.`,
		Example: "  cityproof validate plaza-cameras.yaml\n  cityproof validate plaza-cameras.yaml --expand    the long form that is signed",
	}
	cmd.Flags().StringVar(&workspace, "workspace", "", "workspace `file` (default: cityproof.yaml here or above)")
	cmd.Flags().BoolVar(&expand, "expand", false, "print the long form, which is what gets signed")
	cmd.Flags().BoolVar(&rules, "rules", false, "list the publication rules")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if rules {
			return a.listRules(asJSON)
		}
		if len(args) == 0 {
			return usage(fmt.Errorf("which file?"), "cityproof validate FILE; cityproof new CASE writes one")
		}
		ws, err := findWorkspace(workspace, folderOf(args[0]))
		if err != nil {
			return err
		}
		sources, err := load(args, ws)
		if err != nil {
			return err
		}
		if expand {
			for _, s := range sources {
				if _, err := a.Out.Write(draft.Format(s.drafts)); err != nil {
					return err
				}
			}
			return nil
		}
		return a.validateSources(sources, ws.City, asJSON)
	}
	return cmd
}

func (a *App) listRules(asJSON bool) error {
	if asJSON {
		return printJSON(a.Out, publication.Rules())
	}
	var rows [][]string
	for _, r := range publication.Rules() {
		rows = append(rows, []string{r.ID, r.Level.String(), r.Text})
	}
	columns(a.Out, rows)
	return nil
}

// failureJSON is one rule's word in the JSON form.
type failureJSON struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	Record  string `json:"record"`
	Rule    string `json:"rule"`
	Level   string `json:"level"`
	Field   string `json:"field"`
	Value   string `json:"value,omitempty"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

func (a *App) validateSources(sources []*source, city string, asJSON bool) error {
	records, rejects, warnings := 0, 0, 0
	outside := &assumed{}
	listed := []failureJSON{}
	for _, s := range sources {
		outside.names = nil
		if err := draft.Number(published(s.drafts), outside); err != nil {
			return err
		}
		outside.add(s.drafts)
		results := checkDrafts(s.drafts, city, a.Now())
		records += len(s.drafts)
		for i, d := range s.drafts {
			for _, r := range results[i] {
				if r.Level == publication.Reject {
					rejects++
				} else {
					warnings++
				}
				listed = append(listed, failureJSON{s.file, draft.Line(d, r.Field), recordName(d), r.Rule, r.Level.String(), r.Field, r.Value, r.Message, r.Hint})
			}
		}
		if asJSON {
			continue
		}
		a.printFailures(s, results)
		a.printRecordWarnings(s, results)
		for _, d := range s.drafts {
			if d.Operation != declaration.Publish {
				a.note("%s is about %s: it is fetched, changed and checked when you publish.", s.file, line(d.Target))
			}
		}
		for _, name := range outside.names {
			a.note("%s names %s, which is not in this file: that it is in the log is checked when you publish.", s.file, line(name))
		}
	}
	if asJSON {
		if err := printJSON(a.Out, listed); err != nil {
			return err
		}
	} else if rejects > 0 {
		a.say("%d to fix before publishing.", rejects)
	} else {
		a.say("%d %s, nothing to fix%s.", records, plural(records, "record", "records"), shownLater(warnings))
	}
	if rejects > 0 {
		return &shown{exitFalse}
	}
	return nil
}

// published are the drafts that begin a subject.
func published(drafts []*draft.Draft) []*draft.Draft {
	return slices.DeleteFunc(slices.Clone(drafts), func(d *draft.Draft) bool { return d.Operation != declaration.Publish })
}

func shownLater(warnings int) string {
	if warnings == 0 {
		return ""
	}
	return fmt.Sprintf("; %d %s will show once published", warnings, plural(warnings, "remark", "remarks"))
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// assumed stands for the city's records where no node is asked: numbers from 1,
// and every name that a file refers to and doesn't give itself is taken to be
// known.
type assumed struct {
	earlier run
	names   []string // that are taken on trust
}

func (r *assumed) add(drafts []*draft.Draft) { r.earlier.add(drafts) }

// Next implements draft.Registry.
func (r *assumed) Next(kind declaration.Kind) (uint32, error) { return 1 + r.earlier.count[kind], nil }

// Lookup implements draft.Registry: no new nickname is taken.
func (*assumed) Lookup(declaration.Kind, string) (declaration.Subject, bool, error) {
	return declaration.Subject{}, false, nil
}

// Assume implements draft.Assumer, with numbers that no draft gets.
func (r *assumed) Assume(kinds []declaration.Kind, nickname string) declaration.Subject {
	for _, kind := range kinds {
		if s, ok := r.earlier.named[name{kind, nickname}]; ok {
			return s
		}
	}
	if !slices.Contains(r.names, nickname) {
		r.names = append(r.names, nickname)
	}
	return declaration.Subject{Kind: kinds[0], Number: 900_000_000 + uint32(slices.Index(r.names, nickname))} //nolint:gosec // a file names few
}

// checkDrafts runs the rules that need only the record on each draft.
func checkDrafts(drafts []*draft.Draft, city string, now time.Time) [][]publication.Result {
	out := make([][]publication.Result, len(drafts))
	for i, d := range drafts {
		if len(d.Set) > 0 || d.Kind() == "" {
			continue // an amendment's record is known when it is published
		}
		out[i] = publication.CheckRecord(draft.Preview(d, city, now), now)
	}
	return out
}

// fromNode turns a node's word on a batch into results by draft.
func fromNode(drafts []*draft.Draft, e *client.RuleError) [][]publication.Result {
	out := make([][]publication.Result, len(drafts))
	for _, r := range e.Results {
		level := publication.Warn
		if r.Reject {
			level = publication.Reject
		}
		if r.Submission < len(out) {
			out[r.Submission] = append(out[r.Submission], publication.Result{
				Rule: r.Rule, Level: level, Field: r.Field, Value: r.Value, Message: r.Message, Hint: r.Hint,
			})
		}
	}
	return out
}

// maxPrinted bounds the failures printed of one file; a register's import can have
// thousands.
const maxPrinted = 50

// printFailures prints what must be fixed, at its line, and returns how much that
// is.
func (a *App) printFailures(s *source, results [][]publication.Result) int {
	n := 0
	for i, rs := range results {
		for _, r := range rs {
			if r.Level != publication.Reject {
				continue
			}
			if n++; n <= maxPrinted {
				a.printResult(s.drafts[i], r)
			}
		}
	}
	if n > maxPrinted {
		a.say("… and %d more in %s (all of them: --json)", n-maxPrinted, s.file)
	}
	return n
}

// printResult prints one rule's word as officer.md shows it.
func (a *App) printResult(d *draft.Draft, r publication.Result) {
	at := d.File
	if l := draft.Line(d, r.Field); l > 0 {
		at = fmt.Sprintf("%s:%d", d.File, l)
	}
	value := ""
	if r.Value != "" {
		value = fmt.Sprintf(" = %q", line(r.Value))
	}
	a.say("%s %s%s", at, line(r.Field), value)
	a.say("  %s  %s", r.Rule, line(r.Message))
	if r.Hint != "" {
		a.say("        %s", printable(r.Hint))
	}
}

// printRecordWarnings prints what will show once published, one line a rule and
// record where there are few, a count by rule where there are many.
func (a *App) printRecordWarnings(s *source, results [][]publication.Result) {
	type remark struct {
		d *draft.Draft
		r publication.Result
	}
	var all []remark
	for i, rs := range results {
		for _, r := range rs {
			if r.Level == publication.Warn {
				all = append(all, remark{s.drafts[i], r})
			}
		}
	}
	if len(all) == 0 {
		return
	}
	a.say("Once published, these will show:")
	if len(all) <= maxPrinted/2 {
		for _, w := range all {
			a.say("  %s  %s: %s", w.r.Rule, line(recordName(w.d)), line(w.r.Message))
		}
		return
	}
	count := map[string]int{}
	for _, w := range all {
		count[w.r.Rule+"  "+line(w.r.Message)]++
	}
	var rows []string
	for message := range count {
		rows = append(rows, message)
	}
	slices.Sort(rows)
	for _, message := range rows {
		a.say("  %s (%d)", message, count[message])
	}
}

// printWarnings prints what the node remarked on what it accepted: each remark
// where there are few, else how many there are of each rule.
func (a *App) printWarnings(signed *pending, warnings []client.RuleResult) {
	const few = 5
	if len(warnings) <= few {
		for _, w := range warnings {
			name := ""
			if at := signed.Done + w.Submission; at < len(signed.Records) {
				name = signed.Records[at].Name
			}
			a.note("  %s  %s: %s", line(w.Rule), line(name), line(w.Message))
		}
		return
	}
	count := map[string]int{}
	for _, w := range warnings {
		count[line(w.Rule)]++
	}
	var rules []string
	for _, rule := range slices.Sorted(maps.Keys(count)) {
		rules = append(rules, fmt.Sprintf("%d %s", count[rule], rule))
	}
	a.note("  remarks: %s (cityproof validate lists them)", strings.Join(rules, ", "))
}

// folderOf is the folder that a file stands in, or the folder itself.
func folderOf(path string) string {
	if filepath.Ext(path) == "" {
		return path
	}
	return filepath.Dir(path)
}
