package cli

import (
	"bytes"
	"cmp"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cityproof/cityproof/internal/act"
	"github.com/cityproof/cityproof/internal/roster"
	"github.com/cityproof/cityproof/internal/signingkey"
)

// checkup is one run of the verb key doctor.
type checkup struct {
	officer
	keys            []string
	withoutRecovery bool
}

// health is what key doctor found.
type health struct {
	Keys     []shownKey     `json:"keys"`
	Officers []shownOfficer `json:"officers"`
	Recovery string         `json:"recovery"` // how the city's recovery key was rehearsed; empty: not at all
	Problems []problem      `json:"problems"`
}

// shownKey is one key file.
type shownKey struct {
	File  string          `json:"file"`
	Role  signingkey.Role `json:"role,omitempty"`
	Label string          `json:"label,omitempty"`
	Key   string          `json:"key,omitempty"`
	Signs bool            `json:"signs"` // it opens, and what it signs verifies
	Known string          `json:"known"` // as what the roster knows it
	Note  string          `json:"note,omitempty"`
}

// shownOfficer is one officer of the city, as the roster has it.
type shownOfficer struct {
	Label   string `json:"label"`
	Key     string `json:"key"`
	Retired bool   `json:"retired"`
	// RetiredBy are the colleagues who can retire the key at once.
	RetiredBy []string `json:"retired_by,omitempty"`
}

type problem struct {
	What string `json:"what"`
	Hint string `json:"hint"`
}

func (h *health) add(what, hint string) { h.Problems = append(h.Problems, problem{what, hint}) }

func (a *App) keyDoctor() *cobra.Command {
	var c checkup
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check that every key works, counts, and can be replaced if it is lost",
		Long: `Opens each key that lies in your settings or that --key names, signs with it, and holds it
against the alliance's registry: as what it counts there, and who of your colleagues could
retire it. The recovery key lies offline: rehearse it once a year where its copy is, with
--key recovery.key. Exits with 0 only if nothing is wrong and nothing is missing.`,
		Example: `  cityproof key doctor --without-recovery
  cityproof key doctor --key /media/safe/recovery.key`,
		Args: cobra.NoArgs,
	}
	c.flags(cmd)
	f := cmd.Flags()
	f.StringArrayVar(&c.keys, "key", nil, "a further key `file` to check (repeat for more)")
	f.StringVar(&c.key.passphraseFile, "passphrase-file", "", "read the keys' passphrase from this `file`")
	f.BoolVar(&c.withoutRecovery, "without-recovery", false, "the recovery key is not here, and was rehearsed elsewhere")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return a.examine(cmd.Context(), &c) }
	return cmd
}

func (a *App) examine(ctx context.Context, c *checkup) error {
	st, _, err := a.follow(ctx, &c.alliance)
	if err != nil {
		return err
	}
	files, err := a.keyFiles(c.keys)
	if err != nil {
		return err
	}
	h := &health{}
	if len(files) == 0 {
		h.add("no key is here", "cityproof key request --label officer-2 makes one; a key that lies elsewhere is named with --key")
	}
	id, err := c.cityID()
	if err != nil {
		return err
	}
	m := st.Roster.Member(id)
	if id != "" && m == nil {
		return usage(fmt.Errorf("%s is no member of %s", canonicalName(id), line(st.Roster.Root().Terms.Name)), "cityproof alliance roster lists the members")
	}
	for _, file := range files {
		own := a.checkKey(h, st.Roster, file, c.key.passphraseFile)
		if m == nil {
			m = own
		}
	}
	if m == nil {
		h.add("none of these keys belongs to a member, so no city could be checked", "give --city ID")
	} else {
		h.checkOfficers(m)
		if h.Recovery == "" && !c.withoutRecovery {
			h.add("the recovery key of "+m.ID()+" was not rehearsed: without it keys of a lost machine can't be replaced",
				"run this where its copy is, with --key recovery.key; --without-recovery leaves it out")
		}
	}
	return a.sayHealth(h, c.asJSON)
}

// keyFiles are the key files of the user's settings and those that were named.
func (a *App) keyFiles(named []string) ([]string, error) {
	entries, err := os.ReadDir(a.configFile(""))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var out []string
	for _, e := range entries {
		if filepath.Ext(e.Name()) == ".key" {
			out = append(out, a.configFile(e.Name()))
		}
	}
	for _, file := range named {
		if !slices.Contains(out, file) {
			out = append(out, file)
		}
	}
	return out, nil
}

// checkKey opens a key, signs with it and finds it in the roster. It returns the member that it belongs to, or nil.
func (a *App) checkKey(h *health, r *roster.Roster, file, passphraseFile string) *roster.Member {
	k := shownKey{File: file}
	defer func() { h.Keys = append(h.Keys, k) }()
	key, err := signingkey.ReadFile(file, a.passphrase(passphraseFile))
	if err != nil {
		_, hint := judge(err)
		h.add(err.Error(), cmp.Or(hint, "put it back from its copy; without one the key is lost, and a colleague retires it: cityproof key retire LABEL --lost"))
		return nil
	}
	k.Role, k.Label, k.Key = key.Role, key.Label, encode(key.Public())
	if key.Algorithm != signingkey.Ed25519 {
		k.Note = "a key of this algorithm is checked by the node that uses it: cityproof-node check"
		return nil
	}
	if err := rehearse(key); err != nil {
		h.add(fmt.Sprintf("%s: %v", file, err), "the file is damaged: put it back from its copy")
		return nil
	}
	k.Signs = true
	if open, err := isPlain(file); err == nil && open {
		k.Note = "not encrypted: whoever copies the file can sign as you"
	}
	m, known := h.identify(r, key, file)
	k.Known = known
	return m
}

