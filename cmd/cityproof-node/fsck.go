package main

import (
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/cityproof/cityproof/internal/node"
)

func fsckCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "fsck --config FILE",
		Short: "Read the whole log and check everything stored against it (the node must be stopped)",
		Args:  cobra.NoArgs,
	}
	file, city := configFlag(cmd), cityFlag(cmd)
	asJSON := cmd.Flags().Bool("json", false, "print JSON")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		m, err := memberOf(*file, *city)
		if err != nil {
			return err
		}
		var damages []string
		result, err := node.Fsck(cmd.Context(), m, func(d string) {
			damages = append(damages, d)
			if !*asJSON {
				fmt.Fprintln(cmd.OutOrStdout(), "damaged:", d)
			}
		}, bar("checking"), slog.New(slog.DiscardHandler))
		if err != nil {
			return err
		}
		if *asJSON {
			if err := printJSON(cmd.OutOrStdout(), map[string]any{
				"size": result.Size, "root": result.Root.String(), "tiles": result.Tiles, "bodies": result.Bodies, "damages": damages,
			}); err != nil {
				return err
			}
		}
		if result.Damages > 0 {
			return fmt.Errorf("%d damages in a log of %d entries: restore a backup, or get the bytes from a mirror; keep this copy", result.Damages, result.Size)
		}
		if !*asJSON {
			fmt.Fprintf(cmd.OutOrStdout(), "good: %d entries, root %s, %d full tiles, %d bodies and attachments\n", result.Size, result.Root, result.Tiles, result.Bodies)
		}
		return nil
	}
	return cmd
}

// bar is a progress bar on a terminal, for work that takes over a second.
func bar(what string) func(done, total uint64) {
	if !term.IsTerminal(int(os.Stderr.Fd())) {
		return nil
	}
	start := time.Now()
	var b *progressbar.ProgressBar
	return func(done, total uint64) {
		if b == nil {
			if time.Since(start) < time.Second {
				return
			}
			b = progressbar.NewOptions64(int64(total), progressbar.OptionSetWriter(os.Stderr), //nolint:gosec // far below 2^63
				progressbar.OptionSetDescription(what), progressbar.OptionShowCount(), progressbar.OptionClearOnFinish())
		}
		_ = b.Set64(int64(done)) //nolint:gosec // as above
	}
}
