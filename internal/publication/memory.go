package publication

import (
	"math"
	"slices"

	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/proof"
)

// Memory keeps a city's records in memory: for auditors, who replay a log, and for
// validation before anything is published. It implements Live. It is not safe for
// concurrent use while Apply runs.
//
// Find and Linking return of each kind at most the MaxFound highest numbers. A log of
// a hundred thousand records of one name would otherwise keep an auditor busy for
// hours, and a mark that only an older one could give is not worth that.
type Memory struct {
	newest  map[declaration.Subject]*Newest
	keys    map[Key][]declaration.Subject                 // sorted
	linking map[declaration.Subject][]declaration.Subject // sorted
}

// MaxFound bounds the answers of Memory.
const MaxFound = 256

// NewMemory returns a city that has said nothing yet.
func NewMemory() *Memory {
	return &Memory{
		newest:  map[declaration.Subject]*Newest{},
		keys:    map[Key][]declaration.Subject{},
		linking: map[declaration.Subject][]declaration.Subject{},
	}
}

// Apply makes rec the newest revision of its subject; leaf is its leaf hash. It
// checks nothing: apply what CheckLive's chain rule accepted. rec.Body is kept and
// must not change; it may be nil where it was erased.
func (m *Memory) Apply(rec Record, leaf proof.Hash) {
	s := rec.Statement.Subject
	if old := m.newest[s]; old != nil && old.Body != nil {
		for _, k := range Keys(old.Body) {
			remove(m.keys, k, s)
		}
		for _, to := range Links(old.Body) {
			remove(m.linking, to, s)
		}
	}
	m.newest[s] = &Newest{declaration.Head{Revision: rec.Statement.Revision, Leaf: leaf, Operation: rec.Statement.Operation}, rec.Body}
	if rec.Body == nil {
		return
	}
	for _, k := range rec.keySet().all() {
		insert(m.keys, k, s)
	}
	for _, to := range Links(rec.Body) {
		insert(m.linking, to, s)
	}
}

func insert[K comparable](m map[K][]declaration.Subject, k K, s declaration.Subject) {
	if i, found := slices.BinarySearchFunc(m[k], s, compareSubjects); !found {
		m[k] = slices.Insert(m[k], i, s)
	}
}

func remove[K comparable](m map[K][]declaration.Subject, k K, s declaration.Subject) {
	i, found := slices.BinarySearchFunc(m[k], s, compareSubjects)
	switch {
	case found && len(m[k]) == 1:
		delete(m, k)
	case found:
		m[k] = slices.Delete(m[k], i, i+1)
	}
}

// Newest implements Live.
func (m *Memory) Newest(s declaration.Subject) (*Newest, error) { return m.newest[s], nil }

// Linking implements Live; withdrawn subjects are among the result.
func (m *Memory) Linking(s declaration.Subject) ([]declaration.Subject, error) {
	return newestOf(m.linking[s]), nil
}

// Find implements Live; withdrawn subjects are among the result.
func (m *Memory) Find(key Key) ([]declaration.Subject, error) { return newestOf(m.keys[key]), nil }

// newestOf returns the last MaxFound of each kind, as a copy.
func newestOf(subjects []declaration.Subject) []declaration.Subject {
	if len(subjects) <= MaxFound {
		return slices.Clone(subjects)
	}
	var out []declaration.Subject
	for _, kind := range declaration.Kinds() {
		from, _ := slices.BinarySearchFunc(subjects, declaration.Subject{Kind: kind}, compareSubjects)
		to, _ := slices.BinarySearchFunc(subjects, declaration.Subject{Kind: kind, Number: math.MaxUint32}, compareSubjects)
		out = append(out, subjects[max(from, to-MaxFound):to]...)
	}
	return out
}
