package ledger_test

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	pb "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/bodystore"
	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/draft"
	"github.com/cityproof/cityproof/internal/ledger"
	"github.com/cityproof/cityproof/internal/logstore"
	"github.com/cityproof/cityproof/internal/pebbledb"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/receipt"
	"github.com/cityproof/cityproof/internal/signingkey"
)

const (
	origin = "kanaalstad.example/log"
	city   = "nl-kanaalstad"
)

// place is a node's disk: keys, state and data, which outlive a ledger.
type place struct {
	t           *testing.T
	data, state string
	ed, pq      *signingkey.Key
	officer     *signingkey.Key
	from        uint64
	to          *uint64 // of the officer's key
	quota       ledger.Quota
	now         func() time.Time
	known       bool // others know the log
}

func newPlace(t *testing.T) *place {
	t.Helper()
	dir := t.TempDir()
	key := func(role signingkey.Role, alg signingkey.Algorithm) *signingkey.Key {
		k, err := signingkey.Generate(role, "test", alg)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	return &place{
		t: t, data: filepath.Join(dir, "data"), state: filepath.Join(dir, "state"), now: time.Now,
		ed: key(signingkey.Log, signingkey.Ed25519), pq: key(signingkey.Log, signingkey.MLDSA44),
		officer: key(signingkey.Publisher, signingkey.Ed25519),
	}
}

// open opens the ledger; close gives everything back.
func (p *place) open() (l *ledger.Ledger, closeAll func()) {
	p.t.Helper()
	state, err := signingkey.MakeState(p.state)
	if err != nil {
		p.t.Fatal(err)
	}
	signer, err := signingkey.NewLogSigner(origin, p.ed, p.pq, state)
	if err != nil {
		p.t.Fatal(err)
	}
	db, err := pebbledb.Open(p.data, pebbledb.Options{})
	if err != nil {
		p.t.Fatal(err)
	}
	log, err := logstore.Open(db, logstore.Options{})
	if err != nil {
		p.t.Fatal(err)
	}
	l, err = ledger.Open(p.t.Context(), ledger.Options{
		City: city, DB: db, Log: log, Bodies: bodystore.New(db), Signer: signer, Publisher: p.publisher, Quota: p.quota, Now: p.now, Known: p.known,
	})
	if err != nil {
		p.t.Fatal(err)
	}
	var once sync.Once
	closeAll = func() {
		once.Do(func() {
			log.Close()
			if err := errors.Join(db.Close(), state.Close()); err != nil {
				p.t.Error(err)
			}
		})
	}
	p.t.Cleanup(closeAll)
	return l, closeAll
}

func (p *place) publisher(id declaration.KeyID, index uint64) (ed25519.PublicKey, bool) {
	return p.trust().Publisher(id, index)
}

func (p *place) trust() *receipt.Trust {
	t := &receipt.Trust{Origin: origin, City: city, Publishers: []receipt.Publisher{{Key: p.officer.Public(), FromSize: p.from, ToSize: p.to}}}
	for _, k := range []struct {
		key *signingkey.Key
		typ checkpoint.KeyType
	}{{p.ed, checkpoint.TypeEd25519}, {p.pq, checkpoint.TypeMLDSA44}} {
		vkey, err := checkpoint.NewVKey(origin, k.typ, k.key.Public())
		if err != nil {
			p.t.Fatal(err)
		}
		v, err := checkpoint.NewVerifier(vkey)
		if err != nil {
			p.t.Fatal(err)
		}
		t.Log = append(t.Log, v)
	}
	return t
}

func said(s string) *pb.LocalizedText {
	return &pb.LocalizedText{Texts: []*pb.Text{{Lang: proto.String("en"), Value: &s}}}
}

// owed is a short record that keeps every rule.
func owed(text string) *pb.Body {
	return &pb.Body{Language: proto.String("en"), Record: &pb.Body_Notice{Notice: &pb.Notice{
		Type: pb.NoticeType_NOTICE_TYPE_FORTHCOMING.Enum(), Text: said(text), DueOn: proto.String("2027-01-01"),
	}}}
}

// seal signs a body as revision 1 of a subject, unless change says otherwise.
func (p *place) seal(subject string, body *pb.Body, change ...func(*draft.Draft, *draft.Place)) ledger.Submission {
	p.t.Helper()
	s, err := declaration.ParseSubject(subject)
	if err != nil {
		p.t.Fatal(err)
	}
	d := &draft.Draft{Operation: declaration.Publish, Body: body, Subject: s}
	at := draft.Place{Log: origin, City: city, Revision: 1}
	for _, c := range change {
		c(d, &at)
	}
	return p.sign(d, at, p.officer.Signer())
}

func (p *place) sign(d *draft.Draft, at draft.Place, signer crypto.Signer) ledger.Submission {
	p.t.Helper()
	var nonce [16]byte
	if _, err := rand.Read(nonce[:]); err != nil {
		p.t.Fatal(err)
	}
	sub, err := draft.Seal(d, at, nonce, p.now(), signer)
	if err != nil {
		p.t.Fatal(err)
	}
	return ledger.Submission(sub)
}

// next makes a change to the revision whose leaf is given.
func next(op declaration.Operation, revision uint32, previous proof.Hash) func(*draft.Draft, *draft.Place) {
	return func(d *draft.Draft, at *draft.Place) {
		d.Operation = op
		d.Body.Reason = said("because")
		at.Revision, at.Previous = revision, previous
	}
}

func mustPublish(t *testing.T, l *ledger.Ledger, subs ...ledger.Submission) *ledger.Outcome {
	t.Helper()
	out, err := l.Publish(t.Context(), subs)
	if err != nil {
		t.Fatalf("Publish: %v", err)
	}
	return out
}

func leafOf(s ledger.Submission) proof.Hash { return proof.LeafHash(s.Envelope) }

func TestI1AnswerIsAReceiptThatVerifies(t *testing.T) {
	p := newPlace(t)
	l, _ := p.open()
	for i := range 5 {
		sub := p.seal(fmt.Sprintf("not/%d", i+1), owed(fmt.Sprint("report ", i)))
		out := mustPublish(t, l, sub)
		placed := out.Placed[0]
		if placed.Index != uint64(i) || placed.Repeat {
			t.Fatalf("placed %+v, want index %d, fresh", placed, i)
		}
		r := receipt.New(sub.Envelope, sub.Body, placed.Index, placed.Path, out.Published.Note)
		if _, err := receipt.Verify(r, p.trust()); err != nil {
			t.Fatalf("receipt %d: %v", i, err)
		}
	}
}

func TestT03RepeatGetsItsFirstIndex(t *testing.T) {
	p := newPlace(t)
	l, closeAll := p.open()
	sub := p.seal("not/1", owed("a report"))
	mustPublish(t, l, sub)
	mustPublish(t, l, p.seal("not/2", owed("another report")))
	closeAll()
	l, _ = p.open() // the memory of it is on disk
	out := mustPublish(t, l, sub)
	if !out.Placed[0].Repeat || out.Placed[0].Index != 0 {
		t.Errorf("placed %+v, want a repeat at index 0", out.Placed[0])
	}
	if size := l.Published().Checkpoint.Size; size != 2 {
		t.Errorf("size %d after a repeat, want 2", size)
	}
}

func TestRepeatIsNotJudgedByTodaysClock(t *testing.T) {
	p := newPlace(t)
	clock := time.Now()
	p.now = func() time.Time { return clock }
	l, _ := p.open()
	sub := p.seal("not/1", owed("a report"))
	mustPublish(t, l, sub)
	clock = clock.Add(24 * time.Hour)
	if out := mustPublish(t, l, sub); !out.Placed[0].Repeat {
		t.Error("sent again a day later, it is no repeat")
	}
}

func TestT01T09DoorRefuses(t *testing.T) {
	p := newPlace(t)
	l, _ := p.open()
	first := p.seal("not/1", owed("a report"))
	mustPublish(t, l, first)
	stranger, err := signingkey.Generate(signingkey.Publisher, "stranger", signingkey.Ed25519)
	if err != nil {
		t.Fatal(err)
	}
	type draftChange = func(*draft.Draft, *draft.Place)
	at := func(f draftChange) ledger.Submission { return p.seal("not/2", owed("another report"), f) }
	tampered := p.seal("not/2", owed("a longer report"))
	tampered.Body = append([]byte(nil), tampered.Body...)
	tampered.Body[len(tampered.Body)-10] ^= 1
	var malformed *ledger.MalformedError
	var forbidden *ledger.ForbiddenError
	var stale *ledger.StaleError
	var refused *ledger.RefusedError
	for name, tc := range map[string]struct {
		sub  ledger.Submission
		want any
	}{
		"T01 nothing":                 {ledger.Submission{}, &malformed},
		"T01 a space in the envelope": {ledger.Submission{Envelope: append([]byte(" "), first.Envelope...), Body: first.Body}, &malformed},
		"T09 another log":             {at(func(_ *draft.Draft, a *draft.Place) { a.Log = "elders.example/log" }), &forbidden},
		"T09 another city":            {at(func(_ *draft.Draft, a *draft.Place) { a.City = "nl-elders" }), &forbidden},
		"a stranger's key": {p.sign(&draft.Draft{Operation: declaration.Publish, Body: owed("x y z"), Subject: declaration.Subject{Kind: declaration.Notice, Number: 2}},
			draft.Place{Log: origin, City: city, Revision: 1}, stranger.Signer()), &forbidden},
		"another body":            {tampered, &malformed},
		"a taken number":          {p.seal("not/1", owed("another report")), &stale},
		"a revision gap":          {p.seal("not/1", owed("a report"), next(declaration.Amend, 3, leafOf(first))), &stale},
		"a stale previous":        {p.seal("not/1", owed("a report"), next(declaration.Amend, 2, proof.Hash{1})), &stale},
		"an amendment of nothing": {p.seal("not/7", owed("a report"), next(declaration.Amend, 2, proof.Hash{1})), &stale},
		"T21 a clock an hour late": {func() ledger.Submission {
			old := p.now
			p.now = func() time.Time { return old().Add(-time.Hour) }
			defer func() { p.now = old }()
			return p.seal("not/2", owed("another report"))
		}(), &refused},
		"a reference to nothing": {at(func(d *draft.Draft, _ *draft.Place) { d.Body.GetNotice().About = []string{"dep/9"} }), &refused},
		"T41 an inner address":   {at(func(d *draft.Draft, _ *draft.Place) { d.Body.ImportedFrom = []string{"http://169.254.169.254/x"} }), &refused},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := l.Publish(t.Context(), []ledger.Submission{tc.sub})
			if !errors.As(err, tc.want) {
				t.Fatalf("Publish: %v (%T), want %T", err, err, tc.want)
			}
			if size := l.Published().Checkpoint.Size; size != 1 {
				t.Errorf("size %d after a refusal, want 1", size)
			}
		})
	}
	if stale.Next != 2 {
		t.Errorf("a lost race says that the next number is %d, want 2", stale.Next)
	}
}

