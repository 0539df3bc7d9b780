package publication

import (
	"fmt"
	"strconv"
	"strings"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/declaration"
)

// Level says what follows from a rule that is not kept.
type Level int

// The levels.
const (
	Warn   Level = iota + 1 // accepted, and shown
	Reject                  // refused by the publishing node, marked by every verifier
)

func (l Level) String() string {
	switch l {
	case Warn:
		return "WARN"
	case Reject:
		return "REJECT"
	}
	return fmt.Sprintf("Level(%d)", int(l))
}

// Result is one rule that a record does not keep.
type Result struct {
	Rule  string // for example "V-11"
	Level Level
	// Field is the path of the field to change, for example "deployment.tech" or
	// "data_use.retention[1].duration"; of the statement's own fields only their
	// name ("declared_at"). Items count from 0.
	Field string
	// Value is what stands there, cut to 60 characters; empty where nothing does.
	// It is somebody else's text: quote it before printing.
	Value string
	// Message says what is wrong and Hint what to do, in plain English for an
	// officer. Both are printable on one line.
	Message, Hint string
	// Incomplete says that the level would be Reject if the record were not
	// imported: it lists what an import still lacks.
	Incomplete bool
	// Chain is set where the statement does not follow its subject's newest
	// revision: whoever lost a race finds there what to follow instead.
	Chain *declaration.ChainError
}

// Rejects reports whether any of the results refuses the record.
func Rejects(results []Result) bool {
	for i := range results {
		if results[i].Level == Reject {
			return true
		}
	}
	return false
}

// Record is a declaration as the rules see it.
type Record struct {
	Statement *declaration.Statement
	Body      *declarationv1.Body

	keys *keySet // of Body, where WithKeys has worked them out
}

// WithKeys returns the record with the keys of its body worked out, which CheckLive
// and Memory.Apply do again each time without it. An auditor does it for many records
// side by side. The body must not change afterwards.
func (r Record) WithKeys() Record {
	keys := keysOf(r.Body)
	r.keys = &keys
	return r
}

func (r Record) keySet() keySet {
	if r.keys != nil {
		return *r.keys
	}
	return keysOf(r.Body)
}

// maxResults bounds what one record can be told at once: a hostile body of 256 KiB
// could break a rule in each of its items.
const maxResults = 100

// report collects what is wrong with one record.
type report struct {
	results []Result
	// imported: what is absent is listed instead of refused.
	imported bool
	// withdrawn: the record only repeats what stood there, so nothing is owed.
	withdrawn bool
}

func newReport(s *declaration.Statement) report {
	return report{imported: s.Provenance.Imported(), withdrawn: s.Operation == declaration.Withdraw}
}

func (r *report) full() bool { return len(r.results) >= maxResults }

func (r *report) add(res Result) {
	if !r.full() {
		r.results = append(r.results, res)
	}
}

// wrong reports a value that is malformed or contradicts another: refused whoever
// publishes it.
func (r *report) wrong(rule, field, value, message, hint string) {
	r.add(Result{Rule: rule, Level: Reject, Field: field, Value: shorten(value), Message: message, Hint: hint})
}

// absent reports something that is left unsaid. An import can't know what its
// source doesn't say, so there it is listed (declarations, section 2.11); a
// withdrawal owes nothing any more.
func (r *report) absent(rule, field, value, message, hint string) {
	if r.withdrawn {
		return
	}
	res := Result{Rule: rule, Level: Reject, Field: field, Value: shorten(value), Message: message, Hint: hint}
	if r.imported && ruleByID(rule).Imports == ListAbsent {
		res.Level, res.Incomplete = Warn, true
	}
	r.add(res)
}

// warn reports what is accepted and shown.
func (r *report) warn(rule, field, value, message, hint string) {
	r.add(Result{Rule: rule, Level: Warn, Field: field, Value: shorten(value), Message: message, Hint: hint})
}

const maxValue = 60

// shorten cuts a value to what a message can repeat.
func shorten(s string) string {
	if len(s) <= maxValue {
		return s
	}
	n := 0
	for i := range s {
		if n == maxValue {
			return s[:i] + "…"
		}
		n++
	}
	return s
}

// quoted is a value inside a message: cut, and harmless on a terminal, because the
// rules that follow the walk also see what the walk has refused.
func quoted(s string) string {
	s = shorten(s)
	if _, problem := scan(s, false); problem != "" {
		return strconv.QuoteToASCII(s)
	}
	return s
}

// item is the path of a list's item.
func item(field string, i int) string { return fmt.Sprintf("%s[%d]", field, i) }

// words turns an enum value's name into what an officer writes:
// RETENTION_MODE_FIXED of RetentionMode is "fixed".
func words(name, enum string) string {
	return strings.ToLower(strings.TrimPrefix(name, screaming(enum)+"_"))
}

// screaming turns CamelCase into CAMEL_CASE.
func screaming(s string) string {
	var b strings.Builder
	for i, c := range []byte(s) {
		if i > 0 && c >= 'A' && c <= 'Z' {
			b.WriteByte('_')
		}
		b.WriteByte(c)
	}
	return strings.ToUpper(b.String())
}

// hasText reports whether a text says anything.
func hasText(t *declarationv1.LocalizedText) bool {
	for _, x := range t.GetTexts() {
		if strings.TrimSpace(x.GetValue()) != "" {
			return true
		}
	}
	return false
}

func said(s string) bool { return strings.TrimSpace(s) != "" }

// firstText is a text's first language, for messages.
func firstText(t *declarationv1.LocalizedText) string {
	if len(t.GetTexts()) == 0 {
		return ""
	}
	return t.GetTexts()[0].GetValue()
}
