package promise1

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/services/postern/fleet"
	"github.com/postern-mail/postern/test/program"
)

const (
	manyRounds = 200 // of the fault matrix, where there is all the time that is wanted
	fewKills   = 4   // one each, elsewhere
	fewCuts    = 12
)

// asked is how many rounds a test of the fault matrix has: POSTERN_CHAOS_ROUNDS, or as many as there is time for.
func asked(t *testing.T, few int) int {
	t.Helper()
	given := os.Getenv("POSTERN_CHAOS_ROUNDS")
	n, err := strconv.Atoi(given)
	switch {
	case given != "" && (err != nil || n < 1):
		t.Fatalf("POSTERN_CHAOS_ROUNDS=%q is no number of rounds", given)
	case given != "":
	case long():
		n = manyRounds
	default:
		n = few
	}
	t.Logf("POSTERN_CHAOS_ROUNDS=%d", n)
	return n
}

// struck are who is killed in the rounds.
var struck = []string{"ingest", "nats", "s3", "redis"}

const (
	// roundMails is the most that come in one round.
	roundMails = 6
	// jitter is the longest pause between the moment that is waited for and the kill.
	jitter = 60 * time.Millisecond
	// roundRest is how long mails may take in a round before the sweepers are called: a lease of the dead, and then some.
	roundRest = 25 * time.Second
)

// small are the mails that most rounds are made of: what is large is one in sixteen.
var small = [][]byte{plain, withFile, personal, malformed}

func pick(dice *rand.Rand) []byte {
	switch dice.IntN(32) {
	case 0:
		return lengthy
	case 1:
		return oversize
	}
	return small[dice.IntN(len(small))]
}

// In each round mails come to a fleet, and one of ingest, the bus, S3 and Redis is killed at a
// random moment. After each, a second client compares the server's mails with what is archived.
func TestChaosRoundsOfKillsLoseNothing(t *testing.T) {
	rounds, began := asked(t, fewKills), time.Now()
	c := newCrowd(t, rand.New(rand.NewPCG(seed(t), 2<<32)))
	c.known = map[string]string{}
	killed, moving, done := map[string]int{}, 0, 0
	victims := c.dice.Perm(len(struck))
	for round := range rounds {
		if round > 0 && round%len(struck) == 0 {
			victims = c.dice.Perm(len(struck))
		}
		name := struck[victims[round%len(struck)]]
		if !t.Run(fmt.Sprintf("round %d %s", round, name), func(t *testing.T) {
			moving += min(c.round(t, name), 1)
		}) {
			break
		}
		killed[name]++
		done++
	}
	t.Run("end", func(t *testing.T) {
		c.known = nil // once more, all are opened
		c.come(t, settling)
		program.Until(t, "the mailbox action is done to every ticket's mail", func() bool { return c.acted(t) })
		c.compare(t, marked)
	})
	if moving < rounds/2 {
		t.Errorf("only %d of %d kills came while mails were on their way: too few to tell", moving, rounds)
	}
	verdict := "none lost, none twice"
	if t.Failed() {
		verdict = "see above"
	}
	t.Logf("%d of %d rounds, kills %v, %d while mails were on their way, over %d mails, in %v: %s", done, rounds, killed, moving, len(c.mails), time.Since(began).Round(time.Second), verdict)
}

// round has mails come, kills, and compares. It tells how many mails were on their way.
func (c *crowd) round(t *testing.T, name string) (moving int) {
	before, coming := len(c.mails), 1+c.dice.IntN(roundMails)
	registered, pause := before+c.dice.IntN(coming+1), time.Duration(c.dice.Int64N(int64(jitter)))
	var mails [][]byte
	for range coming {
		mails = append(mails, pick(c.dice))
	}
	c.bring(t, mails...)
	moving = c.amid(t, registered)
	<-time.After(pause)
	c.kill(t, name)
	c.come(t, roundRest)
	c.compare(t, alone)
	return moving
}

// acted tells whether the mailbox action was done to all that are tickets.
func (c *crowd) acted(t *testing.T) bool {
	t.Helper()
	client := c.client(t)
	defer client.Close()
	s, done := marked(client), 0
	for _, touched := range s.touched {
		if touched {
			done++
		}
	}
	process, err := c.Look(program.Context(t))
	if err != nil {
		t.Fatal(err)
	}
	defer process.Close()
	conn, err := process.Connect(program.Context(t), topology.Doctor)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	records, err := fleet.Records(program.Context(t), conn)
	if err != nil {
		t.Fatal(err)
	}
	for _, record := range records {
		if record.GetTicket() != "" {
			done--
		}
	}
	return done >= 0
}
