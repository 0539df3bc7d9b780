package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cityproof/cityproof/internal/audit"
	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/client"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/receipt"
)

func (a *App) audit() *cobra.Command {
	var v auditor
	cmd := &cobra.Command{
		Use:   "audit [URL|DIR…|CITY…]",
		Short: "Check a whole log, from its public files alone",
		Long: `Reads a city's log from a web server or a folder (the node of the workspace if none is
named) and checks it against a trust file: every signature, every hash up to the
signed root, every subject's chain, every body and every publication rule. A file
that one place does not have is taken from the next.

With --root root.json (or --alliance, or a member's id, after cityproof use) the members of an
alliance are audited, all or those named by id: the registry is replayed, each log is read from its
node and the others' mirrors, and what these show is compared. Whoever is away, the others'
copies say as much. A registry older than a day tells nothing for sure. The same heads and
the same --as-of give the same report, but for what servers did.

With --save FILE the head that was audited is kept; with --since FILE a later audit
proves that the log still begins with it.`,
		Example: "  cityproof audit --root root.json\n  cityproof audit https://kanaalstad.example --save kanaalstad.head\n" +
			"  cityproof audit archive/ --since kanaalstad.head --no-bodies",
	}
	cmd.Flags().StringVar(&v.trust, "trust", "", "trust `file` (default: trust.json of your settings)")
	cmd.Flags().StringVar(&v.workspace, "workspace", "", "workspace `file` (default: cityproof.yaml here or above)")
	cmd.Flags().BoolVar(&v.noBodies, "no-bodies", false, "leave out bodies and publication rules")
	cmd.Flags().StringVar(&v.save, "save", "", "keep the head that was found true in this `file`")
	cmd.Flags().StringVar(&v.since, "since", "", "the log must continue the head in this `file`")
	cmd.Flags().BoolVar(&v.asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&v.alliance, "alliance", false, "audit the members named, or all, from their nodes and mirrors")
	cmd.Flags().StringVar(&v.asOf, "as-of", "", "of an alliance: tell lag and age for this `date` (default: now)")
	cmd.Flags().StringArrayVar(&v.from, "from", nil, "of an alliance: read from the node at this `address` alone (repeat for more)")
	v.registryFlags(cmd)
	v.lag.flags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return a.runAudit(cmd.Context(), &v, args) }
	return cmd
}

type auditor struct {
	trust, workspace, save, since string
	asOf                          string
	from                          []string
	noBodies, asJSON, alliance    bool
	lag                           thresholds
	decision
}

// isMember reports whether a place is a member's id, and no folder of that name.
func isMember(place string) bool {
	_, err := os.Stat(place)
	return errors.Is(err, fs.ErrNotExist) && declaration.CheckMemberID(place) == nil
}

func (a *App) runAudit(ctx context.Context, v *auditor, places []string) error {
	v.alliance = v.alliance || v.trust == "" && len(places) > 0 && !slices.ContainsFunc(places, func(p string) bool { return !isMember(p) })
	if !v.alliance && v.root == "" && (v.asOf != "" || len(v.from) > 0) {
		return usage(errors.New("--as-of and --from are of an alliance"), "add --root root.json, or --alliance after cityproof use HOST")
	}
	if v.alliance || v.root != "" {
		return a.auditAlliance(ctx, v, places)
	}
	trust, err := a.needTrust(v.trust)
	if err != nil {
		return err
	}
	if places, err = v.places(places); err != nil {
		return err
	}
	opts := audit.Options{Trust: trust, WithoutBodies: v.noBodies}
	if v.since != "" {
		if opts.Since, err = readHead(v.since, trust); err != nil {
			return err
		}
	}
	for _, place := range places {
		log, err := openLog(ctx, place)
		if err != nil {
			return err
		}
		defer log.close()
		opts.Sources = append(opts.Sources, log.LogReader)
	}
	// The head is pinned here, so that its very bytes can be kept.
	opts.Checkpoint = newestHead(ctx, opts.Sources, trust)
	report, end := a.progress("auditing")
	opts.Progress = report
	rep, err := audit.Run(ctx, opts)
	end()
	if err != nil {
		return err
	}
	if v.asJSON {
		err = printJSON(a.Out, rep)
	} else {
		a.printAudit(rep, v.noBodies)
	}
	if err == nil && v.save != "" {
		err = a.saveHead(v, rep, opts.Checkpoint)
	}
	if err != nil || rep.Verdict == audit.True {
		return err
	}
	if rep.Verdict == audit.False {
		return refused(errors.New("the audit found what must not be"),
			"keep a copy of the log's files as they are served now, and show them to the city and to others who audit it")
	}
	return unknown(errors.New("the audit could not tell all"), "nothing was found false; audit again, or name a further copy of the log")
}

// places are the logs named, or the workspace's node.
func (v *auditor) places(args []string) ([]string, error) {
	if len(args) > 0 {
		return args, nil
	}
	ws, err := findWorkspace(v.workspace, ".")
	if err != nil {
		return nil, err
	}
	if ws.Node == "" {
		return nil, usage(errors.New("which log?"), "name a URL or a folder, or write node: URL into cityproof.yaml")
	}
	return []string{ws.Node}, nil
}

