package publication_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	pb "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/publication"
)

// draw makes some body of a small city: few names and numbers, so that they meet.
func draw(t *rapid.T) (declaration.Subject, *pb.Body) {
	kind := rapid.SampledFrom([]declaration.Kind{declaration.Deployment, declaration.DataUse, declaration.Assessment, declaration.Commitment, declaration.Service}).Draw(t, "kind")
	s := declaration.Subject{Kind: kind, Number: rapid.Uint32Range(1, 3).Draw(t, "number")}
	ref := func(prefix string) []string {
		return rapid.SliceOfNDistinct(rapid.SampledFrom([]string{prefix + "/1", prefix + "/2", prefix + "/3"}), 0, 2, rapid.ID).Draw(t, prefix)
	}
	name := nl(rapid.SampledFrom([]string{"een", "twee"}).Draw(t, "name"))
	code := rapid.SampledFrom([]string{"FaceRecognition", "ObjectDetection", "RealTimeBiometricIdentification"}).Draw(t, "code")
	b := body()
	if rapid.Bool().Draw(t, "named") {
		b.Nickname = ptr(rapid.SampledFrom([]string{"a", "b"}).Draw(t, "nickname"))
	}
	switch kind {
	case declaration.Deployment:
		b.Record = &pb.Body_Deployment{Deployment: &pb.Deployment{Name: name, DataUses: ref("use"), Feeds: ref("dep"), Assessments: ref("asm"),
			Capabilities: []*pb.Term{term(pb.Scheme_SCHEME_DPV_AI, code)}}}
	case declaration.DataUse:
		b.Record = &pb.Body_DataUse{DataUse: &pb.DataUse{Name: name}}
	case declaration.Assessment:
		b.Record = &pb.Body_Assessment{Assessment: &pb.Assessment{Covers: ref("dep")}}
	case declaration.Commitment:
		b.Record = noneBody(term(pb.Scheme_SCHEME_DPV_AI, code)).Record
		b.GetCommitment().Scope = ref("svc")
	case declaration.Service:
		b.Record = &pb.Body_Service{Service: &pb.Service{Name: name, DataUses: ref("use"), Deployments: ref("dep")}}
	}
	return s, b
}

// TestMemoryAgreesWithBruteForce applies any sequence of revisions and asks for
// everything: Memory's indexes must say what looking at every record says.
func TestMemoryAgreesWithBruteForce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := publication.NewMemory()
		newest := map[declaration.Subject]publication.Record{}
		for i := range rapid.IntRange(1, 25).Draw(t, "revisions") {
			s, b := draw(t)
			r := record(s.String(), b)
			r.Statement.Operation = rapid.SampledFrom([]declaration.Operation{declaration.Amend, declaration.Withdraw}).Draw(t, "operation")
			r.Statement.Revision = uint32(i + 1)
			if rapid.IntRange(0, 9).Draw(t, "erased") == 0 {
				r.Body = nil
			}
			newest[s] = r
			m.Apply(r, leaf(i))
		}
		keys, subjects := map[publication.Key]bool{"nick/dep/none": true}, map[declaration.Subject]bool{}
		for s, r := range newest {
			subjects[s] = true
			if r.Body == nil {
				continue
			}
			for _, k := range publication.Keys(r.Body) {
				keys[k] = true
			}
			for _, to := range publication.Links(r.Body) {
				subjects[to] = true
			}
		}
		having := func(has func(r publication.Record) bool) []string {
			var out []string
			for s, r := range newest {
				if r.Body != nil && has(r) {
					out = append(out, s.String())
				}
			}
			slices.Sort(out)
			return out
		}
		for k := range keys {
			got, _ := m.Find(k)
			if diff := cmp.Diff(having(func(r publication.Record) bool { return slices.Contains(publication.Keys(r.Body), k) }), sorted(got)); diff != "" {
				t.Fatalf("Find(%s): %s", k, diff)
			}
		}
		for s := range subjects {
			got, _ := m.Linking(s)
			if diff := cmp.Diff(having(func(r publication.Record) bool { return slices.Contains(publication.Links(r.Body), s) }), sorted(got)); diff != "" {
				t.Fatalf("Linking(%s): %s", s, diff)
			}
			n, _ := m.Newest(s)
			want, ok := newest[s]
			if ok != (n != nil) || ok && (n.Head.Operation != want.Statement.Operation || n.Head.Revision != want.Statement.Revision || n.Body != want.Body) {
				t.Fatalf("Newest(%s) = %+v, want %+v", s, n, want)
			}
		}
	})
}

