package importer

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/draft"
)

// Limits of the fields that imports fill, in characters; the protos' own rules,
// which a test compares.
const (
	maxName    = 100
	maxSummary = 400
	maxText    = 5000
	maxParty   = 200
	maxLabel   = 200
)

// row is one row on its way to a draft.
type row struct {
	im   *importer
	rec  *record
	id   string // source's id, for reports
	lang string // of the texts
	d    *draft.Draft
	dep  *declarationv1.Deployment
}

// deployment gives the row a draft of a deployment.
func (r *row) deployment(kind declarationv1.DeploymentType) {
	r.d = r.im.newDraft(r.lang)
	r.dep = &declarationv1.Deployment{Type: &kind}
	r.d.Body.Record = &declarationv1.Body_Deployment{Deployment: r.dep}
}

// setLanguage says in which language the row's texts are.
func (r *row) setLanguage(lang string) {
	r.lang = lang
	r.d.Body.Language = &lang
}

// problem reports something about the row.
func (r *row) problem(column, value, why string) {
	r.im.rep.problem(RowProblem{Row: r.rec.num, ID: r.id, Column: column, Value: maskMail(value), Why: why})
}

// skip reports why the row gives no draft.
func (r *row) skip(column, value, why string) {
	r.im.rep.skipped++
	r.problem(column, value, why)
}

// unknown notes that the column's value became no field.
func (r *row) unknown(column, field, why string) {
	r.unknownValue(column, r.rec.text(column), field, why)
}

// unknownValue is unknown for a value that is only part of a column. A person's
// address is left out even here: drafts are passed around.
func (r *row) unknownValue(column, value, field, why string) {
	u := draft.Unknown{Column: column, Value: maskMail(value), Field: field, Why: why}
	if r.d == nil { // a camera: one row of a deployment
		r.im.rep.addUnknown(u)
		return
	}
	r.d.Unknown = append(r.d.Unknown, u) // summed once the draft is sure to be
}

// confirm notes that the field was filled with words that a person should look at.
func (r *row) confirm(column, field, why string) { r.unknown(column, field, Confirm+why) }

const (
	whyBlank    = "blank in the source"
	whyNothing  = "the source says that it doesn't say"
	whyUnlisted = "this word is not one that the format is known to use"
	whyNoField  = "no field of the draft takes this text: add it where it belongs"
)

// value returns what the column says, cleaned, on one line. A blank, and a word
// that says nothing, are noted against the field and give "". A column that the
// file doesn't have is not noted.
func (r *row) value(column, field string) string { return r.said(column, field, false) }

// words is value for a text of several lines.
func (r *row) words(column, field string) string { return r.said(column, field, true) }

func (r *row) said(column, field string, lines bool) string {
	raw := r.rec.text(column)
	if !said(raw) {
		if r.rec.has(column) {
			why := whyNothing
			if raw == "" {
				why = whyBlank
			}
			r.unknown(column, field, why)
		}
		return ""
	}
	text, changes := clean(raw, lines)
	for _, c := range changes {
		r.problem(column, raw, string(c))
	}
	if text == "" {
		r.unknown(column, field, whyBlank)
	}
	return text
}

// local makes a text in the language of the source.
func (r *row) local(s string) *declarationv1.LocalizedText {
	return &declarationv1.LocalizedText{Texts: []*declarationv1.Text{{Lang: ptr(r.lang), Value: &s}}}
}

// longText fills a field of at most 5,000 characters.
func (r *row) longText(column, field, s string) *declarationv1.LocalizedText {
	if s == "" {
		return nil
	}
	short, cut := shorten(s, maxText)
	if cut {
		r.confirm(column, field, "longer than 5,000 characters: the end is left out")
		r.problem(column, s, "longer than 5,000 characters: the end is left out of "+field)
	}
	return r.local(short)
}

