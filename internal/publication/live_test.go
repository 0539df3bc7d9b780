package publication_test

import (
	"errors"
	"testing"

	pb "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/publication"
)

// city is a Memory to which records were applied in order; the leaf of the n-th
// (from 0) is leaf(n).
func city(records ...publication.Record) *publication.Memory {
	m := publication.NewMemory()
	for i, r := range records {
		m.Apply(r, leaf(i))
	}
	return m
}

// plaza is the square's three records, linked both ways.
func plaza() []publication.Record {
	c := complete()
	return []publication.Record{c["camera"], c["video"], c["pia"]}
}

// revise makes the next revision of a record after the leaf with number at.
func revise(r publication.Record, op declaration.Operation, at int, change func(b *pb.Body)) publication.Record {
	st := *r.Statement
	st.Revision, st.Previous, st.Operation = st.Revision+1, leaf(at), op
	r.Statement = &st
	r.Body.Reason = nl("Besluit van de raad.")
	if change != nil {
		change(r.Body)
	}
	return r
}

// liveCase is a city, a batch, and the results by record of the batch.
type liveCase struct {
	name  string
	live  []publication.Record
	batch []publication.Record
	want  [][]want // by record; those left out have none
}

func TestCheckLive(t *testing.T) {
	for _, tc := range liveCases() {
		t.Run(tc.name, func(t *testing.T) {
			got, err := publication.CheckLive(tc.batch, leavesOf(tc.batch), city(tc.live...))
			if err != nil || len(got) != len(tc.batch) {
				t.Fatalf("CheckLive = %d results, %v; want %d", len(got), err, len(tc.batch))
			}
			for i := range got {
				var w []want
				if i < len(tc.want) {
					w = tc.want[i]
				}
				matches(t, got[i], w)
				wellSpoken(t, got[i])
			}
		})
	}
}

func leavesOf(batch []publication.Record) []proof.Hash {
	out := make([]proof.Hash, len(batch))
	for i := range out {
		out[i] = leaf(100 + i)
	}
	return out
}

func liveCases() []liveCase {
	var all []liveCase
	for _, part := range [][]liveCase{chainCases(), referenceCases(), duplicateCases(), linkedCases(), outsideCases(), negativeCases(), otherLiveCases()} {
		all = append(all, part...)
	}
	return all
}

func chainCases() []liveCase {
	camera := func() publication.Record { return complete()["camera"] }
	return []liveCase{
		{name: "three records that name each other", batch: plaza()},
		{name: "an amendment follows", live: plaza(), batch: []publication.Record{revise(camera(), declaration.Amend, 0, nil)}},
		{name: "a number that is taken", live: plaza(), batch: []publication.Record{camera()},
			want: [][]want{{{"V-02", reject, "revision", "the number is taken", "sign again"}}}},
		{name: "an amendment of nothing", live: plaza()[1:], batch: []publication.Record{revise(camera(), declaration.Amend, 0, nil), plaza()[2]}[:1],
			want: [][]want{{{"V-02", reject, "revision", "no revision 1", "sign again"}}}},
		{name: "an amendment of an older leaf", live: plaza(), batch: []publication.Record{revise(camera(), declaration.Amend, 1, nil)},
			want: [][]want{{{"V-02", reject, "revision", "previous is not the leaf of revision 1", "sign again"}}}},
		{name: "two revisions in one batch", live: plaza()[1:], batch: []publication.Record{
			camera(), revise(camera(), declaration.Amend, 100, nil),
		}},
		{name: "a withdrawal that differs", live: plaza(), batch: []publication.Record{
			revise(camera(), declaration.Withdraw, 0, func(b *pb.Body) { b.GetDeployment().Units = ptr(uint32(13)) }),
			revise(complete()["pia"], declaration.Withdraw, 2, nil),
		}, want: [][]want{{{"V-02", reject, "deployment", "repeats the last record unchanged", "cityproof withdraw"}}}},
		{name: "a withdrawal of an erased body", live: []publication.Record{{Statement: complete()["policy"].Statement}}, batch: []publication.Record{
			revise(complete()["policy"], declaration.Withdraw, 0, nil),
		}},
		{name: "an amendment of what is withdrawn", live: []publication.Record{complete()["policy"], revise(complete()["policy"], declaration.Withdraw, 0, nil)},
			batch: []publication.Record{func() publication.Record {
				return revise(revise(complete()["policy"], declaration.Amend, 0, nil), declaration.Amend, 1, nil)
			}()},
			want: [][]want{{{"V-02", reject, "revision", "only REINSTATE may follow", "sign again"}}}},
		{name: "a reinstatement", live: []publication.Record{complete()["policy"], revise(complete()["policy"], declaration.Withdraw, 0, nil)},
			batch: []publication.Record{revise(revise(complete()["policy"], declaration.Amend, 0, nil), declaration.Reinstate, 1, nil)}},
	}
}

