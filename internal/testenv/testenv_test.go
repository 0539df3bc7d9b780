package testenv_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/cityproof/cityproof/internal/testenv"
)

// recorder stands in for the test that Require ends, so that both endings can be looked at. Like the real
// one, Fatalf and Skipf end the goroutine.
type recorder struct {
	testing.TB
	ending string
}

func (r *recorder) Helper() {}
func (r *recorder) Fatalf(format string, args ...any) {
	r.ending = "fatal: " + fmt.Sprintf(format, args...)
	runtime.Goexit()
}
func (r *recorder) Skipf(format string, args ...any) {
	r.ending = "skip: " + fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func ending(t *testing.T, f func(testing.TB)) string {
	r := &recorder{TB: t, ending: "went on"}
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(r)
	}()
	<-done
	return r.ending
}

func TestRequire(t *testing.T) {
	for _, tc := range []struct {
		name, list string
		have       bool
		want       string
	}{
		{"present thing goes on", "strace", true, "went on"},
		{"missing thing nobody asked for skips", "", false, "skip: the program strace is missing"},
		{"another word does not ask for it", "data straces", false, "skip: the program strace is missing"},
		{"missing thing on the list fails", "data strace", false,
			`fatal: the program strace is missing, and CITYPROOF_REQUIRE asks for "strace"`},
		{"commas separate too", "data,strace", false,
			`fatal: the program strace is missing, and CITYPROOF_REQUIRE asks for "strace"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Setenv(testenv.RequireVar, tc.list)
			got := ending(t, func(tb testing.TB) { testenv.Require(tb, "strace", tc.have, "the program strace") })
			if got != tc.want {
				t.Errorf("Require with %s=%q ended with %q, want %q", testenv.RequireVar, tc.list, got, tc.want)
			}
		})
	}
}

func TestSharedFileThatIsMissing(t *testing.T) {
	t.Setenv(testenv.RequireVar, "")
	got := ending(t, func(tb testing.TB) { testenv.Shared(tb, "no-such-register.csv") })
	if want := "skip: shared data no-such-register.csv is missing"; got != want {
		t.Errorf("Shared ended with %q, want %q", got, want)
	}
	t.Setenv(testenv.RequireVar, "data")
	got = ending(t, func(tb testing.TB) { testenv.Shared(tb, "no-such-register.csv") })
	if want := `fatal: shared data no-such-register.csv is missing, and CITYPROOF_REQUIRE asks for "data"`; got != want {
		t.Errorf("Shared ended with %q, want %q", got, want)
	}
}

func TestRootHoldsTheModule(t *testing.T) {
	root := testenv.Root(t)
	if _, err := os.Stat(filepath.Join(root, "internal", "testenv", "doc.go")); err != nil {
		t.Errorf("Root() = %s, which does not hold this package: %v", root, err)
	}
}
