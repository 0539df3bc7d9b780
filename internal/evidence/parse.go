package evidence

import (
	"errors"
	"fmt"
	"strings"

	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/proof"
)

// Parse reads evidence of at most MaxSize bytes. It accepts exactly what Evidence.Format writes, verifies nothing and
// shares no memory with b. Every error wraps ErrMalformed or ErrLaterVersion.
func Parse(b []byte) (*Evidence, error) {
	if len(b) > MaxSize {
		return nil, malformed(fmt.Errorf("%d bytes, at most %d allowed", len(b), MaxSize))
	}
	r := &reader{rest: string(b)}
	first, err := r.line()
	if err != nil {
		return nil, malformed(err)
	}
	if first != headerLine {
		return nil, otherVersion(first)
	}
	e, err := r.evidence()
	if err == nil {
		err = e.check()
	}
	if err != nil {
		return nil, malformed(err)
	}
	return e, nil
}

func malformed(err error) error {
	return fmt.Errorf("parsing evidence: %w: %w", ErrMalformed, err)
}

// otherVersion tells evidence of a later program from what is no evidence.
func otherVersion(first string) error {
	if number, ok := strings.CutPrefix(first, versionPrefix); ok {
		if n, err := proof.ParseSize(number); err == nil && n > 1 {
			return fmt.Errorf("parsing evidence: %w: version %d: use a newer program", ErrLaterVersion, n)
		}
	}
	return malformed(fmt.Errorf("first line is not %q", headerLine))
}

// reader takes lines off a text.
type reader struct {
	rest string
}

func (r *reader) line() (string, error) {
	line, rest, ok := strings.Cut(r.rest, "\n")
	if !ok {
		return "", errors.New("it ends before its last line")
	}
	r.rest = rest
	return line, nil
}

// after takes a line that begins with prefix and returns what follows.
func (r *reader) after(prefix string) (string, error) {
	line, err := r.line()
	if err != nil {
		return "", err
	}
	value, ok := strings.CutPrefix(line, prefix)
	if !ok {
		return "", fmt.Errorf("line does not begin with %q", prefix)
	}
	return value, nil
}

func (r *reader) has(prefix string) bool { return strings.HasPrefix(r.rest, prefix) }

func (r *reader) evidence() (*Evidence, error) {
	kind, err := r.after(kindPrefix)
	if err != nil {
		return nil, err
	}
	e := &Evidence{}
	for k := TwoRoots; k <= WitnessFault; k++ {
		if k.String() == kind {
			e.kind = k
		}
	}
	if e.kind == 0 {
		return nil, errors.New("kind is none of E1 to E4")
	}
	keys, err := r.keys(e.kind)
	if err != nil {
		return nil, err
	}
	if e.kind == TwoLeaves {
		err = r.leaves(e)
	} else if r.has(rootPrefix) {
		err = r.fork(e)
	}
	if err != nil {
		return nil, err
	}
	for i := range e.heads {
		if e.heads[i], err = r.head(keys[i]); err != nil {
			return nil, fmt.Errorf("head %d: %w", i+1, err)
		}
	}
	if r.rest != "" {
		return nil, errors.New("something follows the second head")
	}
	return e, nil
}

func (r *reader) keys(kind Kind) ([2]checkpoint.VKey, error) {
	prefix := logPrefix
	if kind == WitnessFault {
		prefix = witnessPrefix
	}
	var keys [2]checkpoint.VKey
	for i := range keys {
		if i == 1 && !r.has(logPrefix) {
			keys[1] = keys[0]
			break
		}
		vkey, err := r.after(prefix)
		if err != nil {
			return keys, err
		}
		if keys[i], err = checkpoint.ParseVKey(vkey); err != nil {
			return keys, err
		}
		if i == 1 && keys[1].Equal(keys[0]) {
			return keys, errors.New("the same key is listed twice")
		}
	}
	return keys, nil
}

func (r *reader) fork(e *Evidence) error {
	h, err := r.hash(rootPrefix)
	if err != nil {
		return err
	}
	e.fork = &Fork{Root: h}
	e.fork.Path, err = r.path()
	return err
}

func (r *reader) leaves(e *Evidence) error {
	index, err := r.after(indexPrefix)
	if err != nil {
		return err
	}
	if e.index, err = proof.ParseSize(index); err != nil {
		return err
	}
	e.leaves = &[2]Leaf{}
	for i := range e.leaves {
		l := &e.leaves[i]
		if l.Hash, err = r.hash(leafPrefix); err != nil {
			return err
		}
		if l.Path, err = r.path(); err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) hash(prefix string) (proof.Hash, error) {
	value, err := r.after(prefix)
	if err != nil {
		return proof.Hash{}, err
	}
	return proof.ParseHash(value)
}

// path takes the hashes up to the next line that is something else.
func (r *reader) path() ([]proof.Hash, error) {
	var path []proof.Hash
	for !r.has("\n") && !r.has(leafPrefix) {
		if len(path) == proof.MaxPath {
			return nil, fmt.Errorf("more than %d hashes", proof.MaxPath)
		}
		h, err := r.hash("")
		if err != nil {
			return nil, err
		}
		path = append(path, h)
	}
	return path, nil
}

// head takes an empty line and a note. The text of a checkpoint has no empty lines, so the next one ends it.
func (r *reader) head(key checkpoint.VKey) (head, error) {
	if !r.has("\n") {
		return head{}, errors.New("no empty line before it")
	}
	r.rest = r.rest[1:]
	blank := strings.Index(r.rest, "\n\n")
	if blank < 0 {
		return head{}, errors.New("no empty line before its signature")
	}
	signature := blank + 2
	end := strings.IndexByte(r.rest[signature:], '\n')
	if end < 0 {
		return head{}, errors.New("its signature line does not end in a newline")
	}
	end += signature + 1
	n, err := checkpoint.ParseNote([]byte(r.rest[:end]))
	if err != nil {
		return head{}, err
	}
	r.rest = r.rest[end:]
	return newHead(n.Text, key, n.Sigs[0])
}
