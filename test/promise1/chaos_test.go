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
	fewRounds  = 5
	manyRounds = 50 // in each of manyPlaces
	manyPlaces = 4
	// furthest is the last call of a process at which it may be killed; a round with two
	// mails makes some hundred.
	furthest = 400
)

// seed is what a chaos run can be repeated with.
func seed(t *testing.T) uint64 {
	n, err := strconv.ParseUint(os.Getenv("POSTERN_CHAOS_SEED"), 10, 64)
	if err != nil {
		n = 1
	}
	t.Logf("POSTERN_CHAOS_SEED=%d", n)
	return n
}

func TestChaosKillsAtAnyCallLoseNothing(t *testing.T) {
	places, rounds := 1, fewRounds
	if long() {
		places, rounds = manyPlaces, manyRounds
	}
	start := seed(t)
	var users []string
	for i := range places {
		users = append(users, fmt.Sprintf("chaos%d", i))
	}
	server := dovecot.Start(t, users...)
	for i, user := range users {
		t.Run(user, func(t *testing.T) {
			t.Parallel()
			chaos(t, newPlace(t, server, user), rounds, rand.New(rand.NewPCG(start, uint64(i))))
		})
	}
}

// chaos kills one process after another over the same data, each with new mail to take.
func chaos(t *testing.T, p *place, rounds int, dice *rand.Rand) {
	p.aside = -1 // a mail that was in work at three deaths is set aside
	killed := 0
	for round := range rounds {
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
	l.Mails, l.Ahead = len(p.mails), time.Duration(rounds)*standstill
	p.finish(t, l)
	t.Logf("%d of %d processes were killed, over %d mails", killed, rounds, len(p.mails))
}
