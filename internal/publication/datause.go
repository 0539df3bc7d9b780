package publication

import (
	"fmt"
	"slices"
	"strings"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/vocabulary"
)

func (c *checker) checkDataUse(u *declarationv1.DataUse) {
	c.checkIdentifiability(u)
	c.checkSpecial(u)
	c.checkRetention(u)
	c.checkBases(u)
	c.checkRights(u)
	c.checkRefusal(u)
	c.checkAccess(u)
	c.checkOperators(u)
}

// checkIdentifiability holds the stated identifiability to the highest of what is
// kept (V-01), so that blurring can't hide raw video.
func (c *checker) checkIdentifiability(u *declarationv1.DataUse) {
	stated := u.GetIdentifiability()
	if stated == 0 {
		return
	}
	for i, r := range u.GetRetention() {
		if r.GetIdentifiability() > stated {
			c.wrong("V-01", "data_use.identifiability", words(stated.String(), "Identifiability"),
				fmt.Sprintf("Retention entry %d (%s) is %s, which is more.", i+1, quoted(firstText(r.GetWhat())),
					words(r.GetIdentifiability().String(), "Identifiability")),
				"State the highest of all that is collected or kept, also for a moment.")
			return
		}
	}
}

// checkSpecial warns under V-14, whose data use has to be of a special category,
// of kinds of data that are one while the data use says otherwise.
func (c *checker) checkSpecial(u *declarationv1.DataUse) {
	if u.SpecialCategory == nil || u.GetSpecialCategory() {
		return
	}
	for _, t := range u.GetCategories() {
		if vocabulary.SpecialCategoryData(schemeOf(t), t.GetCode()) {
			c.warn("V-14", "data_use.special_category", "no", fmt.Sprintf("You name %s, which the law protects in particular.", t.GetCode()),
				"Write  special_category: yes")
			return
		}
	}
}

// checkRetention is V-23: each mode says what it needs and no other's.
func (c *checker) checkRetention(u *declarationv1.DataUse) {
	for i, r := range u.GetRetention() {
		field := item("data_use.retention", i)
		mode := r.GetMode()
		c.retentionPart(mode, declarationv1.RetentionMode_RETENTION_MODE_FIXED, r.Duration != nil, field+".duration", r.GetDuration(),
			"for how long", "for example:  keeps: [blurred video - de_identified - 28 days]")
		c.retentionPart(mode, declarationv1.RetentionMode_RETENTION_MODE_UNTIL_DATE, r.Until != nil, field+".until", r.GetUntil(),
			"until which day", "for example:  keeps: [counts - none - until 2027-12-31]")
		c.retentionPart(mode, declarationv1.RetentionMode_RETENTION_MODE_UNTIL_EVENT, r.Event != nil, field+".event", firstText(r.GetEvent()),
			"until what happens", "for example:  keeps: [case file - identifiable - until the case is closed]")

		kept := r.GetIdentifiability()
		if kept == 0 {
			kept = u.GetIdentifiability()
		}
		endless := mode == declarationv1.RetentionMode_RETENTION_MODE_ENDLESS || mode == declarationv1.RetentionMode_RETENTION_MODE_INDETERMINATE
		if endless && personal(kept) {
			c.warn("V-23", field+".mode", words(mode.String(), "RetentionMode"), "Personal data are kept without an end; this is listed.",
				"If there is an end, say it:  keeps: [case file - identifiable - 5 years]")
		}
	}
}

func (c *checker) retentionPart(mode, of declarationv1.RetentionMode, has bool, field, value, what, example string) {
	switch {
	case mode == of && !has:
		c.absent("V-23", field, "", fmt.Sprintf("Say %s it is kept.", what), example)
	case mode != of && mode != 0 && has:
		c.wrong("V-23", field, value, fmt.Sprintf("The mode is %s, and this says otherwise.", words(mode.String(), "RetentionMode")),
			fmt.Sprintf("Make the mode %s, or leave this out.", words(of.String(), "RetentionMode")))
	}
}

