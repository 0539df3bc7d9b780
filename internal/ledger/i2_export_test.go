package ledger

// MetaSigned is the key under which the data keep the newest signed note.
var MetaSigned = metaSigned
