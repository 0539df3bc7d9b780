package years_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/cityproof/cityproof/internal/authority"
	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/declaration"
	logproof "github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/receipt"
	"github.com/cityproof/cityproof/internal/root"
	"github.com/cityproof/cityproof/internal/roster"
)

// truth is what a receipt is to be judged as, for ever.
type truth int

const (
	honest  truth = iota // true by version 1; by the newest version true, or not to be told, and never false
	forged               // never true
	retired              // a committee that retired signs for its own epoch: true by version 1, never by a root that pins a later one
	branch               // on the side of the registry that was given up: never true by a root that says so
)

// kept is a receipt that somebody keeps.
type kept struct {
	text  []byte
	what  string
	is    truth
	epoch uint32
	head  checkpoint.Checkpoint
}

// statements are the entries of a member's log, which may hold others too.
func (w *world) statements(id string) [][]byte {
	if id == secretariat {
		return w.entries
	}
	return w.towns[id].log.Entries
}

// receiptOf makes the receipt of an entry under a head with a note.
func (w *world) receiptOf(id string, index int, size uint64, note []byte, a *authority.Authority) *receipt.Receipt {
	w.t.Helper()
	leaves := make([]logproof.Hash, size)
	for i, e := range w.statements(id)[:size] {
		leaves[i] = logproof.LeafHash(e)
	}
	e := w.statements(id)[index]
	signed, err := declaration.ParseSigned(e)
	if err != nil {
		w.t.Fatal(err)
	}
	r := receipt.New(e, w.towns[id].log.Files[signed.Statement.BodySHA256], uint64(index), logproof.InclusionPath(leaves, index), note)
	r.Authority = a
	return r
}

// keep stores a receipt with what it is.
func (w *world) keep(r *receipt.Receipt, is truth, head checkpoint.Checkpoint, format string, args ...any) {
	w.t.Helper()
	b, err := r.Format()
	if err != nil {
		w.t.Fatal(err)
	}
	if w.wrong && (r.Authority.Epoch() > w.forkedIn || head.Origin == w.r.Root().Terms.Registry.Origin) {
		is = branch
	}
	what := fmt.Sprintf(format, args...)
	w.told["receipts: "+what]++
	*w.receipts = append(*w.receipts, kept{b, fmt.Sprintf("%s, made at %s", what, w), is, r.Authority.Epoch(), head})
}

// provable is a statement in a member's log whose receipt the lines of the epoch prove: its log's and publisher's keys were
// there at EPOCH. -1: there is none.
func (w *world) provable(id string, head checkpoint.Checkpoint, good bool) int {
	m := w.atEpoch.Member(id)
	if m == nil || head.Size == 0 || !w.sameKeys(head) {
		return -1
	}
	for try := range int(head.Size) {
		index := w.rnd.IntN(int(head.Size))
		if !good {
			index = int(head.Size) - 1 - try // there are few of those
		} else if try == 8 {
			break
		}
		signed, err := declaration.ParseSigned(w.statements(id)[index])
		if err != nil || signed.Statement.Log != w.originAt(id, head.Origin, index) {
			continue // an act, an anchor
		}
		if _, ok := m.Publisher(signed.Envelope.Signatures[0].KeyID, uint64(index)); ok == good {
			return index
		}
	}
	return -1
}

// originAt is for which log the statement at an index was made, of a log that may go on from others.
func (w *world) originAt(id, origin string, index int) string {
	for _, l := range w.r.Member(id).Before(origin) {
		if uint64(index) < l.End.Size {
			return l.Origin
		}
	}
	return origin
}

// sameKeys reports whether a head's keys are those that the epoch's lines give.
func (w *world) sameKeys(head checkpoint.Checkpoint) bool {
	now, err := w.r.LogKeys(head.Origin, head.Size)
	if err != nil {
		return false
	}
	then, err := w.atEpoch.LogKeys(head.Origin, head.Size)
	return err == nil && slices.EqualFunc(now, then, func(a, b *checkpoint.Verifier) bool { return a.Key().Equal(b.Key()) })
}

