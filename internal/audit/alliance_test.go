package audit_test

import (
	"crypto/sha256"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	registryv1 "github.com/cityproof/cityproof/api/cityproof/registry/v1"
	"github.com/cityproof/cityproof/internal/alliancetest"
	"github.com/cityproof/cityproof/internal/audit"
	"github.com/cityproof/cityproof/internal/evidence"
	"github.com/cityproof/cityproof/internal/logtime"
)

// alive is an alliance in which everybody has declared something and all logs are anchored.
func alive(t *testing.T) *internet {
	t.Helper()
	n := newInternet(t)
	file, err := n.First.Format()
	must(t, err)
	sum := sha256.Sum256(file)
	n.Do(&registryv1.RootVersion{File: sum[:]}, []string{"act 1", "act 2"}, file)
	for _, id := range n.IDs {
		n.Declare(id, 3)
	}
	n.Anchor(time.Hour)
	return n
}

func (n *internet) audit(change func(*audit.AllianceOptions)) *audit.AllianceReport {
	n.t.Helper()
	opts := audit.AllianceOptions{Root: n.First, Open: n.Open, AsOf: n.Now.Add(10 * time.Minute), WithoutBodies: true}
	if change != nil {
		change(&opts)
	}
	r, err := audit.Alliance(n.t.Context(), opts)
	must(n.t, err)
	return r
}

func memberOf(t *testing.T, r *audit.AllianceReport, id string) audit.MemberReport {
	t.Helper()
	i := slices.IndexFunc(r.Members, func(m audit.MemberReport) bool { return m.ID == id })
	if i < 0 {
		t.Fatalf("%s was not audited: %+v", id, r.Members)
	}
	return r.Members[i]
}

// wantMember compares a member's verdict, and wants words among its reasons.
func wantMember(t *testing.T, r *audit.AllianceReport, id string, want audit.Verdict, words ...string) {
	t.Helper()
	m := memberOf(t, r, id)
	reasons := strings.Join(m.Reasons, "\n")
	if m.Verdict != want {
		t.Errorf("%s is %q, want %q: %s", id, m.Verdict, want, reasons)
	}
	for _, w := range words {
		if !strings.Contains(reasons, w) {
			t.Errorf("%s: the reasons lack %q:\n%s", id, w, reasons)
		}
	}
}

func TestAllianceIsTrueWhereAllIsWell(t *testing.T) {
	n := alive(t)
	r := n.audit(nil)
	if r.Verdict != audit.True || r.Registry.Verdict != audit.True || len(r.Members) != 4 {
		t.Fatalf("%+v", r)
	}
	for _, m := range r.Members {
		size, _ := n.Logs[m.ID].Head()
		if m.Verdict != audit.True || m.Final != size || m.Log.Size != size || m.Lag.Light != logtime.Green || m.Lag.Silence != 600 || m.Status != "ACTIVE" {
			t.Errorf("%s: %+v, lag %+v", m.ID, m, m.Lag)
		}
	}
	if len(r.Observed.Troubles) != 0 || len(r.Observed.Heads) != 4*8 {
		t.Errorf("%d heads, troubles %+v", len(r.Observed.Heads), r.Observed.Troubles)
	}
	if _, err := audit.Alliance(t.Context(), audit.AllianceOptions{Root: n.First, Open: n.Open, AsOf: n.Now, Members: []string{"fr-lyon"}}); err == nil {
		t.Error("nobody was audited without an error")
	}
}

// I9: the same heads, as of the same moment, give the same bytes, whoever shows them.
func TestI9TwoMirrorsGiveTheSameBytes(t *testing.T) {
	n := alive(t)
	n.Admit(alliancetest.NewCity(t, "fr-lyon")) // an act behind the last anchor
	bytesFrom := func(hosts ...string) string {
		r := n.audit(func(o *audit.AllianceOptions) {
			for _, h := range hosts {
				o.From = append(o.From, "https://"+h)
			}
			o.Members = []string{"xx-secretariat", "nl-kanaalstad"}
		})
		r.Observed = audit.AllianceObserved{}
		b, err := json.Marshal(r)
		must(t, err)
		return string(b)
	}
	one, other := bytesFrom("minato.example"), bytesFrom("busan.example")
	if one != other {
		t.Errorf("two mirrors, two reports:\n%s\n%s", one, other)
	}
	if !strings.Contains(one, `no entry is final`) {
		t.Errorf("one mirror alone proves finality: %s", one)
	}
	if both := bytesFrom("minato.example", "busan.example"); both != bytesFrom("busan.example", "minato.example") || strings.Contains(both, "could not tell") {
		t.Errorf("two mirrors together: %s", both)
	}
}

