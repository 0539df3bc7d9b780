package importer

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// Bounds of one row.
const (
	maxColumns = 500
	maxDepth   = 32
	maxValuesN = 20_000 // values in one JSON row, nested ones counted
)

// RowError says which row of a file can't be read. Rows count from 1, without a
// header; Line is 0 where only the row is known.
type RowError struct {
	Row, Line int
	Err       error
}

func (e *RowError) Error() string {
	if e.Line > 0 {
		return fmt.Sprintf("row %d (line %d): %v", e.Row, e.Line, e.Err)
	}
	return fmt.Sprintf("row %d: %v", e.Row, e.Err)
}

func (e *RowError) Unwrap() error { return e.Err }

// readAll reads a file of at most MaxInput bytes of UTF-8, without a byte order
// mark. Other encodings are refused: read as UTF-8 they would put wrong letters
// into words that nobody can take back.
func readAll(r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxInput+1))
	if err != nil {
		return nil, fmt.Errorf("reading the file: %w", err)
	}
	if len(data) > MaxInput {
		return nil, fmt.Errorf("reading the file: more than %d MiB: import it in parts", MaxInput>>20)
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if !utf8.Valid(data) {
		line := 1
		for rest := data; len(rest) > 0; {
			c, n := utf8.DecodeRune(rest)
			if c == utf8.RuneError && n == 1 {
				break
			}
			if c == '\n' {
				line++
			}
			rest = rest[n:]
		}
		return nil, fmt.Errorf("reading the file: line %d is not UTF-8: save the file as UTF-8", line)
	}
	return data, nil
}

// record is one row: its columns in the order of the file. Values are strings,
// json.Number, bool, nil, []any or *record.
type record struct {
	num  int // from 1
	line int // of a CSV file
	keys []string
	vals map[string]any
}

// has reports whether the row has the column, filled or not.
func (r *record) has(column string) bool { _, ok := r.vals[column]; return ok }

// text is the column's value as it stands, trimmed; lists of words are joined
// with "; ". It is empty when the column is absent, null or an object.
func (r *record) text(column string) string { return strings.TrimSpace(textOf(r.vals[column])) }

func textOf(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case bool:
		if v {
			return "true"
		}
		return "false"
	case []any:
		var parts []string
		for _, item := range v {
			if s := strings.TrimSpace(textOf(item)); s != "" {
				parts = append(parts, s)
			}
		}
		return strings.Join(parts, "; ")
	}
	return ""
}

// object is the column's value when it is an object, else nil.
func (r *record) object(column string) *record {
	o, _ := r.vals[column].(*record)
	return o
}

// eachCSV calls fn with each row of a CSV file (RFC 4180, comma). The header must
// name every column of required.
func eachCSV(data []byte, required []string, fn func(*record) error) error {
	cr := csv.NewReader(bytes.NewReader(data))
	header, err := cr.Read()
	if errors.Is(err, io.EOF) {
		return errors.New("the file is empty")
	}
	if err != nil {
		return fmt.Errorf("reading the header: %w", err)
	}
	if header, err = checkHeader(header, required); err != nil {
		return err
	}
	for num := 1; ; num++ {
		cells, err := cr.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			var pe *csv.ParseError
			if errors.As(err, &pe) {
				return &RowError{Row: num, Line: pe.StartLine, Err: pe.Err}
			}
			return &RowError{Row: num, Err: err}
		}
		if num > MaxRows {
			return fmt.Errorf("more than %d rows: import the file in parts", MaxRows)
		}
		line, _ := cr.FieldPos(0)
		rec := &record{num: num, line: line, keys: header, vals: make(map[string]any, len(header))}
		for i, cell := range cells {
			rec.vals[header[i]] = cell
		}
		if err := fn(rec); err != nil {
			return &RowError{Row: num, Line: line, Err: err}
		}
	}
}

func checkHeader(cells, required []string) ([]string, error) {
	if len(cells) > maxColumns {
		return nil, fmt.Errorf("the header has %d columns, more than %d", len(cells), maxColumns)
	}
	header := make([]string, len(cells))
	for i, cell := range cells {
		name := strings.TrimSpace(cell)
		if slices.Contains(header[:i], name) {
			return nil, fmt.Errorf("the header names the column %q twice", clip(name))
		}
		header[i] = name
	}
	for _, name := range required {
		if !slices.Contains(header, name) {
			return nil, fmt.Errorf("the header has no column %q: is this the right format?", name)
		}
	}
	return header, nil
}

