package cli

import (
	"bytes"
	"cmp"
	"context"
	"crypto"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	registryv1 "github.com/cityproof/cityproof/api/cityproof/registry/v1"
	"github.com/cityproof/cityproof/internal/act"
	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/roster"
	"github.com/cityproof/cityproof/internal/signingkey"
)

func (a *App) keyApprove() *cobra.Command {
	var o officer
	var yes bool
	cmd := &cobra.Command{
		Use:   "approve FILE",
		Short: "Sign for a colleague's new key, after asking whether it is theirs",
		Long: `Reads what cityproof key request wrote, checks that it adds one key to your city's entry
and changes nothing else, and that the new key signed it. Ask the colleague, by telephone
or face to face, whether the key that is shown is theirs: nothing else tells a colleague
from a stranger. Then your key signs the file too. Where your city wants more signatures,
hand it to the next colleague; else to the secretariat.`,
		Example: "  cityproof key approve nl-kanaalstad.officer-2.request.json",
		Args:    cobra.ExactArgs(1),
	}
	o.flags(cmd)
	o.key.flags(cmd)
	cmd.Flags().BoolVar(&yes, "yes", false, "sign without asking")
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return a.approveKey(cmd.Context(), &o, args[0], yes) }
	return cmd
}

func (a *App) approveKey(ctx context.Context, o *officer, file string, yes bool) error {
	req, _, err := readRequest(file)
	if err != nil {
		return err
	}
	r, m, err := a.memberOf(ctx, &o.alliance, req.Member.ID())
	if err != nil {
		return err
	}
	added, err := addedOfficer(r, m, req)
	if err != nil {
		return err
	}
	key, err := a.openKey(o.key)
	if err != nil {
		return err
	}
	own, err := colleague(m, key)
	if err != nil {
		return err
	}
	if !o.asJSON {
		a.say("%s asks to publish for %s (%s).", added.GetLabel(), m.ID(), line(m.Entry.GetName()))
		a.say("  its key  %s", encode(added.GetKey()))
		a.say("Ask them, by telephone or face to face, to read their key to you.")
	}
	if err := a.confirm(yes, "Is it the same?", "whoever holds that key will speak for your city", "nothing was signed"); err != nil {
		return err
	}
	if req, err = req.Countersign(key.Signer()); err != nil {
		return usage(err, own+" has signed already; another colleague must")
	}
	have, want, err := approvals(m, req)
	if err != nil {
		return err
	}
	if err := writeFile(file, req.Envelope.Format()); err != nil {
		return err
	}
	if o.asJSON {
		return printJSON(a.Out, map[string]any{"file": file, "city": m.ID(), "label": added.GetLabel(), "key": encode(added.GetKey()), "signed": have, "wanted": want})
	}
	a.say("Signed %s as %s: %d of %d officers.", file, own, have, want)
	if have < want {
		a.say("Hand it to the next colleague:  cityproof key approve %s", file)
		return nil
	}
	a.say("Hand it to the secretariat, whose signers enter it:")
	a.say("  cityproof alliance admit %s --key ACT.key", file)
	return nil
}

// addedOfficer checks that a request adds one officer to an entry and nothing else, and that the new key and nobody who may
// not signed it.
func addedOfficer(r *roster.Roster, m *roster.Member, req *act.Request) (*registryv1.PublisherKey, error) {
	if want := r.Root().Terms.Registry.Origin; req.Registry != want {
		return nil, refused(fmt.Errorf("the request is for the registry %s, this is %s", line(req.Registry), want), "your colleague asked another alliance: is root.json the same on both machines?")
	}
	if req.Replaces != m.Hash {
		return nil, refused(errOldEntry, "your colleague runs cityproof key request again, with the same key")
	}
	if _, _, err := approvals(m, req); err != nil {
		return nil, refused(err, "do not sign it; your colleague runs cityproof key request again")
	}
	var added *registryv1.PublisherKey
	for _, p := range req.Member.Entry.GetPublishers() {
		if labelIn(m.Entry, p.GetKey()) == "" && added == nil {
			added = p
		}
	}
	if diff := differences(m, req.Member); added == nil || len(diff) != 1 {
		return nil, refused(fmt.Errorf("the request changes %d things; an officer's request adds one key and nothing else", len(diff)),
			"do not sign what you did not expect; cityproof alliance review FILE lists what it changes, and cityproof join-request sign signs any request")
	}
	if len(unsignedNew(m, req)) > 0 {
		return nil, refused(errors.New("the new key did not sign the request: whoever wrote it may not hold the key"), "your colleague runs cityproof key request on the machine that has the key")
	}
	return added, nil
}

