package alliancetest

import (
	"crypto/ed25519"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cityproof/cityproof/internal/proof"
	"github.com/cityproof/cityproof/internal/root"
)

// FoundedAt is when alliances of tests are founded.
var FoundedAt = time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)

// Names of root and act keys: "root 1" to "root 5", three of which must sign, and "act 1" to "act 3", two of which must.
const (
	rootKeys, rootThreshold = 5, 3
	actKeys, actThreshold   = 3, 2
)

// Draft is root metadata of an alliance of these founders, the first of them its secretariat.
func Draft(t testing.TB, founders ...*City) root.Draft {
	t.Helper()
	d := root.Draft{
		Version: 1, Expires: FoundedAt.AddDate(1, 0, 0), Threshold: rootThreshold,
		Terms: root.Terms{
			Name:         "Alliance of the tests",
			Registry:     root.Registry{Origin: founders[0].Origin, URL: founders[0].Entry.GetHttp() + "/log", VKeys: founders[0].Entry.GetLogVkeys()},
			ActThreshold: actThreshold, FoundedAt: FoundedAt.Unix(), NextDraw: FoundedAt.Unix(),
		},
	}
	for i := range rootKeys {
		d.Keys = append(d.Keys, Public(fmt.Sprintf("root %d", i+1)))
	}
	for i := range actKeys {
		d.Terms.ActKeys = append(d.Terms.ActKeys, Public(fmt.Sprintf("act %d", i+1)))
	}
	slices.SortFunc(d.Terms.ActKeys, slices.Compare[[]byte])
	for _, c := range founders {
		d.Terms.Founders = append(d.Terms.Founders, c.Join(t, founders[0].Origin).Envelope.Format())
	}
	return d
}

// Found makes version 1 of the root, signed by three holders.
func Found(t testing.TB, founders ...*City) *root.Root {
	t.Helper()
	return SignRoot(t, nil, Draft(t, founders...), "root 1", "root 2", "root 3")
}

// SignRoot makes a version of what it shall say, signed by the keys of these names.
func SignRoot(t testing.TB, prev *root.Root, d root.Draft, names ...string) *root.Root {
	t.Helper()
	r, err := root.New(d)
	for _, n := range names {
		if err == nil {
			r, err = r.Sign(prev, ed25519.PrivateKey(Key(n)))
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// NextDraft is the version after one, saying the same, and good for a year longer.
func NextDraft(prev *root.Root) root.Draft {
	d := root.Draft{Version: prev.Version + 1, Expires: prev.Expires.AddDate(1, 0, 0), Keys: prev.Keys, Threshold: prev.Threshold, Terms: prev.Terms}
	d.Terms.Genesis, d.Terms.Founders = prev.Alliance.String(), nil
	d.Terms.ActKeys = slices.Clone(d.Terms.ActKeys)
	return d
}

// GoOnDraft is the version after one by which the registry goes on from a head, in the log of a city made by Renew.
func GoOnDraft(prev *root.Root, size uint64, head proof.Hash, in *City) root.Draft {
	d := NextDraft(prev)
	from := root.ContinueFrom{Version: d.Version, Origin: prev.Terms.Registry.Origin, Size: int64(size), Root: head[:]} //nolint:gosec // a test's
	d.Terms.ContinueFrom = append(slices.Clip(d.Terms.ContinueFrom), from)
	d.Terms.Registry.Origin, d.Terms.Registry.VKeys = in.Origin, in.Entry.GetLogVkeys()
	return d
}

// ReseatDraft is the version after one by which cities witness the registry instead of the committee of an epoch.
func ReseatDraft(prev *root.Root, epoch uint32, seats ...*City) root.Draft {
	d := NextDraft(prev)
	s := &root.Reseat{Version: d.Version, Epoch: epoch}
	for _, c := range seats {
		s.Seats = append(s.Seats, root.Seat{ID: c.ID, Operator: c.Entry.GetOperator(), Witness: c.Entry.GetWitnessVkey(), Mirror: c.Entry.GetMirrorVkey()})
	}
	slices.SortFunc(s.Seats, func(a, b root.Seat) int { return strings.Compare(a.ID, b.ID) })
	d.Terms.Reseat = s
	return d
}