func TestT13KeyIsValidForItsIndexesOnly(t *testing.T) {
	p := newPlace(t)
	end := uint64(2)
	p.from, p.to = 1, &end
	l, _ := p.open()
	var forbidden *ledger.ForbiddenError
	if _, err := l.Publish(t.Context(), []ledger.Submission{p.seal("not/1", owed("too early"))}); !errors.As(err, &forbidden) {
		t.Fatalf("before its first index: %v, want *ForbiddenError", err)
	}
	p.from = 0
	mustPublish(t, l, p.seal("not/1", owed("the first report")))
	// A batch that crosses the end is refused whole, though its first leaf is in time.
	batch := []ledger.Submission{p.seal("not/2", owed("in time")), p.seal("not/3", owed("too late"))}
	if _, err := l.Publish(t.Context(), batch); !errors.As(err, &forbidden) {
		t.Fatalf("across its last index: %v, want *ForbiddenError", err)
	}
	mustPublish(t, l, batch[0])
	if _, err := l.Publish(t.Context(), batch[1:]); !errors.As(err, &forbidden) {
		t.Fatalf("after its last index: %v, want *ForbiddenError", err)
	}
}

func TestBatchIsAllOrNothing(t *testing.T) {
	p := newPlace(t)
	l, _ := p.open()
	bad := owed("a report")
	bad.GetNotice().Text = nil
	good := p.seal("not/1", owed("a report"))
	_, err := l.Publish(t.Context(), []ledger.Submission{good, p.seal("not/2", bad)})
	var refused *ledger.RefusedError
	if !errors.As(err, &refused) || len(refused.Results[0]) != 0 || len(refused.Results[1]) == 0 {
		t.Fatalf("Publish: %v, want the second submission refused", err)
	}
	if _, err := l.Body(statement(t, good).BodySHA256); err == nil {
		t.Error("the body of a refused batch is stored")
	}
	if n, err := l.NextNumber(declaration.Notice); err != nil || n != 1 {
		t.Errorf("NextNumber = %d, %v, want 1", n, err)
	}
	if out := mustPublish(t, l, good); out.Placed[0].Index != 0 {
		t.Errorf("index %d after a refused batch, want 0", out.Placed[0].Index)
	}
}

