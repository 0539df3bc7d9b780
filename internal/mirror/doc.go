// Package mirror keeps full, checked copies of other cities' logs, serves them, and
// cosigns what it durably holds: federation.md, section 7.
//
// It believes no source. Entries count once they are proven into a head that the log
// signed; a body, once it has the hash that a signed statement commits to. A body that
// no source gives keeps a head from being cosigned, unless a notice in the log itself
// says that it was erased. Such a body is kept for 14 days by the log's own time, so
// that nobody hides anything in a hurry, and then taken off the disk (T-36, F12).
//
// What rots is never served, is found by readers and a scrub, and is mended by hash
// with what others hold (incident 2). What others may cost is bounded (T-45).
package mirror
