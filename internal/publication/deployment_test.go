package publication_test

import (
	pb "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/publication"
)

// quiet makes the camera a thing that senses nobody and uses no data.
func quiet(d *pb.Deployment) {
	d.Type = pb.DeploymentType_DEPLOYMENT_TYPE_SENSOR_NETWORK.Enum()
	d.SensesPeople = pb.SensesPeople_SENSES_PEOPLE_NO.Enum()
	d.Tech = []*pb.Term{term(pb.Scheme_SCHEME_DTPR_DEVICE_TECH, "air_quality")}
	d.Capabilities, d.DataUses, d.Assessments = nil, nil, nil
}

func deploymentCases() []recordCase {
	return append(v10to12Cases(), []recordCase{
		{"a twin says what feeds it", "camera", dep(func(d *pb.Deployment) {
			d.Type, d.Feeds = pb.DeploymentType_DEPLOYMENT_TYPE_DIGITAL_TWIN.Enum(), []string{"dep/3"}
		}), nil},
		{"a twin says that nothing feeds it", "camera", dep(func(d *pb.Deployment) {
			d.Type, d.NoLiveFeed = pb.DeploymentType_DEPLOYMENT_TYPE_VIRTUAL_CITY.Enum(), nl("Alleen luchtfoto's.")
		}), nil},
		{"a twin fed by nobody knows what", "camera", dep(func(d *pb.Deployment) { d.Type = pb.DeploymentType_DEPLOYMENT_TYPE_DIGITAL_TWIN.Enum() }),
			[]want{{"V-13", warn, "deployment.feeds", "which sensors feed the twin", "no_live_feed:"}}},

		{"face recognition of high impact", "camera", dep(func(d *pb.Deployment) {
			d.Capabilities[0], d.ImpactClass = term(pb.Scheme_SCHEME_DPV_AI, "FaceRecognition"), pb.ImpactClass_IMPACT_CLASS_HIGH.Enum()
		}), nil},
		{"face recognition of low impact", "camera", dep(func(d *pb.Deployment) {
			d.Capabilities[0], d.ImpactClass = term(pb.Scheme_SCHEME_DPV_AI, "FaceRecognition"), pb.ImpactClass_IMPACT_CLASS_LOW.Enum()
		}), []want{{"V-14", reject, "deployment.impact_class", "It can do FaceRecognition, so its impact is high.", "impact: high"}}},
		{"a narrower biometric capability", "camera", dep(func(d *pb.Deployment) {
			d.Capabilities[0] = term(pb.Scheme_SCHEME_DPV_AI, "RealTimeBiometricIdentification")
		}), []want{{"V-14", reject, "deployment.impact_class", "RealTimeBiometricIdentification", "impact: high"}}},

		{"it ends before it starts", "camera", dep(func(d *pb.Deployment) { d.EndsOn = ptr("2026-12-13") }),
			[]want{{"V-15", reject, "deployment.ends_on", "before it starts, 2026-12-14", "in order"}}},
		{"it may end in the month in which it starts", "camera", dep(func(d *pb.Deployment) { d.EndsOn = ptr("2026-12") }), nil},
		{"it ends in 2100", "camera", dep(func(d *pb.Deployment) { d.EndsOn = ptr("2100") }),
			[]want{{"V-15", warn, "deployment.ends_on", "more than 10 years away", "Leave the end out"}}},
		{"a year's last day is more than ten years away", "camera", dep(func(d *pb.Deployment) { d.EndsOn = ptr("2036") }),
			[]want{{"V-15", warn, "deployment.ends_on", "more than 10 years away", ""}}},
		{"a day ten years away", "camera", dep(func(d *pb.Deployment) { d.EndsOn = ptr("2036-11-23") }), nil},
		{"no such day", "camera", dep(func(d *pb.Deployment) { d.EndsOn = ptr("2030-02-30") }),
			[]want{{"V-01", reject, "deployment.ends_on", "is no date", "2026-12-14, 2026-12 or 2026"}}},
		{"a date before 1900", "camera", dep(func(d *pb.Deployment) { d.StartsOn = ptr("1899") }),
			[]want{{"V-01", reject, "deployment.starts_on", "is before 1900", ""}}},
		{"a review in 36 months", "camera", dep(func(d *pb.Deployment) { d.ReviewOn = ptr("2029-11-23") }), nil},
		{"a review after 36 months", "camera", dep(func(d *pb.Deployment) { d.ReviewOn = ptr("2029-11") }),
			[]want{{"V-01", reject, "deployment.review_on", "more than 36 months away", "earlier day"}}},
		{"a review to come of what began in 2019", "camera", func(r *publication.Record) {
			r.Statement.EffectiveOn = declaration.Date{Year: 2019}
			r.Body.GetDeployment().EndsOn = nil
		}, nil},

		{"a reference of a wrong kind", "camera", dep(func(d *pb.Deployment) { d.DataUses[0] = "asm/9" }),
			[]want{{"V-16", reject, "deployment.data_uses[0]", "names an assessment, but a data use belongs here", "use/31"}}},
		{"a reference that is none", "camera", dep(func(d *pb.Deployment) { d.DataUses[0] = "plaza-video" }),
			[]want{{"V-16", reject, "deployment.data_uses[0]", "names no record", "use/31"}}},

		{"a latitude off the globe", "camera", dep(func(d *pb.Deployment) { d.Sites[0].Point.LatitudeE7 = ptr(int32(900000001)) }),
			[]want{{"V-17", reject, "deployment.sites[0].point.latitude_e7", "900000001 is not between", "swapped"}}},
		{"the point of an empty cell", "camera", dep(func(d *pb.Deployment) {
			d.Sites[1].Point = &pb.Point{LatitudeE7: ptr(int32(0)), LongitudeE7: ptr(int32(0))}
		}),
			[]want{{"V-17", warn, "deployment.sites[1].point", "in the sea", "leave the point out"}}},
		{"a point on the equator", "camera", dep(func(d *pb.Deployment) {
			d.Sites[1].Point = &pb.Point{LatitudeE7: ptr(int32(0)), LongitudeE7: ptr(int32(1))}
		}), nil},
		{"a site with point and area", "camera", dep(func(d *pb.Deployment) {
			p := d.Sites[0].Point
			d.Sites[0].Area = &pb.Area{Corners: []*pb.Point{p, p, p}}
		}), []want{{"V-01", reject, "deployment.sites[0]", "a point and an area", "Keep one"}}},
		{"a site that says nothing", "camera", dep(func(d *pb.Deployment) { d.Sites[0] = &pb.Site{Mobile: ptr(true)} }),
			[]want{{"V-01", reject, "deployment.sites[0]", "says nothing", "point, an area or a label"}}},
		{"an area of two corners", "camera", dep(func(d *pb.Deployment) {
			p := d.Sites[0].Point
			d.Sites[0] = &pb.Site{Area: &pb.Area{Corners: []*pb.Point{p, p}}}
		}), []want{{"V-01", reject, "deployment.sites[0].area.corners", "at least 3 corners", ""}}},
		{"another city's record that is none", "camera", dep(func(d *pb.Deployment) { d.BasedOn[0].Subject = ptr("cameras") }),
			[]want{{"V-01", reject, "deployment.based_on[0].subject", "names no record", "use/31"}}},
	}...)
}

