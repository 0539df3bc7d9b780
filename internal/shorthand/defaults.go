package shorthand

import (
	"google.golang.org/protobuf/reflect/protoreflect"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/draft"
)

// defaults fills in what the workspace or the record itself says. Nothing is
// guessed: units are not counted from sites, autonomy is not derived, and a field
// that the record names keeps what it says.
func (rec *record) defaults(m protoreflect.Message) {
	switch r := m.Interface().(type) {
	case *declarationv1.Deployment:
		rec.accountable(r)
	case *declarationv1.DataUse:
		rec.dataUse(r)
	case *declarationv1.Service:
		if r.CompetentBody == nil && rec.ws.Accountable != "" {
			r.CompetentBody = rec.workspaceBody()
		}
		rec.giveContact(r.CompetentBody)
	case *declarationv1.Member:
		if r.Contact == nil && rec.contact != "" {
			r.Contact = &rec.contact
		}
		if r.Country == nil && rec.ws.Country != "" {
			r.Country = &rec.ws.Country
		}
	}
}

// accountable adds the workspace's body, first, where no party is accountable.
func (rec *record) accountable(r *declarationv1.Deployment) {
	for _, p := range r.Parties {
		if p.GetRole() == declarationv1.PartyRole_PARTY_ROLE_ACCOUNTABLE {
			rec.giveContact(p)
			return
		}
	}
	if rec.ws.Accountable != "" {
		// At the end: the lines of the parties that were written stay right.
		r.Parties = append(r.Parties, rec.workspaceBody())
		rec.giveContact(r.Parties[len(r.Parties)-1])
	}
}

func (rec *record) workspaceBody() *declarationv1.Party {
	p := &declarationv1.Party{Name: &rec.ws.Accountable, Role: declarationv1.PartyRole_PARTY_ROLE_ACCOUNTABLE.Enum()}
	if rec.ws.Country != "" {
		p.Country = &rec.ws.Country
	}
	return p
}

func (rec *record) giveContact(p *declarationv1.Party) {
	if p != nil && p.Contact == nil && rec.contact != "" {
		p.Contact = &rec.contact
	}
}

func (rec *record) dataUse(r *declarationv1.DataUse) {
	if r.Identifiability == nil {
		if high := highest(r.Retention); high != declarationv1.Identifiability_IDENTIFIABILITY_UNSPECIFIED {
			r.Identifiability = high.Enum()
			rec.d.Lines["data_use.identifiability"] = draft.Line(rec.d, "data_use.retention")
		}
	}
	if len(r.Storage) == 0 && rec.ws.Stored != "" && rec.said["data_use.storage"] == "" {
		r.Storage = append(r.Storage, rec.checkStored(rec.ws.Stored))
	}
	for _, right := range r.Rights {
		if right.Contact == nil && rec.contact != "" {
			right.Contact = &rec.contact
		}
	}
}

// highest is the most that anything kept tells of a person: the enum's order.
func highest(kept []*declarationv1.Retention) declarationv1.Identifiability {
	var high declarationv1.Identifiability
	for _, k := range kept {
		high = max(high, k.GetIdentifiability())
	}
	return high
}

// checkStored reads the workspace's one-line storage; problems are reported.
func (r *reader) checkStored(text string) *declarationv1.Storage {
	s := &declarationv1.Storage{}
	rec := &record{reader: r, lang: r.ws.Language}
	readStorage(value{rec: rec, n: &draft.Node{Line: 1}, shown: "stored", text: text}, s)
	return s
}
