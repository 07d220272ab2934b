package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"os/user"
	"slices"
	"strings"
	"time"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/keys"
	auditv1 "github.com/postern-mail/postern/proto/audit/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
	"github.com/postern-mail/postern/services/postern/wiring"
	"github.com/postern-mail/postern/services/retain"
)

// retentionCommand acts in retention's name, with retention's credential. It is for
// operators: who may read that credential may do this.
func retentionCommand(ctx context.Context, args []string, io stdio) int {
	flags := newFlags("retention", "run | erase ITEM|TICKET... | hold ITEM|TICKET... | release HOLD ITEM|TICKET...   --reason WORD [--wait 1m] [--config FILE]", io.err)
	path := configFlag(flags)
	reason := flags.String("reason", "", "why, for erase, hold and release: one `word`, such as the number of a case, that names nobody")
	wait := flags.Duration("wait", time.Minute, "how long run and erase wait for what comes with time, such as the journal or the end of a day's intake keys")
	var words []string
	for len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		words, args = append(words, args[0]), args[1:]
	}
	if code, ok := parse(flags, args); !ok {
		return code
	}
	if !understood(words) {
		flags.Usage()
		return misuse
	}
	for _, word := range named(words) {
		if !event.IsRecord(word) && !event.IsTicket(word) {
			fmt.Fprintf(io.err, "postern: %q is neither the id of an item, which is 64 hex digits or C and 32, nor the name of a ticket, which is T and 20\n", word)
			return misuse
		}
	}
	if words[0] != "run" {
		if err := retain.CheckReason(*reason); err != nil {
			fmt.Fprintln(io.err, "postern: --reason:", err)
			return misuse
		}
	}
	c, ok := load(*path, io.err)
	if !ok {
		return failed
	}
	process, err := wiring.Attach(ctx, c, wiring.Options{For: []string{"retain"}})
	if err != nil {
		return fail(io, err)
	}
	defer process.Close()
	tool, err := process.Tool(ctx, "retain")
	if err != nil {
		return fail(io, err)
	}
	defer tool.Conn.Close()
	if err := act(ctx, tool, words, *reason, *wait, io); err != nil {
		return fail(io, err)
	}
	return done
}

func understood(words []string) bool {
	switch {
	case len(words) == 0:
		return false
	case words[0] == "run":
		return len(words) == 1
	}
	return slices.Contains([]string{"erase", "hold", "release"}, words[0]) && len(named(words)) > 0
}

// named are the items and tickets of a command's words: behind its verb, and behind the hold that is released.
func named(words []string) []string {
	if words[0] == "release" {
		return words[min(2, len(words)):]
	}
	return words[1:]
}

// notAnItem says that a word is none of an item's ids.
func notAnItem(word string, io stdio) int {
	if event.IsTicket(word) {
		fmt.Fprintf(io.err, "postern: %s is the name of a ticket; the id of an item is 64 hex digits\n", word)
	} else {
		fmt.Fprintf(io.err, "postern: %q is not the id of an item, which is 64 hex digits\n", word)
	}
	return misuse
}

func act(ctx context.Context, tool *wiring.Tool, words []string, reason string, wait time.Duration, io stdio) error {
	actor := operator()
	records := retain.NewStreamRecords(tool.Conn)
	words, err := itemsOf(ctx, tool.Conn, words, io)
	if err != nil {
		return err
	}
	if words[0] != "release" { // which names those that do not have the hold
		if err := known(ctx, records, named(words)); err != nil {
			return err
		}
	}
	switch words[0] {
	case "hold":
		var drawn [8]byte
		rand.Read(drawn[:]) //nolint:errcheck // crypto/rand.Read never fails
		id := "H" + hex.EncodeToString(drawn[:])
		held, err := tool.Client.Hold(ctx, &keyringv1.Hold{Hold: id, Items: words[1:], Actor: actor, Reason: []byte(reason)})
		if err == nil {
			fmt.Fprintf(io.out, "hold %s counts for %d items\n", id, len(held.GetItems()))
		}
		return err
	case "release":
		custody := custody{records, retain.NewStreamLog(tool.Conn, tool.Clock.Now), tool.Client}
		return custody.release(ctx, &keyringv1.Release{Hold: words[1], Items: words[2:], Actor: actor}, reason, io)
	}
	service, err := tool.Retain()
	if err != nil {
		return err
	}
	if words[0] == "erase" {
		plan, err := service.EraseItems(ctx, retain.Wish{Items: words[1:], Actor: actor, Reason: reason})
		if plan == "" {
			return err
		}
		fmt.Fprintf(io.out, "erasure %s: key packets removed\n", plan)
		if !errors.Is(err, retain.ErrPending) {
			return err
		}
	}
	return finish(ctx, service, wait, io)
}

// A scanner reads a stream.
type scanner interface {
	Scan(ctx context.Context, stream string, from uint64, options ...bus.ScanOption) iter.Seq2[*bus.Message, error]
}

