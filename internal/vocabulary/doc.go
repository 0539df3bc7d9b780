// Package vocabulary holds the codes that a declaration may use, and Cityproof's own English words for them.
//
// A city picks its words from lists that others keep, so that two cities mean the same thing by the same
// code, and from a short list of its own alliance where no such list has a word. The lists are embedded in
// the program: nothing is fetched or read from disk, and a declaration of today can be read in thirty years.
//
// # Sources
//
//   - DTPR_*: Digital Trust for Places and Routines (Helpful Places and contributors), taxonomy version 1 and
//     AI schema 2026-08-12-beta, github.com/Helpful-Places/dtpr at 156971b5afc7, CC BY 4.0.
//   - DPV_*: W3C Data Privacy Vocabulary 2.3 (main vocabulary and the extensions pd, ai and eu-gdpr),
//     github.com/w3c/dpv at f01a55c3c098, W3C Software and Document License 2023.
//   - GSCA_*: names of the 16 model policies and 5 principles of the G20 Global Smart Cities Alliance.
//   - STANDARD: customary designations of standards.
//   - LOCAL: Cityproof's own terms.
//
// Three codes that DTPR lists as purposes (content_moderation, risk_assessment, translation_language) are taken
// as processing too, because cities use them for both. DTPR's own privacy_transformation is processing, no harm.
// DPV's roots (Purpose, LegalBasis, Capability) are left out: who names only those has said nothing.
//
// Only the identifiers and the parent relations come from the sources; every label and gloss is our own. A code that
// its source retires stays here: old declarations use it.
//
// # Codes
//
// DTPR, GSCA and LOCAL codes are lower-case words joined by underscores. DPV codes are the source's term
// names (CamelCase; GDPR articles as in A6-1-e). A STANDARD code is the designation without its year, in
// upper case, with a hyphen for each space or slash: ISO-IEC-29134, ITU-T-Y.4903, OASC-MIM7, WCAG-2.2.
// Every scheme also has the code "other", which needs words of the city's own; that the words are there is
// the caller's check.
//
// Codes are compared byte for byte in declarations ([Lookup]). [Resolve] is for what people type: it takes
// other spellings and documented aliases, and refuses, with suggestions, whatever is not the only match.
//
// # Data files
//
// codes/<scheme>.tsv has the columns code, parents, flags, aliases, label, gloss ("-" is empty; parents and
// aliases are joined by commas). codes/<language>/<scheme>.tsv may add labels in further languages with the
// columns code, label, gloss; what it leaves out falls back to English. A file is parsed when its scheme is
// first asked for, because a verifier has to start in milliseconds and needs few of them or none.
//
// # Invariants
//
// The package is part of I7 (one meaning, one encoding: a code has one spelling) and of I9 (the same heads,
// rule set and date give the same bytes: the order of every result is fixed, and [Version] names the data).
//
// # What it does not do
//
// It doesn't say which scheme a field takes, doesn't check the words beside "other", doesn't translate, and
// doesn't know the declaration's protobuf types: a [Scheme] is the enum value's name without its prefix.
package vocabulary
