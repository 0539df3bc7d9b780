package client_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/cityproof/cityproof/internal/client"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// web serves one handler and returns a getter of what it serves.
func web(t *testing.T, opts client.HTTPOptions, handler http.HandlerFunc) (*client.Web, *httptest.Server) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	w, err := client.NewWeb(server.URL+"/log", opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	return w, server
}

func gzipped(data []byte) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write(data)
	_ = z.Close()
	return b.Bytes()
}

func TestWebGets(t *testing.T) {
	plain := []byte(strings.Repeat("tile", 100))
	w, _ := web(t, client.HTTPOptions{UserAgent: "test/1"}, func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("User-Agent"); got != "test/1" {
			t.Errorf("User-Agent %q", got)
		}
		if len(r.Cookies()) > 0 {
			t.Errorf("cookies %v were sent", r.Cookies())
		}
		http.SetCookie(w, &http.Cookie{Name: "visitor", Value: "17"})
		switch r.URL.Path {
		case "/log/plain":
			_, _ = w.Write(plain)
		case "/log/gzip":
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(gzipped(plain))
		case "/log/moved":
			http.Redirect(w, r, "/log/plain", http.StatusMovedPermanently)
		case "/log/gone":
			w.WriteHeader(http.StatusGone)
			_, _ = w.Write([]byte("the notice"))
		default:
			http.NotFound(w, r)
		}
	})
	ctx := context.Background()
	for _, path := range []string{"plain", "gzip", "moved"} {
		if got, err := w.Get(ctx, path, len(plain)); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("Get(%s) = %q, %v", path, got, err)
		}
	}
	for _, path := range []string{"plain", "gzip"} {
		var damaged *client.DamagedError
		if got, err := w.Get(ctx, path, len(plain)-1); !errors.As(err, &damaged) {
			t.Errorf("Get(%s) of more than its limit = %d bytes, %v", path, len(got), err)
		}
	}
	var missing *client.NotFoundError
	if _, err := w.Get(ctx, "none", 10); !errors.As(err, &missing) {
		t.Errorf("Get(none) = %v, want NotFoundError", err)
	}
	var gone *client.GoneError
	if _, err := w.Get(ctx, "gone", 10); !errors.As(err, &gone) || string(gone.Answer) != "the notice" {
		t.Errorf("Get(gone) = %v, want GoneError with its answer", err)
	}
}

// endless writes the same bytes until the reader goes away.
func endless(w io.Writer, chunk []byte) {
	for {
		if _, err := w.Write(chunk); err != nil {
			return
		}
	}
}

// T-27.
func TestHostileServersAreBounded(t *testing.T) {
	bomb := gzipped(make([]byte, 64<<20)) // 64 KB that become 64 MiB
	hole := bytes.Repeat(gzipped(nil), 1000)
	half := gzipped([]byte(strings.Repeat("x", 5000)))
	w, _ := web(t, client.HTTPOptions{Tries: 1, Timeout: 10 * time.Second}, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/log/endless":
			endless(w, make([]byte, 64<<10))
		case "/log/bomb":
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(bomb)
		case "/log/hole": // members that hold nothing, without end
			w.Header().Set("Content-Encoding", "gzip")
			endless(w, hole)
		case "/log/brotli":
			w.Header().Set("Content-Encoding", "br")
			_, _ = w.Write([]byte("?"))
		case "/log/no-gzip":
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write([]byte("this is no gzip at all"))
		case "/log/half":
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(half[:len(half)-9])
		case "/log/header":
			w.Header().Set("X", strings.Repeat("x", 1<<20))
		}
	})
	for _, path := range []string{"endless", "bomb", "hole", "brotli", "no-gzip"} {
		var damaged *client.DamagedError
		if got, err := w.Get(context.Background(), path, 8192); !errors.As(err, &damaged) || got != nil {
			t.Errorf("Get(%s) = %d bytes, %v; want it refused as damaged", path, len(got), err)
		}
	}
	for _, path := range []string{"half", "header"} {
		if got, err := w.Get(context.Background(), path, 8192); err == nil {
			t.Errorf("Get(%s) = %d bytes, want an error", path, len(got))
		}
	}
}

// A server that stops in the middle costs one deadline.
func TestSlowServerMeetsTheDeadline(t *testing.T) {
	w, _ := web(t, client.HTTPOptions{Tries: 1, Timeout: 50 * time.Millisecond}, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/log/body" {
			_, _ = w.Write([]byte("the beginning"))
			_ = http.NewResponseController(w).Flush()
		}
		<-r.Context().Done()
	})
	for _, path := range []string{"headers", "body"} {
		if got, err := w.Get(context.Background(), path, 100); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Get(%s) = %q, %v; want the deadline", path, got, err)
		}
	}
}

// T-41.
func TestRedirectsStayOnTheHost(t *testing.T) {
	var reached atomic.Bool
	inner := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Store(true) }))
	defer inner.Close()
	w, _ := web(t, client.HTTPOptions{}, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/log/elsewhere":
			http.Redirect(w, r, inner.URL+"/secret", http.StatusFound)
		case "/log/metadata":
			http.Redirect(w, r, "http://169.254.169.254/latest", http.StatusFound)
		case "/log/scheme":
			http.Redirect(w, r, "https://"+r.Host+"/log/x", http.StatusFound)
		case "/log/file":
			http.Redirect(w, r, "file:///etc/passwd", http.StatusFound)
		case "/log/loop":
			http.Redirect(w, r, "/log/loop", http.StatusFound)
		case "/log/by-way":
			http.Redirect(w, r, "/log/elsewhere", http.StatusFound)
		}
	})
	for _, path := range []string{"elsewhere", "metadata", "scheme", "file", "loop", "by-way"} {
		if got, err := w.Get(context.Background(), path, 100); err == nil || !strings.Contains(err.Error(), "redirect refused") {
			t.Errorf("Get(%s) = %q, %v; want the redirect refused", path, got, err)
		}
	}
	if reached.Load() {
		t.Error("a redirect reached another server")
	}
}

