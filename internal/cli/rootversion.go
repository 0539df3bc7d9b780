package cli

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	registryv1 "github.com/cityproof/cityproof/api/cityproof/registry/v1"
	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/receipt"
	"github.com/cityproof/cityproof/internal/root"
	"github.com/cityproof/cityproof/internal/roster"
)

// allianceRoot records a version of the root. One by which the registry goes on after a fork is the first act in its new log.
func (a *App) allianceRoot() *cobra.Command {
	var between []string
	cmd := a.deciding("root FILE --key KEY", "Record a version of root.json in the registry, the first one too", 1,
		func(_ *cobra.Command, d *decision, args []string) (string, *registryv1.Act, []byte, error) {
			b, err := readLimited(args[0], root.MaxFile)
			if err != nil {
				return "", nil, nil, err
			}
			for _, file := range append(between, args[0]) {
				v, err := readRoot(file)
				if err != nil {
					return "", nil, nil, err
				}
				if v.Version == 1 && d.root == "" {
					d.root = file // the founding: nobody has it from anywhere else
				}
				if v.GoesOn() != nil || file != args[0] {
					d.versions = append(d.versions, v)
				}
			}
			sum := sha256.Sum256(b)
			return "root", &registryv1.Act{Act: &registryv1.Act_RootVersion{RootVersion: &registryv1.RootVersion{File: sum[:]}}}, b, nil
		})
	cmd.Flags().StringArrayVar(&between, "version", nil, "`file` of a version between the first and this one, in order, where this one goes on after a fork (repeat)")
	return cmd
}

// nextVersion is one run of the verb alliance next-root.
type nextVersion struct {
	decision                           // of --pin
	out, from, log, url                string
	addRoot, dropRoot, addAct, dropAct []string
	threshold, actThreshold, years     int
	pin                                bool
	reseat                             []string // member ids
}

func (a *App) allianceNextRoot() *cobra.Command {
	var v nextVersion
	cmd := &cobra.Command{
		Use:   "next-root PREVIOUS.json --out root.2.json",
		Short: "Write the next version of root.json, for the holders of the root keys to sign",
		Args:  cobra.ExactArgs(1),
		Long: `Writes the version after PREVIOUS, unsigned. It says the same and is good for another year;
what a flag names is replaced. Holders of the old keys and of the new ones sign it, on
machines that are offline: cityproof alliance sign root.2.json --previous root.json --key HOLDER.key
It counts once it is recorded: cityproof alliance root root.2.json --key ACT.key

--pin reads the registry and lets the version vouch for its newest epoch: then receipts need
no proof of the epochs before. Do it with each version; without it receipts grow each month.
Give --pin at least yearly: what holders pin they vouch for, so replay the registry first.
Give it after the registry's log got new keys too: without a version that names them, receipts
of later epochs can't be told by root.json alone.

After the registry's keys signed two histories, --continue-from names the head that counts:
a checkpoint of the old log, in a file. What those keys signed for larger sizes is void, on
every branch. --log is trust.json of the new log, which needs a new name beside the old one
and new keys, and holds the same entries up to there. Every member puts the file beside its
root.json, as root.2.json, and refuses the liar's branch from then on.

After so many seats of the registry fell silent that none of its heads gets a quorum,
--reseat names the members who witness it instead, with their keys as the registry has
them now, until the next epoch is handed over. Replace lost keys first (alliance rotate, by
root keys); suspend who stays silent, or the next committee may have them again.`,
		Example: `  cityproof alliance next-root root.json --out root.2.json --pin
  cityproof alliance next-root root.json --out root.2.json --drop-root-key OLD --add-root-key NEW
  cityproof alliance next-root root.json --out root.2.json --continue-from agreed.checkpoint --log new/trust.json
  cityproof alliance next-root root.json --out root.2.json --reseat jp-tsukuba --reseat kr-busan --reseat fr-lyon`,
	}
	fl := cmd.Flags()
	fl.StringArrayVar(&v.addRoot, "add-root-key", nil, "public `key` of a new holder (repeat)")
	fl.StringArrayVar(&v.dropRoot, "drop-root-key", nil, "public `key` of a holder who goes (repeat)")
	fl.IntVar(&v.threshold, "threshold", 0, "how many root keys must sign (default: as before)")
	fl.StringArrayVar(&v.addAct, "add-act-key", nil, "public `key` of a new signer of acts (repeat)")
	fl.StringArrayVar(&v.dropAct, "drop-act-key", nil, "public `key` of a signer of acts who goes (repeat)")
	fl.IntVar(&v.actThreshold, "act-threshold", 0, "how many act keys must sign (default: as before)")
	fl.BoolVar(&v.pin, "pin", false, "pin the newest epoch that the registry has proven, so that receipts need no links from before it")
	v.registryFlags(cmd)
	fl.IntVar(&v.years, "years", 1, "for how long from now the version is good")
	fl.StringVar(&v.from, "continue-from", "", "`file` of the checkpoint of the old registry log that counts, after a proven fork")
	fl.StringVar(&v.log, "log", "", "trust.json of the log in which the registry goes on")
	fl.StringVar(&v.url, "url", "", "`URL` of that log (default: as before)")
	fl.StringArrayVar(&v.reseat, "reseat", nil, "`id` of a member who witnesses the registry in place of its silent committee (repeat)")
	fl.StringVarP(&v.out, "out", "o", "", "`file` to write")
	_ = cmd.MarkFlagRequired("out")
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return a.nextRoot(cmd.Context(), &v, args[0]) }
	return cmd
}

