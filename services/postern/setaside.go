package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/pkg/config"
	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/keys"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
	"github.com/postern-mail/postern/services/ingest"
)

// setasideCommand shows what left the pipeline, and has it taken up again. It has a credential
// of its own, which can do nothing else: it opens no mail.
func setasideCommand(ctx context.Context, args []string, io stdio) int {
	flags := newFlags("setaside", "list | show ITEM | retry ITEM... [--fetch-limit SIZE]   [--config FILE]", io.err)
	path := configFlag(flags)
	limit := flags.String("fetch-limit", "", "with retry: the largest `size` of a mail of which only the headers are kept that is fetched whole, such as 60MiB; ingest.max_size by default")
	words, code, ok := parseWords(flags, args, 1+maxRetries)
	if !ok {
		return code
	}
	if !asides(words) {
		flags.Usage()
		return misuse
	}
	for _, item := range words[1:] {
		if !event.IsItem(item) {
			return notAnItem(item, io)
		}
	}
	most, err := fetchLimit(words[0], *limit)
	if err != nil {
		fmt.Fprintln(io.err, "postern: --fetch-limit:", err)
		return misuse
	}
	c, ok := load(*path, io.err)
	if !ok {
		return failed
	}
	tool, err := toolAt(ctx, c, topology.SetAside)
	if err != nil {
		return fail(io, err)
	}
	defer tool.Close()
	shelf := shelf{tool.Conn, tool.Client, io.out}
	switch words[0] {
	case "list":
		err = shelf.list(ctx)
	case "show":
		err = shelf.show(ctx, words[1])
	default:
		err = shelf.retryAll(ctx, words[1:], most, c.Ingest.MaxSize)
	}
	if err != nil {
		return fail(io, err)
	}
	return done
}

// maxRetries is how many items one command takes up again.
const maxRetries = 1000

// asides tells whether the words are a command.
func asides(words []string) bool {
	switch {
	case len(words) == 0:
		return false
	case words[0] == "list":
		return len(words) == 1
	case words[0] == "show":
		return len(words) == 2
	}
	return words[0] == "retry" && len(words) > 1
}

// fetchLimit reads the flag; 0 where it was not given.
func fetchLimit(verb, text string) (config.Size, error) {
	if text == "" {
		return 0, nil
	}
	if verb != "retry" {
		return 0, errors.New("it goes with retry")
	}
	size, err := config.ParseSize(text)
	switch {
	case err != nil:
		return 0, err
	case size <= 0:
		return 0, errors.New("give a size above zero")
	case size.Bytes() > ingest.MaxFetch:
		return 0, fmt.Errorf("%s is over %s, the largest mail that is read", size, config.Size(ingest.MaxFetch))
	}
	return size, nil
}

// itemRecords is the stream of items' records.
type itemRecords interface {
	Scan(ctx context.Context, stream string, from uint64, options ...bus.ScanOption) iter.Seq2[*bus.Message, error]
	LastFresh(ctx context.Context, stream, subject string) (*bus.Message, error)
}

// A shelf is where what was set aside lies.
type shelf struct {
	conn    itemRecords
	keyring interface {
		Retry(ctx context.Context, request *keyringv1.Retry) (*keyringv1.Recorded, error)
	}
	out io.Writer
}

// list shows what is set aside, the oldest first.
func (s shelf) list(ctx context.Context) error {
	var all []*itemv1.Record
	for message, err := range s.conn.Scan(ctx, topology.Items, 1) {
		if err != nil {
			return fmt.Errorf("item records: %w", err)
		}
		if message.Header.Get(event.HeaderState) != event.StateWord(itemv1.State_STATE_SET_ASIDE) {
			continue
		}
		record := new(itemv1.Record)
		if err := proto.Unmarshal(message.Data, record); err != nil {
			return fmt.Errorf("record %d of stream %s is garbled", message.Sequence, topology.Items)
		}
		all = append(all, record)
	}
	if len(all) == 0 {
		fmt.Fprintln(s.out, "nothing is set aside")
		return nil
	}
	slices.SortStableFunc(all, func(a, b *itemv1.Record) int {
		return a.GetSetAside().GetTime().AsTime().Compare(b.GetSetAside().GetTime().AsTime())
	})
	table := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ITEM\tMAILBOX\tFOLDER/UID\tSTAGE\tCODE\tSINCE")
	for _, r := range all {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", r.GetItem(), r.GetMailbox(), place(r), r.GetSetAside().GetStage(), r.GetSetAside().GetCode(), when(r.GetSetAside().GetTime()))
	}
	return table.Flush()
}

