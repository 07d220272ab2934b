package stage

import (
	"testing"
	"time"
)

// handed is a delivery of which only the count and the time matter.
type handed struct {
	Delivery
	count  uint64
	stored time.Time
}

func (h handed) Deliveries() uint64 { return h.count }
func (h handed) Stored() time.Time  { return h.stored }

func TestAGivingBackDoesNotForgetDeaths(t *testing.T) {
	stored := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	here, after := NewProcess(), NewProcess().AfterDeath(stored.Add(time.Minute))
	for name, c := range map[string]struct {
		process *Process
		count   uint64
		left    Mark
		suspect bool
		deaths  int
	}{
		"given back, never in trouble":             {here, 3, Mark{Back: true, Delivery: 2}, false, 0},
		"given back after a death":                 {here, 3, Mark{Back: true, Delivery: 2, Deaths: 1}, true, 1},
		"given back after two, then gone":          {here, 5, Mark{Back: true, Delivery: 2, Deaths: 2}, true, 3},
		"given back, and the bus has died":         {after, 3, Mark{Back: true, Delivery: 2}, true, 1},
		"given back twice dead, and the bus died":  {after, 3, Mark{Back: true, Delivery: 2, Deaths: 2}, true, 2},
		"in work at the second death of a process": {here, 3, Mark{Delivery: 2, Deaths: 1, Process: "another"}, true, 2},
	} {
		suspect, deaths := c.process.suspicion(handed{count: c.count, stored: stored}, c.left)
		if suspect != c.suspect || deaths != c.deaths {
			t.Errorf("%s: suspect %v after %d deaths, want %v after %d", name, suspect, deaths, c.suspect, c.deaths)
		}
	}
}
