package signingkey

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"filippo.io/age"
	"filippo.io/age/armor"
)

// maxKeyFile bounds what is read of a key file, in bytes.
const maxKeyFile = 16 << 10

// Passphrase asks for the passphrase of an encrypted key file.
type Passphrase func(file string) (string, error)

// ErrPassphrase says that a passphrase does not open the key file.
var ErrPassphrase = errors.New("the passphrase does not open this key file")

// Encrypt writes the key file's text encrypted with a passphrase.
func (k *Key) Encrypt(passphrase string) ([]byte, error) {
	to, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		return nil, fmt.Errorf("encrypting key: %w", err)
	}
	var buf bytes.Buffer
	arm := armor.NewWriter(&buf)
	w, err := age.Encrypt(arm, to)
	if err != nil {
		return nil, fmt.Errorf("encrypting key: %w", err)
	}
	if _, err := w.Write(k.Format()); err != nil {
		return nil, fmt.Errorf("encrypting key: %w", err)
	}
	if err := errors.Join(w.Close(), arm.Close()); err != nil {
		return nil, fmt.Errorf("encrypting key: %w", err)
	}
	return buf.Bytes(), nil
}

// ReadFile reads a key file, asking for a passphrase if it is encrypted. The
// file must be a regular one that nobody but its owner can read, and not a
// symbolic link: else another account could swap or read it.
func ReadFile(path string, ask Passphrase) (*Key, error) {
	b, err := readPrivate(path)
	if err != nil {
		return nil, fmt.Errorf("reading key: %w", err)
	}
	if bytes.HasPrefix(b, []byte(armor.Header)) {
		if b, err = decrypt(b, path, ask); err != nil {
			return nil, fmt.Errorf("reading key %s: %w", path, err)
		}
	}
	k, err := Parse(b)
	if err != nil {
		return nil, fmt.Errorf("reading key %s: %w", path, err)
	}
	return k, nil
}

func decrypt(b []byte, path string, ask Passphrase) ([]byte, error) {
	if ask == nil {
		return nil, errors.New("it is encrypted and no passphrase is at hand")
	}
	pass, err := ask(path)
	if err != nil {
		return nil, err
	}
	id, err := age.NewScryptIdentity(pass)
	if err != nil {
		return nil, ErrPassphrase
	}
	r, err := age.Decrypt(armor.NewReader(bytes.NewReader(b)), id)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPassphrase, err)
	}
	plain, err := io.ReadAll(io.LimitReader(r, maxKeyFile))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotKey, err)
	}
	return plain, nil
}

func readPrivate(path string) ([]byte, error) {
	// Without O_NONBLOCK, opening a named pipe would wait for ever.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read
	st, err := f.Stat()              // of the open file, so that it can't be swapped meanwhile
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	if st.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s can be read by others (mode %v): chmod 600 %s", path, st.Mode().Perm(), path)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	if err == nil && len(b) > maxKeyFile {
		err = ErrNotKey
	}
	return b, err
}

// WriteFile writes a new key file, readable only by its owner. It never
// overwrites: a key that is gone can't be made again.
func WriteFile(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("writing key: %w", err)
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("writing key: %w", errors.Join(err, os.Remove(path)))
	}
	return syncDir(filepath.Dir(path))
}

// PassphraseFile returns a Passphrase that reads the first line of a file, for a
// server whose passphrase is a credential of its service manager.
func PassphraseFile(file string) Passphrase {
	return func(string) (string, error) {
		b, err := readPrivate(file)
		if err != nil {
			return "", fmt.Errorf("reading passphrase: %w", err)
		}
		line, _, _ := strings.Cut(string(b), "\n")
		return strings.TrimSuffix(line, "\r"), nil
	}
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("syncing directory: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("syncing directory %s: %w", dir, err)
	}
	return nil
}
