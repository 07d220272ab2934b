package promise1

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/postern-mail/postern/services/ingest/imaptest/dovecot"
)

const (
	fewRounds  = 5 // of one place, where the tests have not all the time that they want
	manyPlaces = 4
	// furthest is the last call of a process at which it may be killed; a round with two
	// mails makes some hundred.
	furthest = 400
)

// seed is what a chaos run can be repeated with: the same kills, in the same order, at each
// place. Nothing orders the places among themselves, nor the threads of a process.
func seed(t *testing.T) uint64 {
	t.Helper()
	given := os.Getenv("POSTERN_CHAOS_SEED")
	n, err := strconv.ParseUint(given, 10, 64)
	switch {
	case given != "" && err != nil:
		t.Fatalf("POSTERN_CHAOS_SEED=%q is no number", given)
	case given == "" && long():
		n = uint64(time.Now().UnixMilli())
	case given == "":
		n = 1
	}
	t.Logf("POSTERN_CHAOS_SEED=%d", n)
	return n
}

// untilWhen is when a long chaos run begins nothing new.
func untilWhen(t *testing.T) time.Time {
	t.Helper()
	span := 10 * time.Minute
	if given := os.Getenv("POSTERN_CHAOS_TIME"); given != "" {
		var err error
		if span, err = time.ParseDuration(given); err != nil || span <= 0 {
			t.Fatalf("POSTERN_CHAOS_TIME=%q: write a duration such as 10m", given)
		}
	}
	t.Logf("POSTERN_CHAOS_TIME=%v", span)
	return time.Now().Add(span)
}

// rounds gives as many rounds as there are, or as there is time for.
func rounds(t *testing.T) func(round int) bool {
	t.Helper()
	if !long() {
		return func(round int) bool { return round < fewRounds }
	}
	end := untilWhen(t)
	return func(int) bool { return time.Now().Before(end) }
}

func TestChaosKillsAtAnyCallLoseNothing(t *testing.T) {
	places := 1
	if long() {
		t.Parallel() // beside the fleet
		places = manyPlaces
	}
	start, more := seed(t), rounds(t)
	var users []string
	for i := range places {
		users = append(users, fmt.Sprintf("chaos%d", i))
	}
	server := dovecot.Start(t, users...)
	for i, user := range users {
		t.Run(user, func(t *testing.T) {
			t.Parallel()
			chaos(t, newPlace(t, server, user), more, rand.New(rand.NewPCG(start, uint64(i))))
		})
	}
}

// chaos kills one process after another over the same data, each with new mail to take.
func chaos(t *testing.T, p *place, more func(round int) bool, dice *rand.Rand) {
	p.aside = -1 // a mail that was in work at three deaths is set aside
	killed, round := 0, 0
	for ; more(round); round++ {
		for range 2 {
			mail := mixed[dice.IntN(len(mixed))]
			p.server.Append(p.User, "INBOX", mail)
			p.mails = append(p.mails, mail)
		}
		l := p.life
		l.Mails, l.Spare = len(p.mails), true
		l.Ahead = time.Duration(round) * standstill
		l.Kill = &kill{Call: pattern{Nth: 1 + dice.IntN(furthest)}, After: dice.IntN(2) == 1}
		r, err := l.run(t.Context())
		if err != nil {
			t.Fatalf("round %d, call %d: %v\n%s", round, l.Kill.Call.Nth, err, logged(p.Data))
		}
		if r == nil {
			killed++
			continue
		}
		p.check(t, r)
		if t.Failed() {
			t.Fatalf("round %d", round)
		}
	}
	if killed == 0 {
		t.Error("no process was killed")
	}
	l := p.life
	l.Mails, l.Ahead = len(p.mails), time.Duration(round)*standstill
	p.finish(t, l)
	t.Logf("%d of %d processes were killed, over %d mails: none lost, none twice", killed, round, len(p.mails))
}