func referenceCases() []liveCase {
	c := complete()
	return []liveCase{
		{name: "a reference to nothing", live: plaza()[1:], batch: []publication.Record{
			one("camera", dep(func(d *pb.Deployment) { d.Feeds = []string{"dep/99"} })),
		}, want: [][]want{{{"V-16", reject, "deployment.feeds[0]", "no such record", "in the same file"}}}},
		{name: "a record that feeds itself", live: plaza()[1:], batch: []publication.Record{
			one("camera", dep(func(d *pb.Deployment) { d.Feeds = []string{"dep/18"} })),
		}, want: [][]want{{{"V-16", reject, "deployment.feeds[0]", "names itself", "Take it out"}}}},
		{name: "a reference to what is withdrawn", live: []publication.Record{c["policy"], revise(complete()["policy"], declaration.Withdraw, 0, nil)},
			batch: []publication.Record{one("policy", func(r *publication.Record) {
				r.Statement.Subject.Number, r.Body.GetCommitment().Scope = 8, []string{"com/1"}
			})},
			want: [][]want{{{"V-16", reject, "commitment.scope[0]", "is withdrawn", "took its place"}}}},
		{name: "a notice about what is withdrawn", live: []publication.Record{c["policy"], revise(complete()["policy"], declaration.Withdraw, 0, nil)},
			batch: []publication.Record{one("incident", inBody(func(b *pb.Body) { b.GetNotice().About = []string{"com/1"} }))}},
		{name: "a withdrawal of what others name", live: plaza(), batch: []publication.Record{revise(complete()["video"], declaration.Withdraw, 1, nil)},
			want: [][]want{{{"V-16", reject, "data_use", "other records name it: dep/18", "in the same file"}}}},
		{name: "a withdrawal of all at once", live: plaza(), batch: []publication.Record{
			revise(complete()["video"], declaration.Withdraw, 1, nil),
			revise(complete()["camera"], declaration.Withdraw, 0, nil),
			revise(complete()["pia"], declaration.Withdraw, 2, nil),
		}},
		{name: "a withdrawal whose referrer lets go", live: []publication.Record{c["service"], c["video"]}, batch: []publication.Record{
			revise(complete()["video"], declaration.Withdraw, 1, nil),
			revise(complete()["service"], declaration.Amend, 0, func(b *pb.Body) {
				b.GetService().DataUses, b.GetService().IdentityNeeded = nil, ptr(false)
			}),
		}},
	}
}

