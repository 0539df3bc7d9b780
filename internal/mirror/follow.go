package mirror

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/entry"
	"github.com/cityproof/cityproof/internal/mirrorstore"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/publication"
	"github.com/cityproof/cityproof/internal/receipt"
	"github.com/cityproof/cityproof/internal/tile"
)

// Source is a place where a log's files lie: the city's node or another mirror. *client.LogReader is one.
type Source interface {
	tile.Source
	// Bundle returns the first width entries of an entry bundle.
	Bundle(ctx context.Context, index uint64, width int) ([][]byte, error)
	// File returns what an entry commits to, by its SHA-256.
	File(ctx context.Context, sum [sha256.Size]byte) ([]byte, error)
	// Files returns the first files of the entries of a bundle, nil for those that it has not. It may give fewer than it has.
	Files(ctx context.Context, index uint64, width int) ([][]byte, error)
	// Attachment returns a file that a body names, by its SHA-256.
	Attachment(ctx context.Context, sum [sha256.Size]byte) ([]byte, error)
	// String names the place for a person.
	String() string
}

// Publisher finds the key of an id that may sign the leaf at index of a log.
type Publisher func(id declaration.KeyID, index uint64) (ed25519.PublicKey, bool)

const (
	// chunkBundles is how many bundles are proven and written at once: at most 4,096 entries.
	chunkBundles = 16
	// maxChunkBytes bounds a chunk in memory; one that would be larger ends earlier.
	maxChunkBytes = 32 << 20
	// fetches is how many files are asked of a source at once.
	fetches = 8
)

// Follow brings a copy up to a head that the log's keys have signed, which the caller has verified. It takes what it can
// from the first source, and from the next what that one lacks. What was proven before an error stays. Nothing bounds it: it
// is for a log that must be had whole.
func Follow(ctx context.Context, log *mirrorstore.Log, head checkpoint.Checkpoint, known Log) error {
	return follow(ctx, follower{
		log: log, head: head, by: known.Publisher, bounds: newBounds(Limits{}, time.Now, nil), trust: known.Trust, time: known.AnchoredAt,
	}, known.Sources)
}

func follow(ctx context.Context, f follower, sources []Source) error {
	var errs []error
	for _, f.src = range sources {
		err := f.run(ctx)
		var limit *LimitError
		switch {
		case err == nil:
			return nil
		case errors.As(err, &limit):
			return err
		}
		if errs = append(errs, fmt.Errorf("%s: %w", f.src, err)); ctx.Err() != nil {
			break
		}
	}
	return fmt.Errorf("mirroring %s: %w", f.head.Origin, errors.Join(errs...))
}

// follower takes a log from one source.
type follower struct {
	log  *mirrorstore.Log
	head checkpoint.Checkpoint
	by   Publisher
	src  Source

	bounds *bounds
	trust  *receipt.Trust                            // of the log; nil: no answer that something is gone is believed
	time   func(anchor []byte) (at int64, err error) // nil: anchors tell no time
}

// ErrRewritten says that what is stored does not lead to a head that the log signed: one of the two histories is another.
var ErrRewritten = errors.New("the log signed another history than the one that is mirrored")

func (f *follower) run(ctx context.Context) error {
	for {
		size, root := f.log.Head()
		if size >= f.head.Size {
			if size > f.head.Size {
				var err error
				if root, err = tile.Root(ctx, f.log, f.head.Size); err != nil {
					return err
				}
			}
			if root != f.head.Root {
				return ErrRewritten
			}
			return f.fill(ctx)
		}
		// Where another call brought the log further meanwhile, this one goes on from there.
		if err := f.chunk(ctx, size); err != nil && !errors.Is(err, mirrorstore.ErrMoved) {
			return err
		}
	}
}

