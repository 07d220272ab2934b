package promise1

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/postern-mail/postern/services/ingest/imaptest/dovecot"
	"github.com/postern-mail/postern/services/postern/wiring"
)

// sessionBytes is about what a mail server says in a session beside a mail.
const sessionBytes = 700

// In each round mails come to a mailbox, and its connections are cut after a random byte of what
// the server sends. After each, a second client compares the server's mails with what is archived.
func TestChaosCutsAtAnyByteOfAConnectionLoseNothing(t *testing.T) {
	cuts, start, places := asked(t, fewCuts), seed(t), 2
	if long() {
		places = manyPlaces
	}
	var users []string
	for i := range places {
		users = append(users, fmt.Sprintf("cut%d", i))
	}
	server := dovecot.Start(t, users...)
	for i, user := range users {
		t.Run(user, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t, server, user)
			p.aside = -1
			share := (cuts + places - 1) / places
			p.cut(t, share, rand.New(rand.NewPCG(start, uint64(i)|3<<32)))
		})
	}
}

// cut has the connections of one process be cut so many times.
func (p *place) cut(t *testing.T, times int, dice *rand.Rand) {
	began := time.Now()
	g := newGate(t, fmt.Sprintf("%s:%d", p.Host, p.Port))
	l := p.life
	l.Host, l.Port = "127.0.0.1", g.port
	log, err := l.logFile()
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	done, rounds := 0, 0
	err = l.live(t.Context(), hooks{&saboteur{}}.options(log), func(ctx context.Context, process *wiring.Process) error {
		inside := into(process)
		inside.known = map[string]string{}
		for ; done < times && !t.Failed(); rounds++ {
			if rounds == 8*times+20 {
				return fmt.Errorf("%d of %d cuts in %d rounds", done, times, rounds)
			}
			var came [][]byte
			size := int64(sessionBytes)
			for range 1 + dice.IntN(2) {
				mail := mixed[dice.IntN(len(mixed))]
				came = append(came, mail)
				if size += sessionBytes; len(mail) <= maxSize {
					size += int64(len(mail)) // of others only headers are read
				}
			}
			offset := dice.Int64N(size)
			cut := g.cutAfter(offset)
			p.server.Append(p.User, "INBOX", came...)
			p.mails = append(p.mails, came...)
			waiting, cancel := context.WithTimeout(ctx, patience)
			err := settle(waiting, inside, len(p.mails))
			cancel()
			if err != nil {
				return fmt.Errorf("round %d, cut after %d bytes: %w", rounds, offset, err)
			}
			select {
			case <-cut:
				done++
			default: // the server had less to say
			}
			r, err := look(ctx, inside)
			if err != nil {
				return fmt.Errorf("round %d, cut after %d bytes: %w", rounds, offset, err)
			}
			p.compare(t, r)
			if t.Failed() {
				t.Logf("round %d, cut after %d bytes", rounds, offset)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, logged(p.Data))
	}
	l.Mails = len(p.mails)
	p.finish(t, l)
	t.Logf("%d cuts in %d rounds, over %d mails, in %v: none lost, none twice", done, rounds, len(p.mails), time.Since(began).Round(time.Second))
}

// compare holds promise 1, but for the mailbox action, against what the server has: what is set
// aside are the mails over the size.
func (p *place) compare(t *testing.T, r *report) {
	t.Helper()
	client := p.server.Client(p.User, "INBOX")
	defer client.Close()
	r.check(t, alone(client), len(oversizeOf(p.mails)))
	for _, i := range r.Items {
		if i.Code != "" && i.Code != "oversize" {
			t.Errorf("UID %d is set aside as %s, which no fault of a connection explains", i.UID, i.Code)
		}
	}
}
