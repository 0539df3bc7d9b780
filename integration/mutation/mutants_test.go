package mutation

// edit replaces the only place where from is found.
type edit struct{ from, to string }

// mutant is the engine without one of its safeties.
type mutant struct {
	name  string
	file  string // below the repository
	edits []edit
	tests []string // packages, and what of them to run
	run   string
}

const (
	logstore    = "./internal/logstore"
	ledger      = "./internal/ledger"
	recheck     = "./internal/recheck"
	signingkey  = "./internal/signingkey"
	bodystore   = "./internal/bodystore"
	integration = "./integration"
	engine      = "I1|I3|Model|Group|FirstLeafHash|Serves|Damage|Fsck"
)

var mutants = []mutant{
	// Deduplication.
	{"identities are not looked up", "internal/logstore/lookup.go",
		[]edit{{"func(k *known, index uint64) { k.index, k.repeat = index, true }", "func(*known, uint64) {}"}}, []string{logstore}, engine},
	{"identities are not stored", "internal/logstore/commit.go",
		[]edit{{"key[0] = pebbledb.PrefixIdentity", "key[0] = pebbledb.PrefixScratch"}}, []string{logstore}, engine},
	{"duplicates within one commit are not seen", "internal/logstore/commit.go",
		[]edit{{"at, repeat = c.identities[identity]", "_ = c.identities"}}, []string{logstore}, engine},
	{"a refused group's identities stay", "internal/logstore/commit.go",
		[]edit{{"delete(c.identities, r.group.Leaves[i].Identity)", "_ = i"}}, []string{logstore}, engine},

	// Look-ups by hash.
	{"leaf hashes are not stored", "internal/logstore/commit.go",
		[]edit{{"if leaf.known || hashes[leaf.hash] {", "if leaf != nil {"}}, []string{logstore}, engine},
	{"a leaf hash names its last leaf", "internal/logstore/commit.go",
		[]edit{{"if leaf.known || hashes[leaf.hash] {", "if false {"}}, []string{logstore}, engine},
	{"indexes are one too large", "internal/logstore/commit.go",
		[]edit{{"binary.BigEndian.PutUint64(value[:], index+uint64(i))", "binary.BigEndian.PutUint64(value[:], index+uint64(i)+1)"}}, []string{logstore}, engine},

	// Durability.
	{"the entries' file is not synced", "internal/entrystore/writer.go",
		[]edit{{"errors.Join(w.file.SyncData(), v.copies.drop(b))", "errors.Join(nil, v.copies.drop(b))"}}, []string{logstore}, engine},
	{"a small commit keeps no copy of its entries", "internal/entrystore/writer.go",
		[]edit{{"v.copies, err = v.copies.add(b, first, w.buf)", "_ = first"}}, []string{logstore}, engine},
	{"copies are dropped without a sync", "internal/entrystore/copies.go",
		[]edit{{"maxCopies = 256 << 10", "maxCopies = 0"}, {"maxCopy   = 32 << 10", "maxCopy   = 1 << 30"}}, []string{logstore}, engine},
	{"copies are not restored", "internal/entrystore/writer.go",
		[]edit{{"_, err = w.file.WriteAt(c.data, int64(c.start))", "_ = c.start"}}, []string{logstore}, engine},
	{"the name of a new entries' file is not synced", "internal/entrystore/writer.go",
		[]edit{{"errors.Join(dir.Sync(), dir.Close())", "dir.Close()"}}, []string{logstore}, engine},
	{"batches are not synced", "internal/pebbledb/db.go",
		[]edit{{"d.pebble.ApplyNoSyncWait(b, pebble.Sync)", "d.pebble.Apply(b, pebble.NoSync)"}, {"if err := b.SyncWait(); err != nil {", "if err := error(nil); err != nil {"}},
		[]string{logstore}, engine},
	{"a failed sync of a batch is overlooked", "internal/pebbledb/db.go",
		[]edit{{"// The fence hides errors of the log from Pebble: this is where they come out.\n\treturn d.fence.err()", "return nil"}}, []string{logstore}, "Failed|I1|Halt"},
	{"a commit is shown before its sync", "internal/logstore/commit.go",
		[]edit{{"err = l.db.SyncWait(a.batch)", "l.head.Store(a.head)\n\t\t\terr = l.db.SyncWait(a.batch)"}}, []string{logstore}, engine},
	{"a repeat is answered before its first is durable", "internal/logstore/commit.go",
		[]edit{{"\tl.applied <- done\n", "\tif done.batch == nil {\n\t\tfor _, r := range done.waiting {\n\t\t\tr.accept(l.head.Load())\n\t\t}\n\t\treturn\n\t}\n\tl.applied <- done\n"}},
		[]string{logstore}, engine},
	{"a commit begins where the last durable one ended", "internal/logstore/commit.go",
		[]edit{{"c.next = c.log.edge.Size()", "c.next = c.log.head.Load().size"}}, []string{logstore}, engine},

	// What is read.
	{"entries are not compared with the tree", "internal/logstore/read.go",
		[]edit{{"if proof.LeafHash(entry) != nodes.Hashes()[from+i] {", "if false && proof.LeafHash(entry) != nodes.Hashes()[from+i] {"}}, []string{logstore}, engine},
	{"tiles are not compared with the tree", "internal/logstore/tilecache.go",
		[]edit{{"if nodes.Root() != want {", "if false && nodes.Root() != want {"}}, []string{logstore}, engine},
	{"a tile computed from below is not compared", "internal/logstore/tilecache.go",
		[]edit{{"nodes := tile.NewExpanded(hashes); nodes.Root() == want", "nodes := tile.NewExpanded(hashes); nodes.Root() == want || true"}}, []string{logstore}, engine},
	{"bodies are not hashed when read", "internal/bodystore/store.go",
		[]edit{{"if got := sha256.Sum256(content); got != hash {", "if got := sha256.Sum256(content); false && got != hash {"}}, []string{bodystore}, "."},

	// Signing.
	{"nothing is computed again before signing", "internal/ledger/cover.go",
		[]edit{{"if err := l.secondPath.Check(ctx, size, root); err != nil {", "if err := error(nil); err != nil {"}}, []string{ledger}, "I2|SecondPath"},
	{"the second path does not look at copies", "internal/recheck/checker.go",
		[]edit{{"if err := c.checkCopy(b); err != nil {", "if err := error(nil); err != nil {"}}, []string{recheck, ledger}, "I2|SecondPath"},
	{"the second path does not look at indexes", "internal/recheck/checker.go",
		[]edit{{"if err := c.checkIndexes(b[2:], leaf); err != nil {", "if err := error(nil); err != nil {"}}, []string{recheck}, "I2|SecondPath"},
	{"lastsigned is not synced", "internal/signingkey/state.go",
		[]edit{{"errors.Join(tmp.Sync(), tmp.Close())", "tmp.Close()"}}, []string{signingkey, integration}, "I2"},
	{"the directory of lastsigned is not synced", "internal/signingkey/state.go",
		[]edit{{"if err := s.syncFile(\".\"); err != nil {\n\t\t\t\treturn err\n\t\t\t}\n\t\t\ts.last = note", "s.last = note"}}, []string{signingkey, integration}, "I2"},
	{"lastsigned is not compared before it is replaced", "internal/signingkey/state.go",
		[]edit{{"{\"compare\", func() error { return s.holds(s.last) }},", "{\"compare\", func() error { return nil }},"}}, []string{signingkey, ledger}, "I2"},

	// Erasing.
	{"erasures do not wait for a backup", "internal/pebbledb/purge.go",
		[]edit{{"d.purgeHolds > 0 || ", ""}}, []string{bodystore}, "Erase"},
}
