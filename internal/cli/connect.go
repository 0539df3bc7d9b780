package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/cityproof/cityproof/internal/client"
	"github.com/cityproof/cityproof/internal/receipt"
	"github.com/cityproof/cityproof/internal/shorthand"
	"github.com/cityproof/cityproof/internal/signingkey"
)

// connection is what a verb that talks to a node is told by its flags.
type connection struct {
	node, grpc, trust, workspace string
	// alliance names the alliance of the city, for verbs that have flags for it.
	alliance decision
}

func (c *connection) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&c.node, "node", "", "`address` of the city's node (default: the workspace's)")
	cmd.Flags().StringVar(&c.grpc, "grpc", "", "host:port of its gRPC service (default: the node says it)")
	cmd.Flags().StringVar(&c.trust, "trust", "", "trust `file` (default: trust.json of your settings)")
	cmd.Flags().StringVar(&c.workspace, "workspace", "", "workspace `file` (default: cityproof.yaml here or above)")
}

// readTrust reads the trust file that was named, or the one of the user's
// settings; nil if there is none and none was named.
func (a *App) readTrust(file string) (*receipt.Trust, error) {
	named := file != ""
	if !named {
		file = a.configFile("trust.json")
	}
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) && !named {
		return nil, nil
	}
	if err != nil {
		return nil, usage(fmt.Errorf("reading trust: %w", err), "get trust.json from the city, by a way that you trust")
	}
	t, err := receipt.ParseTrust(b)
	if err != nil {
		return nil, usage(fmt.Errorf("reading trust %s: %w", file, err), "get trust.json again from the city, by a way that you trust")
	}
	return t, nil
}

// needTrust is readTrust where nothing can be said without one.
func (a *App) needTrust(file string) (*receipt.Trust, error) {
	t, err := a.readTrust(file)
	if err == nil && t == nil {
		return nil, unknown(errors.New("there is no trust file, so there is nothing to check against"),
			"give --trust trust.json, from the city by a way that you trust; a receipt never brings keys along")
	}
	return t, err
}

// trustOf is what a node's answers are checked by: the trust file that was named; else what the alliance's registry says of
// the city now, where a root.json is named or kept and the city is a member; else the trust file of the settings.
func (a *App) trustOf(ctx context.Context, c connection, city string) (*receipt.Trust, error) {
	named := c.alliance.root != ""
	if _, err := os.Stat(a.configFile("root.json")); c.trust != "" || city == "" || !named && err != nil {
		return a.readTrust(c.trust)
	}
	st, _, err := a.follow(ctx, &c.alliance)
	if err != nil {
		return nil, err
	}
	m := st.Roster.Member(city)
	if m == nil {
		return a.readTrust("")
	}
	return receipt.TrustIn(st.Roster, m)
}

// dial connects to the node that the flags or the workspace name.
func (a *App) dial(ctx context.Context, c connection, ws shorthand.Workspace) (*client.Client, error) {
	node := c.node
	if node == "" {
		node = ws.Node
	}
	if node == "" && c.grpc == "" {
		return nil, usage(errors.New("which node?"), "give --node URL, or write node: URL into cityproof.yaml")
	}
	trust, err := a.trustOf(ctx, c, ws.City)
	if err != nil {
		return nil, err
	}
	return client.Dial(ctx, client.Options{Node: node, GRPC: c.grpc, City: ws.City, Trust: trust, Now: a.Now})
}

// findWorkspace reads the workspace that was named, or the nearest cityproof.yaml
// in dir or above. Without one it returns the zero workspace.
func findWorkspace(file, dir string) (shorthand.Workspace, error) {
	named := file != ""
	if !named {
		file = nearest(dir)
	}
	if file == "" {
		return shorthand.Workspace{}, nil
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return shorthand.Workspace{}, usage(fmt.Errorf("reading workspace: %w", err), "name it with --workspace FILE")
	}
	return shorthand.ParseWorkspace(b)
}

// nearest is the path of the first cityproof.yaml in dir or a folder above it.
func nearest(dir string) string {
	dir, err := filepath.Abs(dir)
	for err == nil {
		file := filepath.Join(dir, shorthand.WorkspaceFile)
		if st, err := os.Stat(file); err == nil && st.Mode().IsRegular() {
			return file
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return ""
		}
		dir = parent
	}
	return ""
}

// keyFlags name the officer's key.
type keyFlags struct{ file, passphraseFile string }

func (k *keyFlags) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&k.file, "key", "", "your key `file` (default: publisher.key of your settings)")
	cmd.Flags().StringVar(&k.passphraseFile, "passphrase-file", "", "read the key's passphrase from this `file`")
}

// openKey reads the officer's key.
func (a *App) openKey(k keyFlags) (*signingkey.Key, error) {
	file := k.file
	if file == "" {
		file = a.configFile("publisher.key")
	}
	key, err := signingkey.ReadFile(file, a.passphrase(k.passphraseFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, usage(err, "give --key FILE, or make a key: in an alliance with cityproof key request, alone with cityproof keygen, and have it listed by your node's operator")
	}
	if err != nil {
		return nil, err
	}
	if key.Role != signingkey.Publisher {
		return nil, usage(fmt.Errorf("%s is a %s key", file, key.Role), "declarations are signed with a publisher key")
	}
	return key, nil
}
