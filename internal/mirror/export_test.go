package mirror

import (
	"context"
	"time"
)

// ScrubLog checks all of a log at once.
func (m *Mirror) ScrubLog(ctx context.Context, origin string) error {
	return m.scrubLog(ctx, origin, 0, func(context.Context, uint64, int) error { return nil })
}

// HealAll tries once to mend what is known to be damaged.
func (m *Mirror) HealAll(ctx context.Context) { m.healAll(ctx) }

// Throttled is src with a limit of bytes per second.
func Throttled(src Source, bytesPerSecond int64) Source {
	return newBounds(Limits{BytesPerSecond: bytesPerSecond}, time.Now, nil).throttle([]Source{src})[0]
}
