package cli

import (
	"bytes"
	"cmp"
	"context"
	"crypto"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	registryv1 "github.com/cityproof/cityproof/api/cityproof/registry/v1"
	"github.com/cityproof/cityproof/internal/act"
	"github.com/cityproof/cityproof/internal/client"
	follow "github.com/cityproof/cityproof/internal/registry"
	"github.com/cityproof/cityproof/internal/root"
	"github.com/cityproof/cityproof/internal/roster"
	"github.com/cityproof/cityproof/internal/tile"
)

// decision is what the verbs that decide have in common.
type decision struct {
	root, at, out, passphraseFile string
	keys                          []string
	reason                        string
	hold                          bool
	versions                      []*root.Root // of the root that are known from files, beside the first
}

// registryFlags say which alliance, and where its registry is read.
func (d *decision) registryFlags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&d.root, "root", "", "root.json, version 1 (default: that of your settings: cityproof use)")
	cmd.Flags().StringVar(&d.at, "registry", "", "`URL` of a node to read the registry from (default: the secretariat's, as root.json says)")
}

func (d *decision) flags(cmd *cobra.Command) {
	d.registryFlags(cmd)
	cmd.Flags().StringArrayVar(&d.keys, "key", nil, "a key `file` that signs (repeat for more)")
	cmd.Flags().StringVar(&d.passphraseFile, "passphrase-file", "", "read the keys' passphrase from this `file`")
	cmd.Flags().StringVar(&d.reason, "reason", "", "why, for people to read")
	cmd.Flags().StringVarP(&d.out, "out", "o", "", "`file` for the act while others still have to sign")
	cmd.Flags().BoolVar(&d.hold, "hold", false, "write the file only, also where enough have signed")
	_ = cmd.MarkFlagRequired("key")
}

// firstRoot reads version 1 of the alliance's root.
func (a *App) firstRoot(file string) (*root.Root, error) {
	named := file != ""
	r, err := readRoot(cmp.Or(file, a.configFile("root.json")))
	if errors.Is(err, fs.ErrNotExist) && !named {
		return nil, usage(errors.New("which alliance?"), "give --root root.json, or get it once with cityproof use HOST")
	}
	if err != nil {
		return nil, err
	}
	if r.Version != 1 {
		return nil, usage(fmt.Errorf("%s is version %d of the root", file, r.Version), "give version 1: the registry holds the later ones, and each is checked by the one before")
	}
	return r, nil
}

// follow replays the registry and returns it with the reader that was used.
func (a *App) follow(ctx context.Context, d *decision) (*follow.State, *client.LogReader, error) {
	first, err := a.firstRoot(d.root)
	if err != nil {
		return nil, nil, err
	}
	places := registryPlaces(first, first.Terms.Registry, d.at)
	if n := len(d.versions); n > 0 && d.versions[n-1].GoesOn() != nil {
		places = registryPlaces(first, d.versions[n-1].Terms.Registry, d.at)
	}
	begin := func() (*follow.Follower, error) {
		f, err := follow.NewFollower(first)
		if err != nil {
			return nil, refused(err, "get root.json again, by a way that you trust")
		}
		for _, v := range d.versions {
			if err := f.Adopt(v); err != nil {
				return nil, refused(err, "give the files of the versions between with --version, in their order")
			}
		}
		return f, nil
	}
	if _, err := begin(); err != nil {
		return nil, nil, err
	}
	f := followSoonest(ctx, begin, places)
	var fork *follow.ForkError
	switch {
	case errors.As(f.err, &fork):
		return nil, nil, refused(f.err, "the registry shows two histories: tell the other cities at once")
	case f.err != nil:
		return nil, nil, unknown(f.err, "neither the secretariat nor a founder's mirror gives the registry; name another member's copy with --registry")
	}
	return f.state, f.log, nil
}

// registryPlaces are where the registry lies: the one named, or the secretariat's node, then the founders' mirrors.
func registryPlaces(first *root.Root, registry root.Registry, named string) []string {
	if named != "" {
		return []string{named}
	}
	places := []string{registry.URL}
	for _, m := range first.Founders {
		if m.Member.Origin() != first.Terms.Registry.Origin {
			places = append(places, client.MirrorURL(m.Member.Entry.GetHttp(), registry.Origin))
		}
	}
	return places
}

