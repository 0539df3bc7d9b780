package tile

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/cityproof/cityproof/internal/proof"
)

const (
	// FullWidth is the number of hashes in a full tile and of entries in a full bundle.
	FullWidth = 256

	// Height is the number of tree levels between the hashes of one tile level and those of the next.
	Height = 8

	// MaxLevel is the highest tile level that a path can name. Trees of up to proof.MaxSize leaves end at level 7.
	MaxLevel = 63

	// Levels is the number of tile levels that a tree of proof.MaxSize leaves has.
	Levels = 8

	maxIndex = proof.MaxSize / FullWidth
	maxPath  = len("tile/entries/x036/x028/x797/x018/x963/967.p/255")
)

// ID names a hash tile or an entry bundle: c2sp.org/tlog-tiles, "Merkle Tree" and "Log entries".
type ID struct {
	// Entries tells an entry bundle from a hash tile. Bundles have level 0.
	Entries bool
	// Level is the tile level, 0 (leaf hashes) to MaxLevel.
	Level int
	// Index is the place of the tile in its level, at most 2^55-1.
	Index uint64
	// Width is the number of hashes or entries: FullWidth, or 1 to 255 in a partial tile at the edge of the tree.
	Width int
}

// check reports what makes id a name that no path has.
func (id ID) check() error {
	switch {
	case id.Level < 0 || id.Level > MaxLevel || id.Entries && id.Level != 0:
		return fmt.Errorf("level %d is out of range", id.Level)
	case id.Index > maxIndex:
		return fmt.Errorf("index %d is out of range", id.Index)
	case id.Width < 1 || id.Width > FullWidth:
		return fmt.Errorf("width %d is out of range", id.Width)
	}
	return nil
}

// Path returns the path of id below the log's URL prefix, such as tile/0/x001/x234/067.p/5. It panics on an ID with a
// field out of range, which only a mistake in the calling code can make.
func (id ID) Path() string {
	if err := id.check(); err != nil {
		panic("tile: path of a tile that cannot be: " + err.Error())
	}
	b := make([]byte, 0, maxPath)
	b = append(b, "tile/"...)
	if id.Entries {
		b = append(b, "entries/"...)
	} else {
		b = strconv.AppendInt(b, int64(id.Level), 10)
		b = append(b, '/')
	}
	var groups []string
	for n := id.Index; ; n /= 1000 {
		groups = append(groups, fmt.Sprintf("%03d", n%1000))
		if n < 1000 {
			break
		}
	}
	for i := len(groups) - 1; i > 0; i-- {
		b = append(b, 'x')
		b = append(b, groups[i]...)
		b = append(b, '/')
	}
	b = append(b, groups[0]...)
	if id.Width != FullWidth {
		b = append(b, ".p/"...)
		b = strconv.AppendInt(b, int64(id.Width), 10)
	}
	return string(b)
}

// String returns the path, or for an impossible ID a text that is none.
func (id ID) String() string {
	if err := id.check(); err != nil {
		return "invalid tile: " + err.Error()
	}
	return id.Path()
}

// ParsePath is the inverse of ID.Path. It accepts no other spelling: no leading slash, no superfluous zero group, no
// partial width of 256. A path that names a tile need not name one that any log has: see ID.Within.
func ParsePath(path string) (ID, error) {
	if len(path) > maxPath {
		return ID{}, fmt.Errorf("parsing tile path: %d characters, at most %d allowed", len(path), maxPath)
	}
	id, ok := parsePath(path)
	// Formatting what was read and comparing settles zeros, signs and everything else that has two spellings.
	if !ok || id.check() != nil || id.Path() != path {
		return ID{}, fmt.Errorf("parsing tile path %q: not of the form tile/<level>/<index>[.p/<width>]", path)
	}
	return id, nil
}

// parsePath reads what it can; its caller compares the result with the input.
func parsePath(path string) (ID, bool) {
	id := ID{Width: FullWidth}
	rest, ok := strings.CutPrefix(path, "tile/")
	if !ok {
		return id, false
	}
	level, rest, ok := strings.Cut(rest, "/")
	if !ok {
		return id, false
	}
	var err error
	if level == "entries" {
		id.Entries = true
	} else if id.Level, err = strconv.Atoi(level); err != nil {
		return id, false
	}
	rest, width, partial := strings.Cut(rest, ".p/")
	if partial {
		if id.Width, err = strconv.Atoi(width); err != nil {
			return id, false
		}
	}
	for group := range strings.SplitSeq(rest, "/") {
		n, err := strconv.ParseUint(strings.TrimPrefix(group, "x"), 10, 16)
		if err != nil {
			return id, false
		}
		id.Index = id.Index*1000 + n // wraps with seven groups, and then formats differently
	}
	return id, true
}

// PartialWidth returns the number of hashes in the partial tile at level of a tree of the given size, 0 to 255. It is 0
// where the tree has no partial tile at that level: such a tile must not be asked for or served.
func PartialWidth(level int, size uint64) int {
	return int(hashesAt(level, size) % FullWidth)
}

// hashesAt returns how many hashes the tiles of level hold together in a tree of the given size.
func hashesAt(level int, size uint64) uint64 {
	if level < 0 || level >= Levels {
		return 0
	}
	return size >> (Height * level)
}

// Within reports whether a tree of the given size has every hash or entry of id. Logs can answer for such tiles: the
// bytes of a narrower tile are a prefix of those of a wider one.
func (id ID) Within(size uint64) bool {
	return id.check() == nil && id.Index*FullWidth+uint64(id.Width) <= hashesAt(id.Level, size) //nolint:gosec // check: 1 to 256
}

// At returns the tile, full or partial, that a tree of the given size has at level and index, and false if it has none.
func At(level int, index, size uint64) (ID, bool) {
	n := hashesAt(level, size)
	switch {
	case index < n/FullWidth:
		return ID{Level: level, Index: index, Width: FullWidth}, true
	case index == n/FullWidth && n%FullWidth != 0:
		return ID{Level: level, Index: index, Width: int(n % FullWidth)}, true
	}
	return ID{}, false
}
