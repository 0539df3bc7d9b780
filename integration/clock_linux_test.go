package integration_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// clockVar names the file that says how many seconds a program's wall clock is ahead, and how many more have passed since it
// began than did.
const clockVar = "CITYPROOF_TEST_CLOCK"

// clockSource is a file more of package time. It looks into the file that clockVar names.
const clockSource = `package time

import (
	"sync/atomic"
	"syscall"
)

var clockAhead, clockPassed atomic.Int64 // seconds, nanoseconds

func init() {
	file, ok := syscall.Getenv("` + clockVar + `")
	if !ok {
		return
	}
	look := func() {
		text, err := readFile(file)
		if err != nil {
			panic("reading the clock: " + err.Error())
		}
		for i, c := range text {
			if c != ' ' {
				continue
			}
			ahead, err1 := atoi(text[:i])
			passed, err2 := atoi(text[i+1:])
			if err1 != nil || err2 != nil {
				panic("reading the clock: " + string(text))
			}
			clockAhead.Store(int64(ahead))
			clockPassed.Store(int64(passed) * int64(Second))
		}
	}
	look()
	go func() {
		for {
			Sleep(50 * Millisecond)
			look()
		}
	}()
}
`

// clocked builds the programs with a package time whose Now, Since and Until add what a file says. Timers and sleepers don't
// notice. No line of the product knows of it. The result is the folder of both.
var clocked = sync.OnceValues(func() (string, error) {
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return "", err
	}
	pkg := filepath.Join(strings.TrimSpace(string(out)), "src", "time")
	source, err := os.ReadFile(filepath.Join(pkg, "time.go"))
	if err != nil {
		return "", err
	}
	patched := string(source)
	for _, p := range []struct {
		old, by string
		times   int
	}{
		{"\tsec, nsec, mono := runtimeNow()\n\tif mono == 0 {", "\tsec, nsec, mono := runtimeNow()\n\tsec += clockAhead.Load()\n\tmono += clockPassed.Load()\n\tif mono == 0 {", 1},
		{"runtimeNano()-startNano", "runtimeNano()+clockPassed.Load()-startNano", 2},
	} {
		if n := strings.Count(patched, p.old); n != p.times {
			return "", fmt.Errorf("package time has %q at %d places, want %d: this test was written for another Go", p.old, n, p.times)
		}
		patched = strings.ReplaceAll(patched, p.old, p.by)
	}
	dir := filepath.Join(filepath.Dir(cityproof), "clocked")
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {
		filepath.Join(pkg, "time.go"):        filepath.Join(dir, "time.go"),
		filepath.Join(pkg, "clock_ahead.go"): filepath.Join(dir, "clock_ahead.go"),
	}})
	if err == nil {
		err = os.Mkdir(dir, 0o700)
	}
	for name, content := range map[string]string{
		"time.go": patched, "clock_ahead.go": clockSource, "overlay.json": string(overlay),
	} {
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600)
		}
	}
	if err != nil {
		return "", err
	}
	build := exec.Command("go", "build", "-overlay", filepath.Join(dir, "overlay.json"), "-o", dir+string(filepath.Separator), "../cmd/cityproof", "../cmd/cityproof-node")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the programs with a clock of their own: %w\n%s", err, out)
	}
	return dir, nil
})

// clock is what time it is on a member's machine, or on all that have none of their own.
type clock struct {
	t    testing.TB
	file string
}

// ownClock gives an alliance a clock that the test sets, before its nodes run.
func (c *cities) ownClock() *clock {
	c.t.Helper()
	dir, err := clocked()
	if err != nil {
		c.t.Fatal(err)
	}
	c.programs, c.clock = dir, &clock{c.t, c.file("clock")}
	c.clock.ahead(0)
	return c.clock
}

// ownClock gives a member's node another clock than all others have, from its next start on.
func (m *cityNode) ownClock() *clock {
	m.clock = &clock{m.c.t, m.file("clock")}
	return m.clock
}

// ahead says that so much time has passed since the test began, also to programs that run.
func (k *clock) ahead(d time.Duration) { k.t.Helper(); k.set(d, d) }

// wrong sets the wall clock, and no time passes.
func (k *clock) wrong(by time.Duration) { k.t.Helper(); k.set(by, 0) }

func (k *clock) set(wall, passed time.Duration) {
	k.t.Helper()
	if err := os.WriteFile(k.file+".new", fmt.Appendf(nil, "%d %d", wall/time.Second, passed/time.Second), 0o600); err != nil {
		k.t.Fatal(err)
	}
	if err := os.Rename(k.file+".new", k.file); err != nil {
		k.t.Fatal(err)
	}
}
