package integration_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// front is the web server that a city has before its node. It withholds what the test says.
type front struct{ withheld atomic.Pointer[string] }

// front puts a web server before a member's node, before that runs.
func (m *cityNode) front() *front {
	t := m.c.t
	t.Helper()
	m.configure(func(text string) string { return strings.Replace(text, m.addr.String()+":443", "127.0.0.1:8443", 1) })
	cert, err := tls.LoadX509KeyPair(m.file("node/public.pem"), m.file("node/public.pem"))
	if err != nil {
		t.Fatal(err)
	}
	l, err := m.listen(m.addr.String() + ":443")
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: "https", Host: "127.0.0.1:8443"}) },
		ErrorLog:  log.New(io.Discard, "", 0), // visitors who go away
		Transport: &http.Transport{DialContext: m.dial, TLSClientConfig: &tls.Config{RootCAs: m.c.issuer.pool, MinVersion: tls.VersionTLS13}},
	}
	f := &front{}
	f.withhold("nothing")
	server := &http.Server{ReadHeaderTimeout: patience, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, *f.withheld.Load()) {
			http.NotFound(w, r)
			return
		}
		proxy.ServeHTTP(w, r)
	})}
	t.Cleanup(func() { _ = server.Close() })
	go func() {
		_ = server.Serve(tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS13}))
	}()
	return f
}

func (f *front) withhold(paths string) { f.withheld.Store(&paths) }

// listen opens a port of the host.
func (h *host) listen(addr string) (l net.Listener, err error) {
	done := make(chan struct{})
	h.do <- func() {
		defer close(done)
		l, err = net.Listen("tcp", addr) // the socket is made by this thread, which lives in the namespace
	}
	<-done
	return l, err
}

// T-17, F5: what a city signs and does not hand out is final nowhere, and after an hour nobody cosigns the log any more, until
// it is there.
func TestT17WithheldFilesStopCosigning(t *testing.T) {
	t.Parallel()
	c := newCities(t, 4, wire{}, quick)
	clock := c.ownClock()
	m, o := c.all[4], c.all[1]
	front := m.front()
	c.begin()
	c.verify(0, m.declare(0, patience))
	for i, paths := range []string{"/log/bodies/", "/log/tile/entries/", "/log/tile/"} {
		front.withhold(paths)
		receipt := m.declare(3, 2*time.Second)
		c.verify(3, receipt)
		if code, answer := o.cosigns(m); code != http.StatusOK {
			t.Errorf("at once, without %s: %d %s", paths, code, answer)
		}
		clock.ahead(time.Duration(i+1) * 2 * time.Hour)
		until(t, "nobody cosigns a log without "+paths, func() bool {
			code, answer := o.cosigns(m)
			return code == http.StatusForbidden && strings.Contains(answer, "not handed out")
		})
		front.withhold("nothing")
		m.makeFinal(receipt)
	}
	c.audit(o, m)
}

// T-36, F12: the city erases by order at once, its mirrors after fourteen days of the log's time; then the words are on
// nobody's disk, whoever asks gets the notice, and the log is as true as before.
func TestT36ErasedEverywhereAfterFourteenDays(t *testing.T) {
	t.Parallel()
	c := newCities(t, 3, wire{}, quick)
	clock := c.ownClock()
	c.begin()
	m := c.all[1]
	const words = "words that a court wants gone"
	m.send(0, patience, map[string]string{
		"pledge.yaml": "pledge: adopt_policy open_data\ntext:\n  en: Here are " + words + ".\nstate: done\nattachments: [report.txt]\nconsequence: none\n",
		"report.txt":  "a report with " + words + "\n",
	}, "pledge.yaml")
	rec, err := m.dialOfficer().client.Newest(t.Context(), "com/1", "")
	if err != nil {
		t.Fatal(err)
	}
	paths := []string{fmt.Sprintf("/bodies/%x", rec.Statement.BodySHA256), fmt.Sprintf("/attachments/%x", sha256.Sum256([]byte("a report with "+words+"\n")))}
	answers := func(o *cityNode, want int) bool {
		t.Helper()
		at := "/log"
		if o != m {
			at = strings.TrimPrefix(o.copyOf(m), o.url())
		}
		for _, p := range paths {
			if _, code, err := m.get(o, at+p); err != nil || code != want {
				return false
			}
		}
		return true
	}
	for _, o := range c.all {
		until(t, o.id+" has all that is to go", func() bool { return answers(o, http.StatusOK) })
	}
	m.must(0, cityproof, "erase", "com/1", "--workspace", filepath.Join(m.dir, fmt.Sprintf("declaration-%d", c.n), "cityproof.yaml"), "--ground", "court_order",
		"--authority", "The court", "--reason", "It had to go.", "--node", m.url(), "--trust", m.trust(), "--key", m.file("officer.key"), "--yes",
		"--root", c.root, "--final", "--wait", patience.String())
	until(t, "the city has erased it", func() bool { return answers(m, http.StatusGone) })
	anchored := func() {
		t.Helper()
		before := m.final().Size
		until(t, "the log's time has gone on", func() bool { return m.final().Size > before+2 })
	}
	anchored() // the fourteen days begin with an anchor behind the notice
	clock.ahead(13 * 24 * time.Hour)
	anchored()
	for _, o := range c.all {
		if o != m && !answers(o, http.StatusOK) {
			t.Errorf("after 13 days %s has it no more", o.id)
		}
	}
	clock.ahead(15 * 24 * time.Hour)
	for _, o := range c.all {
		until(t, o.id+" has erased it", func() bool { return answers(o, http.StatusGone) })
		until(t, "the words are on no disk of "+o.id, func() bool { return !found(t, o.file("node"), words) })
	}
	c.audit(m)
}

// found reports whether words are in a file of a folder, in which programs work meanwhile.
func found(t *testing.T, folder, words string) (is bool) {
	t.Helper()
	err := filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		is = is || bytes.Contains(b, []byte(words))
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return is || err != nil // a file went away: look again
}
