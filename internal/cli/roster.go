package cli

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/client"
	"github.com/cityproof/cityproof/internal/logtime"
	"github.com/cityproof/cityproof/internal/root"
	"github.com/cityproof/cityproof/internal/roster"
)

// shownMember is what is told of a member.
type shownMember struct {
	ID         string        `json:"id"`
	Name       string        `json:"name"`
	Status     roster.Status `json:"status"`
	Origin     string        `json:"origin"`
	HTTP       string        `json:"http"`
	Committee  []string      `json:"committee,omitempty"`
	Quorum     int           `json:"quorum"`
	Publishers []string      `json:"publishers"`
}

func (a *App) allianceRoster() *cobra.Command {
	var d decision
	var asJSON bool
	var policy string
	cmd := &cobra.Command{
		Use:   "roster",
		Short: "List the members, as the registry's acts make them, and who witnesses whom",
		Args:  cobra.NoArgs,
	}
	d.registryFlags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().StringVar(&policy, "policy", "", "print the tlog-policy of this member's log instead, for any C2SP tool")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		st, _, err := a.follow(cmd.Context(), &d)
		if err != nil {
			return err
		}
		r := st.Roster
		if policy != "" {
			m := r.Member(policy)
			if m == nil {
				return usage(fmt.Errorf("%s is no member", policy), "cityproof alliance roster lists the members")
			}
			_, err := fmt.Fprintf(a.Out, "%s", r.Policy(m))
			return err
		}
		var members []shownMember
		for _, m := range r.Members() {
			members = append(members, showMember(r, m))
		}
		if asJSON {
			return printJSON(a.Out, members)
		}
		a.say("%s, registry %s at size %d, epoch %d", line(r.Root().Terms.Name), r.Root().Terms.Registry.Origin, r.Size(), r.Epoch().Number)
		for _, m := range members {
			a.say("%s: %s (%s)", m.ID, line(m.Name), m.Status)
			a.say("  log %s at %s", m.Origin, m.HTTP)
			a.say("  final by %d of %d: %v", m.Quorum, len(m.Committee), m.Committee)
		}
		return nil
	}
	return cmd
}

func showMember(r *roster.Roster, m *roster.Member) shownMember {
	s := shownMember{
		ID: m.ID(), Name: m.Entry.GetName(), Status: r.Status(m), Origin: m.Log().Origin, HTTP: m.Entry.GetHttp(),
		Committee: r.Committee(m.ID()), Quorum: roster.Quorum(len(r.Committee(m.ID()))),
	}
	for _, key := range m.Entry.GetPublishers() {
		s.Publishers = append(s.Publishers, key.GetLabel()+"="+base64.StdEncoding.EncodeToString(key.GetKey()))
	}
	return s
}

func (a *App) allianceStatus() *cobra.Command {
	var d decision
	var th thresholds
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Say what is due: the next epoch, the root's expiry, silent logs, what broke a rule",
		Args:  cobra.NoArgs,
	}
	d.registryFlags(cmd)
	th.flags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		st, _, err := a.follow(cmd.Context(), &d)
		if err != nil {
			return err
		}
		r := st.Roster
		a.say("%s: %d members, registry at size %d, its time %s", line(r.Root().Terms.Name), len(r.Members()), r.Size(), when(r.Time()))
		a.say("root version %d, good until %s, fingerprint of version 1 %s", r.Root().Version, when(r.Root().Expires.Unix()), r.Root().Alliance)
		e := r.Epoch()
		if _, drawn := r.NextSeed(); drawn {
			a.say("epoch %d: the next is DUE, its seed is fixed: cityproof alliance epoch", e.Number)
		} else {
			a.say("epoch %d: the next may be drawn from %s on (%s)", e.Number, when(e.NextDraw), until(e.NextDraw-a.Now().Unix()))
		}
		if lag := st.Clock.Lag(a.Now().Unix(), th.Thresholds); lag.Light != logtime.Green {
			a.say("%s the registry: %s", lightWord(lag.Light), silence(lag))
		}
		a.sayLags(cmd.Context(), st, th.Thresholds)
		for _, alarm := range st.Alarms {
			a.say("ALARM entry %d (%s) breaks a rule and has no effect: %s", alarm.Index, alarm.What, line(alarm.Reason))
		}
		return nil
	}
	return cmd
}

