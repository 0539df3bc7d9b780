package shorthand

import (
	"math"
	"regexp"
	"strings"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
)

func readConformity(v value, m *declarationv1.Conformity) {
	parts, ok := v.commas(-1)
	if !ok || !v.words("a kind") {
		return
	}
	if e, ok := enumOf[declarationv1.ConformityKind](v.part(parts[0])); ok {
		m.Kind = e
	}
	if len(parts) == 1 {
		return
	}
	until, isUntil := strings.CutPrefix(parts[len(parts)-1], "until ")
	if len(parts) != 4 || !isUntil {
		v.badForm(m, "this is not kind, certifier, number and end")
		return
	}
	m.Certifier, m.CertificateNo = &parts[1], &parts[2]
	m.ExpiresOn, _ = v.part(until).date()
}

func readConsequence(v value, m *declarationv1.Consequence) {
	head, text, ok := v.head()
	if !ok || !v.words("a consequence") {
		return
	}
	if whom, kind, two := strings.Cut(head, ", "); two {
		if e, ok := enumOf[declarationv1.ConsequenceFor](v.part(whom)); ok {
			m.For = e
		}
		head = kind
	}
	if e, ok := enumOf[declarationv1.ConsequenceKind](v.part(head)); ok {
		m.Kind = e
	}
	if text != "" {
		m.Text = v.part(text).localized()
	}
}

func readPosition(v value, m *declarationv1.Position) {
	parts, ok := v.commas(3)
	if !ok || !v.words("a position") {
		return
	}
	if len(parts) != 3 {
		v.badForm(m, "this is not stance, body and proposal")
		return
	}
	if e, ok := enumOf[declarationv1.Stance](v.part(parts[0])); ok {
		m.Stance = e
	}
	m.Body = &parts[1]
	proposal := parts[2]
	if p, vote, ok := cutLast(proposal, ", vote "); ok {
		proposal = p
		m.VoteOn, _ = v.part(vote).date()
	}
	m.Proposal = &proposal
}

func readNegative(v value, m *declarationv1.Negative) {
	parts, ok := v.commas(-1)
	if !ok {
		return
	}
	if t, ok := v.part(parts[0]).term(schemesOf(m, "term")); ok {
		m.Term = t
	}
	for _, p := range parts[1:] {
		switch since, until := strings.CutPrefix(p, "since "); {
		case until && m.Since == nil:
			m.Since, _ = v.part(since).date()
		case strings.HasPrefix(p, "until ") && m.Until == nil:
			m.Until, _ = v.part(p[6:]).date()
		default:
			v.badForm(m, "this is not a term with since and until")
			return
		}
	}
}

func readConsultation(v value, m *declarationv1.Consultation) {
	head, how, ok := v.head()
	if !ok || !v.words("a consultation") {
		return
	}
	opens, closes, two := strings.Cut(head, " to ")
	if !two || how == "" {
		v.badForm(m, "this is not two dates and how to take part")
		return
	}
	m.OpensOn, _ = v.part(opens).date()
	m.ClosesOn, _ = v.part(closes).date()
	m.How = v.part(how).localized()
}

func readRole(v value, m *declarationv1.ResponsibleRole) {
	scope, rest, ok := v.head()
	if !ok || !v.words("a role") {
		return
	}
	if rest == "" {
		v.badForm(m, "the role's title is missing")
		return
	}
	if e, ok := enumOf[declarationv1.RoleScope](v.part(scope)); ok {
		m.Scope = e
	}
	title, text, _ := strings.Cut(rest, " - ")
	m.Title = v.part(title).localized()
	if text != "" {
		m.Text = v.part(text).localized()
	}
}

var countYear = regexp.MustCompile(`^([0-9]+) \(([0-9]{4})\)$`)

func readPopulation(v value, m *declarationv1.Population) {
	parts := countYear.FindStringSubmatch(v.text)
	if parts == nil {
		v.badForm(m, "this is not a count and a year")
		return
	}
	if n, ok := v.part(parts[1]).integer(0, math.MaxUint32); ok {
		m.Count = ptr(uint32(n)) //nolint:gosec // bounded by the call
	}
	if n, ok := v.part(parts[2]).integer(1900, 9999); ok {
		m.Year = ptr(uint32(n)) //nolint:gosec // bounded by the call
	}
}

func readChannel(v value, m *declarationv1.Channel) {
	parts, ok := v.dashed()
	if !ok || !v.words("a channel") {
		return
	}
	if last := len(parts) - 1; last > 0 && isEnum[declarationv1.Accessibility](parts[last]) {
		m.Accessibility, _ = enumOf[declarationv1.Accessibility](v.part(parts[last]))
		parts = parts[:last]
	}
	if last := len(parts) - 1; last > 0 {
		for _, lang := range strings.Split(parts[last], ",") {
			lang = strings.TrimSpace(lang)
			if !isLanguage(lang) {
				v.part(lang).badForm(m, "this is neither a language nor an accessibility")
				return
			}
			m.Languages = append(m.Languages, lang)
		}
		parts = parts[:last]
	}
	kind, where, has := strings.Cut(joinDashes(parts), " ")
	if e, ok := enumOf[declarationv1.ChannelKind](v.part(kind)); ok {
		m.Kind = e
	}
	switch {
	case !has:
	case strings.Contains(where, "://"):
		m.Url = &where
	default:
		m.Place = v.part(where).localized()
	}
}
