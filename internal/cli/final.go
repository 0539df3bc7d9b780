package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/cityproof/cityproof/internal/authority"
	"github.com/cityproof/cityproof/internal/client"
	"github.com/cityproof/cityproof/internal/receipt"
	"github.com/cityproof/cityproof/internal/roster"
	"github.com/cityproof/cityproof/internal/shorthand"
)

// finalPoll is how often a node is asked whether a head is final.
const finalPoll = 250 * time.Millisecond

// finality is how long to wait for which quorum.
type finality struct {
	decision
	wait time.Duration
}

func (f *finality) flags(cmd *cobra.Command) {
	f.registryFlags(cmd)
	cmd.Flags().DurationVar(&f.wait, "wait", time.Minute, "how long to wait for the quorum")
}

func (a *App) final() *cobra.Command {
	var f finality
	var conn connection
	cmd := &cobra.Command{
		Use:   "final FILE.receipt…",
		Short: "Get the final form of receipts: with the cosignatures of committee and mirrors",
		Long: `A receipt is final once the log's committee and two mirrors have cosigned a head that
covers it: then no city can take it back without many others lying too. This asks the
city's node for that head, checks it, and puts it into the files. publish --final does
the same at once.`,
		Args:    cobra.MinimumNArgs(1),
		Example: "  cityproof final plaza-cameras.receipt --node https://kanaalstad.example",
	}
	conn.flags(cmd)
	f.flags(cmd)
	cmd.RunE = func(cmd *cobra.Command, files []string) error {
		ws, err := findWorkspace(conn.workspace, ".")
		if err != nil {
			return err
		}
		conn.alliance = f.decision
		c, err := a.dial(cmd.Context(), conn, shorthand.Workspace{Node: ws.Node, City: ws.City})
		if err != nil {
			return err
		}
		defer c.Close()
		return a.finalise(cmd.Context(), c, &f, files)
	}
	return cmd
}

// finalise waits until receipts are final and rewrites their files.
func (a *App) finalise(ctx context.Context, c *client.Client, f *finality, files []string) error {
	known, err := a.knownBy(ctx, f, c)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, f.wait)
	defer cancel()
	begun := a.Now()
	report, end := a.progress("waiting for the quorum")
	defer end()
	var by *roster.FinalBy
	for i, file := range files {
		if by, err = a.finaliseOne(ctx, c, f, known, file); err != nil {
			end()
			return err
		}
		report(uint64(i+1), uint64(len(files)))
	}
	end()
	a.say("Final after %v: witnesses %v and mirrors %v vouch for it.", a.Now().Sub(begun).Round(100*time.Millisecond), by.Witnesses, by.Mirrors)
	return nil
}

// standing is a log's member in a roster.
type standing struct {
	*roster.Roster
	member *roster.Member
	at     time.Time // when the registry was read
}

// knownBy reads the registry, and finds whose log a node serves.
func (a *App) knownBy(ctx context.Context, f *finality, c *client.Client) (*standing, error) {
	st, _, err := a.follow(ctx, &f.decision)
	if err != nil {
		return nil, err
	}
	m := st.Roster.ByOrigin(c.Known().Origin)
	if m == nil {
		return nil, refused(fmt.Errorf("the log %s is of no member of %s", c.Known().Origin, line(st.Roster.Root().Terms.Name)), "is this the right root.json?")
	}
	return &standing{st.Roster, m, a.Now()}, nil
}

func (a *App) finaliseOne(ctx context.Context, c *client.Client, f *finality, known *standing, file string) (*roster.FinalBy, error) {
	b, err := readLimited(file, receipt.MaxFile)
	if err != nil {
		return nil, err
	}
	old, err := receipt.Parse(b)
	if err != nil {
		return nil, err
	}
	by, rec, err := a.untilFinal(ctx, c, f, known, old.Proof.Index)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if string(rec.Envelope) != string(old.Statement) {
		return nil, refused(fmt.Errorf("%s: entry %d is another statement now", file, old.Proof.Index), "keep the receipt: it may prove that the log was rewritten; show it to other cities")
	}
	now := receipt.New(old.Statement, old.Body, rec.Index, rec.Path, rec.Checkpoint)
	if why := attach(now, known.Roster, known.member); why != nil {
		a.note("%s is final, but not by root.json alone yet: %v. Ask again for it later: cityproof final %s", file, why, file)
	}
	if b, err = now.Format(); err != nil {
		return nil, err
	}
	return by, writeFile(file, b)
}

// attach puts into a receipt the authority by which root.json alone judges it, if it does: a key that came in the middle of an
// epoch is in none of its lines.
func attach(rec *receipt.Receipt, r *roster.Roster, m *roster.Member) error {
	auth, err := authority.Of(r, m, rec.Proof.Checkpoint)
	if err != nil {
		return err
	}
	holder, err := authority.NewHolder(r.First())
	if err != nil {
		return err
	}
	rec.Authority = auth
	if _, err := receipt.VerifyIn(rec, holder); err != nil {
		rec.Authority = nil
		return err
	}
	return nil
}

// registryAge is how long a registry that was read may be old while a head is not final by it: after an EPOCH others decide.
const registryAge = 2 * time.Second

// untilFinal asks for the receipt of an entry until a final head covers it, and reads the registry again meanwhile.
func (a *App) untilFinal(ctx context.Context, c *client.Client, f *finality, known *standing, index uint64) (*roster.FinalBy, *client.Record, error) {
	for {
		rec, err := c.Receipt(ctx, index)
		if err != nil {
			return nil, nil, err
		}
		by, err := known.Finality(known.member, rec.Checkpoint)
		if err == nil {
			return by, rec, nil
		}
		if a.Now().Sub(known.at) > registryAge {
			if now, err := a.knownBy(ctx, f, c); err == nil {
				*known = *now
				continue
			}
		}
		if !errors.Is(err, roster.ErrNotFinal) {
			return nil, nil, refused(err, "do not rely on this node's answer; compare with another copy of the log")
		}
		select {
		case <-ctx.Done():
			return nil, nil, unknown(fmt.Errorf("not final in time: %w", err),
				"it is in the log, and its receipt is good; run cityproof final FILE.receipt later")
		case <-time.After(finalPoll):
		}
	}
}