// itemsOf puts the item in the place of each ticket of a command's words, each item once, and
// says which it is.
func itemsOf(ctx context.Context, conn scanner, words []string, io stdio) ([]string, error) {
	var items, unknown, said []string
	for _, word := range named(words) {
		item := word
		if event.IsTicket(word) {
			var err error
			if item, err = itemOf(ctx, conn, word); err != nil {
				return nil, fmt.Errorf("ticket %s: %w", word, err)
			}
			if item == "" {
				unknown = append(unknown, word)
				continue
			}
			said = append(said, fmt.Sprintf("ticket %s is item %s\n", word, item))
		}
		if !slices.Contains(items, item) {
			items = append(items, item)
		}
	}
	if len(unknown) > 0 {
		return nil, fmt.Errorf("there is no such ticket, and nothing was done: %s", strings.Join(unknown, " "))
	}
	fmt.Fprint(io.out, strings.Join(said, ""))
	return slices.Concat(words[:len(words)-len(named(words))], items), nil
}

// itemOf is the item that became a ticket; "" where nothing was said of that ticket. What
// opened it names the item, what was said at the desk does not.
func itemOf(ctx context.Context, conn scanner, ticket string) (string, error) {
	for message, err := range conn.Scan(ctx, topology.Tickets, 1, bus.Matching("tickets."+ticket)) {
		if err != nil {
			return "", err
		}
		if envelope, _, err := event.Open(message.Subject, message.Data); err == nil && event.Ticket(envelope.GetItem()) == ticket {
			return envelope.GetItem(), nil
		}
	}
	return "", nil
}

// known refuses items of which there is no record: an id that was mistyped must not look like
// one that was dealt with.
func known(ctx context.Context, records interface {
	Get(ctx context.Context, item string) (*itemv1.Record, error)
}, items []string) error {
	var unknown []string
	for _, item := range items {
		record, err := records.Get(ctx, item)
		if err != nil {
			return fmt.Errorf("item record: %w", err)
		}
		if record == nil {
			unknown = append(unknown, item)
		}
	}
	if len(unknown) > 0 {
		return fmt.Errorf("there is no such item, and nothing was done: %s", strings.Join(unknown, " "))
	}
	return nil
}

// operator is who types a command, by the name that the machine knows.
func operator() string {
	if who, err := user.Current(); err == nil {
		return "operator:" + who.Username
	}
	return "operator"
}

// custody is what a hold is lifted with.
type custody struct {
	records interface {
		Get(ctx context.Context, item string) (*itemv1.Record, error)
	}
	log interface {
		Record(ctx context.Context, act *auditv1.Act) error
	}
	keyring interface {
		Release(ctx context.Context, request *keyringv1.Release) (*keyringv1.Forgotten, error)
	}
}

// release lifts a hold from the items that have it and names those that have it not: a
// hold's name that was mistyped must not look like one that was lifted. After a lost answer
// the command may be repeated; what was lifted then is named.
func (c custody) release(ctx context.Context, request *keyringv1.Release, reason string, io stdio) error {
	var held, without []string
	for _, item := range request.GetItems() {
		record, err := c.records.Get(ctx, item)
		if err != nil {
			return fmt.Errorf("item record: %w", err)
		}
		if slices.ContainsFunc(record.GetHolds(), func(h *itemv1.Hold) bool { return h.GetId() == request.GetHold() }) {
			held = append(held, item)
		} else {
			without = append(without, item)
		}
	}
	if len(held) > 0 {
		// The keyring records who did it; why is recorded here, before it is done.
		why := &auditv1.Act{Action: "release", Actor: request.GetActor(), Purpose: request.GetHold(), Items: held, Reason: []byte(reason), Outcome: "allowed"}
		if err := c.log.Record(ctx, why); err != nil {
			return err
		}
		if _, err := c.keyring.Release(ctx, &keyringv1.Release{Hold: request.GetHold(), Items: held, Actor: request.GetActor()}); err != nil {
			return err
		}
		fmt.Fprintf(io.out, "hold %s released from %d items\n", request.GetHold(), len(held))
	}
	if len(without) > 0 {
		return fmt.Errorf("hold %s is not on %d of %d items: look at its name, or it was lifted before: %s",
			request.GetHold(), len(without), len(request.GetItems()), strings.Join(without, " "))
	}
	return nil
}

// finish runs until nothing waits any more, or for as long as the operator will wait: the
// journal and other keyrings need seconds, a day's intake keys live for another day. What
// is still under way then, the service goes on with.
func finish(ctx context.Context, service *retain.Service, wait time.Duration, io stdio) error {
	enough := time.After(wait)
	for {
		err := service.Run(ctx)
		refusal, refused := keys.RefusalOf(err)
		if refusal == keys.StaleRequest { // no waiting helps
			return explained(err)
		}
		// The running service may be at it in this very moment: one of two is told to wait.
		if passing := refused && refusal.Passing(); !passing && !errors.Is(err, retain.ErrPending) {
			if err == nil {
				fmt.Fprintln(io.out, "done: what was due is destroyed and certified")
			}
			return err
		}
		fmt.Fprintln(io.out, "waiting:", err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-enough:
			fmt.Fprintln(io.out, "still under way: the retain service goes on with it, and certifies when it is done")
			return nil
		case <-time.After(2 * time.Second):
		}
	}
}