func duplicateCases() []liveCase {
	second := func(change func(b *pb.Body)) publication.Record {
		r := record("dep/19", cameraBody())
		r.Body.Nickname = ptr("plaza-cameras-2")
		d := r.Body.GetDeployment()
		d.Name, d.Sites = nl("Camera's Havenplein"), d.Sites[:1]
		if change != nil {
			change(r.Body)
		}
		return r
	}
	return []liveCase{
		{name: "another camera", live: plaza(), batch: []publication.Record{second(nil)}},
		{name: "a nickname that is taken", live: plaza(), batch: []publication.Record{second(func(b *pb.Body) { b.Nickname = ptr("plaza-cameras") })},
			want: [][]want{{{"V-18", reject, "nickname", "dep/18 has this nickname already.", "another one"}}}},
		{name: "a nickname twice in a batch", live: plaza()[1:], batch: []publication.Record{complete()["camera"], second(func(b *pb.Body) { b.Nickname = ptr("plaza-cameras") })},
			want: [][]want{nil, {{"V-18", reject, "nickname", "dep/18 has this nickname already.", ""}}}},
		{name: "a nickname of another kind", live: plaza(), batch: []publication.Record{second(func(b *pb.Body) { b.Nickname = ptr("plaza-video") })}},
		{name: "the same name", live: plaza(), batch: []publication.Record{second(func(b *pb.Body) { b.GetDeployment().Name = nl("camera's  MARKTPLEIN") })},
			want: [][]want{{{"V-18", warn, "deployment.name", "dep/18 has the same name.", "replaces: [dep/18]"}}}},
		{name: "the same sites", live: plaza(), batch: []publication.Record{second(func(b *pb.Body) {
			s := cameraBody().GetDeployment().GetSites()
			b.GetDeployment().Sites = []*pb.Site{s[1], s[0]}
		})}, want: [][]want{{{"V-18", warn, "deployment.sites", "dep/18 has the same sites.", "replaces: [dep/18]"}}}},
		{name: "the same name as what it replaces", live: plaza(), batch: []publication.Record{second(func(b *pb.Body) {
			b.GetDeployment().Name, b.Replaces = cameraBody().GetDeployment().Name, []string{"dep/18"}
		})}},
		{name: "the same words again", live: []publication.Record{complete()["policy"]}, batch: []publication.Record{record("com/9", func() *pb.Body {
			b := policyBody()
			b.Nonce = hash(8)[:16]
			return b
		}())}, want: [][]want{{{"V-18", warn, "commitment", "com/1 says the same, word for word.", "published twice"}}}},
		{name: "the same source row", live: []publication.Record{one("policy", inBody(func(b *pb.Body) { b.SourceId = ptr("register:7") }))},
			batch: []publication.Record{one("certificate", inBody(func(b *pb.Body) { b.SourceId = ptr("register:7") }))},
			want:  [][]want{{{"V-18", warn, "source_id", "com/1 has the same source id.", "replaces: [com/1]"}}}},
		{name: "withdrawn and published again under a new number", live: []publication.Record{complete()["video"], revise(complete()["video"], declaration.Withdraw, 0, nil)},
			batch: []publication.Record{record("use/32", videoBody())},
			want:  [][]want{{{"V-18", warn, "data_use.name", "use/31 has the same name.", "replaces: [use/31]"}}}},
	}
}

