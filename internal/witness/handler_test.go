package witness_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/cityproof/cityproof/internal/alliancetest"
	"github.com/cityproof/cityproof/internal/peerstore"
	"github.com/cityproof/cityproof/internal/witness"
)

// serve serves a world's witness over HTTP.
func (w *world) serve() *httptest.Server {
	mux := http.NewServeMux()
	witness.NewHandler(w.w, slog.New(slog.DiscardHandler)).Routes(mux, "/city")
	srv := httptest.NewServer(mux)
	w.t.Cleanup(srv.Close)
	return srv
}

func answer(t *testing.T, resp *http.Response, err error) (int, string, http.Header) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b), resp.Header
}

func TestHandler(t *testing.T) {
	w := newWorld(t, peerstore.Options{})
	s, h := w.log(origin), alliancetest.NewTree(10, "a")
	srv := w.serve()
	post := func(body []byte) (int, string, http.Header) {
		resp, err := http.Post(srv.URL+"/city/witness/add-checkpoint", "text/plain", bytes.NewReader(body))
		return answer(t, resp, err)
	}
	get := func(path string) (int, string, http.Header) {
		resp, err := http.Get(srv.URL + path)
		return answer(t, resp, err)
	}
	sum := sha256.Sum256([]byte(origin))
	monitored := "/city/witness/" + hex.EncodeToString(sum[:]) + "/checkpoint"
	if code, _, _ := get(monitored); code != 404 {
		t.Errorf("a log that was never cosigned: %d, want 404", code)
	}
	code, line, header := post((&witness.Request{Note: signed(t, s, 5, h.Root(5))}).Format())
	if code != 200 || !strings.HasPrefix(line, "— witness.example/witness ") || !strings.HasPrefix(header.Get("Content-Type"), "text/plain") {
		t.Errorf("add-checkpoint = %d %q %v", code, line, header)
	}
	code, body, header := post((&witness.Request{Note: signed(t, s, 7, h.Root(7))}).Format())
	if code != 409 || body != "5\n" || header.Get("Content-Type") != "text/x.tlog.size" {
		t.Errorf("a wrong old size = %d %q %v", code, body, header)
	}
	code, note, _ := get(monitored)
	if c, _ := w.verified(origin, []byte(note)); code != 200 || c.Size != 5 {
		t.Errorf("%s = %d, size %d", monitored, code, c.Size)
	}
	for path, want := range map[string]int{
		"/city/witness/" + strings.ToUpper(hex.EncodeToString(sum[:])) + "/checkpoint": 404,
		"/city/witness/" + origin + "/checkpoint":                                      404,
		"/city/witness/add-checkpoint":                                                 405,
	} {
		if code, _, _ := get(path); code != want {
			t.Errorf("GET %s = %d, want %d", path, code, want)
		}
	}
	if code, _, _ := post(make([]byte, witness.MaxRequest+1)); code != 413 {
		t.Errorf("a request over the limit = %d, want 413", code)
	}
	if code, _, _ := post(nil); code != 400 {
		t.Errorf("an empty request = %d, want 400", code)
	}
}

// TestRateOfOneLog: a log that grows too often waits, and no other log does.
func TestRateOfOneLog(t *testing.T) {
	w := newWorld(t, peerstore.Options{})
	s, other, h := w.log(origin), w.log("other.example/log"), alliancetest.NewTree(10, "a")
	var err error
	w.w, err = witness.New(witness.Options{Logs: w.logs, Store: w.store, Signer: w.signer(), Rate: 0.001, Burst: 2})
	if err != nil {
		t.Fatal(err)
	}
	srv := w.serve()
	for old, want := range []int{200, 200, 429} {
		r := witness.Request{Old: uint64(old), Proof: h.Consistency(uint64(old), uint64(old+1)), Note: signed(t, s, uint64(old+1), h.Root(uint64(old+1)))}
		resp, err := http.Post(srv.URL+"/city/witness/add-checkpoint", "", bytes.NewReader(r.Format()))
		code, body, header := answer(t, resp, err)
		if code != want || (code == 429) != (header.Get("Retry-After") != "") {
			t.Errorf("growth to %d: %d %q, Retry-After %q, want %d", old+1, code, body, header.Get("Retry-After"), want)
		}
	}
	if _, err := w.ask(other, h, 0, 5); err != nil {
		t.Errorf("another log: %v", err)
	}
}