// rehearse signs something and verifies it.
func rehearse(key *signingkey.Key) error {
	message := make([]byte, 32)
	if _, err := rand.Read(message); err != nil {
		return err
	}
	sig, err := key.Signer().Sign(rand.Reader, message, crypto.Hash(0))
	if err == nil && !ed25519.Verify(key.Public(), message, sig) {
		err = errors.New("what it signs does not verify")
	}
	return err
}

// isPlain reports whether a key file is not encrypted.
func isPlain(file string) (bool, error) {
	b, err := os.ReadFile(file)
	return bytes.Contains(b, []byte("\nseed ")), err
}

// identify says as what the roster knows a key, and what is wrong with that.
func (h *health) identify(r *roster.Roster, key *signingkey.Key, file string) (*roster.Member, string) {
	own := func(raw []byte) bool { return bytes.Equal(raw, key.Public()) }
	switch {
	case key.Role == signingkey.Root && slices.ContainsFunc(r.Root().Keys, func(k ed25519.PublicKey) bool { return own(k) }):
		return nil, fmt.Sprintf("a root key, version %d", r.Root().Version)
	case key.Role == signingkey.Act && slices.ContainsFunc(r.Root().Terms.ActKeys, own):
		return nil, "an act key"
	}
	for _, m := range r.Members() {
		if label := labelIn(m.Entry, key.Public()); label != "" {
			return m, h.identifyOfficer(m, label, key, file)
		}
		for _, k := range m.Keys() {
			if k.Role == act.Role(key.Role) && own(k.Raw) {
				if k.Role == act.RoleRecovery {
					h.Recovery = "the file " + file
				}
				return m, fmt.Sprintf("the %s key of %s", k.Role, m.ID())
			}
		}
	}
	hints := map[signingkey.Role]string{
		signingkey.Publisher: "ask for it: cityproof key request --key " + file + "; if it was entered once, it was retired and is of no use",
		signingkey.Recovery:  "the city's recovery key is another one: look for its copy, and throw this away",
		signingkey.Act:       "act keys are in root.json: a next version of it enters this one (cityproof alliance root)",
		signingkey.Root:      "root keys are in root.json: a next version of it enters this one (cityproof alliance root)",
	}
	h.add(fmt.Sprintf("%s: the registry does not know this %s key", file, key.Role), cmp.Or(hints[key.Role], "a member's own keys are replaced with cityproof alliance rotate"))
	return nil, ""
}

func (h *health) identifyOfficer(m *roster.Member, label string, key *signingkey.Key, file string) string {
	switch {
	case retired(m, key.Public()):
		h.add(fmt.Sprintf("%s: this key was %s of %s and is retired", file, label, m.ID()), "make another: cityproof key request --label "+label+" --key NEW-FILE")
		return label + " of " + m.ID() + ", retired"
	case key.Role != signingkey.Publisher:
		h.add(fmt.Sprintf("%s was made as a %s key, and is %s of %s", file, key.Role, label, m.ID()), "declarations are signed with publisher keys only: make another with cityproof key request")
	}
	return label + " of " + m.ID()
}

// checkOfficers says who of a city's officers could retire whom.
func (h *health) checkOfficers(m *roster.Member) {
	count := 0
	for _, p := range m.Entry.GetPublishers() {
		o := shownOfficer{Label: p.GetLabel(), Key: encode(p.GetKey()), Retired: retired(m, p.GetKey())}
		for _, other := range m.Entry.GetPublishers() {
			if !o.Retired && other != p && !retired(m, other.GetKey()) {
				o.RetiredBy = append(o.RetiredBy, other.GetLabel())
			}
		}
		if !o.Retired {
			count++
		}
		h.Officers = append(h.Officers, o)
	}
	switch {
	case count == 0:
		h.add("no officer of "+m.ID()+" may publish", "the secretariat and the recovery key give the city new keys: cityproof alliance move-log")
	case count == 1:
		h.add(m.ID()+" has one officer: nobody could retire that key at once, and if it is lost nobody publishes", "a second officer runs cityproof key request --label officer-2")
	case count < m.PublishThreshold():
		h.add(fmt.Sprintf("%s has %d officers, and %d must sign its requests", m.ID(), count, m.PublishThreshold()), "the root keys can still act for the city: ask the secretariat")
	}
}

func (a *App) sayHealth(h *health, asJSON bool) error {
	if asJSON {
		if err := printJSON(a.Out, h); err != nil || len(h.Problems) == 0 {
			return err
		}
		return &shown{exitFalse}
	}
	for _, k := range h.Keys {
		a.say("%s", line(k.File))
		if k.Signs {
			a.say("  %s key %s: opens and signs", k.Role, k.Label)
		}
		for _, text := range []string{k.Known, k.Note} {
			if text != "" {
				a.say("  %s", line(text))
			}
		}
	}
	for _, o := range h.Officers {
		switch {
		case o.Retired:
			a.say("%s is retired", o.Label)
		case len(o.RetiredBy) > 0:
			a.say("%s could be retired at once by %s", o.Label, strings.Join(o.RetiredBy, ", "))
		}
	}
	if h.Recovery != "" {
		a.say("The recovery key was read from %s, and signs.", line(h.Recovery))
	}
	if len(h.Problems) == 0 {
		a.say("All is well.")
		return nil
	}
	for _, p := range h.Problems {
		a.say("PROBLEM %s", line(p.What))
		a.say("  to do: %s", line(p.Hint))
	}
	return refused(fmt.Errorf("not all is well: %d to mend", len(h.Problems)), "each problem says what to do")
}
