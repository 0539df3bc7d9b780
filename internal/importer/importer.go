package importer

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/draft"
)

// Limits of one import.
const (
	MaxInput = 64 << 20 // bytes of a file
	MaxRows  = 100_000
)

// Confirm begins the reason (draft.Unknown.Why) of a field that was filled with
// words that a person should look at before they are published.
const Confirm = "confirm: "

// Options say what the file itself does not. The zero value imports a register
// whose rows name their organisation.
type Options struct {
	City     string // member id of the city, for the parties that are the city itself; may be empty
	Language string // BCP 47, for camera lists, which don't say in which language they are
	Country  string // ISO 3166-1 alpha-2, for formats that belong to no country
	// Accountable is the workspace's accountable body. Camera lists without an
	// owner column need it; rows that name their organisation don't use it but to
	// tell which are the city's own.
	Accountable string
	Contact     string // mailbox of the accountable body; goes only to rows that are the city's own
	// As is the nickname of what a camera list becomes: one deployment with many
	// sites. Required for camera lists, refused elsewhere.
	As   string
	Only string // exact name of an organisation: rows of others are left out
	// Provenance of the drafts; IMPORTED_BY_CITY when empty.
	Provenance declaration.Provenance
	// Retrieved is the day on which the register said so: the drafts' EffectiveOn.
	// Zero: the day that the file gives, else the day of signing.
	Retrieved declaration.Date
}

// Format is one kind of file that Import reads.
type Format struct {
	Name   string
	Title  string // what it is, for a list of formats
	Files  string // what the file looks like
	run    func(*importer, []byte) error
	known  []string // columns that FORMAT.md speaks of; others are counted as unread
	asked  asNickname
	orgs   []string // columns that name the organisation: the first that a row has
	lang   string   // the register's language; empty: Options.Language
	source string   // prefix of source ids
}

// asNickname says whether a format takes Options.As.
type asNickname int

const (
	asRefused asNickname = iota
	asOptional
	asRequired
)

// Formats lists the formats in alphabetical order of their names.
func Formats() []Format {
	list := []Format{nlFormat(), atrsFormat(), nycFormat(), flockFormat(), cameraCSVFormat(), cameraJSONFormat()}
	slices.SortFunc(list, func(a, b Format) int { return strings.Compare(a.Name, b.Name) })
	return list
}

func formatByName(name string) (Format, error) {
	var names []string
	for _, f := range Formats() {
		if f.Name == name {
			return f, nil
		}
		names = append(names, f.Name)
	}
	return Format{}, fmt.Errorf("unknown format %q: want one of %s", clip(name), strings.Join(names, ", "))
}

// Import reads a register of the named format. The drafts are in the order of the
// file, without nonces; a deployment's data use follows it. Both results are nil
// when the file as a whole can't be read: errors name the row.
func Import(format string, r io.Reader, opt Options) ([]*draft.Draft, *Report, error) {
	f, err := formatByName(format)
	if err != nil {
		return nil, nil, err
	}
	if err := opt.check(f); err != nil {
		return nil, nil, fmt.Errorf("importing %s: %w", format, err)
	}
	data, err := readAll(r)
	if err != nil {
		return nil, nil, fmt.Errorf("importing %s: %w", format, err)
	}
	im := &importer{format: f, opt: opt, lang: f.lang, rep: newTally(), ids: map[string]int{}, nicknames: map[string]int{}}
	if im.lang == "" {
		im.lang = opt.Language
	}
	if err := f.run(im, data); err != nil {
		return nil, nil, fmt.Errorf("importing %s: %w", format, err)
	}
	for _, d := range im.drafts {
		for _, u := range d.Unknown {
			im.rep.addUnknown(u)
		}
	}
	day := opt.Retrieved
	if day == (declaration.Date{}) {
		day = im.fetched
	}
	for _, d := range im.drafts {
		if d.EffectiveOn == (declaration.Date{}) || opt.Retrieved != (declaration.Date{}) {
			d.EffectiveOn = day
		}
	}
	return im.drafts, im.rep.report(len(im.drafts)), nil
}

