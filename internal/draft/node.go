package draft

// Shape is what a node of a file is.
type Shape uint8

// The shapes.
const (
	Scalar Shape = iota
	Map
	List
)

// Node is a value of a YAML or JSON file, before anybody decided what it means:
// scalars are text, whatever YAML would make of "no", "1e3" or "~".
type Node struct {
	Shape Shape
	Line  int // of its first character, from 1
	// Text of a scalar.
	Text string
	// Plain says that a scalar was written without quotes; in JSON, that it is a
	// number or a boolean.
	Plain bool
	// JSON says that a scalar comes from a JSON file, where only strings are quoted.
	JSON bool
	// Absent says that nothing was written where a value belongs ("key:").
	Absent bool
	// Hash says that a "#" follows so closely that it could belong to the text.
	Hash bool
	// Entries of a map, in the order written; keys are distinct.
	Entries []Entry
	// Items of a list.
	Items []*Node
}

// Entry is one key of a map with its value.
type Entry struct {
	Key   string
	Line  int
	Value *Node
}

// Get returns the value of key in a map, or nil.
func (n *Node) Get(key string) *Node {
	for _, e := range n.Entries {
		if e.Key == key {
			return e.Value
		}
	}
	return nil
}

// TextNode returns a scalar as if text had been written in quotes at that line.
func TextNode(text string, line int) *Node {
	return &Node{Shape: Scalar, Text: text, Line: line}
}
