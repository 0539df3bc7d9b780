package mirrorstore

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/cockroachdb/pebble/v2"

	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/tile"
)

// Chunk is what follows on what is stored.
type Chunk struct {
	First   uint64 // index of the first entry
	Entries [][]byte
	// Files are the bodies and other files that the entries commit to.
	Files [][]byte
	// Absent are those that were not to be had.
	Absent []Absent
	// Erased are the bodies that valid notices among the entries speak of.
	Erased []Erasure
	// Anchors are those among the entries, in their order.
	Anchors []Anchor
	// Uses are the attachments that the entries' bodies name; only those of revision 1 that name none may be left out.
	Uses []Use
	// Lacking are the attachments among them that were not to be had.
	Lacking [][sha256.Size]byte
	// Day is that on which it was fetched, counted from 1970: Grown adds up by days.
	Day uint64
}

// Absent is a file that an entry commits to and that nobody gave.
type Absent struct {
	Index uint64
	Sum   [sha256.Size]byte
}

// RootWith returns the root that the log would have after more leaves behind a size, which must be that of now: else ErrMoved.
func (l *Log) RootWith(size uint64, leaves []proof.Hash) (proof.Hash, error) {
	l.mu.RLock()
	edge := l.edge.Clone()
	l.mu.RUnlock()
	if edge.Size() != size {
		return proof.Hash{}, ErrMoved
	}
	for _, h := range leaves {
		edge.Append(h)
	}
	return edge.Root(), nil
}

// ErrMoved says that the log has grown since a chunk was made for it.
var ErrMoved = errors.New("the mirrored log has grown meanwhile")

// Append stores a chunk, durably, all or nothing. Chunks of one log come one after the other.
func (l *Log) Append(c *Chunk) error {
	leaves := make([]proof.Hash, len(c.Entries))
	for i, e := range c.Entries {
		leaves[i] = proof.LeafHash(e)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.edge.Size() != c.First {
		return ErrMoved
	}
	edge, partial := l.edge.Clone(), append([]byte(nil), l.partial...)
	err := l.db.write(func(b *pebble.Batch) (err error) {
		if partial, err = l.stageEntries(b, c.Entries, leaves, edge, partial); err != nil {
			return err
		}
		return l.stage(b, c, edge, partial)
	})
	if err != nil {
		return fmt.Errorf("mirroring: %w", err)
	}
	l.edge, l.partial = edge, partial
	return nil
}

// stageEntries writes entries and the tiles that they fill. The edge grows by them; partial are the entries behind the last
// full bundle, and then those of now.
func (l *Log) stageEntries(b *pebble.Batch, entries [][]byte, leaves []proof.Hash, edge *tile.Edge, partial []byte) ([]byte, error) {
	for i, e := range entries {
		var err error
		if partial, err = tile.AppendEntry(partial, e); err != nil {
			return nil, err
		}
		for _, full := range edge.Append(leaves[i]) {
			if err := b.Set(l.tileKey(full.ID.Level, full.ID.Index), tile.AppendTile(nil, full.Hashes), nil); err != nil {
				return nil, err
			}
		}
		if edge.Size()%tile.FullWidth == 0 {
			if err := b.Set(l.numbered(kindEntries, edge.Size()/tile.FullWidth-1), partial, nil); err != nil {
				return nil, err
			}
			partial = partial[:0]
		}
	}
	return partial, nil
}

// stage writes what a chunk has beside entries and tiles.
func (l *Log) stage(b *pebble.Batch, c *Chunk, edge *tile.Edge, partial []byte) error {
	if err := errors.Join(b.Set(l.key(kindUnfinished), partial, nil), b.Set(l.key(kindHead), formatHead(edge), nil)); err != nil {
		return err
	}
	for _, a := range c.Absent {
		if err := b.Set(l.absentKey(a), nil, nil); err != nil {
			return err
		}
	}
	return l.stageFiles(b, c)
}

// stageFiles writes files and what they say.
func (l *Log) stageFiles(b *pebble.Batch, c *Chunk) error {
	if err := l.grow(b, c); err != nil {
		return err
	}
	for _, f := range c.Files {
		if err := b.Set(l.fileKey(Body, sha256.Sum256(f)), f, nil); err != nil {
			return err
		}
	}
	if err := l.stageUses(b, c.Uses); err != nil {
		return err
	}
	for _, sum := range c.Lacking {
		if err := b.Set(l.key(kindLacking, sum[:]...), nil, nil); err != nil {
			return err
		}
	}
	return l.stageErasures(b, c)
}

// grow counts what a chunk adds to its day.
func (l *Log) grow(b *pebble.Batch, c *Chunk) error {
	n, err := l.Grown(c.Day)
	if err != nil {
		return err
	}
	for _, e := range c.Entries {
		n += uint64(len(e))
	}
	for _, f := range c.Files {
		n += uint64(len(f))
	}
	return b.Set(l.key(kindGrown), binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, c.Day), n), nil)
}

