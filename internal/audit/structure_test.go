package audit_test

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	pb "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/audit"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/receipt"
	"github.com/cityproof/cityproof/internal/testenv"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// T-19, T-09: junk among declarations. What is void is reported and moves no chain.
func TestGoldenAuditOfJunk(t *testing.T) {
	c := newCity(t)
	c.squares(1, 1)
	c.append(nil)
	c.append([]byte("not an envelope"))

	raw, err := declaration.FormatBody(reason(video(1), "korter"))
	must(t, err)
	amend := func(change func(*declaration.Statement), keys ...int) uint64 {
		st := c.statement("use/1", declaration.Amend, raw)
		change(st)
		return c.append(c.entry(st, keys...))
	}
	amend(func(st *declaration.Statement) { st.Log = "elders.example/log" }, 1)
	amend(func(st *declaration.Statement) { st.City = "nl-elders" }, 1)
	amend(func(*declaration.Statement) {}, 9) // a key that nobody listed
	amend(func(*declaration.Statement) {}, 1, 9)
	amend(func(st *declaration.Statement) { st.Revision = 3 }, 1)
	amend(func(st *declaration.Statement) { st.Previous = proof.LeafHash(nil) }, 1)
	amend(func(st *declaration.Statement) { st.Operation = declaration.Reinstate }, 1)
	amend(func(st *declaration.Statement) { st.Operation = declaration.Publish }, 1)
	amend(func(st *declaration.Statement) { st.Subject.Number = 77 }, 1)

	signed, err := declaration.Sign("application/vnd.in-toto+json", []byte(`{}`), officer(1))
	must(t, err)
	c.append(signed.Format())
	good := c.entry(c.statement("use/1", declaration.Amend, raw), 1)
	c.append(bytes.Replace(good, []byte(`"sig":"`), []byte(`"sig":"AAAA`), 1))
	c.append(append(bytes.Clone(good), ' '))

	c.publish("use/1", declaration.Amend, reason(video(1), "langer")) // the chain goes on
	c.sign()
	r := run(t, c.options())
	wantVerdict(t, r, audit.False)
	if r.Statements != 4 || r.Void != 14 {
		t.Errorf("%d statements, %d void; want 4, 14", r.Statements, r.Void)
	}
	got, err := json.MarshalIndent(r, "", "  ")
	must(t, err)
	golden(t, "junk.json", append(got, '\n'))
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		must(t, os.MkdirAll("testdata", 0o755))
		must(t, os.WriteFile(path, got, 0o644))
	}
	want, err := os.ReadFile(path)
	must(t, err)
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs; look at it, then run with -update:\n%s", name, diff)
	}
}

// T-13: an alliance ends a key at a final head, and the log's node hears of it a little later. What it took meanwhile counts
// for nothing; whoever is left can go on from it, and the log is none the worse. Alone, a node has no such excuse.
func TestT13LateLeafOfARetiredKey(t *testing.T) {
	c := newCity(t)
	two := officer(2).Public().(ed25519.PublicKey)
	end := uint64(2)
	c.trust.Publishers = append(c.trust.Publishers, receipt.Publisher{Key: two, ToSize: &end})
	c.publish("com/1", declaration.Publish, sample(noneJSON, 1))
	c.publish("com/2", declaration.Publish, sample(noneJSON, 2))
	late := func(subject string, n int) {
		raw, err := declaration.FormatBody(sample(noneJSON, n))
		must(t, err)
		st := c.statement(subject, declaration.Amend, raw)
		index := c.append(c.entry(st, 2))
		c.heads[st.Subject] = declaration.Head{Revision: st.Revision, Leaf: proof.LeafHash(c.entry(st, 2)), Operation: st.Operation}
		c.placed[st.Subject] = proof.LeafHash(c.entry(st, 2))
		if index != 2 {
			t.Fatalf("the late leaf is entry %d", index)
		}
	}
	late("com/1", 3)
	c.publish("com/1", declaration.Amend, sample(noneJSON, 4)) // the colleague goes on from it
	c.sign()
	opts := c.options()
	wantVerdict(t, run(t, opts), audit.False)
	opts.Late = true
	r := run(t, opts)
	wantVerdict(t, r, audit.True)
	if r.Late != 1 || r.Statements != 3 || r.Void != 0 || len(r.LateLeaves) != 1 || r.LateLeaves[0].Index != 2 {
		t.Errorf("late %d %v, statements %d, void %d; want 1, 3, 0", r.Late, r.LateLeaves, r.Statements, r.Void)
	}
	c.trust.Publishers[1].FromSize, c.trust.Publishers[1].ToSize = 3, nil // a key that does not count yet is not late
	wantVerdict(t, run(t, opts), audit.False)
}

