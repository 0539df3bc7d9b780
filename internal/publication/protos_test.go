package publication_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	pb "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/publication"
)

func rulesOf(fd protoreflect.FieldDescriptor) *pb.FieldRules {
	r, _ := proto.GetExtension(fd.Options(), pb.E_Rules).(*pb.FieldRules)
	return r
}

// eachField visits every field of a message and of those in it, with the path of
// messages down to it.
func eachField(md protoreflect.MessageDescriptor, above []protoreflect.FieldDescriptor, visit func(path []protoreflect.FieldDescriptor)) {
	for i := range md.Fields().Len() {
		path := append(slices.Clone(above), md.Fields().Get(i))
		visit(path)
		if fd := md.Fields().Get(i); fd.Message() != nil {
			eachField(fd.Message(), path, visit)
		}
	}
}

func pathOf(fields []protoreflect.FieldDescriptor) string {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = string(f.Name())
	}
	return strings.Join(names, ".")
}

var bodyDescriptor = (&pb.Body{}).ProtoReflect().Descriptor()

// put sets the field at the end of a path to a string.
func put(m protoreflect.Message, path []protoreflect.FieldDescriptor, value string) {
	for _, f := range path[:len(path)-1] {
		if f.IsList() {
			m = m.Mutable(f).List().AppendMutable().Message()
		} else {
			m = m.Mutable(f).Message()
		}
	}
	last := path[len(path)-1]
	if last.IsList() {
		m.Mutable(last).List().Append(protoreflect.ValueOfString(value))
	} else {
		m.Set(last, protoreflect.ValueOfString(value))
	}
}

// TestReferencesAgreeWithTheProtos: what is written out in refs.go is what the
// annotations say.
func TestReferencesAgreeWithTheProtos(t *testing.T) {
	seen := 0
	eachField(bodyDescriptor, nil, func(path []protoreflect.FieldDescriptor) {
		r := rulesOf(path[len(path)-1])
		if r.GetFormat() != pb.Format_FORMAT_SUBJECT {
			return
		}
		seen++
		kind := declaration.Finding
		if refersTo := r.GetRefersTo(); len(refersTo) > 0 {
			kind = declaration.Kind(refersTo[0])
		}
		to := declaration.Subject{Kind: kind, Number: 77}
		b := &pb.Body{}
		put(b.ProtoReflect(), path, to.String())
		if got := slices.Contains(publication.Links(b), to); got == r.GetMayBeWithdrawn() {
			t.Errorf("%s: Links has it: %v, may be withdrawn: %v", pathOf(path), got, r.GetMayBeWithdrawn())
		}
		if _, ok := declaration.KindOf(b); !ok {
			b.Record = policyBody().Record
		}
		own, _ := declaration.KindOf(b)
		results, err := publication.CheckLive([]publication.Record{record(own.Prefix()+"/1", b)}, nil, publication.NewMemory())
		found := slices.ContainsFunc(results[0], func(r publication.Result) bool {
			return r.Rule == "V-16" && r.Value == to.String() && strings.HasPrefix(r.Field, pathOf(path))
		})
		if err != nil || !found {
			t.Errorf("%s: CheckLive does not look there:%s %v", pathOf(path), show(results[0]), err)
		}
	})
	if seen < 13 {
		t.Errorf("the protos have %d references, want at least 13", seen)
	}
}

// TestEveryRequiredFieldIsAskedFor: a body of a kind with nothing in it is told of
// each field that the protos require of it.
func TestEveryRequiredFieldIsAskedFor(t *testing.T) {
	for _, kind := range declaration.Kinds() {
		b := &pb.Body{}
		fd := bodyDescriptor.Fields().ByName(protoreflect.Name(kind))
		b.ProtoReflect().Mutable(fd)
		got := publication.CheckRecord(record(kind.Prefix()+"/1", b), now)
		for i := range fd.Message().Fields().Len() {
			f := fd.Message().Fields().Get(i)
			r := rulesOf(f)
			if !r.GetRequired() && r.GetMinItems() == 0 {
				continue
			}
			path := fmt.Sprintf("%s.%s", kind, f.Name())
			if !slices.ContainsFunc(got, func(r publication.Result) bool { return r.Field == path && r.Level == reject }) {
				t.Errorf("nobody asks for %s:%s", path, show(got))
			}
		}
		wellSpoken(t, got)
	}
}

