package vocabulary

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// maxWord is the longest word, in bytes, that is searched for or repeated in a message. No code, alias or label
// comes near it, and comparing a longer one with every label would let a hostile input cost too much (I8).
const maxWord = 200

// maxSuggestions is how many "did you mean" terms an error carries.
const maxSuggestions = 3

// An UnknownError says that a word is no code, with what may have been meant.
type UnknownError struct {
	Word        string
	Schemes     []Scheme // where it was looked up
	Suggestions []Term   // up to 3 of those schemes, likeliest first
	Elsewhere   []Term   // terms of other schemes or kinds with this very name
}

func (e *UnknownError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "unknown code %q in %s", clip(e.Word), joinSchemes(e.Schemes))
	if len(e.Elsewhere) > 0 {
		fmt.Fprintf(&b, "; %s is a code of %s", e.Elsewhere[0].Code, e.Elsewhere[0].Scheme)
	}
	if len(e.Suggestions) > 0 {
		fmt.Fprintf(&b, "; did you mean %s?", joinCodes(e.Suggestions))
	}
	return b.String()
}

// An AmbiguousError says that a word could be several codes, none of which it spells exactly.
type AmbiguousError struct {
	Word    string
	Matches []Term // at least two
}

func (e *AmbiguousError) Error() string {
	return fmt.Sprintf("code %q could be %s; write the one you mean exactly", clip(e.Word), joinTerms(e.Matches))
}

// Resolve returns the term that a person means by word in the given schemes: the one with exactly this code
// in the first scheme that has it, else the only one whose code or alias is the same but for case, spaces,
// hyphens, underscores and other punctuation. It never guesses: any other word is an [*UnknownError], and
// one that fits several terms an [*AmbiguousError].
func Resolve(schemes []Scheme, word string) (Term, error) {
	return builtin.resolve(schemes, word, func(Term) bool { return true })
}

// ResolveKind is [Resolve] in the schemes of a kind, where a LOCAL term counts only for the kind it belongs
// to. An unknown kind is an error that lists the kinds.
func ResolveKind(kind, word string) (Term, error) {
	k, ok := KindByName(kind)
	if !ok {
		return Term{}, unknownKind(kind)
	}
	return builtin.resolve(k.Schemes, word, k.Accepts)
}

func unknownKind(kind string) error {
	names := make([]string, len(kinds))
	for i, k := range kinds {
		names[i] = k.Name
	}
	return fmt.Errorf("unknown kind of code %q; the kinds are %s", clip(kind), strings.Join(names, ", "))
}

func (c *catalog) resolve(schemes []Scheme, word string, accept func(Term) bool) (Term, error) {
	for _, s := range schemes {
		if t, ok := c.lookup(s, word); ok && accept(t) {
			return t, nil
		}
	}
	switch matches := c.folded(schemes, word, accept); len(matches) {
	case 0:
		return Term{}, c.unknown(schemes, word, accept)
	case 1:
		return matches[0], nil
	default:
		return Term{}, &AmbiguousError{Word: word, Matches: matches}
	}
}

// folded returns the terms whose code or alias equals word but for case and punctuation.
func (c *catalog) folded(schemes []Scheme, word string, accept func(Term) bool) []Term {
	f := fold(word)
	if f == "" {
		return nil
	}
	var out []Term
	for _, s := range schemes {
		for _, t := range c.table(s).byFold[f] {
			if accept(t) && !slices.Contains(out, t) {
				out = append(out, t)
			}
		}
	}
	// Each scheme has its "other"; the first is as good as the rest.
	if len(out) > 1 && out[0].Flags&FlagOther != 0 {
		return out[:1]
	}
	return out
}

func (c *catalog) unknown(schemes []Scheme, word string, accept func(Term) bool) *UnknownError {
	var candidates []Term
	for _, s := range schemes {
		for _, t := range c.table(s).terms {
			if accept(t) {
				candidates = append(candidates, t)
			}
		}
	}
	e := &UnknownError{Word: word, Schemes: slices.Clone(schemes), Suggestions: suggest(candidates, word)}
	for _, t := range c.folded(allSchemes, word, func(Term) bool { return true }) {
		if !slices.Contains(schemes, t.Scheme) || !accept(t) {
			e.Elsewhere = append(e.Elsewhere, t)
		}
	}
	return e
}

// fold reduces a word to its letters and digits in lower case, so that "Wi-Fi tracking", "wifi_tracking" and
// "WifiTracking" are one.
func fold(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, s)
}

func clip(s string) string {
	if len(s) <= maxWord {
		return s
	}
	return strings.ToValidUTF8(s[:maxWord], "") + "…"
}

func joinSchemes(schemes []Scheme) string {
	out := make([]string, len(schemes))
	for i, s := range schemes {
		out[i] = string(s)
	}
	if len(out) == 0 {
		return "no scheme"
	}
	return strings.Join(out, ", ")
}

func joinCodes(terms []Term) string {
	out := make([]string, len(terms))
	for i, t := range terms {
		out[i] = t.Code
	}
	return strings.Join(out, ", ")
}

func joinTerms(terms []Term) string {
	out := make([]string, len(terms))
	for i, t := range terms {
		out[i] = t.Code + " (" + string(t.Scheme) + ")"
	}
	return strings.Join(out, ", ")
}