// T-13: a key counts for the leaves of its range, and for not one more.
func TestRevokedKeyAtTheEdgesOfItsRange(t *testing.T) {
	for _, tc := range []struct {
		name       string
		from, to   uint64
		wantVoidAt []uint64
	}{
		{"valid for all", 0, 5, nil},
		{"revoked before the last", 0, 4, []uint64{4}},
		{"valid after the first", 1, 5, []uint64{0}},
		{"valid for one", 2, 3, []uint64{0, 1, 3, 4}},
		{"valid for none", 2, 2, []uint64{0, 1, 2, 3, 4}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := newCity(t)
			for n := 1; n <= 5; n++ {
				c.publish(fmt.Sprintf("com/%d", n), declaration.Publish, sample(noneJSON, n))
			}
			c.sign()
			c.trust.Publishers[0].FromSize, c.trust.Publishers[0].ToSize = tc.from, &tc.to
			r := run(t, c.options())
			var void []uint64
			for _, v := range r.VoidLeaves {
				void = append(void, v.Index)
			}
			if diff := cmp.Diff(tc.wantVoidAt, void); diff != "" {
				t.Errorf("void leaves: %s", diff)
			}
			want := audit.True
			if len(tc.wantVoidAt) > 0 {
				want = audit.False
			}
			wantVerdict(t, r, want)
		})
	}
}

// T-12.
func TestCheckpointNeedsAllKeys(t *testing.T) {
	c := small(t)
	head, sigs, _ := strings.Cut(string(c.files["checkpoint"]), "\n\n")
	lines := strings.SplitAfter(strings.TrimSuffix(sigs, "\n"), "\n")
	if len(lines) != 2 {
		t.Fatalf("%d signature lines, want 2", len(lines))
	}
	for _, line := range lines {
		files := c.clone()
		files["checkpoint"] = []byte(head + "\n\n" + strings.TrimSuffix(line, "\n") + "\n")
		wantVerdict(t, run(t, c.options(files)), audit.False)
	}
}

// A statement in two envelopes is one statement: its first place counts (T-03).
func TestRepeatIsOneStatement(t *testing.T) {
	c := newCity(t)
	c.trust.Publishers = append(c.trust.Publishers, receipt.Publisher{Key: officer(2).Public().(ed25519.PublicKey)})
	c.squares(1, 1)
	raw, err := declaration.FormatBody(reason(video(1), "korter"))
	must(t, err)
	st := c.statement("use/1", declaration.Amend, raw)
	c.append(c.entry(st, 1))
	c.append(c.entry(st, 1, 2)) // the same words, signed by a colleague as well
	c.append(c.entry(st, 1))
	// What follows names the first.
	c.heads[st.Subject] = declaration.Head{Revision: 2, Leaf: proof.LeafHash(c.entry(st, 1)), Operation: declaration.Amend}
	c.publish("use/1", declaration.Amend, reason(video(1), "langer"))
	c.sign()
	r := run(t, c.options())
	wantVerdict(t, r, audit.True)
	want := []audit.Note{{Index: 4, Why: "the same statement as entry 3"}, {Index: 5, Why: "the same statement as entry 3"}}
	if diff := cmp.Diff(want, r.RepeatsOf); diff != "" || r.Repeats != 2 || r.Statements != 5 {
		t.Errorf("%d statements, %d repeats %s; want 5, 2", r.Statements, r.Repeats, diff)
	}
}

// What only a later version can read is neither true nor false, and what may follow
// it is not void.
func TestLaterFormatsCouldNotTell(t *testing.T) {
	sign := func(typ, payload string, key crypto.Signer) []byte {
		e, err := declaration.Sign(typ, []byte(payload), key)
		must(t, err)
		return e.Format()
	}
	c := newCity(t)
	c.squares(1, 1)
	c.append(sign(declaration.PayloadType, `{"schema":2,"subject":"use/1"}`, officer(1)))
	c.append(sign("application/vnd.cityproof.act.v1+json", `{}`, officer(5)))
	raw, err := declaration.FormatBody(reason(video(1), "langer"))
	must(t, err)
	st := c.statement("use/1", declaration.Amend, raw)
	st.Revision, st.Previous = 3, proof.LeafHash([]byte("revision 2, in schema 2"))
	c.append(c.entry(st, 1))
	c.sign()
	r := run(t, c.options())
	wantVerdict(t, r, audit.CouldNotTell)
	if r.Newer != 3 || r.Void != 0 {
		t.Errorf("%d newer, %d void; want 3, 0: %v", r.Newer, r.Void, r.NewerLeaves)
	}

	// Signed by nobody whom the trust file lists, it is void in any version.
	c.append(sign(declaration.PayloadType, `{"schema":2}`, officer(9)))
	c.sign()
	wantVerdict(t, run(t, c.options()), audit.False)
}