// TestEveryTextIsSearchedForHiddenCharacters: no string of a body gets past V-06.
func TestEveryTextIsSearchedForHiddenCharacters(t *testing.T) {
	eachField(bodyDescriptor, nil, func(path []protoreflect.FieldDescriptor) {
		last := path[len(path)-1]
		if last.Kind() != protoreflect.StringKind {
			return
		}
		b := &pb.Body{}
		put(b.ProtoReflect(), path, "x\u202ey")
		if m := last.ContainingMessage().Name(); m == "Text" && last.Name() == "value" {
			put(b.ProtoReflect(), []protoreflect.FieldDescriptor{bodyDescriptor.Fields().ByName("language")}, "nl")
		}
		kind, ok := declaration.KindOf(b)
		if !ok {
			b.Record, kind = policyBody().Record, declaration.Commitment
		}
		got := publication.CheckRecord(record(kind.Prefix()+"/1", b), now)
		if !publication.Rejects(got) {
			t.Errorf("%s takes a text that turns around", pathOf(path))
		}
		prefix := pathOf(path[:1])
		if !slices.ContainsFunc(got, func(r publication.Result) bool {
			return strings.HasPrefix(r.Field, prefix) && (r.Value == "x\u202ey" || r.Rule == "V-06" || r.Rule == "V-03" || r.Rule == "V-04")
		}) {
			t.Errorf("%s: nobody names the text:%s", pathOf(path), show(got))
		}
	})
}

func TestWalkIsDeepEnough(t *testing.T) {
	deepest := 0
	eachField(bodyDescriptor, nil, func(path []protoreflect.FieldDescriptor) { deepest = max(deepest, len(path)) })
	if deepest > publication.MaxDepth {
		t.Errorf("the protos are %d deep, the walk holds %d", deepest, publication.MaxDepth)
	}
}

func TestExamplesAreForFieldsThatExist(t *testing.T) {
	paths := map[string]bool{}
	eachField(bodyDescriptor, nil, func(path []protoreflect.FieldDescriptor) { paths[pathOf(path)] = true })
	for path := range publication.Examples {
		if !paths[path] {
			t.Errorf("there is no field %s", path)
		}
	}
}

func TestListsAreSorted(t *testing.T) {
	for name, list := range map[string][]string{
		"role words": publication.RoleWords, "countries": strings.Fields(publication.Countries), "currencies": strings.Fields(publication.Currencies),
	} {
		for i := 1; i < len(list); i++ {
			if list[i-1] >= list[i] {
				t.Errorf("%s: %q comes before %q", name, list[i-1], list[i])
			}
		}
	}
}

// TestResultsAreBounded: a hostile body can't make a long answer (I8).
func TestResultsAreBounded(t *testing.T) {
	r := one("camera", dep(func(d *pb.Deployment) {
		d.Sites = nil
		for range 2500 {
			d.Sites = append(d.Sites, &pb.Site{Label: ptr("\x00")})
		}
	}))
	got := publication.CheckRecord(r, now)
	if len(got) != 100 {
		t.Errorf("%d results, want 100", len(got))
	}
	long := publication.CheckRecord(one("camera", dep(func(d *pb.Deployment) { d.Name = nl(strings.Repeat("é", 5000)) })), now)
	if len(long) != 1 || len(long[0].Value) > 61*3 {
		t.Errorf("a long value is repeated:%s", show(long))
	}
}

