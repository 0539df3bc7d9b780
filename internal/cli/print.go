package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/schollz/progressbar/v3"

	"github.com/cityproof/cityproof/internal/draft"
)

// printable escapes what could drive a terminal or turn a line around: control
// characters but line feeds and tabs, and marks that change the direction of text
// (threat T-43).
func printable(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r == '\n' || r == '\t' || (unicode.IsPrint(r) || r == '\u200c' || r == '\u200d') && !draft.IsBidiControl(r) {
			b.WriteRune(r)
			continue
		}
		q := strconv.QuoteRune(r)
		b.WriteString(q[1 : len(q)-1])
	}
	return b.String()
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

func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
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
