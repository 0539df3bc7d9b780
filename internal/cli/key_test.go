package cli_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	registryv1 "github.com/cityproof/cityproof/api/cityproof/registry/v1"
	"github.com/cityproof/cityproof/internal/act"
	"github.com/cityproof/cityproof/internal/alliancetest"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/roster"
	"github.com/cityproof/cityproof/internal/signingkey"
	"github.com/cityproof/cityproof/internal/testenv"
	"github.com/cityproof/cityproof/internal/tile"
)

// world is an alliance whose registry lies in a folder, with the keys of its people as files.
type world struct {
	t        *testing.T
	dir      string
	cities   []*alliancetest.City
	root     string // file
	registry *alliancetest.Log
	roster   *roster.Roster
}

// newWorld founds an alliance of four. Each city has two officers, unless edit says otherwise.
func newWorld(t *testing.T, edit func(*registryv1.Member)) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir()}
	for _, id := range []string{"xx-secretariat", "nl-kanaalstad", "jp-minato", "ke-mwambao"} {
		c := alliancetest.NewCity(t, id)
		if edit != nil {
			edit(c.Entry)
		}
		w.cities = append(w.cities, c)
	}
	first := alliancetest.Found(t, w.cities...)
	b, err := first.Format()
	must(t, err)
	w.root = write(t, w.dir, "root.json", b)
	w.registry = alliancetest.NewLog(t, w.cities[0])
	w.roster, err = roster.New(first)
	must(t, err)
	w.show()
	return w
}

// show writes the registry into its folder.
func (w *world) show() {
	w.t.Helper()
	note, err := w.registry.Checkpoint(w.t.Context())
	must(w.t, err)
	write(w.t, w.dir, "checkpoint", note)
	if n := len(w.registry.Entries); n > 0 {
		id := tile.ID{Entries: true, Width: n}
		file := filepath.Join(w.dir, filepath.FromSlash(id.Path()))
		must(w.t, os.MkdirAll(filepath.Dir(file), 0o700))
		var b []byte
		for _, e := range w.registry.Entries {
			var err error
			b, err = tile.AppendEntry(b, e)
			must(w.t, err)
		}
		must(w.t, os.WriteFile(file, b, 0o600))
	}
}

// enter has an act take effect.
func (w *world) enter(what proto.Message, signers ...string) {
	w.t.Helper()
	b := alliancetest.Act(w.t, w.roster, what, alliancetest.Named(signers...)...)
	out, err := w.roster.Apply(b, nil)
	if err != nil || out.Kind != roster.Effective {
		w.t.Fatalf("the act: %+v %v", out, err)
	}
	w.registry.Append(b)
	w.show()
}

// final is a final note of a city's log.
func (w *world) final(c *alliancetest.City) []byte {
	w.t.Helper()
	var others []*alliancetest.City
	for _, o := range w.cities {
		if o != c {
			others = append(others, o)
		}
	}
	return c.Note(w.t, 5, proof.LeafHash([]byte("five")), alliancetest.FoundedAt, others...)
}

// key writes the key of a name ("nl-kanaalstad officer-1") as a file.
func (w *world) key(name string, role signingkey.Role) string {
	w.t.Helper()
	label := name[strings.LastIndexByte(name, ' ')+1:]
	text := fmt.Sprintf("cityproof-key 1\nrole %s\nlabel %s\nalgorithm ed25519\nseed %s\n", role, label,
		base64.StdEncoding.EncodeToString(alliancetest.Key(name).Seed()))
	return write(w.t, w.dir, strings.ReplaceAll(name, " ", "-")+".key", []byte(text))
}

// ask runs a verb in this alliance.
func (w *world) ask(args ...string) ran {
	w.t.Helper()
	return run(w.t, append(args, "--root", w.root, "--registry", w.dir)...)
}

// request has an officer ask for the key of a name.
func (w *world) request(name string) string {
	w.t.Helper()
	out := filepath.Join(w.t.TempDir(), "officer.request.json")
	w.ask("key", "request", "--city", "nl-kanaalstad", "--key", w.key(name, signingkey.Publisher), "--out", out).exit(w.t, 0, "cityproof key approve")
	return out
}

