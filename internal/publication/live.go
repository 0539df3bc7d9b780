package publication

import (
	"errors"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	declarationv1 "github.com/cityproof/cityproof/api/cityproof/declaration/v1"
	"github.com/cityproof/cityproof/internal/declaration"
	"github.com/cityproof/cityproof/internal/proof"
)

// batch is what CheckLive knows while it runs.
type batch struct {
	records []Record
	reports []report
	// before is the city as it stands, after is the city with all of the batch.
	before, after *view
	last          map[declaration.Subject]int // index of a subject's last record
	keys          []keySet                    // by record
	judged        map[declaration.Subject]bool
}

// CheckLive runs the rules that look at other records, for a batch that is
// published all or nothing: V-02 through declaration.CheckChain, V-10, V-14, V-16,
// V-18, V-24, V-31, V-34, V-43, V-63, and V-01's question who may publish findings.
// Each record sees the city's records, and those before and after it in the batch.
// A record outside the batch that a change would break is reported where the change
// is, unless it was broken already.
//
// leaves holds each record's leaf hash, for chains inside the batch; it may be nil
// where none are known yet and no subject stands twice. The results are by record;
// an error is only ever live's.
func CheckLive(records []Record, leaves []proof.Hash, live Live) ([][]Result, error) {
	st := &store{live: live, known: map[declaration.Subject]*Newest{}}
	b := &batch{
		records: records, reports: make([]report, len(records)), keys: make([]keySet, len(records)),
		before: newView(st), after: newView(st),
		last: make(map[declaration.Subject]int, len(records)), judged: map[declaration.Subject]bool{},
	}
	byLast := make(map[declaration.Subject][]Key, len(records))
	for i, rec := range records {
		b.reports[i] = newReport(rec.Statement)
		var leaf proof.Hash
		if i < len(leaves) {
			leaf = leaves[i]
		}
		b.checkChain(i)
		b.after.apply(rec, leaf)
		b.keys[i] = rec.keySet()
		b.last[rec.Statement.Subject] = i
		byLast[rec.Statement.Subject] = b.keys[i].all()
	}
	b.after.index(byLast)
	for i := range records {
		b.check(i)
	}
	if st.err != nil {
		return nil, st.err
	}
	out := make([][]Result, len(records))
	for i := range out {
		out[i] = b.reports[i].results
	}
	return out, nil
}

func (b *batch) check(i int) {
	rec := b.records[i]
	if rec.Statement.Operation == declaration.Withdraw {
		b.checkReferrers(i)
	} else {
		b.checkReferences(i)
		b.checkDuplicates(i)
	}
	switch r := rec.Body.GetRecord().(type) {
	case *declarationv1.Body_Deployment:
		if rec.Statement.Operation != declaration.Withdraw {
			b.checkLiveDeployment(i, r.Deployment)
		}
	case *declarationv1.Body_DataUse:
		b.checkUsers(i)
	case *declarationv1.Body_Assessment:
		b.checkCovered(i)
		if rec.Statement.Operation != declaration.Withdraw {
			b.checkOwnAssessor(i, r.Assessment)
		}
	case *declarationv1.Body_Commitment:
		if rec.Statement.Operation != declaration.Withdraw {
			b.checkNegative(i, r.Commitment)
		}
	case *declarationv1.Body_Service:
		if rec.Statement.Operation != declaration.Withdraw {
			b.checkOffline(i, r.Service)
		}
	case *declarationv1.Body_Finding:
		b.checkFinder(i)
	}
}

// checkChain is V-02. It runs before record i is applied to b.after, which
// therefore is the city as the records before it leave it.
func (b *batch) checkChain(i int) {
	st := b.records[i].Statement
	old := b.after.newest(st.Subject)
	var head *declaration.Head
	if old != nil {
		head = &old.Head
	}
	if err := st.CheckChain(head); err != nil {
		var chain *declaration.ChainError
		errors.As(err, &chain)
		b.reports[i].add(Result{
			Rule: "V-02", Level: Reject, Field: "revision", Value: fmt.Sprint(st.Revision), Chain: chain,
			Message: fmt.Sprintf("This does not follow what the log has of %s.", err),
			Hint:    "Somebody published in between, it seems. Look at the newest revision (cityproof show) and sign again.",
		})
		return
	}
	if st.Operation == declaration.Withdraw && old.Body != nil && !proto.Equal(recordOf(old.Body), recordOf(b.records[i].Body)) {
		b.reports[i].wrong("V-02", string(st.Subject.Kind), "", "A withdrawal repeats the last record unchanged, and this differs from it.",
			"Withdraw with cityproof withdraw, which repeats it; to change it as well, amend it first.")
	}
}

