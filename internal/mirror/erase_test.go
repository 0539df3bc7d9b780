package mirror_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/alliancetest"
	"github.com/cityproof/cityproof/internal/client"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/entry"
	"github.com/cityproof/cityproof/internal/mirror"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/receipt"
	"github.com/cityproof/cityproof/internal/testenv"
	"github.com/cityproof/cityproof/internal/tile"
)

// anchor appends an anchor of the log's head at a time, cosigned by so many of the committee.
func (w *world) anchor(at time.Time, witnesses int) {
	w.t.Helper()
	size, root := w.log.Head()
	w.log.Append(w.city.Note(w.t, size, root, at, w.others[:witnesses]...))
}

// secret declares something with words that must be found nowhere once they are erased.
func (w *world) secret(words string, files ...[]byte) (sum, leaf [sha256.Size]byte) {
	w.t.Helper()
	n := len(w.log.Entries)
	sum = w.attached(fmt.Sprintf("dep/%d", n+1000), 1, append(files, []byte(words))...)
	return sum, proof.LeafHash(w.log.Entries[n])
}

// notice appends an erasure notice.
func (w *world) notice(sum, leaf [sha256.Size]byte, edit func(*declarationv1.Notice)) {
	w.t.Helper()
	n := &declarationv1.Notice{Type: declarationv1.NoticeType_NOTICE_TYPE_ERASURE.Enum(), Erasure: &declarationv1.Erasure{
		BodySha256: sum[:], Leaf: leaf[:], Ground: declarationv1.ErasureGround_ERASURE_GROUND_PERSONAL_DATA.Enum(),
	}}
	edit(n)
	w.log.Say(&declarationv1.Body{
		Language: proto.String("nl"), Nonce: fmt.Appendf(nil, "%16d", len(w.log.Entries)), Record: &declarationv1.Body_Notice{Notice: n},
	}, "officer-1", func(st *declaration.Statement) {
		st.Subject, _ = declaration.ParseSubject(fmt.Sprintf("not/%d", len(w.log.Entries)+1))
	})
}

// onDisk reports whether any file of the mirror holds the words.
func (w *world) onDisk(words string) (found bool) {
	w.t.Helper()
	w.close()
	defer w.open()
	if err := filepath.WalkDir(w.dir+"/mirror", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		found = found || bytes.Contains(b, []byte(words))
		return err
	}); err != nil {
		w.t.Fatal(err)
	}
	return found
}

func (w *world) erase() {
	w.t.Helper()
	if err := w.mirror.Erase(w.t.Context(), w.city.Origin); err != nil {
		w.t.Fatal(err)
	}
}

// checkGone wants a 410 with the notice's proof.
func (w *world) checkGone(path string, index int, notice uint64) {
	w.t.Helper()
	got := w.get(path)
	if got.Code != http.StatusGone {
		w.t.Fatalf("%s: %d %s, want 410", path, got.Code, got.Body)
	}
	e, err := entry.Parse(w.log.Entries[index])
	if err != nil {
		w.t.Fatal(err)
	}
	log, _ := w.Mirrored(w.city.Origin)
	if _, at, err := client.CheckGone(got.Body.Bytes(), log.Trust, e.Signed.Statement, proof.LeafHash(w.log.Entries[index])); err != nil || at != notice {
		w.t.Errorf("%s: the 410 does not prove the erasure: index %d, %v", path, at, err)
	}
}

const canary = "the words that somebody wants gone"