// Grown returns by how many bytes of entries and files the log has grown on a day.
func (l *Log) Grown(day uint64) (uint64, error) {
	v, ok, err := l.get(l.key(kindGrown))
	if err != nil || !ok || len(v) != 16 || binary.BigEndian.Uint64(v) != day {
		return 0, err
	}
	return binary.BigEndian.Uint64(v[8:]), nil
}

// Owed is what a copy lacks of a head.
type Owed struct {
	Entries uint64 `json:"entries"`
	Files   uint64 `json:"files"` // bodies and attachments of the entries that are there
}

// Owed returns what the copy lacks of a head of a size.
func (l *Log) Owed(size uint64) (o Owed, err error) {
	if held, _ := l.Head(); held < size {
		o.Entries = size - held
	}
	var errs []error
	err = l.each(kindAbsent, nil, func(rest, _ []byte) bool {
		if len(rest) != sha256.Size+8 || binary.BigEndian.Uint64(rest[sha256.Size:]) >= size {
			return true
		}
		_, erased, err := l.ErasedBy([sha256.Size]byte(rest))
		if !erased {
			o.Files++
		}
		errs = append(errs, err)
		return err == nil
	})
	lacking, lerr := l.Lacking(math.MaxInt)
	for _, a := range lacking {
		if a.Index < size {
			o.Files++
		}
	}
	return o, errors.Join(append(errs, err, lerr)...)
}

// DiskUsed is about how many bytes all copies take on the disk.
func (l *Log) DiskUsed() uint64 { return l.db.size() }

func (l *Log) absentKey(a Absent) []byte {
	return binary.BigEndian.AppendUint64(l.key(kindAbsent, a.Sum[:]...), a.Index)
}

// Absent returns the files, at most limit, that entries of the log commit to, that are not stored, and that no notice erased.
func (l *Log) Absent(limit int) (out []Absent, err error) {
	var all []Absent
	err = l.each(kindAbsent, nil, func(rest, _ []byte) bool {
		if len(rest) == sha256.Size+8 {
			all = append(all, Absent{Sum: [sha256.Size]byte(rest), Index: binary.BigEndian.Uint64(rest[sha256.Size:])})
		}
		return true
	})
	for _, a := range all {
		_, erased, eerr := l.ErasedBy(a.Sum)
		if err = errors.Join(err, eerr); err != nil || len(out) == limit {
			break
		}
		if !erased {
			out = append(out, a)
		}
	}
	return out, err
}

// Found stores files of a chunk that were absent, with what they say. Its entries are there already.
func (l *Log) Found(c *Chunk) error {
	have := map[[sha256.Size]byte]bool{}
	for _, f := range c.Files {
		have[sha256.Sum256(f)] = true
	}
	err := l.db.write(func(b *pebble.Batch) error {
		err := l.stageFiles(b, &Chunk{Files: c.Files, Uses: c.Uses, Lacking: c.Lacking, Erased: c.Erased, Day: c.Day})
		for _, a := range c.Absent {
			if have[a.Sum] {
				err = errors.Join(err, b.Delete(l.absentKey(a), nil))
			}
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("mirroring: %w", err)
	}
	return nil
}