// keepReceipts makes receipts of a member's log: a true one, and forged ones.
func (w *world) keepReceipts(id string) {
	w.t.Helper()
	m := w.r.Member(id)
	if w.r.Status(m) == roster.Left || w.r.AwaitsHandOver() || w.liars[m.Log().Origin] {
		return
	}
	if m.Log().End != nil {
		w.keepAboveTheEnd(id)
		return
	}
	head := w.head(id)
	if head.Size == 0 {
		return
	}
	note := w.final(m, head)
	if note == nil {
		w.told["nothing is final"]++
		return
	}
	a, err := authority.Of(w.r, m, note)
	if errors.Is(err, roster.ErrNotFinal) && id == secretariat {
		return // up to the hand-over its head is the last epoch's, and the next one will be proven
	}
	if errors.Is(err, roster.ErrNewInEpoch) {
		w.told["of a log that is new in the epoch"]++
		return
	}
	if err != nil {
		w.t.Fatalf("%s: authority for %s: %v", w, id, err)
	}
	if index := w.provable(id, head, true); index >= 0 {
		good := w.receiptOf(id, index, head.Size, note, a)
		w.keep(good, honest, head, "true")
		if w.chance(2) && !(id == secretariat && w.reseatedNow()) { // offline who was drawn has a say as well
			w.keepForged(id, index, head, note, a)
		}
	}
	if index := w.provable(id, head, false); index >= 0 && id != secretariat {
		w.keep(w.receiptOf(id, index, head.Size, note, a), forged, head, "by a publisher who may not")
	}
}

// keepAboveTheEnd makes the receipt of what a thief, and everybody who should not, signs above the end of a frozen log.
func (w *world) keepAboveTheEnd(id string) {
	w.t.Helper()
	m, end := w.r.Member(id), w.r.Member(id).Log().End
	then := w.atEpoch.Member(id)
	if then == nil || then.Log().Origin != m.Log().Origin || then.Log().End == nil {
		return
	}
	last := checkpoint.Checkpoint{Origin: m.Log().Origin, Size: end.Size, Root: end.Root}
	note := w.final(m, last)
	if note == nil {
		return
	}
	a, err := authority.Of(w.r, m, note)
	if err != nil {
		w.t.Fatalf("%s: authority for the last head of %s: %v", w, id, err)
	}
	if index := w.provable(id, last, true); index >= 0 {
		w.keep(w.receiptOf(id, index, last.Size, note, a), honest, last, "true, of a log that has ended")
	}
	w.towns[id].log.Declare(1, w.towns[id].officers[0])
	above := w.head(id)
	n, err := checkpoint.ParseNote(note)
	if err != nil {
		w.t.Fatal(err)
	}
	keys := m.Log().Keys[len(m.Log().Keys)-1].Keys
	lie := w.signed(above, keys[0], keys[1])
	for _, k := range w.cosigners(n) {
		w.cosign(lie, k)
	}
	w.keep(w.receiptOf(id, int(above.Size)-1, above.Size, w.format(lie), a), forged, above, "above the end of a frozen log")
}

// cosigners are the keys of those who cosigned a note.
func (w *world) cosigners(n *checkpoint.Note) (out []checkpoint.VKey) {
	for _, s := range n.Sigs {
		for _, signer := range w.keys {
			if k := signer.Key(); k.Type == checkpoint.TypeEd25519Cosignature && k.Name == s.Name && k.ID() == s.KeyID {
				out = append(out, k)
			}
		}
	}
	return out
}

