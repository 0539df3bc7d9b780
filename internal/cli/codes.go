package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cityproof/cityproof/internal/vocabulary"
)

func (a *App) codes() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "codes [KIND [WORD…]]",
		Short: "Search the vocabularies for the word to write",
		Example: `  cityproof codes                 the kinds of codes
  cityproof codes tech camera     technologies with cameras
  cityproof codes legal_basis     all legal bases`,
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			var names []string
			if len(args) == 0 {
				for _, k := range vocabulary.Kinds() {
					names = append(names, k.Name)
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if len(args) == 0 {
			return a.listKinds(asJSON)
		}
		if _, ok := vocabulary.KindByName(args[0]); !ok {
			return usage(fmt.Errorf("unknown kind of code %q", args[0]), "cityproof codes lists the kinds")
		}
		words := strings.Join(args[1:], " ")
		terms := vocabulary.Search(args[0], words)
		if asJSON {
			return printJSON(a.Out, termsJSON(terms))
		}
		if len(terms) == 0 {
			return unknown(fmt.Errorf("no %s code is like %q", args[0], words),
				"cityproof codes "+args[0]+" lists them all; where none fits, write other: \"your words\"")
		}
		var rows [][]string
		for _, t := range terms {
			rows = append(rows, []string{t.Code, t.Label("en"), t.Gloss("en")})
		}
		columns(a.Out, rows)
		return nil
	}
	return cmd
}

func (a *App) listKinds(asJSON bool) error {
	if asJSON {
		return printJSON(a.Out, vocabulary.Kinds())
	}
	var rows [][]string
	for _, k := range vocabulary.Kinds() {
		rows = append(rows, []string{k.Name, k.Label})
	}
	columns(a.Out, rows)
	return nil
}

type termJSON struct {
	Scheme string `json:"scheme"`
	Code   string `json:"code"`
	Label  string `json:"label"`
	Gloss  string `json:"gloss,omitempty"`
}

func termsJSON(terms []vocabulary.Term) []termJSON {
	out := []termJSON{}
	for _, t := range terms {
		out = append(out, termJSON{string(t.Scheme), t.Code, t.Label("en"), t.Gloss("en")})
	}
	return out
}
