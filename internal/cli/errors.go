package cli

import (
	"context"
	"errors"
	"io/fs"
	"net"

	"github.com/cityproof/cityproof/internal/client"
	"github.com/cityproof/cityproof/internal/draft"
	"github.com/cityproof/cityproof/internal/receipt"
	"github.com/cityproof/cityproof/internal/signingkey"
)

// The exit codes.
const (
	exitTrue    = 0
	exitFalse   = 1 // verification failed, or refused
	exitUsage   = 2
	exitUnknown = 3 // could not tell
)

// hinted is an error with what to do about it.
type hinted struct {
	err  error
	hint string
	code int
}

func (e *hinted) Error() string { return e.err.Error() }

func (e *hinted) Unwrap() error { return e.err }

func usage(err error, hint string) error   { return &hinted{err, hint, exitUsage} }
func refused(err error, hint string) error { return &hinted{err, hint, exitFalse} }
func unknown(err error, hint string) error { return &hinted{err, hint, exitUnknown} }

// shown is an error whose reason has been printed already, in full.
type shown struct{ code int }

func (e *shown) Error() string { return "" }

// judge says which exit code an error is, and what to do about it.
func judge(err error) (code int, hint string) {
	var (
		withHint  *hinted
		printed   *shown
		falsified *receipt.FalseError
		unproven  *client.UnverifiedError
		history   *client.HistoryError
		rules     *client.RuleError
		stale     *client.StaleError
		node      *client.NodeError
		problems  draft.Problems
		network   net.Error
	)
	switch {
	case errors.As(err, &withHint):
		return withHint.code, withHint.hint
	case errors.As(err, &printed):
		return printed.code, ""
	case errors.As(err, &falsified):
		return exitFalse, "keep the file: it shows what somebody tried, or what got damaged; ask the city for a fresh receipt"
	case errors.As(err, &history):
		return exitFalse, "keep both checkpoints: together they may prove that the log was rewritten; show them to other cities"
	case errors.As(err, &unproven):
		return exitFalse, "do not rely on this node's answer; compare with another copy of the log"
	case errors.As(err, &rules):
		return exitFalse, "nothing was published; mend the declaration and publish again"
	case errors.As(err, &stale):
		return exitFalse, "somebody else published meanwhile; look at it with cityproof show, then publish again"
	case errors.As(err, &problems):
		return exitUsage, "nothing was published; mend the file and try again"
	case errors.As(err, &node):
		return judgeNode(node)
	case errors.Is(err, signingkey.ErrPassphrase):
		return exitUsage, "try again; without its passphrase a key is lost and must be retired"
	case errors.Is(err, fs.ErrNotExist):
		return exitUsage, "check the file's name and folder"
	case errors.Is(err, context.Canceled):
		return exitUnknown, "interrupted; what was sent may still be published: run the same command again, it sends the same bytes"
	case errors.As(err, &network):
		return exitUnknown, "is the address right, does the node run, and is there a way to it?"
	}
	return exitUnknown, ""
}

func judgeNode(e *client.NodeError) (int, string) {
	switch e.Refusal {
	case client.Malformed:
		return exitFalse, "the node refuses the request's form: is this program as new as the node?"
	case client.Forbidden:
		return exitFalse, "check city, node and key: in an alliance cityproof key doctor says what is wrong; alone, the operator lists whose keys may publish with cityproof-node publisher add"
	case client.Missing:
		return exitUnknown, "check the name: cityproof show lists nothing under it at this node"
	case client.Busy:
		return exitUnknown, "the node asks to wait; run the same command again later, it sends the same bytes"
	}
	return exitUnknown, "is the node's address right, and does it run? Its operator sees more in its log"
}