// openedLog is a log's files at one place.
type openedLog struct {
	*client.LogReader
	close func()
}

// openLog opens a log at a URL or in a folder: at the place itself, or below it in
// log/ as a node serves it.
func openLog(ctx context.Context, place string) (*openedLog, error) {
	open := openDir
	if strings.Contains(place, "://") {
		open = openWeb
	}
	below := strings.TrimSuffix(place, "/") + "/log"
	for _, at := range []string{place, below} {
		log, err := open(at)
		if errors.Is(err, os.ErrNotExist) && at == below {
			break
		}
		if err != nil {
			return nil, err
		}
		_, err = log.Checkpoint(ctx)
		var none *client.NotFoundError
		if !errors.As(err, &none) {
			return log, nil // whatever else is wrong, the audit says
		}
		log.close()
	}
	return nil, unknown(fmt.Errorf("%s has no log: neither checkpoint nor log/checkpoint is there", place),
		"name the address of a city's node, or a folder with a copy of its log")
}

func openWeb(place string) (*openedLog, error) {
	web, err := client.NewWeb(place, client.HTTPOptions{})
	if err != nil {
		return nil, usage(err, "give an address like https://kanaalstad.example")
	}
	return &openedLog{client.NewLogReader(web), web.Close}, nil
}

func openDir(place string) (*openedLog, error) {
	root, err := os.OpenRoot(place) // no link leads out of it
	if err != nil {
		return nil, err
	}
	return &openedLog{client.NewLogReader(client.NewDir(root.FS(), place)), func() { _ = root.Close() }}, nil
}

// newestHead is the checkpoint of the largest size that a source gives and that
// verifies; nil where none does, which the audit then reports.
func newestHead(ctx context.Context, sources []*client.LogReader, trust *receipt.Trust) []byte {
	var newest []byte
	var size uint64
	for _, r := range sources {
		note, err := r.Checkpoint(ctx)
		if err != nil {
			continue
		}
		v, err := checkpoint.Verify(note, trust.Log, nil)
		if err == nil && (newest == nil || v.Checkpoint.Size > size) {
			newest, size = note, v.Checkpoint.Size
		}
	}
	return newest
}

// readHead reads and verifies a head that an earlier audit kept.
func readHead(file string, trust *receipt.Trust) (*client.Head, error) {
	note, err := readLimited(file, checkpoint.MaxNoteSize)
	if err != nil {
		return nil, err
	}
	v, err := checkpoint.Verify(note, trust.Log, nil)
	if err != nil {
		return nil, usage(fmt.Errorf("%s is no head of %s: %w", file, trust.Origin, err), "give a file that cityproof audit --save wrote")
	}
	return &client.Head{Origin: v.Checkpoint.Origin, Size: v.Checkpoint.Size, Root: v.Checkpoint.Root}, nil
}

// saveHead keeps the head, if all of the log below it was found true. Whoever
// continued from another would call a rewritten log unbroken.
func (a *App) saveHead(v *auditor, rep *audit.Report, note []byte) error {
	if rep.Verdict != audit.True || note == nil {
		a.note("The head is not kept: not all of it was found true.")
		return nil
	}
	return writeFile(v.save, note)
}

func (a *App) printAudit(r *audit.Report, noBodies bool) {
	city := ""
	if r.City != "" {
		city = " of " + line(r.City)
	}
	a.say("%s%s: %d %s", line(r.Origin), city, r.Size, plural(int(r.Size), "entry", "entries")) //nolint:gosec // 0 to 2
	if r.Root != "" {
		a.say("root %s", r.Root)
	}
	a.say("")
	a.printProven(r, noBodies)
	a.printUnproven(r)
	a.say("%s", auditVerdict(r, noBodies))
}

// printProven prints what was checked and holds.
func (a *App) printProven(r *audit.Report, noBodies bool) {
	rows := [][]string{
		{"in the signed tree", fmt.Sprint(r.Leaves), "entries"},
		{"signed and in their chains", fmt.Sprint(r.Statements), "statements about " + fmt.Sprint(r.Subjects) + " subjects"},
		{"", "", countsOf(r.Kinds)},
		{"", "", countsOf(r.Operations)},
		{"", "", countsOf(r.Provenances)},
	}
	if r.Evidence > 0 {
		rows = append(rows, []string{"proofs of misbehaviour", fmt.Sprint(r.Evidence), "of others, as this city wrote them down"})
	}
	if r.Anchors > 0 {
		rows = append(rows, []string{"anchors of its clock", fmt.Sprint(r.Anchors), "each a head of this very log"})
	}
	if noBodies {
		rows = append(rows, []string{"bodies and rules", "-", "not looked at"})
	} else {
		rows = append(rows, []string{"bodies that are what was signed", fmt.Sprint(r.Bodies.Verified), ""})
		if r.Bodies.Erased > 0 {
			rows = append(rows, []string{"bodies erased", fmt.Sprint(r.Bodies.Erased), "each with its notice in this log"})
		}
		rows = append(rows, []string{"records that break a rule", fmt.Sprint(r.Marked), ""})
		if len(r.Warnings) > 0 {
			rows = append(rows, []string{"remarks", "", countsOf(r.Warnings)})
		}
	}
	if r.Repeats > 0 {
		rows = append(rows, []string{"repeats", fmt.Sprint(r.Repeats), "of a statement that the log had: they count for nothing"})
	}
	rows = slices.DeleteFunc(rows, func(row []string) bool { return row[0] == "" && row[2] == "" })
	if s := r.Since; s != nil {
		rows = append(rows, []string{"continues the head at size", fmt.Sprint(s.Size), strings.TrimSpace(string(s.Verdict) + " " + line(s.Why))})
	}
	columns(a.Out, rows)
	a.say("")
}

