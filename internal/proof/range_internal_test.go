package proof

import "testing"

// No test can append 2^63 leaves, so this one looks inside.
func TestRangeAtTheEnd(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("Append beyond MaxSize does not panic")
		}
	}()
	r := Range{size: MaxSize}
	r.Append(Hash{})
}
