package testenv

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// Spoil lets spoil change the files of a folder as a bad disk would, behind the back of who wrote them. The test fails where it
// changed none: what follows would prove nothing.
func Spoil(t testing.TB, dir string, spoil func(name string, b []byte)) {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	spoilt := 0
	for _, f := range files {
		if f.IsDir() {
			continue
		}
		path := filepath.Join(dir, f.Name())
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		bad := bytes.Clone(b)
		if spoil(f.Name(), bad); bytes.Equal(bad, b) {
			continue
		}
		spoilt++
		if err := os.WriteFile(path, bad, 0o600); err != nil { //nolint:gosec // a test's own folder
			t.Fatal(err)
		}
	}
	if spoilt == 0 {
		t.Fatalf("no file in %s was spoilt", dir)
	}
}
