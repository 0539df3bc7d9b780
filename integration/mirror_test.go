package integration_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	pb "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/client"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/draft"
	"github.com/cityproof/cityproof/internal/receipt"
	"github.com/cityproof/cityproof/internal/signingkey"
	"github.com/cityproof/cityproof/internal/testenv"
)

// fetched returns what a URL answers; nothing where nobody does.
func fetched(url string) (status int, body []byte) {
	resp, err := http.Get(url) //nolint:noctx,gosec // a test's own node
	if err != nil {
		return 0, nil
	}
	body, err = io.ReadAll(resp.Body)
	if errors.Join(err, resp.Body.Close()) != nil {
		return 0, nil
	}
	return resp.StatusCode, body
}

// await asks a URL until it answers with 200 and, where they are given, these bytes.
func (a *members) await(url string, want []byte) []byte {
	a.t.Helper()
	for begun := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		status, body := fetched(url)
		if status == http.StatusOK && (want == nil || string(body) == string(want)) {
			return body
		}
		if time.Since(begun) > patience {
			a.t.Fatalf("%s: %d, %d bytes", url, status, len(body))
		}
	}
}

// notices publishes n declarations of a city at once.
func (a *members) notices(i, n int) {
	a.t.Helper()
	trustFile, err := os.ReadFile(filepath.Join(a.folder(i), "node", "trust.json"))
	if err != nil {
		a.t.Fatal(err)
	}
	trust, err := receipt.ParseTrust(trustFile)
	if err != nil {
		a.t.Fatal(err)
	}
	key, err := signingkey.ReadFile(filepath.Join(a.folder(i), "officer-1.key"), nil)
	if err != nil {
		a.t.Fatal(err)
	}
	c, err := client.Dial(a.t.Context(), client.Options{Node: a.demo.Nodes[i].HTTP, Trust: trust})
	if err != nil {
		a.t.Fatal(err)
	}
	defer c.Close()
	var all []draft.Submission
	for number := range uint32(n) {
		text := fmt.Sprintf("Report number %d will appear here.", number)
		d := &draft.Draft{
			Operation: declaration.Publish, Subject: declaration.Subject{Kind: declaration.Notice, Number: 1000 + number},
			Body: &pb.Body{Language: proto.String("en"), Record: &pb.Body_Notice{Notice: &pb.Notice{
				Type:  pb.NoticeType_NOTICE_TYPE_FORTHCOMING.Enum(),
				Text:  &pb.LocalizedText{Texts: []*pb.Text{{Lang: proto.String("en"), Value: &text}}},
				DueOn: proto.String(time.Now().AddDate(0, 0, 90).Format(time.DateOnly)),
			}}},
		}
		var nonce [16]byte
		if _, err := rand.Read(nonce[:]); err != nil {
			a.t.Fatal(err)
		}
		sub, err := draft.Seal(d, draft.Place{Log: a.demo.Nodes[i].Origin, City: a.demo.Nodes[i].Name, Revision: 1}, nonce, time.Now(), key.Signer())
		if err != nil {
			a.t.Fatal(err)
		}
		all = append(all, sub)
	}
	if _, err := c.Publish(a.t.Context(), all); err != nil {
		a.t.Fatal(err)
	}
}

// Incident 2: a byte that rots on a city's disk while its node is down is found, and is right again by what the others mirror.
func TestIncident2RottenByteIsMendedFromTheAlliance(t *testing.T) {
	a := newAlliance(t)
	a.startAll()
	const i = 1
	a.notices(i, 300)
	log := a.demo.Nodes[i].HTTP + "/log/tile/entries/000"
	want := a.await(log, nil)
	for j := range a.runs {
		if j != i {
			a.await(client.MirrorURL(a.demo.Nodes[j].HTTP, a.demo.Nodes[i].Origin)+"/tile/entries/000", want)
		}
	}
	a.kill(i)
	f, err := os.OpenFile(filepath.Join(a.folder(i), "node", "data", "entries", "000000000.bundles"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	var b [1]byte
	_, err = f.ReadAt(b[:], 1000)
	b[0] ^= 4
	_, werr := f.WriteAt(b[:], 1000)
	if err := errors.Join(err, werr, f.Close()); err != nil {
		t.Fatal(err)
	}
	a.start(i)
	if status, _ := fetched(log); status != http.StatusInternalServerError && status != http.StatusOK {
		t.Errorf("what is damaged is answered with %d", status)
	}
	a.await(log, want)
	a.await(a.demo.Nodes[i].HTTP+"/readyz", nil)
	a.kill(i)
	if out := a.fsck(i); out != "" {
		t.Errorf("fsck: %s", out)
	}
}

// Incident 2: a file of the mirror's own database that rots is noticed by whoever reads it, and all copies are there again without a
// restart. The city's own log goes on meanwhile.
func TestIncident2RottenMirrorNeedsNoRestart(t *testing.T) {
	a := newAlliance(t)
	a.startAll()
	const of, at = 1, 2
	a.notices(of, 300)
	want := a.await(a.demo.Nodes[of].HTTP+"/log/tile/entries/000", nil)
	copied := client.MirrorURL(a.demo.Nodes[at].HTTP, a.demo.Nodes[of].Origin) + "/tile/entries/000"
	a.await(copied, want)
	a.kill(at)
	a.start(at) // what was in the write-ahead log is in tables now
	a.kill(at)
	testenv.Spoil(t, filepath.Join(a.folder(at), "node", "mirror", "pebble"), rotTable)
	a.start(at)
	a.await(copied, want)
	said, err := os.ReadFile(filepath.Join(a.dir, a.demo.Nodes[at].Name+".log"))
	if err != nil || !strings.Contains(string(said), "the mirror's database was damaged and is made anew") {
		t.Errorf("the operator is not told: %v", err)
	}
	a.publish(at, 0, patience)
}

// rotTable flips a byte of a table of a database (testenv.Spoil).
func rotTable(name string, b []byte) {
	if strings.HasSuffix(name, ".sst") {
		b[len(b)/3] ^= 1
	}
}

// fsck returns what the check of all that a node stores says, if it finds anything.
func (a *members) fsck(i int) string {
	a.t.Helper()
	out, code := (&place{t: a.testing(), dir: a.dir}).run(cityproofNode, "fsck", "--deep", "--config", a.demo.Nodes[i].Config)
	if code == 0 {
		return ""
	}
	return out
}

func (a *members) testing() *testing.T {
	t, ok := a.t.(*testing.T)
	if !ok {
		a.t.Fatal("not in a benchmark")
	}
	return t
}
