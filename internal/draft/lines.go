package draft

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/cityproof/cityproof/internal/canonical"
	"github.com/cityproof/cityproof/internal/declaration"
)

// FormatLines writes drafts in the long form as JSON Lines, one draft a line, which
// Parse reads back to the same drafts as from Format. It refuses amendments whose
// changes have not been applied: those are for people, in YAML.
func FormatLines(drafts []*Draft) ([]byte, error) {
	var b []byte
	for i, d := range drafts {
		if len(d.Set) > 0 {
			return nil, fmt.Errorf("formatting draft %d: %w", i+1, errUnapplied)
		}
		body, err := declaration.FormatBody(d.Body)
		if err != nil {
			return nil, fmt.Errorf("formatting draft %d: %w", i+1, err)
		}
		b = canonical.AppendString(append(b, `{"record":`...), string(d.Kind()))
		b = appendMember(b, "operation", string(d.Operation))
		if !d.Subject.IsZero() {
			b = appendMember(b, "subject", d.Subject.String())
		}
		if d.Target != "" {
			b = appendMember(b, "target", d.Target)
		}
		if d.EffectiveOn != (declaration.Date{}) {
			b = appendMember(b, "effective_on", d.EffectiveOn.String())
		}
		if d.Provenance != "" {
			b = appendMember(b, "provenance", string(d.Provenance))
		}
		b = appendObjects(b, "files", d.Files, func(b []byte, f File) []byte {
			b = canonical.AppendString(append(b, `{"name":`...), f.Name)
			b = appendMember(b, "sha256", hex.EncodeToString(f.SHA256[:]))
			return strconv.AppendUint(append(b, `,"size":`...), uint64(f.Size), 10)
		})
		b = appendObjects(b, "unknown", d.Unknown, func(b []byte, u Unknown) []byte {
			b = canonical.AppendString(append(b, `{"column":`...), u.Column)
			b = appendMember(b, "value", u.Value)
			b = appendMember(b, "field", u.Field)
			return appendMember(b, "why", u.Why)
		})
		b = append(append(append(b, `,"body":`...), body...), "}\n"...)
	}
	return escapeHidden(b), nil
}

// escapeHidden escapes in JSON what Read refuses to see. All of it can only stand in
// strings.
func escapeHidden(b []byte) []byte {
	refused := func(r rune) bool {
		return r >= 0x7f && r <= 0x9f || r == '\u2028' || r == '\u2029' || r == '\ufeff' || IsBidiControl(r)
	}
	if bytes.IndexFunc(b, refused) < 0 {
		return b
	}
	out := make([]byte, 0, len(b)+64)
	for _, r := range string(b) {
		if refused(r) {
			out = fmt.Appendf(out, `\u%04x`, r)
		} else {
			out = utf8.AppendRune(out, r)
		}
	}
	return out
}

var errUnapplied = errors.New("its changes are not applied yet")

func appendMember(b []byte, key, value string) []byte {
	b = canonical.AppendString(append(b, ','), key)
	return canonical.AppendString(append(b, ':'), value)
}

// appendObjects adds a member with a list, unless it is empty. item writes an object
// without its closing brace.
func appendObjects[T any](b []byte, key string, items []T, item func([]byte, T) []byte) []byte {
	for i, it := range items {
		if i == 0 {
			b = append(append(append(b, `,"`...), key...), `":[`...)
		} else {
			b = append(b, ',')
		}
		b = append(item(b, it), '}')
	}
	if len(items) > 0 {
		b = append(b, ']')
	}
	return b
}
