package draft

import (
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/publication"
)

// Preview is the record that a numbered draft will be, as the publication rules
// look at it before anything is signed: by city, declared at now, with a nonce in
// the form that Seal will add.
func Preview(d *Draft, city string, now time.Time) publication.Record {
	body := proto.CloneOf(d.Body)
	body.Nonce = make([]byte, 16)
	st := &declaration.Statement{
		City: city, Subject: d.Subject, Revision: 1, Operation: d.Operation,
		EffectiveOn: d.EffectiveOn, DeclaredAt: now.UTC().Truncate(time.Second), Provenance: d.Provenance,
	}
	if st.EffectiveOn == (declaration.Date{}) {
		st.EffectiveOn = declaration.DateOf(now)
	}
	if st.Provenance == "" {
		st.Provenance = declaration.CityOwn
	}
	return publication.Record{Statement: st, Body: body}
}
