package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/bus/bustest"
	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/pkg/config"
	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/keys"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
	"github.com/postern-mail/postern/services/ingest"
)

func TestAnOversizeMailIsTakenUpByACommandAndBecomesATicket(t *testing.T) {
	o := newOne(t)
	large := plainMail("large", 200_000)
	o.server.Append(mailboxUser, "INBOX", plainMail("small", 500), large)
	if code, _, said := o.command("setaside", "list"); code != failed || !strings.Contains(said, "no Postern is running on") {
		t.Errorf("exit %d, %q", code, said)
	}
	o.start()
	records := o.until("one is a ticket and one aside", inStates(ticketed, asideState))
	small, item := records[0].GetItem(), records[1].GetItem()

	code, out, said := o.command("setaside", "list")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if code != done || len(lines) != 2 || strings.Join(strings.Fields(lines[1])[:5], " ") != item+" support INBOX/2 ingest oversize" {
		t.Fatalf("list: exit %d, %q, %q", code, out, said)
	}
	code, out, said = o.command("setaside", "show", item)
	for _, want := range []string{"set_aside", "oversize by ingest, out of registered", "the headers alone"} {
		if code != done || !strings.Contains(out, want) {
			t.Errorf("show: exit %d, %q, %q, want %q", code, out, said, want)
		}
	}
	// What cannot come to anything is not begun.
	unknown := event.Item("support", "INBOX", 1, 999, 0)
	code, out, said = o.command("setaside", "retry", item, small, unknown)
	if code != failed || out != "" || !strings.Contains(said, "up to 64KiB are fetched: give --fetch-limit") ||
		!strings.Contains(said, "item "+small+" is not set aside: it is ticketed") || !strings.Contains(said, "item "+unknown+": there is no such item") {
		t.Errorf("retry: exit %d, %q, %q", code, out, said)
	}
	if records := o.until("nothing has changed", inStates(ticketed, asideState)); len(records[1].GetPastAsides()) != 0 {
		t.Errorf("it was taken up: %v", records[1])
	}

	code, out, said = o.command("setaside", "retry", item, "--fetch-limit", "1MiB")
	if code != done || !strings.Contains(out, "fetched whole from its mailbox, up to 1MiB") {
		t.Fatalf("retry: exit %d, %q, %q", code, out, said)
	}
	records = o.until("it is a ticket", inStates(ticketed, ticketed))
	if records[1].GetItem() != item || len(records[1].GetPastAsides()) != 1 || records[1].GetFetchLimit() != 0 {
		t.Errorf("record %v", records[1])
	}
	if code, out, said := o.command("setaside", "list"); code != done || out != "nothing is set aside\n" {
		t.Errorf("list: exit %d, %q, %q", code, out, said)
	}
	o.actIsInTheAuditLog(topology.SetAside, "retry", ingest.CodeOversize, item)
}

func TestWhatWasSetAsideIsNamedRightOrNothingIsDone(t *testing.T) {
	item := strings.Repeat("a", 64)
	for line, want := range map[string]string{
		"setaside":                           "usage: postern setaside",
		"setaside list me":                   "usage: postern setaside",
		"setaside show":                      "usage: postern setaside",
		"setaside show " + item + " " + item: "usage: postern setaside",
		"setaside retry":                     "usage: postern setaside",
		"setaside junk " + item:              "usage: postern setaside",
		"setaside show 12":                   `"12" is not the id of an item, which is 64 hex digits`,
		"setaside retry " + item + " " + item[1:] + "G":       "is not the id of an item",
		"setaside retry " + item + " --fetch-limit 65MiB":     "--fetch-limit: 65MiB is over 64MiB, the largest mail that is read",
		"setaside retry " + item + " --fetch-limit 0B":        "--fetch-limit:",
		"setaside retry " + item + " --fetch-limit -1MiB":     "--fetch-limit:",
		"setaside retry " + item + " --fetch-limit much":      "--fetch-limit:",
		"setaside list --fetch-limit 1MiB":                    "--fetch-limit: it goes with retry",
		"setaside retry " + strings.Repeat(item+" ", 1001):    "is not understood",
		"setaside retry --fetch-limit 99999999999GiB " + item: "--fetch-limit:",
	} {
		code, out, said := typed(t, "", append(strings.Fields(line), "--config", "none.yaml")...)
		if code != misuse || out != "" || !strings.Contains(said, want) {
			t.Errorf("%.60s: exit %d, %q, %.200q, want %q", line, code, out, said, want)
		}
	}
}

// A desk of records, in the place of a bus and a keyring.
type records struct {
	of      []*itemv1.Record
	asked   []*keyringv1.Retry
	refusal error
	late    bool // somebody else was faster
}

