package cli

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/draft"
	"github.com/cityproof/cityproof/internal/importer"
	"github.com/cityproof/cityproof/internal/publication"
)

// imported is what an import did, over all organisations.
type imported struct {
	Rows     int            `json:"rows"`
	Skipped  int            `json:"rows_skipped"`
	Nameless int            `json:"rows_without_organisation,omitempty"`
	Drafts   int            `json:"drafts"`
	Kinds    map[string]int `json:"kinds"`
	Files    []string       `json:"files"`
	// Unsaid is what no field could be made of, and Confirm what a person should
	// look at, both by column, field and reason.
	Unsaid  []unsaid `json:"unsaid"`
	Confirm []unsaid `json:"to_confirm"`
	// Missing are fields that a complete record says and drafts do not.
	Missing      []missing             `json:"missing"`
	Unread       []importer.ValueCount `json:"unread_columns"`
	Problems     []importer.RowProblem `json:"problems"`
	MoreProblems int                   `json:"more_problems,omitempty"`
}

type unsaid struct {
	Column string                `json:"column"`
	Field  string                `json:"field"`
	Why    string                `json:"why"`
	Rows   int                   `json:"rows"`
	Values []importer.ValueCount `json:"values,omitempty"`
}

type missing struct {
	Field  string `json:"field"`
	Rule   string `json:"rule"`
	Drafts int    `json:"drafts"`
}

func newImported() *imported {
	return &imported{Kinds: map[string]int{}, Files: []string{}, Unsaid: []unsaid{}, Confirm: []unsaid{}, Missing: []missing{},
		Unread: []importer.ValueCount{}, Problems: []importer.RowProblem{}}
}

// add counts one organisation's drafts and report.
func (m *imported) add(drafts []*draft.Draft, rep *importer.Report, city string, now time.Time) {
	m.Drafts += len(drafts)
	for _, d := range drafts {
		m.Kinds[string(d.Kind())]++
		m.addMissing(d, city, now)
	}
	for _, u := range rep.Unknown {
		if why, ok := strings.CutPrefix(u.Why, importer.Confirm); ok {
			m.Confirm = addUnsaid(m.Confirm, unsaid{u.Column, u.Field, why, u.Rows, u.Values})
		} else {
			m.Unsaid = addUnsaid(m.Unsaid, unsaid{u.Column, u.Field, u.Why, u.Rows, u.Values})
		}
	}
	m.Problems = append(m.Problems, rep.Problems...)
	m.MoreProblems += rep.MoreProblems
}

// addMissing counts the fields that the rules ask for and the draft does not have.
func (m *imported) addMissing(d *draft.Draft, city string, now time.Time) {
	seen := map[missing]bool{}
	rec := draft.Preview(d, city, now)
	rec.Statement.Subject = declaration.Subject{Kind: d.Kind(), Number: 1} // whichever number it gets
	for _, r := range publication.CheckRecord(rec, now) {
		at := missing{Field: itemNumber.ReplaceAllString(r.Field, "[]"), Rule: r.Rule}
		if !r.Incomplete || seen[at] {
			continue
		}
		seen[at] = true
		i := slices.IndexFunc(m.Missing, func(x missing) bool { return x.Field == at.Field && x.Rule == at.Rule })
		if i < 0 {
			i = len(m.Missing)
			m.Missing = append(m.Missing, at)
		}
		m.Missing[i].Drafts++
	}
}

var itemNumber = regexp.MustCompile(`\[\d+\]`)

// addUnsaid adds up what has the same column, field and reason, the most frequent
// first.
func addUnsaid(list []unsaid, u unsaid) []unsaid {
	i := slices.IndexFunc(list, func(v unsaid) bool { return v.Column == u.Column && v.Field == u.Field && v.Why == u.Why })
	if i < 0 {
		list = append(list, u)
	} else {
		list[i].Rows += u.Rows
		list[i].Values = addValues(list[i].Values, u.Values)
	}
	slices.SortStableFunc(list, func(x, y unsaid) int {
		return cmp.Or(cmp.Compare(y.Rows, x.Rows), cmp.Compare(x.Column, y.Column), cmp.Compare(x.Field, y.Field), cmp.Compare(x.Why, y.Why))
	})
	return list
}

func addValues(to, from []importer.ValueCount) []importer.ValueCount {
	for _, v := range from {
		if i := slices.IndexFunc(to, func(w importer.ValueCount) bool { return w.Value == v.Value }); i >= 0 {
			to[i].Rows += v.Rows
		} else {
			to = append(to, v)
		}
	}
	slices.SortStableFunc(to, func(x, y importer.ValueCount) int {
		return cmp.Or(cmp.Compare(y.Rows, x.Rows), cmp.Compare(x.Value, y.Value))
	})
	return to
}

// maxUnsaid bounds the rows of a printed table; --json has all.
const maxUnsaid = 40

// finish puts the lists in order.
func (m *imported) finish() {
	slices.SortFunc(m.Missing, func(x, y missing) int {
		return cmp.Or(cmp.Compare(y.Drafts, x.Drafts), cmp.Compare(x.Field, y.Field), cmp.Compare(x.Rule, y.Rule))
	})
}

