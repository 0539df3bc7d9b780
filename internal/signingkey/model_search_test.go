package signingkey_test

import (
	"slices"
	"testing"

	"github.com/cityproof/cityproof/internal/testenv"
)

// found is what a search of all states has found.
type found struct {
	states int
	acts   map[action]bool // what was done at least once
	path   []action        // to the nearest world where something is wrong; nil: there is none
	bad    wrong
}

// search looks at every world that can come to be, nearest first, up to the first
// one where something of look is wrong.
func (p protocol) search(look ...wrong) found {
	type from struct {
		parent int32
		action action
	}
	seen := map[world]bool{p.start(): true}
	queue, came := []world{p.start()}, []from{{parent: -1}}
	out := found{acts: map[action]bool{}}
	for at := 0; at < len(queue) && out.path == nil; at++ {
		p.next(queue[at], func(a action, w world) {
			out.acts[a] = true
			bad := slices.Contains(look, w.bad)
			was := w.bad
			w.bad = ""
			if out.path != nil || seen[w] && !bad {
				return
			}
			seen[w] = true
			queue, came = append(queue, w), append(came, from{int32(at), a})
			if !bad {
				return
			}
			out.bad = was
			for i := int32(len(queue) - 1); came[i].parent >= 0; i = came[i].parent {
				out.path = append(out.path, came[i].action)
			}
			slices.Reverse(out.path)
		})
	}
	out.states = len(queue)
	return out
}

// TestI2ModelNeverSignsASecondRoot looks at every interleaving of two signers with
// crashes at every step, power loss, restores, clocks that jump, copies and a lost
// lock.
func TestI2ModelNeverSignsASecondRoot(t *testing.T) {
	testenv.SkipInRace(t)
	for name, clones := range map[string]bool{"one directory": false, "a directory and its copy": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := codesWay()
			p.clones = clones
			got := p.search(twoRoots, forked, timeBack, unreadable)
			t.Logf("%d states", got.states)
			if got.path != nil {
				t.Fatalf("%s:%s", got.bad, path(got.path))
			}
			// It must not be safe because nothing happens.
			for _, must := range []action{
				{"publish", 0, 1}, {"publish", 1, 1}, {"power loss", 0, 0}, {"restore", 0, 0}, {"extends", 1, 1}, {"open", 1, 0}, {"commit", 1, 1},
			} {
				if !got.acts[must] {
					t.Errorf("the search never came to %q", must)
				}
			}
		})
	}
}

// TestI2ModelFindsWhatEachDefenceIsFor leaves a defence out, or two that stand in
// for one another, and wants the search to find what then goes wrong. Where one is
// left out and the rest suffices, the test says so: that is known, not overlooked.
func TestI2ModelFindsWhatEachDefenceIsFor(t *testing.T) {
	testenv.SkipInRace(t)
	with := func(change func(*protocol)) protocol {
		p := codesWay()
		change(&p)
		return p
	}
	for name, tc := range map[string]struct {
		p    protocol
		want wrong
	}{
		"nothing is compared": {codesWay().without("compare", "confirm"), twoRoots},
		"no compare":          {codesWay().without("compare"), twoRoots},
		"no confirm":          {codesWay().without("confirm"), twoRoots},
		"confirm after syncdir": {with(func(p *protocol) {
			p.steps = slices.Concat(before, []string{"write", "sync", "compare", "rename", "syncdir", "confirm"}, after)
		}), twoRoots},
		"publish before the swap":                {with(func(p *protocol) { p.steps = slices.Concat(before, after, swap) }), twoRoots},
		"publish before the directory is synced": {codesWay().without("syncdir"), twoRoots},
		"rename before the file is synced":       {codesWay().without("sync"), unreadable},
		"publish at start without a sync":        {with(func(p *protocol) { p.noOpenSync = true }), twoRoots},
		"several new files":                      {with(func(p *protocol) { p.notExcl = true }), twoRoots},
		"no lock, nothing compared": {with(func(p *protocol) {
			*p = p.without("compare", "confirm")
			p.noLock = true
		}), twoRoots},
		"no lock, several new files":              {with(func(p *protocol) { p.noLock, p.notExcl = true, true }), twoRoots},
		"no lock, one comparison":                 {with(func(p *protocol) { *p = p.without("confirm"); p.noLock = true }), twoRoots},
		"nothing checked against the last signed": {with(func(p *protocol) { p.noCheck, p.noExtends = true, true }), forked},
		"a clock that is believed":                {with(func(p *protocol) { p.noClamp = true }), timeBack},
		"a copy that signs":                       {with(func(p *protocol) { p.clones, p.noGuard = true, true }), twoRoots},
		"a false word at adopt":                   {with(func(p *protocol) { p.clones, p.falseWord = true, true }), twoRoots},

		// The lock stands behind others, or they behind it. So do the checks at start
		// and at signing, for one another; that takes a search too long to run each time.
		"no lock; the new file and the comparisons hold": {with(func(p *protocol) { p.noLock = true }), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			look := []wrong{tc.want}
			if tc.want == "" {
				look = []wrong{twoRoots, forked, timeBack}
			}
			got := tc.p.search(look...)
			t.Logf("%d states, %q after %d actions", got.states, got.bad, len(got.path))
			if tc.want == "" && got.path != nil || tc.want != "" && got.path == nil {
				t.Errorf("found %q, want %q%s", got.bad, tc.want, path(got.path))
			}
		})
	}
}
