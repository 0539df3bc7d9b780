package integration_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"

	ledgerv1 "github.com/cityproof/cityproof/api/cityproof/ledger/v1"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/receipt"
)

// call makes one request of the REST API and reads its answer.
func (n *process) call(t *testing.T, method, path string, body any) (status int, answer []byte) {
	t.Helper()
	var sent io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		sent = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, n.http+path, sent)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err = io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, answer
}

// The REST twin publishes the same signed bytes and answers with a receipt that
// verifies.
func TestRESTPublishesAndAnswersWithAReceipt(t *testing.T) {
	p := newPlace(t)
	n := p.start(true)
	o := p.dial(n)
	sub := o.notices(1)[0]
	type submission struct {
		Envelope []byte `json:"envelope"`
		Body     []byte `json:"body"`
	}
	status, answer := n.call(t, http.MethodPost, "/api/v1/declarations", submission{sub.Envelope, sub.Body})
	if status != http.StatusOK {
		t.Fatalf("publishing: %d %s", status, answer)
	}
	var out ledgerv1.PublishResponse
	if err := protojson.Unmarshal(answer, &out); err != nil {
		t.Fatalf("publishing answered %s: %v", answer, err)
	}
	got := out.GetReceipt()
	var path []proof.Hash
	for _, h := range got.GetInclusionPath() {
		path = append(path, proof.Hash(h))
	}
	r := receipt.New(got.GetEnvelope(), got.GetBody(), got.GetIndex(), path, got.GetCheckpoint())
	if _, err := receipt.Verify(r, p.readTrust()); err != nil {
		t.Errorf("the receipt: %v", err)
	}
	broken := append([]byte(" "), sub.Envelope...)
	if status, answer := n.call(t, http.MethodPost, "/api/v1/declarations", submission{broken, sub.Body}); status != http.StatusBadRequest {
		t.Errorf("a space before the envelope: %d %s, want 400", status, answer)
	}
	if status, answer := n.call(t, http.MethodGet, "/api/v1/declaration?subject=dep/99", nil); status != http.StatusNotFound {
		t.Errorf("a subject that is not there: %d %s, want 404", status, answer)
	}
	if status, answer := n.call(t, http.MethodGet, "/api/v1/openapi.json", nil); status != http.StatusOK || !json.Valid(answer) {
		t.Errorf("the API's description: %d, %d bytes", status, len(answer))
	}
}