// keepForged makes a false receipt of a true one.
func (w *world) keepForged(id string, index int, head checkpoint.Checkpoint, note []byte, a *authority.Authority) {
	w.t.Helper()
	good := w.receiptOf(id, index, head.Size, note, a)
	n, err := checkpoint.ParseNote(note)
	if err != nil {
		w.t.Fatal(err)
	}
	m := w.r.Member(id)
	log := func() *checkpoint.Note { return &checkpoint.Note{Text: n.Text, Sigs: slices.Clone(n.Sigs[:2])} }
	switch w.rnd.IntN(6) {
	case 5: // T-13: the keys that the log had before
		if keys := m.Log().Keys; len(keys) > 1 && head.Size > keys[0].To {
			old := w.signed(head, keys[0].Keys[0], keys[0].Keys[1])
			old.Sigs = append(old.Sigs, n.Sigs[2:]...)
			w.keep(w.receiptOf(id, index, head.Size, w.format(old), a), forged, head, "log keys after their rotation")
		}
	case 0: // T-12
		strip := &checkpoint.Note{Text: n.Text, Sigs: slices.Delete(slices.Clone(n.Sigs), 0, 1)}
		if w.chance(2) {
			strip.Sigs = slices.Delete(slices.Clone(n.Sigs), 1, 2)
		}
		if stripped, err := checkpoint.FormatNote(strip); err == nil {
			w.keep(w.receiptOf(id, index, head.Size, stripped, a), forged, head, "one of two log signatures stripped")
		}
	case 1:
		fake := *good
		fake.Body = bytes.Replace(good.Body, []byte(`"nl"`), []byte(`"en"`), 1)
		w.keep(&fake, forged, head, "another body")
	case 2: // below the quorum, and strangers beside
		witnesses, mirrors, quorum := w.voices(w.r, m, head.Size)
		few := log()
		w.cosign(few, witnesses[:quorum-1]...)
		w.cosign(few, mirrors[:2]...)
		w.keep(w.receiptOf(id, index, head.Size, w.format(few), a), forged, head, "one witness too few")
	case 3: // the wrong committee: whoever has no seat
		other := log()
		seats := w.r.Bench(m, head.Size).Committee
		for _, v := range w.r.Bench(m, head.Size).Voices {
			if !has(seats, v.ID) && len(other.Sigs) < 12 {
				w.cosign(other, v.Witness)
			}
		}
		_, mirrors, _ := w.voices(w.r, m, head.Size)
		w.cosign(other, mirrors[:2]...)
		w.keep(w.receiptOf(id, index, head.Size, w.format(other), a), forged, head, "the wrong committee")
	case 4: // another history of the same size by thieves of the log's keys, whom nobody cosigns
		keys, err := w.r.LogKeys(head.Origin, head.Size)
		if err != nil {
			w.t.Fatal(err)
		}
		lie := w.signed(nameless(head), keys[0].Key(), keys[1].Key())
		lie.Sigs = append(lie.Sigs, n.Sigs[2:]...) // cosignatures of the true head
		w.keep(w.receiptOf(id, index, head.Size, w.format(lie), a), forged, head, "another root")
	}
}

// keepRetired lets the committee of an epoch that has passed sign a head, with the authority of its time, and with that of now.
func (w *world) keepRetired(id string, last *roster.Roster, old *authority.Authority) {
	w.t.Helper()
	m := w.r.Member(id)
	head := w.head(id)
	if m.Log().End != nil || old == nil || !w.sameKeys(head) || id == secretariat && w.reseatedNow() {
		return
	}
	index := w.provable(id, head, true)
	note := w.final(m, head)
	if index < 0 || note == nil || last.Member(id) == nil {
		return
	}
	keys, err := last.LogKeys(head.Origin, head.Size)
	if err != nil || !sameVerifiers(w, keys, head) {
		return
	}
	now := w.r.Bench(m, head.Size)
	by := w.signed(head, keys[0].Key(), keys[1].Key())
	sitting := 0
	bench := last.Bench(last.Member(id), head.Size)
	for _, v := range bench.Voices {
		if has(bench.Committee, v.ID) {
			w.cosign(by, v.Witness)
			for _, o := range now.Voices {
				if o.Witness.Equal(v.Witness) && has(now.Committee, v.ID) {
					sitting++
				}
			}
		}
	}
	if sitting >= roster.Quorum(len(now.Committee)) || len(by.Sigs)+2 > checkpoint.MaxSignatures {
		return
	}
	_, mirrors, _ := w.voices(w.r, m, head.Size)
	w.cosign(by, mirrors[:2]...)
	a, err := authority.Of(w.r, m, note)
	if errors.Is(err, roster.ErrNotFinal) && id == secretariat {
		return // up to the hand-over its head is the last epoch's
	}
	if err != nil {
		w.t.Fatalf("%s: authority for a retired committee of %s: %v", w, id, err)
	}
	w.keep(w.receiptOf(id, index, head.Size, w.format(by), a), forged, head, "a retired committee, with today's authority")
	w.keep(w.receiptOf(id, index, head.Size, w.format(by), old), retired, head, "a retired committee, with the authority of its time")
}