// place is where a mail was found, by names of our own configuration and the server's numbers.
func place(r *itemv1.Record) string {
	folder := strconv.Quote(r.GetFolder())
	if !strings.ContainsFunc(r.GetFolder(), func(c rune) bool { return c <= ' ' || c == '"' || c == '\\' || c > '~' }) {
		folder = r.GetFolder()
	}
	uid := r.GetUid()
	if r.GetPlace() != nil {
		uid = r.GetPlace().GetUid()
	}
	return fmt.Sprintf("%s/%d", folder, uid)
}

func when(t *timestamppb.Timestamp) string {
	if t == nil {
		return "-"
	}
	return t.AsTime().UTC().Format(time.RFC3339)
}

func (s shelf) record(ctx context.Context, item string) (*itemv1.Record, error) {
	return recordOf(ctx, s.conn, item)
}

// recordOf reads an item's record as it stands.
func recordOf(ctx context.Context, conn itemRecords, item string) (*itemv1.Record, error) {
	message, err := conn.LastFresh(ctx, topology.Items, event.RecordSubject(item))
	if errors.Is(err, bus.ErrNoMessage) {
		return nil, fmt.Errorf("item %s: there is no such item", item)
	}
	if err != nil {
		return nil, fmt.Errorf("item %s: %w", item, err)
	}
	record := new(itemv1.Record)
	if err := proto.Unmarshal(message.Data, record); err != nil {
		return nil, fmt.Errorf("item %s: its record is garbled", item)
	}
	return record, nil
}

// show tells of a record what names nobody: no digest, no pseudonym, no key, no member of staff.
func (s shelf) show(ctx context.Context, item string) error {
	r, err := s.record(ctx, item)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	line := func(name, format string, values ...any) {
		fmt.Fprintf(table, "%s\t"+format+"\n", append([]any{name}, values...)...)
	}
	line("item", "%s", r.GetItem())
	line("state", "%s", event.StateWord(r.GetState()))
	line("mailbox", "%s", r.GetMailbox())
	line("folder/uid", "%s (uidvalidity %d, generation %d)", place(r), r.GetUidValidity(), r.GetGeneration())
	line("size", "%d bytes", r.GetSize())
	line("received", "%s", when(r.GetReceived()))
	line("changed", "%s", when(r.GetChanged()))
	if r.GetClass() != "" {
		line("class", "%s", r.GetClass())
	}
	if r.GetTicket() != "" {
		line("ticket", "%s", r.GetTicket())
	}
	if f := r.GetFindings(); f != nil {
		line("sender", "%s %s", f.GetSenderVerdict(), strings.Join(f.GetSenderReasons(), " "))
		line("scan", "%s %s", f.GetScanVerdict(), strings.Join(f.GetScanReasons(), " "))
	}
	if a := r.GetSetAside(); a != nil {
		line("set aside", "%s by %s, out of %s, %s", a.GetCode(), a.GetStage(), event.StateWord(a.GetFrom()), when(a.GetTime()))
	}
	for _, a := range r.GetPastAsides() {
		line("set aside before", "%s by %s, out of %s, %s, taken up again %s", a.GetCode(), a.GetStage(), event.StateWord(a.GetFrom()), when(a.GetTime()), when(a.GetRetried()))
	}
	if r.GetFetchLimit() > 0 {
		line("fetch limit", "%d bytes", r.GetFetchLimit())
	}
	for _, l := range r.GetLayers() {
		kind := strings.ToLower(strings.TrimPrefix(l.GetKind().String(), "LAYER_KIND_"))
		state := strings.ToLower(strings.TrimPrefix(l.GetState().String(), "LAYER_STATE_"))
		text := fmt.Sprintf("%s, %d bytes sealed %s", state, l.GetSize(), when(l.GetAttempted()))
		if kind == "raw" && headersAlone(r) {
			text += ", the headers alone"
		}
		for _, date := range []struct {
			name string
			at   *timestamppb.Timestamp
		}{{"due", l.GetDue()}, {"erased", l.GetErased()}, {"destroyed", l.GetDestroyed()}} {
			if date.at != nil {
				text += ", " + date.name + " " + when(date.at)
			}
		}
		line(kind, "%s", text)
	}
	for _, h := range r.GetHolds() {
		line("hold", "%s since %s", h.GetId(), when(h.GetPlaced()))
	}
	return table.Flush()
}

