package audit

import (
	"fmt"
	"slices"
	"time"

	"github.com/cityproof/cityproof/internal/client"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/logtime"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/publication"
	"github.com/cityproof/cityproof/internal/tile"
)

// Verdict is what an audit found: package audit says what each means.
type Verdict string

// The verdicts.
const (
	True         Verdict = "true"
	False        Verdict = "false"
	CouldNotTell Verdict = "could not tell"
)

// ExitCode is what a command that audits exits with.
func (v Verdict) ExitCode() int {
	switch v {
	case True:
		return 0
	case False:
		return 1
	default:
		return 3
	}
}

// Report is what an audit found out. Two audits of one head with one trust file have
// the same report, byte for byte as JSON, but for Observed (invariant I9).
//
// Lists hold at most 1,000 items; the counts beside them count all.
type Report struct {
	Version int     `json:"version"` // of this format: 1
	Origin  string  `json:"origin"`
	City    string  `json:"city,omitempty"` // of the log's owner
	Size    uint64  `json:"size"`
	Root    string  `json:"root,omitempty"` // base64
	Verdict Verdict `json:"verdict"`
	// Reasons say why the verdict is not true.
	Reasons []string `json:"reasons,omitempty"`
	// Since is the comparison with a head seen before.
	Since *Comparison `json:"since,omitempty"`

	// Leaves were read and proven into the tree. Each is a statement counted below,
	// an anchor, void, late, a repeat, of a newer format, or unfollowed.
	Leaves uint64 `json:"leaves"`
	// Anchors are heads of the log itself, written down as its clock.
	Anchors uint64 `json:"anchors,omitempty"`
	// LogTime is what the anchors' cosignatures say; nil where the log's witnesses are
	// not known.
	LogTime *LogTime `json:"log_time,omitempty"`
	// Acts are the registry's, of which only the form was looked at.
	Acts uint64 `json:"acts,omitempty"`
	// Evidence are proofs of misbehaviour that the log's owner wrote down.
	Evidence uint64 `json:"evidence,omitempty"`
	// Subjects are all that were ever declared.
	Subjects    uint64            `json:"subjects"`
	Statements  uint64            `json:"statements"`
	Kinds       map[string]uint64 `json:"kinds"`
	Operations  map[string]uint64 `json:"operations"`
	Provenances map[string]uint64 `json:"provenances"`
	Void        uint64            `json:"void"`
	// Late leaves were signed with a key that the alliance had ended, and taken before the
	// node knew. They count for nothing.
	Late    uint64 `json:"late,omitempty"`
	Repeats uint64 `json:"repeats"`
	Newer   uint64 `json:"newer"`
	// Unfollowed stand behind a gap: their signatures hold, their chains can't be
	// told.
	Unfollowed uint64 `json:"unfollowed"`
	Bodies     Bodies `json:"bodies"`
	// Marked records break a publication rule of level REJECT.
	Marked uint64 `json:"marked"`
	// Warnings are counted by rule.
	Warnings map[string]uint64 `json:"warnings"`
	// RulesUntil is the entry behind which the rules were given up, for too many
	// marks; absent: they were run on all.
	RulesUntil *uint64 `json:"rules_until,omitempty"`

	VoidLeaves  []Note   `json:"void_leaves,omitempty"`
	LateLeaves  []Note   `json:"late_leaves,omitempty"`
	RepeatsOf   []Note   `json:"repeats_of,omitempty"`
	NewerLeaves []Note   `json:"newer_leaves,omitempty"`
	Marks       []Mark   `json:"marks,omitempty"`
	Erased      []Absent `json:"erased,omitempty"`
	Missing     []Absent `json:"missing,omitempty"`
	// Lost are the files that no source gives as they must be.
	Lost []Lost `json:"lost,omitempty"`

	// Observed is what the servers did on the way; it depends on them and not on the
	// log, and does not change the verdict by itself.
	Observed []Observation `json:"observed,omitempty"`

	clock         logtime.Clock
	compared      bool
	falsehoods    []string
	uncertainties []string
	lastMarked    uint64 // index + 1 of the last marked leaf
	damagedFiles  uint64
	absentFiles   uint64
}

// LogTime sums up when the leaves of a log were seen.
type LogTime struct {
	// Anchors have the quorum of the committee in force, or are a log's own word where it
	// has none. Uncounted lack it: they make no log time.
	Anchors   uint64 `json:"anchors"`
	Uncounted uint64 `json:"uncounted"`
	// Heartbeat is the time of the last anchor; empty: there is none.
	Heartbeat string `json:"heartbeat,omitempty"`
	// Below is its size: leaves below have a log time, later ones are pending.
	Below uint64 `json:"below"`
	// Unwitnessed says that the heartbeat is the log's own word.
	Unwitnessed bool `json:"unwitnessed,omitempty"`
	// WithoutQuorum says why anchors are uncounted.
	WithoutQuorum []Note `json:"without_quorum,omitempty"`
}