// eachJSON calls fn with each row of a JSON file: of the list at the top, of the
// list under one of the keys of the object at the top, or else that object as the
// only row. It returns what else stands in the object at the top.
func eachJSON(data []byte, lists []string, fn func(*record) error) (*record, error) {
	p := &jsonParser{dec: json.NewDecoder(bytes.NewReader(data)), lists: lists, fn: fn}
	p.dec.UseNumber()
	top, err := p.file()
	if err != nil {
		if p.row > 0 && !p.done {
			return nil, &RowError{Row: p.row, Err: noEOF(err)}
		}
		return nil, noEOF(err)
	}
	if _, err := p.dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the end of the JSON")
	}
	return top, nil
}

func noEOF(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the file ends in the middle")
	}
	return err
}

type jsonParser struct {
	dec    *json.Decoder
	lists  []string
	fn     func(*record) error
	row    int  // row being read
	done   bool // the rows have been read
	values int  // of this row
}

func (p *jsonParser) file() (*record, error) {
	tok, err := p.dec.Token()
	if err != nil {
		return nil, err
	}
	switch tok {
	case json.Delim('['):
		return &record{}, p.rows()
	case json.Delim('{'):
	default:
		return nil, errors.New("want a list or an object of JSON")
	}
	top := &record{num: 1, vals: map[string]any{}}
	found := false
	for p.dec.More() {
		key, err := p.key(top)
		if err != nil {
			return nil, err
		}
		if slices.Contains(p.lists, key) {
			if tok, err = p.dec.Token(); err != nil {
				return nil, err
			}
			if tok != json.Delim('[') || found {
				return nil, fmt.Errorf("want one list of rows under %q", key)
			}
			found = true
			if err := p.rows(); err != nil {
				return nil, err
			}
			continue
		}
		p.values = 0
		v, err := p.value(1)
		if err != nil {
			return nil, err
		}
		top.keys, top.vals[key] = append(top.keys, key), v
	}
	if _, err := p.dec.Token(); err != nil {
		return nil, err
	}
	if !found {
		p.row = 1
		return &record{}, p.fn(top)
	}
	return top, nil
}

// rows reads the items of a list whose bracket has been read, and its end.
func (p *jsonParser) rows() error {
	for p.dec.More() {
		if p.row++; p.row > MaxRows {
			return fmt.Errorf("more than %d rows: import the file in parts", MaxRows)
		}
		p.values = 0
		v, err := p.value(0)
		if err != nil {
			return err
		}
		rec, ok := v.(*record)
		if !ok {
			return errors.New("want an object")
		}
		rec.num = p.row
		if err := p.fn(rec); err != nil {
			return err
		}
	}
	if _, err := p.dec.Token(); err != nil {
		return err
	}
	p.done = true
	return nil
}

// key reads an object's next key. One that stands there already is refused: of two
// values nobody can tell which is meant.
func (p *jsonParser) key(r *record) (string, error) {
	tok, err := p.dec.Token()
	if err != nil {
		return "", err
	}
	key, ok := tok.(string)
	if !ok {
		return "", errors.New("want a key")
	}
	if r.has(key) {
		return "", fmt.Errorf("the key %q stands twice", clip(key))
	}
	return key, nil
}

func (p *jsonParser) value(depth int) (any, error) {
	tok, err := p.dec.Token()
	if err != nil {
		return nil, err
	}
	if p.values++; p.values > maxValuesN {
		return nil, fmt.Errorf("more than %d values in one row", maxValuesN)
	}
	if depth > maxDepth {
		return nil, fmt.Errorf("nested deeper than %d", maxDepth)
	}
	switch tok {
	case json.Delim('{'):
		r := &record{vals: map[string]any{}}
		for p.dec.More() {
			key, err := p.key(r)
			if err != nil {
				return nil, err
			}
			v, err := p.value(depth + 1)
			if err != nil {
				return nil, err
			}
			r.keys, r.vals[key] = append(r.keys, key), v
		}
		_, err = p.dec.Token()
		return r, err
	case json.Delim('['):
		list := []any{}
		for p.dec.More() {
			v, err := p.value(depth + 1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err = p.dec.Token()
		return list, err
	}
	return tok, nil
}

// isJSON tells JSON from CSV by the first character that is no space.
func isJSON(data []byte) bool {
	data = bytes.TrimLeft(data, " \t\r\n")
	return len(data) > 0 && (data[0] == '{' || data[0] == '[')
}