func (a *App) nextRoot(ctx context.Context, v *nextVersion, previous string) error {
	if _, err := os.Lstat(v.out); !errors.Is(err, fs.ErrNotExist) {
		return usage(fmt.Errorf("%s exists already", v.out), "holders may have signed it: choose another file with --out")
	}
	prev, err := readRoot(previous)
	if err != nil {
		return err
	}
	d := root.Draft{
		Version: prev.Version + 1, Expires: a.Now().UTC().Truncate(time.Second).AddDate(v.years, 0, 0),
		Keys: prev.Keys, Threshold: cmp.Or(v.threshold, prev.Threshold), Terms: prev.Terms,
	}
	d.Terms.Genesis, d.Terms.Founders = prev.Alliance.String(), nil
	d.Terms.ActThreshold = cmp.Or(v.actThreshold, d.Terms.ActThreshold)
	if err := v.exchangeKeys(&d); err != nil {
		return err
	}
	if err := a.fromRegistry(ctx, v, &d); err != nil {
		return err
	}
	if (v.from == "") != (v.log == "") || v.url != "" && v.from == "" {
		return usage(errors.New("--continue-from, --log and --url belong together"), "the registry moves after a proven fork alone, and then to a new log")
	}
	if v.from != "" {
		if err := v.goOn(&d, prev); err != nil {
			return err
		}
	}
	next, err := root.New(d)
	if err == nil {
		err = prev.CheckNext(next)
	}
	if err != nil {
		return refused(err, "nothing was written")
	}
	b, err := next.Format()
	if err != nil {
		return err
	}
	if err := writeFile(v.out, b); err != nil {
		return err
	}
	a.say("Wrote %s: version %d of %q, unsigned.", v.out, next.Version, next.Terms.Name)
	a.sayVersion(next)
	if next.GoesOn() == nil && !slices.Equal(next.Terms.Registry.VKeys, prev.Terms.Registry.VKeys) {
		a.say("  it names the keys that sign the registry's log now: %s", line(strings.Join(next.Terms.Registry.VKeys, ", ")))
	}
	a.sayRoot(v.out, next, prev)
	return nil
}

// fromRegistry enters what the registry knows: the keys that sign it, the newest epoch, and the keys of members who are to have a
// seat.
func (a *App) fromRegistry(ctx context.Context, v *nextVersion, d *root.Draft) error {
	if v.pin || v.reseat != nil {
		st, _, err := a.follow(ctx, &v.decision)
		if err != nil {
			return err
		}
		// Offline, who holds this version judges later anchors of the registry by the keys that it names.
		d.Terms.Registry.VKeys = st.Roster.ByOrigin(d.Terms.Registry.Origin).Entry.GetLogVkeys()
		if v.pin {
			d.Terms.Pin = st.Roster.Pin()
		}
		if v.reseat != nil {
			if d.Terms.Reseat, err = st.Roster.ReseatBy(v.reseat...); err != nil {
				return refused(err, "cityproof alliance roster lists the members; nothing was written")
			}
			d.Terms.Reseat.Version = d.Version
		}
	}
	if p, s := d.Terms.Pin, d.Terms.Reseat; p != nil && s != nil && p.Epoch > s.Epoch {
		d.Terms.Reseat = nil // what is linked from that epoch needs no proof any more
	}
	return nil
}

