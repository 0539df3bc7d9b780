package main

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/cityproof/cityproof/internal/config"
	"github.com/cityproof/cityproof/internal/node"
)

func checkCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check --config FILE",
		Short: "Check configuration, keys and trust, and exit",
		Args:  cobra.NoArgs,
	}
	file := configFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := config.Load(*file)
		if err != nil {
			return err
		}
		if err := node.Check(cfg); err != nil {
			return err
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s is good: %d member(s)\n", *file, len(cfg.Members))
		return nil
	}
	return cmd
}

func initCommand() *cobra.Command {
	var opts node.InitOptions
	var publishers []string
	cmd := &cobra.Command{
		Use:   "init --city ID --url URL --dir DIR",
		Short: "Make a node's folder: log keys, trust.json, configuration",
		Args:  cobra.NoArgs,
		Example: `  cityproof-node init --city jp-tsukuba --url https://tsukuba.example --dir /srv/cityproof
  cityproof-node init --city xx-test --url http://localhost:8080 --dir node --publisher "$(cityproof keygen officer.key --public)"`,
	}
	cmd.Flags().StringVar(&opts.City, "city", "", "member `id`, for example jp-tsukuba; it never changes")
	cmd.Flags().StringVar(&opts.URL, "url", "", "public `address`; it fixes the log's name for ever")
	cmd.Flags().StringVar(&opts.LogName, "log-name", "", "last part of the log's `name`, for a registry that goes on after a fork (default log)")
	cmd.Flags().StringVar(&opts.Dir, "dir", "", "`folder` to make")
	cmd.Flags().StringVar(&opts.HTTP, "http", "", "`address` to listen on for HTTP (default 127.0.0.1:8080)")
	cmd.Flags().StringVar(&opts.GRPC, "grpc", "", "`address` to listen on for gRPC (default 127.0.0.1:9090)")
	cmd.Flags().StringArrayVar(&publishers, "publisher", nil, "public `key` of an officer who may publish (repeat for more)")
	for _, name := range []string{"city", "url", "dir"} {
		_ = cmd.MarkFlagRequired(name)
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		for _, p := range publishers {
			key, err := parsePublisher(p)
			if err != nil {
				return err
			}
			opts.Publishers = append(opts.Publishers, key)
		}
		made, err := node.Init(opts)
		if err != nil {
			return err
		}
		out := cmd.OutOrStdout()
		fmt.Fprintf(out, "Made %s for the log %s.\n", opts.Dir, made.Origin)
		fmt.Fprintf(out, "  Copy %s/keys to a safe place now: without them the log ends.\n", opts.Dir)
		fmt.Fprintf(out, "  Hand out %s: with it anybody checks your receipts.\n", made.Trust)
		if len(publishers) == 0 {
			fmt.Fprintf(out, "  Nobody may publish yet: cityproof-node publisher add --config %s KEY\n", made.Config)
		}
		fmt.Fprintf(out, "  Start it: cityproof-node run --config %s\n", made.Config)
		return nil
	}
	return cmd
}

func parsePublisher(s string) (ed25519.PublicKey, error) {
	b, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil || len(b) != ed25519.PublicKeySize {
		return nil, &usageError{fmt.Errorf("%q is no public key", s), "cityproof keygen prints it: 44 characters of base64"}
	}
	return b, nil
}

// memberOf loads the configuration and returns the member that --city names, or
// the only one.
func memberOf(file, city string) (config.Member, error) {
	cfg, err := config.Load(file)
	if err != nil {
		return config.Member{}, err
	}
	for _, m := range cfg.Members {
		if m.City == city || city == "" && len(cfg.Members) == 1 {
			return m, nil
		}
	}
	return config.Member{}, &usageError{errors.New("which member?"), "name it with --city"}
}

func cityFlag(cmd *cobra.Command) *string {
	return cmd.Flags().String("city", "", "which member, where the node has several")
}

// maxShownVKey is the longest verifier key that is printed whole, in bytes: one of ML-DSA-44 would fill the screen.
const maxShownVKey = 400

func keysCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys --config FILE",
		Short: "List this node's keys, what each is for, and what to do when it is lost",
		Args:  cobra.NoArgs,
	}
	file, city := configFlag(cmd), cityFlag(cmd)
	asJSON := cmd.Flags().Bool("json", false, "print JSON")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		m, err := memberOf(*file, *city)
		if err != nil {
			return err
		}
		keys, err := node.Keys(m)
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), keys)
		}
		for _, k := range keys {
			vkey := k.VKey
			if len(vkey) > maxShownVKey {
				vkey = vkey[:60] + "… (whole with --json)"
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s\n  %s\n  vkey: %s\n  %s\n\n", k.File, k.For, vkey, k.IfLost)
		}
		return nil
	}
	return cmd
}

func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

func publisherCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "publisher",
		Short: "Say whose keys may publish",
	}
	cmd.AddCommand(
		publisherAction("add KEY", "Let a key publish from now on (then: kill -HUP the node)",
			func(m config.Member, key ed25519.PublicKey) (string, error) {
				from, err := node.AddPublisher(m, key)
				return fmt.Sprintf("It may publish from entry %d on. A running node takes it up on SIGHUP.", from), err
			}),
		publisherAction("end KEY", "End a key; what it signed before stays valid (the node must be stopped)",
			func(m config.Member, key ed25519.PublicKey) (string, error) {
				to, err := node.EndPublisher(m, key)
				return fmt.Sprintf("It may publish no more: its last entry is before %d.", to), err
			}))
	return cmd
}

func publisherAction(use, short string, do func(config.Member, ed25519.PublicKey) (string, error)) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Args: cobra.ExactArgs(1)}
	file, city := configFlag(cmd), cityFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		key, err := parsePublisher(args[0])
		if err != nil {
			return err
		}
		m, err := memberOf(*file, *city)
		if err != nil {
			return err
		}
		said, err := do(m, key)
		if err != nil {
			return err
		}
		fmt.Fprintln(cmd.OutOrStdout(), said)
		return nil
	}
	return cmd
}

func backupCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "backup DIR --config FILE",
		Short: "Copy the log, bodies and trust.json into a folder, never keys or state",
		Long: `Copy the log, bodies and trust.json into a folder, never keys or state. The node may run meanwhile.

A folder that holds an earlier backup of the log is brought up to date: only what is new is copied, and the new backup
takes the old one's place when it is whole. If this is interrupted, the old one stays. What was erased from the log's node
is gone from the folder too, then.`,
		Args:    cobra.ExactArgs(1),
		Example: "  cityproof-node backup /mnt/backup/cityproof --config /srv/cityproof/node.yaml",
	}
	file, city := configFlag(cmd), cityFlag(cmd)
	asJSON := cmd.Flags().Bool("json", false, "print JSON")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		m, err := memberOf(*file, *city)
		if err != nil {
			return err
		}
		got, err := node.Backup(cmd.Context(), m, args[0], bar("copying"), slog.New(slog.DiscardHandler))
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), got)
		}
		fmt.Fprintf(cmd.OutOrStdout(), "Backed up a log of size %d to %s: %s copied, %s there already.\nKeys are not in it; keep their safe copy apart.\n",
			got.Size, args[0], size(got.Copied), size(got.Kept))
		return nil
	}
	return cmd
}

// size shows bytes for people.
func size(n int64) string {
	switch {
	case n < 1<<10:
		return fmt.Sprintf("%d bytes", n)
	case n < 1<<20:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	case n < 1<<30:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
}

func restoreCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "restore DIR --config FILE",
		Short: "Put a backup's data in place of lost ones",
		Args:  cobra.ExactArgs(1),
	}
	file, city := configFlag(cmd), cityFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		m, err := memberOf(*file, *city)
		if err != nil {
			return err
		}
		got, err := node.Restore(cmd.Context(), m, args[0], slog.New(slog.DiscardHandler))
		if err != nil {
			return err
		}
		out := cmd.OutOrStdout()
		fmt.Fprintf(out, "Restored a log of size %d.\n", got.Size)
		if got.Size < got.Signed {
			fmt.Fprintf(out, "But size %d is signed already: the node will only serve readers. Restore a newer backup;\n"+
				"do not delete state/, or the log could sign a second history.\n", got.Signed)
		}
		return nil
	}
	return cmd
}
