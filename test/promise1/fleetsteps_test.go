package promise1

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/test/program"
)

// onlyInOne are the steps at which a fleet's process cannot be killed from outside its calls: the
// change of the mailbox (its connection is encrypted), what only follows three deaths, and what the
// keyring does within one answer to retention or to nobody.
var onlyInOne = []int{15, 26, 27, 28, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 44, 45, 46, 49, 54}

// fewWaves are enough for half of all deaths; who asked a keyring that died waits long for an answer.
const fewWaves = 4

// service is whose call a pattern means, in a fleet.
func (p pattern) service() string {
	switch {
	case p.Where == onBus:
		return p.Who
	case p.Where == onDisk:
		return "keyring"
	case p.Where == eraser:
		return "retain"
	}
	prefix, _, _ := strings.Cut(p.What, "/")
	switch prefix {
	case "raw":
		if p.Kind == "tag" {
			return "archive"
		}
		return "ingest"
	case "view", "pii":
		return "sanitize"
	case "journal":
		return "archive"
	case "certificates":
		return "retain"
	}
	return "keyring"
}

// fleetOrders are the deaths of all steps that a fleet's services die at, by service: before each and
// after it where there is all the time that is wanted. What belongs to retention is apart.
func fleetOrders(retention bool) map[string][]order {
	all := map[string][]order{}
	for _, s := range steps {
		if s.sweep != retention || slices.Contains(onlyInOne, s.number) {
			continue
		}
		for _, moment := range []string{"before", "after"} {
			if !long() && (s.number%2 == 0) != (moment == "before") {
				continue
			}
			k := s.killings()[moment]
			k.Since, k.Sweep = nil, false // others' calls, which this process does not see
			service := k.Call.service()
			all[service] = append(all[service], order{fmt.Sprintf("%s %s", s.name(), moment), k})
		}
	}
	return all
}

// In each wave mails come to a fleet, and each service dies at a step of its own while the others go
// on: before it and after it, until all have died at all of theirs.
func TestAMailIsOneTicketOrSetAsideWhereverAServiceOfAFleetIsKilled(t *testing.T) {
	began := time.Now()
	c := newCrowd(t, rand.New(rand.NewPCG(1, 6<<32)))
	c.known = map[string]string{}
	killed := 0
	orders := fleetOrders(false)
	for wave := 0; len(orders) > 0 && (long() || wave < fewWaves); wave++ {
		told, from := c.give(t, orders), time.Now()
		c.bring(t, plain, withFile, personal, crooked, lengthy, oversize)
		c.died(t, told)
		c.come(t, settling)
		c.compare(t, alone)
		killed += len(told)
		if t.Failed() {
			t.Fatalf("wave %d: %v", wave, told)
		}
		t.Logf("wave %d, %v: %v", wave, time.Since(from).Round(time.Second), told)
	}
	mails := time.Since(began)
	// One night of retention, in which it dies at one step after another and goes on from there.
	for i, o := range fleetOrders(true)["retain"] {
		c.order(t, "retain", o)
		if strings.HasPrefix(o.Name, "53") { // it follows each certificate once, and is not done again by who died before it
			c.bring(t, plain)
			c.come(t, settling)
		}
		if i == 0 || strings.HasPrefix(o.Name, "53") {
			if err := c.Advance(program.Context(t), sweepSpan); err != nil {
				t.Fatal(err)
			}
		}
		c.died(t, map[string]string{"retain": o.Name})
		killed++
	}
	c.certified(t)
	c.known = nil
	c.come(t, settling)
	c.compare(t, alone)
	t.Logf("%d kills at steps of a fleet's services, over %d mails, in %v (retention from %v on)", killed, len(c.mails), time.Since(began).Round(time.Second), mails.Round(time.Second))
}

// give gives each service its next order.
func (c *crowd) give(t *testing.T, orders map[string][]order) map[string]string {
	t.Helper()
	told := map[string]string{}
	for service, left := range orders {
		c.order(t, service, left[0])
		told[service] = left[0].Name
		if orders[service] = left[1:]; len(left) == 1 {
			delete(orders, service)
		}
	}
	return told
}

// died waits until services have died as they were ordered to, and ends the leases that they left.
func (c *crowd) died(t *testing.T, told map[string]string) {
	t.Helper()
	left := map[string]string{}
	for service, name := range told {
		left[service] = name
	}
	program.Until(t, fmt.Sprintf("services have died at %v", told), func() bool {
		for service := range left {
			if c.obeyed(t, service) {
				c.free(t, service)
				delete(left, service)
			}
		}
		return len(left) == 0
	})
}

// free gives up the leases that a dead process holds: its successor need not wait for their end.
func (c *crowd) free(t *testing.T, service string) {
	t.Helper()
	ctx := program.Context(t)
	js, done, err := c.into(t).setup()
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	leases, err := js.Stream(ctx, topology.Leases)
	if err != nil {
		t.Fatal(err)
	}
	info, err := leases.Info(ctx, jetstream.WithSubjectFilter("leases."+service+".>"))
	if err != nil {
		t.Fatal(err)
	}
	tool := program.As(t, c.Fleet, service)
	defer tool.Conn.Close()
	for subject := range info.State.Subjects {
		if _, err := tool.Conn.Publish(ctx, subject, []byte("freed")); err != nil {
			t.Fatal(err)
		}
	}
}

// certified waits until every plan that has targets has its certificate.
func (c *crowd) certified(t *testing.T) {
	t.Helper()
	program.Until(t, "what was due is certified", func() bool {
		r, err := look(program.Context(t), c.into(t))
		if err != nil {
			return false
		}
		plans := 0
		for plan, targets := range r.Plans {
			if targets > 0 && r.Certified[plan] == 0 {
				return false
			}
			plans++
		}
		for _, i := range r.Items {
			if i.Code == "" && i.Layers["raw"] != "destroyed" {
				return false
			}
		}
		return plans > 0
	})
}
