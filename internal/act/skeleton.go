package act

import "strings"

// Skeleton maps ids that a reader takes for each other to one string (T-04): "jp-tsukuba1" and "jp-tsukubal", "nl-arnhem" and
// "nl-amhem". Two members never have the same.
func Skeleton(id string) string {
	return confusables.Replace(strings.ToLower(id))
}

// confusables are what looks alike in common fonts within the letters that an id may have; hyphens are overlooked.
var confusables = strings.NewReplacer("rn", "m", "vv", "w", "cl", "d", "0", "o", "1", "l", "i", "l", "5", "s", "-", "")
