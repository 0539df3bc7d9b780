package cli

import (
	"bufio"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/reflect/protoreflect"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/canonical"
	"github.com/cityproof/cityproof/internal/client"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/draft"
)

func (a *App) export() *cobra.Command {
	var e exporter
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write a city's current declarations as CSV or JSON Lines",
		Long: `Fetches the newest revision of every record, verifies each, and writes them: csv with
one row for each and its main columns, jsonl with statement and body exactly as they
were signed. Cells that a spreadsheet would take for a formula begin with an
apostrophe.`,
		Example: "  cityproof export --out kanaalstad.csv\n  cityproof export --format jsonl --kind dep",
		Args:    cobra.NoArgs,
	}
	e.connection.flags(cmd)
	cmd.Flags().StringVar(&e.format, "format", "", "csv or jsonl (default: by the ending of --out, or csv)")
	cmd.Flags().StringVar(&e.out, "out", "", "`file` to write (default: standard output)")
	cmd.Flags().StringVar(&e.kind, "kind", "", "only this kind: mem, dep, use, asm, com, svc, not, fin")
	cmd.Flags().StringVar(&e.lang, "lang", "", "`language` of names and summaries in CSV where they have it (default: the record's own)")
	cmd.Flags().BoolVar(&e.withdrawn, "withdrawn", false, "also withdrawn records")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return a.runExport(cmd.Context(), &e) }
	return cmd
}

type exporter struct {
	connection
	format, out, kind, lang string
	withdrawn               bool
}

func (a *App) runExport(ctx context.Context, e *exporter) (err error) {
	if e.format == "" {
		e.format = "csv"
		if filepath.Ext(e.out) == ".jsonl" {
			e.format = "jsonl"
		}
	}
	if e.format != "csv" && e.format != "jsonl" {
		return usage(fmt.Errorf("unknown format %q", e.format), "write --format csv or --format jsonl")
	}
	q := asking{connection: e.connection, kind: e.kind}
	c, kind, err := a.open(ctx, &q)
	if err != nil {
		return err
	}
	defer c.Close()
	if e.out == "" {
		_, err := a.exportTo(ctx, e, c, kind, a.Out)
		return err
	}
	var n int
	err = replaceFile(e.out, func(w io.Writer) error {
		buffered := bufio.NewWriter(w)
		if n, err = a.exportTo(ctx, e, c, kind, buffered); err != nil {
			return err
		}
		return buffered.Flush()
	})
	if err == nil {
		a.say("%d %s in %s", n, plural(n, "record", "records"), e.out)
	}
	return err
}

// exportTo writes all records and returns how many they are.
func (a *App) exportTo(ctx context.Context, e *exporter, c *client.Client, kind declaration.Kind, w io.Writer) (n int, err error) {
	if !c.Known().Trusted {
		a.note("warning: checked against %s", unchecked)
	}
	report, end := a.progress("exporting")
	defer end()
	total, err := about(ctx, c, kind)
	if err != nil {
		return 0, err
	}
	write, flush := a.writeLine(w, e.out == ""), func() error { return nil }
	if e.format == "csv" {
		write, flush = writeRows(w, e.lang)
	}
	err = c.List(ctx, kind, e.withdrawn, func(rec *client.Record) error {
		n++
		report(uint64(n), max(total, uint64(n))) //nolint:gosec // not negative
		return write(rec)
	})
	return n, errors.Join(err, flush())
}

// about is how many subjects there may be, for a progress bar: the node says which
// number is free next.
func about(ctx context.Context, c *client.Client, kind declaration.Kind) (uint64, error) {
	kinds := declaration.Kinds()
	if kind != "" {
		kinds = []declaration.Kind{kind}
	}
	var total uint64
	for _, k := range kinds {
		next, err := c.NextNumber(ctx, k)
		if err != nil {
			return 0, err
		}
		total += uint64(max(next, 1) - 1)
	}
	return total, nil
}

