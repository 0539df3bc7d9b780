// Package authority proves to somebody who has a version of root.json, and nothing
// else, who has to vouch for the heads of a log in an epoch (federation.md, section
// 2.5; FORMAT.md in this folder): the roots after the holder's, the EPOCH acts, each
// by the registry's committee before it, and lines of the roster.
//
// Of and Parse make an authority, Certify believes it only as far as the holder's root
// leads. What Certify returns is as of an EPOCH: it knows nothing of what the registry
// decided later, and does not compute committees anew. Package audit does both.
package authority