func (o *Options) check(f Format) error {
	switch o.Provenance {
	case "":
		o.Provenance = declaration.ImportedByCity
	case declaration.CityOwn, declaration.ImportedByCity, declaration.ImportedByOthers:
	default:
		return fmt.Errorf("unknown provenance %q", o.Provenance)
	}
	switch {
	case f.asked == asRefused && o.As != "":
		return errors.New("a nickname for the whole file is for camera lists: rows of this register have names of their own")
	case f.asked == asRequired && o.As == "":
		return errors.New("a camera list becomes one deployment: give it a nickname (--as)")
	case o.As != "" && !isNickname(o.As):
		return fmt.Errorf("%q is no nickname: want lower-case letters, digits and hyphens, at most %d", clip(o.As), maxNickname)
	case f.lang == "" && o.Language == "" && f.asked == asRequired:
		return errors.New("the file doesn't say its language: set it in the workspace")
	case o.Only != "" && len(f.orgs) == 0:
		return errors.New("rows of this format name no organisation, so none can be chosen")
	}
	return nil
}

// OrganisationCount is how many rows an organisation has.
type OrganisationCount struct {
	Name string // as it stands in the rows, cleaned; empty: rows that name none
	Rows int
}

// Organisations counts the rows of each organisation, in alphabetical order of the
// names. A format whose rows name none gives an error.
func Organisations(format string, r io.Reader) ([]OrganisationCount, error) {
	f, err := formatByName(format)
	if err != nil {
		return nil, err
	}
	if len(f.orgs) == 0 {
		return nil, fmt.Errorf("counting organisations: rows of %s name none", format)
	}
	data, err := readAll(r)
	if err != nil {
		return nil, fmt.Errorf("counting organisations: %w", err)
	}
	im := &importer{format: f, rep: newTally(), ids: map[string]int{}, nicknames: map[string]int{}, counting: map[string]int{}}
	im.lang = "und" // no draft is made
	if err := f.run(im, data); err != nil {
		return nil, fmt.Errorf("counting organisations: %w", err)
	}
	out := make([]OrganisationCount, 0, len(im.counting))
	for name, n := range im.counting {
		out = append(out, OrganisationCount{name, n})
	}
	slices.SortFunc(out, func(a, b OrganisationCount) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// importer is one run over one file.
type importer struct {
	format    Format
	opt       Options
	lang      string
	rep       *tally
	ids       map[string]int // source id → row that had it first
	nicknames map[string]int // nickname → the last number that was put behind it
	drafts    []*draft.Draft
	fetched   declaration.Date // when the file was made, if it says so
	counting  map[string]int   // organisation → rows; not nil: count only
}

// begin starts the row: it counts it, and leaves it out when it is of an
// organisation that wasn't asked for.
func (im *importer) begin(rec *record) (*row, bool) {
	im.rep.rows++
	r := &row{im: im, rec: rec, lang: im.lang}
	for _, key := range rec.keys {
		if !slices.Contains(im.format.known, key) && rec.text(key) != "" {
			im.rep.unread[key]++
		}
	}
	org := ""
	for _, column := range im.format.orgs {
		if rec.has(column) {
			org, _ = clean(rec.text(column), false)
			break
		}
	}
	if im.counting != nil {
		im.counting[org]++
		return nil, false
	}
	if im.opt.Only != "" && org != im.opt.Only {
		im.rep.skipped++
		return nil, false
	}
	return r, true
}

// own reports whether an organisation is the city itself.
func (im *importer) own(org string) bool {
	return org != "" && (org == im.opt.Accountable || org == im.opt.Only)
}

// nickname makes a nickname that no other draft of the file has. Where it must
// count up it goes on from the last number: a file of a hundred thousand rows
// without names would else take for ever.
func (im *importer) nickname(words ...string) string {
	base := slug(strings.Join(words, " "))
	name := base
	for n := im.nicknames[base]; im.nicknames[name] > 0; {
		n++
		im.nicknames[base] = n
		suffix := fmt.Sprintf("-%d", n)
		name = strings.TrimRight(base[:min(len(base), maxNickname-len(suffix))], "-") + suffix
	}
	im.nicknames[name] = max(im.nicknames[name], 1)
	return name
}

// newDraft makes a draft with what every body has.
func (im *importer) newDraft(lang string) *draft.Draft {
	return &draft.Draft{
		Operation:  declaration.Publish,
		Provenance: im.opt.Provenance,
		Body:       &declarationv1.Body{Language: &lang},
	}
}

// add takes a finished draft.
func (im *importer) add(d *draft.Draft) { im.drafts = append(im.drafts, d) }
