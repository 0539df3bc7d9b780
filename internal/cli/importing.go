package cli

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/draft"
	"github.com/cityproof/cityproof/internal/importer"
	"github.com/cityproof/cityproof/internal/shorthand"
)

func (a *App) importRegister() *cobra.Command {
	var im importing
	cmd := &cobra.Command{
		Use:   "import [FORMAT FILE]",
		Short: "Turn another register's file into drafts; what it leaves blank stays blank",
		Long: `Reads a file of another register and writes drafts in the long form, which publish
takes. Nothing is guessed: what the file does not say, or says in words of no known
list, stays unsaid and is listed. Without arguments the formats are listed.`,
		Example: "  cityproof import nl-algorithm-register register.json --only \"Gemeente Kanaalstad\"\n" +
			"  cityproof import camera-csv list.csv --as plaza-cameras",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 || len(args) == 2 {
				return nil
			}
			return usage(errors.New("want a format and a file"), "cityproof import lists the formats")
		},
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveDefault
			}
			var names []string
			for _, f := range importer.Formats() {
				names = append(names, f.Name)
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
	}
	cmd.Flags().StringVar(&im.out, "out", "", "`file` (.jsonl or .yaml) or folder to write to (default: FILE.drafts.jsonl here, or the folder FILE.drafts where there are attachments)")
	cmd.Flags().StringVar(&im.only, "only", "", "only rows of this `organisation`, named exactly")
	cmd.Flags().StringVar(&im.as, "as", "", "`nickname` of the one deployment that a camera list becomes")
	cmd.Flags().StringVar(&im.retrieved, "retrieved", "", "`date` on which the register said so (default: the file's, or the day of signing)")
	cmd.Flags().BoolVar(&im.byCity, "by-city", false, "write a folder for each organisation")
	cmd.Flags().BoolVar(&im.byOthers, "by-others", false, "the words are not the city's: somebody else made the register")
	cmd.Flags().BoolVar(&im.force, "force", false, "replace drafts that are there already")
	cmd.Flags().StringVar(&im.workspace, "workspace", "", "workspace `file` (default: cityproof.yaml here or above)")
	cmd.Flags().BoolVar(&im.asJSON, "json", false, "print JSON")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return a.listFormats(im.asJSON)
		}
		return a.runImport(cmd.Context(), &im, args[0], args[1])
	}
	return cmd
}

func (a *App) listFormats(asJSON bool) error {
	type formatJSON struct {
		Name  string `json:"name"`
		Title string `json:"title"`
		Files string `json:"files"`
	}
	list := []formatJSON{}
	var rows [][]string
	for _, f := range importer.Formats() {
		list = append(list, formatJSON{f.Name, f.Title, f.Files})
		rows = append(rows, []string{f.Name, f.Title + " (" + f.Files + ")"})
	}
	if asJSON {
		return printJSON(a.Out, list)
	}
	columns(a.Out, rows)
	return nil
}

// importing is one run of import.
type importing struct {
	out, only, as, retrieved, workspace string
	byCity, byOthers, force, asJSON     bool

	format, file string
	data         []byte
	opts         importer.Options
}

func (a *App) runImport(ctx context.Context, im *importing, format, file string) error {
	im.format, im.file = format, file
	if !slices.ContainsFunc(importer.Formats(), func(f importer.Format) bool { return f.Name == format }) {
		return usage(fmt.Errorf("unknown format %q", format), "cityproof import lists the formats")
	}
	ws, err := findWorkspace(im.workspace, ".")
	if err != nil {
		return err
	}
	if err := im.options(ws); err != nil {
		return err
	}
	if im.data, err = readLimited(file, importer.MaxInput); err != nil {
		return err
	}
	var done *imported
	if im.byCity {
		done, err = a.importByCity(ctx, im)
	} else {
		done, err = a.importAll(im)
	}
	if err != nil {
		return err
	}
	done.finish()
	if im.asJSON {
		return printJSON(a.Out, done)
	}
	a.printImported(im, done)
	return nil
}

func (im *importing) options(ws shorthand.Workspace) error {
	im.opts = importer.Options{
		City: ws.City, Language: ws.Language, Country: ws.Country, Accountable: ws.Accountable, Contact: ws.Contact,
		As: im.as, Only: im.only, Provenance: declaration.ImportedByCity,
	}
	if im.byOthers {
		im.opts.Provenance = declaration.ImportedByOthers
	}
	if im.retrieved != "" {
		day, err := declaration.ParseDate(im.retrieved)
		if err != nil {
			return usage(err, "write --retrieved 2026-11-23")
		}
		im.opts.Retrieved = day
	}
	if im.byCity && im.only != "" {
		return usage(errors.New("--by-city and --only exclude one another"), "leave one of them out")
	}
	return nil
}

