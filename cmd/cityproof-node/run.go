package main

import (
	"encoding/json"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/cityproof/cityproof/internal/buildinfo"
	"github.com/cityproof/cityproof/internal/config"
	"github.com/cityproof/cityproof/internal/node"
)

func runCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "run --config FILE",
		Short: "Run the node until interrupted",
		Args:  cobra.NoArgs,
	}
	file := configFlag(cmd)
	addresses := cmd.Flags().String("addresses", "", "once up, write the addresses that it listens on into this `file`, as JSON")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := config.Load(*file)
		if err != nil {
			return err
		}
		logger, level := cfg.Log.Logger(os.Stderr)
		hup := make(chan os.Signal, 1)
		signal.Notify(hup, syscall.SIGHUP)
		defer signal.Stop(hup)
		return node.Run(cmd.Context(), cfg, node.Options{
			Version: buildinfo.Version(),
			Logger:  logger,
			Level:   level,
			Reload:  hup,
			Ready: func(a node.Addresses) error {
				if *addresses == "" {
					return nil
				}
				b, err := json.Marshal(a)
				if err != nil {
					return err
				}
				return os.WriteFile(*addresses, b, 0o644) //nolint:gosec // nothing in it is secret
			},
		})
	}
	return cmd
}