// linkedCases are V-10, V-14, V-24, V-31 and V-34 where the deployment is published.
func linkedCases() []liveCase {
	base := plaza()[1:]
	without := func(change func(d *pb.Deployment)) []publication.Record {
		return []publication.Record{one("camera", dep(change))}
	}
	uncovered := []publication.Record{complete()["video"], one("pia", asm(func(a *pb.Assessment) { a.Covers = nil }))}
	face := func(d *pb.Deployment) {
		d.Capabilities[0], d.ImpactClass = term(pb.Scheme_SCHEME_DPV_AI, "FaceRecognition"), pb.ImpactClass_IMPACT_CLASS_HIGH.Enum()
	}
	special := one("video", use(func(u *pb.DataUse) { u.SpecialCategory = ptr(true) }))
	return []liveCase{
		{name: "an assessment that names the deployment is enough", live: base, batch: without(func(d *pb.Deployment) { d.Assessments = nil })},
		{name: "people and no assessment", live: uncovered, batch: without(func(d *pb.Deployment) { d.Assessments = nil }),
			want: [][]want{{{"V-10", reject, "deployment.assessments", "You say it senses people, so name its assessment", "owed by 2027-02-01"}}}},
		{name: "people and an assessment that is owed", live: uncovered, batch: without(func(d *pb.Deployment) {
			d.Assessments, d.Exemption = nil, &pb.Exemption{Ground: pb.ExemptionGround_EXEMPTION_GROUND_NOT_YET_ASSESSED.Enum(), ReviewOn: ptr("2027-02-01")}
		})},
		{name: "people and an exemption for ever", live: uncovered, batch: without(func(d *pb.Deployment) {
			d.Assessments, d.Exemption = nil, &pb.Exemption{Ground: pb.ExemptionGround_EXEMPTION_GROUND_LAW_ENFORCEMENT.Enum()}
		}), want: [][]want{{{"V-10", reject, "deployment.exemption.review_on", "looked at again", ""}}}},
		{name: "personal data and no assessment", live: uncovered, batch: without(func(d *pb.Deployment) {
			quiet(d)
			d.DataUses = []string{"use/31"}
		}), want: [][]want{{{"V-10", reject, "deployment.assessments", "It uses personal data", ""}}}},
		{name: "an import without an assessment", live: uncovered, batch: []publication.Record{one("camera", func(r *publication.Record) {
			r.Statement.Provenance, r.Body.SourceId, r.Body.GetDeployment().Assessments = declaration.ImportedByCity, ptr("x:1"), nil
		})}, want: [][]want{{{"V-10", warn, "deployment.assessments", "", ""}}}},

		{name: "face recognition without a special category", live: base, batch: without(face),
			want: [][]want{{{"V-14", reject, "deployment.data_uses", "so one of its data uses is of a special category", "special_category: yes"}}}},
		{name: "face recognition with a special category", live: []publication.Record{special, complete()["pia"]}, batch: without(face)},

		{name: "public space and nothing on the police", live: []publication.Record{one("video", use(func(u *pb.DataUse) { u.GovernmentAccess = nil })), complete()["pia"]},
			batch: without(func(*pb.Deployment) {}),
			want:  [][]want{{{"V-24", reject, "deployment.data_uses[0]", "use/31 has personal data from public space", "police: none"}}}},
		{name: "a private space and nothing on the police", live: []publication.Record{one("video", use(func(u *pb.DataUse) { u.GovernmentAccess = nil })), complete()["pia"]},
			batch: without(func(d *pb.Deployment) { d.Space = pb.Space_SPACE_PRIVATE_SPACE.Enum() })},
		{name: "an erased data use can't be judged", live: []publication.Record{{Statement: complete()["video"].Statement}, complete()["pia"]}, batch: without(func(*pb.Deployment) {})},

		{name: "in use against advice", live: []publication.Record{complete()["video"], one("pia", asm(func(a *pb.Assessment) {
			a.Recommendation = pb.Recommendation_RECOMMENDATION_DO_NOT_CONTINUE.Enum()
		}))}, batch: without(func(*pb.Deployment) {}),
			want: [][]want{{{"V-34", warn, "deployment.status", "asm/9 says not to continue, and this is in use.", "O-04"}}}},
		{name: "planned against advice", live: []publication.Record{complete()["video"], one("pia", asm(func(a *pb.Assessment) {
			a.Recommendation = pb.Recommendation_RECOMMENDATION_DO_NOT_CONTINUE.Enum()
		}))}, batch: without(func(d *pb.Deployment) { d.Status = pb.Status_STATUS_PLANNED.Enum() })},

		{name: "a high impact that was assessed by itself", live: []publication.Record{complete()["video"], one("pia", selfMade)},
			batch: without(func(d *pb.Deployment) { d.ImpactClass = pb.ImpactClass_IMPACT_CLASS_HIGH.Enum() }),
			want:  [][]want{{{"V-31", warn, "deployment.assessments", "assessed itself", "accepted and shown"}}}},
		{name: "both at once", live: []publication.Record{complete()["video"]}, batch: []publication.Record{
			one("camera", dep(func(d *pb.Deployment) { d.ImpactClass = pb.ImpactClass_IMPACT_CLASS_HIGH.Enum() })), one("pia", selfMade),
		}, want: [][]want{nil, {{"V-31", warn, "assessment.assessor.independence", "assesses itself, and the impact is high: dep/18.", "accepted and shown"}}}},
		{name: "a moderate impact that was assessed by itself", live: []publication.Record{complete()["video"]}, batch: []publication.Record{complete()["camera"], one("pia", selfMade)}},
	}
}

