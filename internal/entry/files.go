package entry

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// MaxFilesBundle is the most bytes of a bundle of files that is served at once.
const MaxFilesBundle = 16 << 20

// A bundle of files has, for each entry of an entry bundle, the length of the first file that the entry commits to as u32,
// big-endian, and the file. Length 0 stands for one that is not given here: there is none, it was erased, or the bundle
// would be too large. It is a courtesy to mirrors: each file can also be had by its hash.

// AppendFile appends the next entry's file to a bundle of files; nil stands for none, and one without room is left out.
func AppendFile(dst, file []byte) []byte {
	if len(dst)+4+len(file) > MaxFilesBundle {
		file = nil
	}
	return append(binary.BigEndian.AppendUint32(dst, uint32(len(file))), file...) //nolint:gosec // at most MaxFilesBundle
}

// ParseFiles reads a bundle of files of at most width entries.
func ParseFiles(b []byte, width int) ([][]byte, error) {
	var out [][]byte
	for len(b) > 0 {
		if len(out) == width || len(b) < 4 {
			return nil, fmt.Errorf("reading a bundle of files: it does not end after file %d", len(out))
		}
		n := binary.BigEndian.Uint32(b)
		if b = b[4:]; uint64(n) > uint64(len(b)) {
			return nil, errors.New("reading a bundle of files: it is cut short")
		}
		var file []byte
		if n > 0 {
			file = b[:n:n]
		}
		out, b = append(out, file), b[n:]
	}
	return out, nil
}

// Bundled makes the bundle of files of entries. get returns a file, nil if it is not to be had.
func Bundled(entries [][]byte, get func(f File) []byte) []byte {
	var out []byte
	for _, b := range entries {
		var file []byte
		if e, err := Parse(b); err == nil && len(e.Files) > 0 && len(out) < MaxFilesBundle/2 {
			file = get(e.Files[0])
		}
		out = AppendFile(out, file)
	}
	return out
}