// checkBases is V-20's legal basis, V-21 and V-29.
func (c *checker) checkBases(u *declarationv1.DataUse) {
	if personal(u.GetIdentifiability()) && len(u.GetLegalBasis()) == 0 {
		c.absent("V-20", "data_use.legal_basis", "", "These are personal data, so say by what right they are used.",
			"for example:  legal_basis: official_authority, Gemeentewet art. 151c        list: cityproof codes legal_basis WORD")
	}
	for i, b := range u.GetLegalBasis() {
		c.checkBasis(b, item("data_use.legal_basis", i))
	}
	for i, s := range u.GetStorage() {
		if s.GetLegalBasis() != nil {
			c.checkBasis(s.GetLegalBasis(), item("data_use.storage", i)+".legal_basis")
		}
	}
	for i, r := range u.GetRecipients() {
		if r.GetLegalBasis() != nil {
			c.checkBasis(r.GetLegalBasis(), item("data_use.recipients", i)+".legal_basis")
		}
	}
	// Of government_access V-26 asks for the citation whatever the basis is.
}

func (c *checker) checkBasis(b *declarationv1.LegalBasis, field string) {
	scheme, code := schemeOf(b.GetTerm()), b.GetTerm().GetCode()
	if !said(b.GetCitation()) && vocabulary.CitationLegalBasis(scheme, code) {
		c.absent("V-21", field+".citation", "", fmt.Sprintf("%s needs its law: say which article.", code),
			"for example:  legal_basis: official_authority, Gemeentewet art. 151c")
	}
	if !hasText(b.GetWithdrawal()) && vocabulary.ConsentLegalBasis(scheme, code) {
		c.absent("V-29", field+".withdrawal", "", "People consent, so say how they take it back.",
			"for example:  withdrawal: In the app under Settings, or at any counter.")
	}
}

// checkRights is V-20's right with a contact.
func (c *checker) checkRights(u *declarationv1.DataUse) {
	if !personal(u.GetIdentifiability()) {
		return
	}
	for _, r := range u.GetRights() {
		if said(r.GetContact()) {
			return
		}
	}
	c.absent("V-20", "data_use.rights", "", "These are personal data, so name a right that people have, and whom they ask.",
		"for example:  rights: [access, correction, object]        contact: privacy@kanaalstad.example")
}

// checkRefusal is V-22.
func (c *checker) checkRefusal(u *declarationv1.DataUse) {
	fromPeople := u.GetSource() == declarationv1.DataSource_DATA_SOURCE_DATA_SUBJECT || u.GetSource() == declarationv1.DataSource_DATA_SOURCE_SENSOR
	r := u.GetRefusal()
	if r == nil {
		if fromPeople && personal(u.GetIdentifiability()) {
			c.absent("V-22", "data_use.refusal", "", "The data come from people, so say what happens to those who refuse.",
				"for example:  refusal: not_possible - The square can be avoided by Church Street, 80 m, without a camera.")
		}
		return
	}
	switch r.GetConsequence() {
	case declarationv1.RefusalConsequence_REFUSAL_CONSEQUENCE_PENALTY, declarationv1.RefusalConsequence_REFUSAL_CONSEQUENCE_SERVICE_DENIED:
		if !said(r.GetCitation()) {
			c.absent("V-22", "data_use.refusal.citation", words(r.GetConsequence().String(), "RefusalConsequence"),
				"Who refuses is punished or gets no service, so say by which law.", "Give the article, for example  citation: Participatiewet art. 17")
		}
	}
}