func selfMade(r *publication.Record) {
	r.Body.GetAssessment().Assessor.Independence = pb.Independence_INDEPENDENCE_SELF.Enum()
}

// outsideCases: a change breaks a deployment or service that is not in the batch.
func outsideCases() []liveCase {
	amended := func(name string, at int, change func(b *pb.Body)) []publication.Record {
		return []publication.Record{revise(complete()[name], declaration.Amend, at, change)}
	}
	counts := one("video", use(func(u *pb.DataUse) {
		u.Identifiability, u.Retention = pb.Identifiability_IDENTIFIABILITY_DE_IDENTIFIED.Enum(), u.Retention[1:]
	}))
	plainCamera := one("camera", dep(func(d *pb.Deployment) {
		quiet(d)
		d.DataUses = []string{"use/31"}
	}))
	faceCamera := one("camera", dep(func(d *pb.Deployment) {
		d.Capabilities[0], d.ImpactClass = term(pb.Scheme_SCHEME_DPV_AI, "FaceRecognition"), pb.ImpactClass_IMPACT_CLASS_HIGH.Enum()
	}))
	special := one("video", use(func(u *pb.DataUse) { u.SpecialCategory = ptr(true) }))
	covered := one("camera", dep(func(d *pb.Deployment) { d.Assessments = nil }))
	return []liveCase{
		{name: "data become personal and nobody assessed the camera", live: []publication.Record{plainCamera, counts}, batch: amended("video", 1, nil),
			want: [][]want{{{"V-10", reject, "data_use.identifiability", "dep/18 then has neither an assessment", "Amend dep/18"}}}},
		{name: "data stop being special", live: []publication.Record{faceCamera, special, complete()["pia"]}, batch: amended("video", 1, nil),
			want: [][]want{{{"V-14", reject, "data_use.special_category", "dep/18 can do FaceRecognition", "Amend dep/18"}}}},
		{name: "a camera that was wrong before is not this change's", live: []publication.Record{faceCamera, complete()["video"], complete()["pia"]}, batch: amended("video", 1, nil)},
		{name: "government access is taken out", live: plaza(), batch: amended("video", 1, func(b *pb.Body) { b.GetDataUse().GovernmentAccess = nil }),
			want: [][]want{{{"V-24", reject, "data_use.government_access", "dep/18 is in public space", "police: none"}}}},
		{name: "an assessment lets go of a deployment", live: []publication.Record{covered, complete()["video"], complete()["pia"]},
			batch: amended("pia", 2, func(b *pb.Body) { b.GetAssessment().Covers = nil }),
			want:  [][]want{{{"V-10", reject, "assessment.covers", "dep/18 then has neither", "Amend dep/18"}}}},
		{name: "an assessment that covers is withdrawn", live: []publication.Record{covered, complete()["video"], complete()["pia"]},
			batch: []publication.Record{revise(complete()["pia"], declaration.Withdraw, 2, nil)},
			want:  [][]want{{{"V-10", reject, "assessment.covers", "dep/18 then has neither", "Amend dep/18"}}}},
		{name: "the advice changes", live: plaza(), batch: amended("pia", 2, func(b *pb.Body) {
			b.GetAssessment().Recommendation = pb.Recommendation_RECOMMENDATION_DO_NOT_CONTINUE.Enum()
		}), want: [][]want{{{"V-34", warn, "assessment.recommendation", "dep/18 is in use.", "O-04"}}}},
		{name: "refusing starts to cost a service", live: []publication.Record{one("service", svc(func(s *pb.Service) { s.OfflineAlternative = nil })), complete()["video"]},
			batch: amended("video", 1, denied),
			want:  [][]want{{{"V-63", warn, "data_use.refusal.consequence", "svc/1 does not say", "Amend svc/1"}}}},
	}
}

