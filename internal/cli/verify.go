package cli

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/cityproof/cityproof/internal/authority"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/receipt"
)

func (a *App) verify() *cobra.Command {
	var v verifier
	cmd := &cobra.Command{
		Use:   "verify FILE.receipt…",
		Short: "Check receipts offline",
		Long: `Checks that what a receipt says stands in a city's log, under the log's keys, signed by
a key that could publish there and then. It asks nobody: the keys come from a trust
file, never from the receipt, and nothing is sent or fetched.

A bare proof (c2sp.org/tlog-proof) is checked together with the entry that it is
about: --entry FILE, and --body FILE for what the entry commits to.`,
		Example: "  cityproof verify plaza-cameras.receipt --trust trust.json\n" +
			"  cityproof verify plaza.tlog-proof --entry plaza.dsse.json --body plaza.json",
		Args: cobra.MinimumNArgs(1),
	}
	cmd.Flags().StringVar(&v.trust, "trust", "", "trust `file` (default: trust.json of your settings)")
	cmd.Flags().StringVar(&v.root, "root", "", "root.json of the alliance, instead of a trust file: the quorum must have signed too")
	cmd.Flags().StringVar(&v.entry, "entry", "", "`file` with the entry that a bare proof is about")
	cmd.Flags().StringVar(&v.body, "body", "", "`file` with the body that the entry commits to")
	cmd.Flags().BoolVar(&v.asJSON, "json", false, "print JSON")
	cmd.RunE = func(_ *cobra.Command, args []string) error { return a.runVerify(&v, args) }
	return cmd
}

type verifier struct {
	trust, root, entry, body string
	asJSON                   bool
}

// verified is what was found about one file.
type verified struct {
	File    string `json:"file"`
	Verdict string `json:"verdict"` // "true", "false" or "could not tell"
	// Why the verdict is not true.
	Why    string          `json:"why,omitempty"`
	Claims []receipt.Claim `json:"claims"`

	City       string `json:"city,omitempty"`
	Subject    string `json:"subject,omitempty"`
	Revision   uint32 `json:"revision,omitempty"`
	Operation  string `json:"operation,omitempty"`
	Origin     string `json:"origin,omitempty"`
	Index      uint64 `json:"index"`
	Leaf       string `json:"leaf,omitempty"` // base64, as everywhere in C2SP
	Size       uint64 `json:"size,omitempty"`
	Root       string `json:"root,omitempty"`
	LogTime    string `json:"log_time,omitempty"`
	BodySHA256 string `json:"body_sha256,omitempty"` // hex

	code int
	hint string
}

func (a *App) runVerify(v *verifier, files []string) error {
	if (v.entry != "" || v.body != "") && len(files) != 1 {
		return usage(errors.New("--entry and --body belong to one proof"), "check one proof at a time")
	}
	check, err := a.checker(v)
	if err != nil {
		return err
	}
	var all []*verified
	worst := &verified{code: exitTrue}
	for i, file := range files {
		r, err := v.read(file)
		if err != nil {
			return err
		}
		res := judgeReceipt(file, r, check, v.entry != "" && v.body == "")
		all = append(all, res)
		if graver(res.code, worst.code) {
			worst = res
		}
		if !v.asJSON {
			if i > 0 {
				a.say("")
			}
			a.printVerified(res)
		}
	}
	if v.asJSON {
		if err := printJSON(a.Out, all); err != nil {
			return err
		}
	}
	if worst.code == exitTrue {
		return nil
	}
	what := map[int]string{exitFalse: "verification failed: %s", exitUnknown: "could not tell: %s"}[worst.code]
	return &hinted{err: fmt.Errorf(what, worst.File), hint: worst.hint, code: worst.code}
}

// checker verifies by a trust file, or by the root of an alliance.
func (a *App) checker(v *verifier) (func(*receipt.Receipt) (*receipt.Verdict, error), error) {
	if v.root == "" {
		trust, err := a.needTrust(v.trust)
		return func(r *receipt.Receipt) (*receipt.Verdict, error) { return receipt.Verify(r, trust) }, err
	}
	if v.trust != "" || v.entry != "" {
		return nil, usage(errors.New("--root goes with a receipt, and without --trust"), "a receipt of an alliance has its authority inside")
	}
	held, err := readRoot(v.root)
	if err != nil {
		return nil, err
	}
	holder, err := authority.NewHolder(held)
	if err != nil {
		return nil, refused(err, "get root.json again, by a way that you trust")
	}
	return func(r *receipt.Receipt) (*receipt.Verdict, error) { return receipt.VerifyIn(r, holder) }, nil
}

// graver reports whether exit code a says more than b: something false outweighs
// what could not be told.
func graver(a, b int) bool {
	weight := map[int]int{exitTrue: 0, exitUnknown: 1, exitUsage: 2, exitFalse: 3}
	return weight[a] > weight[b]
}

