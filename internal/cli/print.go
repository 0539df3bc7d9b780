package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/schollz/progressbar/v3"

	"github.com/cityproof/cityproof/internal/draft"
)

// printable escapes what could drive a terminal or turn a line around: control
// characters but line feeds and tabs, and marks that change the direction of text
// (threat T-43).
func printable(s string) string {
	var b strings.Builder
	for _, r := range s {
		if !hidden(r) {
			b.WriteRune(r)
			continue
		}
		q := strconv.QuoteRune(r)
		b.WriteString(q[1 : len(q)-1])
	}
	return b.String()
}

// hidden reports whether a character is not seen, and may do something instead.
func hidden(r rune) bool {
	if r == '\n' || r == '\t' || r == '\u200c' || r == '\u200d' {
		return false // layout, and the joiners that Persian and Indic scripts need
	}
	return !unicode.IsPrint(r) || draft.IsBidiControl(r)
}

// line is printable on one line.
func line(s string) string {
	return strings.Join(strings.Fields(printable(s)), " ")
}

// indent puts two spaces in front of each line.
func indent(s string) string { return "  " + strings.ReplaceAll(s, "\n", "\n  ") }

// say prints one formatted line. Arguments that come from outside go through line
// or printable first.
func (a *App) say(format string, args ...any) { fmt.Fprintf(a.Out, format+"\n", args...) }

// note prints one formatted line beside the output proper.
func (a *App) note(format string, args ...any) { fmt.Fprintf(a.Err, format+"\n", args...) }

// printJSON prints a value as JSON. What could drive a terminal is escaped, which to
// a reader of JSON is the same.
func printJSON(w io.Writer, v any) error { return encodeJSON(w, v, "  ") }

// printJSONLine is printJSON on one line.
func printJSONLine(w io.Writer, v any) error { return encodeJSON(w, v, "") }

func encodeJSON(w io.Writer, v any, indent string) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", indent)
	if err := enc.Encode(v); err != nil {
		return err
	}
	out := b.Bytes()
	if bytes.IndexFunc(out, hidden) >= 0 {
		out = nil
		for _, r := range b.String() {
			switch {
			case !hidden(r):
				out = utf8.AppendRune(out, r)
			case r > 0xffff:
				hi, lo := utf16.EncodeRune(r)
				out = fmt.Appendf(out, `\u%04x\u%04x`, hi, lo)
			default:
				out = fmt.Appendf(out, `\u%04x`, r)
			}
		}
	}
	_, err := w.Write(out)
	return err
}

// exact writes bytes as they are, but not what could drive a terminal to one.
func (a *App) exact(b []byte) error {
	if a.Columns > 0 && bytes.IndexFunc(b, hidden) >= 0 {
		return refused(errors.New("what was asked for holds characters that could drive your terminal"), "send the output into a file")
	}
	_, err := a.Out.Write(b)
	return err
}

// columns prints rows with their columns aligned, two spaces apart.
func columns(w io.Writer, rows [][]string) {
	var width []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(width) {
				width = append(width, 0)
			}
			width[i] = max(width[i], len([]rune(cell)))
		}
	}
	for _, row := range rows {
		var b strings.Builder
		for i, cell := range row {
			b.WriteString(cell)
			if i < len(row)-1 {
				b.WriteString(strings.Repeat(" ", width[i]-len([]rune(cell))+2))
			}
		}
		fmt.Fprintln(w, strings.TrimRight(b.String(), " "))
	}
}

// progress returns what reports how far long work is: a bar on a terminal once it
// has taken a second, nothing otherwise.
func (a *App) progress(what string) (report func(done, total uint64), end func()) {
	if !a.Terminal {
		return func(uint64, uint64) {}, func() {}
	}
	var bar *progressbar.ProgressBar
	start := a.Now()
	return func(done, total uint64) {
			if bar == nil {
				if a.Now().Sub(start) < time.Second {
					return
				}
				bar = progressbar.NewOptions64(int64(total), //nolint:gosec // far below 2^63
					progressbar.OptionSetWriter(a.Err), progressbar.OptionSetDescription(what),
					progressbar.OptionShowCount(), progressbar.OptionSetWidth(30), progressbar.OptionClearOnFinish(),
					progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionSetPredictTime(true))
			}
			_ = bar.Set64(int64(done)) //nolint:gosec // as above
		}, func() {
			if bar != nil {
				_ = bar.Finish()
			}
		}
}
