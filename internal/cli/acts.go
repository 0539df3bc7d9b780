package cli

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	registryv1 "github.com/cityproof/cityproof/api/cityproof/registry/v1"
	"github.com/cityproof/cityproof/internal/act"
	"github.com/cityproof/cityproof/internal/client"
	"github.com/cityproof/cityproof/internal/entry"
)

// deciding makes the verb of an act. build says what the act does, of the verb's arguments.
func (a *App) deciding(use, short string, args int, build func(cmd *cobra.Command, d *decision, args []string) (name string, what *registryv1.Act, file []byte, err error)) *cobra.Command {
	var d decision
	cmd := &cobra.Command{Use: use, Short: short, Args: cobra.ExactArgs(args)}
	cmd.Example = actExamples[cmd.Name()]
	d.flags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		name, what, file, err := build(cmd, &d, args)
		if err != nil {
			return err
		}
		return a.decide(cmd.Context(), &d, name, what, file)
	}
	return cmd
}

// actExamples are the examples in the help of the verbs that decide.
var actExamples = map[string]string{
	"admit":     "  cityproof alliance admit nl-kanaalstad.join.json --key act-1.key",
	"suspend":   "  cityproof alliance suspend ca-riviere --evidence 12cd4ffd5e5c383c.evidence --key act-1.key",
	"reinstate": "  cityproof alliance reinstate ca-riviere --reason \"a copied machine, switched off\" --key act-1.key",
	"leave":     "  cityproof alliance leave nl-kanaalstad --key officer-1.key",
	"rotate":    "  cityproof alliance rotate nl-kanaalstad.change.json --key act-1.key",
	"contest":   "  cityproof alliance status\n  cityproof alliance contest LEAF --key officer-1.key",
	"revoke":    "  cityproof alliance revoke nl-kanaalstad PUBLIC-KEY --key act-1.key\n  cityproof alliance revoke nl-kanaalstad WITNESS-KEY --from-time 1796000000 --key act-1.key",
	"freeze":    "  cityproof alliance freeze nl-kanaalstad --reason \"the machine was stolen\" --key act-1.key",
	"move-log":  "  cityproof alliance move-log nl-kanaalstad.change.json --key root-1.key",
	"accredit":  "  cityproof alliance accredit \"Court of Audit\" PUBLIC-KEY --key act-1.key",
	"ruleset":   "  cityproof alliance ruleset rules.json --key act-1.key",
	"root":      "  cityproof alliance root root-2.json --key act-1.key",
	"epoch":     "  cityproof alliance epoch --key act-1.key",
}

// readRequest reads a member's request from a file.
func readRequest(file string) (*act.Request, []byte, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, nil, err
	}
	r, err := act.ParseRequest(b)
	if err != nil {
		return nil, nil, refused(fmt.Errorf("%s: %w", file, err), "is this the file that the city wrote?")
	}
	return r, b, nil
}

func (a *App) allianceAdmit() *cobra.Command {
	return a.deciding("admit REQUEST --key KEY", "Admit a city, or take a member's changed entry", 1,
		func(_ *cobra.Command, _ *decision, args []string) (string, *registryv1.Act, []byte, error) {
			r, b, err := readRequest(args[0])
			if err != nil {
				return "", nil, nil, err
			}
			a.sayRequest(r)
			what := &registryv1.Act{Act: &registryv1.Act_Admit{Admit: &registryv1.Admit{Request: b}}}
			if r.Replaces != [sha256.Size]byte{} {
				what.Act = &registryv1.Act_Update{Update: &registryv1.Update{Request: b}}
			}
			return "admit-" + r.Member.ID(), what, nil, nil
		})
}

func (a *App) allianceSuspend() *cobra.Command {
	var evidence string
	cmd := a.deciding("suspend MEMBER --key KEY", "Take a member's voice for 90 days: by evidence, or by the root keys", 1,
		func(_ *cobra.Command, _ *decision, args []string) (string, *registryv1.Act, []byte, error) {
			s := &registryv1.Suspend{Member: &args[0]}
			if evidence != "" {
				b, err := os.ReadFile(evidence)
				if err != nil {
					return "", nil, nil, err
				}
				s.Evidence = b
			}
			return "suspend-" + args[0], &registryv1.Act{Act: &registryv1.Act_Suspend{Suspend: s}}, nil, nil
		})
	cmd.Flags().StringVar(&evidence, "evidence", "", "a proof of misbehaviour: act keys may suspend with one alone")
	return cmd
}

