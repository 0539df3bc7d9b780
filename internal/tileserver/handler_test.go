package tileserver_test

import (
	"bytes"
	"compress/gzip"
	"crypto/ed25519"
	"encoding/hex"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	pb "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/bodystore"
	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/client"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/draft"
	"github.com/cityproof/cityproof/internal/ledger"
	"github.com/cityproof/cityproof/internal/logstore"
	"github.com/cityproof/cityproof/internal/pebbledb"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/receipt"
	"github.com/cityproof/cityproof/internal/signingkey"
	"github.com/cityproof/cityproof/internal/tile"
	"github.com/cityproof/cityproof/internal/tileserver"
)

const (
	origin = "kanaalstad.example/log"
	city   = "nl-kanaalstad"
)

type site struct {
	t       *testing.T
	ledger  *ledger.Ledger
	officer *signingkey.Key
	trust   *receipt.Trust
	mux     *http.ServeMux
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func newSite(t *testing.T) *site {
	t.Helper()
	key, dir := must[*signingkey.Key](t), t.TempDir()
	ed := key(signingkey.Generate(signingkey.Log, "log", signingkey.Ed25519))
	pq := key(signingkey.Generate(signingkey.Log, "log", signingkey.MLDSA44))
	s := &site{t: t, officer: key(signingkey.Generate(signingkey.Publisher, "officer", signingkey.Ed25519)), mux: http.NewServeMux()}
	state := must[*signingkey.State](t)(signingkey.MakeState(filepath.Join(dir, "state")))
	signer := must[*signingkey.LogSigner](t)(signingkey.NewLogSigner(origin, ed, pq, state))
	db := must[*pebbledb.DB](t)(pebbledb.Open(filepath.Join(dir, "data"), pebbledb.Options{}))
	log := must[*logstore.Log](t)(logstore.Open(db, logstore.Options{}))
	t.Cleanup(func() {
		log.Close()
		_ = db.Close()
		_ = state.Close()
	})
	s.trust = &receipt.Trust{Origin: origin, City: city, Publishers: []receipt.Publisher{{Key: s.officer.Public()}}}
	for _, vkey := range signer.VKeys() {
		s.trust.Log = append(s.trust.Log, must[*checkpoint.Verifier](t)(checkpoint.ParseVerifier(vkey)))
	}
	s.ledger = must[*ledger.Ledger](t)(ledger.Open(t.Context(), ledger.Options{
		City: city, DB: db, Log: log, Bodies: bodystore.New(db), Signer: signer,
		Publisher: func(id declaration.KeyID, i uint64) (ed25519.PublicKey, bool) { return s.trust.Publisher(id, i) },
	}))
	tileserver.New(s.ledger, slog.New(slog.DiscardHandler)).Routes(s.mux, "/b")
	return s
}

func said(s string) *pb.LocalizedText {
	return &pb.LocalizedText{Texts: []*pb.Text{{Lang: proto.String("en"), Value: &s}}}
}

func (s *site) publish(number uint32, n *pb.Notice) (ledger.Submission, *declaration.Statement) {
	s.t.Helper()
	d := &draft.Draft{
		Operation: declaration.Publish, Subject: declaration.Subject{Kind: declaration.Notice, Number: number},
		Body: &pb.Body{Language: proto.String("en"), Record: &pb.Body_Notice{Notice: n}},
	}
	sub := must[draft.Submission](s.t)(draft.Seal(d, draft.Place{Log: origin, City: city, Revision: 1}, [16]byte{byte(number)}, time.Now(), s.officer.Signer()))
	must[*ledger.Outcome](s.t)(s.ledger.Publish(s.t.Context(), []ledger.Submission{ledger.Submission(sub)}))
	return ledger.Submission(sub), must[*declaration.Signed](s.t)(declaration.ParseSigned(sub.Envelope)).Statement
}

func (s *site) get(path, encoding string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, "/b/log/"+path, nil)
	r.Header.Set("Accept-Encoding", encoding)
	w := httptest.NewRecorder()
	s.mux.ServeHTTP(w, r)
	return w
}

func TestStaticFilesOfALog(t *testing.T) {
	s := newSite(t)
	due := time.Now().AddDate(0, 0, 90).Format(time.DateOnly)
	sub, st := s.publish(1, &pb.Notice{Type: pb.NoticeType_NOTICE_TYPE_FORTHCOMING.Enum(), Text: said("A report."), DueOn: &due})
	leaf := proof.LeafHash(sub.Envelope)
	body := "bodies/" + hex.EncodeToString(st.BodySHA256[:])
	if _, err := checkpoint.Verify(s.get("checkpoint", "").Body.Bytes(), s.trust.Log, nil); err != nil {
		t.Errorf("checkpoint: %v", err)
	}
	if got := s.get("tile/0/000.p/1", "").Body.Bytes(); !bytes.Equal(got, leaf[:]) {
		t.Errorf("tile %x, want %x", got, leaf)
	}
	w := s.get("tile/entries/000.p/1", "gzip")
	bundle := must[[]byte](t)(io.ReadAll(must[*gzip.Reader](t)(gzip.NewReader(w.Body))))
	if entries, err := tile.ParseBundle(bundle, 1); err != nil || !bytes.Equal(entries[0], sub.Envelope) {
		t.Errorf("bundle: %v", err)
	}
	for header, want := range map[string]string{
		"Access-Control-Allow-Origin": "*", "X-Content-Type-Options": "nosniff", "Vary": "Accept-Encoding",
		"Cache-Control": "public, max-age=31536000, immutable",
	} {
		if got := w.Header().Get(header); got != want {
			t.Errorf("%s: %q, want %q", header, got, want)
		}
	}
	if got := s.get(body, "").Body.Bytes(); !bytes.Equal(got, sub.Body) {
		t.Errorf("body %q", got)
	}
	for path, want := range map[string]int{
		"tile/0/000.p/2": 404, "tile/0/000": 404, "tile/entries/000.p/2": 404, "tile/0/0": 400, "tile/9x/000": 400,
		"bodies/" + hex.EncodeToString(leaf[:]): 404, "bodies/AB": 400, "attachments/" + hex.EncodeToString(leaf[:]): 404,
	} {
		if got := s.get(path, "").Code; got != want {
			t.Errorf("%s: %d, want %d", path, got, want)
		}
	}
	s.publish(2, &pb.Notice{
		Type: pb.NoticeType_NOTICE_TYPE_ERASURE.Enum(), About: []string{"not/1"}, Text: said("A court has ordered it."),
		Erasure: &pb.Erasure{Leaf: leaf[:], BodySha256: st.BodySHA256[:], Ground: pb.ErasureGround_ERASURE_GROUND_COURT_ORDER.Enum(), Authority: proto.String("District court")},
	})
	gone := s.get(body, "gzip")
	if gone.Code != http.StatusGone {
		t.Fatalf("erased body: %d, want 410", gone.Code)
	}
	if _, index, err := client.CheckGone(gone.Body.Bytes(), s.trust, st, leaf); err != nil || index != 1 {
		t.Errorf("the 410 does not prove the erasure: index %d, %v", index, err)
	}
}