func TestOfficersKeyIsAskedForApprovedAndCounts(t *testing.T) {
	w := newWorld(t, func(m *registryv1.Member) { m.PublishThreshold = proto.Uint32(2) })
	file := filepath.Join(w.dir, "new.key")
	req := filepath.Join(w.dir, "officer-3.request.json")
	ask := []string{"key", "request", "--city", "nl-kanaalstad", "--label", "officer-3", "--key", file, "--plain", "--out", req}
	w.ask(ask...).exit(t, 0, "officer-3 asks to publish for nl-kanaalstad", "Made "+file)
	key, err := signingkey.ReadFile(file, nil)
	must(t, err)
	public := base64.StdEncoding.EncodeToString(key.Public())
	w.ask(ask...).exit(t, 0, public) // again, with the key that is there

	one := w.key("nl-kanaalstad officer-1", signingkey.Publisher)
	w.ask("key", "approve", req, "--key", one).exit(t, 2, "nobody is here to confirm", public)
	w.ask("key", "approve", req, "--key", one, "--yes").exit(t, 0, public, "1 of 2 officers", "the next colleague")
	w.ask("key", "approve", req, "--key", one, "--yes").exit(t, 2, "officer-1 has signed already")
	w.ask("alliance", "review", req).exit(t, 1, "officer-3", "1 of 2 officers")
	w.ask("key", "approve", req, "--key", w.key("nl-kanaalstad officer-2", signingkey.Publisher), "--yes").exit(t, 0, "2 of 2 officers", "cityproof alliance admit")
	w.ask("alliance", "review", req).exit(t, 0, "publisher", "officer-3 "+public)

	w.enter(&registryv1.Update{Request: read(t, req)}, "act 1", "act 2")
	if !w.roster.Member("nl-kanaalstad").MayPublish(key.Public(), 7) {
		t.Error("the new key may not publish")
	}
	w.ask("key", "doctor", "--key", file, "--without-recovery").exit(t, 0, "officer-3 of nl-kanaalstad", "All is well")
	w.ask(ask...).exit(t, 2, "officer-3 of nl-kanaalstad already")
	w.ask("key", "approve", req, "--key", one, "--yes").exit(t, 1, "an earlier entry")
}

// T-06: a key that nobody showed to hold is no officer's, and a request that does more than add one is not approved as such.
func TestT06KeyApproveRefuses(t *testing.T) {
	w := newWorld(t, nil)
	city, in := w.cities[1], w.roster.Member("nl-kanaalstad").Member
	add := func(e *registryv1.Member) { e.Publishers = append(e.Publishers, city.Publisher("officer-3")) }
	keys := func(names ...string) []byte {
		return city.Change(t, w.cities[0].Origin, in, add, nil, city.Keys(names...)...).Envelope.Format()
	}
	one := w.key("nl-kanaalstad officer-1", signingkey.Publisher)
	for _, test := range []struct {
		name    string
		request []byte
		code    int
		says    string
	}{
		{"without the new key's signature", keys("officer-2"), 1, "the new key did not sign"},
		{"with a stranger's signature", city.Change(t, w.cities[0].Origin, in, add, nil, alliancetest.Named("nl-kanaalstad officer-3", "a stranger")...).Envelope.Format(), 1, "error:"},
		{"for another registry", city.Change(t, "elsewhere.example/log", in, add, nil, city.Keys("officer-3")...).Envelope.Format(), 1, "elsewhere.example/log"},
		{"that moves the node too", city.Change(t, w.cities[0].Origin, in, func(e *registryv1.Member) { add(e); e.Http = proto.String("https://thief.example") }, nil, city.Keys("officer-3")...).Envelope.Format(), 1, "changes 2 things"},
		{"that adds nobody", city.Change(t, w.cities[0].Origin, in, func(e *registryv1.Member) { e.Name = proto.String("Another") }, nil, city.Keys("officer-2")...).Envelope.Format(), 1, "changes 1 things"},
		{"that drops a colleague", city.Change(t, w.cities[0].Origin, in, func(e *registryv1.Member) { add(e); e.Publishers = e.Publishers[1:] }, nil, city.Keys("officer-3")...).Envelope.Format(), 1, "changes 2 things"},
		{"of a city that would join", w.cities[2].Join(t, w.cities[0].Origin).Envelope.Format(), 1, "earlier entry"},
		{"that is none", []byte("{}"), 1, "parsing"},
	} {
		file := write(t, t.TempDir(), "r.json", test.request)
		got := w.ask("key", "approve", file, "--key", one, "--yes")
		t.Run(test.name, func(t *testing.T) { got.exit(t, test.code, test.says) })
		if string(read(t, file)) != string(test.request) {
			t.Errorf("%s: it was signed", test.name)
		}
	}
	good := w.request("nl-kanaalstad officer-3")
	w.ask("key", "approve", good, "--yes", "--key", w.key("jp-minato officer-1", signingkey.Publisher)).exit(t, 2, "none of the officers' of nl-kanaalstad")
	w.ask("key", "approve", good, "--yes", "--key", w.key("nl-kanaalstad officer-3", signingkey.Publisher)).exit(t, 2, "none of the officers' of nl-kanaalstad")
	w.ask("key", "approve", good, "--yes", "--key", w.key("nl-kanaalstad recovery", signingkey.Recovery)).exit(t, 2, "recovery key")
}

func TestKeyRequestRefusesWhatCouldNotBeEntered(t *testing.T) {
	w := newWorld(t, nil)
	mine := filepath.Join(w.dir, "mine.key")
	ask := func(args ...string) ran {
		return w.ask(append([]string{"key", "request", "--plain", "--key", mine}, args...)...)
	}
	ask("--label", "officer-3").exit(t, 2, "which city?")
	ask("--label", "officer-3", "--city", "xx-nowhere").exit(t, 2, "is no member")
	ask("--city", "nl-kanaalstad").exit(t, 2, "which office?")
	ask("--label", "Jan de Vries", "--city", "nl-kanaalstad").exit(t, 2, "for example")
	ask("--label", "officer-1", "--city", "nl-kanaalstad").exit(t, 2, "with another key", "cityproof key retire officer-1 --lost")
	if _, err := os.Stat(mine); err == nil {
		t.Error("a key was made that nobody asks for")
	}
	run(t, "key", "request", "--label", "officer-3", "--city", "nl-kanaalstad").exit(t, 2, "which alliance?", "cityproof use")
}

