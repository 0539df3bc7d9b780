package signingkey_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/cityproof/cityproof/internal/checkpoint"
	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/signingkey"
	"github.com/cityproof/cityproof/internal/testenv"
)

// real is the world as the code makes it: directories on disk, and the processes'
// State and LogSigner.
type real struct {
	t     *testing.T
	p     protocol
	keys  logKeys
	check []*checkpoint.Verifier
	dirs  [2]string
	disk  [2][]byte // lastsigned as it was when its directory was synced last
	procs [2]realProc
}

type realProc struct {
	state  *signingkey.State
	signer *signingkey.LogSigner
	note   []byte
	steps  []signingkey.Step
}

func newReal(t *testing.T, p protocol, keys logKeys) *real {
	t.Helper()
	r := &real{t: t, p: p, keys: keys}
	for i := range r.dirs {
		r.dirs[i] = filepath.Join(t.TempDir(), "state")
	}
	s := openState(t, r.dirs[0])
	for _, vkey := range keys.signer(t, s).VKeys() {
		v, err := checkpoint.ParseVerifier(vkey)
		if err != nil {
			t.Fatal(err)
		}
		r.check = append(r.check, v)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return r
}

func (h hist) root() proof.Hash { return proof.LeafHash([]byte{byte(h)}) }

func clock(t uint8) time.Time { return noon.Add(time.Duration(t) * time.Hour) }

// model turns a note back into the model's.
func (r *real) model(note []byte) mnote {
	r.t.Helper()
	if note == nil {
		return 0
	}
	v, err := checkpoint.Verify(note, r.check, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	for h := newHist(uint8(v.Checkpoint.Size), 0); h.size() == uint8(v.Checkpoint.Size); h++ {
		if h.root() != v.Checkpoint.Root {
			continue
		}
		for _, s := range v.Log {
			if s.Timestamp != 0 {
				return newNote(h, uint8((int64(s.Timestamp)-noon.Unix())/3600))
			}
		}
	}
	r.t.Fatalf("size %d has a root that the test did not make", v.Checkpoint.Size)
	return 0
}

func (r *real) file(dir int, name string) []byte {
	r.t.Helper()
	b, err := os.ReadFile(filepath.Join(r.dirs[dir], name))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		r.t.Fatal(err)
	}
	return b
}

// put writes a file of a state directory in place, or removes it.
func (r *real) put(dir int, name string, content []byte) {
	r.t.Helper()
	file := filepath.Join(r.dirs[dir], name)
	err := os.RemoveAll(file)
	if content != nil {
		err = os.WriteFile(file, content, 0o600)
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *real) down(i int) {
	r.t.Helper()
	if s := r.procs[i].state; s != nil {
		if err := s.Close(); err != nil {
			r.t.Fatal(err)
		}
	}
	r.procs[i] = realProc{}
}

// do does what the model did; w is the world that the model says follows.
func (r *real) do(a action, w world) error {
	pr, dir := &r.procs[a.proc], r.p.dirOf(a.proc)
	switch a.kind {
	case "open":
		return r.open(a, w)
	case "kill":
		r.down(a.proc)
	case "power loss":
		for i := range r.procs {
			if r.p.dirOf(i) == a.proc {
				r.down(i)
			}
		}
		r.put(a.proc, "lastsigned.new", nil)
		if a.arg == 0 {
			r.put(a.proc, "lastsigned", r.disk[a.proc])
		}
		r.disk[a.proc] = r.file(a.proc, "lastsigned")
	case "copy":
		if err := os.RemoveAll(r.dirs[1]); err != nil {
			return err
		}
		if err := os.CopyFS(r.dirs[1], os.DirFS(r.dirs[0])); err != nil {
			return err
		}
		r.disk[1] = r.file(1, "lastsigned")
	case "adopt":
		was, last, err := signingkey.Adopt(r.dirs[1])
		if err != nil || was == nil || r.model(last) != w.dirs[1].last {
			return fmt.Errorf("adopt: was %w, %w", was, err)
		}
		r.put(1, "lastsigned.new", nil) // the next open would
	case "lose lock":
		return pr.state.LoseLock()
	case "sign":
		note, err := pr.signer.Make(uint64(w.procs[a.proc].head.size()), w.procs[a.proc].head.root(), clock(a.arg))
		if err != nil || r.model(note) != w.procs[a.proc].note {
			return fmt.Errorf("another note than the model's: %w", err)
		}
		pr.note, pr.steps = note, pr.state.Steps(note)
	case "publish":
		// The model's process goes on with the note as its last one; so does Sign.
		pr.signer = r.keys.signer(r.t, pr.state)
	case "restore", "commit", "head", "extends", "publish last": // of the data, or nothing that this package does
	default:
		st := pr.steps[0]
		if pr.steps = pr.steps[1:]; st.Name != a.kind {
			return fmt.Errorf("the code's next step is %q", st.Name)
		}
		if err := st.Do(); (err == nil) != (a.arg == 1) {
			return fmt.Errorf("the step ended with %w", err)
		}
		if a.kind == "syncdir" && a.arg == 1 {
			r.disk[dir] = r.file(dir, "lastsigned")
		}
	}
	return nil
}

func (r *real) open(a action, w world) error {
	pr, dir := &r.procs[a.proc], r.p.dirOf(a.proc)
	s, err := signingkey.OpenState(r.dirs[dir])
	if err != nil {
		return err
	}
	pr.state, pr.signer = s, r.keys.signer(r.t, s)
	r.disk[dir] = r.file(dir, "lastsigned")
	if s.Foreign() != nil {
		return s.Foreign()
	}
	if a.arg == 0 { // the ledger finds that the data contradict it
		r.down(a.proc)
		return nil
	}
	if r.model(s.Last()) != w.procs[a.proc].mem {
		return errors.New("it remembers another note than the model")
	}
	return nil
}

// same compares the directories with the model's.
func (r *real) same(w world) error {
	for d := range r.dirs {
		if d == 1 && !w.copied {
			continue
		}
		if got := r.model(r.file(d, "lastsigned")); got != w.dirs[d].last {
			return fmt.Errorf("directory %d has last signed %v, the model %v", d, got, w.dirs[d].last)
		}
		if got := r.file(d, "lastsigned.new") != nil; got != (w.dirs[d].tmp != 0) {
			return fmt.Errorf("directory %d has a new file: %v, the model: %v", d, got, !got)
		}
	}
	return nil
}

// refusals checks that the code refuses to open wherever the model can't.
func (r *real) refusals(w world, can []action) error {
	for i := range r.procs {
		d := r.p.dirOf(i)
		if w.procs[i].pc != down || w.destroyed && i == 0 || d == 1 && !w.copied ||
			slices.ContainsFunc(can, func(a action) bool { return a.kind == "open" && a.proc == i }) {
			continue
		}
		before := r.file(d, "lastsigned")
		s, err := signingkey.OpenState(r.dirs[d])
		if err != nil {
			if !errors.Is(err, signingkey.ErrLocked) {
				return err
			}
			continue
		}
		err = s.Swap([]byte("a note"))
		if cerr := s.Close(); cerr != nil {
			return cerr
		}
		var foreign *signingkey.ForeignError
		if !errors.As(err, &foreign) || !bytes.Equal(r.file(d, "lastsigned"), before) {
			return fmt.Errorf("process %d may sign where the model may not: %w", i, err)
		}
	}
	return nil
}

// walk goes a random way through the model with the code beside it.
func walk(t *testing.T, p protocol, keys logKeys, seed uint64, length int) map[string]int {
	rnd := rand.New(rand.NewPCG(seed, 2))
	r, w := newReal(t, p, keys), p.start()
	did := map[string]int{}
	var way []action
	for range length {
		var can []action
		var worlds []world
		p.next(w, func(a action, n world) {
			can, worlds = append(can, a), append(worlds, n)
		})
		if err := r.refusals(w, can); err != nil {
			t.Fatalf("seed %d: %v, after%s", seed, err, path(way))
		}
		// What ends a process is rare, or none would get far.
		pick := rnd.IntN(len(can))
		for slices.Contains([]string{"kill", "power loss", "restore", "copy", "lose lock"}, can[pick].kind) && rnd.IntN(12) > 0 || can[pick].kind == "open" && can[pick].arg == 0 && rnd.IntN(4) > 0 {
			pick = rnd.IntN(len(can))
		}
		way = append(way, can[pick])
		w = worlds[pick]
		if w.bad != "" {
			t.Fatalf("seed %d: the model itself: %s", seed, w.bad)
		}
		if w.dirs[0].damaged || w.dirs[1].damaged {
			break // only after a lost lock; the test can't lose single bytes of a file
		}
		err := r.do(can[pick], w)
		if err == nil {
			err = r.same(w)
		}
		if err != nil {
			t.Fatalf("seed %d: %v, after%s", seed, err, path(way))
		}
		did[fmt.Sprintf("%s %d", can[pick].kind, can[pick].arg)]++
		if w.procs[0].pc == down && w.procs[1].pc == down && len(can) == 0 {
			break
		}
	}
	for i := range r.procs {
		r.down(i)
	}
	return did
}

// TestI2CodeDoesWhatTheModelDoes runs the code beside the model, step by step, with
// both processes interleaved and crashes between steps.
func TestI2CodeDoesWhatTheModelDoes(t *testing.T) {
	testenv.SkipInRace(t)
	keys := newLogKeys(t)
	for name, clones := range map[string]bool{"one directory": false, "a directory and its copy": true} {
		t.Run(name, func(t *testing.T) {
			p := codesWay()
			p.clones = clones
			did := map[string]int{}
			const walks, length = 25, 120
			for seed := range uint64(walks) {
				for what, n := range walk(t, p, keys, seed, length) {
					did[what] += n
				}
			}
			t.Logf("%d walks of at most %d actions: %v", walks, length, did)
			for _, must := range []string{"publish 1", "power loss 0", "power loss 1", "open 0", "open 1", "rename 1", "syncdir 1"} {
				if did[must] == 0 {
					t.Errorf("the walks never came to %q", must)
				}
			}
			if refused := did["write 0"] + did["compare 0"] + did["rename 0"] + did["confirm 0"]; !clones && refused == 0 {
				t.Error("no walk came to a swap that is refused")
			}
		})
	}
}

// TestI2EachCrashPointOfTheCode kills the process, and cuts the power, after each
// step of a swap, and wants what the model says: the old note or the new one, and
// the new one only ever shown after the last step.
func TestI2EachCrashPointOfTheCode(t *testing.T) {
	testenv.SkipInRace(t)
	keys := newLogKeys(t)
	first, second := newHist(1, 1), newHist(2, 3)
	for done := range len(swap) + 1 {
		r := newReal(t, codesWay(), keys)
		s := openState(t, r.dirs[0])
		l := keys.signer(t, s)
		old, err := l.Sign(1, first.root(), clock(0))
		if err != nil {
			t.Fatal(err)
		}
		note, err := l.Make(2, second.root(), clock(1))
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, st := range s.Steps(note)[:done] {
			names = append(names, st.Name)
			if err := st.Do(); err != nil {
				t.Fatalf("%s: %v", st.Name, err)
			}
		}
		if !slices.Equal(names, swap[:done]) {
			t.Fatalf("the code's steps are %q, the model's %q", names, swap[:done])
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		again := openState(t, r.dirs[0])
		want := old
		if slices.Contains(names, "rename") {
			want = note
		}
		if !bytes.Equal(again.Last(), want) {
			t.Errorf("killed after %q: another note than expected", names)
		}
		if r.file(0, "lastsigned.new") != nil {
			t.Errorf("killed after %q: lastsigned.new is left", names)
		}
		// Whatever it was, the log goes on from there, and never beside it.
		m := keys.signer(t, again)
		if c, _, _ := m.Last(); c.Size == 2 {
			if _, err := m.Sign(2, newHist(2, 2).root(), clock(1)); !errors.Is(err, signingkey.ErrHalted) {
				t.Errorf("killed after %q: a second root: %v, want ErrHalted", names, err)
			}
		} else if n, err := m.Sign(2, second.root(), clock(0)); err != nil || r.model(n).hist() != second {
			t.Errorf("killed after %q: signing again: %v", names, err)
		}
	}
}
