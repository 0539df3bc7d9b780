package cli

import (
	"bytes"
	"cmp"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/cityproof/cityproof/internal/root"
)

// renewal is one run of the verb alliance renew.
type renewal struct {
	addRoot, dropRoot, addAct, dropAct []string
	threshold, actThreshold, years     int
	name, url, out                     string
}

func (a *App) allianceRenew() *cobra.Command {
	var n renewal
	cmd := &cobra.Command{
		Use:   "renew ROOT.json",
		Short: "Write the next version of root.json, for old and new holders to sign",
		Long: `Writes the version that follows ROOT.json, unsigned: good for another year, and with the
keys of holders and of signers of acts that you add and drop. Enough holders of the version
before and of the new one sign it, one after another:

  cityproof alliance sign root-2.json --previous root.json --key HOLDER.key

Then the registry records it, signed by the act keys in force: cityproof alliance root
root-2.json. Members keep version 1 as their root.json: the registry leads from there to
the newest.`,
		Example: `  cityproof alliance renew root.json --out root-2.json
  cityproof alliance renew root.json --drop-root-key OLD --add-root-key NEW --out root-2.json`,
		Args: cobra.ExactArgs(1),
	}
	f := cmd.Flags()
	f.StringArrayVar(&n.addRoot, "add-root-key", nil, "public `key` of a new holder (repeat)")
	f.StringArrayVar(&n.dropRoot, "drop-root-key", nil, "public `key` of a holder who goes (repeat)")
	f.StringArrayVar(&n.addAct, "add-act-key", nil, "public `key` of a new signer of acts (repeat)")
	f.StringArrayVar(&n.dropAct, "drop-act-key", nil, "public `key` of a signer of acts who goes (repeat)")
	f.IntVar(&n.threshold, "threshold", 0, "how many root keys must sign (default: as before)")
	f.IntVar(&n.actThreshold, "act-threshold", 0, "how many act keys must sign (default: as before)")
	f.IntVar(&n.years, "years", 1, "for how long it is good, from today")
	f.StringVar(&n.name, "name", "", "the alliance as people call it (default: as before)")
	f.StringVar(&n.url, "registry-url", "", "`URL` of the registry log, ending in /log (default: as before)")
	f.StringVarP(&n.out, "out", "o", "", "`file` to write (default: root-VERSION.json)")
	cmd.RunE = func(_ *cobra.Command, args []string) error { return a.renew(&n, args[0]) }
	return cmd
}

func (a *App) renew(n *renewal, file string) error {
	prev, err := readRoot(file)
	if err != nil {
		return err
	}
	d := root.Draft{
		Version: prev.Version + 1, Expires: a.Now().UTC().Truncate(time.Second).AddDate(n.years, 0, 0),
		Threshold: cmp.Or(n.threshold, prev.Threshold), Terms: prev.Terms,
	}
	d.Terms.Genesis, d.Terms.Founders = prev.Alliance.String(), nil
	d.Terms.Name, d.Terms.ActThreshold = cmp.Or(n.name, prev.Terms.Name), cmp.Or(n.actThreshold, prev.Terms.ActThreshold)
	d.Terms.Registry.URL = cmp.Or(n.url, prev.Terms.Registry.URL)
	var held [][]byte
	for _, k := range prev.Keys {
		held = append(held, k)
	}
	if held, err = exchange(held, n.addRoot, n.dropRoot); err != nil {
		return err
	}
	for _, k := range held {
		d.Keys = append(d.Keys, ed25519.PublicKey(k))
	}
	if d.Terms.ActKeys, err = exchange(prev.Terms.ActKeys, n.addAct, n.dropAct); err != nil {
		return err
	}
	slices.SortFunc(d.Terms.ActKeys, bytes.Compare)
	out := cmp.Or(n.out, fmt.Sprintf("root-%d.json", d.Version))
	if _, err := os.Lstat(out); !errors.Is(err, fs.ErrNotExist) {
		return usage(fmt.Errorf("%s exists already", out), "choose another file with --out")
	}
	next, err := root.New(d)
	if err != nil {
		return refused(err, "look at the keys and thresholds that you gave")
	}
	b, err := next.Format()
	if err != nil {
		return err
	}
	if err := writeFile(out, b); err != nil {
		return err
	}
	a.say("Wrote %s: version %d of %q, good until %s, unsigned.", out, next.Version, next.Terms.Name, when(next.Expires.Unix()))
	a.sayRoot(out, next, prev)
	return nil
}

// exchange adds keys to a list and takes others from it; a key that is dropped must be there.
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