func statement(t *testing.T, sub ledger.Submission) *declaration.Statement {
	t.Helper()
	signed, err := declaration.ParseSigned(sub.Envelope)
	if err != nil {
		t.Fatal(err)
	}
	return signed.Statement
}

func TestHistoryFollowsTheChain(t *testing.T) {
	p := newPlace(t)
	l, _ := p.open()
	one := p.seal("not/1", owed("a report"))
	mustPublish(t, l, one)
	two := p.seal("not/1", owed("a better report"), next(declaration.Amend, 2, leafOf(one)))
	mustPublish(t, l, two)
	three := p.seal("not/1", owed("a better report"), next(declaration.Withdraw, 3, leafOf(two)))
	mustPublish(t, l, three)
	history, err := l.History(declaration.Subject{Kind: declaration.Notice, Number: 1})
	if err != nil || len(history) != 3 {
		t.Fatalf("History: %d revisions, %v, want 3", len(history), err)
	}
	for i, sub := range []ledger.Submission{one, two, three} {
		if string(history[i].Envelope) != string(sub.Envelope) || string(history[i].Body) != string(sub.Body) {
			t.Errorf("revision %d is not byte for byte what was published", i+1)
		}
	}
	var stale *ledger.StaleError
	if _, err := l.Publish(t.Context(), []ledger.Submission{p.seal("not/1", owed("again"), next(declaration.Amend, 4, leafOf(three)))}); !errors.As(err, &stale) {
		t.Errorf("AMEND after WITHDRAW: %v, want *StaleError", err)
	}
	mustPublish(t, l, p.seal("not/1", owed("again"), next(declaration.Reinstate, 4, leafOf(three))))
	list, err := l.List("", declaration.Subject{}, false, 10)
	if err != nil || len(list) != 1 || list[0].Revision != 4 {
		t.Errorf("List: %v, %v, want revision 4 alone", list, err)
	}
}