func (r *records) message(record *itemv1.Record) *bus.Message {
	data, _ := proto.Marshal(record)
	return &bus.Message{Subject: "items." + record.GetItem(), Header: bus.Header{event.HeaderState: {event.StateWord(record.GetState())}}, Data: data}
}

func (r *records) Scan(context.Context, string, uint64, ...bus.ScanOption) iter.Seq2[*bus.Message, error] {
	return func(yield func(*bus.Message, error) bool) {
		for _, record := range r.of {
			if !yield(r.message(record), nil) {
				return
			}
		}
	}
}

func (r *records) LastFresh(_ context.Context, _, subject string) (*bus.Message, error) {
	for _, record := range r.of {
		if subject == "items."+record.GetItem() {
			return r.message(record), nil
		}
	}
	return nil, bus.ErrNoMessage
}

func (r *records) Retry(_ context.Context, request *keyringv1.Retry) (*keyringv1.Recorded, error) {
	r.asked = append(r.asked, request)
	if r.refusal != nil {
		return nil, r.refusal
	}
	for _, record := range r.of {
		if record.GetItem() == request.GetItem() {
			record = proto.CloneOf(record)
			record.State = max(record.GetSetAside().GetFrom(), itemv1.State_STATE_REGISTERED)
			return &keyringv1.Recorded{Record: record, Changed: !r.late}, nil
		}
	}
	return nil, keys.UnknownItem
}

// asideOf is an item that was set aside, with so much of its mail sealed.
func asideOf(uid uint32, size, sealed int64, change ...func(*itemv1.Record)) *itemv1.Record {
	r := &itemv1.Record{
		Item: event.Item("support", "INBOX", 1, uid, 0), Mailbox: "support", Folder: "INBOX", Uid: uid, Size: size, State: asideState, HeadersOnly: sealed < size || size == 0,
		SetAside: &itemv1.SetAside{Code: "oversize", Stage: "ingest", From: itemv1.State_STATE_REGISTERED, Time: timestamppb.New(time.Date(2026, 11, 21, 12, int(uid), 0, 0, time.UTC))},
		Layers:   []*itemv1.Layer{{Kind: itemv1.LayerKind_LAYER_KIND_RAW, State: itemv1.LayerState_LAYER_STATE_PRESENT, Size: sealed}},
	}
	for _, f := range change {
		f(r)
	}
	return r
}

func TestARetryIsAskedForOnlyWhereItCanComeToSomething(t *testing.T) {
	const kib, mib = 1 << 10, 1 << 20
	for name, c := range map[string]struct {
		record *itemv1.Record
		limit  int64 // given
		late   bool
		answer error
		asked  int64 // fetch limit; -1: nothing is asked
		says   string
	}{
		"headers, within what is configured": {asideOf(1, 64*kib, 90), 0, false, nil, 0, "fetched whole from its mailbox, up to 64KiB"},
		"headers, one past it":               {asideOf(1, 64*kib+1, 90), 0, false, nil, -1, "has 65537 bytes and up to 64KiB are fetched: give --fetch-limit"},
		"headers, at the limit":              {asideOf(1, mib, 90), mib, false, nil, mib, "up to 1MiB"},
		"headers, one past the limit":        {asideOf(1, mib+1, 90), mib, false, nil, -1, "give --fetch-limit"},
		"more than anybody reads":            {asideOf(1, ingest.MaxFetch+1, 90), ingest.MaxFetch, false, nil, -1, "mails over 64MiB are not read, and it stays set aside"},
		"nothing was known":                  {asideOf(1, 0, 90), 0, false, nil, 0, "fetched whole"},
		"whole, a limit changes nothing":     {asideOf(1, 70*kib, 71*kib), mib, false, nil, 0, "goes through the pipeline anew"},
		"rendered":                           {asideOf(1, 700, 900, func(r *itemv1.Record) { r.SetAside.From = itemv1.State_STATE_RENDERED }), 0, false, nil, 0, "goes on to its ticket"},
		"destroyed":                          {asideOf(1, 700, 900, func(r *itemv1.Record) { r.Layers[0].State = itemv1.LayerState_LAYER_STATE_ERASED }), 0, false, nil, -1, "its original is destroyed"},
		"a tombstone":                        {asideOf(1, 700, 900, func(r *itemv1.Record) { r.State = tombstone }), 0, false, nil, -1, "is not set aside: it is tombstone"},
		"somebody else was faster":           {asideOf(1, 700, 900), 0, true, nil, 0, "taken up by somebody else meanwhile: it is registered"},
		"refused":                            {asideOf(1, 700, 900), 0, false, keys.Forbidden, 0, "the keyring does not know this credential"},
		"clocks":                             {asideOf(1, 700, 900), 0, false, keys.StaleRequest, 0, "clock"},
		"no keyring":                         {asideOf(1, 700, 900), 0, false, bus.ErrNobody, 0, "no keyring answers, is it running?"},
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			r := &records{of: []*itemv1.Record{c.record}, refusal: c.answer, late: c.late}
			err := shelf{r, r, &out}.retryAll(t.Context(), []string{c.record.GetItem()}, config.Size(c.limit), 64*kib)
			text := out.String()
			if err != nil {
				text = err.Error()
			}
			if !strings.Contains(text, c.says) || !strings.Contains(text, c.record.GetItem()) {
				t.Errorf("it said %q", text)
			}
			if c.answer != nil && !errors.Is(err, c.answer) {
				t.Errorf("error %v", err)
			}
			switch {
			case c.asked < 0 && len(r.asked) != 0:
				t.Errorf("asked %v", r.asked)
			case c.asked >= 0 && (len(r.asked) != 1 || r.asked[0].GetFetchLimit() != c.asked || !strings.HasPrefix(r.asked[0].GetActor(), "operator")):
				t.Errorf("asked %v", r.asked)
			}
		})
	}
}

