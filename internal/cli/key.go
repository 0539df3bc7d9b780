package cli

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	registryv1 "github.com/cityproof/cityproof/api/cityproof/registry/v1"
	"github.com/cityproof/cityproof/internal/roster"
	"github.com/cityproof/cityproof/internal/signingkey"
)

func (a *App) key() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "key",
		Short: "Officers' keys: ask for one, approve a colleague's, retire a lost one, check them all",
		Long: `Each officer has a key of their own, made on their own machine and never shared. The
alliance's registry says whose keys count, so a new key is asked for, approved by a
colleague, and entered by the secretariat:

  the new officer   cityproof key request --label officer-2
  a colleague       cityproof key approve nl-kanaalstad.officer-2.request.json
  the secretariat   cityproof alliance admit nl-kanaalstad.officer-2.request.json --key act.key

A key that is lost or stolen is retired at once by any colleague, without the secretariat:
cityproof key retire officer-2 --lost`,
	}
	cmd.AddCommand(a.keyRequest(), a.keyApprove(), a.keyRetire(), a.keyDoctor())
	return cmd
}

// officer is what the verbs about officers' keys have in common.
type officer struct {
	key       keyFlags
	alliance  decision
	city      string
	workspace string
	asJSON    bool
}

func (o *officer) flags(cmd *cobra.Command) {
	o.alliance.registryFlags(cmd)
	cmd.Flags().StringVar(&o.city, "city", "", "member `id` of your city (default: the workspace's)")
	cmd.Flags().StringVar(&o.workspace, "workspace", "", "workspace `file` (default: cityproof.yaml here or above)")
	cmd.Flags().BoolVar(&o.asJSON, "json", false, "print JSON")
}

// cityID is the city that was named, or the workspace's; empty if none is.
func (o *officer) cityID() (string, error) {
	if o.city != "" {
		return o.city, nil
	}
	ws, err := findWorkspace(o.workspace, ".")
	return ws.City, err
}

// officersCity finds the officer's city in the registry.
func (a *App) officersCity(ctx context.Context, o *officer) (*roster.Roster, *roster.Member, error) {
	id, err := o.cityID()
	if err != nil {
		return nil, nil, err
	}
	if id == "" {
		return nil, nil, usage(errors.New("which city?"), "give --city ID, or write city: ID into cityproof.yaml")
	}
	return a.memberOf(ctx, &o.alliance, id)
}

// keyRun is one run of the verb key request.
type keyRun struct {
	officer
	label, out string
	plain      bool
}