func sorted(subjects []declaration.Subject) []string {
	var out []string
	for _, s := range subjects {
		out = append(out, s.String())
	}
	slices.Sort(out)
	return out
}

// A log of many records of one name costs an auditor no more for each of them than
// one of few: the answers of Memory are bounded, newest first, each kind for itself.
func TestI8MemoryAnswersAreBounded(t *testing.T) {
	m := publication.NewMemory()
	const n = 1000
	for i := 1; i <= n; i++ {
		for _, s := range []declaration.Subject{{Kind: declaration.Service, Number: uint32(i)}, {Kind: declaration.Deployment, Number: uint32(n + 1 - i)}} {
			b := serviceBody()
			if s.Kind == declaration.Deployment {
				b = cameraBody()
			}
			m.Apply(record(s.String(), b), leaf(i))
		}
	}
	use := declaration.Subject{Kind: declaration.DataUse, Number: 31} // both kinds name it
	got, err := m.Linking(use)
	if err != nil || len(got) != 2*256 {
		t.Fatalf("Linking = %d subjects, %v; want 256 of each kind", len(got), err)
	}
	for _, s := range got {
		if s.Number <= n-256 {
			t.Errorf("Linking has %s, want the highest numbers", s)
		}
	}
	for _, k := range publication.Keys(serviceBody()) {
		if got, err := m.Find(k); err != nil || len(got) != 256 {
			t.Errorf("Find(%s) = %d subjects, %v; want 256", k, len(got), err)
		}
	}
}

// keeper is another Live over Memory: it forgets what is withdrawn, and answers in
// another order.
type keeper struct{ m *publication.Memory }

func (k keeper) Newest(s declaration.Subject) (*publication.Newest, error) { return k.m.Newest(s) }

func (k keeper) Linking(s declaration.Subject) ([]declaration.Subject, error) {
	return k.living(k.m.Linking(s))
}

func (k keeper) Find(key publication.Key) ([]declaration.Subject, error) {
	return k.living(k.m.Find(key))
}

func (k keeper) living(subjects []declaration.Subject, err error) ([]declaration.Subject, error) {
	var out []declaration.Subject
	for _, s := range subjects {
		if n, _ := k.m.Newest(s); !n.Head.Withdrawn() {
			out = append(out, s)
		}
	}
	slices.Reverse(out)
	return out, err
}

// TestAnyKeeperGivesTheSameResults: a batch is judged alike over either Live, again
// and again, but for what V-18 can see of withdrawn records.
func TestAnyKeeperGivesTheSameResults(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := publication.NewMemory()
		revisions := map[declaration.Subject]uint32{}
		next := func() publication.Record {
			s, b := draw(t)
			r := record(s.String(), b)
			r.Statement.Operation = rapid.SampledFrom([]declaration.Operation{declaration.Amend, declaration.Amend, declaration.Withdraw}).Draw(t, "operation")
			revisions[s]++
			r.Statement.Revision = revisions[s]
			return r
		}
		for i := range rapid.IntRange(0, 12).Draw(t, "revisions") {
			m.Apply(next(), leaf(i))
		}
		var batch []publication.Record
		for range rapid.IntRange(1, 5).Draw(t, "batch") {
			batch = append(batch, next())
		}
		ask := func(live publication.Live) [][]publication.Result {
			got, err := publication.CheckLive(batch, leavesOf(batch), live)
			if err != nil {
				t.Fatal(err)
			}
			for i := range got {
				got[i] = slices.DeleteFunc(got[i], func(r publication.Result) bool { return r.Rule == "V-18" && r.Level == warn })
			}
			return got
		}
		first := ask(m)
		for name, live := range map[string]publication.Live{"again": m, "another keeper": keeper{m}} {
			if diff := cmp.Diff(first, ask(live)); diff != "" {
				t.Fatalf("%s: %s", name, diff)
			}
		}
	})
}

