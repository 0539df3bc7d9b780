package draft

import (
	"fmt"
	"strings"
)

// SourceError is one thing that is wrong with what somebody wrote: where, what,
// and what to do about it.
type SourceError struct {
	File string
	Line int // from 1; 0 when it is about the whole file
	// Path names the field as it was written ("data[0].keeps[1]") or, in the long
	// form, as the model has it ("body.data_use.retention[1].mode").
	Path string
	// Value is the offending text, cut to a readable length; empty where the
	// problem is not a value's.
	Value   string
	Problem string // what is wrong, without a full stop
	Do      string // what to do; may be empty
	// Suggestions are what may have been meant, likeliest first.
	Suggestions []string
}

// Error gives file:line, path, problem and advice in one line. Text of the file is
// quoted, so that no control character of it reaches a terminal (T-43).
func (e *SourceError) Error() string {
	var b strings.Builder
	if e.File != "" {
		b.WriteString(printable(e.File))
		if e.Line > 0 {
			fmt.Fprintf(&b, ":%d", e.Line)
		}
		b.WriteString(": ")
	}
	if e.Path != "" {
		b.WriteString(printable(e.Path))
		b.WriteString(": ")
	}
	if e.Value != "" {
		fmt.Fprintf(&b, "%q: ", clip(e.Value))
	}
	b.WriteString(visible(e.Problem))
	if len(e.Suggestions) > 0 {
		b.WriteString("; did you mean ")
		b.WriteString(visible(strings.Join(e.Suggestions, " or ")))
		b.WriteString("?")
	}
	if e.Do != "" {
		b.WriteString("; ")
		b.WriteString(visible(e.Do))
	}
	return b.String()
}

// Problems is everything that is wrong with a file, in the order of its lines.
type Problems []*SourceError

// Error lists every problem, one a line.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, e := range p {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}

// Limited returns the first MaxProblems, and one more that says how many are left
// out: nobody reads a million lines, and a hostile file must not make them.
func (p Problems) Limited() Problems {
	if len(p) <= MaxProblems {
		return p
	}
	more := &SourceError{File: p[0].File, Problem: fmt.Sprintf("%d more problems are not listed", len(p)-MaxProblems)}
	return append(p[:MaxProblems:MaxProblems], more)
}

// Unwrap lets errors.As find a single *SourceError.
func (p Problems) Unwrap() []error {
	out := make([]error, len(p))
	for i, e := range p {
		out[i] = e
	}
	return out
}

// maxShown is how many bytes of somebody's text a message repeats.
const maxShown = 120

func clip(s string) string {
	if len(s) <= maxShown {
		return s
	}
	return strings.ToValidUTF8(s[:maxShown], "") + "…"
}

// printable is visible, cut to a readable length.
func printable(s string) string { return visible(clip(s)) }

// visible returns s with escapes in place of what a terminal would act on or nobody
// would see: names and other programs' messages come from files, too.
func visible(s string) string {
	if !strings.ContainsFunc(s, hidden) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if hidden(r) {
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// hidden reports whether r is a control character or directs the text around it.
func hidden(r rune) bool {
	return r < 0x20 || r >= 0x7f && r <= 0x9f || r == '\u2028' || r == '\u2029' || r == '\ufeff' || IsBidiControl(r)
}