// checkAccess is V-24 for data that a company collects, V-25, V-26 and V-28.
func (c *checker) checkAccess(u *declarationv1.DataUse) {
	a := u.GetGovernmentAccess()
	if a == nil {
		if personal(u.GetIdentifiability()) && companyCollects(u) {
			c.absent("V-24", "data_use.government_access", "", "A company collects personal data, so say whether public bodies may look at them.", accessExample)
		}
		return
	}
	switch a.GetMode() {
	case declarationv1.AccessMode_ACCESS_MODE_NONE:
		c.checkNoAccess(u, a)
	case declarationv1.AccessMode_ACCESS_MODE_CONDITIONAL, declarationv1.AccessMode_ACCESS_MODE_ROUTINE:
		c.checkSomeAccess(a)
	}
	if a.GetCircumstances() == declarationv1.Circumstances_CIRCUMSTANCES_CRISIS_ONLY && a.GetCrisisEndsOn() == "" && !hasText(a.GetCrisisTrigger()) {
		c.absent("V-28", "data_use.government_access.crisis_ends_on", "", "Access is for a crisis only, so say when it ends or what sets it off.",
			"for example:  crisis_ends_on: 2027-03-31        or:  crisis_trigger: A flood alarm of level 3.")
	}
}

const accessExample = "for example:  police: none        or:  police: conditional, normal_times, statutory_request, legal_obligation, Wetboek van Strafvordering art. 126nda"

// companyCollects reports whether a private body has a hand in collecting.
func companyCollects(u *declarationv1.DataUse) bool {
	return u.GetCollectedBy() == declarationv1.CollectedBy_COLLECTED_BY_COMPANY || u.GetCollectedBy() == declarationv1.CollectedBy_COLLECTED_BY_JOINT
}

// checkNoAccess: with levels, the city says it of those alone ("police: none");
// without, of every public body.
func (c *checker) checkNoAccess(u *declarationv1.DataUse, a *declarationv1.GovernmentAccess) {
	for i, r := range u.GetRecipients() {
		if r.GetLevel() != 0 && (len(a.GetLevels()) == 0 || slices.Contains(a.GetLevels(), r.GetLevel())) {
			c.wrong("V-25", item("data_use.recipients", i)+".level", words(r.GetLevel().String(), "GovernmentLevel"),
				fmt.Sprintf("You say that such a body may not look, and name %s.", quoted(r.GetParty().GetName())), "Change the access, or take the recipient out.")
		}
	}
}

func (c *checker) checkSomeAccess(a *declarationv1.GovernmentAccess) {
	const at = "data_use.government_access."
	ask := func(missing bool, field, message string) {
		if missing {
			c.absent("V-26", at+field, "", message, accessExample)
		}
	}
	ask(len(a.GetLevels()) == 0, "levels", "Public bodies may look, so say which.")
	ask(a.GetCircumstances() == 0, "circumstances", "Public bodies may look, so say whether in a crisis only or in normal times.")
	ask(a.GetAuthorisation() == 0, "authorisation", "Public bodies may look, so say what they need for it: a court's order, a request by law, a contract, nothing.")
	switch b := a.GetLegalBasis(); {
	case b == nil:
		ask(true, "legal_basis", "Public bodies may look, so say by what right.")
	default:
		ask(!said(b.GetCitation()), "legal_basis.citation", "Public bodies may look, so say by which law.")
	}
}

// checkOperators is V-27. Operators are told apart by their names, case and spaces
// aside. Withheld storage is unknown, not missing.
func (c *checker) checkOperators(u *declarationv1.DataUse) {
	if u.GetArchitecture() != declarationv1.Architecture_ARCHITECTURE_DECENTRALISED_MULTI_OPERATOR || c.isWithheld("data_use.storage") {
		return
	}
	first := ""
	for _, s := range u.GetStorage() {
		switch name := fold(s.GetOperator()); {
		case name == "":
		case first == "":
			first = name
		case name != first:
			return
		}
	}
	c.absent("V-27", "data_use.storage", "", "You say that several operators share the data, so name at least two.",
		"for example:  stored: [third_party_cloud NL Zicht Systemen BV, local NL Gemeente Kanaalstad]")
}

// fold makes names comparable: lower case, single spaces.
func fold(s string) string { return strings.ToLower(strings.Join(strings.Fields(s), " ")) }
