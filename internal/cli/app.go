package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/cityproof/cityproof/internal/buildinfo"
)

// App is what the command gets from its process.
type App struct {
	In       io.Reader
	Out, Err io.Writer
	// Terminal says that a person sits in front of In and Err.
	Terminal bool
	// Columns is how wide Out is; 0 if nobody knows.
	Columns int
	Now     func() time.Time
	Rand    io.Reader
	Getenv  func(string) string
	// ReadPassword reads a line that is not shown.
	ReadPassword func() ([]byte, error)
}

// Main runs the command line args (without the program's name) and returns the
// exit code.
func (a *App) Main(ctx context.Context, args []string) int {
	root := a.root()
	root.SetArgs(args)
	root.SetIn(a.In)
	root.SetOut(a.Out)
	root.SetErr(a.Err)
	understood := false // the command line, so far that a verb began
	root.PersistentPreRun = func(*cobra.Command, []string) { understood = true }
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitTrue
	}
	code, hint := judge(err)
	if !understood {
		code = exitUsage
		hint = cmp.Or(hint, cmd.CommandPath()+" --help shows how it is used")
	}
	if msg := err.Error(); msg != "" {
		fmt.Fprintln(a.Err, "error:", printable(msg))
	}
	if hint != "" {
		fmt.Fprintln(a.Err, "hint:", hint)
	}
	return code
}

// Process returns the App of this process.
func Process(rnd io.Reader) *App {
	columns, _, _ := term.GetSize(int(os.Stdout.Fd())) // 0 where it is no terminal
	return &App{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr,
		Terminal: term.IsTerminal(int(os.Stdin.Fd())) && term.IsTerminal(int(os.Stderr.Fd())),
		Columns:  columns,
		Now:      time.Now,
		Rand:     rnd,
		Getenv:   os.Getenv,
		ReadPassword: func() ([]byte, error) {
			return term.ReadPassword(int(os.Stdin.Fd()))
		},
	}
}

func (a *App) root() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cityproof",
		Short: "Publish a city's declarations, and check anybody's",
		Long: `cityproof publishes signed declarations of what a city deploys and which data it
uses, into the city's public log, and checks what stands there without believing
anybody's server.

To publish:   keygen  key  new  codes  validate  publish  amend  withdraw  reinstate  erase
To check:     show  history  verify  final  audit  watch
To move data: import  export
An alliance:  use  join-request  change-request  alliance  evidence

Exit codes: 0 true or done, 1 verification failed or refused, 2 usage, 3 could not tell.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       buildinfo.Version(),
	}
	cmd.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usage(err, c.CommandPath()+" --help shows the options")
	})
	cmd.AddCommand(a.keygen(), a.newCase(), a.codes(), a.validate(), a.publish(), a.amend(), a.withdraw(), a.reinstate(),
		a.erase(), a.show(), a.history(), a.verify(), a.final(), a.audit(), a.watch(), a.importRegister(), a.export(), a.key(), a.joinRequest(), a.changeRequest(), a.alliance(), a.use(), a.evidence(), a.man(), a.version())
	return cmd
}

func (a *App) version() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(a.Out, "cityproof", buildinfo.Version())
			return err
		},
	}
}

// configFile is a file of this user's settings, which may not exist.
func (a *App) configFile(name string) string {
	dir := a.Getenv("XDG_CONFIG_HOME")
	if dir == "" {
		dir = filepath.Join(a.Getenv("HOME"), ".config")
	}
	return filepath.Join(dir, "cityproof", name)
}
