package publication

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/vocabulary"
)

// Key is a property of a body by which Live.Find finds its subject, as text of at
// most 200 bytes. It begins with what it is a key of, then the kind where kinds are
// kept apart: "nick/dep/plaza-cameras", "source/dep/<hash>", "name/dep/<hash>",
// "sites/<hash>", "body/<hash>", "term/DPV_AI/FaceRecognition" for what a
// deployment carries, "none/DPV_AI/FaceRecognition" for what a city states not to
// use, "member/SECRETARIAT". A hash is the first 16 bytes of SHA-256 in hex.
type Key string

// NicknameKey is the key of a nickname, which is unique among the live subjects of
// a kind.
func NicknameKey(kind declaration.Kind, nickname string) Key {
	return Key("nick/" + kind.Prefix() + "/" + nickname)
}

func termKey(scheme vocabulary.Scheme, code string) Key {
	return Key("term/" + string(scheme) + "/" + code)
}

func noneKey(scheme vocabulary.Scheme, code string) Key {
	return Key("none/" + string(scheme) + "/" + code)
}

func memberKey(kind declarationv1.MemberKind) Key {
	return Key("member/" + kind.String()[len("MEMBER_KIND_"):])
}

func hashKey(prefix string, data []byte) Key {
	sum := sha256.Sum256(data)
	return Key(prefix + hex.EncodeToString(sum[:16]))
}

// keySet is a body's keys by what they are for; empty ones don't apply.
type keySet struct {
	nickname, source, name, sites, body, none, member Key
	terms                                             []Key
}

// Keys returns the keys of a body, each once, in a fixed order. Whoever keeps live
// records lists them for each subject's newest revision.
func Keys(body *declarationv1.Body) []Key {
	return keysOf(body).all()
}

func (s keySet) all() []Key {
	out := make([]Key, 0, 7+len(s.terms))
	for _, k := range [...]Key{s.nickname, s.source, s.name, s.sites, s.body, s.none, s.member} {
		if k != "" {
			out = append(out, k)
		}
	}
	return append(out, s.terms...)
}

func keysOf(body *declarationv1.Body) keySet {
	kind, ok := declaration.KindOf(body)
	if !ok {
		return keySet{}
	}
	s := keySet{body: bodyKey(body)}
	if body.GetNickname() != "" {
		s.nickname = NicknameKey(kind, body.GetNickname())
	}
	if body.GetSourceId() != "" {
		s.source = hashKey("source/"+kind.Prefix()+"/", []byte(body.GetSourceId()))
	}
	switch r := body.GetRecord().(type) {
	case *declarationv1.Body_Deployment:
		s.name = nameKey(kind, body, r.Deployment.GetName())
		s.sites = sitesKey(r.Deployment.GetSites())
		s.terms = carried(r.Deployment)
	case *declarationv1.Body_DataUse:
		s.name = nameKey(kind, body, r.DataUse.GetName())
	case *declarationv1.Body_Service:
		s.name = nameKey(kind, body, r.Service.GetName())
	case *declarationv1.Body_Commitment:
		if t := r.Commitment.GetNegative().GetTerm(); t.GetCode() != "" && t.GetCode() != vocabulary.Other {
			s.none = noneKey(schemeOf(t), t.GetCode())
		}
	case *declarationv1.Body_Member:
		if k := r.Member.GetKind(); declarationv1.MemberKind_name[int32(k)] != "" {
			s.member = memberKey(k)
		}
	}
	return s
}

// bodyKey is the content apart from nonce, reason and nickname: two bodies that say
// the same have the same. A body that has no canonical form has none.
func bodyKey(body *declarationv1.Body) Key {
	raw, err := declaration.FormatBody(&declarationv1.Body{
		Language: body.Language, Attachments: body.Attachments, Withheld: body.Withheld,
		ImportedFrom: body.ImportedFrom, SourceId: body.SourceId, Record: body.Record,
	})
	if err != nil {
		return ""
	}
	return hashKey("body/", raw)
}

// nameKey is the name in the declaration's own language, case and spaces aside.
func nameKey(kind declaration.Kind, body *declarationv1.Body, name *declarationv1.LocalizedText) Key {
	for _, t := range name.GetTexts() {
		if t.GetLang() == body.GetLanguage() && said(t.GetValue()) {
			return hashKey("name/"+kind.Prefix()+"/", []byte(fold(t.GetValue())))
		}
	}
	return ""
}

// sitesKey is the set of places that have coordinates, in any order.
func sitesKey(sites []*declarationv1.Site) Key {
	var points [][8]byte
	add := func(p *declarationv1.Point) {
		if p != nil {
			var b [8]byte
			binary.BigEndian.PutUint32(b[:4], uint32(p.GetLatitudeE7()))  //nolint:gosec // only its bits
			binary.BigEndian.PutUint32(b[4:], uint32(p.GetLongitudeE7())) //nolint:gosec // only its bits
			points = append(points, b)
		}
	}
	for _, s := range sites {
		add(s.GetPoint())
		for _, p := range s.GetArea().GetCorners() {
			add(p)
		}
	}
	if len(points) == 0 {
		return ""
	}
	slices.SortFunc(points, func(a, b [8]byte) int { return slices.Compare(a[:], b[:]) })
	return hashKey("sites/", slices.Concat(bytesOf(points)...))
}

func bytesOf(points [][8]byte) [][]byte {
	out := make([][]byte, len(points))
	for i := range points {
		out[i] = points[i][:]
	}
	return out
}

// carried returns a key for each term that a deployment carries by what it names:
// the terms themselves and all wider ones, and those of another scheme that can't
// be had without them.
func carried(d *declarationv1.Deployment) []Key {
	var keys []Key
	add := func(k Key) {
		if !slices.Contains(keys, k) {
			keys = append(keys, k)
		}
	}
	for _, t := range slices.Concat(d.GetTech(), d.GetCapabilities()) {
		scheme, code := schemeOf(t), t.GetCode()
		if code == vocabulary.Other {
			continue
		}
		for _, wider := range withWider(scheme, code) {
			add(termKey(scheme, wider))
		}
		for _, w := range vocabulary.WatchTerms() {
			if w.Term.Scheme != scheme && w.Matches(scheme, code) {
				add(termKey(w.Term.Scheme, w.Term.Code))
			}
		}
	}
	return keys
}

// withWider returns a code and all codes wider than it; nil for an unknown one.
func withWider(scheme vocabulary.Scheme, code string) []string {
	codes := []string{code}
	for i := 0; i < len(codes); i++ {
		t, ok := vocabulary.Lookup(scheme, codes[i])
		if !ok {
			return nil
		}
		for _, p := range t.Parents() {
			if !slices.Contains(codes, p) {
				codes = append(codes, p)
			}
		}
	}
	return codes
}
