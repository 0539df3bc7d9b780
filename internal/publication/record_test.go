package publication_test

import (
	"strings"
	"testing"
	"time"

	pb "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/publication"
)

// want is one result as the tables state it. message and hint are parts of the
// real ones.
type want struct {
	rule          string
	level         publication.Level
	field         string
	message, hint string
}

const (
	warn   = publication.Warn
	reject = publication.Reject
)

// recordCase is a change of a complete record and the results that follow: none
// for what must be accepted.
type recordCase struct {
	name    string
	fixture string
	change  func(r *publication.Record)
	want    []want
}

// The changes below work on one kind each.
func dep(f func(d *pb.Deployment)) func(*publication.Record) {
	return func(r *publication.Record) { f(r.Body.GetDeployment()) }
}

func use(f func(u *pb.DataUse)) func(*publication.Record) {
	return func(r *publication.Record) { f(r.Body.GetDataUse()) }
}

func asm(f func(a *pb.Assessment)) func(*publication.Record) {
	return func(r *publication.Record) { f(r.Body.GetAssessment()) }
}

func com(f func(c *pb.Commitment)) func(*publication.Record) {
	return func(r *publication.Record) { f(r.Body.GetCommitment()) }
}

func svc(f func(s *pb.Service)) func(*publication.Record) {
	return func(r *publication.Record) { f(r.Body.GetService()) }
}

func notice(b *pb.Body) func(*publication.Record) {
	return func(r *publication.Record) { r.Body = b }
}

func statement(f func(s *declaration.Statement)) func(*publication.Record) {
	return func(r *publication.Record) { f(r.Statement) }
}

func inBody(f func(b *pb.Body)) func(*publication.Record) {
	return func(r *publication.Record) { f(r.Body) }
}

// matches reports whether results are exactly the wanted ones, in any order.
func matches(t *testing.T, got []publication.Result, wanted []want) {
	t.Helper()
	left := append([]publication.Result(nil), got...)
	for _, w := range wanted {
		found := false
		for i, g := range left {
			if g.Rule == w.rule && g.Level == w.level && g.Field == w.field && strings.Contains(g.Message, w.message) && strings.Contains(g.Hint, w.hint) {
				left = append(left[:i], left[i+1:]...)
				found = true
				break
			}
		}
		if !found {
			t.Errorf("no result %s %v at %s with %q and hint %q; got%s", w.rule, w.level, w.field, w.message, w.hint, show(got))
			return
		}
	}
	if len(left) > 0 {
		t.Errorf("results that nobody expected:%s", show(left))
	}
}

func TestCheckRecord(t *testing.T) {
	for _, tc := range recordCases() {
		t.Run(tc.fixture+"/"+tc.name, func(t *testing.T) {
			got := publication.CheckRecord(one(tc.fixture, tc.change), now)
			matches(t, got, tc.want)
			wellSpoken(t, got)
		})
	}
}

// wellSpoken checks what an officer needs of each result: a rule that exists, a
// field, a sentence, and for what is refused something to do.
func wellSpoken(t *testing.T, results []publication.Result) {
	t.Helper()
	for _, r := range results {
		if r.Field == "" || !strings.HasSuffix(r.Message, ".") && !strings.HasSuffix(r.Message, "?") {
			t.Errorf("a result without field or sentence:%s", show([]publication.Result{r}))
		}
		if r.Level == reject && r.Hint == "" && r.Rule != "V-01" {
			t.Errorf("a refusal without advice:%s", show([]publication.Result{r}))
		}
		if strings.ContainsAny(r.Message+r.Hint, "\n\r\t\x1b") {
			t.Errorf("a message that isn't one line:%s", show([]publication.Result{r}))
		}
	}
}

func recordCases() []recordCase {
	var all []recordCase
	for _, part := range [][]recordCase{fieldCases(), statementCases(), deploymentCases(), dataUseCases(), assessmentCases(), commitmentCases(), serviceCases(), noticeCases(), importCases()} {
		all = append(all, part...)
	}
	return all
}