// T-32: an old registry can't be told from, and one that another contradicts is false.
func TestT32OldRegistry(t *testing.T) {
	n := alive(t)
	old := n.HeadOf("xx-secretariat")
	oldNote := n.Note(old, "xx-secretariat", nil, nil)
	r := n.audit(func(o *audit.AllianceOptions) { o.AsOf = n.Now.Add(24 * time.Hour) })
	if r.Verdict != audit.CouldNotTell || r.Registry.Verdict != audit.CouldNotTell || r.Registry.Lag.Light != logtime.Red || r.Verdict.ExitCode() != 3 {
		t.Errorf("a day later: %s, %+v, lag %+v", r.Verdict, r.Registry, r.Registry.Lag)
	}
	if r = n.audit(func(o *audit.AllianceOptions) { o.AsOf = n.Now.Add(23 * time.Hour) }); r.Verdict != audit.True {
		t.Errorf("an hour before: %s %v", r.Verdict, r.Reasons)
	}
	// The secretariat freezes; the mirrors show what came since.
	n.Admit(alliancetest.NewCity(t, "fr-lyon"))
	n.Anchor(25 * time.Hour)
	n.Instead["secretariat.example/log/checkpoint"] = oldNote
	r = n.audit(func(o *audit.AllianceOptions) { o.From = []string{"https://secretariat.example"} })
	if r.Registry.Verdict != audit.CouldNotTell || r.Registry.Size != old.Size {
		t.Errorf("the frozen node alone: %+v", r.Registry)
	}
	if r = n.audit(nil); r.Registry.Verdict != audit.True || r.Registry.Size <= old.Size {
		t.Errorf("with the mirrors: %+v", r.Registry)
	}
	lie := n.Note(n.Lie("xx-secretariat", old.Size), "xx-secretariat", nil, nil)
	n.Instead["secretariat.example/log/checkpoint"] = lie
	r = n.audit(nil)
	if r.Registry.Verdict != audit.False || r.Verdict.ExitCode() != 1 || !strings.Contains(r.Registry.Reasons[0], "there is proof: ") {
		t.Errorf("mirrors contradict the secretariat: %s %+v", r.Verdict, r.Registry)
	}
	delete(n.Instead, "secretariat.example/log/checkpoint")
	n.Instead["minato.example/mirror/"+n.Hash("xx-secretariat")+"/checkpoint"] = lie
	r = n.audit(nil)
	if r.Registry.Verdict != audit.False || len(r.Registry.Reasons) != 2 || len(r.Registry.Notes) != 2 {
		t.Errorf("a mirror was shown another registry: %s %+v", r.Verdict, r.Registry)
	}
}

// T-16: what one place shows its visitors meets what the others show theirs, and becomes evidence.
func TestT16SplitViewBetweenPlaces(t *testing.T) {
	size := uint64(4)
	for name, tc := range map[string]struct {
		size uint64
		kind string
	}{"of one size": {size, "E1"}, "of a smaller one": {2, "E2"}} {
		t.Run(name, func(t *testing.T) {
			n := alive(t)
			n.Instead["minato.example/mirror/"+n.Hash("nl-kanaalstad")+"/checkpoint"] = n.Note(n.Lie("nl-kanaalstad", tc.size), "nl-kanaalstad", nil, nil)
			r := n.audit(nil)
			wantMember(t, r, "nl-kanaalstad", audit.False, "two histories", "there is proof")
			wantMember(t, r, "kr-busan", audit.True)
			proofs := memberOf(t, r, "nl-kanaalstad").Evidence
			if len(proofs) != 1 || proofs[0].Kind != tc.kind {
				t.Fatalf("proofs: %+v", proofs)
			}
			e, err := evidence.Parse(proofs[0].Evidence)
			must(t, err)
			if _, err := e.Verify(n.Roster.EvidenceKeys()); err != nil {
				t.Errorf("the proof: %v", err)
			}
		})
	}
	// A larger head, of entries that nobody shows, can't be told.
	n := alive(t)
	n.Instead["minato.example/witness/"+n.Hash("nl-kanaalstad")+"/checkpoint"] = n.Note(n.Lie("nl-kanaalstad", 9), "nl-kanaalstad", nil, nil)
	if r := n.audit(nil); r.Verdict != audit.CouldNotTell {
		t.Errorf("a head of entries that nobody shows: %s %v", r.Verdict, memberOf(t, r, "nl-kanaalstad").Reasons)
	}
}

func TestAuditFromMirrorsWhileNodesAreAway(t *testing.T) {
	n := alive(t)
	n.Away["xx-secretariat"], n.Away["nl-kanaalstad"] = true, true
	r := n.audit(nil)
	for _, id := range n.IDs {
		wantMember(t, r, id, audit.True) // of each log two others are there, which hold it and cosigned its head
	}
	n.Away["jp-minato"] = true
	r = n.audit(nil)
	if r.Registry.Verdict != audit.True {
		t.Errorf("the registry from the last mirror: %+v", r.Registry)
	}
	wantMember(t, r, "nl-kanaalstad", audit.CouldNotTell, "no entry is final")
	n.Away["kr-busan"] = true
	r = n.audit(nil)
	if r.Verdict != audit.CouldNotTell || len(r.Members) != 0 || !strings.Contains(strings.Join(r.Registry.Reasons, " "), "no place that could be reached") {
		t.Errorf("with nobody there: %+v", r)
	}
}

