package publication_test

import (
	"testing"
	"time"

	pb "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/publication"
)

// Withholding must not be the way round the rules: only listed fields, once, not
// shown at the same time, and with a commitment of the right length.
func TestT37OnlyListedFieldsAreWithheld(t *testing.T) {
	for name, tc := range map[string]struct {
		path   string
		commit []byte
		refuse bool
	}{
		"a listed field that is not shown":     {"deployment.parties[0].contract_ref", hash(1), false},
		"a field that everybody must see":      {"deployment.senses_people", hash(1), true},
		"an assessment's exemption":            {"deployment.exemption", hash(1), true},
		"a listed field that is shown as well": {"deployment.units", hash(1), true},
		"a field that does not exist":          {"deployment.secret", hash(1), true},
		"a commitment of another length":       {"deployment.parties[0].contract_ref", hash(1)[:16], true},
	} {
		t.Run(name, func(t *testing.T) {
			rec := complete()["camera"]
			if rec.Body == nil {
				t.Fatal("no record of cameras among the fixtures")
			}
			rec.Body.GetDeployment().Units = ptr(uint32(12))
			rec.Body.Withheld = []*pb.Withheld{{FieldPath: &tc.path, Reason: pb.WithheldReason_WITHHELD_REASON_SECURITY.Enum(), SaltedSha256: tc.commit}}
			got := publication.CheckRecord(rec, time.Time{})
			if publication.Rejects(got) != tc.refuse {
				t.Errorf("refused %v, want %v%s", !tc.refuse, tc.refuse, show(got))
			}
		})
	}
}