func (a *App) allianceReinstate() *cobra.Command {
	return a.deciding("reinstate MEMBER --key KEY", "End a suspension before its time", 1,
		func(_ *cobra.Command, _ *decision, args []string) (string, *registryv1.Act, []byte, error) {
			return "reinstate-" + args[0], &registryv1.Act{Act: &registryv1.Act_Reinstate{Reinstate: &registryv1.Reinstate{Member: &args[0]}}}, nil, nil
		})
}

func (a *App) allianceLeave() *cobra.Command {
	return a.deciding("leave MEMBER --key KEY", "End a membership: signed by the member's officers, or by the root keys", 1,
		func(_ *cobra.Command, _ *decision, args []string) (string, *registryv1.Act, []byte, error) {
			return "leave-" + args[0], &registryv1.Act{Act: &registryv1.Act_Leave{Leave: &registryv1.Leave{Member: &args[0]}}}, nil, nil
		})
}

func (a *App) allianceRotate() *cobra.Command {
	return a.deciding("rotate REQUEST --key KEY", "Replace a member's keys, seven days from now unless it is contested", 1,
		func(cmd *cobra.Command, d *decision, args []string) (string, *registryv1.Act, []byte, error) {
			r, b, err := readRequest(args[0])
			if err != nil {
				return "", nil, nil, err
			}
			note, err := a.finalNote(cmd, d, r.Member.ID())
			if err != nil {
				return "", nil, nil, err
			}
			what := &registryv1.RotateKey{Request: b, FinalNote: note}
			return "rotate-" + r.Member.ID(), &registryv1.Act{Act: &registryv1.Act_RotateKey{RotateKey: what}}, nil, nil
		})
}

func (a *App) allianceContest() *cobra.Command {
	return a.deciding("contest LEAF --key KEY", "Stop a rotation of your city's keys: signed by any key that it has", 1,
		func(_ *cobra.Command, _ *decision, args []string) (string, *registryv1.Act, []byte, error) {
			leaf, err := hex.DecodeString(args[0])
			if err != nil || len(leaf) != sha256.Size {
				return "", nil, nil, usage(fmt.Errorf("%q is no leaf hash", args[0]), "cityproof alliance status lists rotations that are under way, with their hashes")
			}
			return "contest", &registryv1.Act{Act: &registryv1.Act_Contest{Contest: &registryv1.Contest{Rotation: leaf}}}, nil, nil
		})
}

func (a *App) allianceRevoke() *cobra.Command {
	var from int64
	cmd := a.deciding("revoke MEMBER PUBLIC-KEY --key KEY", "End a member's key at once", 2,
		func(cmd *cobra.Command, d *decision, args []string) (string, *registryv1.Act, []byte, error) {
			key, err := publicKey(args[1])
			if err != nil {
				return "", nil, nil, err
			}
			what := &registryv1.RevokeKey{Member: &args[0], Key: key}
			if from > 0 {
				what.FromTime = proto.Uint64(uint64(from))
			} else if what.FinalNote, err = a.finalNote(cmd, d, args[0]); err != nil {
				return "", nil, nil, err
			}
			return "revoke-" + args[0], &registryv1.Act{Act: &registryv1.Act_RevokeKey{RevokeKey: what}}, nil, nil
		})
	cmd.Flags().Int64Var(&from, "from-time", 0, "of a witness or mirror key: the Unix second from which its cosignatures don't count")
	return cmd
}

func (a *App) allianceFreeze() *cobra.Command {
	return a.deciding("freeze MEMBER --key KEY", "End a member's log at its newest final head", 1,
		func(cmd *cobra.Command, d *decision, args []string) (string, *registryv1.Act, []byte, error) {
			note, err := a.finalNote(cmd, d, args[0])
			what := &registryv1.FreezeLog{Member: &args[0], FinalNote: note}
			return "freeze-" + args[0], &registryv1.Act{Act: &registryv1.Act_FreezeLog{FreezeLog: what}}, nil, err
		})
}

