package publication_test

import (
	pb "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
)

func basis(code, citation string) *pb.LegalBasis {
	b := &pb.LegalBasis{Term: term(pb.Scheme_SCHEME_DPV_LEGAL_BASIS, code)}
	if citation != "" {
		b.Citation = &citation
	}
	return b
}

func dataUseCases() []recordCase {
	deIdentified := pb.Identifiability_IDENTIFIABILITY_DE_IDENTIFIED.Enum()
	return append(accessCases(), []recordCase{
		{"kept higher than said", "video", use(func(u *pb.DataUse) { u.Identifiability = deIdentified }),
			[]want{{"V-01", reject, "data_use.identifiability", "Retention entry 1 (ruw beeld) is identifiable, which is more.", "the highest"}}},

		{"health that is not special", "video", use(func(u *pb.DataUse) { u.Categories[0] = term(pb.Scheme_SCHEME_DPV_PD, "Health") }),
			[]want{{"V-14", warn, "data_use.special_category", "You name Health", "special_category: yes"}}},
		{"health that is special", "video", use(func(u *pb.DataUse) {
			u.Categories[0], u.SpecialCategory = term(pb.Scheme_SCHEME_DPV_PD, "Health"), ptr(true)
		}), nil},

		{"personal data by no right", "video", use(func(u *pb.DataUse) { u.LegalBasis = nil }),
			[]want{{"V-20", reject, "data_use.legal_basis", "by what right", "legal_basis: official_authority"}}},
		{"personal data and no right of people", "video", use(func(u *pb.DataUse) { u.Rights = nil }),
			[]want{{"V-20", reject, "data_use.rights", "name a right", "rights: [access"}}},
		{"a right and nobody to ask", "video", use(func(u *pb.DataUse) { u.Rights[0].Contact = nil }),
			[]want{{"V-20", reject, "data_use.rights", "whom they ask", "contact: "}}},
		{"counts need no legal basis", "video", use(func(u *pb.DataUse) {
			u.Identifiability, u.Retention = deIdentified, u.Retention[1:]
			u.LegalBasis, u.Rights, u.Refusal, u.GovernmentAccess = nil, nil, nil, nil
		}), nil},

		{"an authority without its law", "video", use(func(u *pb.DataUse) { u.LegalBasis[0].Citation = nil }),
			[]want{{"V-21", reject, "data_use.legal_basis[0].citation", "OfficialAuthorityOfController needs its law", "art. 151c"}}},
		{"a GDPR article without its law", "video", use(func(u *pb.DataUse) { u.LegalBasis[0] = basis("A6-1-c", "") }),
			[]want{{"V-21", reject, "data_use.legal_basis[0].citation", "A6-1-c needs its law", ""}}},
		{"a recipient's basis without its law", "video", use(func(u *pb.DataUse) { u.Recipients[0].LegalBasis = basis("LegalObligation", "") }),
			[]want{{"V-21", reject, "data_use.recipients[0].legal_basis.citation", "needs its law", ""}}},
		{"storage abroad without its law", "video", use(func(u *pb.DataUse) { u.Storage[0].LegalBasis = basis("LegalObligation", "") }),
			[]want{{"V-21", reject, "data_use.storage[0].legal_basis.citation", "needs its law", ""}}},
		{"a contract needs no law", "video", use(func(u *pb.DataUse) { u.LegalBasis[0] = basis("Contract", "") }), nil},

		{"nothing on refusing a camera", "video", use(func(u *pb.DataUse) { u.Refusal = nil }),
			[]want{{"V-22", reject, "data_use.refusal", "what happens to those who refuse", "refusal: not_possible"}}},
		{"records of the city can't be refused", "video", use(func(u *pb.DataUse) {
			u.Refusal, u.Source = nil, pb.DataSource_DATA_SOURCE_CONTROLLER_RECORDS.Enum()
		}), nil},
		{"a penalty by no law", "video", use(func(u *pb.DataUse) { u.Refusal.Consequence = pb.RefusalConsequence_REFUSAL_CONSEQUENCE_PENALTY.Enum() }),
			[]want{{"V-22", reject, "data_use.refusal.citation", "by which law", "art. 17"}}},
		{"a penalty by law", "video", use(func(u *pb.DataUse) {
			u.Refusal.Consequence, u.Refusal.Citation = pb.RefusalConsequence_REFUSAL_CONSEQUENCE_PENALTY.Enum(), ptr("Participatiewet art. 17")
		}), nil},

		{"no retention", "video", use(func(u *pb.DataUse) { u.Retention = nil }),
			[]want{{"V-23", reject, "data_use.retention", "how long the data are kept", "keeps: ["}}},
		{"kept for how long", "video", use(func(u *pb.DataUse) { u.Retention[1].Duration = nil }),
			[]want{{"V-23", reject, "data_use.retention[1].duration", "for how long", "28 days"}}},
		{"kept until when", "video", use(func(u *pb.DataUse) {
			u.Retention[1].Mode, u.Retention[1].Duration = pb.RetentionMode_RETENTION_MODE_UNTIL_DATE.Enum(), nil
		}), []want{{"V-23", reject, "data_use.retention[1].until", "until which day", "until 2027"}}},
		{"kept until what", "video", use(func(u *pb.DataUse) {
			u.Retention[1].Mode, u.Retention[1].Duration = pb.RetentionMode_RETENTION_MODE_UNTIL_EVENT.Enum(), nil
		}), []want{{"V-23", reject, "data_use.retention[1].event", "until what happens", "until the case"}}},
		{"not kept for 28 days", "video", use(func(u *pb.DataUse) { u.Retention[1].Mode = pb.RetentionMode_RETENTION_MODE_NOT_RETAINED.Enum() }),
			[]want{{"V-23", reject, "data_use.retention[1].duration", "The mode is not_retained", "Make the mode fixed"}}},
		{"minus infinity days", "video", use(func(u *pb.DataUse) { u.Retention[1].Duration = ptr("-Infinity days") }),
			[]want{{"V-23", reject, "data_use.retention[1].duration", "is no duration", "28 days (P28D"}}},
		{"personal data without an end", "video", use(func(u *pb.DataUse) { u.Retention[0].Mode = pb.RetentionMode_RETENTION_MODE_ENDLESS.Enum() }),
			[]want{{"V-23", warn, "data_use.retention[0].mode", "without an end", "5 years"}}},
		{"blurred data without an end", "video", use(func(u *pb.DataUse) {
			u.Retention[1].Mode, u.Retention[1].Duration = pb.RetentionMode_RETENTION_MODE_INDETERMINATE.Enum(), nil
		}), nil},

		{"consent for ever", "video", use(func(u *pb.DataUse) { u.LegalBasis[0] = basis("A6-1-a", "") }),
			[]want{{"V-29", reject, "data_use.legal_basis[0].withdrawal", "how they take it back", "withdrawal: "}}},
		{"consent that can be taken back", "video", use(func(u *pb.DataUse) {
			u.LegalBasis[0] = basis("Consent", "")
			u.LegalBasis[0].Withdrawal = nl("In de app, onder Instellingen.")
		}), nil},

		{"several operators and one name", "video", use(func(u *pb.DataUse) {
			u.Architecture = pb.Architecture_ARCHITECTURE_DECENTRALISED_MULTI_OPERATOR.Enum()
			u.Storage = append(u.Storage, &pb.Storage{Country: ptr("NL"), Where: pb.StorageWhere_STORAGE_WHERE_LOCAL.Enum(), Operator: ptr("gemeente  KANAALSTAD")})
		}), []want{{"V-27", reject, "data_use.storage", "name at least two", "stored: ["}}},
		{"several operators", "video", use(func(u *pb.DataUse) {
			u.Architecture = pb.Architecture_ARCHITECTURE_DECENTRALISED_MULTI_OPERATOR.Enum()
			u.Storage = append(u.Storage, &pb.Storage{Country: ptr("NL"), Where: pb.StorageWhere_STORAGE_WHERE_LOCAL.Enum(), Operator: ptr("Zicht Systemen BV")})
		}), nil},
		{"several operators withheld", "video", inBody(func(b *pb.Body) {
			u := b.GetDataUse()
			u.Architecture, u.Storage = pb.Architecture_ARCHITECTURE_DECENTRALISED_MULTI_OPERATOR.Enum(), nil
			b.Withheld = []*pb.Withheld{{FieldPath: ptr("data_use.storage"), Reason: pb.WithheldReason_WITHHELD_REASON_SECURITY.Enum(), SaltedSha256: hash(1)}}
		}), nil},
	}...)
}

