package keyring

import (
	"fmt"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/postern-mail/postern/pkg/keys"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
	retentionv1 "github.com/postern-mail/postern/proto/retention/v1"
)

// A night is the moment before destruction and forgetting: one item is due, one was erased,
// one straggles in an old intake bucket, and one has to survive it all.
type night struct {
	*world
	first, second               *simDisk
	due, erased, straggler, old string
	plan                        *retentionv1.Planned
	stop                        func()
}

func newNight(t *testing.T) *night {
	n := &night{world: newWorld(t), first: newSimDisk(), second: newSimDisk()}
	n.world.disk, n.world.second = n.first, n.second
	_, n.stop = n.start()
	n.due, n.erased, n.old = n.ticketed("due", 3), n.ticketed("erased", 30), n.ticketed("old", 30)
	n.straggler = n.mail("straggler")
	if _, err := n.client("retain").Erase(t.Context(), &keyringv1.Erase{Request: "r", Items: []string{n.erased}, Actor: "paula"}); err != nil {
		t.Fatal(err)
	}
	n.pass(4 * day)
	n.plan = n.world.plan("plan")
	if len(n.plan.Targets) != 1 {
		t.Fatalf("targets: %v", n.plan.Targets)
	}
	n.journalled()
	return n
}

// run does what retain does in a night, and gives the first error.
func (n *night) run() error {
	n.journalled()
	retain := n.client("retain")
	if _, err := retain.Destroy(n.t.Context(), &keyringv1.Destroy{Plan: n.plan}); err != nil {
		return err
	}
	_, err := retain.Forget(n.t.Context())
	if code, is := keys.RefusalOf(err); is && code == keys.JournalBehind {
		n.journalled()
		_, err = retain.Forget(n.t.Context())
	}
	return err
}

// check looks at what a night must leave behind.
func (n *night) check(name string) {
	n.t.Helper()
	n.mustOpen(n.old, raw, "old")
	n.mustOpen(n.old, view, "card old")
	n.mustOpen(n.straggler, raw, "straggler")
	n.mustOpen(n.due, view, "card due")
	if l := layerOf(n.record(n.due), raw); l.State != destroyed || l.Plan != "plan" {
		n.t.Errorf("%s: the due layer is %v", name, l)
	}
	if r := n.record(n.erased); r.State != itemv1.State_STATE_TOMBSTONE {
		n.t.Errorf("%s: the erased item is %v", name, r.State)
	}
	attested, err := n.client("retain").Attest(n.t.Context(), &keyringv1.Attest{Buckets: append(proto.CloneOf(n.plan).Buckets, "intake.raw.20261121.1")})
	if err != nil {
		n.t.Errorf("%s: %v", name, err)
		return
	}
	for _, g := range attested.Gone {
		if !g.Gone {
			n.t.Errorf("%s: %s is still there", name, g.Bucket)
		}
	}
}

// Every change of a record fails once, before or after it took effect, then the process
// dies and another goes on.
func TestANightThatDiesAtAnyRecordIsFinishedByTheNext(t *testing.T) {
	good := newNight(t)
	before := good.records.puts
	if err := good.run(); err != nil {
		t.Fatal(err)
	}
	good.check("good run")
	count := good.records.puts - before
	if count < 5 { // take, settle, move the straggler, move the neighbour, settle
		t.Fatalf("a night makes %d changes of records", count)
	}
	for i := 1; i <= count; i++ {
		for _, after := range []bool{false, true} {
			name := fmt.Sprintf("change %d of %d, took effect %v", i, count, after)
			n := newNight(t)
			n.records.mu.Lock()
			n.records.failAt, n.records.after = n.records.puts+i, after
			n.records.mu.Unlock()
			if err := n.run(); err == nil {
				t.Errorf("%s: the night did not notice", name)
			}
			n.stop()
			n.start()
			if err := n.run(); err != nil {
				t.Errorf("%s: the next night: %v", name, err)
				continue
			}
			n.check(name)
		}
	}
}

// The power goes at every write of the keyring's own files, then another process goes on.
func TestANightThatLosesPowerAtAnyWriteIsFinishedByTheNext(t *testing.T) {
	good := newNight(t)
	before := [2]int{len(good.first.calls), len(good.second.calls)}
	if err := good.run(); err != nil {
		t.Fatal(err)
	}
	counts := [2]int{len(good.first.calls) - before[0], len(good.second.calls) - before[1]}
	if counts[0] < 20 || counts[1] < 10 {
		t.Fatalf("a night makes %v writes", counts)
	}
	ways := []powerCut{lost, kept, torn, half}
	for which, count := range counts {
		for at := 1; at <= count; at++ {
			how := ways[(at+which)%len(ways)] // every way at every write is the keeper's own test
			name := fmt.Sprintf("disk %d, write %d of %d, way %d", which, at, count, how)
			n := newNight(t)
			disk := []*simDisk{n.first, n.second}[which]
			n.first.how, n.second.how = how, how
			disk.at = len(disk.calls) + at
			err := n.run()
			if !disk.off {
				t.Fatalf("%s: not reached: %v", name, err)
			}
			n.stop()
			n.first, n.second = n.first.restart(), n.second.restart()
			n.world.disk, n.world.second = n.first, n.second
			n.start()
			if err := n.run(); err != nil {
				t.Errorf("%s: the next night: %v", name, err)
				continue
			}
			n.check(name)
		}
	}
}

// A write that fails while the process lives on must not leave it in doubt.
func TestANightGoesOnInTheSameProcessAfterAFailedWrite(t *testing.T) {
	good := newNight(t)
	before := len(good.first.calls)
	if err := good.run(); err != nil {
		t.Fatal(err)
	}
	for at := 1; at <= len(good.first.calls)-before; at++ {
		name := fmt.Sprintf("write %d", at)
		n := newNight(t)
		n.first.how, n.first.fail, n.first.at = torn, true, len(n.first.calls)+at
		firstErr := n.run()
		if err := n.run(); err != nil {
			t.Errorf("%s: after %v: %v", name, firstErr, err)
			continue
		}
		n.check(name)
	}
}
