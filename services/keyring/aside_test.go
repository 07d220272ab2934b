package keyring

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/keys"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
)

func (w *world) aside(item, code string) *itemv1.Record {
	w.t.Helper()
	got, err := w.client("scan").SetAside(w.t.Context(), &keyringv1.SetAside{Item: item, Code: code, Stage: "scan"})
	if err != nil || got.Record.State != itemv1.State_STATE_SET_ASIDE {
		w.t.Fatalf("set aside: %v, %v", got, err)
	}
	return got.Record
}

func (w *world) retry(item string) *itemv1.Record {
	w.t.Helper()
	got, err := w.client("desk").Retry(w.t.Context(), &keyringv1.Retry{Item: item, Actor: "paula"})
	if err != nil || !got.Changed {
		w.t.Fatalf("retry: %v, %v", got, err)
	}
	return got.Record
}

func TestWhatWasSetAsideIsTakenUpWhereItWas(t *testing.T) {
	w := newWorld(t)
	w.start()

	fresh := w.mail("fresh")
	filed := w.mail("filed")
	w.file(filed, 30)
	rendered := w.mail("rendered")
	before := w.render(w.file(rendered, 30), "a view")
	for _, item := range []string{fresh, filed, rendered} {
		w.aside(item, "broken")
	}
	for item, want := range map[string]itemv1.State{
		fresh: itemv1.State_STATE_REGISTERED, filed: itemv1.State_STATE_REGISTERED, rendered: itemv1.State_STATE_RENDERED,
	} {
		record := w.retry(item)
		if record.State != want || record.SetAside != nil || len(record.PastAsides) != 1 || record.PastAsides[0].Code != "broken" || record.PastAsides[0].Retried == nil {
			t.Errorf("it is %s with %v, want %s", record.State, record.PastAsides, want)
		}
	}
	w.mustOpen(fresh, raw, "fresh")
	w.mustOpen(filed, raw, "filed")
	w.mustOpen(rendered, raw, "rendered")

	// What was rendered has its class, its date and a bucket of its period again.
	record := w.record(rendered)
	was, is := layerOf(before, raw), layerOf(record, raw)
	if record.Class != before.Class || !is.Due.AsTime().Equal(was.Due.AsTime()) || lastDayOfBucket(is.Bucket) != lastDayOfBucket(was.Bucket) || layerOf(record, view) == nil {
		t.Errorf("class %s, due %v in %s; it was %s, %v in %s", record.Class, is.Due.AsTime(), is.Bucket, before.Class, was.Due.AsTime(), was.Bucket)
	}
	// The others go the whole way once more.
	for _, item := range []string{fresh, filed} {
		w.render(w.file(item, 30), "a view")
		if got, err := w.client("desk").Ticket(t.Context(), &keyringv1.Ticket{Item: item, Ticket: event.Ticket(item)}); err != nil || got.Record.State != itemv1.State_STATE_TICKETED {
			t.Errorf("ticket: %v, %v", got, err)
		}
	}
	acts := w.entries.acts("retry")
	if len(acts) != 3 || acts[0].Actor != "paula" || acts[0].Purpose != "broken" {
		t.Errorf("acts %v", acts)
	}
}