// name fills the deployment's name. One that is too long is cut at a space and
// returned whole, to be put before the purpose: nothing gets lost.
func (r *row) name(column, s string) (whole string) {
	if s == "" {
		return ""
	}
	short, cut := shorten(s, maxName)
	r.dep.Name = r.local(short)
	if !cut {
		return ""
	}
	r.confirm(column, "deployment.name", "longer than 100 characters: shortened here, and whole at the start of purpose_text")
	r.problem(column, s, "the name is longer than 100 characters: shortened, and whole at the start of purpose_text")
	return s
}

// summary fills the deployment's summary with a text, or with its first sentence
// if only that fits. It reports whether the text went in whole.
func (r *row) summary(column, s string) bool {
	const field = "deployment.summary"
	if s == "" {
		return true
	}
	if utf8.RuneCountInString(s) <= maxSummary {
		r.dep.Summary = r.local(s)
		return true
	}
	first := firstSentence(s)
	if utf8.RuneCountInString(first) > maxSummary {
		r.unknown(column, field, "longer than 400 characters, and so is its first sentence: write a summary")
		return false
	}
	r.dep.Summary = r.local(first)
	r.confirm(column, field, "only the first sentence fits into 400 characters")
	return false
}

// party adds an organisation.
func (r *row) party(column, name string, role declarationv1.PartyRole, country string) *declarationv1.Party {
	short, cut := shorten(name, maxParty)
	if cut {
		r.confirm(column, "deployment.parties", "the name is longer than 200 characters: shortened")
		r.problem(column, name, "the name is longer than 200 characters: shortened")
	}
	p := &declarationv1.Party{Name: &short, Role: &role}
	if country != "" {
		p.Country = &country
	}
	r.dep.Parties = append(r.dep.Parties, p)
	return p
}

// accountable adds the accountable body that the column names. Where that is the
// city itself, it gets the city's id and contact.
func (r *row) accountable(column, country string) {
	name := r.value(column, "deployment.parties")
	if name == "" {
		return
	}
	p := r.party(column, name, declarationv1.PartyRole_PARTY_ROLE_ACCOUNTABLE, country)
	if r.im.own(name) {
		r.im.markOwn(p)
	}
}

func (im *importer) markOwn(p *declarationv1.Party) {
	if im.opt.City != "" {
		p.MemberId = &im.opt.City
	}
	if im.opt.Contact != "" {
		p.Contact = &im.opt.Contact
	}
}

// url returns the column's URL if the door will take it; else it is noted.
func (r *row) url(column, field string) string {
	raw := r.rec.text(column)
	if !said(raw) {
		return r.value(column, field) // which notes it
	}
	err := checkURL(raw)
	if err == nil && maskMail(raw) != raw {
		err = errors.New("it holds an e-mail address that may be a person's")
	}
	if err != nil {
		r.unknown(column, field, "not taken as a URL: "+err.Error())
		return ""
	}
	return raw
}

// importedFrom fills Body.imported_from from the column url.
func (r *row) importedFrom() string {
	u := r.url("url", "imported_from")
	if u != "" {
		r.d.Body.ImportedFrom = append(r.d.Body.ImportedFrom, u)
	}
	return u
}

// date returns the column's date as text, or notes why it is none.
func (r *row) date(column, field string) *string {
	s := r.value(column, field)
	if s == "" {
		return nil
	}
	d, err := date(s)
	if err != nil {
		r.unknown(column, field, "not taken as a date: want YYYY, YYYY-MM or YYYY-MM-DD, from 1900")
		return nil
	}
	return ptr(d.String())
}

