package publication_test

import (
	"net/url"
	"strings"
	"testing"

	pb "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/publication"
)

func TestFormats(t *testing.T) {
	for _, tc := range []struct {
		name      string
		field     string
		rule      string
		set       func(s string) publication.Record
		good, bad []string
	}{
		{"url", "deployment.public_page", "V-06", page,
			[]string{"https://a.example", "https://a.example:8443/x?y=%20#z", "https://xn--kln-sna.example/", "https://1.2.3.4/", "https://a.example/~b/(c);d=e,f@g:h", "https://" + strings.Repeat("a", 60) + ".example/" + strings.Repeat("b", 423)},
			[]string{"ftp://a.example", "HTTPS://a.example", "https:/a.example", "https://", "https:///x", "https://user@a.example/", "https://user:pw@a.example/",
				"https://a.example:/", "https://a.example:x/", "https://a.example:123456/", "https://a..example", "https://-a.example", "https://a-.example", "https://.a", "https://a.example/é",
				"https://kö.example/", "https://a.example/ b", "https://a.example/%", "https://a.example/%2", "https://a.example/%zz", "https://a.example\\b", "https://a.example/\"", "https://[::1]/", "javascript:alert(1)", "https://a.example/" + strings.Repeat("b", 483)}},
		{"date", "deployment.ends_on", "V-01", func(s string) publication.Record {
			return one("camera", dep(func(d *pb.Deployment) { d.StartsOn, d.StartUnknown, d.EndsOn = nil, ptr(true), &s }))
		}, []string{"1900", "2026-12", "2028-02-29"}, []string{"1899", "2026-13", "2027-02-29", "2026-1-1", "26", "2026-00", "2026-12-00", "2026/12/14", "-2026", "10000", "2026-12-14T00:00:00Z"}},
		{"country", "deployment.parties[1].country", "V-01", func(s string) publication.Record {
			return one("camera", dep(func(d *pb.Deployment) { d.Parties[1].Country = &s }))
		}, []string{"NL", "AD", "ZW", "XK", "TW", "PS"}, []string{"nl", "UK", "EU", "SU", "YU", "AN", "ZZ", "NLD", "N", "A ", " A", "D AE"[:2], "AA"}},
		{"language", "member.languages[1]", "V-03", func(s string) publication.Record {
			return one("member", inBody(func(b *pb.Body) { b.GetMember().Languages[1] = s }))
		}, []string{"en", "en-GB", "zh-Hant", "zh-Hant-TW", "es-419", "sr-Latn", "fil", "de-1996", "ar", "ja"},
			[]string{"EN", "en_GB", "en-gb", "zh-hant", "en-UK", "iw", "en-Latn", "zz", "und", "mul", "qaa", "x-private", "en-u-ca-buddhist", "en-XX", "i-klingon", "english"}},
		{"duration", "data_use.retention[1].duration", "V-23", func(s string) publication.Record {
			return one("video", use(func(u *pb.DataUse) { u.Retention[1].Duration = &s }))
		}, []string{"P28D", "P1Y", "P1Y6M", "P1Y2M3DT4H5M", "PT72H", "PT1M", "P6W", "P999999D"},
			[]string{"P", "PT", "P1DT", "P0D", "P00D", "P-1D", "-P1D", "P1.5Y", "P1,5Y", "P1S", "PT1S", "P1H", "PT1D", "P1D1M", "P1M1M", "P1W1D", "1D", "p1d", "P D", "P1000000D", "-Infinity days", "NA", "28 days", "P∞D", "PD"}},
		{"contact", "deployment.parties[0].contact", "V-01", func(s string) publication.Record {
			return one("camera", dep(func(d *pb.Deployment) { d.Parties[0].Contact = &s }))
		}, []string{"privacy@kanaalstad.example", "data.protection@kanaalstad.example", "a+b@c.d.example", "112", "14 020", "+31 20 123 4567", "(020) 123-4567"},
			[]string{"11", "+31 20 123 4567 ext. 5", "1+2345", "https://kanaalstad.example/contact", "a@b", ".a@b.example", "a.@b.example", "a..b@c.example", "a@b.example.", "a@b.example, c@d.example", "1234567890123456"}},
		{"decimal", "commitment.measure.actual", "V-01", func(s string) publication.Record {
			return one("policy", com(func(c *pb.Commitment) { c.Measure.Actual = &s }))
		}, []string{"0", "-1", "12.50", "0.0", "-0.1", "1000000"}, []string{"-0", "-0.0", "01", "1.", ".5", "1e3", "+1", "1,5", "NaN", "Infinity", "1 000", "--1", "0x1"}},
		{"currency", "notice.sanction.currency", "V-01", func(s string) publication.Record {
			return one("incident", notice(noticeBody(pb.NoticeType_NOTICE_TYPE_SANCTION, func(n *pb.Notice) {
				n.Sanction = &pb.Sanction{On: &pb.Party{Name: ptr("x"), Role: pb.PartyRole_PARTY_ROLE_VENDOR.Enum()}, Kind: pb.ConsequenceKind_CONSEQUENCE_KIND_FINE.Enum(), Amount: ptr("1"), Currency: &s}
			})))
		}, []string{"EUR", "AED", "ZWG", "VES", "XCG", "JPY"}, []string{"eur", "XXX", "XTS", "DEM", "EU", "EURO", "BTC", "AN "}},
		{"origin", "deployment.based_on[0].origin", "V-01", func(s string) publication.Record {
			return one("camera", dep(func(d *pb.Deployment) { d.BasedOn[0].Origin = &s }))
		}, []string{"tsukuba.example/log"}, []string{"https://tsukuba.example/log", "tsukuba.example/log/", "Tsukuba.example/log"}},
		{"subject elsewhere", "deployment.based_on[0].subject", "V-01", func(s string) publication.Record {
			return one("camera", dep(func(d *pb.Deployment) { d.BasedOn[0].Subject = &s }))
		}, []string{"dep/1", "use/999999999"}, []string{"dep/0", "dep/01", "dep/1000000000", "deployment/1", "dep", "dep/1/2", "DEP/1"}},
		{"subject", "deployment.feeds[0]", "V-16", func(s string) publication.Record {
			return one("camera", dep(func(d *pb.Deployment) { d.Feeds = []string{s} }))
		}, []string{"dep/1"}, []string{"use/1", "dep/0", "plaza-cameras", "dep/+1"}},
		{"nickname", "nickname", "V-01", func(s string) publication.Record {
			return one("camera", inBody(func(b *pb.Body) { b.Nickname = &s }))
		}, []string{"a", "plaza-cameras", "2", strings.Repeat("a", 64)}, []string{"A", "a_b", "a b", "-a", "a-", strings.Repeat("a", 65)}},
		{"media type", "attachments[0].media_type", "V-01", func(s string) publication.Record {
			return one("camera", inBody(func(b *pb.Body) { b.Attachments[0].MediaType = &s }))
		}, []string{"application/pdf", "application/geo+json", "application/vnd.oasis.opendocument.text"}, []string{"pdf", "application/", "/pdf", "Application/PDF", "text/csv; charset=utf-8", "a/b/c"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for _, s := range tc.good {
				if got := publication.CheckRecord(tc.set(s), now); len(got) > 0 {
					t.Errorf("%q is refused:%s", s, show(got))
				}
			}
			for _, s := range tc.bad {
				got := publication.CheckRecord(tc.set(s), now)
				if len(got) == 0 || got[0].Rule != tc.rule && got[0].Rule != "V-06" || got[0].Field != tc.field || got[0].Level != reject || got[0].Hint == "" {
					t.Errorf("%q: want %s at %s with a hint, got%s", s, tc.rule, tc.field, show(got))
				}
			}
		})
	}
}