func denied(b *pb.Body) {
	r := b.GetDataUse().Refusal
	r.Consequence, r.Citation = pb.RefusalConsequence_REFUSAL_CONSEQUENCE_SERVICE_DENIED.Enum(), ptr("Wet BRP art. 2.38")
}

func negativeCases() []liveCase {
	carries := func(scheme pb.Scheme, code string, from, to *string) publication.Record {
		return one("camera", dep(func(d *pb.Deployment) {
			d.Capabilities[0] = term(scheme, code)
			d.StartsOn, d.EndsOn = from, to
			d.Space = pb.Space_SPACE_PUBLIC_BUILDING.Enum()
		}))
	}
	plates := carries(pb.Scheme_SCHEME_LOCAL, "licence_plate_recognition", ptr("2020"), nil)
	none := func(t *pb.Term) publication.Record { return record("com/3", noneBody(t)) }
	noPlates := none(term(pb.Scheme_SCHEME_LOCAL, "licence_plate_recognition"))
	others := plaza()[1:]
	with := func(r publication.Record) []publication.Record { return append([]publication.Record{r}, others...) }
	return []liveCase{
		{name: "none, though a deployment has it", live: with(plates), batch: []publication.Record{noPlates},
			want: [][]want{{{"V-43", reject, "commitment.negative.term", "a deployment has it: dep/18", "ends_on"}}}},
		{name: "none, and no deployment has it", live: plaza(), batch: []publication.Record{noPlates}},
		{name: "none, though a narrower term is carried", live: with(carries(pb.Scheme_SCHEME_DPV_AI, "SpeechRecognition", ptr("2020"), nil)),
			batch: []publication.Record{none(term(pb.Scheme_SCHEME_DPV_AI, "HumanOrientedCapability"))},
			want:  [][]want{{{"V-43", reject, "commitment.negative.term", "dep/18", ""}}}},
		{name: "no tracking by Wi-Fi, though its sensor stands there", live: with(one("camera", dep(func(d *pb.Deployment) {
			d.Tech[1], d.StartsOn = term(pb.Scheme_SCHEME_DTPR_DEVICE_TECH, "identifiable_wifi_sensor"), ptr("2020")
		}))), batch: []publication.Record{none(term(pb.Scheme_SCHEME_LOCAL, "wifi_tracking"))},
			want: [][]want{{{"V-43", reject, "commitment.negative.term", "dep/18", ""}}}},
		{name: "none since it ended", live: with(carries(pb.Scheme_SCHEME_LOCAL, "licence_plate_recognition", ptr("2020"), ptr("2025-12-31"))), batch: []publication.Record{noPlates}},
		{name: "none in the year in which it ended", live: with(carries(pb.Scheme_SCHEME_LOCAL, "licence_plate_recognition", ptr("2020"), ptr("2026"))), batch: []publication.Record{noPlates},
			want: [][]want{{{"V-43", reject, "commitment.negative.term", "dep/18", ""}}}},
		{name: "it starts after none was said", live: []publication.Record{noPlates}, batch: with(carries(pb.Scheme_SCHEME_LOCAL, "licence_plate_recognition", ptr("2027"), nil))},
		{name: "it starts while none is said", live: []publication.Record{noPlates}, batch: with(plates),
			want: [][]want{{{"V-43", warn, "deployment.capabilities", "com/3 says that the city does not use this.", "Withdraw com/3"}}}},
		{name: "both in one batch", batch: append(with(plates), noPlates),
			want: [][]want{nil, nil, nil, {{"V-43", reject, "commitment.negative.term", "dep/18", ""}}}},
		{name: "none is withdrawn with it", live: []publication.Record{noPlates}, batch: append(with(plates), revise(none(term(pb.Scheme_SCHEME_LOCAL, "licence_plate_recognition")), declaration.Withdraw, 0, nil))},
	}
}

