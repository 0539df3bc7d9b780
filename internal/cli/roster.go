package cli

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/client"
	"github.com/cityproof/cityproof/internal/logtime"
	follow "github.com/cityproof/cityproof/internal/registry"
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

// shownStatus is what is told of an alliance as a whole.
type shownStatus struct {
	Name          string          `json:"name"`
	Fingerprint   string          `json:"fingerprint"` // of root version 1
	Members       int             `json:"members"`
	RegistrySize  uint64          `json:"registry_size"`
	RegistryTime  int64           `json:"registry_time"`
	RootVersion   int64           `json:"root_version"`
	RootExpires   int64           `json:"root_expires"`
	RootThreshold int             `json:"root_threshold"`
	RootKeys      []string        `json:"root_keys"`
	ActThreshold  int             `json:"act_threshold"`
	ActKeys       []string        `json:"act_keys"`
	Epoch         uint32          `json:"epoch"`
	NextDraw      int64           `json:"next_draw"`
	EpochDue      bool            `json:"epoch_due"`
	RuleSet       uint32          `json:"rule_set"`
	RootOutdated  bool            `json:"root_outdated"` // it names keys that the registry's log has no more
	Rotations     []shownRotation `json:"rotations"`
	VoidActs      []shownAlarm    `json:"void_acts"`
}

type shownRotation struct {
	Member string `json:"member"`
	Leaf   string `json:"leaf"`
	Due    int64  `json:"due"`
}

type shownAlarm struct {
	Entry  uint64 `json:"entry"`
	What   string `json:"what"`
	Reason string `json:"reason"`
}

func showStatus(st *follow.State) *shownStatus {
	r := st.Roster
	_, due := r.NextSeed()
	s := &shownStatus{
		Name: r.Root().Terms.Name, Fingerprint: r.Root().Alliance.String(), Members: len(r.Members()), RegistrySize: r.Size(), RegistryTime: r.Time(),
		RootVersion: r.Root().Version, RootExpires: r.Root().Expires.Unix(), RootThreshold: r.Root().Threshold, ActThreshold: r.Root().Terms.ActThreshold,
		Epoch: r.Epoch().Number, NextDraw: r.Epoch().NextDraw, EpochDue: due, RuleSet: r.Rules().Number,
	}
	terms := r.Root().Terms.Registry
	s.RootOutdated = !slices.Equal(terms.VKeys, r.ByOrigin(terms.Origin).Entry.GetLogVkeys())
	for _, k := range r.Root().Keys {
		s.RootKeys = append(s.RootKeys, encode(k))
	}
	for _, k := range r.Root().Terms.ActKeys {
		s.ActKeys = append(s.ActKeys, encode(k))
	}
	for _, p := range r.PendingRotations() {
		s.Rotations = append(s.Rotations, shownRotation{p.Member, fmt.Sprintf("%x", p.Act[:]), p.Due})
	}
	for _, alarm := range st.Alarms {
		s.VoidActs = append(s.VoidActs, shownAlarm{alarm.Index, alarm.What, alarm.Reason})
	}
	return s
}

func (a *App) allianceStatus() *cobra.Command {
	var d decision
	var th thresholds
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Say what is due: the next epoch, the root's expiry, rotations under way, silent logs, what broke a rule",
		Args:  cobra.NoArgs,
	}
	d.registryFlags(cmd)
	th.flags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		st, _, err := a.follow(cmd.Context(), &d)
		if err != nil {
			return err
		}
		s := showStatus(st)
		if asJSON {
			return printJSON(a.Out, s)
		}
		a.sayStatus(s)
		if lag := st.Clock.Lag(a.Now().Unix(), th.Thresholds); lag.Light != logtime.Green {
			a.say("%s the registry: %s", lightWord(lag.Light), silence(lag))
			a.saySeats(st.Roster, lag.Light)
		}
		a.sayLags(cmd.Context(), st, th.Thresholds)
		return nil
	}
	return cmd
}

