package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/pkg/event"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	"github.com/postern-mail/postern/services/postern/demo/mailbox"
	"github.com/postern-mail/postern/services/postern/fleet"
	"github.com/postern-mail/postern/services/postern/wiring"
)

// An account tells what becomes of each mail, by the names that the demonstration gave
// them: mailboxes number mails from one, in the order they came. What an earlier run has
// brought to its end is told in one line. It belongs to one goroutine at a time.
type account struct {
	out   io.Writer
	mails []mailbox.Mail
	began time.Time
	// advice is what to do when all have settled.
	advice string

	next   uint64 // of ITEMS, to be read
	items  map[string]told
	summed bool
}

// told is what was last said of an item.
type told struct {
	state itemv1.State
	gone  bool // its original is destroyed
}

// recall reads what earlier runs left. It comes before the services start, so that nothing
// of this run is among it.
func (a *account) recall(ctx context.Context, process *wiring.Process) error {
	conn, err := process.Connect(ctx, topology.Doctor)
	if err != nil {
		return err
	}
	defer conn.Close()
	return a.read(ctx, conn, func(record *itemv1.Record) { a.note(record) })
}

// greet says what recall found.
func (a *account) greet() {
	here := a.settled()
	if here == 0 {
		return
	}
	rest := "."
	if more := len(a.items) - here; more > 0 {
		rest = fmt.Sprintf("; %d more were under way and go on.", more)
	}
	if a.summed = here >= len(a.mails); a.summed {
		rest += " " + a.advice
	}
	mails := "mails are"
	if here == 1 {
		mails = "mail is"
	}
	fmt.Fprintf(a.out, "%d %s here from before%s\n\n", here, mails, rest)
}

// lookAgain is how often an account looks for what is new.
const lookAgain = 200 * time.Millisecond

// follow tells what is new until ctx ends.
func (a *account) follow(ctx context.Context, process *wiring.Process) error {
	conn, err := process.Connect(ctx, topology.Doctor)
	if err != nil {
		return err
	}
	defer conn.Close()
	ticker := time.NewTicker(lookAgain)
	defer ticker.Stop()
	for {
		if err := a.read(ctx, conn, a.tell); err != nil && ctx.Err() == nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// read gives each record that came since it was called last.
func (a *account) read(ctx context.Context, conn *bus.Conn, each func(*itemv1.Record)) error {
	for message, err := range conn.Scan(ctx, topology.Items, max(a.next, 1), bus.Matching(event.MailsSubject)) {
		if err != nil {
			return err
		}
		record := new(itemv1.Record)
		if err := proto.Unmarshal(message.Data, record); err != nil {
			return fmt.Errorf("item record: %w", err)
		}
		each(record)
		a.next = message.Sequence + 1
	}
	return nil
}

// note keeps what is known of an item and gives what was known before.
func (a *account) note(record *itemv1.Record) (before told) {
	before = a.items[record.GetItem()]
	if a.items == nil {
		a.items = map[string]told{}
	}
	a.items[record.GetItem()] = told{record.GetState(), before.gone || originalDestroyed(record)}
	return before
}

// tell writes one line when a mail has settled, and one when it is gone.
func (a *account) tell(record *itemv1.Record) {
	before := a.note(record)
	now := a.items[record.GetItem()]
	if fleet.Settled(record) && before.state != now.state {
		a.line(record, ended(record))
	}
	if now.gone && !before.gone && now.state != itemv1.State_STATE_TOMBSTONE {
		a.line(record, "original destroyed")
	}
	if settled := a.settled(); settled >= len(a.mails) && !a.summed {
		a.summed = true
		fmt.Fprintf(a.out, "\nAll %d mails are %s, sealed and filed, after %.1f s. %s\n\n", settled, a.sum(), time.Since(a.began).Seconds(), a.advice)
	}
}

func (a *account) line(record *itemv1.Record, what string) {
	name := fmt.Sprintf("mail %d", record.GetUid())
	if n := int(record.GetUid()); n >= 1 && n <= len(a.mails) {
		name = a.mails[n-1].Name
	}
	fmt.Fprintf(a.out, "%6.1fs  %-34s %s\n", time.Since(a.began).Seconds(), name, what)
}

// ended says how a mail settled.
func ended(record *itemv1.Record) string {
	switch record.GetState() {
	case itemv1.State_STATE_SET_ASIDE:
		return fmt.Sprintf("set aside by %s: %s", record.GetSetAside().GetStage(), record.GetSetAside().GetCode())
	case itemv1.State_STATE_TOMBSTONE:
		return "destroyed"
	}
	found := record.GetFindings()
	words := []string{found.GetSenderVerdict(), found.GetScanVerdict()}
	if found.GetKind() != "person" {
		words = append(words, strings.ReplaceAll(found.GetKind(), "_", " "))
	}
	if slices.ContainsFunc(record.GetLayers(), func(layer *itemv1.Layer) bool { return layer.GetKind() == itemv1.LayerKind_LAYER_KIND_PII }) {
		words = append(words, "masked")
	}
	return strings.TrimRight(fmt.Sprintf("%-34s %s", strings.Join(words, ", "), strings.Join(telling(found), " ")), " ")
}

// telling gives the reasons that say most: what any good mail has comes last.
func telling(found *itemv1.Findings) []string {
	const most = 4
	reasons := slices.DeleteFunc(slices.Concat(found.GetSenderReasons(), found.GetScanReasons()), func(code string) bool { return code == "no_second_opinion" })
	usual := func(code string) int {
		switch code {
		case "dkim_aligned", "spf_aligned", "dmarc_pass":
			return 1
		}
		return 0
	}
	slices.SortStableFunc(reasons, func(a, b string) int { return usual(a) - usual(b) })
	return reasons[:min(most, len(reasons))]
}

// settled counts the mails that have come to where they stay.
func (a *account) settled() int { return len(a.items) - a.count(underWay) }

// sum says what the mails that settled are.
func (a *account) sum() string {
	aside := a.count(func(state itemv1.State) bool { return state == itemv1.State_STATE_SET_ASIDE })
	if aside > 0 {
		return fmt.Sprintf("tickets or (%d of them) set aside", aside)
	}
	return "tickets"
}

func (a *account) count(which func(itemv1.State) bool) (n int) {
	for _, item := range a.items {
		if which(item.state) {
			n++
		}
	}
	return n
}

func underWay(state itemv1.State) bool { return !fleet.Settled(&itemv1.Record{State: state}) }

// originalDestroyed says whether nothing opens a mail's original any more.
func originalDestroyed(record *itemv1.Record) bool {
	return slices.ContainsFunc(record.GetLayers(), func(layer *itemv1.Layer) bool {
		return layer.GetKind() == itemv1.LayerKind_LAYER_KIND_RAW && layer.GetState() == itemv1.LayerState_LAYER_STATE_DESTROYED
	})
}
