package cli

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/cityproof/cityproof/internal/act"
	"github.com/cityproof/cityproof/internal/root"
)

func (a *App) alliance() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "alliance",
		Short: "Found an alliance, and decide about its members",
		Long: `An alliance begins with root.json: its founders, the keys that decide, and how many of
them must agree. Everything later is an act in the registry log, signed by enough of the
act keys (or of the root keys, who may do all that act keys may). Whoever signs does it on
a file, with a key that never leaves their machine, one after another.`,
	}
	cmd.AddCommand(a.allianceInit(), a.allianceSign(), a.allianceSubmit(), a.allianceReview(), a.allianceAdmit(), a.allianceSuspend(),
		a.allianceReinstate(), a.allianceLeave(), a.allianceRotate(), a.allianceContest(), a.allianceRevoke(), a.allianceFreeze(),
		a.allianceMoveLog(), a.allianceAccredit(), a.allianceEpoch(), a.allianceRuleSet(), a.allianceNextRoot(), a.allianceRoot(), a.allianceRoster(), a.allianceStatus())
	return cmd
}

// founding is one run of the verb alliance init.
type founding struct {
	ceremony                bool
	name, out               string
	rootKeys, actKeys       []string
	threshold, actThreshold int
	years                   int
	firstDraw               time.Duration
}

func (a *App) allianceInit() *cobra.Command {
	var f founding
	cmd := &cobra.Command{
		Use:   "init --name NAME --root-key KEY… --act-key KEY… SECRETARIAT.join.json FOUNDER.join.json…",
		Short: "Write the first root.json, for the holders of the root keys to sign",
		Long: `Writes version 1 of the alliance's root metadata, unsigned. The founders' requests come
first the secretariat's, whose log is the registry. Every founder's key has signed its
request; the holders of root keys then sign the file one after another, on machines that
are offline: cityproof alliance sign root.json --key HOLDER.key

--ceremony prints the whole ceremony, step by step.`,
		Example: `  cityproof alliance init --ceremony
  cityproof alliance init --name "Harbour alliance" --root-key … --root-key … --root-key … --act-key … --act-key … --act-key … \
      xx-secretariat.join.json nl-kanaalstad.join.json jp-minato.join.json`,
	}
	fl := cmd.Flags()
	fl.BoolVar(&f.ceremony, "ceremony", false, "print the ceremony and make nothing")
	fl.StringVar(&f.name, "name", "", "the alliance as people call it")
	fl.StringArrayVar(&f.rootKeys, "root-key", nil, "public `key` of a holder of a root key (repeat)")
	fl.IntVar(&f.threshold, "threshold", 0, "how many root keys must sign (default: more than half, at least 2)")
	fl.StringArrayVar(&f.actKeys, "act-key", nil, "public `key` of who signs acts (repeat)")
	fl.IntVar(&f.actThreshold, "act-threshold", 0, "how many act keys must sign (default: more than half, at least 2)")
	fl.IntVar(&f.years, "years", 1, "for how long the root is good; sign the next version before that")
	fl.DurationVar(&f.firstDraw, "first-draw", 7*24*time.Hour, "when the seats of the first epoch after the founding may be drawn")
	fl.StringVarP(&f.out, "out", "o", "root.json", "`file` to write")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if f.ceremony {
			a.say("%s", ceremony)
			return nil
		}
		return a.found(&f, args)
	}
	return cmd
}

func (a *App) found(f *founding, requests []string) error {
	if _, err := os.Lstat(f.out); !errors.Is(err, fs.ErrNotExist) {
		return usage(fmt.Errorf("%s exists already", f.out), "an alliance is founded once; choose another file with --out")
	}
	now := a.Now().UTC().Truncate(time.Second)
	d := root.Draft{Version: 1, Expires: now.AddDate(f.years, 0, 0), Threshold: cmp.Or(f.threshold, majority(len(f.rootKeys)))}
	d.Terms = root.Terms{
		Name: f.name, ActThreshold: cmp.Or(f.actThreshold, majority(len(f.actKeys))),
		FoundedAt: now.Unix(), NextDraw: now.Add(f.firstDraw).Unix(),
	}
	for _, text := range f.rootKeys {
		key, err := publicKey(text)
		if err != nil {
			return err
		}
		d.Keys = append(d.Keys, key)
	}
	for _, text := range f.actKeys {
		key, err := publicKey(text)
		if err != nil {
			return err
		}
		d.Terms.ActKeys = append(d.Terms.ActKeys, key)
	}
	slices.SortFunc(d.Terms.ActKeys, bytes.Compare)
	if err := addFounders(&d, requests); err != nil {
		return err
	}
	r, err := root.New(d)
	if err != nil {
		return refused(err, "cityproof alliance init --ceremony says what is needed, and from whom")
	}
	b, err := r.Format()
	if err != nil {
		return err
	}
	if err := writeFile(f.out, b); err != nil {
		return err
	}
	a.say("Wrote %s: version 1 of %q, %d founders, unsigned.", f.out, f.name, len(r.Founders))
	a.sayRoot(f.out, r, nil)
	return nil
}