func recordOf(body *declarationv1.Body) proto.Message {
	m := body.ProtoReflect()
	fd := m.WhichOneof(m.Descriptor().Oneofs().ByName("record"))
	if fd == nil {
		return nil
	}
	return m.Get(fd).Message().Interface()
}

// checkReferences is V-16 for what a record names.
func (b *batch) checkReferences(i int) {
	own, r := b.records[i].Statement.Subject, &b.reports[i]
	eachReference(b.records[i].Body, func(ref reference) {
		s, err := declaration.ParseSubject(ref.value)
		if err != nil {
			return // CheckRecord has said so
		}
		n := b.after.newest(s)
		switch {
		case s == own:
			r.wrong("V-16", ref.path(), ref.value, "The record names itself.", "Take it out.")
		case n == nil:
			r.wrong("V-16", ref.path(), ref.value, "The log has no such record.",
				"Check the number, or declare it in the same file.")
		case ref.link && n.Head.Withdrawn():
			r.wrong("V-16", ref.path(), ref.value, "That record is withdrawn.", "Name the one that took its place, or take this out.")
		}
	})
}

// checkReferrers is V-16 for those that name what is withdrawn.
func (b *batch) checkReferrers(i int) {
	s := b.records[i].Statement.Subject
	if b.after.isLive(s) {
		return // reinstated in the same batch
	}
	if by := b.after.linking(s); len(by) > 0 {
		b.reports[i].wrong("V-16", string(s.Kind), s.String(), fmt.Sprintf("It can't be withdrawn while other records name it: %s.", names(by)),
			"Amend or withdraw those in the same file.")
	}
}

// checkDuplicates is V-18. Of two that stand in the batch the later one is told.
func (b *batch) checkDuplicates(i int) {
	st, keys, r := b.records[i].Statement, b.keys[i], &b.reports[i]
	if twins := b.others(i, keys.nickname, false); len(twins) > 0 {
		r.wrong("V-18", "nickname", b.records[i].Body.GetNickname(), fmt.Sprintf("%s has this nickname already.", names(twins)), "Choose another one.")
	}
	prefix := string(st.Subject.Kind) + "."
	for _, k := range []struct {
		key             Key
		withdrawn       bool // also if the other one is withdrawn: nothing is laundered
		field, value    string
		message, advice string
	}{
		{keys.body, false, string(st.Subject.Kind), "", "says the same, word for word", "Is it published twice?"},
		{keys.source, true, "source_id", b.records[i].Body.GetSourceId(), "has the same source id", "Amend that one, or say that this continues it:"},
		{keys.sites, true, prefix + "sites", "", "has the same sites", "If this continues it, say so:"},
		{keys.name, true, prefix + "name", "", "has the same name", "If this continues it, say so:"},
	} {
		twins := slices.DeleteFunc(b.others(i, k.key, k.withdrawn), func(s declaration.Subject) bool { return b.continues(i, s) })
		if len(twins) > 0 {
			r.warn("V-18", k.field, k.value, fmt.Sprintf("%s %s.", names(twins), k.message), fmt.Sprintf("%s  replaces: [%s]", k.advice, twins[0]))
			return
		}
	}
}

// others returns the other subjects with a key; those later in the batch are left
// to tell of it themselves.
func (b *batch) others(i int, k Key, withdrawn bool) []declaration.Subject {
	own := b.records[i].Statement.Subject
	return slices.DeleteFunc(b.after.find(k), func(s declaration.Subject) bool {
		at, inBatch := b.last[s]
		return s == own || inBatch && at > i || !withdrawn && !b.after.isLive(s)
	})
}

// continues reports whether record i and s say that one replaces the other.
func (b *batch) continues(i int, s declaration.Subject) bool {
	if slices.Contains(b.records[i].Body.GetReplaces(), s.String()) {
		return true
	}
	n := b.after.newest(s)
	return n != nil && slices.Contains(n.Body.GetReplaces(), b.records[i].Statement.Subject.String())
}

// checkFinder is V-01's question who may publish findings: only the secretariat's
// own log holds them.
func (b *batch) checkFinder(i int) {
	for _, s := range b.after.find(memberKey(declarationv1.MemberKind_MEMBER_KIND_SECRETARIAT)) {
		if b.after.isLive(s) {
			return
		}
	}
	b.reports[i].wrong("V-01", "finding", b.records[i].Statement.City, "Findings stand only in the secretariat's log.",
		"To contradict a finding about your city, publish a notice of type dispute.")
}
