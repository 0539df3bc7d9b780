package ledger

import (
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/cityproof/cityproof/internal/declaration"
)

// Quota bounds what one publisher key may add. It is counted per key, never per
// address: a city's officers share one. A restart fills it up again.
type Quota struct {
	// Statements in one hour, all at once if need be. Default 20,000: a whole
	// service catalogue or register in one afternoon. Lower it where the disk is
	// small.
	StatementsPerHour int
	// Bytes of envelopes, bodies and attachments in one day. Default 1 GiB. A
	// publisher whose key was stolen can't fill the disk faster.
	BytesPerDay int64
}

func (q *Quota) setDefaults() {
	if q.StatementsPerHour == 0 {
		q.StatementsPerHour = 20_000
	}
	if q.BytesPerDay == 0 {
		q.BytesPerDay = 1 << 30
	}
}

type quotas struct {
	limits Quota
	now    func() time.Time

	mu  sync.Mutex // guards keys
	key map[declaration.KeyID]*keyQuota
}

type keyQuota struct {
	statements, bytes *rate.Limiter
}

func newQuotas(limits Quota, now func() time.Time) *quotas {
	limits.setDefaults()
	return &quotas{limits: limits, now: now, key: map[declaration.KeyID]*keyQuota{}}
}

// take charges a publisher whose signature has been verified. The map grows only
// with keys that may publish.
func (q *quotas) take(id declaration.KeyID, statements, bytes int) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	k := q.key[id]
	if k == nil {
		k = &keyQuota{
			rate.NewLimiter(rate.Limit(float64(q.limits.StatementsPerHour)/3600), q.limits.StatementsPerHour),
			rate.NewLimiter(rate.Limit(float64(q.limits.BytesPerDay)/86400), int(q.limits.BytesPerDay)),
		}
		q.key[id] = k
	}
	now := q.now()
	s := k.statements.ReserveN(now, statements)
	if wait := delay(s, now); wait > 0 {
		s.CancelAt(now)
		return &QuotaError{wait, "declarations of this key"}
	}
	b := k.bytes.ReserveN(now, bytes)
	if wait := delay(b, now); wait > 0 {
		b.CancelAt(now)
		s.CancelAt(now)
		return &QuotaError{wait, "bytes of this key"}
	}
	return nil
}

// delay is how long to wait for a reservation; a day where it can never be met.
func delay(r *rate.Reservation, now time.Time) time.Duration {
	if !r.OK() {
		return 24 * time.Hour
	}
	return r.DelayFrom(now)
}
