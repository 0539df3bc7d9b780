package signingkey

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// maxEvidence bounds the files of evidence in a state directory: a node that finds
// the same every time it is started must not fill the disk.
const maxEvidence = 16

// KeepEvidence writes why size was not signed beside lastsigned, where no backup of
// the data and no repair of them takes it away. It returns the file's path. What is
// there already for that size is kept: the first time counts.
func (s *LogSigner) KeepEvidence(size uint64, text []byte) (string, error) {
	return s.state.keepEvidence(size, text)
}

func (s *State) keepEvidence(size uint64, text []byte) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.foreign != nil {
		return "", s.foreign // a copy is left as it was found
	}
	const prefix = "evidence-"
	name := fmt.Sprintf("%s%d.txt", prefix, size)
	path := filepath.Join(s.path, name)
	if _, err := s.root.Lstat(name); err == nil {
		return path, nil
	}
	files, err := fs.ReadDir(s.root.FS(), ".")
	if err != nil {
		return "", fmt.Errorf("keeping evidence: %w", err)
	}
	kept := 0
	for _, f := range files {
		if strings.HasPrefix(f.Name(), prefix) {
			kept++
		}
	}
	if kept >= maxEvidence {
		return "", fmt.Errorf("keeping evidence: %s holds %d files of it already: put them somewhere else", s.path, kept)
	}
	f, err := s.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", fmt.Errorf("keeping evidence: %w", err)
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close(), s.syncFile(".")); err != nil {
		return "", fmt.Errorf("keeping evidence: %w", err)
	}
	return path, nil
}
