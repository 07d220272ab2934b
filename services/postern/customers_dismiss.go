package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/pkg/event"
	retentionv1 "github.com/postern-mail/postern/proto/retention/v1"
)

// maxDismissed is how many customers' cards one plan destroys.
const maxDismissed = 4000

// A dismissal asks retention to destroy cards. Retention looks at every one of them, and
// destroys nothing else on this word.
type dismissal struct {
	conn interface {
		itemRecords
		Publish(ctx context.Context, subject string, data []byte, options ...bus.PublishOption) (uint64, error)
	}
	now func() time.Time
	out io.Writer
}

// dismiss asks, and waits for a while until every copy is destroyed and certified.
func (d dismissal) dismiss(ctx context.Context, ids []string, reason string, wait time.Duration) error {
	plans := map[string]int{}
	var first uint64
	for part := range slices.Chunk(ids, maxDismissed) {
		plan, sequence, err := d.ask(ctx, part, reason)
		if err != nil {
			return fmt.Errorf("%d of %d were not asked to be destroyed; the same command goes on with them: %w", len(ids)-dismissed(plans), len(ids), err)
		}
		plans[plan] = len(part)
		if first == 0 {
			first = sequence
		}
	}
	if wait == 0 || len(ids) == 0 {
		return nil
	}
	return d.await(ctx, plans, first, wait)
}

// supersede asks for cards in whose place others stand, now or since a command that was cut off.
func (d dismissal) supersede(ctx context.Context, ids []string) error {
	return d.dismiss(ctx, ids, "customers:replaced", 0)
}

func dismissed(plans map[string]int) (n int) {
	for _, of := range plans {
		n += of
	}
	return n
}

func (d dismissal) ask(ctx context.Context, ids []string, reason string) (plan string, sequence uint64, err error) {
	var drawn [10]byte
	rand.Read(drawn[:]) //nolint:errcheck // crypto/rand.Read never fails
	plan = "P" + hex.EncodeToString(drawn[:])
	now := d.now()
	said := &retentionv1.Dismissed{Plan: plan, Items: ids, By: operator(), Reason: reason, Time: timestamppb.New(now)}
	envelope, err := event.New(plan, topology.Customers, 0, "", now, said)
	if err != nil {
		return "", 0, err
	}
	data, err := event.Marshal(envelope)
	if err != nil {
		return "", 0, err
	}
	sequence, err = d.conn.Publish(ctx, event.Name(said), data, bus.MsgID(envelope.GetId()))
	return plan, sequence, err
}

// await tells what becomes of plans.
func (d dismissal) await(ctx context.Context, plans map[string]int, from uint64, wait time.Duration) error {
	enough, again := time.After(wait), time.NewTicker(100*time.Millisecond)
	defer again.Stop()
	var problems []error
	for {
		for message, err := range d.conn.Scan(ctx, topology.Retention, from) {
			if err != nil {
				return err
			}
			from = message.Sequence + 1
			_, said, err := event.Open(message.Subject, message.Data)
			if err != nil {
				continue // it is not about these
			}
			switch e := said.(type) {
			case *retentionv1.Planned:
				if n := plans[e.GetPlan()]; n > 0 {
					fmt.Fprintf(d.out, "plan %s: retention takes the keys of %s\n", e.GetPlan(), cards(n))
				}
			case *retentionv1.Certified:
				if n := plans[e.GetPlan()]; n > 0 {
					fmt.Fprintf(d.out, "certificate %s: every copy of %s is destroyed\n", e.GetCertificate(), cards(n))
					delete(plans, e.GetPlan())
				}
			case *retentionv1.Withdrawn:
				if plans[e.GetPlan()] > 0 {
					problems = append(problems, fmt.Errorf("nothing of plan %s was done: %s", e.GetPlan(), refused(e.GetCode())))
					delete(plans, e.GetPlan())
				}
			}
		}
		if len(plans) == 0 {
			return errors.Join(problems...)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-enough:
			fmt.Fprintln(d.out, "still under way: the retain service goes on with it when it runs, and certifies when it is done")
			return errors.Join(problems...)
		case <-again.C:
		}
	}
}

func cards(n int) string {
	if n == 1 {
		return "the card of one customer"
	}
	return fmt.Sprintf("the cards of %d customers", n)
}

// refused says why retention did not do as it was asked.
func refused(code string) string {
	switch code {
	case "held":
		return "one of them is on hold; lift the hold first"
	case "not_present", "unknown_item":
		return "one of them was removed meanwhile"
	}
	return code
}
