package receipt

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"unicode/utf8"

	"github.com/cityproof/cityproof/internal/canonical"
	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/proof"
)

// ParseTrust reads a trust file of at most MaxTrust bytes. People edit it, so space
// and order are free; but a member that is unknown, repeated or spelled in another
// case is refused, for it would be believed to do something.
func ParseTrust(b []byte) (*Trust, error) {
	t, err := parseTrust(b)
	if err == nil {
		err = t.check()
	}
	if err != nil {
		return nil, fmt.Errorf("parsing trust: %w", err)
	}
	return t, nil
}

func parseTrust(b []byte) (*Trust, error) {
	if len(b) > MaxTrust {
		return nil, fmt.Errorf("%d bytes, more than %d", len(b), MaxTrust)
	}
	if !utf8.Valid(b) {
		return nil, errors.New("not valid UTF-8")
	}
	t := &Trust{}
	d := json.NewDecoder(bytes.NewReader(b))
	err := object(d, []string{"version", "origin", "log_vkeys", "publishers"}, []string{"city", "earlier"}, func(key string) error {
		switch key {
		case "version":
			return readVersion(d)
		case "origin":
			return readString(d, &t.Origin)
		case "city":
			if err := readString(d, &t.City); err != nil || t.City != "" {
				return err
			}
			return errors.New("empty: leave it out")
		case "log_vkeys":
			return list(d, maxLogKeys, func() error {
				var vkey string
				if err := readString(d, &vkey); err != nil {
					return err
				}
				v, err := checkpoint.ParseVerifier(vkey)
				t.Log = append(t.Log, v)
				return err
			})
		case "earlier":
			return list(d, maxEarlier, func() error {
				e, err := parseEarlier(d)
				t.Earlier = append(t.Earlier, e)
				return err
			})
		default:
			return list(d, maxPublishers, func() error {
				p, err := parsePublisher(d)
				t.Publishers = append(t.Publishers, p)
				return err
			})
		}
	})
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the end of the object")
	}
	return t, nil
}

func parsePublisher(d *json.Decoder) (Publisher, error) {
	var p Publisher
	err := object(d, []string{"key", "from_size"}, []string{"to_size"}, func(key string) (err error) {
		switch key {
		case "key":
			var text string
			if err = readString(d, &text); err == nil {
				p.Key, err = proof.ParseBase64(text)
			}
		case "from_size":
			p.FromSize, err = readNumber(d)
		default:
			p.ToSize, err = readSize(d)
		}
		return err
	})
	return p, err
}

func parseEarlier(d *json.Decoder) (Earlier, error) {
	var e Earlier
	err := object(d, []string{"origin", "size"}, nil, func(key string) (err error) {
		if key == "origin" {
			return readString(d, &e.Origin)
		}
		e.Size, err = readNumber(d)
		return err
	})
	return e, err
}

func readVersion(d *json.Decoder) error {
	n, err := readSize(d)
	if err == nil && (n == nil || *n != 1) {
		return errors.New("this program knows version 1: use a newer one")
	}
	return err
}

// readString reads a string; encoding/json alone would take null for an empty one.
func readString(d *json.Decoder, s *string) error {
	var p *string
	if err := d.Decode(&p); err != nil {
		return err
	}
	if p == nil {
		return errors.New("want a string")
	}
	*s = *p
	return nil
}

// readSize reads an integer, or nil for null.
func readSize(d *json.Decoder) (*uint64, error) {
	var n *uint64
	err := d.Decode(&n)
	return n, err
}

// readNumber reads an integer, where null is none.
func readNumber(d *json.Decoder) (uint64, error) {
	n, err := readSize(d)
	if err == nil && n == nil {
		err = errors.New("want a number")
	}
	if err != nil {
		return 0, err
	}
	return *n, nil
}

// object reads an object that has all the required members, may have the optional
// ones, and no member twice. member reads the value of a key.
func object(d *json.Decoder, required, optional []string, member func(key string) error) error {
	if err := delim(d, '{'); err != nil {
		return err
	}
	seen := map[string]bool{}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return err
		}
		key, ok := token.(string)
		switch {
		case !ok || !slices.Contains(required, key) && !slices.Contains(optional, key):
			return fmt.Errorf("unknown member %s", canonical.Quote(key))
		case seen[key]:
			return fmt.Errorf("member %q is repeated", key)
		}
		seen[key] = true
		if err := member(key); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
	}
	for _, key := range required {
		if !seen[key] {
			return fmt.Errorf("member %q is missing", key)
		}
	}
	return delim(d, '}')
}

func list(d *json.Decoder, most int, item func() error) error {
	if err := delim(d, '['); err != nil {
		return err
	}
	for i := 0; d.More(); i++ {
		if i == most {
			return fmt.Errorf("more than %d items", most)
		}
		if err := item(); err != nil {
			return fmt.Errorf("[%d]: %w", i, err)
		}
	}
	return delim(d, ']')
}

func delim(d *json.Decoder, want json.Delim) error {
	token, err := d.Token()
	if err != nil {
		return err
	}
	if token != want {
		return fmt.Errorf("want %q", rune(want))
	}
	return nil
}
