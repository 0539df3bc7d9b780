package main

import (
	"github.com/spf13/cobra"

	"github.com/cityproof/cityproof/internal/demo"
)

func demoCommand() *cobra.Command {
	var opts demo.Options
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show everything on this machine: a city's node, declarations, receipts, an audit",
		Long: `Makes the node of an invented city, runs it, publishes its declarations, verifies
every receipt and audits the log as a stranger would, then goes on serving.`,
		Args:    cobra.NoArgs,
		Example: "  cityproof-node demo --once\n  cityproof-node demo --dir demo --port 8080 --import nl-algorithm-register=algoritmes.json",
	}
	cmd.Flags().BoolVar(&opts.Once, "once", false, "end when everything is verified; exit 0 only then")
	cmd.Flags().StringVar(&opts.Dir, "dir", "", "keep the data in this `folder` (default: a temporary one)")
	cmd.Flags().IntVar(&opts.Port, "port", 0, "first port (default: free ones)")
	cmd.Flags().StringArrayVar(&opts.Import, "import", nil, "publish this register too, as `FORMAT=FILE` (repeat for more)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		opts.Out = cmd.OutOrStdout()
		return demo.Run(cmd.Context(), opts)
	}
	return cmd
}
