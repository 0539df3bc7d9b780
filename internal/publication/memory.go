package publication

import (
	"maps"
	"slices"

	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/proof"
)

// Memory keeps a city's records in memory: for auditors, who replay a log, and for
// validation before anything is published. It implements Live. It is not safe for
// concurrent use while Apply runs.
type Memory struct {
	newest  map[declaration.Subject]*Newest
	keys    map[Key]map[declaration.Subject]struct{}
	linking map[declaration.Subject]map[declaration.Subject]struct{}
}

// NewMemory returns a city that has said nothing yet.
func NewMemory() *Memory {
	return &Memory{
		newest:  map[declaration.Subject]*Newest{},
		keys:    map[Key]map[declaration.Subject]struct{}{},
		linking: map[declaration.Subject]map[declaration.Subject]struct{}{},
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

func insert[K comparable](m map[K]map[declaration.Subject]struct{}, k K, s declaration.Subject) {
	if m[k] == nil {
		m[k] = map[declaration.Subject]struct{}{}
	}
	m[k][s] = struct{}{}
}

func remove[K comparable](m map[K]map[declaration.Subject]struct{}, k K, s declaration.Subject) {
	delete(m[k], s)
	if len(m[k]) == 0 {
		delete(m, k)
	}
}

// Newest implements Live.
func (m *Memory) Newest(s declaration.Subject) (*Newest, error) { return m.newest[s], nil }

// Linking implements Live; withdrawn subjects are among the result.
func (m *Memory) Linking(s declaration.Subject) ([]declaration.Subject, error) {
	return inOrder(m.linking[s]), nil
}

// Find implements Live; withdrawn subjects are among the result.
func (m *Memory) Find(key Key) ([]declaration.Subject, error) { return inOrder(m.keys[key]), nil }

func inOrder(set map[declaration.Subject]struct{}) []declaration.Subject {
	out := slices.Collect(maps.Keys(set))
	sortSubjects(out)
	return out
}