// chunk fetches, checks, proves and stores what comes next.
func (f *follower) chunk(ctx context.Context, size uint64) error {
	left, fresh, err := f.bounds.left(f.log, f.head.Origin)
	if err != nil {
		return err
	}
	read, err := f.fetch(ctx, size)
	if err != nil {
		return err
	}
	if read = within(read, left, fresh); len(read) == 0 {
		return f.bounds.exhaust(f.head.Origin)
	}
	c := &mirrorstore.Chunk{First: size, Day: f.bounds.day()}
	for _, r := range read {
		c.Entries = append(c.Entries, r.entry)
	}
	if err := f.prove(ctx, size, c.Entries); err != nil {
		return err
	}
	var claims []claim
	seen := map[[sha256.Size]byte]bool{}
	for i, r := range read {
		index := size + uint64(i)
		for _, file := range r.files {
			if err := f.keep(c, index, &r, file, seen); err != nil {
				return err
			}
		}
		claims = r.tell(c, index, claims)
	}
	erased, err := f.erasures(claims, size, c.Entries)
	if err != nil {
		return err
	}
	c.Erased = append(c.Erased, erased...)
	if c.Lacking, err = f.attach(ctx, c.Uses); err != nil {
		return err
	}
	return f.log.Append(c)
}

// keep puts a file of an entry into the chunk, or notes that it is absent.
func (f *follower) keep(c *mirrorstore.Chunk, index uint64, r *read, file entry.File, seen map[[sha256.Size]byte]bool) error {
	if seen[file.Sum] {
		return nil
	}
	seen[file.Sum] = true
	erased, err := f.log.IsErased(file.Sum)
	if err != nil || erased {
		return err
	}
	if r.got != nil && sha256.Sum256(r.got) == file.Sum {
		c.Files = append(c.Files, r.got)
		return nil
	}
	have, err := f.log.HasBody(file.Sum)
	if err == nil && !have {
		c.Absent = append(c.Absent, mirrorstore.Absent{Index: index, Sum: file.Sum})
	}
	return err
}

// tell puts into a chunk what an entry says beside its files, and adds what it claims to erase.
func (r *read) tell(c *mirrorstore.Chunk, index uint64, claims []claim) []claim {
	if r.gone != nil {
		c.Erased = append(c.Erased, *r.gone)
	}
	if r.anchor != nil {
		c.Anchors = append(c.Anchors, *r.anchor)
	}
	if u, ok := r.use(index); ok {
		c.Uses = append(c.Uses, u)
	}
	if r.erases != nil {
		claims = append(claims, claim{index, r.erases})
	}
	return claims
}

// within returns the first of what was read that fit into a number of bytes: at least one, if that would be the first today.
func within(read []read, left int64, fresh bool) []read {
	for i, r := range read {
		if left -= int64(len(r.entry) + len(r.got)); left < 0 {
			if i == 0 && fresh {
				i = 1
			}
			return read[:i]
		}
	}
	return read
}

// prove shows that the entries continue what is stored and lead to the head.
func (f *follower) prove(ctx context.Context, size uint64, entries [][]byte) error {
	leaves := make([]proof.Hash, len(entries))
	each(len(entries), func(i int) { leaves[i] = proof.LeafHash(entries[i]) })
	grown := size + uint64(len(entries))
	root, err := f.log.RootWith(size, leaves)
	if err != nil {
		return err
	}
	if grown == f.head.Size {
		if root != f.head.Root {
			return errNotThere
		}
		return nil
	}
	path, err := tile.ConsistencyProof(ctx, f.src, grown, f.head.Size)
	if err != nil {
		return err
	}
	if err := proof.VerifyConsistency(grown, f.head.Size, root, f.head.Root, path); err != nil {
		return fmt.Errorf("%w: %w", errNotThere, err)
	}
	return nil
}

var errNotThere = errors.New("its entries do not lead to the head that the log signed")

// read is an entry with what it commits to.
type read struct {
	entry  []byte
	files  []entry.File
	got    []byte               // the first file, where the source gave it
	gone   *mirrorstore.Erasure // that it was erased, as the source has proven
	signed *declaration.Signed  // of a statement that counts
	anchor *mirrorstore.Anchor
	says
}

// says is what a body says to those who keep it.
type says struct {
	erases      *declarationv1.Erasure // of an erasure notice
	attachments [][sha256.Size]byte
}

// use is what a statement says of attachments; ok is false where there is nothing to be known.
func (r *read) use(index uint64) (u mirrorstore.Use, ok bool) {
	if r.signed == nil || r.signed.Statement.Revision == 1 && len(r.attachments) == 0 {
		return u, false
	}
	st := r.signed.Statement
	return mirrorstore.Use{Subject: st.Subject.String(), Revision: st.Revision, Index: index, Body: st.BodySHA256, Attachments: r.attachments}, true
}