func TestTheListIsOfWhatIsSetAsideAndTheOldestComesFirst(t *testing.T) {
	var out strings.Builder
	r := &records{of: []*itemv1.Record{
		asideOf(9, 700, 900, func(r *itemv1.Record) { r.Folder = "Support requests" }), asideOf(3, 700, 900, func(r *itemv1.Record) { r.State = ticketed }), asideOf(2, 700, 900),
	}}
	if err := (shelf{r, r, &out}).list(t.Context()); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 3 || !strings.HasPrefix(lines[1], r.of[2].GetItem()) || !strings.Contains(lines[1], "2026-11-21T12:02:00Z") || !strings.Contains(lines[2], `"Support requests"/9`) {
		t.Errorf("%s", out.String())
	}
}

func TestWhatIsShownOfAnItemNamesNobody(t *testing.T) {
	var out strings.Builder
	record := asideOf(1, 700, 900, func(r *itemv1.Record) {
		r.Pseudonyms, r.RawDigest = []string{"PSEUDONYM"}, []byte("DIGEST")
		r.Layers[0].KeyPacket, r.Layers[0].Digest = []byte("PACKET"), []byte("LAYERDIGEST")
		r.Holds = []*itemv1.Hold{{Id: "H0123456789abcdef", PlacedBy: "PAULA", Placed: timestamppb.New(time.Date(2026, 11, 22, 1, 0, 0, 0, time.UTC))}}
		r.PastAsides = []*itemv1.SetAside{{Code: "killed_worker", Stage: "scan", Retried: timestamppb.New(time.Date(2026, 11, 20, 1, 2, 3, 0, time.UTC))}}
		r.FetchLimit = 4711
	})
	r := &records{of: []*itemv1.Record{record}}
	if err := (shelf{r, r, &out}).show(t.Context(), record.GetItem()); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	for _, secret := range []string{"PSEUDONYM", "DIGEST", "PACKET", "PAULA"} {
		if strings.Contains(text, secret) {
			t.Errorf("%s is shown", secret)
		}
	}
	for _, want := range []string{record.GetItem(), "killed_worker by scan", "taken up again 2026-11-20T01:02:03Z", "4711 bytes", "H0123456789abcdef since 2026-11-22T01:00:00Z", "present, 900 bytes"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not shown: %s", want, text)
		}
	}
}

func TestInAFleetTheCommandGoesByTheServersOwnAddress(t *testing.T) {
	b := bustest.StartReal(t)
	record := asideOf(1, 700, 900)
	data, err := proto.Marshal(record)
	if err != nil {
		t.Fatal(err)
	}
	header := bus.Header{event.HeaderState: {event.StateWord(record.GetState())}}
	if _, err := b.Connect(t, "keyring").Publish(t.Context(), "items."+record.GetItem(), data, bus.Headers(header)); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "postern.yaml")
	text := fmt.Sprintf("data_dir: %s\nlog: {level: error}\nnats: {url: %q, nkeys: %s}\nredis: {address: \"127.0.0.1:1\"}\n", filepath.Join(dir, "data"), b.URL, dir)
	for path, content := range map[string][]byte{file: []byte(text), filepath.Join(dir, "setaside.seed"): b.Seeds[topology.SetAside]} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// It needs its own seed, and neither a vault nor a Redis.
	if code, out, said := typed(t, "", "setaside", "list", "--config", file); code != done || !strings.Contains(out, record.GetItem()) {
		t.Errorf("list: exit %d, %q, %q", code, out, said)
	}
	if code, out, said := typed(t, "", "setaside", "retry", record.GetItem(), "--config", file); code != failed || !strings.Contains(said, "no keyring answers, is it running?") {
		t.Errorf("retry: exit %d, %q, %q", code, out, said)
	}
	if _, err := os.Lstat(filepath.Join(dir, "data")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the command made the data directory: %v", err)
	}
}
