package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cityproof/cityproof/internal/client"
	"github.com/cityproof/cityproof/internal/config"
	"github.com/cityproof/cityproof/internal/evidence"
	"github.com/cityproof/cityproof/internal/evidencestore"
	"github.com/cityproof/cityproof/internal/roster"
)

func (a *App) evidence() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "evidence",
		Short: "Proofs that a log or a witness lied, checked offline",
	}
	cmd.AddCommand(a.evidenceList(), a.evidenceShow(), a.evidenceVerify(), a.evidenceResume())
	return cmd
}

func fetchEvidence(ctx context.Context, node string) ([]client.KnownEvidence, error) {
	web, err := client.NewWeb(node, client.HTTPOptions{})
	if err != nil {
		return nil, usage(err, "give the address of a member's node")
	}
	defer web.Close()
	known, err := client.Evidence(ctx, web)
	if err != nil {
		return nil, unknown(err, "is this a member's node?")
	}
	return known, nil
}

// judged is what was found about one proof.
type judged struct {
	File    string `json:"file,omitempty"`
	Verdict string `json:"verdict"` // "proven", "not proven" or "could not tell"
	Kind    string `json:"kind,omitempty"`
	Accused string `json:"accused,omitempty"`
	Says    string `json:"says,omitempty"`
	Why     string `json:"why,omitempty"`
	Resumed string `json:"resumed,omitempty"`

	explain string
	code    int
}

// judgeEvidence verifies a proof by the keys of a roster.
func judgeEvidence(b []byte, keys evidence.Keys) judged {
	e, err := evidence.Parse(b)
	var f *evidence.Finding
	if err == nil {
		f, err = e.Verify(keys)
	}
	switch {
	case errors.Is(err, evidence.ErrUnknownKey), errors.Is(err, evidence.ErrLaterVersion):
		return judged{Verdict: "could not tell", Why: err.Error(), code: exitUnknown}
	case err != nil:
		return judged{Verdict: "not proven", Why: err.Error(), code: exitFalse}
	}
	return judged{Verdict: "proven", Kind: f.Kind.String(), Accused: f.Accused.String(), Says: f.String(), explain: f.Explain()}
}

// evidenceKeys are the keys of an alliance: of its founders from root.json alone, or of all that the registry ever had.
func (a *App) evidenceKeys(ctx context.Context, d *decision, online bool) (evidence.Keys, error) {
	if online {
		st, _, err := a.follow(ctx, d)
		if err != nil {
			return nil, err
		}
		return st.Roster.EvidenceKeys(), nil
	}
	first, err := a.firstRoot(d.root)
	if err != nil {
		return nil, err
	}
	r, err := roster.New(first)
	if err != nil {
		return nil, refused(err, "get root.json again, by a way that you trust")
	}
	return r.EvidenceKeys(), nil
}

func (a *App) evidenceVerify() *cobra.Command {
	var d decision
	var online, asJSON bool
	cmd := &cobra.Command{
		Use:   "verify FILE…",
		Short: "Check evidence offline, and say in plain words what it proves",
		Long: `Checks evidence with the keys of an alliance's founders, from root.json, and asks nobody.
With --online the registry is read first, for the keys of members who came later.`,
		Args:    cobra.MinimumNArgs(1),
		Example: "  cityproof evidence verify 3f2a….evidence --root root.json",
	}
	d.registryFlags(cmd)
	cmd.Flags().BoolVar(&online, "online", false, "read the registry for the keys of later members")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.RunE = func(cmd *cobra.Command, files []string) error {
		keys, err := a.evidenceKeys(cmd.Context(), &d, online)
		if err != nil {
			return err
		}
		worst := judged{}
		all := []judged{}
		for _, file := range files {
			b, err := readLimited(file, evidence.MaxSize)
			if err != nil {
				return err
			}
			j := judgeEvidence(b, keys)
			j.File = file
			if all = append(all, j); graver(j.code, worst.code) {
				worst = j
			}
			if !asJSON {
				a.sayEvidence(j)
			}
		}
		if asJSON {
			if err := printJSON(a.Out, all); err != nil {
				return err
			}
		}
		switch worst.code {
		case exitTrue:
			return nil
		case exitUnknown:
			return unknown(errors.New("could not tell: "+worst.File), "with --online the registry is read for the keys of later members")
		}
		return refused(errors.New("nothing is proven: "+worst.File), "a proof that fails speaks against nobody")
	}
	return cmd
}