// fetch reads the bundles that follow on size, and their files, and judges each entry.
func (f *follower) fetch(ctx context.Context, size uint64) ([]read, error) {
	first := size / tile.FullWidth
	last := min(first+chunkBundles-1, (f.head.Size-1)/tile.FullWidth)
	bundles := make([][]read, last-first+1)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(fetches)
	for i := range bundles {
		g.Go(func() (err error) {
			bundles[i], err = f.bundle(ctx, first+uint64(i), size) //nolint:gosec // an index
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	bytes := 0
	for i, b := range bundles {
		for _, r := range b {
			bytes += len(r.entry) + len(r.got)
		}
		if bytes > maxChunkBytes {
			bundles = bundles[:i+1]
			break
		}
	}
	return slices.Concat(bundles...), nil
}

// bundle reads one bundle from entry size on.
func (f *follower) bundle(ctx context.Context, index, size uint64) ([]read, error) {
	first := index * tile.FullWidth
	width := int(min(tile.FullWidth, f.head.Size-first))
	entries, err := f.src.Bundle(ctx, index, width)
	if err != nil {
		return nil, err
	}
	files, err := f.src.Files(ctx, index, width)
	if err != nil || len(files) > width {
		files = nil // each is asked for by itself
	}
	skip := 0
	if size > first {
		skip = int(size - first) //nolint:gosec // less than a bundle
	}
	out := make([]read, width-skip)
	for i := range out {
		at := skip + i
		out[i] = f.judge(first+uint64(at), entries[at])
		if len(out[i].files) == 0 {
			continue
		}
		want := out[i].files[0]
		if at < len(files) && files[at] != nil && sha256.Sum256(files[at]) == want.Sum {
			out[i].got = files[at]
		} else if out[i].got, out[i].gone, err = f.file(ctx, want.Sum, entries[at]); err != nil {
			return nil, err
		}
		if out[i].got != nil {
			out[i].says = hear(out[i].got)
		}
	}
	return out, nil
}

// file gets by itself a file that entry b commits to; nil where the source does not have it, with the erasure that it proves.
func (f *follower) file(ctx context.Context, sum [sha256.Size]byte, b []byte) ([]byte, *mirrorstore.Erasure, error) {
	if erased, err := f.log.IsErased(sum); erased || err != nil {
		return nil, nil, err
	}
	if have, err := f.log.Body(sum); err == nil {
		return have, nil, nil
	}
	got, err := f.src.File(ctx, sum)
	if ctx.Err() != nil {
		return nil, nil, ctx.Err()
	}
	if err == nil && sha256.Sum256(got) == sum {
		return got, nil, nil
	}
	e, perr := entry.Parse(b)
	if perr != nil {
		return nil, nil, nil //nolint:nilerr // absent is what the caller notes
	}
	return nil, f.goneByNotice(err, b, e), nil
}

// judge reads an entry. One that is no entry, or signed by nobody who may, commits to nothing that counts; it belongs to the
// log all the same, and is kept.
func (f *follower) judge(index uint64, b []byte) read {
	r := read{entry: b}
	e, err := entry.Parse(b)
	if err != nil || !counts(e, index, f.by) {
		return r
	}
	r.files, r.signed = e.Files, e.Signed
	if e.Kind == entry.Anchor && f.time != nil && e.Head.Size <= index {
		if at, err := f.time(b); err == nil && at > 0 {
			r.anchor = &mirrorstore.Anchor{Size: e.Head.Size, Time: uint64(at)}
		}
	}
	return r
}

// counts reports whether somebody signed an entry who may.
func counts(e *entry.Entry, index uint64, by Publisher) bool {
	if e.Kind != entry.Statement {
		return true
	}
	return e.Signed.Envelope.Verify(func(id declaration.KeyID) (ed25519.PublicKey, bool) { return by(id, index) }) == nil
}

// hear reads what a body says.
func hear(b []byte) (s says) {
	body, err := declaration.ParseBody(b)
	if err != nil {
		return s
	}
	s.erases = erasureIn(body)
	for _, at := range publication.Attachments(body) {
		if sum := at.Attachment.GetSha256(); len(sum) == sha256.Size {
			s.attachments = append(s.attachments, [sha256.Size]byte(sum))
		}
	}
	return s
}

// attach fetches the attachments of uses that are not here, one at a time, for they are large. It returns those that were
// not to be had.
func (f *follower) attach(ctx context.Context, uses []mirrorstore.Use) (lacking [][sha256.Size]byte, err error) {
	for _, u := range uses {
		for _, sum := range u.Attachments {
			have, err := f.log.HasAttachment(sum)
			if err != nil {
				return nil, err
			}
			if !have {
				have, err = f.attachment(ctx, sum)
			}
			if err != nil {
				return nil, err
			}
			if !have {
				lacking = append(lacking, sum)
			}
		}
	}
	return lacking, nil
}

// attachment fetches and stores one; false where the source does not have it.
func (f *follower) attachment(ctx context.Context, sum [sha256.Size]byte) (bool, error) {
	left, fresh, err := f.bounds.left(f.log, f.head.Origin)
	if err != nil {
		return false, err
	}
	b, err := f.src.Attachment(ctx, sum)
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	if err != nil || sha256.Sum256(b) != sum || len(b) > declaration.MaxAttachment {
		return false, nil //nolint:nilerr // lacking is what the caller notes
	}
	if int64(len(b)) > left && !fresh {
		return false, f.bounds.exhaust(f.head.Origin)
	}
	return true, f.log.PutAttachment(b, f.bounds.day())
}

// maxAbsent is how many missing files are asked for again at a time.
const maxAbsent = 1000

// fill asks once more for what was absent. What is still absent and not erased keeps the head from being complete.
func (f *follower) fill(ctx context.Context) error {
	still := 0
	for more := true; more; {
		var err error
		if still, more, err = f.fillBodies(ctx); err != nil {
			return err
		}
	}
	lacking, err := f.log.Lacking(math.MaxInt)
	if err != nil {
		return err
	}
	for _, a := range lacking {
		have, err := f.attachment(ctx, a.Sum)
		if err != nil {
			return err
		}
		if !have && a.Index < f.head.Size {
			still++
		}
	}
	if still > 0 {
		return fmt.Errorf("%w: %d", ErrIncomplete, still)
	}
	return nil
}

// fillBodies asks for at most maxAbsent bodies. still is how many of them are missing below the head, and more whether there
// are others that were not asked for.
func (f *follower) fillBodies(ctx context.Context) (still int, more bool, err error) {
	absent, err := f.log.Absent(maxAbsent)
	if err != nil || len(absent) == 0 {
		return 0, false, err
	}
	if _, _, err := f.bounds.left(f.log, f.head.Origin); err != nil {
		return 0, false, err
	}
	c := &mirrorstore.Chunk{Absent: absent, Day: f.bounds.day()}
	var claims []claim
	cut, bytes := len(absent) == maxAbsent, 0
	for _, a := range absent {
		if cut = cut || bytes > maxChunkBytes; bytes > maxChunkBytes {
			break
		}
		e, err := f.log.Entry(a.Index)
		if err != nil {
			return 0, false, err
		}
		r := f.judge(a.Index, e)
		r.anchor = nil
		if r.got, r.gone, err = f.file(ctx, a.Sum, e); err != nil {
			return 0, false, err
		}
		switch {
		case r.got != nil:
			c.Files, bytes = append(c.Files, r.got), bytes+len(r.got)
			r.says = hear(r.got)
		case r.gone == nil && a.Index < f.head.Size:
			still++
		}
		claims = r.tell(c, a.Index, claims)
	}
	size, _ := f.log.Head()
	erased, err := f.erasures(claims, size, nil)
	if err != nil {
		return 0, false, err
	}
	c.Erased = append(c.Erased, erased...)
	if c.Lacking, err = f.attach(ctx, c.Uses); err != nil {
		return 0, false, err
	}
	if err := f.log.Found(c); err != nil || !cut {
		return still, false, err
	}
	if came := len(c.Files) + len(c.Erased); came == 0 { // the others are behind these
		return max(still, 1), false, nil
	}
	return still, still == 0, nil
}

// ErrIncomplete says that bodies are missing that no notice in the log erased.
var ErrIncomplete = errors.New("bodies or attachments are missing")

// each calls f for 0 to n−1, on all cores where there are many.
func each(n int, f func(i int)) {
	workers := runtime.GOMAXPROCS(0)
	if n < 64 || workers == 1 {
		for i := range n {
			f(i)
		}
		return
	}
	var g errgroup.Group
	for w := range workers {
		g.Go(func() error {
			for i := w; i < n; i += workers {
				f(i)
			}
			return nil
		})
	}
	_ = g.Wait() // f reports through what it closes over
}
