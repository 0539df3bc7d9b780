package checkpoint

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/cityproof/cityproof/internal/proof"
)

// Checkpoint is the text of a checkpoint note: c2sp.org/tlog-checkpoint. Nothing in it is verified.
type Checkpoint struct {
	// Origin is the log's name, not empty.
	Origin string
	// Size is the number of leaves, at most proof.MaxSize.
	Size uint64
	// Root is the root of the tree of that size.
	Root proof.Hash
	// Extensions are lines that the log may add for its own ends. Ours never does.
	Extensions []string
}

// ParseCheckpoint reads the text of a note as a checkpoint. Every error wraps ErrMalformed.
func ParseCheckpoint(text string) (Checkpoint, error) {
	if err := checkText(text); err != nil {
		return Checkpoint{}, fmt.Errorf("parsing checkpoint: %w", err)
	}
	text, ok := strings.CutSuffix(text, "\n")
	if !ok {
		return Checkpoint{}, fmt.Errorf("parsing checkpoint: %w: last line does not end in a newline", ErrMalformed)
	}
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if line == "" {
			return Checkpoint{}, fmt.Errorf("parsing checkpoint: %w: line %d is empty", ErrMalformed, i+1)
		}
	}
	if len(lines) < 3 {
		return Checkpoint{}, fmt.Errorf("parsing checkpoint: %w: %d lines, want at least 3", ErrMalformed, len(lines))
	}
	size, err := proof.ParseSize(lines[1])
	if err != nil {
		return Checkpoint{}, fmt.Errorf("parsing checkpoint: %w: size line: %w", ErrMalformed, err)
	}
	root, err := proof.ParseHash(lines[2])
	if err != nil {
		return Checkpoint{}, fmt.Errorf("parsing checkpoint: %w: root line: %w", ErrMalformed, err)
	}
	c := Checkpoint{Origin: lines[0], Size: size, Root: root}
	if len(lines) > 3 {
		c.Extensions = lines[3:]
	}
	return c, nil
}

// FormatCheckpoint is the inverse of ParseCheckpoint: the text to be signed.
func FormatCheckpoint(c Checkpoint) (string, error) {
	if c.Size > proof.MaxSize {
		return "", fmt.Errorf("formatting checkpoint: %w: size %d exceeds %d", ErrMalformed, c.Size, uint64(proof.MaxSize))
	}
	lines := append([]string{c.Origin, strconv.FormatUint(c.Size, 10), c.Root.String()}, c.Extensions...)
	for i, line := range lines {
		if line == "" || strings.Contains(line, "\n") {
			return "", fmt.Errorf("formatting checkpoint: %w: line %d is not one line of text", ErrMalformed, i+1)
		}
		if err := checkText(line); err != nil {
			return "", fmt.Errorf("formatting checkpoint: line %d: %w", i+1, err)
		}
	}
	return strings.Join(lines, "\n") + "\n", nil
}