func TestRulesAreInOrderAndSpoken(t *testing.T) {
	rules := publication.Rules()
	for i, r := range rules {
		if i > 0 && rules[i-1].ID >= r.ID || !strings.HasSuffix(r.Text, ".") && r.ID != "V-08" || r.Level != warn && r.Level != reject {
			t.Errorf("rule %+v", r)
		}
	}
	rules[0].ID = "changed"
	if publication.Rules()[0].ID != "V-01" {
		t.Error("Rules returns its own list")
	}
}

// TestLimitsAgreeWithTheProtos: where the rules look at a list's first items only,
// the rest is refused by the annotations.
func TestLimitsAgreeWithTheProtos(t *testing.T) {
	longest := 0
	eachField(bodyDescriptor, nil, func(path []protoreflect.FieldDescriptor) {
		last := path[len(path)-1]
		n := int(rulesOf(last).GetMaxItems())
		if rulesOf(last).GetFormat() == pb.Format_FORMAT_SUBJECT {
			longest = max(longest, n)
			if last.IsList() && n == 0 {
				t.Errorf("%s has no limit", pathOf(path))
			}
		}
		if want, ok := map[string]int{
			"withheld": publication.MaxWithheld, "reason.texts": publication.MaxLanguages, "service.channels.languages": publication.MaxChannelLanguages,
		}[pathOf(path)]; ok && n != want {
			t.Errorf("%s holds %d by the protos, %d by the rules", pathOf(path), n, want)
		}
	})
	if longest != publication.MaxReferences {
		t.Errorf("the longest list of references is %d by the protos, %d by the rules", longest, publication.MaxReferences)
	}
}

// hostile are bodies that are as large as may be and wrong in every item.
func hostile() map[string]publication.Record {
	many := func(n int, s string) []string { return slices.Repeat([]string{s}, n) }
	return map[string]publication.Record{
		"unknown codes": one("camera", dep(func(d *pb.Deployment) {
			for range 2500 {
				d.Tech = append(d.Tech, term(pb.Scheme_SCHEME_DTPR_DEVICE_TECH, strings.Repeat("vidao_camra ", 8)))
			}
		})),
		"unknown codes in recipients": one("video", use(func(u *pb.DataUse) {
			u.Recipients = nil
			for range 150 {
				r := &pb.Recipient{Party: &pb.Party{Name: ptr("x"), Role: pb.PartyRole_PARTY_ROLE_VENDOR.Enum()}}
				for range 20 {
					r.Categories = append(r.Categories, term(pb.Scheme_SCHEME_DPV_PD, "Picturre"))
				}
				u.Recipients = append(u.Recipients, r)
			}
		})),
		"references": one("camera", dep(func(d *pb.Deployment) { d.Feeds = many(20000, "dep/1") })),
		"languages":  one("service", svc(func(s *pb.Service) { s.Channels[0].Languages = many(20000, "nl") })),
		"texts": one("camera", dep(func(d *pb.Deployment) {
			for range 5000 {
				d.Name.Texts = append(d.Name.Texts, &pb.Text{Lang: ptr("zz"), Value: ptr("x")})
			}
		})),
		"withheld": one("camera", inBody(func(b *pb.Body) { b.Withheld = slices.Repeat(b.Withheld, 2000) })),
	}
}

// counting is a Live that counts what it is asked.
type counting struct {
	publication.Live
	n int
}

func (c *counting) Newest(s declaration.Subject) (*publication.Newest, error) {
	c.n++
	return c.Live.Newest(s)
}

func TestHostileBodiesAskLittle(t *testing.T) {
	for name, r := range hostile() {
		for i := range r.Body.GetDeployment().GetFeeds() {
			r.Body.GetDeployment().Feeds[i] = fmt.Sprintf("dep/%d", i+1)
		}
		live := &counting{Live: publication.NewMemory()}
		if _, err := publication.CheckLive([]publication.Record{r}, nil, live); err != nil || live.n > 200 {
			t.Errorf("%s: %d records were read, %v", name, live.n, err)
		}
		if got := publication.CheckRecord(r, now); !publication.Rejects(got) || len(got) > 100 {
			t.Errorf("%s: %d results", name, len(got))
		}
	}
}
