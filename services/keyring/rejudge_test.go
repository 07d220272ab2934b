package keyring

import (
	"testing"

	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/keys"
	"github.com/postern-mail/postern/pkg/seal/open"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
)

// withFiles makes a ticket whose view has two files behind card and message.
func (w *world) withFiles(text string) string {
	w.t.Helper()
	item := w.mail(text)
	view := w.layer(w.file(item, 30), view, []byte("card"), []byte("message"), []byte("first"), []byte("second"))
	if _, err := w.client("sanitize").Layers(w.t.Context(), &keyringv1.Layers{Item: item, Layers: []*itemv1.Layer{view}}); err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.client("desk").Ticket(w.t.Context(), &keyringv1.Ticket{Item: item, Ticket: event.Ticket(item)}); err != nil {
		w.t.Fatal(err)
	}
	return item
}

func (w *world) rejudge(r *keyringv1.Rejudge) *keyringv1.Recorded {
	w.t.Helper()
	got, err := w.client("scan").Rejudge(w.t.Context(), r)
	if err != nil {
		w.t.Fatal(err)
	}
	return got
}

func infected(packet, index int32) *itemv1.Recalled {
	return &itemv1.Recalled{Packet: packet, Index: index, Verdict: "infected", Reasons: []string{"scanner_signature"}, Details: []byte("sealed")}
}

func TestAFileIsRecalledOnceAndNeverGivenBack(t *testing.T) {
	w := newWorld(t)
	w.start()
	item := w.withFiles("two files")
	if version, files := event.JudgedWith(w.record(item)); !files || version != event.Unjudged {
		t.Errorf("at first: %q, %v", version, files)
	}

	// Still clean: only the version changes, and nobody is told of anything.
	if got := w.rejudge(&keyringv1.Rejudge{Item: item, Signatures: "one"}); !got.Changed || got.Record.Findings.Signatures != "one" || !got.Record.Findings.Judged.AsTime().Equal(w.clock.Now()) || got.Record.Findings.ScanVerdict != "clean" || len(got.Record.Recalled) != 0 {
		t.Errorf("still clean: %v", got)
	}
	if got := w.rejudge(&keyringv1.Rejudge{Item: item, Signatures: "one"}); got.Changed {
		t.Error("said twice it changes the record twice")
	}
	if acts := w.entries.acts("recall"); len(acts) != 0 {
		t.Errorf("acts: %v", acts)
	}

	got := w.rejudge(&keyringv1.Rejudge{Item: item, Signatures: "two", Recalled: []*itemv1.Recalled{infected(3, 1)}})
	recalled := event.RecalledFile(got.Record, 3)
	if recalled.GetVerdict() != "infected" || recalled.GetSignatures() != "two" || !recalled.GetTime().AsTime().Equal(w.clock.Now()) || event.RecalledFile(got.Record, 2) != nil {
		t.Fatalf("recalled: %v", got.Record.Recalled)
	}
	if acts := w.entries.acts("recall"); len(acts) != 1 || acts[0].Value != 1 || acts[0].Purpose != "infected" || acts[0].Ticket != event.Ticket(item) || acts[0].Actor != "worker:scan" {
		t.Errorf("acts: %v", acts)
	}

	// A later word changes nothing of it, whatever it says; another file is recalled beside it.
	w.rejudge(&keyringv1.Rejudge{Item: item, Signatures: "three"})
	again := infected(3, 1)
	again.Verdict = "suspicious"
	got = w.rejudge(&keyringv1.Rejudge{Item: item, Signatures: "four", Recalled: []*itemv1.Recalled{again, infected(2, 0)}})
	if first := event.RecalledFile(got.Record, 3); first.GetVerdict() != "infected" || first.GetSignatures() != "two" || event.RecalledFile(got.Record, 2).GetSignatures() != "four" || len(got.Record.Recalled) != 2 {
		t.Errorf("recalled: %v", got.Record.Recalled)
	}
	if acts := w.entries.acts("recall"); len(acts) != 2 {
		t.Errorf("acts: %v", acts)
	}
	// Nobody could judge: the version stays what it was.
	if got := w.rejudge(&keyringv1.Rejudge{Item: item, Recalled: []*itemv1.Recalled{infected(2, -1)}}); got.Changed || got.Record.Findings.Signatures != "four" {
		t.Errorf("without a version: %v", got)
	}
}