// TestABatchHasNoOrder: the records of one batch see each other whatever their order.
func TestABatchHasNoOrder(t *testing.T) {
	c := complete()
	rapid.Check(t, func(t *rapid.T) {
		batch := rapid.Permutation([]publication.Record{c["camera"], c["video"], c["pia"], c["service"], c["incident"], c["member"], c["policy"], c["none"]}).Draw(t, "order")
		got, err := publication.CheckLive(batch, leavesOf(batch), publication.NewMemory())
		if err != nil {
			t.Fatal(err)
		}
		for i, results := range got {
			if len(results) > 0 {
				t.Fatalf("%s: %s", batch[i].Statement.Subject, show(results))
			}
		}
	})
}

func TestKeysIgnoreNonceNicknameAndReason(t *testing.T) {
	a, b := cameraBody(), cameraBody()
	b.Nonce, b.Reason = hash(9)[:16], nl("Zomaar.")
	if diff := cmp.Diff(publication.Keys(a), publication.Keys(b)); diff != "" {
		t.Error(diff)
	}
	b.GetDeployment().Units = ptr(uint32(13))
	if cmp.Equal(publication.Keys(a), publication.Keys(b)) {
		t.Error("another number of units has the same keys")
	}
	for _, k := range publication.Keys(a) {
		if len(k) > 200 {
			t.Errorf("key %q has %d bytes", k, len(k))
		}
	}
}

func TestWithKeysChangesNothing(t *testing.T) {
	plain, known := plaza(), plaza()
	for i := range known {
		known[i] = known[i].WithKeys()
	}
	for _, live := range []*publication.Memory{publication.NewMemory(), city(plain...), city(known...)} {
		a, err1 := publication.CheckLive(plain, leavesOf(plain), live)
		b, err2 := publication.CheckLive(known, leavesOf(known), live)
		if diff := cmp.Diff(a, b); diff != "" || err1 != nil || err2 != nil {
			t.Errorf("with keys: %s, %v, %v", diff, err1, err2)
		}
	}
}

// FuzzCheck gives the rules any body that can be decoded: they never panic, never
// change it, and say the same twice.
func FuzzCheck(f *testing.F) {
	for _, r := range complete() {
		raw, err := proto.Marshal(r.Body)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw, uint8(0))
		f.Add(raw, uint8(7))
	}
	live := city(plaza()...)
	operations := []declaration.Operation{declaration.Publish, declaration.Amend, declaration.Withdraw, declaration.Reinstate}
	provenances := []declaration.Provenance{declaration.CityOwn, declaration.ImportedByCity}
	f.Fuzz(func(t *testing.T, raw []byte, how uint8) {
		b := &pb.Body{}
		if proto.Unmarshal(raw, b) != nil {
			return
		}
		kind, ok := declaration.KindOf(b)
		if !ok {
			return
		}
		r := record(kind.Prefix()+"/18", b)
		r.Statement.Operation = operations[how%4]
		r.Statement.Provenance = provenances[how/4%2]
		before := proto.Clone(b)
		first := publication.CheckRecord(r, now)
		if diff := cmp.Diff(first, publication.CheckRecord(r, now)); diff != "" {
			t.Errorf("CheckRecord says something else the second time: %s", diff)
		}
		wellSpoken(t, first)
		one, err := publication.CheckLive([]publication.Record{r}, nil, live)
		two, _ := publication.CheckLive([]publication.Record{r}, nil, live)
		if diff := cmp.Diff(one, two); diff != "" || err != nil {
			t.Errorf("CheckLive says something else the second time: %s, %v", diff, err)
		}
		wellSpoken(t, one[0])
		if !proto.Equal(before, b) {
			t.Error("the body was changed")
		}
	})
}