func TestAuditTellsOfEndsSuspensionsAndEvidence(t *testing.T) {
	n := alive(t)
	note := n.Note(n.HeadOf("nl-kanaalstad"), "nl-kanaalstad", n.Roster.Committee("nl-kanaalstad"), nil)
	ends := n.HeadOf("nl-kanaalstad").Size
	id := "nl-kanaalstad"
	n.Do(&registryv1.FreezeLog{Member: &id, FinalNote: note}, []string{"act 1", "act 2"})
	busan := "kr-busan"
	n.Do(&registryv1.Suspend{Member: &busan}, []string{"root 1", "root 2", "root 3"})
	n.Put("xx-secretariat", []byte(`{"junk":1}`))
	r := n.audit(nil)
	if m := memberOf(t, r, id); m.Ends == nil || *m.Ends != ends || m.Verdict != audit.True {
		t.Errorf("the frozen log: %+v", m)
	}
	if m := memberOf(t, r, busan); m.Status != "SUSPENDED" || m.Verdict != audit.True {
		t.Errorf("the suspended member: %+v", m)
	}
	if len(r.Registry.Alarms) != 1 || r.Registry.Verdict != audit.True {
		t.Errorf("the registry: %+v", r.Registry)
	}
	wantMember(t, r, "xx-secretariat", audit.False, "1 leaf is void")
	// What one node knows against another is checked and shown.
	a, b := n.HeadOf("jp-minato"), n.Lie("jp-minato", 4)
	keys, err := n.Roster.LogKeys(a.Origin, a.Size)
	must(t, err)
	e, err := evidence.NewE1(evidence.Head{Note: n.Note(a, "jp-minato", nil, nil), Key: keys[0]}, evidence.Head{Note: n.Note(b, "jp-minato", nil, nil), Key: keys[0]})
	must(t, err)
	list, err := json.Marshal(map[string]any{"evidence": []any{map[string]any{"key": "x", "evidence": e.Format()}, map[string]any{"evidence": []byte("junk")}}})
	must(t, err)
	n.Instead["busan.example/api/v1/evidence"] = list
	wantMember(t, n.audit(nil), "jp-minato", audit.False, "there is proof: ")
}

// T-23: lag is told for each city, as of the moment asked for.
func TestAuditTellsLagAsOfAMoment(t *testing.T) {
	n := alive(t)
	first := n.Now
	for _, id := range n.Others("jp-minato") { // which has gone silent
		n.Now = first.Add(3 * time.Hour)
		n.Declare(id, 1)
		n.Put(id, n.Note(n.HeadOf(id), id, n.Roster.Committee(id), nil))
	}
	r := n.audit(nil)
	if silent, other := memberOf(t, r, "jp-minato").Lag, memberOf(t, r, "kr-busan").Lag; silent.Light != logtime.Amber || silent.Silence != 11400 || other.Light != logtime.Green {
		t.Errorf("lags %+v, %+v", silent, other)
	}
	r = n.audit(func(o *audit.AllianceOptions) { o.AsOf = first.Add(time.Hour) })
	if then := memberOf(t, r, "kr-busan").Lag; then.Light != logtime.Green || then.Silence != 3600 {
		t.Errorf("two hours earlier: %+v", then)
	}
	r = n.audit(func(o *audit.AllianceOptions) {
		o.Thresholds = logtime.Thresholds{Amber: time.Second, Red: 5 * time.Minute}
	})
	if lag := memberOf(t, r, "kr-busan").Lag; lag.Light != logtime.Red || r.Registry.Verdict != audit.CouldNotTell {
		t.Errorf("with other thresholds: %+v", lag)
	}
}

// T-13: whose key may sign which entry is as the roster says: a revoked publisher's entries count up to the final head of its
// revocation, and for nothing behind: they are listed as late, for the log's node hears of the revocation later than the registry.
func TestT13PublishersCountAtEachIndexByTheRoster(t *testing.T) {
	n := alive(t)
	id := "nl-kanaalstad"
	settled := n.HeadOf(id)
	note := n.Note(settled, id, n.Roster.Committee(id), nil)
	key := n.Cities[id].Publisher("officer-1").GetKey()
	n.Do(&registryv1.RevokeKey{Member: &id, Key: key, FinalNote: note}, []string{"act 1", "act 2"})
	n.Logs[id].Declare(1, "officer-2")
	r := n.audit(nil)
	wantMember(t, r, id, audit.True)
	counted := memberOf(t, r, id).Log.Statements
	n.Logs[id].Declare(1, "officer-1")
	r = n.audit(nil)
	wantMember(t, r, id, audit.True)
	if log := memberOf(t, r, id).Log; len(log.LateLeaves) != 1 || log.LateLeaves[0].Index != settled.Size+1 || log.Statements != counted {
		t.Errorf("late: %+v, %d statements; want entry %d, and %d", log.LateLeaves, log.Statements, settled.Size+1, counted)
	}
}
