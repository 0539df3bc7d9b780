package vocabulary

import "strings"

// Other is the code that every scheme has for what its list lacks (V-04: it needs the city's own words).
const Other = "other"

// Flags are marks on single terms that the source lists don't express through parents.
type Flags uint8

const (
	// FlagOther marks the code "other" of each scheme.
	FlagOther Flags = 1 << iota
	// FlagFoundational marks the five model policies that every member is expected to adopt (O-26).
	FlagFoundational
	// FlagCapability, FlagTech and FlagData say which field a LOCAL term is meant for.
	FlagCapability
	FlagTech
	FlagData
)

var flagNames = map[string]Flags{
	"foundational": FlagFoundational,
	"capability":   FlagCapability,
	"tech":         FlagTech,
	"data":         FlagData,
}

// A Term is one code of one scheme. Terms are small, comparable with == and safe to copy and to share
// between goroutines. The zero Term belongs to no scheme and has empty text.
type Term struct {
	Scheme Scheme
	Code   string
	Flags  Flags
	row    *row
}

// row is what the data file says about a term; it's shared by all copies and never changes.
type row struct {
	parents, aliases []string
	label, gloss     string
	translations     func() map[string]map[string]text // language, then code
}

// text is a label and a gloss in one language.
type text struct{ label, gloss string }

// IsZero reports whether t is the zero Term.
func (t Term) IsZero() bool { return t.row == nil }

// Label returns the term's name in the language of the BCP 47 tag lang: never empty for a term of a scheme.
// Without a label for the tag it takes the tag's language, then English.
func (t Term) Label(lang string) string { return t.text(lang).label }

// Gloss returns one line that explains the code to somebody who meets it first, in the language of the
// BCP 47 tag lang or in English. It is empty where the label says it all.
func (t Term) Gloss(lang string) string { return t.text(lang).gloss }

func (t Term) text(lang string) text {
	if t.row == nil {
		return text{}
	}
	english := text{t.row.label, t.row.gloss}
	lang = strings.ToLower(lang)
	base, _, _ := strings.Cut(lang, "-")
	if base == "" || base == "en" || t.row.translations == nil {
		return english
	}
	byLang := t.row.translations()
	for _, l := range []string{lang, base} {
		if tx, ok := byLang[l][t.Code]; ok {
			return tx
		}
	}
	return english
}

// Parents returns the wider codes of the same scheme, nearest first as the source lists them; nil for a term
// at the top. The slice is the caller's.
func (t Term) Parents() []string {
	if t.row == nil || len(t.row.parents) == 0 {
		return nil
	}
	return append([]string(nil), t.row.parents...)
}

// Aliases returns the other words that [Resolve] takes for this code. The slice is the caller's.
func (t Term) Aliases() []string {
	if t.row == nil || len(t.row.aliases) == 0 {
		return nil
	}
	return append([]string(nil), t.row.aliases...)
}

// String returns SCHEME:code, for messages and logs.
func (t Term) String() string { return string(t.Scheme) + ":" + t.Code }
