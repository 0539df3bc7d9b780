// Package node runs a city's server: it is the only place where the concrete
// parts meet. It opens a member's keys, state, database and log, puts the
// surfaces in front of them, and sees to an orderly end. It also holds what an
// operator does to a node that is not running: init, check, fsck, backup and
// restore.
//
// It decides nothing about declarations: package ledger does.
package node
