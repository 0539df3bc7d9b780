package vocabulary

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
)

// Search returns the terms of a kind (see [Kinds]; "" means all) that fit the words, best first: the exact
// code, then an alias, a label that starts so, a word of the code, of the label or an alias, the start or the
// inside of one, a word of the gloss, and last a word with one letter wrong. With several words the terms
// that fit most of them are returned. No words return the whole kind in its order; an unknown kind or words
// that fit nothing return nil. The order is fixed (I9).
func Search(kind, words string) []Term {
	if kind == "" {
		return search(Kind{Schemes: allSchemes}.terms(builtin), words)
	}
	k, ok := KindByName(kind)
	if !ok {
		return nil
	}
	return search(k.terms(builtin), words)
}

// Suggest returns up to 3 terms of a scheme that somebody who wrote wrong may have meant, likeliest first.
func Suggest(scheme Scheme, wrong string) []Term {
	return suggest(builtin.table(scheme).terms, wrong)
}

// Ranks of a match, best first. A term's rank is the worst of its matched words.
const (
	rankExact = iota
	rankAlias
	rankLabelPrefix
	rankCodeWord
	rankLabelWord
	rankWordPrefix
	rankInside
	rankGloss
	rankCodeTypo
	rankTypo
	noMatch
)

func search(terms []Term, query string) []Term {
	if fold(query) == "" {
		return terms
	}
	if len(query) > maxWord {
		return nil
	}
	type hit struct {
		term    Term
		matched int
		rank    int
	}
	var hits []hit
	most := 0
	chunks := strings.FieldsFunc(query, func(r rune) bool { return r == '_' || r == ',' || unicode.IsSpace(r) })
	for _, t := range terms {
		matched, rank := match(t, query, chunks)
		if matched > 0 {
			hits = append(hits, hit{t, matched, rank})
			most = max(most, matched)
		}
	}
	// A word with a wrong letter counts only where no term has the word as it was written.
	best := noMatch
	for _, h := range hits {
		if h.matched == most {
			best = min(best, h.rank)
		}
	}
	hits = slices.DeleteFunc(hits, func(h hit) bool {
		return h.matched < most || h.rank >= rankCodeTypo && best < rankCodeTypo
	})
	// Stable: equal hits keep the order of their kind and data file.
	slices.SortStableFunc(hits, func(a, b hit) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(len(a.term.Code), len(b.term.Code)))
	})
	out := make([]Term, len(hits))
	for i, h := range hits {
		out[i] = h.term
	}
	return out
}

// match returns how many chunks of the query fit the term, and the worst rank among those.
func match(t Term, query string, chunks []string) (matched, rank int) {
	q := fold(query)
	switch {
	case q == fold(t.Code):
		return len(chunks), rankExact
	case slices.ContainsFunc(t.row.aliases, func(a string) bool { return fold(a) == q }):
		return len(chunks), rankAlias
	case strings.HasPrefix(fold(t.row.label), q):
		return len(chunks), rankLabelPrefix
	}
	code, label, gloss := tokens(t.Code), tokens(t.row.label), tokens(t.row.gloss)
	for _, a := range t.row.aliases {
		label = append(label, tokens(a)...)
	}
	for _, chunk := range chunks {
		if r := matchChunk(chunk, code, label, gloss); r < noMatch {
			matched++
			rank = max(rank, r)
		}
	}
	return matched, rank
}

// matchChunk ranks one word of the query. A CamelCase or hyphenated word counts as one ("Wi-Fi") or, failing
// that, as its parts ("FraudPrevention").
func matchChunk(chunk string, code, label, gloss []string) int {
	best := matchWord(fold(chunk), code, label, gloss)
	if parts := splitWords(chunk); len(parts) > 1 {
		worst := 0
		for _, p := range parts {
			worst = max(worst, matchWord(p, code, label, gloss))
		}
		best = min(best, worst)
	}
	return best
}