func (a *App) sayStatus(s *shownStatus) {
	a.say("%s: %d members, registry at size %d, its time %s", line(s.Name), s.Members, s.RegistrySize, when(s.RegistryTime))
	a.say("root version %d, good until %s, fingerprint of version 1 %s", s.RootVersion, when(s.RootExpires), s.Fingerprint)
	if s.RootOutdated {
		a.say("the root names keys that the registry's log has no more; the next version is DUE: cityproof alliance next-root --pin")
	}
	if s.EpochDue {
		a.say("epoch %d: the next is DUE, its seed is fixed: cityproof alliance epoch --key ACT.key", s.Epoch)
	} else {
		a.say("epoch %d: the next may be drawn from %s on (%s)", s.Epoch, when(s.NextDraw), until(s.NextDraw-a.Now().Unix()))
	}
	for _, p := range s.Rotations {
		a.say("ROTATION of keys of %s takes effect on %s. Is it theirs? If not:", p.Member, when(p.Due))
		a.say("  cityproof alliance contest %s --key ANY-KEY-OF-THE-CITY", p.Leaf)
	}
	for _, v := range s.VoidActs {
		a.say("ALARM entry %d (%s) breaks a rule and has no effect: %s", v.Entry, v.What, line(v.Reason))
	}
}

// saySeats tells how many could still witness a silent registry, and the way out where they don't.
func (a *App) saySeats(r *roster.Roster, light logtime.Light) {
	bench := r.Bench(r.ByOrigin(r.Root().Terms.Registry.Origin), r.Size()+1)
	voices := 0
	for _, v := range bench.Voices {
		if slices.Contains(bench.Committee, v.ID) && r.Member(v.ID).Cosigns(v.Witness.Key, a.Now().Unix()) {
			voices++
		}
	}
	want := roster.Quorum(len(bench.Committee))
	a.say("  %d of the %d on its seats may sign, and %d must", voices, len(bench.Committee), want)
	if light == logtime.Red || voices < want {
		a.say("  If they stay silent its time stands still, and no epoch can seat others. The holders of the root keys can:")
		a.say("  cityproof alliance next-root PREVIOUS.json --out root.%d.json --reseat ID --reseat ID …", r.Root().Version+1)
	}
}

func until(seconds int64) string {
	if seconds <= 0 {
		return "now, at the registry's next anchor"
	}
	return "in " + (time.Duration(seconds) * time.Second).Round(time.Minute).String()
}

// pins are the newest final heads of all logs. A log that has ended, or whose node does not answer, keeps the pin that it has.
func (a *App) pins(ctx context.Context, r *roster.Roster) []byte {
	heads := map[string]roster.Pin{}
	for _, m := range r.Members() {
		for _, l := range m.Logs {
			if old, ok := r.Epoch().Pin(l.Origin); ok {
				heads[l.Origin] = old
			}
		}
		origin := m.Log().Origin
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

func (a *App) use() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use:   "use HOST",
		Short: "Get an alliance's root.json for the first time, and keep it",
		Long: `Fetches root.json from a member's node and prints its fingerprint. Compare that with two
other cities or the secretariat, by a way that doesn't lead over this node: everything
that is checked afterwards rests on it. Then no verb needs --root.`,
		Example: "  cityproof use log.kanaalstad.example",
		Args:    cobra.ExactArgs(1),
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
		if isMissing(err) {
			return unknown(fmt.Errorf("%s has no root.json", host), "either it is no node of a city, or its city is in no alliance; ask for the address of a member")
		}
		if err != nil {
			return unknown(err, "is the address right, and is it a member's node? Without https give http:// in front")
		}
		r, err := root.Parse(b)
		if err == nil {
			err = r.Verify()
		}
		if err == nil && r.Version != 1 {
			err = fmt.Errorf("it is version %d", r.Version)
		}
		if err != nil {
			return refused(fmt.Errorf("what %s serves is no first root of an alliance: %w", host, err), "do not use it; ask another member")
		}
		file := a.configFile("root.json")
		old, err := readRoot(file)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if old != nil {
			if old.Same(r) {
				a.say("You have it already, as %s: %s, fingerprint %s", file, line(r.Terms.Name), r.Alliance)
				return nil
			}
			return refused(fmt.Errorf("you follow another alliance: %s, in %s", line(old.Terms.Name), file),
				"move that file away first; or name this one's root.json with --root each time")
		}
		a.sayAlliance(r)
		if err := a.confirm(yes, "Is it the same?", "all that is checked later rests on it", "nothing was kept"); err != nil {
			return err
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

// sayAlliance tells what a newcomer compares before believing it.
func (a *App) sayAlliance(r *root.Root) {
	a.say("%s", line(r.Terms.Name))
	a.say("  fingerprint %s", r.Alliance)
	a.say("  founders:")
	for _, f := range r.Founders {
		a.say("    %s (%s) at %s", f.Member.ID(), line(f.Member.Entry.GetName()), f.Member.Entry.GetHttp())
	}
	a.say("Compare the fingerprint with two of them: by telephone, on paper, in what they published.")
	a.say("Don't ask the node that you got it from.")
}
