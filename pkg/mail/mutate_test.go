package mail_test

import (
	"math/rand/v2"
	"testing"

	"github.com/postern-mail/postern/pkg/mail"
)

// Mails that were cut, spliced and had bits turned on the way are still read.
func TestMutatedMailsAreReadWhole(t *testing.T) {
	var mails [][]byte
	for _, folder := range []string{"mime", "real"} {
		eachMail(t, folder, func(_ string, raw []byte) { mails = append(mails, raw) })
	}
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
	}
}
