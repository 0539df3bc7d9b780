package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cityproof/cityproof/internal/shorthand"
)

func (a *App) newCase() *cobra.Command {
	var workspace string
	cmd := &cobra.Command{
		Use:   "new CASE [FILE]",
		Short: "Write a commented template to fill in",
		Long: `Writes a template in shorthand for one case. Questions are marked with ?; what the
workspace answers is filled in.

Cases: ` + strings.Join(shorthand.Cases(), ", "),
		Example:   "  cityproof new camera plaza-cameras.yaml",
		Args:      cobra.RangeArgs(1, 2),
		ValidArgs: shorthand.Cases(),
	}
	cmd.Flags().StringVar(&workspace, "workspace", "", "workspace `file` (default: cityproof.yaml here or above)")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		ws, err := findWorkspace(workspace, ".")
		if err != nil {
			return err
		}
		written, questions, filled, err := shorthand.Template(args[0], ws)
		if err != nil {
			return usage(err, "the cases are "+strings.Join(shorthand.Cases(), ", "))
		}
		if len(args) == 1 {
			_, err := fmt.Fprint(a.Out, written)
			return err
		}
		out := args[1]
		f, err := os.OpenFile(out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644) //nolint:gosec // it is meant to be published
		if errors.Is(err, fs.ErrExist) {
			return usage(fmt.Errorf("%s exists already", out), "choose another name; nothing was changed")
		}
		if err != nil {
			return err
		}
		_, err = f.WriteString(written)
		if err = errors.Join(err, f.Close()); err != nil {
			return err
		}
		a.say("Wrote %s: %d questions (marked ?), %d filled from %s.", out, questions, filled, shorthand.WorkspaceFile)
		a.say("Fill it in, then: cityproof validate %s", out)
		return nil
	}
	return cmd
}