// read imports with the options as they stand.
func (im *importing) read(only string) ([]*draft.Draft, *importer.Report, error) {
	opts := im.opts
	opts.Only = only
	drafts, rep, err := importer.Import(im.format, bytes.NewReader(im.data), opts)
	if err != nil {
		return nil, nil, usage(err, "cityproof import lists the formats and what their files look like")
	}
	return drafts, rep, nil
}

// importAll writes one file.
func (a *App) importAll(im *importing) (*imported, error) {
	drafts, rep, err := im.read(im.only)
	if err != nil {
		return nil, err
	}
	done := newImported()
	done.Rows = rep.Rows
	done.add(drafts, rep, im.opts.City, a.Now())
	done.Skipped, done.Unread = rep.Skipped, rep.Unread
	if len(drafts) == 0 {
		return done, im.nothing(done)
	}
	path := im.out
	switch ext := filepath.Ext(path); {
	case path == "" && len(rep.Files) > 0:
		path = filepath.Join(baseName(im.file)+".drafts", "drafts.jsonl") // attachments lie beside it
	case path == "":
		path = baseName(im.file) + ".drafts.jsonl"
	case ext != ".jsonl" && ext != ".yaml" && ext != ".yml":
		path = filepath.Join(path, baseName(im.file)+".drafts.jsonl")
	}
	done.Files = []string{path}
	return done, im.write(path, drafts, rep.Files)
}

// nothing says why there are no drafts.
func (im *importing) nothing(done *imported) error {
	if im.only != "" {
		names := []string{}
		if list, err := importer.Organisations(im.format, bytes.NewReader(im.data)); err == nil {
			for _, o := range list {
				names = append(names, o.Name)
			}
		}
		hint := "names count to the letter"
		if near := draft.Nearest(im.only, names); len(near) > 0 {
			hint = "names count to the letter; did you mean " + line(strings.Join(near, ", ")) + "?"
		}
		return usage(fmt.Errorf("no row is of %q", im.only), hint)
	}
	return usage(fmt.Errorf("none of %d rows gave a draft", done.Rows), "cityproof import lists the formats and what their files look like")
}

// importByCity writes a folder for each organisation.
func (a *App) importByCity(ctx context.Context, im *importing) (*imported, error) {
	list, err := importer.Organisations(im.format, bytes.NewReader(im.data))
	if err != nil {
		return nil, usage(err, "leave --by-city out")
	}
	dir := im.out
	if dir == "" {
		dir = baseName(im.file) + ".drafts"
	}
	report, end := a.progress("importing")
	defer end()
	done := newImported()
	folders := map[string]bool{}
	for i, org := range list {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		done.Rows += org.Rows
		if org.Name == "" {
			done.Nameless, done.Skipped = org.Rows, done.Skipped+org.Rows
			continue
		}
		drafts, rep, err := im.read(org.Name)
		if err != nil {
			return nil, err
		}
		done.add(drafts, rep, im.opts.City, a.Now())
		done.Skipped += rep.Skipped - (rep.Rows - org.Rows)
		done.Unread = rep.Unread // of the whole file, every time
		if len(drafts) > 0 {
			path := filepath.Join(dir, folderName(org.Name, folders), "drafts.jsonl")
			if err := im.write(path, drafts, rep.Files); err != nil {
				return nil, err
			}
			done.Files = append(done.Files, path)
		}
		report(uint64(i+1), uint64(len(list)))
	}
	if done.Drafts == 0 {
		return done, im.nothing(done)
	}
	return done, nil
}

// write writes drafts, and beside them the attachments that they name.
func (im *importing) write(path string, drafts []*draft.Draft, files []importer.File) error {
	if _, err := os.Lstat(path); err == nil && !im.force {
		return usage(fmt.Errorf("%s is there already", path), "somebody may have worked on it: give another --out, or --force to replace it")
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if len(drafts) > draft.MaxDocuments {
		return usage(fmt.Errorf("%d drafts are too many for one file, which holds %d", len(drafts), draft.MaxDocuments), "give --by-city or --only")
	}
	b, err := im.formatted(path, drafts)
	if err != nil {
		return err
	}
	if len(b) > draft.MaxSource {
		return usage(fmt.Errorf("the drafts are too large for one file, which holds %d MiB", draft.MaxSource>>20), "give --by-city or --only")
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // drafts hold what is going to be public
		return err
	}
	for _, f := range files {
		if !filepath.IsLocal(f.Name) {
			return fmt.Errorf("writing attachment: %q leads out of the folder", f.Name)
		}
		if err := writeFile(filepath.Join(dir, f.Name), f.Content); err != nil {
			return fmt.Errorf("writing attachment: %w", err)
		}
	}
	return writeFile(path, b)
}

func (im *importing) formatted(path string, drafts []*draft.Draft) ([]byte, error) {
	if filepath.Ext(path) == ".jsonl" {
		return draft.FormatLines(drafts)
	}
	return draft.Format(drafts), nil
}

// baseName is a file's name without folder and ending.
func baseName(file string) string {
	name := filepath.Base(file)
	return cmp.Or(strings.TrimSuffix(name, filepath.Ext(name)), name)
}