// Clock tells the log time of each leaf. It has no anchors where nobody judged them.
func (r *Report) Clock() *logtime.Clock { return &r.clock }

// beat counts an anchor that was judged.
func (r *Report) beat(index uint64, err error) {
	if err != nil {
		r.LogTime.Uncounted++
		list(&r.LogTime.WithoutQuorum, Note{index, err.Error()})
		return
	}
	last, _ := r.clock.Last()
	r.LogTime.Anchors++
	r.LogTime.Heartbeat, r.LogTime.Below, r.LogTime.Unwitnessed = timeOf(last.Time), last.Size, last.Unwitnessed
}

// timeOf writes a Unix second in UTC.
func timeOf(unix int64) string { return time.Unix(unix, 0).UTC().Format(time.RFC3339) }

// Bodies counts the bodies of statements. All are zero in an audit without bodies.
type Bodies struct {
	Verified uint64 `json:"verified"`
	Erased   uint64 `json:"erased"`  // by a notice in the log
	Missing  uint64 `json:"missing"` // not given by any source
	Damaged  uint64 `json:"damaged"` // given, and not what was committed to
}

// Comparison says whether the log continues a head seen before.
type Comparison struct {
	Size    uint64  `json:"size"`
	Root    string  `json:"root"`
	Verdict Verdict `json:"verdict"`
	Why     string  `json:"why,omitempty"`
}

// Note is a word on one leaf.
type Note struct {
	Index uint64 `json:"index"`
	Why   string `json:"why"`
}

// Mark is a publication rule that a record breaks.
type Mark struct {
	Index    uint64 `json:"index"`
	Subject  string `json:"subject"`
	Revision uint32 `json:"revision"`
	Rule     string `json:"rule"`
	Field    string `json:"field,omitempty"`
	Value    string `json:"value,omitempty"`
	Message  string `json:"message"`
}

// Absent is a leaf whose body is not there.
type Absent struct {
	Index   uint64  `json:"index"`
	Subject string  `json:"subject"`
	Body    string  `json:"body"`             // hex SHA-256
	Notice  *uint64 `json:"notice,omitempty"` // index of the notice that erased it
	Why     string  `json:"why,omitempty"`
}

// Lost is a file of the log that no source gives as it must be.
type Lost struct {
	Path string `json:"path"`
	Why  string `json:"why"` // "damaged", "missing" or "unreachable"
}

// Observation is a trouble with one server.
type Observation struct {
	From    string `json:"from"`
	Path    string `json:"path"`
	Problem string `json:"problem"`
}

// maxListed bounds each list of a report.
const maxListed = 1000

func (t trouble) String() string {
	return [...]string{"fine", "unreachable", "missing", "damaged"}[t]
}

func newReport(opts Options) *Report {
	r := &Report{
		Version: 1, Origin: opts.Trust.Origin, City: city(opts),
		Kinds: map[string]uint64{}, Operations: map[string]uint64{}, Provenances: map[string]uint64{}, Warnings: map[string]uint64{},
	}
	if opts.Anchor != nil {
		r.LogTime = &LogTime{}
	}
	if s := opts.Since; s != nil {
		r.Since = &Comparison{Size: s.Size, Root: s.Root.String(), Verdict: CouldNotTell}
	}
	return r
}

// list appends to a list that has room.
func list[T any](to *[]T, v T) {
	if len(*to) < maxListed {
		*to = append(*to, v)
	}
}

func (r *Report) setHead(h client.Head) { r.Size, r.Root = h.Size, h.Root.String() }

// fail records what makes the verdict false.
func (r *Report) fail(why string) { list(&r.falsehoods, why) }

// unknown records what keeps the verdict from being true.
func (r *Report) unknown(why string) { list(&r.uncertainties, why) }

// compare records the root that the log had at the size of the head seen before.
func (r *Report) compare(size uint64, root proof.Hash) {
	if r.Since == nil || r.Since.Size != size {
		return
	}
	r.compared = true
	if r.Since.Root == root.String() {
		r.Since.Verdict = True
		return
	}
	r.Since.Verdict, r.Since.Why = False, "at that size the log now has the root "+root.String()
	r.fail(fmt.Sprintf("the log does not continue the head known before, of size %d", size))
}

