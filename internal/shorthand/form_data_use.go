package shorthand

import (
	"regexp"
	"strings"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/declaration"
)

func readPurpose(v value, m *declarationv1.Purpose) {
	code, text, ok := v.head()
	if !ok || !v.words("a purpose") {
		return
	}
	if t, ok := v.part(code).term(schemesOf(m, "term")); ok {
		m.Term = t
	}
	if text != "" {
		m.Text = v.part(text).localized()
	}
}

func readLegalBasis(v value, m *declarationv1.LegalBasis) {
	basis, citation, cited := strings.Cut(v.text, ", ")
	if !v.words("a legal basis") {
		return
	}
	if t, ok := v.part(basis).term(schemesOf(m, "term")); ok {
		m.Term = t
	}
	if cited {
		m.Citation = &citation
	}
	if v.rec.ws.Country != "" {
		m.Jurisdiction = ptr(v.rec.ws.Country)
	}
}

func readRetention(v value, m *declarationv1.Retention) {
	parts, ok := v.dashed()
	if !ok || !v.words("what is kept") {
		return
	}
	if len(parts) != 3 {
		v.badForm(m, "this is not three parts")
		return
	}
	m.What = v.part(parts[0]).localized()
	if e, ok := enumOf[declarationv1.Identifiability](v.part(parts[1])); ok {
		m.Identifiability = e
	}
	readHowLong(v.part(parts[2]), m)
}

// readHowLong sets mode, duration, until, event and citation; what an amendment
// gives as "keeps[blurred video]: 60 days".
func readHowLong(v value, m *declarationv1.Retention) {
	m.Mode, m.Duration, m.Until, m.Event, m.Citation = nil, nil, nil, nil, nil
	if event, ok := strings.CutPrefix(v.text, "until "); ok {
		if when, citation, cited := strings.Cut(event, ", "); startsWithDigit(event) {
			m.Mode = declarationv1.RetentionMode_RETENTION_MODE_UNTIL_DATE.Enum()
			m.Until, _ = v.part(when).date()
			if cited {
				m.Citation = &citation
			}
			return
		}
		m.Mode = declarationv1.RetentionMode_RETENTION_MODE_UNTIL_EVENT.Enum()
		m.Event = v.part(event).localized()
		return
	}
	how, citation, cited := strings.Cut(v.text, ", ")
	if cited {
		m.Citation = &citation
	}
	switch fold(how) {
	case "none", "not_retained":
		m.Mode = declarationv1.RetentionMode_RETENTION_MODE_NOT_RETAINED.Enum()
	case "indeterminate":
		m.Mode = declarationv1.RetentionMode_RETENTION_MODE_INDETERMINATE.Enum()
	case "endless":
		m.Mode = declarationv1.RetentionMode_RETENTION_MODE_ENDLESS.Enum()
	default:
		d, ok := tryDuration(how)
		if !ok {
			v.part(how).fail("this does not say how long it is kept",
				"write none, a duration such as 28 days, until DATE, until EVENT, indeterminate or endless")
			return
		}
		m.Mode = declarationv1.RetentionMode_RETENTION_MODE_FIXED.Enum()
		m.Duration = &d
	}
}

func startsWithDigit(s string) bool { return s != "" && s[0] >= '0' && s[0] <= '9' }

func readStorage(v value, m *declarationv1.Storage) {
	head, operator, more := strings.Cut(v.text, ", ")
	where, country, ok := cutLast(head, " ")
	if !ok || !v.words("a place") {
		v.badForm(m, "this is not where and in which country")
		return
	}
	if e, ok := enumOf[declarationv1.StorageWhere](v.part(where)); ok {
		m.Where = e
	}
	if c, ok := v.part(country).country(); ok {
		m.Country = c
	}
	if more {
		m.Operator = &operator
	}
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return strings.TrimSpace(s[:i]), s[i+len(sep):], true
}

func readRecipient(v value, m *declarationv1.Recipient) {
	parts, ok := v.dashed()
	if !ok || !v.words("a recipient") {
		return
	}
	if len(parts) > 2 {
		v.badForm(m, "this has too many parts")
		return
	}
	m.Party = &declarationv1.Party{}
	readParty(v.part(parts[0]), m.Party)
	if len(parts) == 2 {
		m.Purpose = &declarationv1.Purpose{}
		readPurpose(v.part(parts[1]), m.Purpose)
	}
}

func readNoAccess(v value, m *declarationv1.GovernmentAccess) {
	if fold(v.text) != "none" {
		v.badForm(m, "one word says too little")
		return
	}
	m.Mode = declarationv1.AccessMode_ACCESS_MODE_NONE.Enum()
}

const policeForm = "none, or MODE, CIRCUMSTANCES, AUTHORISATION, BASIS, CITATION"

// readPolice is government access at level LAW_ENFORCEMENT. "none" says it of the
// police alone: it claims nothing of other public bodies.
func readPolice(v value, m *declarationv1.GovernmentAccess) {
	m.Levels = []declarationv1.GovernmentLevel{declarationv1.GovernmentLevel_GOVERNMENT_LEVEL_LAW_ENFORCEMENT}
	if fold(v.text) == "none" {
		m.Mode = declarationv1.AccessMode_ACCESS_MODE_NONE.Enum()
		return
	}
	parts, ok := v.commas(5)
	if !ok || !v.words("the access") {
		return
	}
	if len(parts) != 5 {
		v.fail("this does not say all five parts", "write "+policeForm+
			", for example conditional, normal_times, statutory_request, legal_obligation, Wetboek van Strafvordering art. 126nda; or the fields of government_access")
		return
	}
	if e, ok := enumOf[declarationv1.AccessMode](v.part(parts[0])); ok {
		m.Mode = e
	}
	if e, ok := enumOf[declarationv1.Circumstances](v.part(parts[1])); ok {
		m.Circumstances = e
	}
	if e, ok := enumOf[declarationv1.Authorisation](v.part(parts[2])); ok {
		m.Authorisation = e
	}
	m.LegalBasis = &declarationv1.LegalBasis{}
	readLegalBasis(v.part(parts[3]+", "+parts[4]), m.LegalBasis)
}

func readRight(v value, m *declarationv1.Right) {
	right, how, ok := v.head()
	if !ok || !v.words("a right") {
		return
	}
	if t, ok := v.part(right).term(schemesOf(m, "term")); ok {
		m.Term = t
	}
	if how != "" {
		m.How = v.part(how).localized()
	}
	if v.rec.contact != "" {
		m.Contact = &v.rec.contact
	}
}

func readRefusal(v value, m *declarationv1.Refusal) {
	head, text, ok := v.head()
	if !ok || !v.words("a consequence") {
		return
	}
	consequence, citation, cited := strings.Cut(head, ", ")
	if e, ok := enumOf[declarationv1.RefusalConsequence](v.part(consequence)); ok {
		m.Consequence = e
	}
	if cited {
		m.Citation = &citation
	}
	if text != "" {
		m.Text = v.part(text).localized()
	}
}

var hexHash = regexp.MustCompile(`^[0-9a-f]{64}$`)

func readLeafRef(v value, m *declarationv1.LeafRef) {
	origin, hash, ok := strings.Cut(v.text, " ")
	if !ok || !hexHash.MatchString(hash) || declaration.CheckOrigin(origin) != nil {
		v.badForm(m, "this is not a log's origin and a leaf hash of 64 hexadecimal digits")
		return
	}
	m.Origin = &origin
	m.Leaf, _ = v.part(hash).bytesValue(32)
}
