// Package canonical reads and writes the one JSON encoding that signed things
// have here: RFC 8785 (JCS), narrowed so that each meaning has exactly one
// encoding (invariant I7).
//
// Narrowed means: numbers are integers within ±(2^53−1) without sign of zero,
// fraction or exponent; no null; no empty list; no repeated or unknown key; no
// insignificant space; valid UTF-8. JCS and ProtoJSON alone are laxer (note F10
// of the threat model): both round large integers and accept 5.0, 1e1, enum
// numbers, camelCase and null.
//
// The reader is one pass over the bytes. It does not decode, encode again and
// compare, as a library would have to: it accepts a byte only where the writer
// would have put it. That the two agree with protojson followed by a JCS library
// is fuzzed (FuzzParseBody and its siblings in package declaration).
//
// It does not check what values mean: lengths, dates and codes are package
// publication's.
package canonical
