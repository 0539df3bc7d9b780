// Package scrub reads again, all the time, what a node has stored: every entry, tile, body and attachment is hashed and
// compared within a period, paced evenly over it and never faster than a ceiling, so that a byte that rots is found while
// there still are good copies elsewhere (incident 2). What is damaged is kept in a list that readiness and metrics show,
// together with what ordinary reads stumble upon.
//
// The comparing itself is logstore.Checker and bodystore.Check, which fsck --deep uses too: this package only decides what
// is next and when. All other keys are read without a look at what they mean: Pebble compares the checksums of their blocks.
//
// Decisions:
//
//   - A cycle goes over entries, then tiles, then keys, and its place is kept in the database: a node that is restarted
//     every day gets through all the same. So are the keys of what is damaged; they are looked at first after a start.
//   - What looks damaged is looked at twice before anybody hears of it: what passed over a bus wrongly once, or was being
//     erased at that moment, is whole the second time.
//   - Damage leaves the list when a later look finds the thing whole. What only a read has found, and for which no key is
//     known, leaves after the next whole cycle that did not find it.
//   - It holds no snapshot, and iterators only for a moment, so that erasures need not wait.
//
// What it finds it has mended by Options.Mend, which fetches good copies from elsewhere, and looks again: what is whole then
// leaves the list. What can't be mended is tried again every minute. By itself it repairs nothing, and does not see through the page cache of the kernel or Pebble's block cache of 32 MiB: a byte that
// rots under a page in memory is found when that page is gone.
package scrub
