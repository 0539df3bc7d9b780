package ledger_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"google.golang.org/protobuf/proto"

	pb "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/ledger"
	"github.com/cityproof/cityproof/internal/proof"
)

func erasure(about string, leaf proof.Hash, body [32]byte) *pb.Body {
	return &pb.Body{Language: proto.String("en"), Record: &pb.Body_Notice{Notice: &pb.Notice{
		Type: pb.NoticeType_NOTICE_TYPE_ERASURE.Enum(), About: []string{about}, Text: said("A court has ordered it."),
		Erasure: &pb.Erasure{Leaf: leaf[:], BodySha256: body[:], Ground: pb.ErasureGround_ERASURE_GROUND_COURT_ORDER.Enum(), Authority: proto.String("District court")},
	}}}
}

func TestT36ErasedBodyIsGoneAndItsNoticeStays(t *testing.T) {
	p := newPlace(t)
	l, closeAll := p.open()
	const canary = "the words that a court wants gone"
	sub := p.seal("not/1", owed(canary))
	mustPublish(t, l, sub)
	body := statement(t, sub).BodySHA256
	mustPublish(t, l, p.seal("not/2", erasure("not/1", leafOf(sub), body)))
	var erased *ledger.ErasedError
	if _, err := l.Body(body); !errors.As(err, &erased) || erased.Notice != 1 {
		t.Fatalf("Body: %v, want it erased by entry 1", err)
	}
	r, err := l.Receipt(t.Context(), 0)
	if err != nil || string(r.Envelope) != string(sub.Envelope) || r.Body != nil {
		t.Errorf("Receipt(0): %v; the statement must stay, without its body", err)
	}
	closeAll()
	if err := filepath.WalkDir(p.data, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, []byte(canary)) {
			t.Errorf("%s still holds the erased words", filepath.Base(path))
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	l, _ = p.open()
	if _, err := l.Body(body); !errors.As(err, &erased) {
		t.Errorf("after a restart: %v, want it erased", err)
	}
}

func TestT36ErasureMustNameWhatItErases(t *testing.T) {
	p := newPlace(t)
	l, _ := p.open()
	sub := p.seal("not/1", owed("a report"))
	other := p.seal("not/2", owed("another report"))
	mustPublish(t, l, sub, other)
	for name, notice := range map[string]*pb.Body{
		"no such leaf":      erasure("not/1", proof.Hash{7}, statement(t, sub).BodySHA256),
		"another's body":    erasure("not/1", leafOf(sub), statement(t, other).BodySHA256),
		"about another one": erasure("not/2", leafOf(sub), statement(t, sub).BodySHA256),
	} {
		var refused *ledger.RefusedError
		if _, err := l.Publish(t.Context(), []ledger.Submission{p.seal("not/3", notice)}); !errors.As(err, &refused) {
			t.Errorf("%s: %v, want *RefusedError", name, err)
		}
	}
	if _, err := l.Body(statement(t, sub).BodySHA256); err != nil {
		t.Errorf("after refused notices the body is gone: %v", err)
	}
}

func TestErasedRecordCanBeFollowed(t *testing.T) {
	p := newPlace(t)
	l, _ := p.open()
	sub := p.seal("not/1", owed("a report"))
	mustPublish(t, l, sub)
	mustPublish(t, l, p.seal("not/2", erasure("not/1", leafOf(sub), statement(t, sub).BodySHA256)))
	mustPublish(t, l, p.seal("not/1", owed("a report without names"), next("AMEND", 2, leafOf(sub))))
}

func TestT36ErasedBodyIsNotStoredAgain(t *testing.T) {
	p := newPlace(t)
	l, _ := p.open()
	sub := p.seal("not/1", owed("a report"))
	mustPublish(t, l, sub)
	st := *statement(t, sub)
	mustPublish(t, l, p.seal("not/2", erasure("not/1", leafOf(sub), st.BodySHA256)))
	st.Subject.Number = 3
	e, err := declaration.Sign(declaration.PayloadType, st.Format(), p.officer.Signer())
	if err != nil {
		t.Fatal(err)
	}
	var malformed *ledger.MalformedError
	if _, err := l.Publish(t.Context(), []ledger.Submission{{Envelope: e.Format(), Body: sub.Body}}); !errors.As(err, &malformed) {
		t.Errorf("the erased body under another number: %v, want *MalformedError", err)
	}
	var erased *ledger.ErasedError
	if _, err := l.Body(st.BodySHA256); !errors.As(err, &erased) {
		t.Errorf("Body: %v, want it erased still", err)
	}
}