func TestAddresses(t *testing.T) {
	for _, base := range []string{
		"http://kanaalstad.example", "http://10.0.0.1", "http://localhost.example", "http://127.0.0.1.example",
		"ftp://kanaalstad.example", "kanaalstad.example", "https://", "https://u:p@kanaalstad.example", "https://kanaalstad.example/?q", "https://k.example/#f",
		"file:///log", "://",
	} {
		if w, err := client.NewWeb(base, client.HTTPOptions{}); err == nil {
			t.Errorf("NewWeb(%q) = %v, want an error", base, w)
		}
	}
	for _, base := range []string{"https://kanaalstad.example/", "http://127.0.0.1:80", "http://[::1]:80/log", "http://localhost"} {
		if _, err := client.NewWeb(base, client.HTTPOptions{}); err != nil {
			t.Errorf("NewWeb(%q): %v", base, err)
		}
	}
}

func TestTLSNeedsACertificateThatIsTrusted(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("yes")) }))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // it complains about the stranger
	server.StartTLS()
	defer server.Close()
	for _, known := range []bool{false, true} {
		roots := x509.NewCertPool()
		if known {
			roots.AddCert(server.Certificate())
		}
		w, err := client.NewWeb(server.URL, client.HTTPOptions{Tries: 1, TLS: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := w.Get(context.Background(), "x", 10); (err == nil) != known {
			t.Errorf("certificate known %v: %q, %v", known, got, err)
		}
		w.Close()
	}
}

// answers is a transport that answers from a list, and keeps the clock of a bubble
// free of sockets.
type answers struct {
	codes []int
	after string
	asked []time.Time
}

func (a *answers) RoundTrip(r *http.Request) (*http.Response, error) {
	a.asked = append(a.asked, time.Now())
	code := a.codes[min(len(a.asked), len(a.codes))-1]
	if code == 0 {
		return nil, errors.New("connection reset")
	}
	h := http.Header{}
	if a.after != "" {
		h.Set("Retry-After", a.after)
	}
	return &http.Response{StatusCode: code, Header: h, Body: io.NopCloser(strings.NewReader("yes")), Request: r}, nil
}

func TestTroubleIsTriedAgain(t *testing.T) {
	for _, tc := range []struct {
		name  string
		codes []int
		after string
		asked int
		least time.Duration
		ok    bool
	}{
		{"works at once", []int{200}, "", 1, 0, true},
		{"works the third time", []int{503, 0, 200}, "", 3, 750 * time.Millisecond, true},
		{"never works", []int{500}, "", 3, 750 * time.Millisecond, false},
		{"asks to wait", []int{429, 200}, "7", 2, 7 * time.Second, true},
		{"asks to wait too long", []int{429, 200}, "40000", 2, 30 * time.Second, true},
		{"a word that is no number", []int{429, 200}, "-3", 2, 250 * time.Millisecond, true},
		{"not there", []int{404}, "", 1, 0, false},
		{"forbidden", []int{403}, "", 1, 0, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				transport := &answers{codes: tc.codes, after: tc.after}
				w, err := client.NewWeb("https://kanaalstad.example/log", client.HTTPOptions{Transport: transport})
				if err != nil {
					t.Fatal(err)
				}
				_, err = w.Get(context.Background(), "checkpoint", 100)
				if (err == nil) != tc.ok || len(transport.asked) != tc.asked {
					t.Fatalf("asked %d times, %v; want %d, ok %v", len(transport.asked), err, tc.asked, tc.ok)
				}
				if waited := transport.asked[len(transport.asked)-1].Sub(transport.asked[0]); waited < tc.least || waited > 2*tc.least {
					t.Errorf("waited %v, want %v and up to a quarter more", waited, tc.least)
				}
			})
		})
	}
}

// Waiting for longer than the caller has only loses the caller's time.
func TestNoPauseBeyondTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		transport := &answers{codes: []int{429, 200}, after: "20"}
		w, err := client.NewWeb("https://kanaalstad.example/log", client.HTTPOptions{Transport: transport})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		start := time.Now()
		if _, err := w.Get(ctx, "checkpoint", 100); err == nil || time.Since(start) > 0 {
			t.Errorf("Get = %v after %v; want the refusal at once", err, time.Since(start))
		}
	})
}

func TestDir(t *testing.T) {
	d := client.NewDir(fstest.MapFS{"checkpoint": {Data: []byte("note")}, "tile/0/000": {Data: make([]byte, 9000)}}, "the archive")
	ctx := context.Background()
	if got, err := d.Get(ctx, "checkpoint", 4); err != nil || string(got) != "note" {
		t.Errorf("Get(checkpoint) = %q, %v", got, err)
	}
	var damaged *client.DamagedError
	if _, err := d.Get(ctx, "tile/0/000", 8192); !errors.As(err, &damaged) {
		t.Errorf("Get of too much = %v, want DamagedError", err)
	}
	var missing *client.NotFoundError
	if _, err := d.Get(ctx, "bodies/0", 10); !errors.As(err, &missing) || !strings.Contains(fmt.Sprint(err), "the archive") {
		t.Errorf("Get of nothing = %v, want NotFoundError that names the place", err)
	}
	if _, err := d.Get(ctx, "../checkpoint", 10); err == nil {
		t.Error("Get left the folder")
	}
	if _, err := d.Get(ctx, "tile", 10); err == nil {
		t.Error("Get read a folder")
	}
}
