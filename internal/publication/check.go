package publication

import (
	"fmt"
	"strings"
	"time"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/declaration"
)

const (
	// firstYear is the earliest year of any date (V-07).
	firstYear = 1900
	// clockSkew is how far the city's clock may be from the door's (V-07).
	clockSkew = 5 * time.Minute
	// maxReview is how far away a deployment's next review may be.
	maxReviewMonths = 36
	// maxValidYears is how long an assessment may claim to hold.
	maxValidYears = 3
	// farEndYears is when an end is so far away that it is none (V-15).
	farEndYears = 10
)

// CheckRecord runs the rules that need only the record. now is the door's clock
// for V-07; the zero time leaves V-07's clock part out: an auditor years later
// can't ask it. The results stand in the order of the fields; nil means that every
// such rule is kept. Both parts of rec must be there.
func CheckRecord(rec Record, now time.Time) []Result {
	c := &checker{report: newReport(rec.Statement), statement: rec.Statement, body: rec.Body}
	if kind, ok := declaration.KindOf(rec.Body); !ok || kind != rec.Statement.Subject.Kind {
		c.wrong("V-01", string(rec.Statement.Subject.Kind), rec.Statement.Subject.String(),
			"The body does not hold a record of the kind that its number says.", "Publish it under a number of its own kind.")
		return c.results
	}
	c.checkStatement(now)
	if lang := rec.Body.GetLanguage(); lang != "" && languageProblem(lang) == "" {
		c.language = lang
		c.tags[0], c.seen = lang, 1
	}
	c.message(plans(), rec.Body.ProtoReflect())
	c.withheld()
	c.checkAttachments()
	if rec.Statement.Operation == declaration.Withdraw {
		return c.results
	}
	switch r := rec.Body.GetRecord().(type) {
	case *declarationv1.Body_Member:
		c.checkMember(r.Member)
	case *declarationv1.Body_Deployment:
		c.checkDeployment(r.Deployment)
	case *declarationv1.Body_DataUse:
		c.checkDataUse(r.DataUse)
	case *declarationv1.Body_Assessment:
		c.checkAssessment(r.Assessment)
	case *declarationv1.Body_Commitment:
		c.checkCommitment(r.Commitment)
	case *declarationv1.Body_Service:
		c.checkService(r.Service)
	case *declarationv1.Body_Notice:
		c.checkNotice(r.Notice)
	case *declarationv1.Body_Finding:
		c.checkFinding(r.Finding)
	}
	return c.results
}

// checkStatement checks what the statement says beside the record.
func (c *checker) checkStatement(now time.Time) {
	s := c.statement
	if s.Operation != declaration.Publish && !hasText(c.body.GetReason()) {
		c.wrong("V-02", "reason", "", fmt.Sprintf("Say why: %s needs a reason.", s.Operation),
			"for example:  reason: Reports come in after five weeks on average.")
	}
	if s.EffectiveOn.Year < firstYear {
		c.wrong("V-07", "effective_on", s.EffectiveOn.String(), fmt.Sprintf("This is before %d.", firstYear),
			"Write the day from which the record holds, for example  effective: 2026-12-14")
	}
	if skew := s.DeclaredAt.Sub(now); !now.IsZero() && skew.Abs() > clockSkew {
		direction := "behind"
		if skew > 0 {
			direction = "ahead of"
		}
		c.wrong("V-07", "declared_at", s.DeclaredAt.UTC().Format(time.RFC3339),
			fmt.Sprintf("The clock that signed is %v %s the node's.", skew.Abs().Round(time.Second), direction),
			"Set the clock of the machine that signs, and publish again within five minutes of signing.")
	}
	if s.Provenance.Imported() && !said(c.body.GetSourceId()) && len(c.body.GetImportedFrom()) == 0 {
		c.wrong("V-01", "source_id", "", "This says that it is imported, but not from where.",
			"Give the source register's own id (source_id) or the address of its row (imported_from).")
	}
}

// AttachmentAt is an attachment and where it stands.
type AttachmentAt struct {
	Field      string // path, for example "attachments[0]"
	Attachment *declarationv1.Attachment
}

// Attachments returns every attachment of a body in the order of its fields: those
// beside the record, then an assessment's report.
func Attachments(body *declarationv1.Body) []AttachmentAt {
	var out []AttachmentAt
	for i, a := range body.GetAttachments() {
		out = append(out, AttachmentAt{item("attachments", i), a})
	}
	if r := body.GetAssessment().GetReport(); r != nil {
		out = append(out, AttachmentAt{"assessment.report", r})
	}
	return out
}

func (c *checker) checkAttachments() {
	for _, at := range Attachments(c.body) {
		if at.Attachment.Sha256 == nil && !said(at.Attachment.GetUrl()) {
			c.absent("V-01", at.Field, at.Attachment.GetTitle(), "The attachment has neither a file nor an address.",
				"Name the file, for example  report: plaza-pia.pdf")
		}
	}
}

// date reads a date that the walk has checked; ok is false for none.
func date(s string) (d declaration.Date, ok bool) {
	if s == "" {
		return d, false
	}
	d, err := declaration.ParseDate(s)
	return d, err == nil
}

// inOrder reports under V-15 a later date that is before the earlier one under
// every reading: a coarse date is refused only where it can't be true.
func (c *checker) inOrder(earlier, later, laterField, what string) {
	first, ok1 := date(earlier)
	last, ok2 := date(later)
	if ok1 && ok2 && last.Last().Before(first.First()) {
		c.wrong("V-15", laterField, later, fmt.Sprintf("%s, %s.", what, earlier), "Put the two dates in order.")
	}
}

// presence reports a part of a record that must stand exactly with one kind of it
// (V-01).
func (c *checker) presence(has, wanted bool, field, kind, example string) {
	switch {
	case wanted && !has:
		c.absent("V-01", field, "", fmt.Sprintf("This is a %s, so say the %s.", kind, plain(lastPart(field))), example)
	case has && !wanted:
		c.wrong("V-01", field, "", fmt.Sprintf("Only a %s has this.", kind), "Leave it out, or publish it as a record of its own.")
	}
}

func lastPart(field string) string { return field[strings.LastIndexByte(field, '.')+1:] }

// personal is what "personal" means in every rule.
func personal(i declarationv1.Identifiability) bool {
	return i >= declarationv1.Identifiability_IDENTIFIABILITY_PSEUDONYMOUS
}