// colleague is the label under which a key speaks for a city.
func colleague(m *roster.Member, key *signingkey.Key) (string, error) {
	label := labelIn(m.Entry, key.Public())
	switch {
	case label == "":
		return "", usage(fmt.Errorf("your key is none of the officers' of %s", m.ID()), "a colleague whose key is in the roster does this: cityproof alliance roster --json lists them")
	case retired(m, key.Public()):
		return "", refused(fmt.Errorf("your key, %s, is retired", label), "a retired key signs nothing; ask a colleague, and ask for a new one with cityproof key request")
	}
	return label, nil
}

func (a *App) keyRetire() *cobra.Command {
	var o officer
	var yes, lost bool
	cmd := &cobra.Command{
		Use:   "retire LABEL",
		Short: "End a colleague's key at once",
		Long: `Ends the key of another officer of your city: what it signed so far stays, and nothing
that it signs from now on counts. Your own key signs for that, alone, and it goes straight
into the registry: nobody else is asked. It can't be undone; the officer asks for a new
key. The last key of a city can't be retired by a colleague: the secretariat can
(cityproof alliance revoke).`,
		Example: "  cityproof key retire officer-2 --lost",
		Args:    cobra.ExactArgs(1),
	}
	o.flags(cmd)
	o.key.flags(cmd)
	cmd.Flags().BoolVar(&lost, "lost", false, "the key is lost or stolen (default: the officer left)")
	cmd.Flags().BoolVar(&yes, "yes", false, "do it without asking")
	cmd.Flags().StringVar(&o.alliance.reason, "reason", "", "why, for people to read (default: as --lost says)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		o.alliance.reason = cmp.Or(o.alliance.reason, map[bool]string{true: "the key is lost or stolen", false: "the officer left"}[lost])
		return a.retireKey(cmd.Context(), &o, args[0], yes)
	}
	return cmd
}

func (a *App) retireKey(ctx context.Context, o *officer, label string, yes bool) error {
	key, err := a.openKey(o.key)
	if err != nil {
		return err
	}
	r, m, err := a.cityOfKey(ctx, o, key)
	if err != nil {
		return err
	}
	if _, err := colleague(m, key); err != nil {
		return err
	}
	var lost *registryv1.PublisherKey
	for _, p := range m.Entry.GetPublishers() {
		if p.GetLabel() == label {
			lost = p
		}
	}
	switch {
	case lost == nil:
		return usage(fmt.Errorf("%s has no officer %s", m.ID(), canonicalName(label)), "cityproof key doctor lists the officers of your city")
	case retired(m, lost.GetKey()):
		return refused(fmt.Errorf("the key of %s is retired already", label), "nothing that it signs counts")
	case bytes.Equal(lost.GetKey(), key.Public()):
		return usage(errors.New("a key can't retire itself: a thief could, to keep you out"), "a colleague does it; or the secretariat: cityproof alliance revoke "+m.ID()+" "+encode(lost.GetKey()))
	}
	if !o.asJSON {
		a.say("%s of %s, key %s", label, m.ID(), encode(lost.GetKey()))
	}
	if err := a.confirm(yes, "End this key for ever?", "it can't be undone", "nothing was done"); err != nil {
		return err
	}
	note, err := a.finalNoteOf(ctx, r, m)
	if err != nil {
		return err
	}
	head, err := checkpoint.Unverified(note)
	if err != nil {
		return err
	}
	id := m.ID()
	what := &registryv1.Act{Act: &registryv1.Act_RevokeKey{RevokeKey: &registryv1.RevokeKey{Member: &id, Key: lost.GetKey(), FinalNote: note}}}
	index, sent, err := a.decideAs(ctx, &o.alliance, []crypto.Signer{key.Signer()}, "retire-"+id+"-"+label, what, nil)
	if err != nil || !sent {
		return err
	}
	if o.asJSON {
		return printJSON(a.Out, map[string]any{"city": id, "label": label, "key": encode(lost.GetKey()), "entry": index, "counts_below": max(head.Size, 1)})
	}
	a.sayEntered(index, "revoke key")
	a.say("Of %s's declarations those below entry %d count, and no later one.", label, max(head.Size, 1))
	a.say("For a new key they run cityproof key request --label %s --key NEW-FILE, as before.", label)
	return nil
}

// cityOfKey finds the city for which a key may publish, or that which was named.
func (a *App) cityOfKey(ctx context.Context, o *officer, key *signingkey.Key) (*roster.Roster, *roster.Member, error) {
	if o.city != "" {
		return a.officersCity(ctx, o)
	}
	st, _, err := a.follow(ctx, &o.alliance)
	if err != nil {
		return nil, nil, err
	}
	for _, m := range st.Roster.Members() {
		if labelIn(m.Entry, key.Public()) != "" {
			return st.Roster, m, nil
		}
	}
	return nil, nil, usage(errors.New("your key is no officer's of any member"), "a colleague whose key is in the roster does this; cityproof key request asks for yours")
}
