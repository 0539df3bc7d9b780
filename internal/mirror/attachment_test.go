package mirror_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"google.golang.org/protobuf/proto"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/client"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/mirror"
)

// attached declares revision n of a subject, whose body names files, and returns the body's hash.
func (w *world) attached(subject string, revision uint32, files ...[]byte) [sha256.Size]byte {
	w.t.Helper()
	body := &declarationv1.Body{
		Language: proto.String("nl"), Nonce: fmt.Appendf(nil, "%16d", len(w.log.Entries)),
		Record: &declarationv1.Body_Deployment{Deployment: &declarationv1.Deployment{}},
	}
	for _, f := range files {
		sum := sha256.Sum256(f)
		w.log.Files[sum] = f
		body.Attachments = append(body.Attachments, &declarationv1.Attachment{Sha256: sum[:], Title: proto.String("A report")})
	}
	s, err := declaration.ParseSubject(subject)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.log.Say(body, "officer-1", func(st *declaration.Statement) {
		st.Subject, st.Revision = s, revision
		if revision > 1 {
			st.Operation, st.Previous = declaration.Amend, [sha256.Size]byte{1}
		}
	})
}

// F5: what a live record names is mirrored as the bodies are, and found by clients when the city is away.
func TestF5AttachmentsAreMirrored(t *testing.T) {
	w := newWorld(t)
	small, large := []byte("a small report"), bytes.Repeat([]byte("large"), declaration.MaxAttachment/5)
	w.attached("dep/1", 1, small, large)
	w.attached("dep/2", 1, small)
	w.mustFollow()
	w.sources = nil // the city is away
	srv := httptest.NewServer(w.handler())
	defer srv.Close()
	web, err := client.NewWeb(fmt.Sprintf("%s/mirror/%x", srv.URL, sha256.Sum256([]byte(w.city.Origin))), client.HTTPOptions{Tries: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer web.Close()
	read := client.NewLogReader(web)
	for _, want := range [][]byte{small, large} {
		if got, err := read.Attachment(t.Context(), sha256.Sum256(want)); err != nil || !bytes.Equal(got, want) {
			t.Errorf("an attachment of %d bytes: %d, %v", len(want), len(got), err)
		}
	}
	got := w.get(fmt.Sprintf("attachments/%x", sha256.Sum256(small)))
	if got.Header().Get("Content-Disposition") == "" || got.Header().Get("Content-Type") != "application/octet-stream" {
		t.Errorf("it may be shown as a page: %v", got.Header())
	}
	for path, want := range map[string]int{fmt.Sprintf("attachments/%x", [32]byte{1}): 404, "attachments/AB": 400} {
		if got := w.get(path); got.Code != want {
			t.Errorf("%s: %d, want %d", path, got.Code, want)
		}
	}
	second := newWorld(t) // a mirror can be followed as the city can
	second.sources = []mirror.Source{read}
	if err := second.follow(); err != nil || second.cosigned() != 2 {
		t.Errorf("a mirror of the mirror: %v", err)
	}
}

// F5: a head whose live records name files that nobody gives is not cosigned; what a superseded record named is not needed.
func TestF5WithheldAttachmentIsNotCosigned(t *testing.T) {
	w := newWorld(t)
	report := []byte("a report")
	sum := sha256.Sum256(report)
	w.attached("dep/1", 1, report)
	delete(w.log.Files, sum)
	for range 2 {
		if err := w.follow(); !errors.Is(err, mirror.ErrIncomplete) || w.cosigned() != 0 {
			t.Fatalf("Follow = %v, cosigned %d", err, w.cosigned())
		}
	}
	w.attached("dep/1", 2)
	w.mustFollow()
	w.attached("dep/2", 1, report)
	delete(w.log.Files, sum)
	if err := w.follow(); !errors.Is(err, mirror.ErrIncomplete) || w.cosigned() != 2 {
		t.Fatalf("Follow = %v, cosigned %d", err, w.cosigned())
	}
	w.log.Files[sum] = report
	w.mustFollow()
	if got := w.get(fmt.Sprintf("attachments/%x", sum)); got.Code != http.StatusOK || got.Body.String() != string(report) {
		t.Errorf("%d %s", got.Code, got.Body)
	}
}

// A body that comes late brings its attachments, unless a later revision has taken its place.
func TestF5LateBodyBringsItsAttachments(t *testing.T) {
	w := newWorld(t)
	report := []byte("a report")
	var late [2][]byte
	var sums [2][sha256.Size]byte
	for i, subject := range []string{"dep/1", "dep/2"} {
		sums[i] = w.attached(subject, 1, append(report, byte('0'+i)))
		late[i] = w.log.Files[sums[i]]
		delete(w.log.Files, sums[i])
	}
	if err := w.follow(); !errors.Is(err, mirror.ErrIncomplete) {
		t.Fatal(err)
	}
	w.attached("dep/1", 2)
	old, live := sha256.Sum256(append(report, '0')), sha256.Sum256(append(report, '1'))
	delete(w.log.Files, old)
	file := w.log.Files[live]
	delete(w.log.Files, live)
	if err := w.follow(); !errors.Is(err, mirror.ErrIncomplete) {
		t.Fatal(err)
	}
	w.log.Files[sums[0]], w.log.Files[sums[1]] = late[0], late[1]
	if err := w.follow(); !errors.Is(err, mirror.ErrIncomplete) {
		t.Fatalf("a live record's file is withheld: %v", err)
	}
	w.log.Files[live] = file
	w.mustFollow()
}

// Incident 2: an attachment that rots or is lost is mended as bodies are.
func TestIncident2RottenAttachmentIsMended(t *testing.T) {
	w := newWorld(t)
	report := []byte("a report")
	sum := sha256.Sum256(report)
	w.attached("dep/1", 1, report)
	w.mustFollow()
	for range 2 {
		w.scrub()
		if s := w.mirror.State(); s.Damaged != 0 {
			t.Fatalf("a whole copy: %+v", s)
		}
		w.rot('f', sum[:], 3)
		if got := w.get(fmt.Sprintf("attachments/%x", sum)); got.Code != http.StatusInternalServerError {
			t.Errorf("rotten, it is answered with %d", got.Code)
		}
		w.heal()
	}
	w.lose('f', sum[:])
	w.scrub()
	w.heal()
	if got := w.get(fmt.Sprintf("attachments/%x", sum)); got.Code != http.StatusOK || w.mirror.State().Damaged != 0 {
		t.Errorf("mended: %d, %+v", got.Code, w.mirror.State())
	}
}