// accessCases are V-24 where the record alone tells, V-25, V-26 and V-28.
func accessCases() []recordCase {
	access := func(f func(a *pb.GovernmentAccess)) recordCase {
		return recordCase{fixture: "video", change: use(func(u *pb.DataUse) { f(u.GovernmentAccess) })}
	}
	named := func(name string, c recordCase, w ...want) recordCase {
		c.name, c.want = name, w
		return c
	}
	return []recordCase{
		{"a company's personal data", "video", use(func(u *pb.DataUse) {
			u.CollectedBy, u.GovernmentAccess = pb.CollectedBy_COLLECTED_BY_COMPANY.Enum(), nil
		}), []want{{"V-24", reject, "data_use.government_access", "A company collects personal data", "police: none"}}},
		{"a company's counts", "video", use(func(u *pb.DataUse) {
			u.CollectedBy, u.GovernmentAccess = pb.CollectedBy_COLLECTED_BY_JOINT.Enum(), nil
			u.Identifiability, u.Retention = pb.Identifiability_IDENTIFIABILITY_DE_IDENTIFIED.Enum(), u.Retention[1:]
		}), nil},

		{"nobody may look but the police get it", "video", use(func(u *pb.DataUse) {
			u.GovernmentAccess = &pb.GovernmentAccess{Mode: pb.AccessMode_ACCESS_MODE_NONE.Enum()}
		}), []want{{"V-25", reject, "data_use.recipients[0].level", "such a body may not look, and name Politie", "take the recipient out"}}},
		{"a level may not look but gets it", "video", use(func(u *pb.DataUse) {
			u.GovernmentAccess = &pb.GovernmentAccess{Mode: pb.AccessMode_ACCESS_MODE_NONE.Enum(), Levels: []pb.GovernmentLevel{u.Recipients[0].GetLevel()}}
		}), []want{{"V-25", reject, "data_use.recipients[0].level", "such a body may not look, and name Politie", "take the recipient out"}}},
		{"another level may not look", "video", use(func(u *pb.DataUse) {
			u.GovernmentAccess = &pb.GovernmentAccess{Mode: pb.AccessMode_ACCESS_MODE_NONE.Enum(), Levels: []pb.GovernmentLevel{pb.GovernmentLevel_GOVERNMENT_LEVEL_INTELLIGENCE}}
		}), nil},
		{"nobody may look", "video", use(func(u *pb.DataUse) {
			u.GovernmentAccess, u.Recipients = &pb.GovernmentAccess{Mode: pb.AccessMode_ACCESS_MODE_NONE.Enum()}, nil
		}), nil},

		named("looking, but who", access(func(a *pb.GovernmentAccess) { a.Levels = nil }),
			want{"V-26", reject, "data_use.government_access.levels", "so say which", "police: "}),
		named("looking, but when", access(func(a *pb.GovernmentAccess) { a.Circumstances = nil }),
			want{"V-26", reject, "data_use.government_access.circumstances", "crisis only or in normal times", "police: "}),
		named("looking, but with what", access(func(a *pb.GovernmentAccess) { a.Authorisation = nil }),
			want{"V-26", reject, "data_use.government_access.authorisation", "what they need", "police: "}),
		named("looking, but by what right", access(func(a *pb.GovernmentAccess) { a.LegalBasis = nil }),
			want{"V-26", reject, "data_use.government_access.legal_basis", "by what right", "police: "}),
		named("looking, but by which law", access(func(a *pb.GovernmentAccess) { a.LegalBasis.Citation = nil }),
			want{"V-26", reject, "data_use.government_access.legal_basis.citation", "by which law", "police: "}),

		named("a crisis without end", access(func(a *pb.GovernmentAccess) { a.Circumstances = pb.Circumstances_CIRCUMSTANCES_CRISIS_ONLY.Enum() }),
			want{"V-28", reject, "data_use.government_access.crisis_ends_on", "when it ends or what sets it off", "crisis_trigger:"}),
		named("a crisis with an end", access(func(a *pb.GovernmentAccess) {
			a.Circumstances, a.CrisisEndsOn = pb.Circumstances_CIRCUMSTANCES_CRISIS_ONLY.Enum(), ptr("2027-03-31")
		})),
		named("a crisis with a trigger", access(func(a *pb.GovernmentAccess) {
			a.Circumstances, a.CrisisTrigger = pb.Circumstances_CIRCUMSTANCES_CRISIS_ONLY.Enum(), nl("Hoogwater, fase 3.")
		})),
	}
}
