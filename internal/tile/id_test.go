package tile_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/tile"
)

func TestPathVectors(t *testing.T) {
	runVectors(t, "path.txtar", func(input string) ([]string, error) {
		id, err := tile.ParsePath(input)
		if err != nil {
			return nil, err
		}
		checkPath(t, input, id)
		return []string{
			fieldLine("entries", id.Entries), fieldLine("level", id.Level),
			fieldLine("index", id.Index), fieldLine("width", id.Width),
		}, nil
	})
}

// checkPath holds for every accepted path: it formats back, and x/mod reads the same from its own spelling.
func checkPath(t *testing.T, path string, id tile.ID) {
	t.Helper()
	if again := id.Path(); again != path {
		t.Fatalf("ParsePath(%q).Path() = %q", path, again)
	}
	if id.String() != path {
		t.Fatalf("ParsePath(%q).String() = %q", path, id)
	}
	theirs, level := "tile/8/"+strings.TrimPrefix(path, "tile/"), id.Level
	if id.Entries {
		theirs, level = "tile/8/data/"+strings.TrimPrefix(path, "tile/entries/"), -1
	}
	o, err := tlog.ParseTilePath(theirs)
	if err != nil {
		t.Fatalf("accepted %q, oracle says %v", path, err)
	}
	if o.L != level || uint64(o.N) != id.Index || o.W != id.Width {
		t.Fatalf("parsed %q as %+v, oracle as %+v", path, id, o)
	}
}

func TestI7PathRoundTrip(t *testing.T) {
	for _, level := range []int{0, 1, 7, 9, 10, 63} {
		for _, index := range []uint64{0, 1, 999, 1000, 1001, 999_999, 1_000_000, 1_234_067, proof.MaxSize / tile.FullWidth} {
			for _, width := range []int{1, 2, 9, 10, 99, 100, 255, 256} {
				for _, entries := range []bool{false, true} {
					if entries && level != 0 {
						continue
					}
					want := tile.ID{Entries: entries, Level: level, Index: index, Width: width}
					got, err := tile.ParsePath(want.Path())
					if err != nil || got != want {
						t.Errorf("ParsePath(%q) = %+v, %v, want %+v", want.Path(), got, err, want)
					}
				}
			}
		}
	}
}

func TestPathOfImpossibleTile(t *testing.T) {
	for _, id := range []tile.ID{
		{}, {Width: 257}, {Width: -1}, {Level: -1, Width: 1}, {Level: 64, Width: 1},
		{Index: proof.MaxSize/tile.FullWidth + 1, Width: 1}, {Entries: true, Level: 1, Width: 1},
	} {
		if s := id.String(); !strings.HasPrefix(s, "invalid tile") {
			t.Errorf("%+v.String() = %q", id, s)
		}
		if id.Within(proof.MaxSize) {
			t.Errorf("%+v.Within(MaxSize) = true", id)
		}
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%+v.Path() does not panic", id)
				}
			}()
			_ = id.Path()
		}()
	}
}

// The examples of c2sp.org/tlog-tiles, "Partial Tiles", and the ends of the range.
func TestPartialWidth(t *testing.T) {
	for _, tt := range []struct {
		size uint64
		want []int // by level
	}{
		{0, []int{0, 0}},
		{1, []int{1, 0}},
		{255, []int{255, 0}},
		{256, []int{0, 1, 0}},
		{257, []int{1, 1, 0}},
		{70_000, []int{112, 17, 1, 0}},
		{proof.MaxSize, []int{255, 255, 255, 255, 255, 255, 255, 127, 0}},
	} {
		for level, want := range tt.want {
			if got := tile.PartialWidth(level, tt.size); got != want {
				t.Errorf("PartialWidth(%d, %d) = %d, want %d", level, tt.size, got, want)
			}
		}
	}
	for _, level := range []int{-1, -1 << 61, tile.Levels, 63, 64, 1 << 40, 1 << 61} {
		if got := tile.PartialWidth(level, proof.MaxSize); got != 0 {
			t.Errorf("PartialWidth(%d) = %d, want 0", level, got)
		}
		if id, ok := tile.At(level, 0, proof.MaxSize); ok {
			t.Errorf("At(%d, 0) = %v, want none", level, id)
		}
	}
}

func TestWithinAndAt(t *testing.T) {
	// A tree of 70,000: the tiles that it has are the ones within it and not within the tree before.
	const size = 70_000
	var has []string
	for level := range 4 {
		for index := range uint64(275) {
			if id, ok := tile.At(level, index, size); ok {
				if !id.Within(size) {
					t.Errorf("%v is not within %d", id, size)
				}
				if wider := id; id.Width < tile.FullWidth {
					wider.Width++
					if wider.Within(size) {
						t.Errorf("%v is within %d", wider, size)
					}
					has = append(has, id.Path())
				}
			}
		}
	}
	if want := []string{"tile/0/273.p/112", "tile/1/001.p/17", "tile/2/000.p/1"}; !slices.Equal(has, want) {
		t.Errorf("partial tiles of %d: %v, want %v", size, has, want)
	}
	for _, tt := range []struct {
		path string
		size uint64
		want bool
	}{
		{"tile/0/000.p/1", 0, false},
		{"tile/0/000.p/1", 1, true},
		{"tile/0/000", 255, false},
		{"tile/0/000", 256, true},
		{"tile/entries/000", 256, true},
		{"tile/entries/000.p/7", 256, true},
		{"tile/1/000.p/1", 255, false},
		{"tile/1/000.p/1", 256, true},
		{"tile/7/000.p/127", proof.MaxSize, true},
		{"tile/7/000.p/128", proof.MaxSize, false},
		{"tile/8/000.p/1", proof.MaxSize, false},
		{"tile/63/000.p/1", proof.MaxSize, false},
		{"tile/0/x036/x028/x797/x018/x963/967.p/255", proof.MaxSize, true},
		{"tile/0/x036/x028/x797/x018/x963/967", proof.MaxSize, false},
	} {
		id, err := tile.ParsePath(tt.path)
		if err != nil {
			t.Fatal(err)
		}
		if got := id.Within(tt.size); got != tt.want {
			t.Errorf("%s.Within(%d) = %t, want %t", tt.path, tt.size, got, tt.want)
		}
	}
}

func FuzzParsePath(f *testing.F) {
	for _, s := range seeds(f, "path.txtar") {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, path string) {
		id, err := tile.ParsePath(path)
		if err == nil {
			checkPath(t, path, id)
		} else if id != (tile.ID{}) {
			t.Fatalf("ParsePath(%q) = %s beside %v", path, fmt.Sprintf("%+v", id), err)
		}
	})
}
