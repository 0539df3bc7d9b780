package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/cityproof/cityproof/internal/buildinfo"
)

func (a *App) man() *cobra.Command {
	return &cobra.Command{
		Use:   "man DIR",
		Short: "Write the man pages into a folder",
		Args:  cobra.ExactArgs(1),
		// For those who package the program; completions: cityproof completion.
		Hidden: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil { //nolint:gosec // man pages are for everybody
				return err
			}
			return writeManPages(args[0], cmd.Root())
		},
	}
}

// writeManPages writes the page of a command, and those of the commands below it.
func writeManPages(dir string, c *cobra.Command) error {
	if c.Hidden || c.Name() == "help" {
		return nil
	}
	if err := writeFile(filepath.Join(dir, manName(c)+".1"), []byte(manPage(c))); err != nil {
		return err
	}
	for _, below := range c.Commands() {
		if err := writeManPages(dir, below); err != nil {
			return err
		}
	}
	return nil
}

func manName(c *cobra.Command) string { return strings.ReplaceAll(c.CommandPath(), " ", "-") }

// manPage writes a command's help in the language of man(7).
func manPage(c *cobra.Command) string {
	var b strings.Builder
	section := func(name string) { fmt.Fprintf(&b, ".SH %s\n", name) }
	verbatim := func(text string) { fmt.Fprintf(&b, ".nf\n%s\n.fi\n", roff(text)) }
	fmt.Fprintf(&b, ".TH \"%s\" 1 \"\" \"cityproof %s\"\n", roff(strings.ToUpper(manName(c))), roff(buildinfo.Version()))
	section("NAME")
	fmt.Fprintf(&b, "%s \\- %s\n", roff(manName(c)), roff(c.Short))
	section("SYNOPSIS")
	fmt.Fprintf(&b, ".B %s\n", roff(c.UseLine()))
	if c.Long != "" {
		section("DESCRIPTION")
		verbatim(c.Long) // its lines are broken by hand, lists included
	}
	if c.Flags().HasAvailableFlags() {
		section("OPTIONS")
		c.Flags().VisitAll(func(f *pflag.Flag) {
			value, text := pflag.UnquoteUsage(f)
			name := "--" + f.Name
			if f.Shorthand != "" {
				name = "-" + f.Shorthand + ", " + name
			}
			fmt.Fprintf(&b, ".TP\n.B %s\n%s\n", roff(strings.TrimSpace(name+" "+value)), roff(text))
		})
	}
	if c.Example != "" {
		section("EXAMPLES")
		verbatim(c.Example)
	}
	section("EXIT STATUS")
	b.WriteString("0 true or done, 1 verification failed or refused, 2 usage, 3 could not tell.\n")
	if c.HasParent() {
		section("SEE ALSO")
		fmt.Fprintf(&b, ".BR %s (1)\n", roff(manName(c.Parent())))
	}
	if c.HasAvailableSubCommands() {
		section("COMMANDS")
		for _, sub := range c.Commands() {
			if !sub.Hidden {
				fmt.Fprintf(&b, ".TP\n.BR %s (1)\n%s\n", roff(manName(sub)), roff(sub.Short))
			}
		}
	}
	return b.String()
}

// roff escapes what man(7) would take for itself.
func roff(s string) string {
	s = strings.ReplaceAll(s, `\`, `\e`)
	s = strings.ReplaceAll(s, "-", `\-`)
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, ".") || strings.HasPrefix(l, "'") {
			lines[i] = `\&` + l
		}
	}
	return strings.Join(lines, "\n")
}