func v10to12Cases() []recordCase {
	return []recordCase{
		{"people without data", "camera", dep(func(d *pb.Deployment) { d.DataUses = nil }),
			[]want{{"V-10", reject, "deployment.data_uses", "You say it senses people, so say which data", "data: [plaza-video]"}}},
		{"high impact without data", "camera", dep(func(d *pb.Deployment) {
			quiet(d)
			d.ImpactClass = pb.ImpactClass_IMPACT_CLASS_HIGH.Enum()
		}), []want{{"V-10", reject, "deployment.data_uses", "its impact is high, so say which data", "data: "}}},
		{"nothing to say", "camera", dep(quiet), nil},
		{"an algorithm without data", "camera", dep(func(d *pb.Deployment) {
			quiet(d)
			d.Type = pb.DeploymentType_DEPLOYMENT_TYPE_ALGORITHM_OR_AI.Enum()
		}), []want{{"V-10", reject, "deployment.data_uses", "or that it uses no personal data and why", "no_personal_data"}}},
		{"an app without personal data", "camera", dep(func(d *pb.Deployment) {
			quiet(d)
			d.Type = pb.DeploymentType_DEPLOYMENT_TYPE_APP.Enum()
			d.Exemption = &pb.Exemption{Ground: pb.ExemptionGround_EXEMPTION_GROUND_NO_PERSONAL_DATA.Enum(), Text: nl("Alleen waterstanden.")}
		}), nil},
		{"an app that does not say why", "camera", dep(func(d *pb.Deployment) {
			quiet(d)
			d.Type = pb.DeploymentType_DEPLOYMENT_TYPE_DATA_PLATFORM.Enum()
			d.Exemption = &pb.Exemption{Ground: pb.ExemptionGround_EXEMPTION_GROUND_NO_PERSONAL_DATA.Enum()}
		}), []want{{"V-10", reject, "deployment.data_uses", "no personal data and why", ""}}},
		{"a camera that senses nobody", "camera", dep(func(d *pb.Deployment) { d.SensesPeople = pb.SensesPeople_SENSES_PEOPLE_NO.Enum() }),
			[]want{{"V-10", warn, "deployment.senses_people", "You name video_camera and say that it senses nobody.", "claims to sense nobody"}}},

		{"people without technology", "camera", dep(func(d *pb.Deployment) { d.Tech, d.Capabilities = nil, nil }),
			[]want{{"V-11", reject, "deployment.tech", "You say it senses people, so name the technology.", "tech: [video_camera]        list: cityproof codes tech camera"}}},
		{"a capability is enough", "camera", dep(func(d *pb.Deployment) { d.Tech = nil }), nil},

		{"in use since when", "camera", dep(func(d *pb.Deployment) { d.StartsOn = nil }),
			[]want{{"V-12", reject, "deployment.starts_on", "since when", "start_unknown: yes"}}},
		{"in use since nobody knows", "camera", dep(func(d *pb.Deployment) { d.StartsOn, d.StartUnknown = nil, ptr(true) }), nil},
		{"known and unknown", "camera", dep(func(d *pb.Deployment) { d.StartUnknown = ptr(true) }),
			[]want{{"V-12", reject, "deployment.start_unknown", "say that it is unknown", "Keep one"}}},
		{"planned has no start", "camera", dep(func(d *pb.Deployment) { d.StartsOn, d.Status = nil, pb.Status_STATUS_PLANNED.Enum() }), nil},
		{"in use and nobody accountable", "camera", dep(func(d *pb.Deployment) { d.Parties[0].Role = pb.PartyRole_PARTY_ROLE_OPERATOR.Enum() }),
			[]want{{"V-12", reject, "deployment.parties", "It is in use, so say which body is accountable", "accountable: "}}},
		{"planned and nobody accountable", "camera", dep(func(d *pb.Deployment) {
			d.Parties[0].Role, d.Status = pb.PartyRole_PARTY_ROLE_OPERATOR.Enum(), pb.Status_STATUS_PLANNED.Enum()
		}), []want{{"V-01", reject, "deployment.parties", "Say which body is accountable", "accountable: "}}},
		{"two accountable", "camera", dep(func(d *pb.Deployment) { d.Parties[1].Role = pb.PartyRole_PARTY_ROLE_ACCOUNTABLE.Enum() }),
			[]want{{"V-01", reject, "deployment.parties[1]", "exactly one", "vendor, operator"}}},
	}
}
