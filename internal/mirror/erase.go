package mirror

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"time"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/client"
	"github.com/cityproof/cityproof/internal/entry"
	"github.com/cityproof/cityproof/internal/mirrorstore"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/receipt"
	"github.com/cityproof/cityproof/internal/tile"
)

// keepErased is how long a mirror keeps a body after its erasure notice, by the log's own time (federation.md, section 7): so
// long anybody can look at what a city wants gone, and why (T-36, F12).
const keepErased = 14 * 24 * time.Hour

// claim is an erasure notice whose leaf has not been looked at yet.
type claim struct {
	notice uint64
	says   *declarationv1.Erasure
}

func (c *claim) sum() [sha256.Size]byte  { return [sha256.Size]byte(c.says.GetBodySha256()) }
func (c *claim) leaf() [sha256.Size]byte { return [sha256.Size]byte(c.says.GetLeaf()) }

func (c *claim) erasure() mirrorstore.Erasure {
	emergency := c.says.GetEmergency() && c.says.GetGround() == declarationv1.ErasureGround_ERASURE_GROUND_COURT_ORDER
	return mirrorstore.Erasure{Notice: c.notice, Sum: c.sum(), Emergency: emergency}
}

// erasureIn returns what a body erases, nil if it is no erasure notice.
func erasureIn(body *declarationv1.Body) *declarationv1.Erasure {
	n := body.GetNotice()
	e := n.GetErasure()
	if n.GetType() != declarationv1.NoticeType_NOTICE_TYPE_ERASURE || len(e.GetLeaf()) != sha256.Size || len(e.GetBodySha256()) != sha256.Size {
		return nil
	}
	return e
}

// erasures returns what the valid ones of the claims erase: those that name an earlier leaf of this log which commits to that
// body. fresh are entries that follow on size and are not stored yet.
func (f *follower) erasures(claims []claim, size uint64, fresh [][]byte) (out []mirrorstore.Erasure, err error) {
	if len(claims) == 0 {
		return nil, nil
	}
	wanted := map[[sha256.Size]byte]bool{}
	for _, c := range claims {
		wanted[c.leaf()] = true
	}
	found, err := f.log.FindLeaves(wanted)
	if err != nil {
		return nil, err
	}
	for i, e := range fresh {
		if h := proof.LeafHash(e); wanted[h] {
			if _, again := found[h]; !again {
				found[h] = size + uint64(i)
			}
		}
	}
	for _, c := range claims {
		at, ok := found[c.leaf()]
		if !ok || at >= c.notice {
			continue
		}
		var b []byte
		if at >= size {
			b = fresh[at-size]
		} else if b, err = f.log.Entry(at); err != nil {
			return nil, err
		}
		e, err := entry.Parse(b)
		if err == nil && e.Kind == entry.Statement && e.Signed.Statement.BodySHA256 == c.sum() {
			out = append(out, c.erasure())
		}
	}
	return out, nil
}

// goneByNotice looks whether an answer that a body is gone proves a notice that erased it: one in a later head of the same log.
func (f *follower) goneByNotice(err error, b []byte, e *entry.Entry) *mirrorstore.Erasure {
	var gone *client.GoneError
	if !errors.As(err, &gone) || e.Kind != entry.Statement || f.trust == nil {
		return nil
	}
	n, index, err := client.CheckGone(gone.Answer, f.trust, e.Signed.Statement, proof.LeafHash(b))
	if err != nil {
		return nil
	}
	c := claim{index, n.GetErasure()}
	out := c.erasure()
	return &out
}

// Erase takes off the disk the bodies of a log whose notices are old enough by the log's own time, and what a court ordered
// to be gone at once.
func (m *Mirror) Erase(ctx context.Context, origin string) error {
	log, err := m.opts.Store.Find(sha256.Sum256([]byte(origin)))
	if err != nil || log == nil {
		return err
	}
	due, err := log.Due(uint64(keepErased / time.Second))
	if err != nil {
		return err
	}
	if err := log.Erase(ctx, due, func(body []byte) [][sha256.Size]byte { return hear(body).attachments }); err != nil {
		return fmt.Errorf("erasing in the copy of %s: %w", origin, err)
	}
	for _, e := range due {
		m.erased.Add(1)
		why := "its notice is 14 days old"
		if e.Emergency {
			why = "at once: its notice says that a court ordered it"
		}
		m.opts.Logger.Info("a mirrored body is erased", slog.String("log", origin), slog.Uint64("notice", e.Notice), slog.String("body", fmt.Sprintf("%x", e.Sum)), slog.String("reason", why))
	}
	return nil
}

// Notice returns the receipt of a notice in a mirrored log, under the head that was cosigned last: what proves to anybody that
// something is gone by right. Its error wraps mirrorstore.ErrNotFound while that head does not cover the notice.
func (m *Mirror) Notice(ctx context.Context, origin [sha256.Size]byte, log *mirrorstore.Log, index uint64) ([]byte, error) {
	note, ok, err := m.Checkpoint(origin)
	if err != nil || !ok {
		return nil, errors.Join(err, mirrorstore.ErrNotFound)
	}
	head, err := checkpoint.Unverified(note)
	if err != nil {
		return nil, err
	}
	if size, _ := log.Head(); index >= head.Size || head.Size > size {
		return nil, fmt.Errorf("a head that covers entry %d: %w", index, mirrorstore.ErrNotFound)
	}
	envelope, err := log.Entry(index)
	if err != nil {
		return nil, err
	}
	e, err := entry.Parse(envelope)
	if err != nil || e.Kind != entry.Statement {
		return nil, errors.Join(err, fmt.Errorf("entry %d is no notice", index))
	}
	body, err := log.Body(e.Signed.Statement.BodySHA256)
	if err != nil {
		return nil, err
	}
	path, err := tile.InclusionProof(ctx, log, index, head.Size)
	if err != nil {
		return nil, err
	}
	return receipt.New(envelope, body, index, path, note).Format()
}
