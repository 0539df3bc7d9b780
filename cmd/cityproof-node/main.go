package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/cityproof/cityproof/internal/buildinfo"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := root().ExecuteContext(ctx)
	stop()
	if err == nil {
		return
	}
	fmt.Fprintln(os.Stderr, "error:", err)
	var usage *usageError
	if errors.As(err, &usage) {
		fmt.Fprintln(os.Stderr, "hint:", usage.hint)
		os.Exit(2)
	}
	os.Exit(1)
}

// usageError is a mistake in the command line.
type usageError struct {
	err  error
	hint string
}

func (e *usageError) Error() string { return e.err.Error() }

func (e *usageError) Unwrap() error { return e.err }

func root() *cobra.Command {
	cmd := &cobra.Command{
		Use:           "cityproof-node",
		Short:         "One city's node: publishes signed declarations in a log that anybody can check",
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       buildinfo.Version(),
	}
	cmd.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return &usageError{err, c.CommandPath() + " --help shows the options"}
	})
	cmd.AddCommand(runCommand(), checkCommand(), initCommand(), keysCommand(), publisherCommand(),
		fsckCommand(), backupCommand(), restoreCommand(), adoptCommand(), demoCommand(), versionCommand())
	return cmd
}

// configFlag adds --config, which most commands need.
func configFlag(cmd *cobra.Command) *string {
	file := cmd.Flags().String("config", "node.yaml", "configuration `file`")
	_ = cmd.MarkFlagFilename("config", "yaml")
	return file
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), "cityproof-node", buildinfo.Version())
			return err
		},
	}
}
