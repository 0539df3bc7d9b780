package logtime

import "time"

// Light says how alive a log is.
type Light string

// The lights.
const (
	Green Light = "green"
	Amber Light = "amber" // no anchor for a while
	Red   Light = "red"   // none for long, or none at all
)

// Thresholds are the silences from which a log is amber and red. Who has other intervals than an hour scales them.
type Thresholds struct{ Amber, Red time.Duration }

// Default are the thresholds of logs that anchor every hour (federation.md, section 4).
var Default = Thresholds{Amber: 2 * time.Hour, Red: 24 * time.Hour}

// Judge says how alive a log is that has been silent for so long.
func (th Thresholds) Judge(silence time.Duration) Light {
	switch {
	case silence >= th.Red:
		return Red
	case silence >= th.Amber:
		return Amber
	}
	return Green
}

// Lag is how long a log had been silent at a moment.
type Lag struct {
	Light Light
	// Silence since the last anchor, in whole seconds, not below 0.
	Silence time.Duration
	// Last is the heartbeat, the last anchor up to then; Known is false where there was none, and nothing can be told but
	// that the log is red.
	Last  Anchor
	Known bool
}

// skew is how far the witnesses' clocks may be ahead of whoever looks, in seconds (federation.md, section 3).
const skew = 300

// Lag tells how long the log had been silent at a moment, Unix seconds.
func (c *Clock) Lag(now int64, th Thresholds) Lag {
	last, ok := c.LastAt(now + skew)
	if !ok {
		return Lag{Light: Red}
	}
	silence := time.Duration(max(now-last.Time, 0)) * time.Second
	return Lag{Light: th.Judge(silence), Silence: silence, Last: last, Known: true}
}
