package vocabulary

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
)

//go:embed codes
var codes embed.FS

// builtin is the vocabulary of this build. Making it reads nothing: each table is parsed when first used.
var builtin = newCatalog(codes)

// version is computed when first asked for: most programs never ask.
var version = sync.OnceValue(func() string { return hashFiles(codes) })

// Version names the embedded data: "sha256:" and the lower-case hex SHA-256 over each data file's path, size
// and bytes in the order of their paths. Two builds with equal versions accept the same codes (I9).
func Version() string { return version() }

// Lookup returns the term with exactly this code, and whether there is one (V-04). It never guesses: case
// and separators count. Every valid scheme has the code "other".
func Lookup(scheme Scheme, code string) (Term, bool) { return builtin.lookup(scheme, code) }

// Terms returns every term of a scheme in the order of its data file, "other" last; nil for an unknown
// scheme. GSCA_POLICY and GSCA_PRINCIPLE keep their source's order: principle n is Terms(GSCAPrinciple)[n-1].
// The slice is the caller's.
func Terms(scheme Scheme) []Term { return slices.Clone(builtin.table(scheme).terms) }

// catalog is a set of data files. Tests make their own; everything else uses builtin.
type catalog struct {
	tables map[Scheme]func() *table
}

// table is one parsed scheme.
type table struct {
	terms  []Term
	byCode map[string]Term
	byFold map[string][]Term // folded code or alias
}

func newCatalog(fsys fs.FS) *catalog {
	c := &catalog{tables: make(map[Scheme]func() *table, len(allSchemes))}
	for _, s := range allSchemes {
		c.tables[s] = sync.OnceValue(func() *table {
			t, err := loadTable(fsys, s)
			if err != nil {
				// The files are part of the program, and a test parses every one of them.
				panic("vocabulary: embedded data: " + err.Error())
			}
			return t
		})
	}
	return c
}

func (c *catalog) table(s Scheme) *table {
	load, ok := c.tables[s]
	if !ok {
		return &table{}
	}
	return load()
}

func (c *catalog) lookup(s Scheme, code string) (Term, bool) {
	t, ok := c.table(s).byCode[code]
	return t, ok
}

func loadTable(fsys fs.FS, s Scheme) (*table, error) {
	name := path.Join("codes", s.fileName())
	data, err := fs.ReadFile(fsys, name)
	if err != nil {
		return nil, fmt.Errorf("reading codes of %s: %w", s, err)
	}
	terms, err := parseTerms(s, string(data))
	if err != nil {
		return nil, fmt.Errorf("parsing %s: %w", name, err)
	}
	terms = append(terms, Term{Scheme: s, Code: Other, Flags: FlagOther,
		row: &row{label: "Other", gloss: "Something that this list lacks; say in your own words what."}})

	translations := sync.OnceValue(func() map[string]map[string]text {
		m, err := loadTranslations(fsys, s)
		if err != nil {
			panic("vocabulary: embedded data: " + err.Error())
		}
		return m
	})
	t := &table{terms: terms, byCode: make(map[string]Term, len(terms)), byFold: make(map[string][]Term, 2*len(terms))}
	for _, term := range terms {
		term.row.translations = translations
		if _, ok := t.byCode[term.Code]; ok {
			return nil, fmt.Errorf("parsing %s: code %q occurs twice", name, term.Code)
		}
		t.byCode[term.Code] = term
		for _, w := range append([]string{term.Code}, term.row.aliases...) {
			f := fold(w)
			if !slices.Contains(t.byFold[f], term) {
				t.byFold[f] = append(t.byFold[f], term)
			}
		}
	}
	for _, term := range terms {
		for _, p := range term.row.parents {
			if _, ok := t.byCode[p]; !ok {
				return nil, fmt.Errorf("parsing %s: code %q has the unknown parent %q", name, term.Code, p)
			}
		}
	}
	return t, nil
}

const termHeader = "code\tparents\tflags\taliases\tlabel\tgloss"

func parseTerms(s Scheme, data string) ([]Term, error) {
	var terms []Term
	err := parseRows(data, termHeader, func(f []string) error {
		t := Term{Scheme: s, Code: f[0], row: &row{parents: list(f[1]), aliases: list(f[3]), label: f[4], gloss: f[5]}}
		for _, name := range list(f[2]) {
			flag, ok := flagNames[name]
			if !ok {
				return fmt.Errorf("unknown flag %q", name)
			}
			t.Flags |= flag
		}
		if t.Code == "" || t.row.label == "" {
			return errors.New("code or label is empty")
		}
		terms = append(terms, t)
		return nil
	})
	return terms, err
}

// loadTranslations reads codes/<language>/<scheme>.tsv of every language that has one.
func loadTranslations(fsys fs.FS, s Scheme) (map[string]map[string]text, error) {
	names, err := fs.Glob(fsys, path.Join("codes", "*", s.fileName()))
	if err != nil {
		return nil, fmt.Errorf("listing translations of %s: %w", s, err)
	}
	byLang := make(map[string]map[string]text, len(names))
	for _, name := range names {
		lang := strings.ToLower(path.Base(path.Dir(name)))
		if byLang[lang], err = loadTranslation(fsys, name); err != nil {
			return nil, err
		}
	}
	return byLang, nil
}

func loadTranslation(fsys fs.FS, name string) (map[string]text, error) {
	data, err := fs.ReadFile(fsys, name)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	byCode := make(map[string]text)
	err = parseRows(string(data), "code\tlabel\tgloss", func(f []string) error {
		if f[0] == "" || f[1] == "" {
			return errors.New("code or label is empty")
		}
		if _, ok := byCode[f[0]]; ok {
			return fmt.Errorf("code %q occurs twice", f[0])
		}
		byCode[f[0]] = text{label: f[1], gloss: f[2]}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("parsing %s: %w", name, err)
	}
	return byCode, nil
}

// parseRows calls each with the fields of every row under the header, "-" turned into "". Lines that start
// with # before the header are the file's notice.
func parseRows(data, header string, each func(fields []string) error) error {
	if !strings.HasSuffix(data, "\n") {
		return errors.New("last line has no line feed")
	}
	n := strings.Count(header, "\t") + 1
	inNotice := true
	for i, line := range strings.Split(strings.TrimSuffix(data, "\n"), "\n") {
		if inNotice {
			if strings.HasPrefix(line, "#") {
				continue
			}
			if line != header {
				return fmt.Errorf("line %d is %q, want the header %q", i+1, line, header)
			}
			inNotice = false
			continue
		}
		f := strings.Split(line, "\t")
		if len(f) != n {
			return fmt.Errorf("line %d has %d fields, want %d", i+1, len(f), n)
		}
		for j := range f {
			if f[j] == "-" {
				f[j] = ""
			}
		}
		if err := each(f); err != nil {
			return fmt.Errorf("line %d: %w", i+1, err)
		}
	}
	if inNotice {
		return errors.New("no header")
	}
	return nil
}

func list(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}

func hashFiles(fsys fs.FS) string {
	h := sha256.New()
	err := fs.WalkDir(fsys, "codes", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(fsys, name)
		if err != nil {
			return err
		}
		h.Write(fmt.Appendf(nil, "%s %d\n", name, len(data)))
		h.Write(data)
		return nil
	})
	if err != nil {
		panic("vocabulary: embedded data: " + err.Error())
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}
