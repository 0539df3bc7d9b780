package tile_test

import (
	"bytes"
	"encoding/hex"
	"slices"
	"strings"
	"testing"

	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/tile"
)

// In the bundle vectors the input is the width, a space and the bytes in hex.
func TestBundleVectors(t *testing.T) {
	runVectors(t, "bundle.txtar", func(input string) ([]string, error) {
		data, width := bundleInput(t, input)
		entries, err := tile.ParseBundle(data, width)
		if err != nil {
			return nil, err
		}
		checkBundle(t, data, entries)
		var lines []string
		for _, e := range entries {
			lines = append(lines, fieldLine("entry", hex.EncodeToString(e)))
		}
		return lines, nil
	})
}

func bundleInput(t testing.TB, input string) (data []byte, width int) {
	t.Helper()
	widthText, hexText, _ := strings.Cut(input, " ")
	n, err := proof.ParseSize(widthText)
	if err != nil {
		t.Fatal(err)
	}
	data, err = hex.DecodeString(hexText)
	if err != nil {
		t.Fatal(err)
	}
	return data, int(n)
}

func checkBundle(t *testing.T, data []byte, entries [][]byte) {
	t.Helper()
	var again []byte
	for _, e := range entries {
		var err error
		if again, err = tile.AppendEntry(again, e); err != nil {
			t.Fatal(err)
		}
		if len(e) != cap(e) {
			t.Fatal("appending to an entry would write into the next")
		}
	}
	if !bytes.Equal(again, data) {
		t.Fatalf("ParseBundle(%x) formats back to %x", data, again)
	}
}

func TestI7Bundle(t *testing.T) {
	var want [][]byte
	var data []byte
	for i := range tile.FullWidth {
		e := bytes.Repeat([]byte{byte(i)}, i*257) // 0 to 65,535 bytes
		var err error
		if data, err = tile.AppendEntry(data, e); err != nil {
			t.Fatal(err)
		}
		want = append(want, e)
		got, err := tile.ParseBundle(data, i+1)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.EqualFunc(got, want, bytes.Equal) {
			t.Fatalf("bundle of width %d reads back differently", i+1)
		}
		if _, err := tile.ParseBundle(data, i); err == nil {
			t.Fatalf("bundle of width %d accepted as %d", i+1, i)
		}
		if _, err := tile.ParseBundle(data, i+2); err == nil {
			t.Fatalf("bundle of width %d accepted as %d", i+1, i+2)
		}
	}
	dst := []byte("before")
	if got, err := tile.AppendEntry(dst, make([]byte, tile.MaxEntrySize+1)); err == nil || string(got) != "before" {
		t.Errorf("AppendEntry of 65,536 bytes = %d bytes, %v, want dst and an error", len(got), err)
	}
}

func TestI7Tile(t *testing.T) {
	var hashes []proof.Hash
	for i := range tile.FullWidth + 1 {
		hashes = append(hashes, proof.LeafHash([]byte{byte(i)}))
	}
	for _, width := range []int{1, 2, 255, 256} {
		data := tile.AppendTile([]byte("x"), hashes[:width])[1:]
		got, err := tile.ParseTile(data, width)
		if err != nil || !slices.Equal(got, hashes[:width]) {
			t.Errorf("ParseTile of width %d: %v", width, err)
		}
		for _, bad := range []int{width - 1, width + 1} {
			if _, err := tile.ParseTile(data, bad); err == nil {
				t.Errorf("tile of width %d accepted as %d", width, bad)
			}
		}
		if _, err := tile.ParseTile(data[1:], width); err == nil {
			t.Errorf("tile of width %d accepted with a byte less", width)
		}
	}
	if _, err := tile.ParseTile(tile.AppendTile(nil, hashes), 257); err == nil {
		t.Error("tile of width 257 accepted")
	}
	if _, err := tile.ParseTile(nil, 0); err == nil {
		t.Error("tile of width 0 accepted")
	}
}

func FuzzParseBundle(f *testing.F) {
	for _, s := range seeds(f, "bundle.txtar") {
		data, width := bundleInput(f, s)
		f.Add(data, width)
	}
	f.Add(make([]byte, 512), 256)
	f.Fuzz(func(t *testing.T, data []byte, width int) {
		entries, err := tile.ParseBundle(data, width)
		if err != nil {
			return
		}
		if len(entries) != width || width < 1 || width > tile.FullWidth {
			t.Fatalf("ParseBundle(%x, %d) gives %d entries", data, width, len(entries))
		}
		checkBundle(t, data, entries)
	})
}