// T-36, F12: a body under a notice stays for 14 days by the log's time, then its bytes are on no disk, and the notice is the
// answer; so with what it names and no live record does.
func TestT36MirrorErasesAfterFourteenDaysOfLogTime(t *testing.T) {
	w := newWorld(t)
	kept := []byte("a report that another record names too")
	sum, leaf := w.secret(canary, kept)
	w.attached("dep/9", 1, kept)
	file := sha256.Sum256([]byte(canary))
	start := alliancetest.FoundedAt.Add(time.Hour)
	w.anchor(start, 3)
	w.notice(sum, leaf, func(*declarationv1.Notice) {})
	delete(w.log.Files, sum)
	body, attachment := fmt.Sprintf("bodies/%x", sum), fmt.Sprintf("attachments/%x", file)
	w.anchor(start.Add(-time.Hour), 3) // log time does not go back
	w.anchor(start.Add(100*24*time.Hour), 1)
	if err := w.follow(); err != nil { // the body is gone before this mirror came: the notice stands for it
		t.Fatal(err)
	}
	if err := w.mirror.Erase(t.Context(), w.city.Origin); err != nil {
		t.Fatal(err)
	}
	w.checkGone(body, 0, 3)

	w = newWorld(t)
	sum, leaf = w.secret(canary, kept)
	w.attached("dep/9", 1, kept)
	w.mustFollow()
	w.notice(sum, leaf, func(*declarationv1.Notice) {})
	w.anchor(start, 3)
	w.anchor(start.Add(400*24*time.Hour), 1) // too few witnesses: it tells no time
	w.anchor(start.Add(13*24*time.Hour), 3)
	w.mustFollow()
	w.erase()
	for _, path := range []string{body, attachment} {
		if got := w.get(path); got.Code != http.StatusOK {
			t.Errorf("after 13 days %s: %d", path, got.Code)
		}
	}
	if !w.onDisk(canary) {
		t.Error("after 13 days it is gone from the disk")
	}
	w.anchor(start.Add(14*24*time.Hour), 3)
	w.mustFollow()
	w.erase()
	if w.onDisk(canary) {
		t.Error("after 14 days the words are on the disk")
	}
	w.checkGone(body, 0, 2)
	w.checkGone(attachment, 0, 2)
	if got := w.get(fmt.Sprintf("attachments/%x", sha256.Sum256(kept))); got.Code != http.StatusOK {
		t.Errorf("what another live record names: %d", got.Code)
	}
	w.scrub()
	w.heal()
	if s := w.mirror.State(); s.Damaged != 0 || s.Found != 0 {
		t.Errorf("the scrub takes it for damage: %+v", s)
	}
	// Not even its own log brings it back.
	w.log.Say(&declarationv1.Body{Language: proto.String("nl"), Nonce: fmt.Appendf(nil, "%16d", 0), Record: &declarationv1.Body_Deployment{Deployment: &declarationv1.Deployment{}}, Attachments: []*declarationv1.Attachment{{Sha256: file[:], Title: proto.String("A report")}}}, "officer-1", func(*declaration.Statement) {})
	w.mustFollow()
}

// T-36: a court's emergency order is honoured at once, visibly; who merely says emergency waits as all do.
func TestT36CourtsEmergencyIsHonouredAtOnce(t *testing.T) {
	w := newWorld(t)
	sum, leaf := w.secret(canary)
	other, otherLeaf := w.secret("other words")
	w.mustFollow()
	w.notice(sum, leaf, func(n *declarationv1.Notice) {
		n.Erasure.Ground, n.Erasure.Emergency = declarationv1.ErasureGround_ERASURE_GROUND_COURT_ORDER.Enum(), proto.Bool(true)
	})
	w.notice(other, otherLeaf, func(n *declarationv1.Notice) { n.Erasure.Emergency = proto.Bool(true) })
	w.mustFollow()
	w.erase()
	w.checkGone(fmt.Sprintf("bodies/%x", sum), 0, 2)
	if got := w.get(fmt.Sprintf("bodies/%x", other)); got.Code != http.StatusOK {
		t.Errorf("without a court: %d", got.Code)
	}
	if !strings.Contains(w.logged.String(), "a court ordered it") || w.mirror.State().Erased != 1 {
		t.Errorf("it is not seen: %+v\n%s", w.mirror.State(), w.logged.String())
	}
	if w.onDisk(canary) {
		t.Error("the words are on the disk")
	}
}

// T-36: a notice erases only what it names rightly, of its own log.
func TestT36MirrorHonoursOnlyValidNotices(t *testing.T) {
	testenv.SkipInRace(t)
	for name, spoil := range map[string]func(w *world, sum, leaf [sha256.Size]byte){
		"another leaf": func(w *world, sum, _ [sha256.Size]byte) {
			w.notice(sum, proof.LeafHash(w.log.Entries[1]), func(*declarationv1.Notice) {})
		},
		"no leaf": func(w *world, sum, _ [sha256.Size]byte) {
			w.notice(sum, [sha256.Size]byte{7}, func(*declarationv1.Notice) {})
		},
		"another type": func(w *world, sum, leaf [sha256.Size]byte) {
			w.notice(sum, leaf, func(n *declarationv1.Notice) { n.Type = declarationv1.NoticeType_NOTICE_TYPE_CHANGE.Enum() })
		},
		"a stranger": func(w *world, sum, leaf [sha256.Size]byte) {
			w.notice(sum, leaf, func(*declarationv1.Notice) {})
			e, err := declaration.ParseEnvelope(w.log.Entries[len(w.log.Entries)-1])
			if err != nil {
				w.t.Fatal(err)
			}
			signed, err := declaration.Sign(e.PayloadType, e.Payload, alliancetest.Key("a stranger"))
			if err != nil {
				w.t.Fatal(err)
			}
			w.log = rebuilt(w, append(w.log.Entries[:len(w.log.Entries)-1:len(w.log.Entries)-1], signed.Format()))
		},
	} {
		for _, withheld := range []bool{false, true} {
			w := newWorld(t)
			sum, leaf := w.secret(canary)
			w.log.Declare(300, "officer-1")
			spoil(w, sum, leaf)
			w.anchor(alliancetest.FoundedAt, 3)
			w.anchor(alliancetest.FoundedAt.Add(20*24*time.Hour), 3)
			w.sources = []mirror.Source{&source{Log: w.log}}
			if withheld {
				delete(w.log.Files, sum)
				if err := w.follow(); !errors.Is(err, mirror.ErrIncomplete) || w.cosigned() != 0 {
					t.Errorf("%s: Follow = %v, cosigned %d", name, err, w.cosigned())
				}
				continue
			}
			w.mustFollow()
			w.erase()
			if got := w.get(fmt.Sprintf("bodies/%x", sum)); got.Code != http.StatusOK {
				t.Errorf("%s: %d", name, got.Code)
			}
		}
	}
}

