package node

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/config"
	"github.com/cityproof/cityproof/internal/receipt"
	"github.com/cityproof/cityproof/internal/signingkey"
)

// InitOptions say which node to make.
type InitOptions struct {
	City, URL, Dir string
	// LogName is the last part of the log's origin; empty: log.
	LogName string
	// HTTP and GRPC are the addresses to listen on; empty: the defaults.
	HTTP, GRPC string
	// Publishers are the officers' public keys that may publish from the start.
	Publishers []ed25519.PublicKey
}

// Initialised is what Init has made.
type Initialised struct {
	Config string // path of the configuration file
	Trust  string // path of trust.json
	Origin string
	VKeys  []string
}

// Init makes a node's folder: log keys, state, trust.json and a configuration. It never
// overwrites: a log's key or name that is replaced is another log.
func Init(opts InitOptions) (*Initialised, error) {
	m := config.Member{City: opts.City, URL: opts.URL, LogName: opts.LogName}
	origin, err := m.Origin()
	if err != nil {
		return nil, err
	}
	out := &Initialised{Config: filepath.Join(opts.Dir, "node.yaml"), Trust: filepath.Join(opts.Dir, "trust.json"), Origin: origin}
	text := configText(opts)
	cfg, err := config.Parse([]byte(text), opts.Dir)
	if err != nil {
		return nil, err
	}
	if _, err = os.Lstat(out.Config); !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s exists already: choose another folder; nothing was changed", out.Config)
	}
	if err = os.MkdirAll(filepath.Join(opts.Dir, "keys"), 0o700); err != nil {
		return nil, fmt.Errorf("making the node's folder: %w", err)
	}
	if out.VKeys, err = makeLogKeys(origin, filepath.Join(opts.Dir, "keys")); err != nil {
		return nil, err
	}
	if err := makeNodeKeys(filepath.Join(opts.Dir, "keys")); err != nil {
		return nil, err
	}
	trust := &receipt.Trust{Origin: origin, City: opts.City}
	for _, vkey := range out.VKeys {
		v, err := checkpoint.ParseVerifier(vkey)
		if err != nil {
			return nil, err
		}
		trust.Log = append(trust.Log, v)
	}
	for _, key := range opts.Publishers {
		trust.Publishers = append(trust.Publishers, receipt.Publisher{Key: key})
	}
	if err := writeTrust(out.Trust, trust); err != nil {
		return nil, err
	}
	// Here and now the state belongs to this machine; a copy of the folder won't.
	state, err := signingkey.MakeState(cfg.Members[0].State)
	if err != nil {
		return nil, err
	}
	if err := state.Close(); err != nil {
		return nil, fmt.Errorf("making the node's state: %w", err)
	}
	// Last, so that a folder with a configuration is whole.
	if err := os.WriteFile(out.Config, []byte(text), 0o600); err != nil {
		return nil, fmt.Errorf("writing configuration: %w", err)
	}
	return out, nil
}

func makeLogKeys(origin, dir string) (vkeys []string, err error) {
	for _, k := range []struct {
		file string
		alg  signingkey.Algorithm
		typ  checkpoint.KeyType
	}{
		{"log-ed25519.key", signingkey.Ed25519, checkpoint.TypeEd25519},
		{"log-mldsa44.key", signingkey.MLDSA44, checkpoint.TypeMLDSA44},
	} {
		key, err := signingkey.Generate(signingkey.Log, "log", k.alg)
		if err != nil {
			return nil, err
		}
		vkey, err := checkpoint.NewVKey(origin, k.typ, key.Public())
		if err != nil {
			return nil, err
		}
		if err := signingkey.WriteFile(filepath.Join(dir, k.file), key.Format()); err != nil {
			return nil, err
		}
		vkeys = append(vkeys, checkpoint.FormatVKey(vkey))
	}
	return vkeys, nil
}

// makeNodeKeys makes the keys with which the node takes part in an alliance, each with its role's name.
func makeNodeKeys(dir string) error {
	for _, role := range []signingkey.Role{signingkey.Witness, signingkey.Mirror, signingkey.Node, signingkey.TLS} {
		key, err := signingkey.Generate(role, string(role), signingkey.Ed25519)
		if err != nil {
			return err
		}
		if err := signingkey.WriteFile(filepath.Join(dir, string(role)+".key"), key.Format()); err != nil {
			return err
		}
	}
	return nil
}

func configText(opts InitOptions) string {
	text := fmt.Sprintf(`# A Cityproof node. Every field: deploy/node.example.yaml in the source.
members:
  - city: %s
    url: %s
`, opts.City, opts.URL)
	if opts.LogName != "" {
		text += "    log_name: " + opts.LogName + "\n"
	}
	if opts.HTTP != "" {
		text += "http:\n  listen: " + opts.HTTP + "\n"
	}
	if opts.GRPC != "" {
		text += "grpc:\n  listen: " + opts.GRPC + "\n"
	}
	return text
}

// writeTrust replaces trust.json whole: a reader sees the old one or the new one.
func writeTrust(path string, t *receipt.Trust) error {
	b, err := t.Format()
	if err != nil {
		return fmt.Errorf("writing trust: %w", err)
	}
	tmp := path + ".new"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644) //nolint:gosec // it is meant to be handed out
	if err != nil {
		return fmt.Errorf("writing trust: %w", err)
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil { // or power loss could leave it empty
		return fmt.Errorf("writing trust: %w", err)
	}
	if err := os.Rename(tmp, path); err != nil {
		return fmt.Errorf("writing trust: %w", err)
	}
	return nil
}
