package roster

import (
	"crypto/sha256"
	"fmt"
	"strings"

	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/proof"
)

// Policy writes the policy of a member's log in the epoch in force, for any C2SP tool (c2sp.org/tlog-policy).
func (r *Roster) Policy(m *Member) []byte {
	var b strings.Builder
	log := m.Log()
	e := r.epochOf(m, r.Size()+1)
	fmt.Fprintf(&b, "# cityproof epoch %d, %s\n", e.Number, log.Origin)
	fmt.Fprintf(&b, "log %s %s\n", checkpoint.FormatVKey(log.Keys[len(log.Keys)-1].Keys[0]), m.Entry.GetHttp()+"/log")
	seats, voices := e.committee(m.ID()), e.voicesFor(m.ID())
	if len(seats) == 0 {
		b.WriteString("quorum none\n")
		return []byte(b.String())
	}
	names := make([]string, len(seats))
	for i, id := range seats {
		w := r.members[id]
		names[i] = fmt.Sprintf("w%d", i+1)
		fmt.Fprintf(&b, "witness %s %s %s/witness\n", names[i], checkpoint.FormatVKey(voices[id].Witness), w.Entry.GetHttp())
	}
	fmt.Fprintf(&b, "group committee %d %s\nquorum committee\n", Quorum(len(seats)), strings.Join(names, " "))
	return []byte(b.String())
}

func sha256Of(parts ...[]byte) (sum proof.Hash) {
	h := sha256.New()
	for _, p := range parts {
		h.Write(p)
	}
	h.Sum(sum[:0])
	return sum
}
