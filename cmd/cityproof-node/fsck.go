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
		Short: "Check what is stored against the log's tree; with --deep every byte of it (the node must be stopped)",
		Long: `Check what is stored. The node must be stopped.

Plainly it compares the tiles with each other up to the root, the places of the entries, the sizes of the indexes and the
last signed checkpoint. That takes seconds and reads nothing that is inside.

With --deep it also reads everything, on all cores: every entry, body and attachment is hashed, each entry is looked up in
the indexes, and the live records are made again from the log and compared. A running node does the hashing by itself
(scrub: in the configuration).

Nothing is changed. The exit code is 0 if all is good, and 1 if anything is damaged or could not be checked.`,
		Args: cobra.NoArgs,
	}
	file, city := configFlag(cmd), cityFlag(cmd)
	deep := cmd.Flags().Bool("deep", false, "read and hash everything")
	asJSON := cmd.Flags().Bool("json", false, "print JSON")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		m, err := memberOf(*file, *city)
		if err != nil {
			return err
		}
		var damages []string
		result, err := node.Fsck(cmd.Context(), m, *deep, func(d string) {
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
				"deep": *deep, "bytes": result.Bytes,
				"size": result.Size, "root": result.Root.String(), "tiles": result.Tiles, "bodies": result.Bodies, "damages": damages,
			}); err != nil {
				return err
			}
		}
		if result.Damages > 0 {
			return fmt.Errorf("%d damages in a log of %d entries: restore a backup, or get the bytes from a mirror; keep this copy", result.Damages, result.Size)
		}
		switch {
		case *asJSON:
		case *deep:
			fmt.Fprintf(cmd.OutOrStdout(), "good: a log of size %d, root %s; full tiles %d, bodies and attachments %d\n", result.Size, result.Root, result.Tiles, result.Bodies)
		default:
			fmt.Fprintf(cmd.OutOrStdout(), "good: the tree of size %d, root %s; full tiles %d; --deep reads the entries and bodies too\n", result.Size, result.Root, result.Tiles)
		}
		return nil
	}
	return cmd
}

// bar is a progress bar in bytes on a terminal, for work that takes over a second.
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
				progressbar.OptionSetDescription(what), progressbar.OptionShowBytes(true), progressbar.OptionSetPredictTime(true),
				progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish())
		}
		if b.GetMax64() != int64(total) { //nolint:gosec // as above
			b.ChangeMax64(int64(total)) //nolint:gosec // as above
		}
		_ = b.Set64(int64(done)) //nolint:gosec // as above
	}
}
