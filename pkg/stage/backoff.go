package stage

import "time"

// pauses are how long a mail rests after its first, second, ... failure; after the last of
// them always as long as the last.
var pauses = []time.Duration{
	time.Second, 5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute,
}

// jitterShare is how much of a pause is left to chance, either way.
const jitterShare = 0.2

// pause is how long to rest after the deliveries-th delivery.
func pause(deliveries uint64) time.Duration {
	return pauses[min(max(deliveries, 1)-1, uint64(len(pauses)-1))]
}

// shaken is d, up to a fifth shorter or longer, by a chance in [0,1).
func shaken(d time.Duration, chance float64) time.Duration {
	return d + time.Duration((2*chance-1)*jitterShare*float64(d))
}