func (a *App) printImported(im *importing, m *imported) {
	kinds := map[string]uint64{}
	for kind, n := range m.Kinds {
		kinds[kind] = uint64(n) //nolint:gosec // a count
	}
	a.say("%d %s read, %d %s made: %s", m.Rows, plural(m.Rows, "row", "rows"), m.Drafts, plural(m.Drafts, "draft", "drafts"), countsOf(kinds))
	if m.Skipped > 0 {
		a.say("%d %s gave none: of other organisations, repeats, or unusable", m.Skipped, plural(m.Skipped, "row", "rows"))
	}
	if m.Nameless > 0 {
		a.say("%d %s no organisation and went nowhere", m.Nameless, plural(m.Nameless, "row names", "rows name"))
	}
	a.printUnsaid("What stays unsaid of the file:", m.Unsaid)
	a.printUnsaid("Words that were chosen, to be confirmed:", m.Confirm)
	a.printMissing(m)
	if len(m.Unread) > 0 {
		a.say("\nColumns that this format does not know, with the rows that filled them:")
		for i, c := range m.Unread {
			if i == maxItems {
				a.say("  … and %d more (--json)", len(m.Unread)-i)
				break
			}
			a.say("  %s (%d)", line(c.Value), c.Rows)
		}
	}
	a.printProblems(m)
	a.say("")
	for i, file := range m.Files {
		if i == maxItems {
			a.say("… and %d more", len(m.Files)-i)
			break
		}
		a.say("Drafts in %s", file)
	}
	if im.byOthers {
		a.say("%s", hang("", "Published as they are, they are labelled as imported by others and never scored.", a.columnsOf()))
		return
	}
	a.say("%s", hang("", "Published as they are, they are labelled as imported and not scored, for 180 days. Complete them by then: after that "+
		"an import with gaps shows as \"import completed: not met\" (O-30).", a.columnsOf()))
}

// printUnsaid prints a table: how many rows, which column, our field, why and the
// most frequent values.
func (a *App) printUnsaid(title string, list []unsaid) {
	if len(list) == 0 {
		return
	}
	a.say("\n%s", title)
	rows := [][]string{{"rows", "column", "field", "why"}}
	for i, u := range list {
		if i == maxUnsaid {
			break
		}
		rows = append(rows, []string{fmt.Sprint(u.Rows), clipped(line(u.Column), 24), clipped(line(u.Field), 30), line(u.Why) + frequent(u.Values)})
	}
	table(a.Out, rows, a.columnsOf())
	if len(list) > maxUnsaid {
		a.say("… and %d more (--json)", len(list)-maxUnsaid)
	}
}

// printMissing prints what a complete record would say.
func (a *App) printMissing(m *imported) {
	if len(m.Missing) == 0 {
		return
	}
	a.say("\nWhat a complete record says and these do not:")
	rows := [][]string{{"drafts", "field"}}
	for i, x := range m.Missing {
		if i == maxUnsaid {
			break
		}
		rows = append(rows, []string{fmt.Sprint(x.Drafts), line(x.Field) + " (" + x.Rule + ")"})
	}
	table(a.Out, rows, a.columnsOf())
	if len(m.Missing) > maxUnsaid {
		a.say("… and %d more (--json)", len(m.Missing)-maxUnsaid)
	}
}

// frequent names the values that stand most often.
func frequent(values []importer.ValueCount) string {
	const few = 3
	var said []string
	for _, v := range values {
		if v.Value == "" {
			continue
		}
		if len(said) == few {
			said = append(said, "…")
			break
		}
		said = append(said, quoted(v.Value, 24))
	}
	if len(said) == 0 {
		return ""
	}
	return ": " + strings.Join(said, ", ")
}

func (a *App) printProblems(m *imported) {
	total := len(m.Problems) + m.MoreProblems
	if total == 0 {
		return
	}
	a.say("\nTo look at (%d):", total)
	for i, p := range m.Problems {
		if i == maxItems {
			a.say("  … and %d more (--json)", total-i)
			break
		}
		at := fmt.Sprintf("row %d", p.Row)
		if p.Row == 0 {
			at = "the file"
		}
		if p.ID != "" {
			at += " (" + clipped(line(p.ID), 40) + ")"
		}
		a.say("%s", hang("  ", fmt.Sprintf("%s %s %s: %s", at, line(p.Column), quoted(p.Value, 60), line(p.Why)), a.columnsOf()))
	}
}

// quoted is a source's own word, fit to print and cut to n characters.
func quoted(s string, n int) string { return `"` + clipped(line(s), n) + `"` }

// clipped cuts a text to at most n characters.
func clipped(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n-1]) + "…"
}

// reservedNames are no names of files on one system or another.
var reservedNames = []string{"con", "prn", "aux", "nul"}

// folderName makes a folder's name of an organisation's, one that no other has so
// far: lower-case ASCII letters, digits and hyphens, so that no name leads
// elsewhere or means a device (threat T-43).
func folderName(organisation string, taken map[string]bool) string {
	const longest = 80
	var b strings.Builder
	for _, r := range norm.NFKD.String(strings.ToLower(organisation)) {
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			b.WriteRune(r)
		case unicode.Is(unicode.Mn, r): // the accent of the letter before
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
		if b.Len() == longest {
			break
		}
	}
	name := strings.Trim(b.String(), "-")
	if name == "" || slices.Contains(reservedNames, name) || len(name) == 4 && (strings.HasPrefix(name, "com") || strings.HasPrefix(name, "lpt")) {
		name = strings.TrimSuffix("organisation-"+name, "-")
	}
	base := name
	for n := 2; taken[name]; n++ {
		name = fmt.Sprintf("%s-%d", base, n)
	}
	taken[name] = true
	return name
}