// sayVersion tells what a version does to the registry, for who is about to sign it.
func (a *App) sayVersion(v *root.Root) {
	if c := v.GoesOn(); c != nil {
		a.say("  the registry goes on in %s from size %d; everything above that in %s is void", line(v.Terms.Registry.Origin), c.Size, line(c.Origin))
	}
	if s := v.Reseats(); s != nil {
		n := len(s.Seats)
		a.say("  the registry is reseated in epoch %d: not the committee that was drawn, but %d of these %d members make its heads final:", s.Epoch, roster.Quorum(n), n)
		for _, seat := range s.Seats {
			a.say("    %s, run by %s, with the keys %s and %s", seat.ID, seat.Operator, line(seat.Witness), line(seat.Mirror))
		}
	}
}

// exchangeKeys adds and drops the keys that flags name.
func (v *nextVersion) exchangeKeys(d *root.Draft) error {
	var holders [][]byte
	for _, k := range d.Keys {
		holders = append(holders, k)
	}
	holders, err := exchange(holders, v.addRoot, v.dropRoot)
	if err != nil {
		return err
	}
	d.Keys = nil
	for _, k := range holders {
		d.Keys = append(d.Keys, ed25519.PublicKey(k))
	}
	if d.Terms.ActKeys, err = exchange(d.Terms.ActKeys, v.addAct, v.dropAct); err != nil {
		return err
	}
	slices.SortFunc(d.Terms.ActKeys, bytes.Compare)
	return nil
}

// exchange takes keys from a list and adds others; a key that is dropped must be there.
func exchange(keys [][]byte, add, drop []string) ([][]byte, error) {
	out := slices.Clone(keys)
	for _, text := range drop {
		key, err := publicKey(text)
		if err != nil {
			return nil, err
		}
		n := len(out)
		if out = slices.DeleteFunc(out, func(k []byte) bool { return bytes.Equal(k, key) }); len(out) == n {
			return nil, usage(fmt.Errorf("%s is none of the keys", text), "cityproof alliance status --json lists the keys in force")
		}
	}
	for _, text := range add {
		key, err := publicKey(text)
		if err != nil {
			return nil, err
		}
		out = append(out, key)
	}
	return out, nil
}

// goOn names the head that counts and the new log. Who signed the checkpoint is not asked: what the holders sign decides.
func (v *nextVersion) goOn(d *root.Draft, prev *root.Root) error {
	note, err := readLimited(v.from, checkpoint.MaxNoteSize)
	if err != nil {
		return err
	}
	head, err := checkpoint.Unverified(note)
	if err == nil && head.Origin != prev.Terms.Registry.Origin {
		err = fmt.Errorf("it is a checkpoint of %s, and the registry is %s", line(head.Origin), prev.Terms.Registry.Origin)
	}
	if err != nil {
		return refused(fmt.Errorf("%s: %w", v.from, err), "want the file that the old log served as checkpoint")
	}
	b, err := readLimited(v.log, receipt.MaxTrust)
	if err != nil {
		return err
	}
	trust, err := receipt.ParseTrust(b)
	if err != nil {
		return refused(fmt.Errorf("%s: %w", v.log, err), "want trust.json that cityproof-node init wrote for the new log")
	}
	from := root.ContinueFrom{Version: d.Version, Origin: head.Origin, Size: int64(head.Size), Root: head.Root[:]} //nolint:gosec // package checkpoint bounds it
	d.Terms.ContinueFrom = append(slices.Clip(d.Terms.ContinueFrom), from)
	d.Terms.Registry = root.Registry{Origin: trust.Origin, URL: cmp.Or(v.url, prev.Terms.Registry.URL)}
	for _, key := range trust.Log {
		d.Terms.Registry.VKeys = append(d.Terms.Registry.VKeys, checkpoint.FormatVKey(key.Key()))
	}
	return nil
}