func otherLiveCases() []liveCase {
	deny := one("video", inBody(denied))
	secretariat := one("member", inBody(func(b *pb.Body) { b.GetMember().Kind = pb.MemberKind_MEMBER_KIND_SECRETARIAT.Enum() }))
	return []liveCase{
		{name: "a service denied and nothing on another way", live: []publication.Record{deny},
			batch: []publication.Record{one("service", svc(func(s *pb.Service) { s.OfflineAlternative = nil }))},
			want:  [][]want{{{"V-63", warn, "service.offline_alternative", "Who refuses use/31 gets no service", "offline_alternative: yes"}}}},
		{name: "a service denied and no other way, said so", live: []publication.Record{deny},
			batch: []publication.Record{one("service", svc(func(s *pb.Service) { s.OfflineAlternative = ptr(false) }))}},
		{name: "a finding in a city's log", live: []publication.Record{complete()["member"]}, batch: []publication.Record{complete()["finding"]},
			want: [][]want{{{"V-01", reject, "finding", "only in the secretariat's log", "dispute"}}}},
		{name: "a finding in the secretariat's log", live: []publication.Record{secretariat}, batch: []publication.Record{complete()["finding"]}},
		{name: "a finding beside the secretariat's first record", batch: []publication.Record{complete()["finding"], secretariat}},
	}
}

func TestLostRaceTellsWhatToFollow(t *testing.T) {
	live := city(complete()["policy"], revise(complete()["policy"], declaration.Amend, 0, nil))
	got, err := publication.CheckLive([]publication.Record{revise(complete()["policy"], declaration.Amend, 0, nil)}, leavesOf(make([]publication.Record, 1)), live)
	if err != nil || len(got[0]) != 1 || got[0][0].Chain == nil {
		t.Fatalf("CheckLive = %v, %v; want one result with its chain", got, err)
	}
	chain := got[0][0].Chain
	if chain.Subject.String() != "com/1" || chain.Head == nil || chain.Head.Revision != 2 || chain.Head.Leaf != leaf(1) {
		t.Errorf("Chain = %+v, head %+v; want com/1 at revision 2 and its leaf", chain, chain.Head)
	}
}

// broken is a Live whose database fails.
type broken struct{ err error }

func (b broken) Newest(declaration.Subject) (*publication.Newest, error)    { return nil, b.err }
func (b broken) Linking(declaration.Subject) ([]declaration.Subject, error) { return nil, b.err }
func (b broken) Find(publication.Key) ([]declaration.Subject, error)        { return nil, b.err }

func TestCheckLiveReturnsTheDatabasesError(t *testing.T) {
	cause := errors.New("disk on fire")
	for name, r := range complete() {
		if _, err := publication.CheckLive([]publication.Record{r}, nil, broken{cause}); !errors.Is(err, cause) {
			t.Errorf("CheckLive(%s) error = %v, want %v", name, err, cause)
		}
	}
}

// TestEveryRuleIsExercised holds the tables to Rules: each rule has a case that it
// rejects or warns of, at its level.
func TestEveryRuleIsExercised(t *testing.T) {
	levels := map[string]publication.Level{}
	see := func(wants []want) {
		for _, w := range wants {
			levels[w.rule] = max(levels[w.rule], w.level)
		}
	}
	for _, tc := range recordCases() {
		see(tc.want)
	}
	for _, tc := range liveCases() {
		for _, w := range tc.want {
			see(w)
		}
	}
	for _, r := range publication.Rules() {
		if levels[r.ID] != r.Level {
			t.Errorf("the tables exercise %s up to %v, want %v", r.ID, levels[r.ID], r.Level)
		}
		delete(levels, r.ID)
	}
	for id := range levels {
		t.Errorf("the tables expect %s, which Rules does not list", id)
	}
}
