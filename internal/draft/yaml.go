package draft

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Limits of what is read. A city's whole catalogue fits; a bomb doesn't.
const (
	// MaxDocument is the size in bytes of one document of a file.
	MaxDocument = 1 << 20
	// MaxSource is the size in bytes of one file of many documents.
	MaxSource = 64 << 20
	// MaxDocuments of one file.
	MaxDocuments = 10_000

	// MaxProblems is how many problems of one file are reported.
	MaxProblems = 500

	maxDepth  = 40      // of maps and lists in each other; the model needs 12
	maxTokens = 200_000 // of one document
	maxKeys   = 1_000   // of one map; the largest has 34
)

// Read splits a YAML or JSON file into its documents: YAML separated by "---",
// JSON as one object, a list of objects, or one object a line (JSON Lines). JSON is
// what begins with "{" or "[". Nothing is interpreted: no type is guessed, and
// anchors, aliases, tags, merge keys, repeated keys and everything else by which
// YAML says a thing twice or otherwise than it looks are Problems.
func Read(file string, data []byte) ([]*Node, error) {
	if len(data) > MaxSource {
		return nil, Problems{{File: file, Problem: fmt.Sprintf("the file has %d bytes, more than %d", len(data), MaxSource),
			Do: "split it into several files"}}
	}
	// A byte order mark says nothing in UTF-8, but Windows editors write it.
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if p := checkText(file, data); p != nil {
		return nil, Problems{p}
	}
	if trimmed := bytes.TrimLeft(data, " \t\r\n"); len(trimmed) > 0 && (trimmed[0] == '{' || trimmed[0] == '[') {
		return readJSON(file, data)
	}
	return readYAML(file, bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n")))
}

// checkText refuses what no text file of ours holds: a reader must see what the
// program sees (T-01, T-43).
func checkText(file string, data []byte) *SourceError {
	line := 1
	for i := 0; i < len(data); {
		r, n := utf8.DecodeRune(data[i:])
		problem := ""
		switch {
		case r == utf8.RuneError && n == 1:
			problem = "the file is not valid UTF-8 here"
		case r == '\n':
			line++
		case r == '\r' && (i+1 == len(data) || data[i+1] != '\n'):
			problem = "a carriage return stands alone"
		case r < 0x20 && r != '\t' && r != '\r', r >= 0x7f && r <= 0x9f, r == '\u2028', r == '\u2029', r == '\ufeff':
			problem = fmt.Sprintf("the control character U+%04X stands here", r)
		case IsBidiControl(r):
			problem = fmt.Sprintf("the invisible direction control U+%04X stands here: what is read is not what is written", r)
		}
		if problem != "" {
			return &SourceError{File: file, Line: line, Problem: problem, Do: "remove it, or save the file as UTF-8 text"}
		}
		i += n
	}
	return nil
}

// IsBidiControl reports whether r overrides, embeds or isolates text direction
// (V-06); the marks that Arabic, Persian and Hebrew need are not meant.
func IsBidiControl(r rune) bool {
	return r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069'
}

func readYAML(file string, data []byte) ([]*Node, error) {
	var docs []*Node
	var problems Problems
	for _, part := range splitYAML(data) {
		if len(docs) == MaxDocuments {
			return nil, Problems{{File: file, Line: part.line, Problem: fmt.Sprintf("more than %d documents", MaxDocuments), Do: "split the file"}}
		}
		y := &yamlReader{file: file, offset: part.line - 1}
		if n := y.document(part.text); n != nil {
			docs = append(docs, n)
		}
		problems = append(problems, y.problems...)
	}
	if len(problems) > 0 {
		return nil, problems.Limited()
	}
	if len(docs) == 0 {
		return nil, Problems{{File: file, Problem: "the file holds nothing"}}
	}
	return docs, nil
}

type yamlPart struct {
	text []byte
	line int // of its first line, from 1
}

// splitYAML cuts at lines that begin a document. YAML ends every construct there,
// so cutting first is exact, and one document's problems leave the others readable.
func splitYAML(data []byte) []yamlPart {
	var parts []yamlPart
	start, startLine, line := 0, 1, 1
	for i := 0; i < len(data); line++ {
		end := len(data)
		if j := bytes.IndexByte(data[i:], '\n'); j >= 0 {
			end = i + j + 1
		}
		if l := bytes.TrimRight(data[i:end], " \t\n"); bytes.Equal(l, []byte("---")) {
			parts = append(parts, yamlPart{data[start:i], startLine})
			start, startLine = end, line+1
		}
		i = end
	}
	return append(parts, yamlPart{data[start:], startLine})
}

type yamlReader struct {
	file     string
	offset   int // lines before this document
	problems Problems
}

func (y *yamlReader) fail(line int, value, problem, do string) {
	y.problems = append(y.problems, &SourceError{File: y.file, Line: line + y.offset, Value: value, Problem: problem, Do: do})
}

// document returns nil when there is nothing but comments, or on problems.
func (y *yamlReader) document(text []byte) (root *Node) {
	if len(text) > MaxDocument {
		y.fail(1, "", fmt.Sprintf("the document has %d bytes, more than %d", len(text), MaxDocument), "put long lists into an attachment")
		return nil
	}
	tokens := lexer.Tokenize(string(text))
	if !y.checkTokens(tokens) {
		return nil
	}
	file, err := parser.Parse(tokens, parser.ParseComments, parser.AllowDuplicateMapKey())
	if err != nil {
		y.syntax(err)
		return nil
	}
	for _, doc := range file.Docs {
		switch doc.Body.(type) {
		case nil, *ast.CommentGroupNode:
			continue
		}
		if root != nil {
			y.fail(root.Line-y.offset, "", "a second document follows without a line of ---", "put --- between documents")
			return nil
		}
		root = y.node(doc.Body, 0)
	}
	if len(y.problems) > 0 {
		return nil
	}
	return root
}

// checkTokens refuses what can't be read safely or plainly, before anything
// recurses over it.
func (y *yamlReader) checkTokens(tokens token.Tokens) bool {
	if bad := tokens.InvalidToken(); bad != nil {
		y.fail(bad.Position.Line, bad.Value, bad.Error, quoteAdvice)
		return false
	}
	if len(tokens) > maxTokens {
		y.fail(1, "", "the document has too many values", "put long lists into an attachment")
		return false
	}
	depth, dashes, dashLine := 0, 0, 0
	var keys keyCounter
	for _, tk := range tokens {
		line := tk.Position.Line
		switch tk.Type {
		case token.MappingKeyType: // YAML's mark of a complex key, which no field here has
			y.fail(line, tk.Value, "a question of a template is not answered", "write the answer in place of the ?")
			if len(y.problems) == MaxProblems {
				return false
			}
			continue
		case token.AnchorType, token.AliasType, token.TagType, token.MergeKeyType, token.DirectiveType:
			y.fail(line, tk.Value, "YAML's anchors, aliases, tags, merge keys and % directives are not read here",
				"write the value out, or put it in quotes if it is text")
			return false
		case token.SequenceStartType, token.MappingStartType:
			depth++
		case token.SequenceEndType, token.MappingEndType:
			depth--
		case token.SequenceEntryType:
			if line != dashLine {
				dashes, dashLine = 0, line
			}
			dashes++
		}
		if depth == 0 && keys.count(tk) > maxKeys {
			y.fail(line, "", "a map has too many keys", "")
			return false
		}
		if depth > maxDepth || dashes > maxDepth {
			y.fail(line, "", "values are nested too deeply", "")
			return false
		}
	}
	return len(y.problems) == 0
}

// keyCounter counts the keys of each block map that is open: the parser's time grows
// with the square of them.
type keyCounter []struct{ column, keys int }

// count returns how many keys the map at the token's column has so far.
func (c *keyCounter) count(tk *token.Token) int {
	column := tk.Position.Column
	isKey := tk.Next != nil && tk.Next.Type == token.MappingValueType
	for len(*c) > 0 && (*c)[len(*c)-1].column > column {
		*c = (*c)[:len(*c)-1]
	}
	if !isKey {
		return 0
	}
	if len(*c) == 0 || (*c)[len(*c)-1].column < column {
		*c = append(*c, struct{ column, keys int }{column, 0})
	}
	top := &(*c)[len(*c)-1]
	top.keys++
	return top.keys
}

const quoteAdvice = `check the indentation, and put text that holds ": ", " #" or begins with one of [ ] { } & * ! | > ' " % @ into quotes`

func (y *yamlReader) syntax(err error) {
	var se *yaml.SyntaxError
	if errors.As(err, &se) && se.Token != nil && se.Token.Position != nil {
		y.fail(se.Token.Position.Line, "", se.Message, quoteAdvice)
		return
	}
	y.fail(1, "", firstLine(err.Error()), quoteAdvice)
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

func (y *yamlReader) node(n ast.Node, depth int) *Node {
	tk := n.GetToken()
	out := &Node{Line: tk.Position.Line + y.offset}
	if depth > maxDepth {
		y.fail(tk.Position.Line, "", "values are nested too deeply", "")
		return out
	}
	switch v := n.(type) {
	case *ast.MappingNode:
		y.entries(out, v.Values, depth)
	case *ast.MappingValueNode:
		y.entries(out, []*ast.MappingValueNode{v}, depth)
	case *ast.SequenceNode:
		out.Shape = List
		for _, item := range v.Values {
			out.Items = append(out.Items, y.node(item, depth+1))
		}
	case *ast.LiteralNode:
		out.Text = v.Value.Value
	case *ast.StringNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NullNode, *ast.InfinityNode, *ast.NanNode:
		y.scalar(out, tk)
	default:
		y.fail(tk.Position.Line, tk.Value, "this is not read here", "write plain keys, lists and values")
	}
	if out.Shape != Scalar && len(out.Entries) > 0 {
		out.Line = out.Entries[0].Line
	}
	return out
}

func (y *yamlReader) scalar(out *Node, tk *token.Token) {
	out.Text = tk.Value
	switch tk.Type {
	case token.ImplicitNullType:
		out.Text, out.Absent = "", true
	case token.SingleQuoteType, token.DoubleQuoteType:
	default:
		out.Plain = true
		out.Hash = hashFollows(tk)
	}
}

// hashFollows reports whether a "#" stands so close behind a plain scalar that it
// may have been meant as text: YAML would drop the rest of the line without a word.
// A comment that is surely one has two spaces before it and one after its "#".
func hashFollows(tk *token.Token) bool {
	next := tk.Next
	if next == nil || next.Type != token.CommentType || next.Position.Line != tk.Position.Line {
		return false
	}
	return !strings.HasSuffix(tk.Origin, "  ") && !strings.HasSuffix(tk.Origin, "\t") || !strings.HasPrefix(next.Value, " ")
}

func (y *yamlReader) entries(m *Node, values []*ast.MappingValueNode, depth int) {
	m.Shape = Map
	lines := make(map[string]int, len(values))
	for _, e := range values {
		tk, ok := plainKey(e)
		switch first, twice := lines[tk.Value]; {
		case !ok:
			y.fail(tk.Position.Line, tk.Value, "this is no plain key", "write a word and a colon")
			continue
		case twice:
			y.fail(tk.Position.Line, tk.Value, fmt.Sprintf("the key stands twice, first on line %d", first), "join the two")
			continue
		}
		line := tk.Position.Line + y.offset
		lines[tk.Value] = line
		value := &Node{Line: line, Absent: true}
		if e.Value != nil {
			value = y.node(e.Value, depth+1)
		}
		m.Entries = append(m.Entries, Entry{Key: tk.Value, Line: line, Value: value})
	}
}

// plainKey returns an entry's key, and whether it is a scalar.
func plainKey(e *ast.MappingValueNode) (*token.Token, bool) {
	tk := e.Key.GetToken()
	switch e.Key.(type) {
	case *ast.StringNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NullNode, *ast.InfinityNode, *ast.NanNode:
		return tk, tk.Type != token.ImplicitNullType
	}
	return tk, false
}
