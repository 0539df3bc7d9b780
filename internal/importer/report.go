package importer

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/cityproof/cityproof/internal/draft"
)

// Bounds of a report: a file that has something odd in every cell must not become
// a report many times its size.
const (
	maxProblems = 10_000
	maxValues   = 200 // different values counted of one column
	maxValue    = 64  // characters of a value that is counted by itself
)

// Report says what became of a file's rows.
type Report struct {
	Rows    int // rows read
	Drafts  int // drafts made: a row may give several, or many rows one
	Skipped int // rows that gave none: of other organisations, repeats, unusable

	// Unknown sums what the drafts' Unknown say, by column, field and reason, and
	// what is noted of single cameras of a list.
	Unknown []UnknownCount
	// Unread are columns that the format doesn't know, with the rows that filled them.
	Unread []ValueCount
	// Problems are what a person should look at, in the order of the rows.
	Problems     []RowProblem
	MoreProblems int // beyond the 10,000 listed

	// Files are attachments that drafts name (draft.File), to be written beside them.
	Files []File
}

// UnknownCount is how often a column's value could not become a field.
type UnknownCount struct {
	Column, Field, Why string
	Rows               int
	// Values counts the short ones (up to 64 characters, up to 200 different),
	// most frequent first; longer texts are only in Rows and on the drafts.
	Values []ValueCount
}

// ValueCount is how many rows had a value.
type ValueCount struct {
	Value string
	Rows  int
}

// RowProblem is something about one row that a person should look at.
type RowProblem struct {
	Row    int    // from 1, without a header; 0: the file as a whole
	ID     string // the source's id of the row, if it has one
	Column string
	Value  string // clipped
	Why    string
}

// File is the content of an attachment that a draft names.
type File struct {
	Name    string
	Content []byte
}

// UnknownRows is in how many rows the column had exactly this value (as it stands
// in the file, up to 64 characters) and it could not become a field.
func (r *Report) UnknownRows(column, value string) int {
	n := 0
	for _, u := range r.Unknown {
		for _, v := range u.Values {
			if u.Column == column && v.Value == value {
				n += v.Rows
			}
		}
	}
	return n
}

// tally is a report while it is made.
type tally struct {
	rows, skipped int
	unknown       map[[3]string]*unknownTally
	unread        map[string]int
	problems      []RowProblem
	more          int
	files         []File
}

type unknownTally struct {
	rows   int
	values map[string]int
}

func newTally() *tally {
	return &tally{unknown: map[[3]string]*unknownTally{}, unread: map[string]int{}}
}

func (t *tally) addUnknown(n draft.Unknown) {
	value := n.Value
	key := [3]string{n.Column, n.Field, n.Why}
	u := t.unknown[key]
	if u == nil {
		u = &unknownTally{values: map[string]int{}}
		t.unknown[key] = u
	}
	u.rows++
	if _, ok := u.values[value]; (ok || len(u.values) < maxValues) && utf8.RuneCountInString(value) <= maxValue {
		u.values[value]++
	}
}

func (t *tally) problem(p RowProblem) {
	if len(t.problems) == maxProblems {
		t.more++
		return
	}
	p.Value = clip(p.Value)
	t.problems = append(t.problems, p)
}

func (t *tally) report(drafts int) *Report {
	r := &Report{Rows: t.rows, Drafts: drafts, Skipped: t.skipped, Unread: counts(t.unread),
		Problems: t.problems, MoreProblems: t.more, Files: t.files}
	for key, u := range t.unknown {
		r.Unknown = append(r.Unknown, UnknownCount{key[0], key[1], key[2], u.rows, counts(u.values)})
	}
	slices.SortFunc(r.Unknown, func(a, b UnknownCount) int {
		return cmp.Or(strings.Compare(a.Column, b.Column), strings.Compare(a.Field, b.Field), strings.Compare(a.Why, b.Why))
	})
	return r
}

func counts(m map[string]int) []ValueCount {
	var out []ValueCount
	for _, v := range slices.Sorted(maps.Keys(m)) {
		out = append(out, ValueCount{v, m[v]})
	}
	slices.SortStableFunc(out, func(a, b ValueCount) int { return cmp.Compare(b.Rows, a.Rows) })
	return out
}

// clip shortens a value for a message.
func clip(s string) string {
	const most = 200 // bytes
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// Reasons is how many rows noted the column's value against the field, for a
// reason other than that it was blank.
func (r *Report) Reasons(column, field string) int {
	n := 0
	for _, u := range r.Unknown {
		if u.Column == column && u.Field == field && u.Why != whyBlank && u.Why != whyNothing {
			n += u.Rows
		}
	}
	return n
}
