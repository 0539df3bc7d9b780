package importer

// Known are the columns that a format speaks of.
func (f Format) Known() []string { return f.known }

var (
	FirstSentence = firstSentence
	Shorten       = shorten
	Degrees       = degrees
	Days          = days
	CheckURL      = checkURL
	Slug          = slug
	RoleMailbox   = roleMailbox
	SplitNames    = splitNames
	DecimalE7     = decimal
)

// Clean is clean with its changes as text.
func Clean(s string, lines bool) (string, []string) {
	out, changes := clean(s, lines)
	var names []string
	for _, c := range changes {
		names = append(names, string(c))
	}
	return out, names
}

const (
	MaxName       = maxName
	MaxSummary    = maxSummary
	MaxSites      = maxSites
	MaxRecipients = maxRecipients
	MaxProhibited = maxProhibited
	MaxLabel      = maxLabel
	MaxParty      = maxParty
	MaxSourceID   = maxSourceID
)
