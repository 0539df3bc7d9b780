// Package mirror keeps full, checked copies of other cities' logs, serves them, and
// cosigns what it durably holds: federation.md, section 7.
//
// It believes no source. Entries count once they are proven into a head that the log
// signed; a body, once it has the hash that a signed statement commits to. A body that
// no source gives keeps a head from being cosigned, unless a notice in the log itself
// says that it was erased.
package mirror
