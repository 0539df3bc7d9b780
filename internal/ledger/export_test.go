package ledger

import (
	"github.com/cockroachdb/pebble/v2"

	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/publication"
)

// StageFound lists subjects under a key, as publishing bodies that have it would.
func StageFound(w pebble.Writer, key publication.Key, subjects []declaration.Subject) error {
	for _, s := range subjects {
		if err := w.Set(appendSubject(findPrefix(key), s), nil, nil); err != nil {
			return err
		}
	}
	return nil
}

// Find is what the publication rules see.
func Find(r pebble.Reader, key publication.Key) ([]declaration.Subject, error) {
	return records{r}.Find(key)
}
