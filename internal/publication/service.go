package publication

import (
	"fmt"
	"slices"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
)

func (c *checker) checkService(s *declarationv1.Service) {
	if len(s.GetChannels()) == 0 { // V-60
		c.absent("V-60", "service.channels", "", "Say how people reach the service.",
			"for example:  channels: [web https://kanaalstad.example/geboorte - nl, en - WCAG_2_2_AA]")
	}
	if s.GetIdentityNeeded() && len(s.GetDataUses()) == 0 { // V-61
		c.absent("V-61", "service.data_uses", "", "People must say who they are, so say what is done with it.",
			"for example:  data: [birth-register]        and declare  use: birth-register")
	}
	for i, ch := range s.GetChannels() {
		if c.full() {
			return
		}
		c.checkChannelLanguages(ch, item("service.channels", i)+".languages")
	}
}

// maxChannelLanguages is how many languages a channel may list (service.proto).
const maxChannelLanguages = 40

// checkChannelLanguages is V-62.
func (c *checker) checkChannelLanguages(ch *declarationv1.Channel, field string) {
	languages := ch.GetLanguages()
	for j, lang := range languages[:min(len(languages), maxChannelLanguages)] {
		if slices.Contains(languages[:j], lang) {
			c.wrong("V-62", item(field, j), lang, "This language is listed twice.", "Take one of the two out.")
			continue
		}
		if slices.Contains(c.tags[:c.seen], lang) {
			continue
		}
		if problem := languageProblem(lang); problem != "" {
			c.wrong("V-62", item(field, j), lang, fmt.Sprintf("This %s.", problem), "Write BCP 47 tags, for example nl, en-GB or zh-Hant.")
		} else if c.seen < maxTags {
			c.tags[c.seen] = lang
			c.seen++
		}
	}
}
