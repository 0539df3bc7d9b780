package publication

// MaxDepth is how deep the walk's path may get.
const MaxDepth = maxDepth

// The limits of lists that the rules apply beside the protos' annotations.
const (
	MaxReferences       = maxReferences
	MaxWithheld         = maxWithheld
	MaxLanguages        = maxLanguages
	MaxChannelLanguages = maxChannelLanguages
)

// Examples are the hints in the officer's shorthand, by path.
var Examples = examples

// RoleWords are the words of offices, which must be sorted.
var RoleWords = roleWords

// Lists are the codes of countries and currencies.
const (
	Countries  = countries
	Currencies = currencies
)
