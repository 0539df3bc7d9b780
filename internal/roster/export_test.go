package roster

import (
	registryv1 "github.com/cityproof/cityproof/api/cityproof/registry/v1"
	"github.com/cityproof/cityproof/internal/act"
	"github.com/cityproof/cityproof/internal/proof"
)

// CommitteesOf draws all committees as from nothing, with a seed.
func (r *Roster) CommitteesOf(seed proof.Hash) map[string][]string {
	return r.committees(Epoch{Seed: seed}, nil)
}

// Seats draws one committee from candidates of whom only id, country and operator are known.
func Seats(seed proof.Hash, log string, candidates []*registryv1.Member, before []string, had bool) []string {
	var pool []candidate
	for _, c := range candidates {
		pool = append(pool, candidate{&Member{Member: &act.Member{Entry: c}}, score(seed, log, c.GetId())})
	}
	sortByScore(pool)
	return seat(pool, before, had)
}
