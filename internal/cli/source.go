package cli

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cityproof/cityproof/internal/draft"
	"github.com/cityproof/cityproof/internal/shorthand"
)

// source is one file of declarations: all or nothing, as far as a node takes it at
// once.
type source struct {
	file   string // as named
	name   string // file without its ending: receipts are named after it
	data   []byte
	drafts []*draft.Draft
	files  folder
}

// folder gives the files beside a declaring file, and none outside of it.
type folder struct{ dir string }

// ReadFile implements shorthand.Files.
func (f folder) ReadFile(name string) ([]byte, error) {
	root, err := os.OpenRoot(f.dir) // no ".." and no link leads out
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }() // only read
	return root.ReadFile(filepath.FromSlash(name))
}

// expand turns names of files and folders into names of files: of a folder, what
// holds declarations, in alphabetical order.
func expand(paths []string) ([]string, error) {
	var out []string
	for _, p := range paths {
		st, err := os.Stat(p)
		if err != nil {
			return nil, err
		}
		if !st.IsDir() {
			// A shell's *.yaml names the workspace too, which declares nothing.
			if filepath.Base(p) != shorthand.WorkspaceFile {
				out = append(out, p)
			}
			continue
		}
		entries, err := os.ReadDir(p)
		if err != nil {
			return nil, err
		}
		found := len(out)
		for _, e := range entries {
			if e.Type().IsRegular() && declares(e.Name()) {
				out = append(out, filepath.Join(p, e.Name()))
			}
		}
		if found == len(out) {
			return nil, usage(fmt.Errorf("%s holds no declarations", p), "they are files that end in .yaml, .json or .jsonl")
		}
	}
	if len(out) == 0 {
		return nil, usage(errors.New("no file of declarations is named"), "they end in .yaml, .json or .jsonl; cityproof new CASE FILE writes one")
	}
	return out, nil
}

func declares(name string) bool {
	return slices.Contains([]string{".yaml", ".yml", ".json", ".jsonl"}, filepath.Ext(name)) && name != shorthand.WorkspaceFile
}

// load reads files of declarations. All problems of all files come back together.
func load(paths []string, ws shorthand.Workspace) ([]*source, error) {
	files, err := expand(paths)
	if err != nil {
		return nil, err
	}
	var out []*source
	var problems draft.Problems
	for _, file := range files {
		s := &source{file: file, name: strings.TrimSuffix(file, filepath.Ext(file)), files: folder{filepath.Dir(file)}}
		if s.data, err = os.ReadFile(file); err != nil {
			return nil, err
		}
		if s.drafts, err = parse(s, ws); err != nil {
			var p draft.Problems
			if !errors.As(err, &p) {
				return nil, fmt.Errorf("%s: %w", file, err)
			}
			problems = append(problems, p...)
			continue
		}
		out = append(out, s)
	}
	if len(problems) > 0 {
		return nil, problems
	}
	return out, nil
}

// parse reads the long form where a file has it, the shorthand otherwise.
func parse(s *source, ws shorthand.Workspace) ([]*draft.Draft, error) {
	if strings.HasSuffix(s.file, ".jsonl") || strings.HasSuffix(s.file, ".json") || bytes.HasPrefix(s.data, []byte("record:")) {
		return draft.Parse(s.file, s.data)
	}
	return shorthand.Parse(s.file, s.data, ws, s.files)
}

// maxChunk is how many declarations are published at once where a file has more
// than a node takes. A smaller chunk loses less when a line breaks.
const maxChunk = 500

// chunks cuts a file's drafts into runs of at most n where that is possible
// without separating drafts that name each other.
func chunks(drafts []*draft.Draft, n int) [][]*draft.Draft {
	if len(drafts) == 0 {
		return nil // an earlier run has signed them all
	}
	if len(drafts) <= n {
		return [][]*draft.Draft{drafts}
	}
	reach := lastLinked(drafts)
	var out [][]*draft.Draft
	start, cut, bound := 0, 0, 0 // cut: the last place where nothing is separated
	for i := range drafts {
		if i > start && bound < i {
			cut = i
		}
		if i-start >= n && cut > start {
			out = append(out, drafts[start:cut])
			start = cut
		}
		bound = max(bound, reach[i])
	}
	return append(out, drafts[start:])
}

// lastLinked returns for each draft the last one that it names or is named by.
func lastLinked(drafts []*draft.Draft) []int {
	at := map[string]int{}
	for i, d := range drafts {
		if n := d.Nickname(); n != "" {
			at[n] = i
		}
	}
	last := make([]int, len(drafts))
	for i, d := range drafts {
		last[i] = max(last[i], i)
		for _, name := range d.References() {
			if j, ok := at[name]; ok {
				first := min(i, j)
				last[first] = max(last[first], i, j)
			}
		}
	}
	return last
}
