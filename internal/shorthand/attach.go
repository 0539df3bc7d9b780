package shorthand

import (
	"crypto/sha256"
	"maps"
	"path"
	"slices"
	"strings"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/draft"
)

// mediaTypes are those of files that a city publishes, by extension. Nothing looks
// into the file to find out: what is served must not depend on it.
var mediaTypes = map[string]string{
	".pdf": "application/pdf", ".txt": "text/plain", ".md": "text/markdown", ".csv": "text/csv",
	".json": "application/json", ".geojson": "application/geo+json", ".xml": "application/xml", ".yaml": "application/yaml",
	".odt": "application/vnd.oasis.opendocument.text", ".ods": "application/vnd.oasis.opendocument.spreadsheet",
	".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
	".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
	".png":  "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".zip": "application/zip",
}

// read gets a file beside the declaring one. Whatever the name says, it can't lead
// out of the folder (T-43).
func (v value) read(name string) ([]byte, bool) {
	if !insideFolder(name) {
		v.fail("this is no file beside this one", "write its name, or folder/name below this folder, with forward slashes")
		return nil, false
	}
	if v.rec.files == nil {
		v.fail("no files can be read here", "")
		return nil, false
	}
	b, err := v.rec.files.ReadFile(name)
	switch {
	case err != nil:
		v.fail("the file can't be read: "+err.Error(), "put it into the folder of this file")
	case len(b) == 0:
		v.fail("the file is empty", "")
	case len(b) > declaration.MaxAttachment:
		v.fail("the file has more than 10 MiB", "make it smaller, or give only its url")
	default:
		return b, true
	}
	return nil, false
}

// insideFolder reports whether a relative path with forward slashes names something
// below its folder on every system.
func insideFolder(name string) bool {
	for part := range strings.SplitSeq(name, "/") {
		if part == "" || part == "." || part == ".." {
			return false
		}
	}
	return !strings.ContainsAny(name, "\\:\x00")
}

// attach hashes a file into an attachment, and lists it for upload.
func (v value) attach(name string, m *declarationv1.Attachment) {
	media, ok := mediaTypes[strings.ToLower(path.Ext(name))]
	if !ok {
		v.fail("the media type of such a file is not known",
			"the extensions are "+strings.Join(slices.Sorted(maps.Keys(mediaTypes)), " "))
		return
	}
	b, ok := v.read(name)
	if !ok {
		return
	}
	sum := sha256.Sum256(b)
	m.Sha256, m.Size, m.MediaType = sum[:], ptr(uint32(len(b))), &media //nolint:gosec // read bounds it
	if m.Title == nil {
		m.Title = ptr(path.Base(name))
	}
	f := draft.File{Name: name, SHA256: sum, Size: m.GetSize()}
	if !slices.Contains(v.rec.d.Files, f) {
		v.rec.d.Files = append(v.rec.d.Files, f)
	}
}

func readAttachment(v value, m *declarationv1.Attachment) {
	if v.words("a file") {
		v.attach(v.text, m)
	}
}

// readAttachmentFile is the key file: beside title:, url: and as_of:. A title may
// stand before or after it.
func readAttachmentFile(v value, m *declarationv1.Attachment) {
	if !v.words("a file") {
		return
	}
	said := m.Title != nil
	v.attach(v.text, m)
	if !said {
		// Not claimed: a title: that follows is the officer's, and replaces it.
		v.rec.d.Lines[joinPath(v.path, "title")] = v.n.Line
	}
}