func TestOnlyWhatIsSetAsideIsTakenUp(t *testing.T) {
	w := newWorld(t)
	w.start()
	item := w.ticketed("ticketed", 30)
	got, err := w.client("desk").Retry(t.Context(), &keyringv1.Retry{Item: item, Actor: "paula"})
	if err != nil || got.Changed || got.Record.State != itemv1.State_STATE_TICKETED {
		t.Errorf("%v, %v", got, err)
	}
	aside := w.mail("aside")
	w.aside(aside, "broken")
	for name, c := range map[string]struct {
		service string
		request *keyringv1.Retry
		want    keys.Refusal
	}{
		"nobody's wish":   {"desk", &keyringv1.Retry{Item: aside}, keys.Malformed},
		"an endless name": {"desk", &keyringv1.Retry{Item: aside, Actor: strings.Repeat("a", 201)}, keys.Malformed},
		"a limit below 0": {"desk", &keyringv1.Retry{Item: aside, Actor: "paula", FetchLimit: -1}, keys.Malformed},
		"a stage's wish":  {"scan", &keyringv1.Retry{Item: aside, Actor: "paula"}, keys.Forbidden},
		"an unknown item": {"desk", &keyringv1.Retry{Item: event.Item("support", "INBOX", 7, 999, 0), Actor: "paula"}, keys.UnknownItem},
		"what is no id":   {"desk", &keyringv1.Retry{Item: "x", Actor: "paula"}, keys.Malformed},
		"at its limits":   {"desk", &keyringv1.Retry{Item: aside, Actor: strings.Repeat("a", 200)}, ""},
	} {
		_, err := w.client(c.service).Retry(t.Context(), c.request)
		if got, _ := keys.RefusalOf(err); got != c.want || (c.want == "" && err != nil) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestARecordRemembersTheLastTimesItWasSetAside(t *testing.T) {
	w := newWorld(t)
	w.start()
	item := w.mail("again and again")
	for i := range maxPastAsides + 3 {
		w.aside(item, fmt.Sprint("cause_", i))
		w.retry(item)
	}
	past := w.record(item).PastAsides
	if len(past) != maxPastAsides || past[0].Code != "cause_3" || past[maxPastAsides-1].Code != fmt.Sprint("cause_", maxPastAsides+2) {
		t.Errorf("%d times, from %s on", len(past), past[0].Code)
	}
	w.mustOpen(item, raw, "again and again")
}

// headers registers the headers of a mail of a size, as ingest does with one that is too large.
func (w *world) headers(uid uint32, size int64) *keyringv1.Register {
	w.t.Helper()
	r := w.registration(uid, "Subject: large\r\n\r\n")
	r.Size, r.HeadersOnly = size, true
	return r
}

func TestAMailWhoseHeadersWereKeptIsCompleted(t *testing.T) {
	w := newWorld(t)
	w.start()
	ingest := w.client("ingest")
	text := strings.Repeat("a large mail\r\n", 1000)
	small := w.headers(1, int64(len(text)))
	got, err := ingest.Register(t.Context(), small)
	if err != nil {
		t.Fatal(err)
	}
	item := got.Record.Item
	whole := w.registration(1, text)

	// Before somebody takes it up, the whole is a repeat of what is there.
	if got, err = ingest.Register(t.Context(), whole); err != nil || got.Changed {
		t.Fatalf("%v, %v", got, err)
	}
	w.aside(item, "oversize")
	if got, err = ingest.Register(t.Context(), whole); err != nil || got.Changed {
		t.Fatalf("%v, %v", got, err)
	}
	if _, err := w.client("desk").Retry(t.Context(), &keyringv1.Retry{Item: item, Actor: "paula", FetchLimit: 1 << 20}); err != nil || w.record(item).FetchLimit != 1<<20 {
		t.Fatalf("limit %d, %v", w.record(item).FetchLimit, err)
	}
	// Its headers once more complete nothing; another mail is another mail.
	if got, err = ingest.Register(t.Context(), w.headers(1, int64(len(text)))); err != nil || got.Changed {
		t.Errorf("the headers again: %v, %v", got, err)
	}
	other := w.registration(1, text+"and more")
	if _, err := ingest.Register(t.Context(), other); err == nil {
		t.Error("a mail of another size completed it")
	}
	headers := proto.CloneOf(layerOf(w.record(item), raw))
	if !w.record(item).HeadersOnly {
		t.Error("the record does not say that there are only the headers")
	}
	if got, err = ingest.Register(t.Context(), whole); err != nil || !got.Changed || got.Record.HeadersOnly {
		t.Fatalf("%v, %v", got, err)
	}
	w.mustOpen(item, raw, text)
	l := layerOf(got.Record, raw)
	if l.Object != whole.Raw.Object || len(got.Record.Layers) != 1 || got.Record.FetchLimit != 0 || bytes.Equal(l.KeyPacket, headers.KeyPacket) {
		t.Errorf("layers %v", got.Record.Layers)
	}
	// The headers' keys lie in buckets that the layer still waits for.
	past := fmt.Sprint(l.PastBuckets)
	for _, b := range append([]string{headers.Bucket}, headers.PastBuckets...) {
		if b != l.Bucket && !strings.Contains(past, b) {
			t.Errorf("bucket %s of the headers is forgotten of, there are %s", b, past)
		}
	}
	if again, err := ingest.Register(t.Context(), whole); err != nil || again.Changed {
		t.Errorf("a repeat: %v, %v", again, err)
	}
	w.render(w.file(item, 30), "a view")
}

// Sealing adds bytes, and a server may announce fewer than it has: the headers of a short mail are no
// fewer bytes, sealed, than the mail.
func TestHeadersThatAreNoFewerBytesThanTheirMailAreCompletedToo(t *testing.T) {
	const text = "Subject: cancel\r\n\r\nPlease cancel.\r\n"
	w := newWorld(t)
	w.start()
	ingest := w.client("ingest")
	small := w.headers(1, int64(len(text)))
	if small.Raw.Size < small.Size {
		t.Fatalf("%d bytes sealed of %d", small.Raw.Size, small.Size)
	}
	got, err := ingest.Register(t.Context(), small)
	if err != nil {
		t.Fatal(err)
	}
	item := got.Record.Item
	w.aside(item, "breaks_session")
	w.retry(item)
	if got, err = ingest.Register(t.Context(), w.headers(1, int64(len(text)))); err != nil || got.Changed || !got.Record.HeadersOnly {
		t.Errorf("the headers once more: %v, %v", got, err)
	}
	if got, err = ingest.Register(t.Context(), w.registration(1, text)); err != nil || !got.Changed || got.Record.HeadersOnly {
		t.Fatalf("%v, %v", got, err)
	}
	w.mustOpen(item, raw, text)
	// Taken up again it is whole, and nothing takes its place.
	w.aside(item, "broken")
	w.retry(item)
	for name, r := range map[string]*keyringv1.Register{"itself": w.registration(1, text), "its headers": w.headers(1, int64(len(text)))} {
		if got, err = ingest.Register(t.Context(), r); err != nil || got.Changed || got.Record.HeadersOnly {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	w.mustOpen(item, raw, text)
}

// Some servers tell more than a mail has, or less, each time.
func TestAMailIsCompletedUnderTheSizeThatItsServerTells(t *testing.T) {
	for _, told := range []int64{100, 90_000} {
		w := newWorld(t)
		w.start()
		text := strings.Repeat("a large mail\r\n", 1000)
		item, _ := w.becomes(w.headers(1, told))
		w.aside(item, "oversize")
		w.retry(item)
		r := w.registration(1, text)
		r.Size, r.Length = told, int64(len(text))
		if got, err := w.client("ingest").Register(t.Context(), r); err != nil || !got.Changed || got.Record.HeadersOnly || got.Record.Size != told {
			t.Fatalf("told %d: %v, %v", told, got, err)
		}
		w.mustOpen(item, raw, text)
		// Its headers once more, as ingest has them after a cursor was lost, are no other mail.
		if got, err := w.client("ingest").Register(t.Context(), w.headers(1, told)); err != nil || got.Changed || got.Record.HeadersOnly {
			t.Errorf("told %d: the headers again: %v, %v", told, got, err)
		}
	}
}

func TestAWholeMailHasAsManyBytesSealedAsItIsLong(t *testing.T) {
	w := newWorld(t)
	w.start()
	for more, want := range map[int64]keys.Refusal{0: "", 1: keys.Malformed} {
		r := w.registration(2, "a mail")
		r.Size, r.Length = 1, r.Raw.Size+more
		if _, err := w.client("ingest").Register(t.Context(), r); want != refusalOf(err) {
			t.Errorf("%d bytes short of its length: %v", more, err)
		}
	}
	for more, want := range map[int64]keys.Refusal{0: "", 1: keys.Malformed} {
		r := w.registration(1, "a mail")
		r.Size = r.Raw.Size + more
		if _, err := w.client("ingest").Register(t.Context(), r); want != refusalOf(err) {
			t.Errorf("%d bytes short: %v", more, err)
		}
	}
}

func refusalOf(err error) keys.Refusal {
	code, _ := keys.RefusalOf(err)
	return code
}

// While the keys of a plan are being destroyed nothing moves out of its buckets.
func TestAMailIsNotCompletedWhileItsHeadersAreBeingDestroyed(t *testing.T) {
	w := newWorld(t)
	w.start()
	ingest := w.client("ingest")
	text := strings.Repeat("a large mail\r\n", 1000)
	got, err := ingest.Register(t.Context(), w.headers(1, int64(len(text))))
	if err != nil {
		t.Fatal(err)
	}
	item := got.Record.Item
	w.aside(item, "oversize")
	w.retry(item) // the mailbox is away, and stays so until the headers are due
	due, err := time.Parse(dayForm, lastDayOfBucket(layerOf(w.record(item), raw).Bucket))
	if err != nil {
		t.Fatal(err)
	}
	w.pass(due.AddDate(0, 0, 1).Add(2 * time.Hour).Sub(w.clock.Now()))
	w.forget() // the intake keys of then
	plan := w.plan("p1")
	if len(plan.Targets) != 1 || plan.Targets[0].Item != item {
		t.Fatalf("targets %v", plan.Targets)
	}
	w.journalled()
	whole := w.registration(1, text)
	var refused error
	w.records.scanned = func() { _, refused = ingest.Register(t.Context(), whole) }
	if _, err := w.client("retain").Destroy(t.Context(), &keyringv1.Destroy{Plan: plan}); err != nil {
		t.Fatalf("destroy: %v", err)
	}
	if refusalOf(refused) != keys.ClosedBucket {
		t.Errorf("the whole mail: %v", refused)
	}
	// Nor afterwards: what was destroyed stays so.
	if got, err := ingest.Register(t.Context(), whole); err != nil || got.Changed || layerOf(got.Record, raw).State == present {
		t.Errorf("the whole mail, too late: %v, %v", got, err)
	}
}

func TestAMailThatWasErasedAfterItWasTakenUpIsNotCompleted(t *testing.T) {
	text := strings.Repeat("a mail\r\n", 1000)
	for name, of := range map[string]struct {
		first func(w *world) *keyringv1.Register
		again keys.Refusal
	}{
		"headers": {func(w *world) *keyringv1.Register { return w.headers(1, int64(len(text))) }, ""},
		"nothing": {func(w *world) *keyringv1.Register { return w.nothing(1) }, keys.Conflict},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.start()
			ingest := w.client("ingest")
			got, err := ingest.Register(t.Context(), of.first(w))
			if err != nil {
				t.Fatal(err)
			}
			item := got.Record.Item
			if _, err := ingest.SetAside(t.Context(), &keyringv1.SetAside{Item: item, Code: "not_handed_over", Stage: "ingest"}); err != nil {
				t.Fatal(err)
			}
			w.clock.advance(time.Second)
			w.retry(item)
			if _, err := w.client("retain").Erase(t.Context(), &keyringv1.Erase{Request: "request1", Items: []string{item}, Actor: "paula"}); err != nil {
				t.Fatal(err)
			}
			for _, is := range []itemv1.LayerState{erased, destroyed} {
				_, err := ingest.Register(t.Context(), w.registration(1, text))
				if l := layerOf(w.record(item), raw); l.State != is || l.Plan != "request1" || len(l.KeyPacket) != 0 || refusalOf(err) != of.again {
					t.Errorf("%v, plan %q, want %v; answer %v", l.State, l.Plan, is, err)
				}
				w.pass(3 * day)
				w.forget()
			}
		})
	}
}

func TestAHeldMailThatWasSetAsideIsTakenUpInItsHold(t *testing.T) {
	w := newWorld(t)
	w.start()
	item := w.mail("held")
	w.render(w.file(item, 30), "a view")
	w.aside(item, "broken")
	if _, err := w.client("desk").Hold(t.Context(), &keyringv1.Hold{Hold: "h", Items: []string{item}, Actor: "paula", Reason: []byte("x")}); err != nil {
		t.Fatal(err)
	}
	home := w.retry(item)
	if got := placeOf(layerOf(home, raw).Bucket, raw).class; got != holdClass("h") {
		t.Errorf("it is in a bucket of %s", got)
	}
	if _, err := w.client("desk").Release(t.Context(), &keyringv1.Release{Hold: "h", Items: []string{item}, Actor: "paula"}); err != nil {
		t.Fatal(err)
	}
	if got := placeOf(layerOf(w.record(item), raw).Bucket, raw).class; got != home.Class {
		t.Errorf("it went home to %s, its class is %s", got, home.Class)
	}
	w.mustOpen(item, raw, "held")
}

// nothing registers a mail of which the server told nothing: without size and date.
func (w *world) nothing(uid uint32) *keyringv1.Register {
	w.t.Helper()
	r := w.headers(uid, 0)
	r.InternalDate = timestamppb.New(time.Unix(0, 0))
	return r
}

func TestAMailOfWhichNothingWasKnownIsCompletedOnceItIsTakenUp(t *testing.T) {
	w := newWorld(t)
	w.start()
	ingest := w.client("ingest")
	got, err := ingest.Register(t.Context(), w.nothing(1))
	if err != nil {
		t.Fatal(err)
	}
	item := got.Record.Item
	if _, err := ingest.SetAside(t.Context(), &keyringv1.SetAside{Item: item, Code: "not_handed_over", Stage: "ingest"}); err != nil {
		t.Fatal(err)
	}
	text := strings.Repeat("a mail\r\n", 1000)
	whole := w.registration(1, text)
	if _, err := ingest.Register(t.Context(), whole); err == nil {
		t.Error("it was completed before somebody took it up")
	}
	w.clock.advance(time.Second)
	if record := w.retry(item); !event.Retried(record) {
		t.Errorf("record %v", record)
	}
	whole = w.registration(1, text)
	if got, err = ingest.Register(t.Context(), whole); err != nil || !got.Changed || event.Retried(got.Record) {
		t.Fatalf("%v, %v", got, err)
	}
	w.mustOpen(item, raw, text)
	if got.Record.Size != whole.Size || !got.Record.InternalDate.AsTime().Equal(whole.InternalDate.AsTime()) {
		t.Errorf("size %d, date %v", got.Record.Size, got.Record.InternalDate.AsTime())
	}
	other := w.registration(1, text+"and more")
	if _, err := ingest.Register(t.Context(), other); err == nil {
		t.Error("another mail took its place")
	}
	w.render(w.file(item, 30), "a view")
}

// A stage whose worker died three times sets aside what it was at work on, and nothing that it had handed on before.
func TestAStageThatKilledItsWorkersSetsAsideOnlyWhatWasItsOwn(t *testing.T) {
	for stage, at := range map[string]map[string]bool{
		"verify":       {"registered": true, "filed": false, "rendered": false},
		"archive":      {"registered": true, "filed": false, "rendered": false},
		"sanitize":     {"filed": true, "rendered": false},
		"desk":         {"rendered": true},
		"ingest-after": {"filed": false, "rendered": false},
	} {
		for state, want := range at {
			w := newWorld(t)
			w.start()
			item := w.mail("a mail")
			if state != "registered" {
				w.file(item, 30)
			}
			if state == "rendered" {
				w.render(w.record(item), "a view")
			}
			// Whoever is of the stage asks; the credential of one that may is enough here.
			got, err := w.client("sanitize").SetAside(t.Context(), &keyringv1.SetAside{Item: item, Code: "killed_worker", Stage: stage})
			if err != nil || (got.Record.GetSetAside() != nil) != want {
				t.Errorf("%s, a mail that is %s: set aside %v, want %v, %v", stage, state, got.GetRecord().GetSetAside(), want, err)
			}
		}
	}
}