func until(seconds int64) string {
	if seconds <= 0 {
		return "now, at the registry's next anchor"
	}
	return "in " + (time.Duration(seconds) * time.Second).Round(time.Minute).String()
}

// pins are the newest final heads of all logs. A log whose node does not answer keeps the pin that it has.
func (a *App) pins(ctx context.Context, r *roster.Roster) []byte {
	heads := map[string]roster.Pin{}
	for _, m := range r.Members() {
		origin := m.Log().Origin
		if old, ok := r.Epoch().Pin(origin); ok {
			heads[origin] = old
		}
		if r.Status(m) == roster.Left {
			continue
		}
		note, err := fetchFinal(ctx, m.Entry.GetHttp())
		if err == nil {
			var by *roster.FinalBy
			if by, err = r.Witnessed(m, note); err == nil && by.Head.Size >= heads[origin].Size {
				heads[origin] = roster.Pin{Size: by.Head.Size, Root: by.Head.Root}
				continue
			}
		}
		a.note("%s: its pin stays at size %d: %v", m.ID(), heads[origin].Size, err)
	}
	return roster.FormatPins(heads)
}

// fetchFinal gets the newest final note of a log from its node.
func fetchFinal(ctx context.Context, node string) ([]byte, error) {
	web, err := client.NewWeb(node+"/log", client.HTTPOptions{})
	if err != nil {
		return nil, err
	}
	defer web.Close()
	note, err := web.Get(ctx, "final", checkpoint.MaxNoteSize)
	if isMissing(err) {
		return nil, errNotFinalYet
	}
	return note, err
}

func headOf(note []byte) (checkpoint.Checkpoint, error) {
	n, err := checkpoint.ParseNote(note)
	if err != nil {
		return checkpoint.Checkpoint{}, err
	}
	return checkpoint.ParseCheckpoint(n.Text)
}

func (a *App) use() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "use HOST",
		Short: "Get an alliance's root.json for the first time, and keep it",
		Long: `Fetches root.json from a member's node and prints its fingerprint. Compare that with two
other cities or the secretariat, by a way that doesn't lead over this node: everything
that is checked afterwards rests on it. Then no verb needs --root.`,
		Args: cobra.ExactArgs(1),
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "keep it without asking")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		host := args[0]
		if !strings.Contains(host, "://") {
			host = "https://" + host
		}
		web, err := client.NewWeb(host, client.HTTPOptions{})
		if err != nil {
			return usage(err, "give the address of a member's node")
		}
		defer web.Close()
		b, err := web.Get(cmd.Context(), "root.json", root.MaxFile)
		if err != nil {
			return unknown(err, "is this a member's node?")
		}
		r, err := root.Parse(b)
		if err == nil {
			err = r.Verify()
		}
		if err != nil || r.Version != 1 {
			return refused(fmt.Errorf("what %s serves is no first root: %w", host, err), "ask another member")
		}
		a.say("%s", line(r.Terms.Name))
		a.say("  fingerprint %s", r.Alliance)
		a.say("  founders:")
		for _, f := range r.Founders {
			a.say("    %s at %s", f.Member.ID(), f.Member.Entry.GetHttp())
		}
		a.say("Compare the fingerprint with two of them, by telephone or on paper.")
		if err := a.confirm(yes, "Is it the same?", "all that is checked later rests on it", "nothing was kept"); err != nil {
			return err
		}
		file := a.configFile("root.json")
		if old, err := os.ReadFile(file); err == nil && string(old) != string(b) {
			return refused(fmt.Errorf("%s is of another alliance", file), "move it away first")
		}
		if err := os.MkdirAll(a.configFile(""), 0o700); err != nil {
			return err
		}
		if err := writeFile(file, b); err != nil {
			return err
		}
		a.say("Kept as %s.", file)
		return nil
	}
	return cmd
}