// majority is more than half of n, and never one alone.
func majority(n int) int { return max(root.MinKeys, n/2+1) }

func addFounders(d *root.Draft, requests []string) error {
	for i, file := range requests {
		b, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		r, err := act.ParseRequest(b)
		if err == nil {
			err = r.VerifyJoining()
		}
		if err != nil {
			return refused(fmt.Errorf("%s: %w", file, err), "cityproof alliance review "+file+" says what is missing")
		}
		if i == 0 {
			e := r.Member.Entry
			d.Terms.Registry = root.Registry{Origin: e.GetOrigin(), URL: e.GetHttp() + "/log", VKeys: e.GetLogVkeys()}
		}
		d.Terms.Founders = append(d.Terms.Founders, b)
	}
	return nil
}

// sayRoot tells what identifies a version of the root, and whose signatures it still needs.
func (a *App) sayRoot(file string, r, prev *root.Root) {
	a.say("  fingerprint %s", r.ID)
	have, want := r.Signed(nil)
	missing := max(0, want-have)
	a.say("  signed by %d of its own keys, %d wanted", have, want)
	if prev != nil {
		have, want := r.Signed(prev)
		missing += max(0, want-have)
		a.say("  signed by %d keys of the version before, %d wanted", have, want)
	}
	if missing > 0 {
		a.say("Hand it to the next holder: compare the fingerprint by telephone, then cityproof alliance sign %s --key YOUR.key", file)
		return
	}
	a.say("It is signed. This one file configures everything: hand it to every member, and publish its fingerprint.")
}

func (a *App) allianceSign() *cobra.Command {
	var keys []string
	var previous, passphraseFile string
	cmd := &cobra.Command{
		Use:   "sign FILE --key KEY",
		Short: "Sign a root.json or an act that others sign too, offline",
		Args:  cobra.ExactArgs(1),
		Example: `  cityproof alliance sign root.json --key holder-2.key
  cityproof alliance sign admit-jp-minato.act.json --key act-2.key`,
	}
	cmd.Flags().StringArrayVar(&keys, "key", nil, "key `file` (repeat for more)")
	cmd.Flags().StringVar(&previous, "previous", "", "the root.json of the version before, where FILE is a later one")
	cmd.Flags().StringVar(&passphraseFile, "passphrase-file", "", "read the keys' passphrase from this `file`")
	_ = cmd.MarkFlagRequired("key")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		b, err := os.ReadFile(args[0])
		if err != nil {
			return err
		}
		signers, err := a.signersOf(keys, passphraseFile)
		if err != nil {
			return err
		}
		if bytes.HasPrefix(b, []byte(`{"payload"`)) {
			return a.signAct(args[0], b, signers)
		}
		r, err := readRoot(args[0])
		if err != nil {
			return err
		}
		var prev *root.Root
		if previous != "" {
			if prev, err = readRoot(previous); err != nil {
				return err
			}
		}
		a.sayVersion(r)
		for _, s := range signers {
			if r, err = r.Sign(prev, s); err != nil {
				return refused(err, "is this the key whose public half you gave for the root?")
			}
		}
		if b, err = r.Format(); err != nil {
			return err
		}
		if err := writeFile(args[0], b); err != nil {
			return err
		}
		a.say("Signed %s: version %d of %q.", args[0], r.Version, r.Terms.Name)
		a.sayRoot(args[0], r, prev)
		return nil
	}
	return cmd
}