func TestWhatNobodyCanOpenIsNotJudgedAnew(t *testing.T) {
	w := newWorld(t)
	w.start()
	filed := w.mail("no ticket yet")
	w.file(filed, 30)
	without := w.ticketed("no files", 30)
	for name, item := range map[string]string{"filed": filed, "without files": without} {
		if got := w.rejudge(&keyringv1.Rejudge{Item: item, Signatures: "two"}); got.Changed {
			t.Errorf("%s: it is changed", name)
		}
		if _, files := event.JudgedWith(w.record(item)); files {
			t.Errorf("%s: it has files", name)
		}
	}
	_, err := w.client("scan").Rejudge(t.Context(), &keyringv1.Rejudge{Item: event.Item("support", "INBOX", 1, 99, 0), Signatures: "two"})
	w.mustRefuse(err, keys.UnknownItem)
}

func TestARecallThatMakesNoSenseIsRefused(t *testing.T) {
	w := newWorld(t)
	w.start()
	item := w.withFiles("two files")
	with := func(change func(*itemv1.Recalled)) *keyringv1.Rejudge {
		file := infected(2, 0)
		change(file)
		return &keyringv1.Rejudge{Item: item, Signatures: "two", Recalled: []*itemv1.Recalled{file}}
	}
	long := make([]byte, 201)
	for i := range long {
		long[i] = 'v'
	}
	many := make([]*itemv1.Recalled, maxRecalled+1)
	for i := range many {
		many[i] = infected(int32(i+2), 0)
	}
	for name, r := range map[string]*keyringv1.Rejudge{
		"nothing":                {Item: item},
		"a version with a blank": {Item: item, Signatures: "t wo"},
		"no version's name":      {Item: item, Signatures: event.Unjudged},
		"the word for no files":  {Item: item, Signatures: event.NoFiles},
		"a long version":         {Item: item, Signatures: string(long)},
		"too many":               {Item: item, Signatures: "two", Recalled: many},
		"the card":               with(func(r *itemv1.Recalled) { r.Packet = 0 }),
		"the message":            with(func(r *itemv1.Recalled) { r.Packet = 1 }),
		"no packet of it":        with(func(r *itemv1.Recalled) { r.Packet = 4 }),
		"a clean file":           with(func(r *itemv1.Recalled) { r.Verdict = "clean" }),
		"no verdict":             with(func(r *itemv1.Recalled) { r.Verdict = "" }),
		"a reason that is words": with(func(r *itemv1.Recalled) { r.Reasons = []string{"Jane's file"} }),
		"long details":           with(func(r *itemv1.Recalled) { r.Details = make([]byte, maxRecallDetails+1) }),
		"a file twice":           {Item: item, Signatures: "two", Recalled: []*itemv1.Recalled{infected(2, 0), infected(2, 0)}},
	} {
		_, err := w.client("scan").Rejudge(t.Context(), r)
		if code, refused := keys.RefusalOf(err); !refused || code != keys.Malformed {
			t.Errorf("%s: %v", name, err)
		}
	}
	at := with(func(r *itemv1.Recalled) { r.Details = make([]byte, maxRecallDetails) })
	at.Signatures = string(long[:maxSignatures])
	if got := w.rejudge(at); !got.Changed {
		t.Error("at its limits it is not taken")
	}
	for _, service := range []string{"desk", "sanitize", "verify", "retain"} {
		if _, err := w.client(service).Rejudge(t.Context(), &keyringv1.Rejudge{Item: item, Signatures: "two"}); err == nil {
			t.Errorf("%s may judge anew", service)
		} else {
			w.mustRefuse(err, keys.Forbidden)
		}
	}
}