func TestT45QuotaIsPerPublisher(t *testing.T) {
	p := newPlace(t)
	p.quota = ledger.Quota{StatementsPerHour: 2}
	l, _ := p.open()
	mustPublish(t, l, p.seal("not/1", owed("one report")), p.seal("not/2", owed("two reports")))
	var quota *ledger.QuotaError
	if _, err := l.Publish(t.Context(), []ledger.Submission{p.seal("not/3", owed("three reports"))}); !errors.As(err, &quota) || quota.RetryAfter <= 0 {
		t.Errorf("third declaration: %v, want *QuotaError with a time", err)
	}
}

func TestManyPublishersAtOnce(t *testing.T) {
	p := newPlace(t)
	l, _ := p.open()
	const n = 64
	subs := make([]ledger.Submission, n)
	for i := range subs {
		subs[i] = p.seal(fmt.Sprintf("not/%d", i+1), owed(fmt.Sprint("report ", i)))
	}
	var wg sync.WaitGroup
	outs, errs := make([]*ledger.Outcome, n), make([]error, n)
	for i := range subs {
		wg.Go(func() { outs[i], errs[i] = l.Publish(context.Background(), subs[i:i+1]) })
	}
	wg.Wait()
	seen := map[uint64]bool{}
	for i, out := range outs {
		if errs[i] != nil {
			t.Fatalf("publisher %d: %v", i, errs[i])
		}
		pl := out.Placed[0]
		if seen[pl.Index] {
			t.Fatalf("index %d given twice", pl.Index)
		}
		seen[pl.Index] = true
		r := receipt.New(subs[i].Envelope, subs[i].Body, pl.Index, pl.Path, out.Published.Note)
		if _, err := receipt.Verify(r, p.trust()); err != nil {
			t.Errorf("publisher %d: %v", i, err)
		}
	}
}

func copyDir(t *testing.T, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

// Withdrawing and publishing the same again under another number launders nothing.
func TestWithdrawnRecordIsRemembered(t *testing.T) {
	p := newPlace(t)
	l, _ := p.open()
	named := func() *pb.Body {
		b := owed("a report")
		b.SourceId = proto.String("register:17")
		return b
	}
	one := p.seal("not/1", named())
	mustPublish(t, l, one)
	mustPublish(t, l, p.seal("not/1", named(), next(declaration.Withdraw, 2, leafOf(one))))
	out := mustPublish(t, l, p.seal("not/2", named()))
	for _, r := range out.Warnings[0] {
		if r.Rule == "V-18" {
			return
		}
	}
	t.Errorf("no V-18 for a withdrawn record that comes again: %v", out.Warnings[0])
}
