package cli

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/cityproof/cityproof/internal/act"
	"github.com/cityproof/cityproof/internal/roster"
)

func (a *App) allianceReview() *cobra.Command {
	var d decision
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "review FILE",
		Short: "Say what a city's request asks for, and whether all signed it who must",
		Long: `Reads a request of a city and says what it would do. A request to join is checked by
itself, offline. One of a member is held against its entry in the registry: what it
changes, and whether the officers signed it (then: cityproof alliance admit) or the
recovery key (then: cityproof alliance rotate).`,
		Example: "  cityproof alliance review nl-kanaalstad.join.json",
		Args:    cobra.ExactArgs(1),
	}
	d.registryFlags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		r, _, err := readRequest(args[0])
		if err != nil {
			return err
		}
		if r.Replaces == [sha256.Size]byte{} {
			return a.reviewJoining(args[0], r, asJSON)
		}
		in, m, err := a.memberOf(cmd.Context(), &d, r.Member.ID())
		if err != nil {
			return err
		}
		return a.reviewChange(args[0], in, m, r, asJSON)
	}
	return cmd
}

// review is what is told of a request.
type review struct {
	Asks        string       `json:"asks"` // "join", "change", "rotate", "move"
	Member      string       `json:"member"`
	Fingerprint string       `json:"fingerprint"`
	Registry    string       `json:"registry"`
	Changes     []difference `json:"changes,omitempty"`
	Unsigned    []string     `json:"unsigned,omitempty"` // keys that still have to sign
	Problem     string       `json:"problem,omitempty"`
}

func reviewOf(r *act.Request, asks string) *review {
	return &review{Asks: asks, Member: r.Member.ID(), Fingerprint: fmt.Sprintf("%x", r.Member.Hash), Registry: r.Registry}
}

func (v *review) unsigned(keys []act.Key) {
	for _, k := range keys {
		v.Unsigned = append(v.Unsigned, fmt.Sprintf("%s key %s", k.Role, base64.StdEncoding.EncodeToString(k.Raw)))
	}
}

func (a *App) reviewJoining(file string, r *act.Request, asJSON bool) error {
	v := reviewOf(r, "join")
	v.unsigned(r.Unsigned())
	err := r.VerifyJoining()
	if !asJSON {
		a.sayRequest(r)
	}
	return a.sayReview(v, err, asJSON, "send it back: whoever holds the key runs cityproof join-request sign "+file,
		"Every key has signed. Before you admit it, ask the city by telephone whether the fingerprint is theirs.")
}

// reviewChange tells what a member's request changes, and which act can grant it.
func (a *App) reviewChange(file string, in *roster.Roster, m *roster.Member, r *act.Request, asJSON bool) error {
	v := reviewOf(r, "")
	v.Changes = differences(m, r.Member)
	v.Asks = asks(v.Changes)
	v.unsigned(unsignedNew(m, r))
	if !asJSON {
		a.say("%s (%s) asks for a change:", m.ID(), line(m.Entry.GetName()))
		a.sayDifferences(v.Changes)
		a.say("  fingerprint %s", v.Fingerprint)
	}
	grants := map[string]string{
		asksChange: "admit " + file + " --key ACT.key", asksRotate: "rotate " + file + " --key ACT.key", asksMove: "move-log " + file + " --key ROOT.key",
	}
	return a.sayReview(v, judgeChange(in, m, r), asJSON, "send it back: it must be written for the entry in force, and signed by the city's officers or its recovery key and by each new key",
		"All have signed who must. Ask the city by telephone whether the fingerprint is theirs; then: cityproof alliance "+grants[v.Asks])
}

// What a member's request asks for: each is granted by another act.
const (
	asksChange = "change"
	asksRotate = "rotate"
	asksMove   = "move"
)

// rotated are the fields that only a rotation changes.
var rotated = []string{"log keys", "witness key", "mirror key", "node key", "recovery key"}

// asks tells by what a request changes what it asks for.
func asks(list []difference) string {
	kind := asksChange
	for _, d := range list {
		switch {
		case d.Field == "origin":
			return asksMove
		case slices.Contains(rotated, d.Field):
			kind = asksRotate
		}
	}
	return kind
}

// judgeChange says why a member's request could not be granted, nil if it could.
func judgeChange(in *roster.Roster, m *roster.Member, r *act.Request) error {
	if want := in.Root().Terms.Registry.Origin; r.Registry != want {
		return fmt.Errorf("it is for the registry %s, this is %s", line(r.Registry), want)
	}
	if r.Replaces != m.Hash {
		return errOldEntry
	}
	list := differences(m, r.Member)
	switch kind := asks(list); kind {
	case asksMove:
		return r.VerifyRotation(m.Member)
	case asksRotate:
		for _, d := range list {
			if !slices.Contains(rotated, d.Field) && d.Field != "TLS key" {
				return fmt.Errorf("%s can't change together with keys of the node: that is another request", d.Field)
			}
		}
		return r.VerifyRotation(m.Member)
	}
	have, want, err := approvals(m, r)
	if err != nil {
		return err
	}
	if missing := unsignedNew(m, r); len(missing) > 0 {
		return fmt.Errorf("the new %s key has not signed", missing[0].Role)
	}
	if have < want {
		return fmt.Errorf("%d of %d officers of %s have signed", have, want, m.ID())
	}
	return r.VerifyChange(m.Member, func(raw []byte) bool { return retired(m, raw) })
}

func (a *App) sayReview(v *review, err error, asJSON bool, hint, good string) error {
	if asJSON {
		if err != nil {
			v.Problem = err.Error()
		}
		if perr := printJSON(a.Out, v); perr != nil || err == nil {
			return perr
		}
		return &shown{exitFalse}
	}
	for _, k := range v.Unsigned {
		a.say("  NOT SIGNED by its %s", k)
	}
	if err != nil {
		return refused(err, hint)
	}
	a.say("%s", good)
	return nil
}

// sayRequest tells what a request says, for people to compare.
func (a *App) sayRequest(r *act.Request) {
	e := r.Member.Entry
	a.say("%s: %s", line(e.GetId()), line(e.GetName()))
	a.say("  fingerprint  %x", r.Member.Hash)
	a.say("  for          the registry %s", line(r.Registry))
	a.say("  country      %s, run by %s", line(e.GetCountry()), line(e.GetOperator()))
	a.say("  log          %s", line(e.GetOrigin()))
	a.say("  reached at   %s, gRPC %s", line(e.GetHttp()), line(e.GetGrpc()))
	for _, p := range e.GetPublishers() {
		a.say("  publisher    %s  %s", line(p.GetLabel()), encode(p.GetKey()))
	}
}
