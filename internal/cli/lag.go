package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/cityproof/cityproof/internal/audit"
	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/client"
	"github.com/cityproof/cityproof/internal/logtime"
	follow "github.com/cityproof/cityproof/internal/registry"
	"github.com/cityproof/cityproof/internal/roster"
)

// thresholds are the silences from which a log is shown amber and red.
type thresholds struct{ logtime.Thresholds }

func (t *thresholds) flags(cmd *cobra.Command) {
	cmd.Flags().DurationVar(&t.Amber, "amber", logtime.Default.Amber, "show a log amber that has been silent for so long")
	cmd.Flags().DurationVar(&t.Red, "red", logtime.Default.Red, "and red after so long")
}

// lightWord is a light as text shows it; green is nothing to look at.
func lightWord(l logtime.Light) string { return strings.ToUpper(string(l)) }

// silence says how long a log has been silent.
func silence(l logtime.Lag) string {
	if !l.Known {
		return "no anchor, so nobody can say when it last lived"
	}
	by := ""
	if l.Last.Unwitnessed {
		by = ", by its own word: it has no witnesses"
	}
	return fmt.Sprintf("silent for %s, since %s%s", span(l.Silence), when(l.Last.Time), by)
}

// span is a duration as people read it, in its two largest units.
func span(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %d min", d/time.Hour, d%time.Hour/time.Minute)
	}
	return fmt.Sprintf("%d days", d/(24*time.Hour))
}

// lagsAtOnce is how many logs are looked at side by side.
const lagsAtOnce = 8

// sayLags says which members' logs are silent, and of which it can't be told.
func (a *App) sayLags(ctx context.Context, st *follow.State, th logtime.Thresholds) {
	r := st.Roster
	members := r.Members()
	says := make([]string, len(members))
	var group errgroup.Group
	group.SetLimit(lagsAtOnce)
	for i, m := range members {
		if r.Status(m) == roster.Left || m.Log().Origin == r.Root().Terms.Registry.Origin {
			continue
		}
		group.Go(func() error {
			clock, err := heartbeatOf(ctx, r, m)
			switch {
			case err != nil:
				says[i] = fmt.Sprintf("%s: could not tell how long its log has been silent: %s", m.ID(), line(err.Error()))
			default:
				if lag := clock.Lag(a.Now().Unix(), th); lag.Light != logtime.Green {
					says[i] = fmt.Sprintf("%s %s: %s", lightWord(lag.Light), m.ID(), silence(lag))
				}
			}
			return nil
		})
	}
	_ = group.Wait() // each has said why
	quiet := true
	for _, s := range says {
		if s != "" {
			a.say("%s", s)
			quiet = false
		}
	}
	if quiet {
		a.say("no log of a member is silent")
	}
}

// heartbeatOf reads the end of a member's log from the first place that has it.
func heartbeatOf(ctx context.Context, r *roster.Roster, m *roster.Member) (*logtime.Clock, error) {
	keys, err := r.NewestLogKeys(m.Log().Origin)
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, place := range memberPlaces(r, m) {
		clock, err := heartbeatAt(ctx, place, keys, func(index uint64, note []byte) (logtime.Anchor, error) {
			return r.Heartbeat(m, nil, index, note)
		})
		if err == nil {
			return clock, nil
		}
		if errs = append(errs, err); ctx.Err() != nil {
			break
		}
	}
	return nil, errors.Join(errs...)
}

func heartbeatAt(ctx context.Context, place string, keys []*checkpoint.Verifier, judge func(uint64, []byte) (logtime.Anchor, error)) (*logtime.Clock, error) {
	web, err := client.NewWeb(place, client.HTTPOptions{Tries: 1})
	if err != nil {
		return nil, err
	}
	defer web.Close()
	log := client.NewLogReader(web)
	note, err := log.Checkpoint(ctx)
	if err != nil {
		return nil, err
	}
	v, err := checkpoint.Verify(note, keys, nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", place, err)
	}
	c := v.Checkpoint
	heard, err := audit.Tail(ctx, log, client.Head{Origin: c.Origin, Size: c.Size, Root: c.Root}, audit.Heard{}, judge)
	return &heard.Clock, err
}
