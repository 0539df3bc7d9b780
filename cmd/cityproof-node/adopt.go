package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/cityproof/cityproof/internal/node"
)

const adoptLong = `Let this machine sign with a state directory that was copied or moved here.

A state directory remembers the last checkpoint that this log has signed. It also
remembers the machine and the very files that it was made with. On another machine,
or as a copy, it is read-only: two copies that both sign give the city's log two
histories. Everybody who sees both can prove it, and the log is dead for ever.

Adopt only if all of this is true:
  - the node that used the other copy is stopped and will never be started again:
    its state directory, or its log keys, are destroyed;
  - this copy was made after that node had stopped. An older copy doesn't know what
    was signed last and would sign it differently.

A state directory that is empty is adopted with another word: that these keys have
never signed anything. If they have, whoever kept a receipt or a checkpoint proves two
histories; begin another log instead (cityproof-node init in another folder).

If you can't be sure, don't. Start the node where it ran before. The node must not
run while you adopt. Adopting changes state/identity and nothing else.`

func adoptCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "adopt --config FILE --yes-the-other-copy-is-destroyed",
		Short: "Let this machine sign with a state directory that was copied or moved here",
		Long:  adoptLong,
		Args:  cobra.NoArgs,
	}
	file, city := configFlag(cmd), cityFlag(cmd)
	sure := cmd.Flags().Bool("yes-the-other-copy-is-destroyed", false,
		"I know that no other copy of this state will ever sign, and that this one was made after the last signature")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		m, err := memberOf(*file, *city)
		if err != nil {
			return err
		}
		if !*sure {
			return &usageError{errors.New("nothing was changed: adopting needs your word. If another copy of this state can still sign, or signed after this one was made, " +
				"the log would get two histories and be dead for ever"),
				"read cityproof-node adopt --help; if all of it is true, repeat with --yes-the-other-copy-is-destroyed"}
		}
		got, err := node.Adopt(m)
		if err != nil {
			return err
		}
		out := cmd.OutOrStdout()
		if got.Was == nil {
			fmt.Fprintf(out, "Nothing to adopt: %s is in its own place. Nothing was changed.\n", m.State)
			return nil
		}
		fmt.Fprintf(out, "Adopted %s: from now on this machine signs for %s, after size %d, which was signed last.\n"+
			"No other copy may ever be started again.\n", m.State, m.City, got.Signed)
		return nil
	}
	return cmd
}
