package vocabulary

import "slices"

// A Kind is what an officer calls a group of codes: the first argument of `cityproof codes`, and the kind of
// word that a field takes.
type Kind struct {
	Name    string   // as typed
	Label   string   // in English
	Schemes []Scheme // in the order in which a word is looked up
	local   Flags    // which LOCAL terms belong; 0 means all
}

// kinds says which schemes a person means by a word. LOCAL terms join the kind that they are flagged for.
var kinds = []Kind{
	{"tech", "devices and technology", []Scheme{DTPRDeviceTech, Local}, FlagTech},
	{"capability", "what it can recognise or do", []Scheme{DPVAI, Local}, FlagCapability},
	{"purpose", "purposes", []Scheme{DTPRPurpose, DPVPurpose}, 0},
	{"processing", "ways of processing", []Scheme{DTPRProcessing}, 0},
	{"harm", "harms", []Scheme{DTPRHarm}, 0},
	{"right", "rights", []Scheme{DTPRRight}, 0},
	{"data", "kinds of personal data", []Scheme{DPVPD, Local}, FlagData},
	{"subject", "groups of people", []Scheme{DPVDataSubject}, 0},
	{"legal_basis", "legal bases", []Scheme{DPVLegalBasis}, 0},
	{"measure", "safeguards", []Scheme{DPVMeasure}, 0},
	{"policy", "model policies", []Scheme{GSCAPolicy}, 0},
	{"principle", "principles", []Scheme{GSCAPrinciple}, 0},
	{"standard", "standards", []Scheme{Standard}, 0},
	{"local", "Cityproof's own terms", []Scheme{Local}, 0},
}

// Kinds returns the kinds in the order in which help texts list them. The slices are the caller's.
func Kinds() []Kind {
	out := slices.Clone(kinds)
	for i := range out {
		out[i].Schemes = slices.Clone(out[i].Schemes)
	}
	return out
}

// KindByName returns the kind with this name, and whether there is one.
func KindByName(name string) (Kind, bool) {
	for _, k := range Kinds() {
		if k.Name == name {
			return k, true
		}
	}
	return Kind{}, false
}

// Accepts reports whether t is a term of this kind. The rules accept a LOCAL term of any kind wherever the
// field takes LOCAL; this is for what people type and search.
func (k Kind) Accepts(t Term) bool {
	if !slices.Contains(k.Schemes, t.Scheme) {
		return false
	}
	return t.Scheme != Local || k.local == 0 || t.Flags&(k.local|FlagOther) != 0
}

// terms returns the kind's terms, with one "other": that of its first scheme, at the end.
func (k Kind) terms(c *catalog) []Term {
	var out, other []Term
	for _, s := range k.Schemes {
		for _, t := range c.table(s).terms {
			switch {
			case t.Flags&FlagOther != 0:
				other = append(other, t)
			case k.Accepts(t):
				out = append(out, t)
			}
		}
	}
	return append(out, other[:min(1, len(other))]...)
}
