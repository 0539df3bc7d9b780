package roster_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"testing"

	registryv1 "github.com/cityproof/cityproof/api/cityproof/registry/v1"
	logproof "github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/roster"
)

var update = flag.Bool("update", false, "write testdata anew")

// seatVector is one draw, for whoever computes committees in another language.
type seatVector struct {
	Name       string      `json:"name"`
	Seed       string      `json:"seed"` // hexadecimal
	Log        string      `json:"log"`
	Candidates [][3]string `json:"candidates"` // id, country, operator
	Before     []string    `json:"before"`     // null where there was no committee
	Seats      []string    `json:"seats"`
}

func (v *seatVector) draw(t *testing.T) []string {
	t.Helper()
	seed, err := hex.DecodeString(v.Seed)
	if err != nil {
		t.Fatal(err)
	}
	var pool []*registryv1.Member
	for _, c := range v.Candidates {
		pool = append(pool, &registryv1.Member{Id: &c[0], Country: &c[1], Operator: &c[2]})
	}
	return roster.Seats(logproof.Hash(seed), v.Log, pool, v.Before, v.Before != nil)
}

// candidates invents n of them; by says who is of which country and whose machine.
func candidates(n int, by func(i int) (country, operator string)) [][3]string {
	var out [][3]string
	for i := range n {
		id := fmt.Sprintf("xx-member%02d", i)
		country, operator := by(i)
		if operator == "" {
			operator = id
		}
		out = append(out, [3]string{id, country, operator})
	}
	return out
}

func TestSeatVectors(t *testing.T) {
	const file = "testdata/seats.json"
	if *update {
		writeSeatVectors(t, file)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var vectors []seatVector
	if err := json.Unmarshal(b, &vectors); err != nil {
		t.Fatal(err)
	}
	if len(vectors) < 7 {
		t.Fatalf("%d vectors, want 7 or more", len(vectors))
	}
	for _, v := range vectors {
		if got := v.draw(t); !slices.Equal(got, v.Seats) {
			t.Errorf("%s: seats %v, want %v", v.Name, got, v.Seats)
		}
	}
}

func writeSeatVectors(t *testing.T, file string) {
	t.Helper()
	five := func(i int) (string, string) { return []string{"NL", "DE", "FR", "JP", "KR"}[i%5], "" }
	one := func(int) (string, string) { return "NL", "" }
	hosted := func(i int) (string, string) {
		if i%2 == 0 {
			return []string{"NL", "DE", "FR"}[i%3], "xx-host"
		}
		return []string{"JP", "KR", "BR"}[i%3], ""
	}
	seed := func(s string) string { sum := sha256.Sum256([]byte(s)); return hex.EncodeToString(sum[:]) }
	vectors := []seatVector{
		{Name: "nobody", Seed: seed("a"), Log: "nl-kanaalstad"},
		{Name: "three", Seed: seed("a"), Log: "nl-kanaalstad", Candidates: candidates(3, five)},
		{Name: "thirty of five countries", Seed: seed("a"), Log: "nl-kanaalstad", Candidates: candidates(30, five)},
		{Name: "the same for another log", Seed: seed("a"), Log: "jp-tsukuba", Candidates: candidates(30, five)},
		{Name: "thirty of one country: the cap can't be met", Seed: seed("a"), Log: "nl-kanaalstad", Candidates: candidates(30, one)},
		{Name: "half on one machine", Seed: seed("a"), Log: "nl-kanaalstad", Candidates: candidates(30, hosted)},
	}
	before := vectors[2]
	vectors = append(vectors,
		seatVector{Name: "the next epoch: four newcomers", Seed: seed("b"), Log: before.Log, Candidates: before.Candidates, Before: before.draw(t)},
		seatVector{Name: "six have left: empty seats are filled", Seed: seed("b"), Log: before.Log, Before: before.draw(t),
			Candidates: slices.DeleteFunc(slices.Clone(before.Candidates), func(c [3]string) bool { return slices.Contains(before.draw(t)[:6], c[0]) })})
	for i := range vectors {
		vectors[i].Seats = vectors[i].draw(t)
	}
	b, err := json.MarshalIndent(vectors, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll("testdata", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, append(b, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}
