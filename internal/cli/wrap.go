package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/rivo/uniseg"
)

// maxColumns is the widest text that is still easy to read.
const maxColumns = 100

// columnsOf is how wide lines may get.
func (a *App) columnsOf() int {
	if a.Columns <= 0 {
		return 80
	}
	return min(max(a.Columns, 40), maxColumns)
}

// wrap breaks text into lines of at most width columns, where the text's own script
// allows a break: Japanese has no spaces to break at. A longer word keeps a line for
// itself. The text must be fit to print; its line feeds stay.
func wrap(text string, width int) []string {
	var lines []string
	for _, paragraph := range strings.Split(text, "\n") {
		var b strings.Builder
		used, state := 0, -1
		for rest := paragraph; rest != ""; {
			var segment string
			segment, rest, _, state = uniseg.FirstLineSegmentInString(rest, state)
			visible := uniseg.StringWidth(strings.TrimRight(segment, " "))
			if used > 0 && used+visible > width {
				lines = append(lines, strings.TrimRight(b.String(), " "))
				b.Reset()
				used = 0
			}
			b.WriteString(segment)
			used += uniseg.StringWidth(segment)
		}
		lines = append(lines, strings.TrimRight(b.String(), " "))
	}
	return lines
}

// hang puts head in front of text and wraps it, with the later lines as far in as
// the first.
func hang(head, text string, columns int) string {
	in := uniseg.StringWidth(head)
	lines := wrap(text, max(columns-in, 20))
	return head + strings.Join(lines, "\n"+strings.Repeat(" ", in))
}

// padded is s followed by spaces up to width columns.
func padded(s string, width int) string {
	return s + strings.Repeat(" ", max(0, width-uniseg.StringWidth(s)))
}

// table prints rows with aligned columns, the last one wrapped.
func table(w io.Writer, rows [][]string, columns int) {
	var width []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(width) {
				width = append(width, 0)
			}
			width[i] = max(width[i], uniseg.StringWidth(cell))
		}
	}
	for _, row := range rows {
		head := ""
		for i, cell := range row[:len(row)-1] {
			head += padded(cell, width[i]+2)
		}
		fmt.Fprintln(w, strings.TrimRight(hang(head, row[len(row)-1], columns), " "))
	}
}
