package main

import (
	"github.com/spf13/cobra"

	"github.com/cityproof/cityproof/internal/demo"
)

func demoCommand() *cobra.Command {
	var opts demo.Options
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show everything on this machine: an alliance, declarations, receipts, an audit, a liar caught",
		Long: `Founds an alliance of a secretariat and three invented cities, each a process of its
own. One publishes its declarations, the others cosign and mirror them until they are
final; every receipt is verified and the log audited as a stranger would. Then one city
lies (a fault mode of the demo alone), the others catch it, and the proof is checked.
After that the alliance goes on until you stop it.`,
		Args:    cobra.NoArgs,
		Example: "  cityproof-node demo --once\n  cityproof-node demo --dir demo --port 8080 --import nl-algorithm-register=algoritmes.json",
	}
	cmd.Flags().BoolVar(&opts.Once, "once", false, "end when everything is verified; exit 0 only then")
	cmd.Flags().StringVar(&opts.Dir, "dir", "", "keep the data in this `folder` (default: a temporary one)")
	cmd.Flags().IntVar(&opts.Port, "port", 0, "first port, of two for each node (default: free ones)")
	cmd.Flags().IntVar(&opts.Cities, "cities", 3, "how many cities beside the secretariat")
	cmd.Flags().StringArrayVar(&opts.ExtraLogs, "witness-extra-log", nil, "let every node witness the log with this `VKEY` too (repeat for more)")
	cmd.Flags().StringArrayVar(&opts.Import, "import", nil, "publish this register too, as `FORMAT=FILE` (repeat for more)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		opts.Out = cmd.OutOrStdout()
		return demo.Run(cmd.Context(), opts)
	}
	return cmd
}