// claim gives the row its source id and nickname, and reports whether the row may
// go on. The second row with an id gives no draft: the id is the key of
// re-imports, so two records with one could never be told apart, and an id of our
// own making would not be found again.
func (r *row) claim(id string, nickname ...string) bool {
	r.id = id
	if utf8.RuneCountInString(id) > maxSourceID-len(r.im.format.source)-1 {
		r.unknownValue("", id, "source_id", "longer than 200 characters")
		id = ""
	}
	if first, ok := r.im.ids[id]; ok && id != "" {
		r.skip("", id, fmt.Sprintf("the same id as row %d: only the first gives a draft", first))
		return false
	}
	name := r.im.nickname(nickname...)
	r.d.Body.Nickname = &name
	switch {
	case id != "":
		r.im.ids[id] = r.rec.num
		r.sourceID(id)
	case len(r.d.Body.GetImportedFrom()) == 0:
		// An import has to say where it is from, and this is all there is.
		r.sourceID(name)
		r.unknownValue("", name, "source_id", Confirm+"the row has no id of its own: the nickname stands for it")
	}
	return true
}

func (r *row) sourceID(id string) { r.d.Body.SourceId = ptr(r.im.format.source + ":" + id) }

// fold makes enum words of registers comparable: "In gebruik" and "in_gebruik".
func fold(s string) string {
	return strings.NewReplacer("_", " ", "-", " ").Replace(strings.ToLower(s))
}

// paragraphs joins the texts that are not empty.
func paragraphs(texts ...string) string {
	var out []string
	for _, t := range texts {
		if t != "" {
			out = append(out, t)
		}
	}
	return strings.Join(out, "\n\n")
}

// mailbox is what the door takes as one.
var mailbox = regexp.MustCompile(`^[A-Za-z0-9](?:[A-Za-z0-9._%+-]{0,62}[A-Za-z0-9])?@[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)+$`)

// contact fills a party's contact with the column's mailbox, if it is an office's.
func (r *row) contact(column string, p *declarationv1.Party) {
	const field = "deployment.parties"
	raw := r.rec.text(column)
	if !said(raw) {
		r.value(column, field)
		return
	}
	switch {
	case !mailbox.MatchString(raw) || strings.Contains(raw, "..") || len(raw) > 200:
		r.unknown(column, field, "not taken as a contact: want one mailbox of an office")
	case !roleMailbox(raw):
		r.unknown(column, field, "not taken as a contact: the mailbox may be a person's")
		r.problem(column, raw, string(mailRemoved))
	default:
		p.Contact = &raw
	}
}

// field fills a text of up to 5,000 characters from a column.
func (r *row) field(column, field string) *declarationv1.LocalizedText {
	return r.longText(column, field, r.words(column, field))
}

// mapped hands the column's word to set, and notes a word that set doesn't take.
func (r *row) mapped(column, field string, set func(string) bool) {
	if s := r.value(column, field); s != "" && !set(s) {
		r.unknown(column, field, whyUnlisted)
	}
}

// label makes a site's label, or none of an empty text.
func (r *row) label(column, s string) *string {
	if s == "" {
		return nil
	}
	short, cut := shorten(s, maxLabel)
	if cut {
		r.problem(column, s, "longer than 200 characters: shortened")
	}
	return &short
}

// noField notes a column's text that has no place in the draft.
func (r *row) noField(column, field string) {
	if r.value(column, field) != "" {
		r.unknown(column, field, whyNoField)
	}
}

// attach adds a file to the draft and to the report, which the caller writes beside
// the draft.
func (r *row) attach(name, mediaType, title string, content []byte) error {
	f := draft.File{Name: name, SHA256: sha256.Sum256(content)}
	if len(content) > maxAttachment {
		return fmt.Errorf("the list is %d bytes long, more than an attachment may be (%d): import it in parts", len(content), maxAttachment)
	}
	f.Size = uint32(len(content)) //nolint:gosec // bounded above
	r.d.Files = append(r.d.Files, f)
	r.d.Body.Attachments = append(r.d.Body.Attachments, &declarationv1.Attachment{
		Title: &title, Sha256: f.SHA256[:], MediaType: &mediaType, Size: &f.Size})
	r.im.rep.files = append(r.im.rep.files, File{Name: name, Content: content})
	return nil
}
