package imap

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// trickle has the other end send a byte every so often until it is told to stop, and gives how long a reader
// waited and for how many bytes before it gave up.
func trickle(t *testing.T, every time.Duration, silence time.Duration, owed int64) (waited time.Duration, came int64, err error) {
	t.Helper()
	ours, theirs := net.Pipe()
	var writing sync.WaitGroup
	writing.Go(func() {
		for {
			time.Sleep(every)
			if _, err := theirs.Write([]byte{'x'}); err != nil {
				return
			}
		}
	})
	m := &meter{Conn: ours, silence: silence}
	began := time.Now()
	defer m.ask(owed)()
	came, err = io.Copy(io.Discard, io.LimitReader(m, owed))
	waited = time.Since(began)
	ours.Close()
	writing.Wait()
	return waited, came, err
}

// By the clock of the test: a server that trickles bytes, none of them late, does not hold a connection for ever.
func TestASlowLorisIsGivenUpInTheTimeThatItsMailIsWorth(t *testing.T) {
	for _, owed := range []int64{1 << 10, 1 << 20, 50 << 20} {
		synctest.Test(t, func(t *testing.T) {
			const silence = time.Minute
			waited, came, err := trickle(t, 59*time.Second, silence, owed)
			// All of the answer at the slowest pace that is borne, TLS included, one silence, and the wait under way.
			most := time.Duration((owed+owed/16+64<<10)/slowest)*time.Second + 2*silence
			if !errors.Is(err, os.ErrDeadlineExceeded) || waited > most || came > int64(most/(59*time.Second)) {
				t.Errorf("%d bytes owed: %v after %v and %d bytes, want a deadline within %v", owed, err, waited, came, most)
			}
		})
	}
}

func TestAServerAtTheSlowestPaceIsReadToTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// One byte in 50 microseconds is 20,000 a second, more than the 16,384 that are asked for.
		if waited, came, err := trickle(t, 50*time.Microsecond, time.Minute, 200<<10); err != nil || came != 200<<10 {
			t.Errorf("%d bytes in %v: %v", came, waited, err)
		}
	})
}

func TestSilenceEndsAnAnswerAtOnceAndIsNoneBetweenAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		waited, _, err := trickle(t, time.Hour, time.Minute, 1<<20)
		if !errors.Is(err, os.ErrDeadlineExceeded) || waited != time.Minute {
			t.Errorf("%v after %v", err, waited)
		}
		ours, theirs := net.Pipe()
		m := &meter{Conn: ours, silence: time.Minute}
		m.ask(100)()
		go func() {
			time.Sleep(time.Hour)
			_, _ = theirs.Write([]byte("x"))
		}()
		if n, err := m.Read(make([]byte, 1)); n != 1 || err != nil {
			t.Errorf("nothing was owed, and: %d, %v", n, err)
		}
	})
}

func TestMoreThanWasAskedForIsAFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const asked = 10 << 10
		limit := int64(asked + asked/16 + 64<<10)
		for _, more := range []int64{0, 1} {
			ours, theirs := net.Pipe()
			go func() {
				_, _ = theirs.Write(make([]byte, limit+more))
				theirs.Close()
			}()
			m := &meter{Conn: ours, silence: time.Minute}
			done := m.ask(asked)
			_, err := io.Copy(io.Discard, m)
			done()
			if flood := errors.Is(err, ErrFlood); flood != (more > 0) {
				t.Errorf("%d bytes over the limit: %v", more, err)
			}
		}
	})
}
