package draft

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// readJSON reads one object, a list of objects, or objects one after the other.
func readJSON(file string, data []byte) ([]*Node, error) {
	r := &jsonReader{file: file, data: data, line: 1, dec: json.NewDecoder(bytes.NewReader(data))}
	r.dec.UseNumber()
	var docs []*Node
	for {
		tok, err := r.dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, r.syntax(err)
		}
		n, problem := r.value(tok, 0)
		if problem != nil {
			return nil, Problems{problem}
		}
		if n.Shape == List {
			docs = append(docs, n.Items...)
		} else {
			docs = append(docs, n)
		}
		if len(docs) > MaxDocuments {
			return nil, Problems{r.fail("", fmt.Sprintf("more than %d documents", MaxDocuments), "split the file")}
		}
	}
	if len(docs) == 0 {
		return nil, Problems{{File: file, Problem: "the file holds nothing"}}
	}
	return docs, nil
}

type jsonReader struct {
	file string
	data []byte
	dec  *json.Decoder
	// line of the byte at offset, counted as reading goes on.
	line, offset int
	values       int
}

// here is the line of what was read last.
func (r *jsonReader) here() int {
	end := int(r.dec.InputOffset())
	r.line += bytes.Count(r.data[r.offset:end], []byte("\n"))
	r.offset = end
	return r.line
}

func (r *jsonReader) fail(value, problem, do string) *SourceError {
	return &SourceError{File: r.file, Line: r.here(), Value: value, Problem: problem, Do: do}
}

func (r *jsonReader) syntax(err error) Problems {
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return Problems{r.fail("", "the JSON ends too early", "close every { and [")}
	}
	return Problems{r.fail("", "this is not JSON: "+err.Error(), "")}
}

// value reads the value that begins with tok.
func (r *jsonReader) value(tok json.Token, depth int) (*Node, *SourceError) {
	n := &Node{Line: r.here(), JSON: true}
	if depth > maxDepth {
		return nil, r.fail("", "values are nested too deeply", "")
	}
	if r.values++; r.values > maxTokens*MaxSource/MaxDocument {
		return nil, r.fail("", "the file has too many values", "split it")
	}
	switch v := tok.(type) {
	case json.Delim:
		if v == '{' {
			n.Shape = Map
			return n, r.object(n, depth)
		}
		n.Shape = List
		return n, r.array(n, depth)
	case string:
		n.Text = v
		return n, r.checkString()
	case json.Number:
		n.Text, n.Plain = v.String(), true
	case bool:
		n.Text, n.Plain = strconv.FormatBool(v), true
	default:
		return nil, r.fail("null", "null says nothing", "leave the field out")
	}
	return n, nil
}

func (r *jsonReader) object(n *Node, depth int) *SourceError {
	seen := map[string]bool{}
	for r.dec.More() {
		tok, err := r.dec.Token()
		if err != nil {
			return r.syntax(err)[0]
		}
		key, _ := tok.(string) // the decoder accepts nothing else here
		if p := r.checkString(); p != nil {
			return p
		}
		if seen[key] {
			return r.fail(key, "the key stands twice", "join the two")
		}
		seen[key] = true
		line := r.here()
		if tok, err = r.dec.Token(); err != nil {
			return r.syntax(err)[0]
		}
		value, p := r.value(tok, depth+1)
		if p != nil {
			return p
		}
		n.Entries = append(n.Entries, Entry{Key: key, Line: line, Value: value})
	}
	return r.end()
}

func (r *jsonReader) array(n *Node, depth int) *SourceError {
	for r.dec.More() {
		tok, err := r.dec.Token()
		if err != nil {
			return r.syntax(err)[0]
		}
		item, p := r.value(tok, depth+1)
		if p != nil {
			return p
		}
		n.Items = append(n.Items, item)
	}
	return r.end()
}

func (r *jsonReader) end() *SourceError {
	if _, err := r.dec.Token(); err != nil {
		return r.syntax(err)[0]
	}
	return nil
}

// checkString refuses a lone surrogate in the string that was read last: the
// decoder puts U+FFFD in its place without a word (T-01).
func (r *jsonReader) checkString() *SourceError {
	end := int(r.dec.InputOffset())
	start := end - 2 // inside the closing quote
	for start >= 0 && (r.data[start] != '"' || escaped(r.data, start)) {
		start--
	}
	raw := r.data[max(start, 0):end]
	for i := 0; i+6 <= len(raw); i++ {
		if raw[i] != '\\' {
			continue
		}
		if raw[i+1] != 'u' {
			i++
			continue
		}
		switch hi := hex4(raw[i+2:]); {
		case hi >= 0xdc00 && hi <= 0xdfff:
			return r.fail(string(raw[i:i+6]), "half a character stands alone", "")
		case hi >= 0xd800 && hi <= 0xdbff:
			if i+12 > len(raw) || raw[i+6] != '\\' || raw[i+7] != 'u' || hex4(raw[i+8:]) < 0xdc00 || hex4(raw[i+8:]) > 0xdfff {
				return r.fail(string(raw[i:i+6]), "half a character stands alone", "")
			}
			i += 11
		default:
			i += 5
		}
	}
	return nil
}

// escaped reports whether the byte at i has an odd number of backslashes before it.
func escaped(b []byte, i int) bool {
	n := 0
	for i > n && b[i-1-n] == '\\' {
		n++
	}
	return n%2 == 1
}

func hex4(b []byte) int {
	n, err := strconv.ParseUint(string(b[:min(4, len(b))]), 16, 32)
	if err != nil {
		return -1
	}
	return int(n)
}
