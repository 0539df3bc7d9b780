package lint

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// module is the module's path; what it imports below this is ours.
const module = "github.com/cityproof/cityproof/"

// goFile is one parsed source file of internal/ or cmd/.
type goFile struct {
	name  string // slash-separated, from the repository's root
	dir   string
	test  bool // a _test.go file
	lines int
	tree  *ast.File
	fset  *token.FileSet
}

// imports returns the paths that the file imports.
func (f *goFile) imports() []string {
	var paths []string
	for _, spec := range f.tree.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			panic(err) // the parser has read it as a string literal
		}
		paths = append(paths, p)
	}
	return paths
}

// at formats the place of a node as file:line.
func (f *goFile) at(n ast.Node) string {
	return fmt.Sprintf("%s:%d", f.name, f.fset.Position(n.Pos()).Line)
}

// load parses every Go file below internal/ and cmd/ that the go command would build as part of the module:
// no testdata, no folder with a leading dot or underscore, no module of its own.
func load(root fs.FS) ([]*goFile, error) {
	var files []*goFile
	for _, top := range []string{"internal", "cmd"} {
		if _, err := fs.Stat(root, top); err != nil {
			continue // cmd/ is younger than internal/; an empty tree is caught by the caller
		}
		err := fs.WalkDir(root, top, func(name string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir() && !ofModule(root, name):
				return fs.SkipDir
			case d.IsDir() || path.Ext(name) != ".go":
				return nil
			}
			f, err := parse(root, name)
			if err != nil {
				return err
			}
			files = append(files, f)
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("reading sources: %w", err)
		}
	}
	return files, nil
}

func ofModule(root fs.FS, dir string) bool {
	base := path.Base(dir)
	if base == "testdata" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") {
		return false
	}
	_, err := fs.Stat(root, path.Join(dir, "go.mod"))
	return err != nil
}

func parse(root fs.FS, name string) (*goFile, error) {
	src, err := fs.ReadFile(root, name)
	if err != nil {
		return nil, err
	}
	fset := token.NewFileSet()
	tree, err := parser.ParseFile(fset, name, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	return &goFile{
		name:  name,
		dir:   path.Dir(name),
		test:  strings.HasSuffix(name, "_test.go"),
		lines: strings.Count(string(src), "\n"),
		tree:  tree,
		fset:  fset,
	}, nil
}
