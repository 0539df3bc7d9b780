// Package recovery brings back a city's log of which this disk has lost something
// (federation.md, section 7). Where the data are older than what was signed, copies
// fill them up. Where nobody here knows what was signed last, the log's committee must
// say first: as many as make a head final have to name the newest head of the log that
// they know, each over a connection that shows its key. Nothing is signed before the
// data lead to the newest head that anybody named and the log's keys have signed (I2).
//
// Who lies can hide a head only together with all who cosigned it, and can't invent one:
// it needs the log's keys. A head that nobody serves, such as a thief of those keys would
// sign, keeps the log from signing; then it must be moved (MOVE_LOG).
//
// The same holds for a head that witnesses saw and no mirror had fetched yet when the disk
// was lost. Showing heads to mirrors first would not help: what the witnesses don't know
// would be signed once more with other entries, against receipts that people hold.
//
// A head that was signed and shown to nobody who is asked stays unknown. So state/ is
// never thrown away while it can be read.
package recovery