// T-36: a body is erased only where the log itself says so.
func TestErasure(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*pb.Notice)
		notice bool
		want   audit.Verdict
	}{
		{"with its notice", func(*pb.Notice) {}, true, audit.True},
		{"without a notice", nil, false, audit.CouldNotTell},
		{"with a notice about another body", func(n *pb.Notice) { n.Erasure.BodySha256 = make([]byte, 32) }, true, audit.CouldNotTell},
		{"with a notice about another leaf", func(n *pb.Notice) { n.Erasure.Leaf = make([]byte, 32) }, true, audit.CouldNotTell},
		{"with a notice of another type", func(n *pb.Notice) { n.Type = pb.NoticeType_NOTICE_TYPE_INCIDENT.Enum() }, true, audit.CouldNotTell},
		{"with half a notice", func(n *pb.Notice) { n.Erasure.Leaf = n.Erasure.Leaf[:16] }, true, audit.CouldNotTell},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := newCity(t)
			c.squares(1, 1)
			notice := c.erasure("asm/1")
			erased := c.bodies[declaration.Subject{Kind: declaration.Assessment, Number: 1}]
			if tc.notice {
				tc.change(notice.GetNotice())
				c.publish("not/1", declaration.Publish, notice)
			}
			delete(c.files, bodyPath(erased))
			c.sign()
			r := run(t, c.options())
			wantVerdict(t, r, tc.want)
			wantBodies := audit.Bodies{Verified: r.Statements - 1, Missing: 1}
			if tc.want == audit.True {
				wantBodies = audit.Bodies{Verified: r.Statements - 1, Erased: 1}
				if len(r.Erased) != 1 || r.Erased[0].Notice == nil || *r.Erased[0].Notice != 3 {
					t.Errorf("erased: %+v, want one by entry 3", r.Erased)
				}
			}
			if r.Bodies != wantBodies {
				t.Errorf("bodies %+v, want %+v", r.Bodies, wantBodies)
			}
		})
	}
}

// The notice itself must be the city's: one that no publisher signed erases nothing.
func TestErasureByAStranger(t *testing.T) {
	c := newCity(t)
	c.squares(1, 1)
	raw, err := declaration.FormatBody(c.erasure("asm/1"))
	must(t, err)
	c.append(c.entry(c.statement("not/1", declaration.Publish, raw), 9))
	delete(c.files, bodyPath(c.bodies[declaration.Subject{Kind: declaration.Assessment, Number: 1}]))
	c.sign()
	r := run(t, c.options())
	wantVerdict(t, r, audit.False) // the void notice
	if r.Bodies.Erased != 0 || r.Bodies.Missing != 1 {
		t.Errorf("bodies %+v, want one missing", r.Bodies)
	}
}

// Rules mark, and never change a chain or the verdict.
func TestMarks(t *testing.T) {
	c := newCity(t)
	c.squares(1, 1)
	orphan := camera(7)
	c.publish("dep/7", declaration.Publish, orphan) // neither use/7 nor asm/7 will ever come
	bad := video(8)
	bad.GetDataUse().Summary = nil
	c.publish("use/8", declaration.Publish, bad)
	st := c.statement("use/9", declaration.Publish, []byte(`{"data_use":1}`)) // the right hash of no body
	c.append(c.entry(st, 1))
	c.heads[st.Subject] = declaration.Head{Revision: 1, Leaf: proof.LeafHash(c.entry(st, 1)), Operation: declaration.Publish}
	c.publish("use/9", declaration.Amend, reason(video(9), "nu goed"))
	c.sign()
	r := run(t, c.options())
	wantVerdict(t, r, audit.True)
	got := map[string][]string{}
	for _, m := range r.Marks {
		got[m.Subject] = append(got[m.Subject], m.Rule+" "+m.Field)
	}
	want := map[string][]string{
		"dep/7": {"V-16 deployment.data_uses[0]", "V-16 deployment.assessments[0]", "V-10 deployment.assessments"},
		"use/8": {"V-01 data_use.summary"},
		"use/9": {"V-01 "},
	}
	if diff := cmp.Diff(want, got); diff != "" || r.Marked != 3 || r.Statements != 7 {
		t.Errorf("marked %d of %d, want 3 of 7: %s", r.Marked, r.Statements, diff)
	}
}

// A batch is not seen in a log. What a later leaf of the same batch may have excused
// is no mark, and what comes later than any batch reaches excuses nothing.
func TestReferencesForward(t *testing.T) {
	testenv.SkipInRace(t)
	for gap, marked := range map[int]uint64{0: 0, 1: 0, 1997: 0, 1999: 1} {
		c := newCity(t)
		c.publish("use/1", declaration.Publish, video(1))
		c.publish("dep/1", declaration.Publish, camera(1)) // names asm/1
		for n := range gap {
			c.publish(fmt.Sprintf("com/%d", n+1), declaration.Publish, sample(noneJSON, n+1))
		}
		c.publish("asm/1", declaration.Publish, pia(1))
		c.sign()
		if r := run(t, c.options()); r.Marked != marked {
			t.Errorf("%d leaves between: %d marked, want %d: %v", gap, r.Marked, marked, r.Marks)
		}
	}
}

func TestCityOfTheFirstLeafIsTheOwner(t *testing.T) {
	c := newCity(t)
	c.squares(1, 1)
	raw, err := declaration.FormatBody(video(2))
	must(t, err)
	st := c.statement("use/2", declaration.Publish, raw)
	st.City = "nl-elders"
	c.append(c.entry(st, 1))
	c.sign()
	c.trust.City = ""
	r := run(t, c.options())
	wantVerdict(t, r, audit.False)
	if r.City != owner || r.Void != 1 || r.VoidLeaves[0].Index != 3 {
		t.Errorf("city %q, void %v; want %q and entry 3", r.City, r.VoidLeaves, owner)
	}
}
