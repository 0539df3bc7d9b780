package declaration_test

import (
	"strings"
	"testing"

	"github.com/cityproof/cityproof/internal/declaration"
)

func TestCheckMemberID(t *testing.T) {
	for _, id := range []string{"jp-tsukuba", "nl-kanaalstad", "fr-aix-en-provence", "us-2", "gb-a", "nl-" + strings.Repeat("a", 61)} {
		if err := declaration.CheckMemberID(id); err != nil {
			t.Errorf("CheckMemberID(%q) = %v", id, err)
		}
	}
	for _, id := range []string{
		"", "-", "jp", "jp-", "-tsukuba", "j-tsukuba", "jpn-tsukuba", "JP-tsukuba", "jp-Tsukuba", "jp_tsukuba", "jp--tsukuba", "jp-tsukuba-", "jp-tsu--kuba",
		"jp-tsu kuba", "jp-tsukuba\n", " jp-tsukuba", "jp-tsukuba.", "jp-つくば", "jp-tѕukuba", "1p-tsukuba", "jp-tsukuba\u200d", "jp-e\u0301", "jp/tsukuba",
		"nl-" + strings.Repeat("a", 62),
	} {
		if declaration.CheckMemberID(id) == nil {
			t.Errorf("CheckMemberID(%q) = nil, want an error", id)
		}
	}
}

func TestCheckOrigin(t *testing.T) {
	for _, origin := range []string{
		"tsukuba.example/log", "localhost:8080/log", "127.0.0.1:7000/log", "[::1]:7000/log", "a", "city.example/members/jp-tsukuba/log", "city.example/~x/a..b/.x",
		strings.Repeat("a", 255),
	} {
		if err := declaration.CheckOrigin(origin); err != nil {
			t.Errorf("CheckOrigin(%q) = %v", origin, err)
		}
	}
	for _, origin := range []string{
		"", "/", "/log", "log/", "a//b", "https://tsukuba.example/log", "Tsukuba.example/log", "tsukuba.example/log?x", "tsukuba.example/log#x", "a b", "a+b", "a%2fb",
		"a@b", "a\n", "tsukuba.example/lóg", ".", "..", "a/.", "a/..", "a/../b", "./a", "a/./b", strings.Repeat("a", 256),
	} {
		if declaration.CheckOrigin(origin) == nil {
			t.Errorf("CheckOrigin(%q) = nil, want an error", origin)
		}
	}
}

func TestSubject(t *testing.T) {
	for _, kind := range declaration.Kinds() {
		for _, n := range []uint32{1, 9, 10, 999_999_999} {
			s := declaration.Subject{Kind: kind, Number: n}
			if got, err := declaration.ParseSubject(s.String()); err != nil || got != s {
				t.Errorf("ParseSubject(%q) = %v, %v", s, got, err)
			}
		}
		if got, err := declaration.KindByPrefix(kind.Prefix()); err != nil || got != kind {
			t.Errorf("KindByPrefix(%q) = %q, %v", kind.Prefix(), got, err)
		}
	}
	for _, s := range []string{
		"", "/", "dep", "dep/", "/1", "dep/0", "dep/00", "dep/01", "dep/+1", "dep/-1", "dep/1 ", " dep/1", "dep /1", "dep/1/", "dep/1/2", "dep//1", "dep/1.0",
		"dep/1e3", "dep/0x1", "dep/1_0", "dep/1000000000", "dep/4294967297", "dep/18446744073709551617", "DEP/1", "Dep/1", "deployment/1", "xyz/1", "dep/a", "dep/１",
	} {
		if got, err := declaration.ParseSubject(s); err == nil {
			t.Errorf("ParseSubject(%q) = %v, want an error", s, got)
		}
	}
	if p := declaration.Kind("x").Prefix(); p != "" {
		t.Errorf("an unknown kind has prefix %q", p)
	}
	if _, err := declaration.KindByPrefix(""); err == nil {
		t.Error("KindByPrefix of nothing found a kind")
	}
	if !(declaration.Subject{}).IsZero() || (declaration.Subject{Kind: declaration.Notice, Number: 1}).IsZero() {
		t.Error("IsZero is wrong")
	}
}