func (a *App) keyRequest() *cobra.Command {
	var k keyRun
	cmd := &cobra.Command{
		Use:   "request --label LABEL",
		Short: "Make a key of your own, and ask that it counts",
		Long: `Makes your key, unless the file is there already, and writes a request: your city's entry
in the alliance with your key in it, signed by your key. Nothing in it is secret. A
colleague whose key counts approves it (cityproof key approve FILE), after asking you
whether the key in it is yours; then the secretariat enters it.

The label names the office, never a person: officer-2.`,
		Example: `  cityproof key request --label officer-2
  cityproof key request --label officer-2 --key usb/officer-2.key --city nl-kanaalstad`,
		Args: cobra.NoArgs,
	}
	k.officer.flags(cmd)
	k.key.flags(cmd)
	cmd.Flags().StringVar(&k.label, "label", "", "name of the office (default: that of a key that exists)")
	cmd.Flags().BoolVar(&k.plain, "plain", false, "do not encrypt the file of a new key")
	cmd.Flags().StringVarP(&k.out, "out", "o", "", "`file` to write (default: CITY.LABEL.request.json)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return a.requestKey(cmd.Context(), &k) }
	return cmd
}

func (a *App) requestKey(ctx context.Context, k *keyRun) error {
	r, m, err := a.officersCity(ctx, &k.officer)
	if err != nil {
		return err
	}
	key, err := a.ownKey(k, m)
	if err != nil {
		return err
	}
	if label := labelIn(m.Entry, key.Public()); label != "" {
		if retired(m, key.Public()) {
			return refused(fmt.Errorf("this key was %s of %s, and is retired", label, m.ID()), "a retired key never counts again: make another with --key NEW-FILE")
		}
		return usage(fmt.Errorf("this key is %s of %s already", label, m.ID()), "there is nothing to ask for; cityproof key doctor checks that it works")
	}
	entry := changed(m)
	entry.Publishers = append(entry.Publishers, &registryv1.PublisherKey{Key: key.Public(), Label: proto.String(key.Label)})
	req, err := signChange(r, m, entry, nil, key.Signer())
	if err != nil {
		return usage(err, "a label has lower-case letters, digits and hyphens, at most 40; a city has at most 16 officers")
	}
	out := cmp.Or(k.out, m.ID()+"."+key.Label+".request.json")
	if err := writeFile(out, req.Envelope.Format()); err != nil {
		return err
	}
	if k.asJSON {
		return printJSON(a.Out, map[string]string{"file": out, "city": m.ID(), "label": key.Label, "key": encode(key.Public())})
	}
	a.say("Wrote %s: %s asks to publish for %s.", out, key.Label, m.ID())
	a.say("  its key  %s", encode(key.Public()))
	a.say("Hand the file to a colleague, and read them the key when they ask:")
	a.say("  cityproof key approve %s", out)
	return nil
}

// ownKey reads the officer's key, or makes it. Nothing is made that could not be asked for.
func (a *App) ownKey(k *keyRun, m *roster.Member) (*signingkey.Key, error) {
	file := cmp.Or(k.key.file, a.configFile("publisher.key"))
	_, err := os.Lstat(file)
	exists := !errors.Is(err, fs.ErrNotExist)
	if exists {
		key, err := a.openKey(k.key)
		if err == nil && k.label != "" && k.label != key.Label {
			err = usage(fmt.Errorf("%s is labelled %s, not %s", file, key.Label, k.label), "give --label "+key.Label+", or --key NEW-FILE for another key")
		}
		if err != nil {
			return nil, err
		}
		k.label = key.Label
		return key, a.labelFree(m, key)
	}
	if k.label == "" {
		return nil, usage(errors.New("which office?"), "give --label, for example officer-2: an office, never a person")
	}
	key, err := signingkey.Generate(signingkey.Publisher, k.label, signingkey.Ed25519)
	if err != nil {
		return nil, usage(err, "for example: cityproof key request --label officer-2")
	}
	if err := a.labelFree(m, key); err != nil {
		return nil, err
	}
	if k.key.file == "" {
		if err := os.MkdirAll(a.configFile(""), 0o700); err != nil {
			return nil, err
		}
	}
	if err := a.saveKey(file, key, k.plain, k.key.passphraseFile); err != nil {
		return nil, err
	}
	a.note("Made %s (%s key %q). Keep it on this machine, and a copy in a safe place.", file, key.Role, key.Label)
	return key, nil
}

// labelFree refuses a label that another officer of the city has.
func (a *App) labelFree(m *roster.Member, key *signingkey.Key) error {
	for _, p := range m.Entry.GetPublishers() {
		if p.GetLabel() == key.Label && !bytes.Equal(p.GetKey(), key.Public()) && !retired(m, p.GetKey()) {
			return usage(fmt.Errorf("%s has an officer of the label %s, with another key", m.ID(), key.Label),
				"choose another label with --label; if that key is lost, a colleague retires it first: cityproof key retire "+key.Label+" --lost")
		}
	}
	return nil
}

// saveKey writes a new key's file, encrypted unless it shall be plain.
func (a *App) saveKey(file string, key *signingkey.Key, plain bool, passphraseFile string) error {
	content := key.Format()
	if !plain {
		pass, err := a.newPassphrase(passphraseFile)
		if err != nil {
			return err
		}
		if content, err = key.Encrypt(pass); err != nil {
			return err
		}
	}
	return signingkey.WriteFile(file, content)
}