// notCompared says why a comparison could not be made.
func (r *Report) notCompared() {
	if r.Since == nil || r.compared {
		return
	}
	if r.Since.Size > r.Size {
		r.Since.Why = "the sources show an older head: they are behind, or the log took entries back"
	} else {
		r.Since.Why = "the log could not be read that far"
	}
	r.unknown(fmt.Sprintf("the log could not be compared with the head known before, of size %d", r.Since.Size))
}

// count counts a statement that stands in its subject's chain.
func (r *Report) count(s *declaration.Statement) {
	r.Statements++
	if s.Revision == 1 {
		r.Subjects++
	}
	r.Kinds[string(s.Subject.Kind)]++
	r.Operations[string(s.Operation)]++
	r.Provenances[string(s.Provenance)]++
}

func (r *Report) void(index uint64, why string) {
	r.Void++
	list(&r.VoidLeaves, Note{index, why})
}

func (r *Report) late(index uint64, what string) {
	r.Late++
	list(&r.LateLeaves, Note{index, what + ", signed with a key that had ended"})
}

func (r *Report) newer(index uint64, why string) {
	r.Newer++
	list(&r.NewerLeaves, Note{index, why})
}

func (r *Report) repeat(index, first uint64) {
	r.Repeats++
	list(&r.RepeatsOf, Note{index, fmt.Sprintf("the same statement as entry %d", first)})
}

// lost records a bundle that no source gives. Where its root could not even be
// learned, the tile above it is what is lost.
func (r *Report) lost(b *bundle) {
	id := tile.ID{Entries: true, Index: b.first / tile.FullWidth, Width: b.width}
	if b.orphan {
		id = tile.ID{Level: 1, Index: id.Index / tile.FullWidth, Width: tile.FullWidth}
	}
	r.lostFile(id, b.trouble)
}

// lostTile records a hash tile over a bundle that no source gives as it must be.
func (r *Report) lostTile(b *bundle) {
	r.lostFile(tile.ID{Index: b.first / tile.FullWidth, Width: b.width}, b.tile)
}

func (r *Report) lostFile(id tile.ID, t trouble) {
	if t == damaged {
		r.damagedFiles++
	} else {
		r.absentFiles++
	}
	list(&r.Lost, Lost{id.Path(), t.String()})
}

// result records what a publication rule says of a record.
func (r *Report) result(st *step, res publication.Result) {
	if res.Level != publication.Reject {
		r.Warnings[res.Rule]++
		return
	}
	if r.lastMarked != st.index+1 {
		r.lastMarked = st.index + 1
		r.Marked++
	}
	s := st.signed.Statement
	list(&r.Marks, Mark{st.index, s.Subject.String(), s.Revision, res.Rule, res.Field, res.Value, res.Message})
}

func (r *Report) erased(a absent, notice uint64) {
	r.Bodies.Erased++
	list(&r.Erased, Absent{a.index, a.subject.String(), fmt.Sprintf("%x", a.body), &notice, ""})
}

func (r *Report) missing(a absent) {
	if a.trouble == damaged {
		r.Bodies.Damaged++
	} else {
		r.Bodies.Missing++
	}
	list(&r.Missing, Absent{a.index, a.subject.String(), fmt.Sprintf("%x", a.body), nil, a.trouble.String()})
}

// finish draws the verdict from all that was recorded.
func (r *Report) finish(observed []Observation) {
	r.Observed = observed
	r.notCompared()
	some := func(n uint64, one, many string) string {
		if n == 1 {
			return "1 " + one
		}
		return fmt.Sprintf("%d %s", n, many)
	}
	if r.damagedFiles > 0 {
		r.fail(some(r.damagedFiles, "tile is damaged", "tiles are damaged"))
	}
	if r.Void > 0 {
		r.fail(some(r.Void, "leaf is void", "leaves are void"))
	}
	if r.Bodies.Damaged > 0 {
		r.fail(some(r.Bodies.Damaged, "body is damaged", "bodies are damaged"))
	}
	if r.absentFiles > 0 {
		r.unknown(some(r.absentFiles, "tile is not to be had", "tiles are not to be had"))
	}
	if r.Bodies.Missing > 0 {
		r.unknown(some(r.Bodies.Missing, "body is missing", "bodies are missing"))
	}
	if r.Newer > 0 {
		r.unknown(some(r.Newer, "leaf needs a newer program", "leaves need a newer program"))
	}
	if r.Unfollowed > 0 {
		r.unknown(some(r.Unfollowed, "leaf stands behind a gap", "leaves stand behind a gap"))
	}
	switch {
	case len(r.falsehoods) > 0:
		r.Verdict = False
	case len(r.uncertainties) > 0:
		r.Verdict = CouldNotTell
	default:
		r.Verdict = True
	}
	r.Reasons = slices.Concat(r.falsehoods, r.uncertainties)
}
