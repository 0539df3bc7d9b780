package shorthand_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cityproof/cityproof/internal/draft"
	"github.com/cityproof/cityproof/internal/shorthand"
)

var update = flag.Bool("update", false, "rewrite golden files")

// folder gives the files of a folder, as the command does.
type folder string

func (f folder) ReadFile(name string) ([]byte, error) {
	return os.ReadFile(filepath.Join(string(f), filepath.FromSlash(name)))
}

const examples = folder("testdata/examples")

func workspace(t testing.TB) shorthand.Workspace {
	t.Helper()
	data, err := examples.ReadFile(shorthand.WorkspaceFile)
	if err != nil {
		t.Fatal(err)
	}
	ws, err := shorthand.ParseWorkspace(data)
	if err != nil {
		t.Fatal(err)
	}
	return ws
}

// TestExamplesExpand holds the long form of each example to its golden file.
func TestExamplesExpand(t *testing.T) {
	ws := workspace(t)
	names, err := filepath.Glob(string(examples) + "/?-*.yaml")
	if err != nil || len(names) != 7 {
		t.Fatalf("%d examples, %v; want 7", len(names), err)
	}
	for _, name := range names {
		base := filepath.Base(name)
		data, err := examples.ReadFile(base)
		if err != nil {
			t.Fatal(err)
		}
		drafts, err := shorthand.Parse(base, data, ws, examples)
		if err != nil {
			t.Errorf("%s:\n%v", base, err)
			continue
		}
		long := draft.Format(drafts)
		golden := filepath.Join("testdata", "expanded", base)
		if *update {
			if err := os.WriteFile(golden, long, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(long)); diff != "" {
			t.Errorf("%s expands otherwise (-want +got):\n%s", base, diff)
		}
		again, err := shorthand.Parse(strings.TrimSuffix(base, ".yaml")+".long.yaml", long, ws, examples)
		if err != nil {
			t.Errorf("%s: the long form does not parse: %v", base, err)
		} else if diff := cmp.Diff(string(long), string(draft.Format(again))); diff != "" {
			t.Errorf("%s: the long form expands to another (-want +got):\n%s", base, diff)
		}
	}
}