func (a *App) allianceMoveLog() *cobra.Command {
	var anew bool
	cmd := a.deciding("move-log REQUEST --key ROOT-KEY", "Continue a member whose keys are lost, or who forked, in a new log", 1,
		func(cmd *cobra.Command, d *decision, args []string) (string, *registryv1.Act, []byte, error) {
			r, b, err := readRequest(args[0])
			if err != nil {
				return "", nil, nil, err
			}
			in, m, err := a.memberOf(cmd.Context(), d, r.Member.ID())
			if err != nil {
				return "", nil, nil, err
			}
			head, err := a.lastHead(cmd.Context(), in, m)
			if err != nil {
				return "", nil, nil, err
			}
			a.say("%s ends at size %d.", head.Origin, head.Size)
			what := &registryv1.MoveLog{OldOrigin: &head.Origin, Size: &head.Size, Root: head.Root[:], Request: b}
			if anew {
				what.Anew = &anew
			}
			return "move-" + r.Member.ID(), &registryv1.Act{Act: &registryv1.Act_MoveLog{MoveLog: what}}, nil, nil
		})
	cmd.Long = `Ends a member's log at its newest final head and lets it go on in a new log, by the root keys.
The new log holds the same entries up to there: its node fetches them from the mirrors and takes
nothing before. So each declaration keeps its number, its history and its receipts.

--anew is for entries that no mirror has any more: then the new log begins empty.`
	cmd.Flags().BoolVar(&anew, "anew", false, "nobody has the old log's entries any more: begin with none")
	return cmd
}

func (a *App) allianceAccredit() *cobra.Command {
	var end bool
	cmd := a.deciding("accredit NAME PUBLIC-KEY --key KEY", "Name an auditor, or end that", 2,
		func(_ *cobra.Command, _ *decision, args []string) (string, *registryv1.Act, []byte, error) {
			key, err := publicKey(args[1])
			what := &registryv1.Accredit{Name: &args[0], Key: key}
			if end {
				what.Ended = &end
			}
			return "accredit", &registryv1.Act{Act: &registryv1.Act_Accredit{Accredit: what}}, nil, err
		})
	cmd.Flags().BoolVar(&end, "end", false, "end the accreditation")
	return cmd
}

func (a *App) allianceRuleSet() *cobra.Command {
	return a.deciding("ruleset BUNDLE --key KEY", "Replace the accountability rules", 1,
		func(cmd *cobra.Command, d *decision, args []string) (string, *registryv1.Act, []byte, error) {
			b, err := readLimited(args[0], entry.MaxFile)
			if err != nil {
				return "", nil, nil, err
			}
			st, _, err := a.follow(cmd.Context(), d)
			if err != nil {
				return "", nil, nil, err
			}
			sum := sha256.Sum256(b)
			what := &registryv1.RuleSet{Number: proto.Uint32(st.Roster.Rules().Number + 1), Bundle: sum[:]}
			return "ruleset", &registryv1.Act{Act: &registryv1.Act_RuleSet{RuleSet: what}}, b, nil
		})
}

func (a *App) allianceEpoch() *cobra.Command {
	next := 30 * 24 * time.Hour
	cmd := a.deciding("epoch --key KEY", "Draw the committees anew, and settle every log's head", 0,
		func(cmd *cobra.Command, d *decision, _ []string) (string, *registryv1.Act, []byte, error) {
			st, _, err := a.follow(cmd.Context(), d)
			if err != nil {
				return "", nil, nil, err
			}
			pins := a.pins(cmd.Context(), st.Roster)
			p, err := st.Roster.Propose(pins)
			if err != nil {
				at := st.Roster.Epoch().NextDraw
				return "", nil, nil, unknown(fmt.Errorf("the next epoch can't be drawn yet: the registry's first anchor from %s on fixes its seed", when(at)),
					"run it again "+until(at-a.Now().Unix()))
			}
			sum := sha256.Sum256(pins)
			what := &registryv1.Epoch{
				Number: &p.Number, RosterRoot: p.RosterRoot[:], Committee: p.Committee, Pins: sum[:],
				NextDraw: proto.Uint64(uint64(st.Roster.Time() + int64(next/time.Second))), //nolint:gosec // a time of today
			}
			return fmt.Sprintf("epoch-%d", p.Number), &registryv1.Act{Act: &registryv1.Act_Epoch{Epoch: what}}, pins, nil
		})
	cmd.Flags().DurationVar(&next, "next", next, "when the seats of the epoch after it may be drawn")
	return cmd
}

// finalNote fetches the newest final note of a member's log, and checks that it is final.
func (a *App) finalNote(cmd *cobra.Command, d *decision, id string) ([]byte, error) {
	st, _, err := a.follow(cmd.Context(), d)
	if err != nil {
		return nil, err
	}
	m := st.Roster.Member(id)
	if m == nil {
		return nil, usage(fmt.Errorf("%s is no member", id), "cityproof alliance roster lists the members")
	}
	return a.finalNoteOf(cmd.Context(), st.Roster, m)
}

// errNotFinalYet is for a log without a final head.
var errNotFinalYet = errors.New("it has none yet")

func isMissing(err error) bool {
	var none *client.NotFoundError
	return errors.As(err, &none)
}

// titleOf is a kind of act as people read it.
func titleOf(kind string) string { return strings.ReplaceAll(kind, "_", " ") }
