package lint

import (
	"fmt"
	"go/ast"
	"maps"
	"slices"
	"strings"
)

const (
	maxFileLines = 600
	maxFuncLines = 70
)

// codesFiles are the files that may name gRPC codes: where errors become codes, and where a client reads them.
var codesFiles = []string{
	"internal/grpcapi/errors.go",
	"internal/trillianapi/errors.go",
	"internal/gossipnet/errors.go",
	"internal/client/errors.go",
}

// A rule returns one line for each thing that is wrong.
type rule func(files []*goFile) []string

func rowOf(dir string) (row, bool) {
	i := slices.IndexFunc(floors, func(r row) bool { return r.path == dir })
	if i < 0 {
		return row{}, false
	}
	return floors[i], true
}

func checkFloors(files []*goFile) []string {
	var found []string
	for _, f := range files {
		own, listed := rowOf(f.dir)
		if !listed && !slices.Contains(testOnly, f.dir) {
			found = append(found, fmt.Sprintf("%s: package %s is on no floor; add it to the table in internal/lint/floors_test.go", f.name, f.dir))
			continue
		}
		for _, imp := range f.imports() {
			dir, ours := strings.CutPrefix(imp, module)
			if !ours || strings.HasPrefix(dir, "api/") {
				continue
			}
			if problem := checkImport(f, own, dir); problem != "" {
				found = append(found, fmt.Sprintf("%s imports %s: %s", f.name, dir, problem))
			}
		}
	}
	return found
}

// checkImport says what is wrong with file f importing our package dir, or "".
func checkImport(f *goFile, own row, dir string) string {
	if slices.Contains(testOnly, dir) {
		if f.test && dir != "internal/lint" {
			return ""
		}
		return "it is for tests only"
	}
	if f.test {
		return ""
	}
	imported, listed := rowOf(dir)
	switch {
	case !listed:
		return "it is on no floor"
	case imported.floor == roof:
		return "a command is nobody's library"
	case imported.floor > own.floor:
		return fmt.Sprintf("floor %d may not import floor %d", own.floor, imported.floor)
	}
	return ""
}

func checkFloor0(files []*goFile) []string {
	var found []string
	for _, f := range files {
		own, listed := rowOf(f.dir)
		if !listed || own.floor != 0 || f.test {
			continue
		}
		for _, imp := range f.imports() {
			if why := refusal(imp); why != "" && !slices.Contains(own.allow, imp) {
				found = append(found, fmt.Sprintf("%s imports %s: %s", f.name, imp, why))
			}
		}
		ast.Inspect(f.tree, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				if !slices.Contains(own.allow, "go") {
					found = append(found, f.at(n)+" starts a goroutine: floor 0 has none")
				}
			case *ast.SelectorExpr:
				if x, ok := n.X.(*ast.Ident); ok && x.Name == "time" && slices.Contains(clockCalls, n.Sel.Name) {
					found = append(found, fmt.Sprintf("%s uses time.%s: floor 0 has no clock; take now as an argument", f.at(n), n.Sel.Name))
				}
			}
			return true
		})
	}
	return found
}

// refusal says why floor 0 may not import a package, or "".
func refusal(imp string) string {
	if why, ok := refusedOnFloor0[imp]; ok {
		return why
	}
	for _, prefix := range slices.Sorted(maps.Keys(refusedOnFloor0)) {
		if strings.HasSuffix(prefix, "/") && strings.HasPrefix(imp, prefix) {
			return refusedOnFloor0[prefix]
		}
	}
	return ""
}

func checkDocs(files []*goFile) []string {
	documented := map[string]bool{}
	for _, f := range files {
		documented[f.dir] = documented[f.dir] || strings.HasSuffix(f.name, "/doc.go") && f.tree.Doc != nil
	}
	var found []string
	for _, dir := range slices.Sorted(maps.Keys(documented)) {
		if !documented[dir] {
			found = append(found, dir+" has no doc.go with a package comment")
		}
	}
	return found
}

func checkSizes(files []*goFile) []string {
	var found []string
	for _, f := range files {
		if ast.IsGenerated(f.tree) {
			continue
		}
		if f.lines > maxFileLines {
			found = append(found, fmt.Sprintf("%s has %d lines: split it by what it is about before %d", f.name, f.lines, maxFileLines))
		}
		for _, decl := range f.tree.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok || f.test || fn.Body == nil {
				continue
			}
			lines := f.fset.Position(fn.End()).Line - f.fset.Position(fn.Pos()).Line + 1
			if lines > maxFuncLines {
				found = append(found, fmt.Sprintf("%s: function %s has %d lines: split it before %d", f.at(fn), fn.Name.Name, lines, maxFuncLines))
			}
		}
	}
	return found
}

func checkInits(files []*goFile) []string {
	var found []string
	for _, f := range files {
		for _, decl := range f.tree.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				found = append(found, f.at(fn)+" has an init function: importing a package does nothing")
			}
		}
	}
	return found
}

func checkCodes(files []*goFile) []string {
	var found []string
	for _, f := range files {
		if f.test || slices.Contains(codesFiles, f.name) {
			continue
		}
		if slices.Contains(f.imports(), "google.golang.org/grpc/codes") {
			found = append(found, f.name+" names gRPC codes: they are chosen in "+strings.Join(codesFiles, ", "))
		}
	}
	return found
}