// rebuilt is the log with other entries and the same files.
func rebuilt(w *world, entries [][]byte) *alliancetest.Log {
	l := alliancetest.NewLog(w.t, w.city)
	for _, e := range entries {
		l.Append(e)
	}
	l.Files = w.log.Files
	return l
}

// T-36, F5: a source that says 410 is believed if it proves a notice in the same log, also one later than the head; else the
// body is missing, and the head is not cosigned.
func TestT36GoneWithoutProofIsMissing(t *testing.T) {
	w := newWorld(t)
	sum, leaf := w.secret(canary)
	delete(w.log.Files, sum)
	w.log.Declare(5, "officer-1")
	head := rebuilt(w, w.log.Entries)
	w.notice(sum, leaf, func(*declarationv1.Notice) {})
	forged := w.goneAnswer(6)
	src := &goneSource{source: &source{Log: head}, sum: sum}
	w.sources = []mirror.Source{src}
	flipped := bytes.Clone(forged)
	flipped[len(flipped)/2] ^= 1
	for name, answer := range map[string][]byte{"nothing": nil, "words": []byte("gone"), "cut": forged[:len(forged)-9], "flipped": flipped} {
		src.answer = answer
		if err := w.follow(); !errors.Is(err, mirror.ErrIncomplete) || w.cosigned() != 0 {
			t.Fatalf("%s: Follow = %v, cosigned %d", name, err, w.cosigned())
		}
	}
	src.answer = forged
	if err := w.follow(); err != nil || w.cosigned() != 6 {
		t.Fatalf("with the notice's proof: %v, cosigned %d", err, w.cosigned())
	}
	if got := w.get(fmt.Sprintf("bodies/%x", sum)); got.Code != http.StatusNotFound {
		t.Errorf("before a head covers the notice: %d", got.Code)
	}
	w.sources = []mirror.Source{&source{Log: w.log}}
	w.mustFollow()
	w.erase()
	w.checkGone(fmt.Sprintf("bodies/%x", sum), 0, 6)
}

// goneAnswer is what a city's node answers for what entry index, a notice, erased.
func (w *world) goneAnswer(index uint64) []byte {
	w.t.Helper()
	size, _ := w.log.Head()
	path, err := tile.InclusionProof(w.t.Context(), w.log, index, size)
	if err != nil {
		w.t.Fatal(err)
	}
	note, _ := w.log.Checkpoint(w.t.Context())
	e, err := entry.Parse(w.log.Entries[index])
	if err != nil {
		w.t.Fatal(err)
	}
	b, err := receipt.New(w.log.Entries[index], w.log.Files[e.Signed.Statement.BodySHA256], index, path, note).Format()
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

// goneSource answers 410 for one body.
type goneSource struct {
	*source
	sum    [sha256.Size]byte
	answer []byte
}

func (s *goneSource) File(ctx context.Context, sum [sha256.Size]byte) ([]byte, error) {
	if sum == s.sum {
		return nil, &client.GoneError{From: "the city", Path: "bodies", Answer: s.answer}
	}
	return s.source.File(ctx, sum)
}

// T-36: an erasure that was cut short is finished by the next pass.
func TestT36ErasureOfAMirrorIsFinishedAfterACrash(t *testing.T) {
	w := newWorld(t)
	sum, leaf := w.secret(canary)
	w.mustFollow()
	w.notice(sum, leaf, func(n *declarationv1.Notice) {
		n.Erasure.Ground, n.Erasure.Emergency = declarationv1.ErasureGround_ERASURE_GROUND_COURT_ORDER.Enum(), proto.Bool(true)
	})
	w.mustFollow()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.mirror.Erase(ended, w.city.Origin); err == nil {
		t.Fatal("it was not cut short")
	}
	w.close()
	w.open()
	w.checkGone(fmt.Sprintf("bodies/%x", sum), 0, 1)
	w.erase()
	if w.onDisk(canary) {
		t.Error("the words are on the disk")
	}
}