// The purpose opens the view for scan and nothing else for anybody.
func TestScanOpensTheViewToJudgeItAnewAndItIsRecorded(t *testing.T) {
	w := newWorld(t)
	w.start()
	item := w.withFiles("two files")
	key, err := w.opener("scan").Open(t.Context(), open.Ask{Purpose: keys.ForRescan, Layer: view, Item: item})
	if err != nil {
		t.Fatal(err)
	}
	key.Clear()
	acts := w.entries.acts("open")
	if last := acts[len(acts)-1]; last.Purpose != keys.ForRescan || last.Actor != "worker:scan" || last.Layer != view || last.Items[0] != item {
		t.Errorf("the log says %v", last)
	}
	_, err = w.opener("scan").Open(t.Context(), open.Ask{Purpose: keys.ForRescan, Layer: raw, Item: item})
	w.mustRefuse(err, keys.WrongLayer)
	_, err = w.opener("scan").Open(t.Context(), open.Ask{Purpose: keys.ForRead, Layer: view, Item: item, Actor: "anna"})
	if err == nil {
		t.Error("scan reads as a person does")
	}
	_, err = w.opener("desk").Open(t.Context(), open.Ask{Purpose: keys.ForRescan, Layer: view, Item: item})
	if err == nil {
		t.Error("the desk opens without a person")
	}
}

func TestARecallIsToldOnceHoweverOftenItsRecordIsWritten(t *testing.T) {
	w := newWorld(t)
	w.start()
	item := w.withFiles("two files")
	recall := &keyringv1.Rejudge{Item: item, Signatures: "two", Recalled: []*itemv1.Recalled{infected(3, 1)}}
	w.records.mu.Lock()
	w.records.moves = 2
	w.records.mu.Unlock()
	if got := w.rejudge(recall); !got.Changed || len(got.Record.Recalled) != 1 {
		t.Fatalf("where others were faster: %v", got)
	}
	if acts := w.entries.acts("recall"); len(acts) != 1 {
		t.Errorf("where others were faster it is told %d times", len(acts))
	}
	// The record is not written, and the recall is asked for again.
	recall.Recalled = append(recall.Recalled, infected(2, 0))
	w.records.mu.Lock()
	w.records.failAt = w.records.puts + 1
	w.records.mu.Unlock()
	if _, err := w.client("scan").Rejudge(t.Context(), recall); err == nil || len(w.record(item).Recalled) != 1 {
		t.Fatalf("a record that is not written: %v", err)
	}
	if got := w.rejudge(recall); len(got.Record.Recalled) != 2 {
		t.Errorf("asked again: %v", got)
	}
	if acts := w.entries.acts("recall"); len(acts) != 2 || acts[1].Value != 0 {
		t.Errorf("two files, and told of are %v", acts)
	}
}

func TestAnItemOnHoldIsRecalledAndOneThatIsErasedIsNot(t *testing.T) {
	w := newWorld(t)
	w.start()
	item := w.withFiles("two files")
	if _, err := w.client("desk").Hold(t.Context(), &keyringv1.Hold{Hold: "h", Items: []string{item}, Actor: "paula", Reason: []byte("sealed")}); err != nil {
		t.Fatal(err)
	}
	held := w.record(item)
	got := w.rejudge(&keyringv1.Rejudge{Item: item, Signatures: "two", Recalled: []*itemv1.Recalled{infected(2, 0)}})
	if len(got.Record.Recalled) != 1 || len(got.Record.Holds) != 1 || layerOf(got.Record, view).Bucket != layerOf(held, view).Bucket {
		t.Errorf("on hold: %v", got.Record)
	}
	if _, err := w.client("desk").Release(t.Context(), &keyringv1.Release{Hold: "h", Items: []string{item}, Actor: "paula"}); err != nil {
		t.Fatal(err)
	}
	if record := w.record(item); len(record.Recalled) != 1 || len(record.Holds) != 0 {
		t.Errorf("released: %v", record)
	}
	if _, err := w.client("retain").Erase(t.Context(), &keyringv1.Erase{Request: "p", Items: []string{item}, Actor: "paula"}); err != nil {
		t.Fatal(err)
	}
	if got := w.rejudge(&keyringv1.Rejudge{Item: item, Signatures: "three", Recalled: []*itemv1.Recalled{infected(3, 1)}}); got.Changed || event.RecalledFile(got.Record, 3) != nil {
		t.Errorf("erased: %v", got)
	}
	if acts := w.entries.acts("recall"); len(acts) != 1 {
		t.Errorf("acts: %v", acts)
	}
}