// fieldCases are V-01 and V-03 to V-06 as the annotations state them.
func fieldCases() []recordCase {
	return []recordCase{
		{"a required text is missing", "camera", dep(func(d *pb.Deployment) { d.Name = nil }),
			[]want{{"V-01", reject, "deployment.name", "Say the name.", "name: Market Square cameras"}}},
		{"a required enum is missing", "camera", dep(func(d *pb.Deployment) { d.Space = nil }),
			[]want{{"V-01", reject, "deployment.space", "Say in what space it works.", "one of: public_space, public_building"}}},
		{"an enum is unspecified", "camera", dep(func(d *pb.Deployment) { d.Space = pb.Space_SPACE_UNSPECIFIED.Enum() }),
			[]want{{"V-01", reject, "deployment.space", "Say in what space it works.", "space: public_space"}}},
		{"an enum is of the future", "camera", dep(func(d *pb.Deployment) { d.Space = pb.Space(99).Enum() }),
			[]want{{"V-01", reject, "deployment.space", "no such value", "one of:"}}},
		{"a list is too short", "camera", dep(func(d *pb.Deployment) { d.Purpose = nil }),
			[]want{{"V-01", reject, "deployment.purpose", "Say what it is for.", "list: cityproof codes purpose"}}},
		{"no party", "camera", func(r *publication.Record) { r.Body.GetDeployment().Parties, r.Body.Withheld = nil, nil },
			[]want{{"V-01", reject, "deployment.parties", "Say who takes part", "accountable: Gemeente Kanaalstad"}}},
		{"a list is too long", "camera", dep(func(d *pb.Deployment) { d.Sectors = []pb.Sector{1, 2, 3, 4} }),
			[]want{{"V-05", reject, "deployment.sectors", "There are 4; at most 3", "attachment"}}},
		{"a name is too long", "camera", dep(func(d *pb.Deployment) { d.Name = nl(strings.Repeat("é", 101)) }),
			[]want{{"V-01", reject, "deployment.name", "The text in nl has 101 characters; at most 100", "Shorten"}}},
		{"a name is as long as may be", "camera", dep(func(d *pb.Deployment) { d.Name = nl(strings.Repeat("é", 100)) }), nil},
		{"a text is blank", "camera", dep(func(d *pb.Deployment) { d.Name = nl(" \u00a0") }),
			[]want{{"V-01", reject, "deployment.name", "The text in nl is empty.", "Fill it in"}}},
		{"a text has no language at all", "camera", dep(func(d *pb.Deployment) { d.Appeal = &pb.LocalizedText{} }),
			[]want{{"V-01", reject, "deployment.appeal", "The text is empty.", "language"}}},
		{"thirteen languages", "camera", dep(func(d *pb.Deployment) {
			for _, l := range strings.Fields("en de fr es it pt da sv fi pl cs el") {
				d.Appeal = &pb.LocalizedText{Texts: append(d.GetAppeal().GetTexts(), &pb.Text{Lang: ptr(l), Value: ptr("x")})}
			}
			d.Appeal.Texts = append(d.Appeal.Texts, &pb.Text{Lang: ptr("nl"), Value: ptr("x")})
		}), []want{{"V-01", reject, "deployment.appeal", "There are 13 languages; at most 12", "Leave some out"}}},
		{"a string is empty", "camera", dep(func(d *pb.Deployment) { d.Parties[0].ContractRef = ptr("") }),
			[]want{{"V-01", reject, "deployment.parties[0].contract_ref", "The text is empty.", "leave the field out"}}},
		{"a number is out of range", "pia", asm(func(a *pb.Assessment) { a.Risks[0].Severity = ptr(uint32(6)) }),
			[]want{{"V-01", reject, "assessment.risks[0].severity", "6 is not between 1 and 5.", ""}}},
		{"a file is too large", "camera", inBody(func(b *pb.Body) { b.Attachments[0].Size = ptr(uint32(10<<20 + 1)) }),
			[]want{{"V-01", reject, "attachments[0].size", "10485761 is more than 10485760.", ""}}},
		{"an item of a list is listed twice", "camera", dep(func(d *pb.Deployment) { d.Tech[1] = d.Tech[0] }),
			[]want{{"V-01", reject, "deployment.tech[1]", "listed twice", "Take one"}}},
		{"two others of different words", "camera", dep(func(d *pb.Deployment) {
			d.Capabilities = append(d.Capabilities, other(pb.Scheme_SCHEME_LOCAL, "Tellen van honden"))
		}), nil},
		{"the body is of another kind", "camera", inBody(func(b *pb.Body) { b.Record = videoBody().Record }),
			[]want{{"V-01", reject, "deployment", "does not hold a record of the kind", "number of its own kind"}}},
		{"an attachment is nowhere", "camera", inBody(func(b *pb.Body) { b.Attachments[0].Sha256 = nil }),
			[]want{{"V-01", reject, "attachments[0]", "neither a file nor an address", "report: plaza-pia.pdf"}}},
		{"another member's description", "member", inBody(func(b *pb.Body) { b.GetMember().Id = ptr("jp-tsukuba") }),
			[]want{{"V-01", reject, "member.id", "log of nl-kanaalstad", "id: nl-kanaalstad"}}},

		{"a language is none", "camera", dep(func(d *pb.Deployment) { d.Name.Texts[1].Lang = ptr("zz") }),
			[]want{{"V-03", reject, "deployment.name", "is no language tag", "nl, en-GB or zh-Hant"}}},
		{"a language stands twice", "camera", dep(func(d *pb.Deployment) { d.Name.Texts[1].Lang = ptr("nl") }),
			[]want{{"V-03", reject, "deployment.name", "two texts in nl", "Keep one"}}},
		{"a text has no tag", "camera", dep(func(d *pb.Deployment) { d.Name.Texts[1].Lang = nil }),
			[]want{{"V-03", reject, "deployment.name", "has no language", "BCP 47"}}},
		{"the default language is missing", "camera", dep(func(d *pb.Deployment) { d.Name.Texts = d.Name.Texts[1:] }),
			[]want{{"V-03", reject, "deployment.name", "not said in nl", "{nl: …}"}}},
		{"the default language is none", "policy", inBody(func(b *pb.Body) { b.Language = ptr("dutch!") }),
			[]want{{"V-03", reject, "language", "is no language tag", "nl, en-GB"}}},

		{"a code is unknown", "camera", dep(func(d *pb.Deployment) { d.Tech[0] = term(pb.Scheme_SCHEME_DTPR_DEVICE_TECH, "videocamera") }),
			[]want{{"V-04", reject, "deployment.tech[0]", "Did you mean video_camera", "cityproof codes tech"}}},
		{"a code is of a wrong list", "camera", dep(func(d *pb.Deployment) { d.Tech[0] = term(pb.Scheme_SCHEME_DPV_AI, "FaceRecognition") }),
			[]want{{"V-04", reject, "deployment.tech[0]", "A code of the list DPV_AI does not belong here.", "cityproof codes tech"}}},
		{"other without words", "camera", dep(func(d *pb.Deployment) { d.Tech[0] = term(pb.Scheme_SCHEME_DTPR_DEVICE_TECH, "other") }),
			[]want{{"V-04", reject, "deployment.tech[0]", "say in your own words", "other - "}}},
		{"words beside a code", "camera", dep(func(d *pb.Deployment) { d.Tech[0].Other = nl("camera") }),
			[]want{{"V-04", reject, "deployment.tech[0]", "already says it", "Leave the words out"}}},
		{"a term without a code", "camera", dep(func(d *pb.Deployment) { d.Tech[0] = &pb.Term{} }),
			[]want{{"V-01", reject, "deployment.tech[0]", "names nothing", "cityproof codes tech"}}},
		{"a scheme of the future", "camera", dep(func(d *pb.Deployment) { d.Tech[0].Scheme = pb.Scheme(99).Enum() }),
			[]want{{"V-04", reject, "deployment.tech[0]", "does not belong here", "cityproof codes tech"}}},

		{"no sector", "camera", dep(func(d *pb.Deployment) { d.Sectors = nil }),
			[]want{{"V-05", reject, "deployment.sectors", "in which sector", "sector: safety"}}},
		{"a sector twice", "service", svc(func(s *pb.Service) { s.Sectors = []pb.Sector{3, 3} }),
			[]want{{"V-05", reject, "service.sectors[1]", "listed twice", "Take one"}}},

		{"a URL without TLS", "camera", dep(func(d *pb.Deployment) { d.PublicPage = ptr("http://kanaalstad.example/") }),
			[]want{{"V-06", reject, "deployment.public_page", "does not begin with https://", "https://kanaalstad.example/cameras"}}},
		{"a hash of 31 bytes", "camera", inBody(func(b *pb.Body) { b.Attachments[0].Sha256 = make([]byte, 31) }),
			[]want{{"V-06", reject, "attachments[0].sha256", "31 bytes instead of 32", "SHA-256"}}},
		{"a text turned around", "camera", dep(func(d *pb.Deployment) { d.PurposeText.Texts[0].Value = ptr("goed \u202etxet") }),
			[]want{{"V-06", reject, "deployment.purpose_text", "changes the direction of the text", "type the text again"}}},
		{"a line break in a name", "camera", dep(func(d *pb.Deployment) { d.Name.Texts[0].Value = ptr("een\ntwee") }),
			[]want{{"V-06", reject, "deployment.name", "The text in nl holds a line break (U+000A) as character 4.", "Take it out"}}},

		{"a field is withheld as it may be", "camera", func(r *publication.Record) {
			r.Body.GetDeployment().Units = nil
			r.Body.Withheld[0].FieldPath = ptr("deployment.units")
		}, nil},
		{"a part of a withheld list", "camera", func(r *publication.Record) {
			r.Body.GetDeployment().Sites[1].Point = nil
			r.Body.Withheld[0].FieldPath = ptr("deployment.sites[1].point")
		}, nil},
		{"a withheld field is shown", "camera", inBody(func(b *pb.Body) { b.Withheld[0].FieldPath = ptr("deployment.units") }),
			[]want{{"V-01", reject, "withheld[0].field_path", "withheld and shown at once", "Take the value out"}}},
		{"a field that may not be withheld", "camera", func(r *publication.Record) {
			r.Body.GetDeployment().Appeal = nil
			r.Body.Withheld[0].FieldPath = ptr("deployment.appeal")
		}, []want{{"V-01", reject, "withheld[0].field_path", "may not be withheld", "Deployment.units"}}},
		{"a withheld field that does not exist", "camera", inBody(func(b *pb.Body) { b.Withheld[0].FieldPath = ptr("deployment.parties[2].contract_ref") }),
			[]want{{"V-01", reject, "withheld[0].field_path", "no such field", "deployment.units"}}},
		{"a field withheld twice", "camera", inBody(func(b *pb.Body) { b.Withheld = append(b.Withheld, b.Withheld[0]) }),
			[]want{{"V-01", reject, "withheld[1].field_path", "withheld twice", "Keep one"}}},
		{"a required field is not withholdable", "camera", func(r *publication.Record) {
			r.Body.GetDeployment().Space = nil
			r.Body.Withheld[0].FieldPath = ptr("deployment.space")
		}, []want{{"V-01", reject, "withheld[0].field_path", "may not be withheld", ""}}},
	}
}

