package mail_test

import (
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/postern-mail/postern/pkg/mail"
)

// Mails that were cut, spliced and had bits turned on the way are still read, at no more work and
// memory than a multiple of their size. Work is counted by the parser and is what bounds its time:
// a message of a megabyte at most passes, which TestWorkGrowsNoFasterThanTheMessage
// finds, takes far less than two seconds.
func TestMutatedMailsAreReadWhole(t *testing.T) {
	var mails [][]byte
	for _, folder := range []string{"mime", "real"} {
		eachMail(t, folder, func(_ string, raw []byte) { mails = append(mails, raw) })
	}
	var most cost
	size, allocated := 0, 0
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same mutations each time
	for range 2000 {
		raw := append([]byte{}, mails[random.IntN(len(mails))]...)
		if len(raw) == 0 {
			continue
		}
		switch random.IntN(4) {
		case 0: // bits
			for range 1 + random.IntN(20) {
				raw[random.IntN(len(raw))] ^= 1 << random.IntN(8)
			}
		case 1:
			raw = raw[:random.IntN(len(raw))]
		case 2:
			other := mails[random.IntN(len(mails))]
			raw = append(raw[:random.IntN(len(raw))], other[random.IntN(len(other)+1):]...)
		case 3: // a stretch twice
			from := random.IntN(len(raw))
			to := from + random.IntN(len(raw)-from)
			raw = append(raw[:to], raw[from:]...)
		}
		wellFormed(t, "mutated", raw, mail.Parse(raw, mail.Limits{}))
		size += len(raw)
		before := allocations()
		work, memory := mail.Cost(raw, mail.Limits{})
		allocated += allocations() - before
		most.work, most.memory = max(most.work, work/(len(raw)+1000)), max(most.memory, memory/(len(raw)+1000))
	}
	t.Logf("%d MB: at most %d passes over a mail and %d bytes kept for each of its bytes; %.1f allocated", size>>20, most.work, most.memory, float64(allocated)/float64(size))
	if most.work > 40 || most.memory > 40 || allocated > 12*size {
		t.Errorf("%d passes, %d times its size kept, %d bytes allocated for %d", most.work, most.memory, allocated, size)
	}
}

func allocations() int {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.TotalAlloc)
}