// countsOf lists counts by name, the largest first.
func countsOf(m map[string]uint64) string {
	names := slices.SortedFunc(maps.Keys(m), func(x, y string) int {
		if m[x] != m[y] {
			return int(min(m[y], 1<<30)) - int(min(m[x], 1<<30))
		}
		return strings.Compare(x, y)
	})
	for i, name := range names {
		names[i] = fmt.Sprintf("%d %s", m[name], line(name))
	}
	return strings.Join(names, ", ")
}

// maxItems bounds what is printed of each list; --json has up to 1,000.
const maxItems = 20

// printUnproven prints everything that a person should look at.
func (a *App) printUnproven(r *audit.Report) {
	var void, late, newer, marks, erased, missing, lost, observed []string
	for _, n := range r.VoidLeaves {
		void = append(void, fmt.Sprintf("entry %d: %s", n.Index, line(n.Why)))
	}
	for _, n := range r.LateLeaves {
		late = append(late, fmt.Sprintf("entry %d: %s", n.Index, line(n.Why)))
	}
	for _, n := range r.NewerLeaves {
		newer = append(newer, fmt.Sprintf("entry %d: %s", n.Index, line(n.Why)))
	}
	for _, m := range r.Marks {
		marks = append(marks, fmt.Sprintf("%s  %s revision %d (entry %d) %s: %s", line(m.Rule), line(m.Subject), m.Revision, m.Index, line(m.Field), line(m.Message)))
	}
	for _, b := range r.Erased {
		erased = append(erased, fmt.Sprintf("entry %d, %s: by the notice in entry %d", b.Index, line(b.Subject), *b.Notice))
	}
	for _, b := range r.Missing {
		missing = append(missing, fmt.Sprintf("entry %d, %s: %s", b.Index, line(b.Subject), line(b.Why)))
	}
	for _, l := range r.Lost {
		lost = append(lost, fmt.Sprintf("%s: %s", line(l.Path), line(l.Why)))
	}
	for _, o := range r.Observed {
		observed = append(observed, fmt.Sprintf("%s  %s: %s", line(o.From), line(o.Path), line(o.Problem)))
	}
	a.items("Void: in the log, and part of no record", void, r.Void)
	a.items("By a key that had ended, taken before the node knew: they count for nothing", late, r.Late)
	a.items("Marked: published against a rule", marks, r.Marked)
	if r.RulesUntil != nil {
		a.say("The rules were given up behind entry %d: too much is marked.\n", *r.RulesUntil)
	}
	a.items("Erased bodies", erased, r.Bodies.Erased)
	a.items("Missing or damaged bodies", missing, r.Bodies.Missing+r.Bodies.Damaged)
	a.items("Files of the log that are not to be had", lost, uint64(len(r.Lost)))
	a.items("Needs a newer program", newer, r.Newer)
	a.items("What the servers did on the way", observed, uint64(len(r.Observed)))
}

// items prints a list under a title; total counts what the list leaves out, too.
func (a *App) items(title string, items []string, total uint64) {
	if len(items) == 0 {
		return
	}
	a.say("%s (%d):", title, total)
	for i, item := range items {
		if i == maxItems {
			a.say("  … and more (--json)")
			break
		}
		a.say("%s", hang("  ", item, a.columnsOf()))
	}
	a.say("")
}

// auditVerdict is the last line.
func auditVerdict(r *audit.Report, noBodies bool) string {
	why := make([]string, len(r.Reasons))
	for i, reason := range r.Reasons {
		why[i] = line(reason)
	}
	switch r.Verdict {
	case audit.True:
		said := "TRUE: everything that this log holds was read and is what its keys signed"
		if noBodies {
			said = "TRUE: every entry was read and is what its keys signed; bodies were not looked at"
		}
		if r.Marked > 0 {
			said += fmt.Sprintf("; %d %s a publication rule", r.Marked, plural(int(min(r.Marked, 2)), "record breaks", "records break"))
		}
		return said
	case audit.False:
		return "FALSE: " + strings.Join(why, "; ")
	default:
		return "COULD NOT TELL: " + strings.Join(why, "; ")
	}
}