func matchWord(w string, code, label, gloss []string) int {
	in := func(tokens []string, fits func(string) bool) bool { return slices.ContainsFunc(tokens, fits) }
	equal := func(tok string) bool { return tok == w }
	prefix := func(tok string) bool { return strings.HasPrefix(tok, w) }
	inside := func(tok string) bool { return len(w) >= 3 && strings.Contains(tok, w) }
	// A number with another digit is another number, not a slip: ISO 37122 is not ISO 37123.
	typo := func(tok string) bool {
		return len(w) >= 4 && !strings.ContainsAny(w, "0123456789") && distance(tok, w, 1) <= 1
	}
	switch {
	case w == "":
		return noMatch
	case in(code, equal):
		return rankCodeWord
	case in(label, equal):
		return rankLabelWord
	case in(code, prefix), in(label, prefix):
		return rankWordPrefix
	case in(code, inside), in(label, inside):
		return rankInside
	case in(gloss, equal), len(w) >= 3 && in(gloss, prefix):
		return rankGloss
	case in(code, typo):
		return rankCodeTypo
	case in(label, typo):
		return rankTypo
	}
	return noMatch
}

// tokens returns the words of a text in lower case: "De-identified" gives "de", "identified" and
// "deidentified", because people write all three.
func tokens(s string) []string {
	var out []string
	for _, chunk := range strings.FieldsFunc(s, func(r rune) bool { return r == '_' || r == '/' || unicode.IsSpace(r) }) {
		parts := splitWords(chunk)
		out = append(out, parts...)
		if len(parts) > 1 {
			out = append(out, fold(chunk))
		}
	}
	return out
}

// splitWords cuts at punctuation and before a capital that starts a word: "IPAddress" gives "ip", "address".
func splitWords(s string) []string {
	var out []string
	var word []rune
	flush := func() {
		if len(word) > 0 {
			out = append(out, strings.ToLower(string(word)))
			word = word[:0]
		}
	}
	runes := []rune(s)
	for i, r := range runes {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			flush()
			continue
		}
		if unicode.IsUpper(r) && i > 0 {
			after := i+1 < len(runes) && unicode.IsLower(runes[i+1])
			if unicode.IsLower(runes[i-1]) || unicode.IsUpper(runes[i-1]) && after {
				flush()
			}
		}
		word = append(word, r)
	}
	flush()
	return out
}

// suggest ranks by how few letters have to change, then by what Search finds.
func suggest(terms []Term, wrong string) []Term {
	w := fold(wrong)
	if w == "" || len(wrong) > maxWord {
		return nil
	}
	limit := min(3, 1+len(w)/5)
	type candidate struct {
		term Term
		d    int
	}
	var near []candidate
	for _, t := range terms {
		if t.Flags&FlagOther != 0 {
			continue
		}
		d := distance(fold(t.Code), w, limit)
		for _, a := range append([]string{t.row.label}, t.row.aliases...) {
			d = min(d, distance(fold(a), w, limit))
		}
		if d <= limit {
			near = append(near, candidate{t, d})
		}
	}
	slices.SortStableFunc(near, func(a, b candidate) int { return cmp.Compare(a.d, b.d) })
	var out []Term
	for _, c := range near {
		out = append(out, c.term)
	}
	for _, t := range search(terms, wrong) {
		if t.Flags&FlagOther == 0 && !slices.Contains(out, t) {
			out = append(out, t)
		}
	}
	return out[:min(maxSuggestions, len(out))]
}

// distance returns how many letters must be added, dropped, replaced or swapped with their neighbour to turn
// a into b (optimal string alignment), or limit+1 when it is more than limit.
func distance(a, b string, limit int) int {
	ra, rb := []rune(a), []rune(b)
	if d := len(ra) - len(rb); d > limit || -d > limit {
		return limit + 1
	}
	before, prev, cur := make([]int, len(rb)+1), make([]int, len(rb)+1), make([]int, len(rb)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(ra); i++ {
		cur[0] = i
		lowest := i
		for j := 1; j <= len(rb); j++ {
			cost := 1
			if ra[i-1] == rb[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && ra[i-1] == rb[j-2] && ra[i-2] == rb[j-1] {
				cur[j] = min(cur[j], before[j-2]+1)
			}
			lowest = min(lowest, cur[j])
		}
		// A swap reaches back one row further, so a row over the limit ends it only once that is over too.
		if lowest > limit+1 {
			return limit + 1
		}
		before, prev, cur = prev, cur, before
	}
	return min(prev[len(rb)], limit+1)
}
