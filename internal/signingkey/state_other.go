//go:build unix && !linux

package signingkey

import (
	"fmt"
	"os"
	"syscall"
)

// lockIdentity is what the file system says of an open file and lets nobody set.
// Nodes run on Linux; elsewhere the time when the file was made is not asked for.
func lockIdentity(f *os.File) (identity, error) {
	st, err := f.Stat()
	if err != nil {
		return identity{}, err
	}
	sys, ok := st.Sys().(*syscall.Stat_t)
	if !ok {
		return identity{}, fmt.Errorf("looking at %s: the system tells no inode", f.Name())
	}
	return identity{inode: fmt.Sprint(sys.Ino), born: unknown, device: fmt.Sprint(sys.Dev)}, nil
}