func statementCases() []recordCase {
	amend := func(op declaration.Operation, reason *pb.LocalizedText) func(*publication.Record) {
		return func(r *publication.Record) {
			r.Statement.Operation, r.Statement.Revision, r.Statement.Previous = op, 2, leaf(1)
			r.Body.Reason = reason
		}
	}
	return []recordCase{
		{"an amendment with its reason", "camera", amend(declaration.Amend, nl("Eén camera meer.")), nil},
		{"an amendment without a reason", "camera", amend(declaration.Amend, nil),
			[]want{{"V-02", reject, "reason", "AMEND needs a reason", "reason: "}}},
		{"a withdrawal without a reason", "camera", amend(declaration.Withdraw, nil),
			[]want{{"V-02", reject, "reason", "WITHDRAW needs a reason", "reason: "}}},
		{"a reinstatement without a reason", "camera", amend(declaration.Reinstate, nil),
			[]want{{"V-02", reject, "reason", "REINSTATE needs a reason", "reason: "}}},
		{"a withdrawal owes nothing", "camera", func(r *publication.Record) {
			amend(declaration.Withdraw, nl("Gesloopt."))(r)
			r.Body.GetDeployment().Tech, r.Body.GetDeployment().Capabilities, r.Body.GetDeployment().Space = nil, nil, nil
		}, nil},
		{"a withdrawal is well formed", "camera", func(r *publication.Record) {
			amend(declaration.Withdraw, nl("Gesloopt.\u2066"))(r)
		}, []want{{"V-06", reject, "reason", "changes the direction", ""}}},

		{"effective before cameras", "camera", statement(func(s *declaration.Statement) { s.EffectiveOn = declaration.Date{Year: 1899} }),
			[]want{{"V-07", reject, "effective_on", "before 1900", "effective:"}, {"V-15", warn, "deployment.ends_on", "more than 10 years away", ""}}},
		{"effective long ago is late, not wrong", "policy", statement(func(s *declaration.Statement) { s.EffectiveOn = declaration.Date{Year: 1900} }), nil},
		{"a clock 5 minutes ahead", "policy", statement(func(s *declaration.Statement) { s.DeclaredAt = now.Add(5 * time.Minute) }), nil},
		{"a clock further ahead", "policy", statement(func(s *declaration.Statement) { s.DeclaredAt = now.Add(301 * time.Second) }),
			[]want{{"V-07", reject, "declared_at", "5m1s ahead of", "Set the clock"}}},
		{"a clock far behind", "policy", statement(func(s *declaration.Statement) { s.DeclaredAt = now.AddDate(-10, 0, 0) }),
			[]want{{"V-07", reject, "declared_at", "behind", "Set the clock"}}},

		{"a person's mailbox", "camera", dep(func(d *pb.Deployment) { d.Parties[0].Contact = ptr("jan.devries@kanaalstad.example") }),
			[]want{{"V-08", warn, "deployment.parties[0].contact", "looks like a person's", "mailbox of a role"}}},
		{"an office's mailbox", "camera", dep(func(d *pb.Deployment) { d.Parties[0].Contact = ptr("data.protection@kanaalstad.example") }), nil},
		{"a telephone number", "video", use(func(u *pb.DataUse) { u.Rights[0].Contact = ptr("14 020") }), nil},
		{"neither mailbox nor number", "video", use(func(u *pb.DataUse) { u.Rights[0].Contact = ptr("ask at the desk") }),
			[]want{{"V-01", reject, "data_use.rights[0].contact", "neither a mailbox nor a telephone number", "privacy@"}}},
	}
}