func sameVerifiers(w *world, keys []*checkpoint.Verifier, head checkpoint.Checkpoint) bool {
	now, err := w.r.LogKeys(head.Origin, head.Size)
	return err == nil && slices.EqualFunc(now, keys, func(a, b *checkpoint.Verifier) bool { return a.Key().Equal(b.Key()) })
}

// judgeAll judges every receipt that was ever made, by version 1 of the root and by the newest.
func (w *world) judgeAll() {
	w.t.Helper()
	newest := w.r.Root()
	holders := []*authority.Holder{w.holder}
	if newest.Version > 1 {
		h, err := authority.NewHolder(newest)
		if err != nil {
			w.t.Fatal(err)
		}
		holders = append(holders, h)
	}
	for _, k := range *w.receipts {
		r, err := receipt.Parse(k.text)
		if err != nil {
			w.t.Errorf("%s: a receipt (%s) can't be read: %v", w, k.what, err)
			continue
		}
		for i, h := range holders {
			_, err := receipt.VerifyIn(r, h)
			var falsified *receipt.FalseError
			var untold *receipt.CouldNotTellError
			if err != nil && !errors.As(err, &falsified) && !errors.As(err, &untold) {
				w.t.Errorf("%s: a receipt (%s) by version %d: %v", w, k.what, h.Root().Version, err)
			}
			if want := k.verdicts(h.Root(), i > 0, w.rootIn); !slices.Contains(want, verdict(err)) {
				w.t.Errorf("%s: a receipt (%s), epoch %d, by version %d of the root: it is %s, want %v: %v", w, k.what, k.epoch, h.Root().Version, verdict(err), want, err)
			}
			w.told["judged "+verdict(err)]++
		}
	}
}

func verdict(err error) string {
	var falsified *receipt.FalseError
	switch {
	case err == nil:
		return "true"
	case errors.As(err, &falsified):
		return "false"
	}
	return "untold"
}

// verdicts are those that are right by a version of the root, which was recorded in the epoch since.
func (k *kept) verdicts(by *root.Root, later bool, since uint32) []string {
	reached := !later || by.Terms.Pin != nil && by.Terms.Pin.Epoch <= k.epoch
	counts := true
	for _, c := range by.Terms.ContinueFrom {
		counts = counts && (c.Origin != k.head.Origin || c.Head().Size == k.head.Size && c.Head().Root == k.head.Root)
	}
	again := later && by.Terms.Reseat != nil && by.Terms.Reseat.Epoch == k.epoch && k.head.Origin == by.Terms.Registry.Origin
	switch {
	case k.is == honest && reached && counts && again:
		return []string{"true", "untold"} // a second reseat in one epoch takes the place of the first
	case k.is == honest && reached && counts && later && by.Terms.Pin.Epoch < min(k.epoch, since):
		return []string{"true", "untold"} // epochs between the pin and the version may be linked by keys of versions before
	case k.is == honest && reached && counts:
		return []string{"true"}
	case k.is == honest:
		return []string{"untold"}
	case k.is == retired && reached:
		return []string{"true", "false", "untold"} // its keys may be others, or ended
	case k.is == branch && (!later || len(by.Terms.ContinueFrom) == 0):
		return []string{"true", "false", "untold"} // version 1 alone can't know
	}
	return []string{"false", "untold"}
}