func (a *App) sayEvidence(j judged) {
	if j.code != exitTrue {
		a.say("%s: %s: %s", strings.ToUpper(j.Verdict), line(j.File), line(j.Why))
		return
	}
	a.say("PROVEN (%s) %s", j.Kind, line(j.File))
	for _, p := range strings.Split(strings.TrimSuffix(j.explain, "\n"), "\n") {
		a.say("%s", hang("  ", line(p), a.columnsOf()))
	}
}

func (a *App) evidenceList() *cobra.Command {
	var d decision
	var node string
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "list --node URL",
		Short:   "List the evidence that a node keeps, each checked here",
		Args:    cobra.NoArgs,
		Example: "  cityproof evidence list --node https://minato.example",
	}
	d.registryFlags(cmd)
	cmd.Flags().StringVar(&node, "node", "", "`address` of a member's node")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	_ = cmd.MarkFlagRequired("node")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		known, err := fetchEvidence(cmd.Context(), node)
		if err != nil {
			return err
		}
		keys, err := a.evidenceKeys(cmd.Context(), &d, true)
		if err != nil {
			return err
		}
		all := []judged{}
		for _, k := range known {
			j := judgeEvidence(k.Evidence, keys)
			j.File, j.Resumed = k.Key, k.Resumed
			all = append(all, j)
		}
		if asJSON {
			return printJSON(a.Out, all)
		}
		if len(all) == 0 {
			a.say("This node knows of no evidence against anybody.")
		}
		for _, j := range all {
			a.say("%s  %s", line(j.File), line(j.Says+j.Why))
			if j.Resumed != "" {
				a.say("  the node's operator went on: %s", line(j.Resumed))
			}
		}
		return nil
	}
	return cmd
}

func (a *App) evidenceShow() *cobra.Command {
	var node, out string
	cmd := &cobra.Command{
		Use:   "show KEY --node URL",
		Short: "Print a proof that a node keeps, every byte of it, or write it to a file",
		Args:  cobra.ExactArgs(1),
	}
	cmd.Flags().StringVar(&node, "node", "", "`address` of a member's node")
	cmd.Flags().StringVarP(&out, "out", "o", "", "`file` to write it to")
	_ = cmd.MarkFlagRequired("node")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		known, err := fetchEvidence(cmd.Context(), node)
		if err != nil {
			return err
		}
		for _, k := range known {
			if !strings.HasPrefix(k.Key, args[0]) {
				continue
			}
			if out != "" {
				return writeFile(out, k.Evidence)
			}
			_, err := a.Out.Write([]byte(printable(string(k.Evidence))))
			return err
		}
		return unknown(fmt.Errorf("%s keeps no evidence %s", node, args[0]), "cityproof evidence list shows what there is")
	}
	return cmd
}

func (a *App) evidenceResume() *cobra.Command {
	var file, city, reason string
	cmd := &cobra.Command{
		Use:   "resume ORIGIN --reason WHY --config node.yaml",
		Short: "Let your own node cosign a log again, with your reason on record",
		Long: `Says on the node's machine that it may go on cosigning a log although there is evidence
against it. The evidence stays, and so does your reason. The running node takes it up
within seconds.`,
		Args:    cobra.ExactArgs(1),
		Example: `  cityproof evidence resume kanaalstad.example/log --config node.yaml --reason "a restored backup; they have new keys since Monday"`,
	}
	cmd.Flags().StringVar(&file, "config", "", "the node's configuration `file`")
	cmd.Flags().StringVar(&city, "city", "", "which member, where the node has several")
	cmd.Flags().StringVar(&reason, "reason", "", "why")
	for _, name := range []string{"config", "reason"} {
		_ = cmd.MarkFlagRequired(name)
	}
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		cfg, err := config.Load(file)
		if err != nil {
			return usage(err, "give the node's own node.yaml")
		}
		for _, m := range cfg.Members {
			if m.City != city && (city != "" || len(cfg.Members) > 1) {
				continue
			}
			if _, err := os.Stat(m.State); err != nil {
				return err
			}
			store, err := evidencestore.Open(m.State)
			if err != nil {
				return err
			}
			n, err := store.Resume(args[0], reason, a.Now())
			if err != nil {
				return usage(err, "give a reason on one line")
			}
			if n == 0 {
				return unknown(fmt.Errorf("nothing that is not resumed is known against %s", args[0]), "cityproof evidence list shows what there is")
			}
			a.say("%s cosigns %s again. On record: %s", m.City, args[0], reason)
			return nil
		}
		return usage(errors.New("which member?"), "name it with --city")
	}
	return cmd
}
