package run

import (
	"sync/atomic"
	"time"
)

// A Clock tells the time that Postern lives by. Every service of a process
// shares one, so that moving it moves retention, patience and sessions at once.
type Clock struct{ offset atomic.Int64 }

// NewClock gives a clock that runs ahead of the machine's by offset.
func NewClock(offset time.Duration) *Clock {
	clock := new(Clock)
	clock.offset.Store(int64(offset))
	return clock
}

// Now is the machine's time plus the offset, UTC.
func (c *Clock) Now() time.Time { return time.Now().UTC().Add(c.Offset()) }

// Offset is how far the clock runs ahead.
func (c *Clock) Offset() time.Duration { return time.Duration(c.offset.Load()) }

// Advance moves the clock on, for demonstrations. It never moves back: what is
// due stays due.
func (c *Clock) Advance(by time.Duration) {
	if by > 0 {
		c.offset.Add(int64(by))
	}
}
