package cli

import (
	"context"
	"crypto/sha256"
	"fmt"
	"mime"
	"os"
	"path/filepath"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/client"
	"github.com/cityproof/cityproof/internal/publication"
)

// saveAttachments fetches the files that a verified record names, checks each
// against the hash and size that the record commits to, and saves them. A file is
// named by its hash: a title is somebody else's text.
func (a *App) saveAttachments(ctx context.Context, c *client.Client, rec *client.Record, dir string) error {
	files, err := c.Files()
	if err != nil {
		return err
	}
	saved := 0
	for _, at := range publication.Attachments(rec.Body) {
		sum := at.Attachment.GetSha256()
		if len(sum) != sha256.Size {
			a.note("%s %q is only an address: %s", at.Field, line(at.Attachment.GetTitle()), line(at.Attachment.GetUrl()))
			continue
		}
		data, err := files.Attachment(ctx, [sha256.Size]byte(sum))
		if err != nil {
			return err
		}
		if at.Attachment.Size != nil && int(at.Attachment.GetSize()) != len(data) {
			return refused(fmt.Errorf("%s has %d bytes, the record says %d", at.Field, len(data), at.Attachment.GetSize()),
				"the record contradicts its own hash: tell the city")
		}
		if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // what is published is no secret
			return err
		}
		path := filepath.Join(dir, fmt.Sprintf("%x%s", sum[:8], extension(at.Attachment)))
		if err := writeFile(path, data); err != nil {
			return err
		}
		saved++
		a.say("Saved %s: %q, %d bytes, SHA-256 as the record says", path, line(at.Attachment.GetTitle()), len(data))
	}
	if saved == 0 {
		a.say("The record names no files.")
	}
	return nil
}

// extension of a file name for a media type, from a list of our own: a type that a
// system would run gets none.
func extension(at *declarationv1.Attachment) string {
	media, _, err := mime.ParseMediaType(at.GetMediaType())
	if err != nil {
		return ""
	}
	return map[string]string{
		"application/pdf": ".pdf", "text/plain": ".txt", "text/csv": ".csv", "application/json": ".json",
		"application/geo+json": ".geojson", "image/png": ".png", "image/jpeg": ".jpg",
	}[media]
}