func TestKeyDoctorNamesWhatIsWrong(t *testing.T) {
	testenv.SkipInRace(t)
	w := newWorld(t, func(m *registryv1.Member) {
		if m.GetId() == "jp-minato" {
			m.Publishers = m.Publishers[:1]
		}
	})
	one, two := w.key("nl-kanaalstad officer-1", signingkey.Publisher), w.key("nl-kanaalstad officer-2", signingkey.Publisher)
	recovery := w.key("nl-kanaalstad recovery", signingkey.Recovery)
	doctor := func(args ...string) ran { return w.ask(append([]string{"key", "doctor"}, args...)...) }
	doctor("--key", one, "--key", recovery).exit(t, 0, "officer-1 could be retired at once by officer-2", "the recovery key of nl-kanaalstad", "recovery key was read", "not encrypted", "All is well")
	doctor("--key", one).exit(t, 1, "PROBLEM the recovery key of nl-kanaalstad was not rehearsed", "1 to mend")
	var h struct {
		Keys     []struct{ Key, Known string }
		Problems []struct{ What, Hint string }
	}
	problems := func(args ...string) string {
		t.Helper()
		got := doctor(append(args, "--json")...)
		must(t, json.Unmarshal([]byte(got.out), &h))
		if got.code != 1 {
			t.Errorf("exit code %d with the problems %v", got.code, h.Problems)
		}
		var all strings.Builder
		for _, p := range h.Problems {
			fmt.Fprintf(&all, "%s (%s)\n", p.What, p.Hint)
			if p.Hint == "" {
				t.Errorf("no hint for %s", p.What)
			}
		}
		return all.String()
	}
	stranger := w.key("a stranger", signingkey.Publisher)
	torn := write(t, w.dir, "torn.key", read(t, one)[:40])
	open := w.key("ke-mwambao officer-1", signingkey.Publisher)
	must(t, os.Chmod(open, 0o644))
	for _, test := range []struct {
		says string
		args []string
	}{
		{"no key is here", nil},
		{"does not know this publisher key (ask for it: cityproof key request", []string{"--key", stranger}},
		{"not a Cityproof key file", []string{"--key", torn}},
		{"can be read by others", []string{"--key", open}},
		{"no such file", []string{"--key", filepath.Join(w.dir, "gone.key")}},
		{"jp-minato has one officer", []string{"--key", w.key("jp-minato officer-1", signingkey.Publisher)}},
		{"does not know this act key", []string{"--key", w.key("another act", signingkey.Act)}},
		{"was made as a node key, and is officer-1", []string{"--key", w.key("xx-secretariat officer-1", signingkey.Node)}},
	} {
		if got := problems(test.args...); !strings.Contains(got, test.says) {
			t.Errorf("doctor %v finds %s, want %q", test.args, got, test.says)
		}
	}
	doctor("--key", w.key("act 1", signingkey.Act), "--key", w.key("root 1", signingkey.Root), "--city", "nl-kanaalstad", "--without-recovery").exit(t, 0, "an act key", "a root key, version 1")

	city := w.cities[1]
	w.enter(&registryv1.RevokeKey{Member: &city.ID, Key: alliancetest.Public("nl-kanaalstad officer-2"), FinalNote: w.final(city)}, "nl-kanaalstad officer-1")
	if got := problems("--key", two); !strings.Contains(got, "was officer-2 of nl-kanaalstad and is retired") || !strings.Contains(got, "has one officer") {
		t.Errorf("of a retired key the doctor finds %s", got)
	}
	w.ask("key", "request", "--city", "nl-kanaalstad", "--key", two).exit(t, 1, "is retired")
	w.ask("key", "retire", "officer-1", "--key", two, "--yes").exit(t, 1, "your key, officer-2, is retired")
	w.ask("key", "retire", "officer-2", "--key", one, "--yes").exit(t, 1, "retired already")
	w.ask("key", "retire", "officer-1", "--key", one, "--yes").exit(t, 2, "can't retire itself")
	w.ask("key", "retire", "officer-9", "--key", one, "--yes").exit(t, 2, "has no officer")
	w.ask("key", "retire", "officer-1", "--key", stranger, "--yes").exit(t, 2, "no officer's of any member")

	// Who comes after a retired officer: their label is free again, and the entry in force is cleared of them.
	next := w.request("a new officer-2")
	w.ask("key", "approve", next, "--key", one, "--yes").exit(t, 0, "1 of 1 officers")
	r, err := act.ParseRequest(read(t, next))
	must(t, err)
	if n := len(r.Member.Entry.GetPublishers()); n != 2 {
		t.Errorf("the new entry has %d officers, want 2", n)
	}
	w.enter(&registryv1.Update{Request: read(t, next)}, "act 1", "act 2")
}