// toVerify is what a file holds: a receipt, or why it is none.
type toVerify struct {
	*receipt.Receipt
	unread error
}

// read reads a receipt, or a bare proof with its entry. An error means that a file
// can't be read; what is wrong inside one is part of the verdict.
func (v *verifier) read(file string) (*toVerify, error) {
	b, err := readLimited(file, receipt.MaxFile)
	if err != nil {
		return nil, err
	}
	bare := bytes.HasPrefix(b, []byte(proofHeader))
	switch {
	case bare && v.entry == "":
		return nil, usage(fmt.Errorf("%s is a bare proof: it does not say of what", file), "give the entry that it is about: --entry FILE")
	case !bare && v.entry != "":
		return nil, usage(fmt.Errorf("%s is no bare proof", file), "a receipt has its entry inside: leave --entry out")
	case !bare:
		r, parseErr := receipt.Parse(b)
		return &toVerify{r, parseErr}, nil
	}
	p, err := proof.ParseTLogProof(b)
	if err != nil {
		return &toVerify{nil, &receipt.FalseError{Claim: receipt.ClaimInclusion, Err: err}}, nil
	}
	r := &receipt.Receipt{Proof: p}
	if r.Statement, err = readLimited(v.entry, receipt.MaxFile); err != nil {
		return nil, err
	}
	if v.body != "" {
		if r.Body, err = readLimited(v.body, receipt.MaxFile); err != nil {
			return nil, err
		}
	}
	return &toVerify{r, nil}, nil
}

// proofHeader is the first line of a bare proof: c2sp.org/tlog-proof.
const proofHeader = "c2sp.org/tlog-proof@v1\n"

// readLimited reads a file of at most limit bytes; of a longer one a byte more, so
// that whoever parses it refuses it.
func readLimited(file string, limit int64) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return io.ReadAll(io.LimitReader(f, limit+1))
}

// judgeReceipt verifies one receipt. bodyless says that nobody claims anything about
// the body: a bare proof without --body.
func judgeReceipt(file string, r *toVerify, check func(*receipt.Receipt) (*receipt.Verdict, error), bodyless bool) *verified {
	out := &verified{File: file, Verdict: "true", Claims: []receipt.Claim{}}
	err := r.unread
	if err == nil {
		var v *receipt.Verdict
		v, err = check(r.Receipt)
		out.fill(v)
	}
	var untold *receipt.CouldNotTellError
	var falsified *receipt.FalseError
	if bodyless && errors.As(err, &untold) && untold.Claim == receipt.ClaimBody {
		out.Claims = append(out.Claims, receipt.Claim{Name: receipt.ClaimBody,
			Text: "what the entry commits to was not looked at: give it with --body"})
		err = nil
	}
	if err == nil {
		return out
	}
	out.Verdict, out.Why = "could not tell", err.Error()
	out.code, out.hint = judge(err)
	switch {
	case errors.As(err, &falsified):
		out.Verdict, out.Why = "false", falsified.Claim+": "+falsified.Err.Error()
	case errors.As(err, &untold):
		out.Why = untold.Claim + ": " + untold.Err.Error()
		out.hint = "nothing in it was found false; what is missing is said above"
	}
	return out
}

func (out *verified) fill(v *receipt.Verdict) {
	out.Claims = append(out.Claims, v.Claims...)
	out.Index, out.Leaf = v.Index, v.Leaf.String()
	if s := v.Statement; s != nil {
		out.City, out.Subject, out.Revision, out.Operation = s.City, s.Subject.String(), s.Revision, string(s.Operation)
		out.BodySHA256 = fmt.Sprintf("%x", s.BodySHA256)
	}
	if v.Checkpoint.Origin != "" {
		out.Origin, out.Size = v.Checkpoint.Origin, v.Checkpoint.Size
		out.Root = base64.StdEncoding.EncodeToString(v.Checkpoint.Root[:])
	}
	if !v.LogTime.IsZero() {
		out.LogTime = v.LogTime.Format(time.RFC3339)
	}
}

// printVerified prints each claim with what it rests on, and the verdict in one line.
func (a *App) printVerified(res *verified) {
	columns := a.columnsOf()
	for _, c := range res.Claims {
		mark := "yes"
		if !c.Told {
			mark = "?"
		}
		a.say("%s", hang(padded(mark, 4)+padded(c.Name, 12), line(c.Text), columns))
		if c.RestsOn != "" {
			a.say("%s", hang(padded("", 16)+"rests on ", line(c.RestsOn), columns))
		}
	}
	name := line(res.File)
	switch res.code {
	case exitTrue:
		a.say("TRUE: %s: %s of %s, revision %d, is entry %d of %s", name, res.Subject, res.City, res.Revision, res.Index, line(res.Origin))
	case exitFalse:
		a.say("FALSE: %s: %s", name, line(res.Why))
	default:
		a.say("COULD NOT TELL: %s: %s", name, line(res.Why))
	}
}
