package cli

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cityproof/cityproof/internal/audit"
	"github.com/cityproof/cityproof/internal/watch"
)

// watching is what the verb is told.
type watching struct {
	decision
	lag          thresholds
	every        time.Duration
	once, asJSON bool
}

func (a *App) watch() *cobra.Command {
	var v watching
	cmd := &cobra.Command{
		Use:   "watch [CITY…]",
		Short: "Follow an alliance live: what is declared and weakened, who falls silent, who is caught lying",
		Long: `Follows the logs of all members, or of those named, and the registry, from their nodes and
from the copies that others keep, and prints one line for each thing that happens.
Nothing is printed that was not verified first: each head is proven to continue the one
before, each entry and body to be what was signed, each proof of misbehaviour by itself.

It begins with how things are, goes on until Ctrl-C, and finds its way back by itself when
a city or the network was away. --once prints how things are and ends: with 0 if all is well, 1
if there is an alarm or a proof, 3 if something could not be read.`,
		Example: "  cityproof watch --root root.json\n  cityproof watch nl-kanaalstad --json | jq 'select(.kind == \"weakened\")'",
	}
	v.registryFlags(cmd)
	v.lag.flags(cmd)
	cmd.Flags().DurationVar(&v.every, "every", 5*time.Second, "how often each city is looked at")
	cmd.Flags().BoolVar(&v.once, "once", false, "print how things are and end")
	cmd.Flags().BoolVar(&v.asJSON, "json", false, "print a JSON object on each line")
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return a.runWatch(cmd.Context(), &v, args) }
	return cmd
}

func (a *App) runWatch(ctx context.Context, v *watching, members []string) error {
	if v.every < 100*time.Millisecond {
		return usage(errors.New("--every is too short"), "give at least 100ms: others want to be served, too")
	}
	first, err := a.firstRoot(v.root)
	if err != nil {
		return err
	}
	nodes := &openNodes{}
	defer nodes.close()
	opts := watch.Options{
		Root: first, Members: members, Open: nodes.open, Every: v.every, Thresholds: v.lag.Thresholds, Now: a.Now,
		Emit: func(e watch.Event) { a.sayEvent(e, v.asJSON) },
	}
	if v.at != "" {
		log, err := openLog(ctx, v.at)
		if err != nil {
			return err
		}
		defer log.close()
		opts.Registry = log.LogReader
	}
	w, err := watch.New(opts)
	if err != nil {
		return refused(err, "get root.json again, by a way that you trust")
	}
	run := w.Run
	if v.once {
		run = w.Round
	}
	err = run(ctx)
	var none *audit.UnknownMemberError
	switch {
	case errors.As(err, &none):
		return usage(err, "cityproof alliance roster lists the members")
	case err != nil || !v.once:
		return err
	}
	switch w.Verdict() {
	case audit.False:
		return refused(errors.New("there is an alarm, or a proof of misbehaviour"), "it is said above; show it to other cities")
	case audit.CouldNotTell:
		return unknown(errors.New("not everything could be read"), "what is missing is said above")
	}
	return nil
}

// sayEvent prints an event on one line. Errors of the output end the program otherwise: a closed pipe by its signal.
func (a *App) sayEvent(e watch.Event, asJSON bool) {
	if asJSON {
		_ = printJSONLine(a.Out, e)
		return
	}
	who := e.City
	if who == "" {
		who = "(alliance)"
	}
	a.say("%s  %-16s %-9s %s", e.Time.Format(time.RFC3339), who, strings.ToUpper(string(e.Kind)), line(e.Text))
}
