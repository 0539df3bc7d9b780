package draft

import (
	"cmp"
	"slices"
	"strings"
)

// maxSuggestions of one error.
const maxSuggestions = 3

// Nearest returns up to 3 of the candidates that somebody who wrote word may have
// meant, likeliest first, by how few letters have to change; case and punctuation
// don't count.
func Nearest(word string, candidates []string) []string {
	w := foldWord(word)
	if w == "" || len(w) > maxShown {
		return nil
	}
	type near struct {
		name string
		d    int
	}
	var found []near
	for _, c := range candidates {
		f := foldWord(c)
		if f == "" || len(f) > maxShown || slices.ContainsFunc(found, func(n near) bool { return n.name == c }) {
			continue
		}
		d := distance(w, f)
		// A long name that merely begins or goes on differently is still near.
		if len(w) >= 4 && (strings.HasPrefix(f, w) || strings.HasPrefix(w, f) && len(f) >= 4) {
			d = min(d, 1)
		}
		if d <= 1+len(w)/5 && d < len(w) {
			found = append(found, near{c, d})
		}
	}
	slices.SortStableFunc(found, func(a, b near) int { return cmp.Compare(a.d, b.d) })
	var out []string
	for _, n := range found[:min(maxSuggestions, len(found))] {
		out = append(out, n.name)
	}
	return out
}

func foldWord(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '-' || r == '_' || r == ' ' || r == '.' {
			return -1
		}
		return r
	}, strings.ToLower(s))
}

// distance is the Levenshtein distance in bytes, a swap of neighbours counting 1.
func distance(a, b string) int {
	before, prev, cur := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], before[j-2]+1)
			}
		}
		before, prev, cur = prev, cur, before
	}
	return prev[len(b)]
}