func page(s string) publication.Record {
	return one("camera", dep(func(d *pb.Deployment) { d.PublicPage = &s }))
}

// FuzzURL: what the rules accept means the same to net/url.
func FuzzURL(f *testing.F) {
	for _, s := range []string{"https://a.example/x?y#z", "https://u@a.example", "https://a.example:1/%41", "https://a.example:99999/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if len(publication.CheckRecord(page(s), now)) > 0 {
			return
		}
		u, err := url.Parse(s)
		if err != nil || u.Scheme != "https" || u.User != nil || u.Hostname() == "" || u.Opaque != "" || len(s) > 500 {
			t.Errorf("accepted %q, which net/url reads as %+v, %v", s, u, err)
		}
	})
}

func TestT45LooksLikePerson(t *testing.T) {
	for mailbox, person := range map[string]bool{
		"jan.devries@a.example": true, "j.devries@a.example": true, "Jan_deVries@a.example": true, "jan.de.vries@a.example": true, "anna.de-boer@a.example": true,
		"privacy@a.example": false, "data.protection@a.example": false, "smart-city@a.example": false, "jan.devries2@a.example": false,
		"open.data@a.example": false, "gemeente.utrecht@a.example": false, "f.g@a.example": false, "+31 20 123 4567": false,
	} {
		got := publication.CheckRecord(one("camera", dep(func(d *pb.Deployment) { d.Parties[0].Contact = ptr(mailbox) })), now)
		if warned := len(got) == 1 && got[0].Rule == "V-08"; warned != person {
			t.Errorf("%s: V-08 %v, want %v%s", mailbox, warned, person, show(got))
		}
	}
}