// writeLine writes a record as a line of JSON, statement and body byte for byte.
func (a *App) writeLine(w io.Writer, shown bool) func(*client.Record) error {
	return func(rec *client.Record) error {
		b := strconv.AppendUint([]byte(`{"index":`), rec.Index, 10)
		b = canonical.AppendString(append(b, `,"leaf":`...), rec.Hash.String())
		b = append(append(b, `,"statement":`...), rec.Envelope...)
		if rec.Raw != nil {
			b = append(append(b, `,"body":`...), rec.Raw...)
		}
		if rec.ErasedBy != nil {
			b = strconv.AppendUint(append(b, `,"erased_by":`...), rec.ErasedBy.Index, 10)
		}
		b = append(b, "}\n"...)
		if shown {
			return a.exact(b)
		}
		_, err := w.Write(b)
		return err
	}
}

// exportColumns are the columns of a CSV export. New ones go to the end: people
// count on the places of the others.
var exportColumns = []string{"subject", "nickname", "kind", "revision", "operation", "city", "effective_on", "declared_at", "provenance",
	"language", "name", "summary", "type", "status", "public_page", "source_id", "index", "body_sha256", "erased_by"}

// writeRows writes records as rows of CSV under a header. Nothing is written before
// the first record or flush.
func writeRows(w io.Writer, lang string) (write func(*client.Record) error, flush func() error) {
	out := csv.NewWriter(w)
	headed := false
	head := func() error {
		if headed {
			return nil
		}
		headed = true
		return out.Write(exportColumns)
	}
	write = func(rec *client.Record) error {
		if err := head(); err != nil {
			return err
		}
		row := exportRow(rec, lang)
		for i := range row {
			row[i] = inert(printable(row[i]))
		}
		return out.Write(row)
	}
	return write, func() error {
		err := head()
		out.Flush()
		return errors.Join(err, out.Error())
	}
}

func exportRow(rec *client.Record, lang string) []string {
	s, body := rec.Statement, rec.Body
	p := &bodyPrinter{base: body.GetLanguage(), lang: lang}
	erasedBy := ""
	if rec.ErasedBy != nil {
		erasedBy = strconv.FormatUint(rec.ErasedBy.Index, 10)
	}
	return []string{
		s.Subject.String(), body.GetNickname(), string(s.Subject.Kind), strconv.FormatUint(uint64(s.Revision), 10), string(s.Operation),
		s.City, s.EffectiveOn.String(), s.DeclaredAt.Format(time.RFC3339), string(s.Provenance), body.GetLanguage(),
		p.recordField(body, "name", "names", "title", "text", "public_summary", "note"), p.recordField(body, "summary"),
		p.recordField(body, "type", "kind", "life_event"), p.recordField(body, "status", "state", "verdict"),
		p.recordField(body, "public_page", "website", "url"), body.GetSourceId(),
		strconv.FormatUint(rec.Index, 10), fmt.Sprintf("%x", s.BodySHA256), erasedBy,
	}
}

// recordField is the first of the named fields that the record has, as text for a
// cell; empty if it has none.
func (p *bodyPrinter) recordField(body *declarationv1.Body, names ...protoreflect.Name) string {
	m := body.ProtoReflect()
	record := m.WhichOneof(m.Descriptor().Oneofs().ByName("record"))
	if record == nil {
		return ""
	}
	m = m.Get(record).Message()
	for _, name := range names {
		fd := m.Descriptor().Fields().ByName(name)
		if fd == nil || fd.IsList() || !m.Has(fd) {
			continue
		}
		if fd.Kind() == protoreflect.EnumKind {
			return draft.ShortEnum(fd.Enum(), m.Get(fd).Enum())
		}
		text, _ := p.inline(fd, m.Get(fd))
		return text
	}
	return ""
}

// inert keeps a spreadsheet from taking a cell for a formula (threat T-38).
func inert(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
		return "'" + cell
	}
	return cell
}

// replaceFile writes a file whole or not at all.
func replaceFile(path string, write func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	err = write(f)
	if err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return os.Rename(f.Name(), path)
}