// decide makes an act of what it does, has it signed with the keys at hand, and submits it once enough have signed.
func (a *App) decide(ctx context.Context, d *decision, name string, what *registryv1.Act, file []byte) error {
	signers, err := a.signersOf(d.keys, d.passphraseFile)
	if err != nil {
		return err
	}
	index, sent, err := a.decideAs(ctx, d, signers, name, what, file)
	if sent {
		a.sayEntered(index, titleOf(act.KindOf(what)))
	}
	return err
}

func (a *App) sayEntered(index uint64, title string) {
	a.say("In the registry: entry %d, %s.", index, title)
}

// decideAs is decide with keys that were opened. It returns the act's index in the registry; sent is false where others must
// sign first.
func (a *App) decideAs(ctx context.Context, d *decision, signers []crypto.Signer, name string, what *registryv1.Act, file []byte) (index uint64, sent bool, err error) {
	st, _, err := a.follow(ctx, d)
	if err != nil {
		return 0, false, err
	}
	alliance := st.Roster.Root().Alliance
	what.Alliance = alliance[:]
	if p := st.Roster.Previous(); p != [sha256.Size]byte{} {
		what.Previous = p[:]
	}
	what.DeclaredAt = proto.String(a.Now().UTC().Format("2006-01-02T15:04:05Z"))
	if d.reason != "" {
		what.Reason = &d.reason
	}
	signed, err := act.Sign(what, signers...)
	if err != nil {
		return 0, false, usage(err, "mend what it says and run the same again")
	}
	out := cmp.Or(d.out, name+".act.json")
	if missing := unsigned(st.Roster, signed, file); d.hold || missing != nil {
		return 0, false, a.keepAct(out, signed, file, missing)
	}
	index, err = a.submit(ctx, d, st.Roster, signed, file)
	return index, err == nil, err
}

// unsigned says why an act has no effect yet, where that is for want of signatures alone; else it returns nil.
func unsigned(r *roster.Roster, signed *act.Act, file []byte) error {
	out, err := r.Judge(signed.Envelope.Format(), oneFile(file))
	if err == nil && out.Kind == roster.Void && errors.Is(out.Reason, roster.ErrTooFew) {
		return out.Reason
	}
	return nil
}

// oneFile is the files of an act that commits to at most one.
func oneFile(file []byte) roster.FilesFunc {
	return func(sum [sha256.Size]byte) ([]byte, error) {
		if file != nil && sha256.Sum256(file) == sum {
			return file, nil
		}
		return nil, errors.New("it is not at hand")
	}
}

// keepAct writes an act for others to sign, with its file beside it; missing says whose signatures it lacks, if any.
func (a *App) keepAct(path string, signed *act.Act, file []byte, missing error) error {
	if err := writeFile(path, signed.Envelope.Format()); err != nil {
		return err
	}
	if file != nil {
		if err := writeFile(path+".file", file); err != nil {
			return err
		}
	}
	a.say("Wrote %s: %s, signed by %d.", path, titleOf(signed.Kind()), len(signed.Envelope.Signatures))
	if missing != nil {
		a.say("It has no effect yet: %s.", line(missing.Error()))
		a.say("Hand it to the next signer:   cityproof alliance sign %s --key YOUR.key", path)
	}
	a.say("When enough have signed:      cityproof alliance submit %s", path)
	a.say("No other act may come in between: this one names the last before it, and is written anew then.")
	return nil
}

