package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/fault"
	"github.com/postern-mail/postern/pkg/mailauth"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	verifyv1 "github.com/postern-mail/postern/proto/verify/v1"
	"github.com/postern-mail/postern/services/verify"
)

// evidenceCommand has the verdict on a sender repeated from what was kept of it. It has a
// credential of its own, which opens nothing: the service verify does, in this user's name.
func evidenceCommand(ctx context.Context, args []string, io stdio) int {
	flags := newFlags("evidence", "replay ITEM|TICKET   [--config FILE]", io.err)
	path := configFlag(flags)
	words, code, ok := parseVerb(flags, args, "replay", 2)
	if !ok {
		return code
	}
	if len(words) != 1 {
		flags.Usage()
		return misuse
	}
	if !event.IsItem(words[0]) && !event.IsTicket(words[0]) {
		return notAnItem(words[0], io)
	}
	c, ok := load(*path, io.err)
	if !ok {
		return failed
	}
	tool, err := toolAt(ctx, c, topology.Evidence)
	if err != nil {
		return fail(io, err)
	}
	defer tool.Close()
	same, err := replay(ctx, tool.Conn, words[0], io.out)
	if err != nil {
		return fail(io, err)
	}
	if !same {
		return failed
	}
	return done
}

// replays is the bus as far as a replay needs it.
type replays interface {
	itemRecords
	Request(ctx context.Context, subject string, data []byte, options ...bus.PublishOption) ([]byte, error)
}

// replay says what a verdict was, what it is again, and whether that is the same.
func replay(ctx context.Context, conn replays, name string, out io.Writer) (same bool, err error) {
	record, err := recordNamed(ctx, conn, name)
	if err != nil {
		return false, err
	}
	if err := replayable(record); err != nil {
		return false, fmt.Errorf("item %s: %w", record.GetItem(), err)
	}
	request, err := proto.Marshal(&verifyv1.Replay{Item: record.GetItem(), Evidence: record.GetEvidence(), Actor: operator()})
	if err != nil {
		return false, fmt.Errorf("replay: %w", err)
	}
	answer, err := conn.Request(ctx, topology.Replay, request)
	if err != nil {
		return false, fmt.Errorf("item %s: %w", record.GetItem(), unreplayed(err))
	}
	replayed := new(verifyv1.Replayed)
	if err := proto.Unmarshal(answer, replayed); err != nil {
		return false, errors.New("the service verify gave an answer that cannot be read: is it of this version?")
	}
	fmt.Fprintf(out, "item     %s\n", record.GetItem())
	if record.GetTicket() != "" {
		fmt.Fprintf(out, "ticket   %s\n", record.GetTicket())
	}
	fmt.Fprintf(out, "received %s\n", when(replayed.GetReceived()))
	tellVerdict(out, "then", replayed.GetThen())
	same = len(replayed.GetDifferences()) == 0
	rests := fmt.Sprintf("from the mail, %d answers of the DNS, %d keys and %d entries of the directory as they were kept", replayed.GetAnswers(), replayed.GetKeys(), replayed.GetKnown())
	if same {
		fmt.Fprintf(out, "now      the same, %s\n", rests)
		return true, nil
	}
	tellVerdict(out, "now", replayed.GetNow())
	fmt.Fprintf(out, "It is NOT the same: %s differ, %s.\n", strings.Join(replayed.GetDifferences(), ", "), rests)
	for _, key := range replayed.GetKeysGone() {
		fmt.Fprintf(out, "It was encrypted, and judged by what was inside. The key that opened it is no longer in decryption.keys of verify: %s\n", key)
	}
	return false, nil
}

func tellVerdict(out io.Writer, label string, verdict *verifyv1.Verdict) {
	fmt.Fprintf(out, "%-8s %s\n", label, verdict.GetVerdict())
	for _, code := range verdict.GetReasons() {
		fmt.Fprintf(out, "           %s: %s\n", code, cmp.Or(mailauth.Reasons[code].Engineer, "a reason that this version does not know"))
	}
}

// recordNamed finds the record of an item or a ticket.
func recordNamed(ctx context.Context, conn itemRecords, name string) (*itemv1.Record, error) {
	if event.IsItem(name) {
		return recordOf(ctx, conn, name)
	}
	for message, err := range conn.Scan(ctx, topology.Items, 1) {
		if err != nil {
			return nil, fmt.Errorf("item records: %w", err)
		}
		item := message.Subject[strings.LastIndexByte(message.Subject, '.')+1:]
		if event.Ticket(item) == name {
			return recordOf(ctx, conn, item)
		}
	}
	return nil, fmt.Errorf("ticket %s: there is no such ticket", name)
}

// replayable says why a record's verdict cannot be repeated.
func replayable(record *itemv1.Record) error {
	if len(record.GetEvidence()) > 0 {
		return nil
	}
	l := original(record)
	switch {
	case l == nil || l.GetState() != itemv1.LayerState_LAYER_STATE_PRESENT:
		return errors.New("its original was destroyed, and with it what the verdict rested on")
	case slices.Contains(record.GetFindings().GetSenderReasons(), mailauth.EvidenceNotKept):
		return errors.New("what the verdict rested on was too much to be kept, as " + mailauth.EvidenceNotKept + " among its reasons says")
	case record.GetFindings().GetSenderVerdict() == "":
		return fmt.Errorf("it is %s, and its sender has no verdict on record yet", event.StateWord(record.GetState()))
	}
	return errors.New("it was judged by a version that kept no evidence")
}

// unreplayed says what to do where verify gave no verdict.
func unreplayed(err error) error {
	switch code := fault.Of(err).Code; {
	case errors.Is(err, bus.ErrNobody):
		return fmt.Errorf("the service verify does not answer, is it running? (%w)", err)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("the service verify gave no answer in time: it stands still or is overloaded; ask again (%w)", err)
	case code == verify.EvidenceUnreadable:
		return fmt.Errorf("what was kept does not open with the mail's key or is damaged, so it proves nothing (%w)", err)
	case code == "open_destroyed":
		return fmt.Errorf("its original was destroyed in this moment (%w)", err)
	}
	return err
}