// headersAlone tells a record of whose mail there are only the headers, or nothing.
func headersAlone(r *itemv1.Record) bool {
	return original(r) != nil && event.HeadersOnly(r)
}

func original(r *itemv1.Record) *itemv1.Layer {
	for _, l := range r.GetLayers() {
		if l.GetKind() == itemv1.LayerKind_LAYER_KIND_RAW {
			return l
		}
	}
	return nil
}

// retryAll has items taken up again, and goes on where one cannot be.
func (s shelf) retryAll(ctx context.Context, items []string, limit, standard config.Size) error {
	var problems []error
	for _, item := range items {
		if err := s.retry(ctx, item, limit, standard); err != nil {
			problems = append(problems, err)
		}
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(problems...)
}

// retry has an item taken up again, where it can be seen that this would come to something.
func (s shelf) retry(ctx context.Context, item string, limit, standard config.Size) error {
	r, err := s.record(ctx, item)
	if err != nil {
		return err
	}
	if r.GetState() != itemv1.State_STATE_SET_ASIDE {
		return fmt.Errorf("item %s is not set aside: it is %s", item, event.StateWord(r.GetState()))
	}
	if l := original(r); l == nil || l.GetState() != itemv1.LayerState_LAYER_STATE_PRESENT {
		return fmt.Errorf("item %s: its original is destroyed, and nothing is left to take up", item)
	}
	request := &keyringv1.Retry{Item: item, Actor: operator()}
	if headersAlone(r) {
		request.FetchLimit = limit.Bytes()
		if limit == 0 {
			limit = standard
		}
		if r.GetSize() > ingest.MaxFetch {
			return fmt.Errorf("item %s has %d bytes: mails over %s are not read, and it stays set aside", item, r.GetSize(), config.Size(ingest.MaxFetch))
		}
		if r.GetSize() > limit.Bytes() {
			return fmt.Errorf("item %s has %d bytes and up to %s are fetched: give --fetch-limit", item, r.GetSize(), limit)
		}
	}
	answer, err := s.keyring.Retry(ctx, request)
	if err != nil {
		return fmt.Errorf("item %s: %w", item, explained(err))
	}
	if !answer.GetChanged() {
		return fmt.Errorf("item %s was taken up by somebody else meanwhile: it is %s", item, event.StateWord(answer.GetRecord().GetState()))
	}
	next := "it goes through the pipeline anew within half a minute"
	switch {
	case answer.GetRecord().GetState() == itemv1.State_STATE_RENDERED:
		next = "it goes on to its ticket within some ten minutes"
	case headersAlone(r):
		next = fmt.Sprintf("within half a minute it is fetched whole from its mailbox, up to %s", limit)
	}
	fmt.Fprintf(s.out, "item %s is taken up again: %s\n", item, next)
	return nil
}

// explained says what to do about an answer that the keyring gave, or did not give.
func explained(err error) error {
	refusal, _ := keys.RefusalOf(err)
	switch {
	case errors.Is(err, bus.ErrNobody):
		return fmt.Errorf("no keyring answers, is it running? (%w)", err)
	case refusal == keys.Destroyed:
		return fmt.Errorf("its original is destroyed, and nothing is left to take up (%w)", err)
	case refusal == keys.Forbidden:
		return fmt.Errorf("the keyring does not know this credential, let it read the nkeys' public halves anew (%w)", err)
	case refusal == keys.StaleRequest:
		return fmt.Errorf("this machine's clock is not the keyring's: set both by NTP, and give clock.offset as the running Postern has it (%w)", err)
	case refusal == keys.ClosedBucket:
		return fmt.Errorf("its keys are being destroyed in this moment (%w)", err)
	}
	return err
}