// submit has the registry take an act, and checks in the registry itself that it did.
func (a *App) submit(ctx context.Context, d *decision, r *roster.Roster, signed *act.Act, file []byte) (index uint64, err error) {
	b := signed.Envelope.Format()
	out, err := r.Judge(b, oneFile(file))
	if err == nil && out.Kind != roster.Effective {
		err = out.Reason
	}
	if err != nil {
		hint := "nothing was submitted"
		if last := r.Previous(); !bytes.Equal(last[:], signed.Message.GetPrevious()) && last != [sha256.Size]byte{} {
			hint = "another act came in since this one was written; nothing was submitted. Write it anew with the same verb, and have it signed again"
		}
		return 0, refused(fmt.Errorf("this %s would have no effect: %w", titleOf(signed.Kind()), err), hint)
	}
	registry := r.Root().Terms.Registry
	for _, v := range d.versions {
		if v.Version > r.Root().Version && v.GoesOn() != nil {
			registry = v.Terms.Registry // the act that records it is the first in its log
		}
	}
	c, err := client.Dial(ctx, client.Options{Node: strings.TrimSuffix(registry.URL, "/log"), Now: a.Now})
	if err != nil {
		return 0, err
	}
	defer c.Close()
	index, err = c.SubmitAct(ctx, b, file)
	if err != nil {
		return 0, err
	}
	st, log, err := a.follow(ctx, d)
	if err != nil {
		return 0, err
	}
	if stored, err := entryAt(ctx, st, log, index); err != nil || !bytes.Equal(stored, b) {
		return 0, refused(fmt.Errorf("the secretariat says that the act is entry %d of the registry, and it is not there", index), "keep the act's file and ask the secretariat; others can submit it as well")
	}
	return index, nil
}

func (a *App) allianceSubmit() *cobra.Command {
	var d decision
	cmd := &cobra.Command{
		Use:   "submit FILE.act.json",
		Short: "Put an act that enough have signed into the registry",
		Args:  cobra.ExactArgs(1),
	}
	d.registryFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		b, err := os.ReadFile(args[0])
		if err != nil {
			return err
		}
		signed, err := act.Parse(b)
		if err != nil {
			return refused(err, "is this a file that a verb of cityproof alliance wrote?")
		}
		file, err := os.ReadFile(args[0] + ".file")
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		st, _, err := a.follow(cmd.Context(), &d)
		if err != nil {
			return err
		}
		index, err := a.submit(cmd.Context(), &d, st.Roster, signed, file)
		if err == nil {
			a.sayEntered(index, titleOf(signed.Kind()))
		}
		return err
	}
	return cmd
}

// signAct adds signatures to the file of an act.
func (a *App) signAct(path string, b []byte, signers []crypto.Signer) error {
	signed, err := act.Parse(b)
	if err != nil {
		return refused(err, "is this a file that a verb of cityproof alliance wrote?")
	}
	a.sayAct(signed)
	if v := recordedBy(signed, path+".file"); v != nil {
		a.sayVersion(v)
	}
	if signed, err = signed.Countersign(signers...); err != nil {
		return refused(err, "each key signs once")
	}
	if err := writeFile(path, signed.Envelope.Format()); err != nil {
		return err
	}
	a.say("Signed %s. It has %d signatures. When enough have signed: cityproof alliance submit %s", path, len(signed.Envelope.Signatures), path)
	return nil
}

// recordedBy is the version of the root that an act records, where its file lies beside it; nil if there is none.
func recordedBy(signed *act.Act, file string) *root.Root {
	b, err := readLimited(file, root.MaxFile)
	if sum := sha256.Sum256(b); err != nil || !bytes.Equal(sum[:], signed.Message.GetRootVersion().GetFile()) {
		return nil
	}
	v, err := root.Parse(b)
	if err != nil {
		return nil
	}
	return v
}

// entryAt reads an entry of a registry that was replayed; that it belongs there, the replay has shown for the root.
func entryAt(ctx context.Context, st *follow.State, log *client.LogReader, index uint64) ([]byte, error) {
	size := st.Roster.Size()
	if index >= size {
		return nil, fmt.Errorf("the registry has %d entries", size)
	}
	first := index &^ (tile.FullWidth - 1)
	entries, err := log.Bundle(ctx, index/tile.FullWidth, int(min(tile.FullWidth, size-first)))
	if err != nil {
		return nil, err
	}
	return entries[index-first], nil
}

// when is a time as people read it, in UTC.
func when(unix int64) string { return time.Unix(unix, 0).UTC().Format("2 January 2006 15:04 UTC") }
