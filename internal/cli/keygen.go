package cli

import (
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cityproof/cityproof/internal/signingkey"
)

func (a *App) keygen() *cobra.Command {
	var role, label, algorithm, passphraseFile string
	var plain, public bool
	cmd := &cobra.Command{
		Use:   "keygen FILE",
		Short: "Make a key of your own, encrypted with a passphrase",
		Long: `Makes a new key and prints its public half, which the operator of your city's node
needs: cityproof-node publisher add KEY. In an alliance officers ask for theirs with
cityproof key request instead. The file stays on your machine and is never shared. With
--public and an existing file, only its public half is printed.`,
		Example: "  cityproof keygen officer-2.key --label officer-2",
		Args:    cobra.ExactArgs(1),
	}
	cmd.Flags().StringVar(&role, "role", "publisher", "publisher, recovery, act or root; or one that replaces a node's own: log, witness, mirror, node, tls")
	cmd.Flags().StringVar(&label, "label", "", "name of the office, never of a person (default: the file's name)")
	cmd.Flags().StringVar(&algorithm, "algorithm", string(signingkey.Ed25519), "ed25519, or ml-dsa-44 for the second key of a log")
	cmd.Flags().BoolVar(&plain, "plain", false, "do not encrypt the file")
	cmd.Flags().BoolVar(&public, "public", false, "print only the public key")
	cmd.Flags().StringVar(&passphraseFile, "passphrase-file", "", "read the passphrase from this `file`")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		path := args[0]
		if _, err := os.Lstat(path); err == nil {
			if !public {
				return usage(fmt.Errorf("%s exists already", path), "choose another name: a key that is overwritten is lost")
			}
			key, err := signingkey.ReadFile(path, a.passphrase(passphraseFile))
			if err != nil {
				return err
			}
			a.say("%s", base64.StdEncoding.EncodeToString(key.Public()))
			return nil
		}
		if label == "" {
			label = labelFrom(path)
		}
		key, err := signingkey.Generate(signingkey.Role(role), label, signingkey.Algorithm(algorithm))
		if err != nil {
			return usage(err, "for example: cityproof keygen officer-2.key --label officer-2")
		}
		if err := a.saveKey(path, key, plain, passphraseFile); err != nil {
			return err
		}
		if !public {
			a.note("Made %s (%s key %q). Keep it on this machine, and a copy in a safe place.\nIts public key, for your node's operator:", path, key.Role, key.Label)
		}
		a.say("%s", base64.StdEncoding.EncodeToString(key.Public()))
		return nil
	}
	return cmd
}

// labelFrom makes a label of a file's name.
func labelFrom(path string) string {
	base := strings.ToLower(strings.TrimSuffix(filepath.Base(path), filepath.Ext(path)))
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-':
			return r
		case r == '_', r == ' ', r == '.':
			return '-'
		}
		return -1
	}, base)
}

// passphrase asks for the passphrase of an existing key.
func (a *App) passphrase(file string) signingkey.Passphrase {
	if file != "" {
		return signingkey.PassphraseFile(file)
	}
	return func(key string) (string, error) {
		if !a.Terminal {
			return "", usage(errors.New("the key is encrypted and nobody is here to ask for its passphrase"), "give --passphrase-file FILE")
		}
		fmt.Fprintf(a.Err, "Passphrase of %s: ", printable(key))
		b, err := a.ReadPassword()
		fmt.Fprintln(a.Err)
		return string(b), err
	}
}

// minPassphrase is the fewest characters of a new passphrase. A key file can be
// tried offline by whoever copies it.
const minPassphrase = 10

func (a *App) newPassphrase(file string) (string, error) {
	if file != "" {
		return signingkey.PassphraseFile(file)("")
	}
	if !a.Terminal {
		return "", usage(errors.New("nobody is here to choose a passphrase"), "give --passphrase-file FILE, or --plain for a key without one")
	}
	fmt.Fprint(a.Err, "Choose a passphrase (a few words): ")
	first, err := a.ReadPassword()
	fmt.Fprintln(a.Err)
	if err != nil {
		return "", err
	}
	if len([]rune(string(first))) < minPassphrase {
		return "", usage(fmt.Errorf("a passphrase has at least %d characters", minPassphrase), "three or four words are easy to keep in mind")
	}
	fmt.Fprint(a.Err, "Again: ")
	second, err := a.ReadPassword()
	fmt.Fprintln(a.Err)
	if err != nil {
		return "", err
	}
	if string(first) != string(second) {
		return "", usage(errors.New("the two are not the same"), "try again; nothing was written")
	}
	return string(first), nil
}
