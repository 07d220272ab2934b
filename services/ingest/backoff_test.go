package ingest

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postern-mail/postern/services/ingest/imap"
)

// pauses are how long the next so many waits take, by the clock of the test.
func pauses(b *backoff, n int, err error) []time.Duration {
	list := make([]time.Duration, n)
	for i := range list {
		began := time.Now()
		b.wait(context.Background(), err)
		list[i] = time.Since(began)
	}
	return list
}

func TestPausesDoubleUpToTheirMostAndKeepWithinHalfOfIt(t *testing.T) {
	for name, each := range map[string]struct {
		err         error
		first, most time.Duration
	}{
		"a lost connection":          {imap.ErrLost, time.Second, time.Minute},
		"a sign-in that is refused":  {imap.ErrSignIn, 15 * time.Second, 5 * time.Minute},
		"a server that asks to wait": {imap.ErrBusy, 15 * time.Second, 5 * time.Minute},
		"a server that says BYE":     {imap.ErrBye, 15 * time.Second, 5 * time.Minute},
		"a token that is refused":    {errTokenRefused, 15 * time.Second, 5 * time.Minute},
		"our own bus":                {errors.New("bus away"), time.Second, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &backoff{least: time.Second, most: time.Minute}
				for range 2 { // the second time after a success
					for i, pause := range pauses(b, 40, each.err) {
						want := min(max(time.Second<<min(i, 20), each.first), each.most)
						if pause < want/2 || pause > want*3/2 {
							t.Errorf("pause %d is %v, want %v ± half", i+1, pause, want)
						}
					}
					b.reset()
				}
			})
		})
	}
}

// A thousand mailboxes lose their server at once: they come back spread over the pause, and no two at the
// same moment time and again.
func TestMailboxesThatFailTogetherDoNotComeBackTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const mailboxes, rounds = 1000, 7 // the seventh pause is the longest, a minute
		back := make(chan time.Duration, mailboxes)
		began := time.Now()
		for range mailboxes {
			go func() {
				b := &backoff{least: time.Second, most: time.Minute}
				pauses(b, rounds, imap.ErrLost)
				back <- time.Since(began)
			}()
		}
		seconds := map[time.Duration]int{}
		for range mailboxes {
			seconds[(<-back).Truncate(time.Second)]++
		}
		most := 0
		for _, n := range seconds {
			most = max(most, n)
		}
		// The last pause alone spreads them over a minute evenly: 17 a second. Three times as many in one
		// second has no chance to speak of.
		if most > 50 || len(seconds) < 30 {
			t.Errorf("%d come back in one second of %d", most, len(seconds))
		}
	})
}

func TestAPauseEndsWithTheService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		began := time.Now()
		(&backoff{least: time.Hour, most: time.Hour}).wait(ctx, imap.ErrLost)
		if took := time.Since(began); took != time.Millisecond {
			t.Errorf("it took %v", took)
		}
	})
}
