package keyring

import (
	"context"
	"testing"
	"time"

	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/keys"
	"github.com/postern-mail/postern/pkg/seal/open"
)

func TestNoKeyWithoutARecord(t *testing.T) {
	w := newWorld(t)
	w.start()
	item := w.mail("hello")
	w.entries.refuses(true)
	if got, err := w.opens(item, raw); err == nil {
		t.Errorf("a key was given though the record could not be written: %q", got)
	}
	w.entries.refuses(false)
	w.mustOpen(item, raw, "hello")
	acts := w.entries.acts("open")
	if len(acts) != 1 || acts[0].Service != "verify" || acts[0].Actor != "worker:verify" || acts[0].Outcome != "allowed" ||
		acts[0].Purpose != "verify" || acts[0].Layer != raw || len(acts[0].Items) != 1 || acts[0].Items[0] != item {
		t.Errorf("acts: %v", acts)
	}
}

func TestAPurposeOpensItsLayerAndAsksForWhatItMust(t *testing.T) {
	w := newWorld(t)
	w.start()
	item := w.ticketed("hello", 3)
	ticket, reason := event.Ticket(item), []byte("sealed")
	for name, c := range map[string]struct {
		service string
		ask     open.Ask
		want    keys.Refusal
	}{
		"verify opens view":          {"verify", open.Ask{Purpose: "verify", Layer: view}, keys.WrongLayer},
		"read opens raw":             {"desk", open.Ask{Purpose: "read", Layer: raw, Actor: "anna"}, keys.WrongLayer},
		"read opens pii":             {"desk", open.Ask{Purpose: "read", Layer: pii, Actor: "anna"}, keys.WrongLayer},
		"replay by nobody":           {"verify", open.Ask{Purpose: "replay", Layer: raw}, keys.Malformed},
		"replay by the desk":         {"desk", open.Ask{Purpose: "replay", Layer: raw, Actor: "anna"}, keys.Forbidden},
		"replay":                     {"verify", open.Ask{Purpose: "replay", Layer: raw, Actor: "anna"}, ""},
		"read by nobody":             {"desk", open.Ask{Purpose: "read", Layer: view}, keys.Malformed},
		"reveal without reason":      {"desk", open.Ask{Purpose: "reveal", Layer: pii, Actor: "anna", Ticket: ticket}, keys.Malformed},
		"reveal without ticket":      {"desk", open.Ask{Purpose: "reveal", Layer: pii, Actor: "anna", Reason: reason}, keys.Malformed},
		"reveal on another ticket":   {"desk", open.Ask{Purpose: "reveal", Layer: pii, Actor: "anna", Reason: reason, Ticket: "T00000000000000000000"}, keys.Malformed},
		"breakglass alone":           {"desk", open.Ask{Purpose: "breakglass", Layer: raw, Actor: "anna", Reason: reason}, keys.Forbidden},
		"breakglass by one for both": {"desk", open.Ask{Purpose: "breakglass", Layer: raw, Actor: "anna", Reason: reason, ApprovedBy: "anna"}, keys.Forbidden},
		"breakglass without reason":  {"desk", open.Ask{Purpose: "breakglass", Layer: raw, Actor: "anna", ApprovedBy: "bert"}, keys.Malformed},
		"breakglass elsewhere":       {"desk", open.Ask{Purpose: "breakglass", Layer: raw, Actor: "anna", Reason: reason, ApprovedBy: "bert", Ticket: "T00000000000000000000"}, keys.Malformed},
		"breakglass":                 {"desk", open.Ask{Purpose: "breakglass", Layer: raw, Actor: "anna", Reason: reason, ApprovedBy: "bert", Ticket: ticket}, ""},
		"read":                       {"desk", open.Ask{Purpose: "read", Layer: view, Actor: "anna"}, ""},
		"reveal":                     {"desk", open.Ask{Purpose: "reveal", Layer: pii, Actor: "anna", Ticket: ticket, Reason: reason, Value: 2}, ""},
	} {
		c.ask.Item = item
		k, err := w.opener(c.service).Open(t.Context(), c.ask)
		k.Clear()
		if got, _ := keys.RefusalOf(err); got != c.want || (c.want == "") != (err == nil) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	acts := w.entries.acts("reveal")
	if len(acts) != 1 || acts[0].Actor != "anna" || acts[0].Value != 2 || acts[0].Ticket != ticket || string(acts[0].Reason) != "sealed" {
		t.Errorf("reveals: %v", acts)
	}
	if acts = w.entries.acts("approve"); len(acts) != 1 || acts[0].Actor != "bert" {
		t.Errorf("approvals: %v", acts)
	}
}

func TestAsksOfWorkersShareARequestAndEachGetsItsKey(t *testing.T) {
	w := newWorld(t)
	w.start()
	items := map[string]string{}
	for _, text := range []string{"a", "b", "c", "d", "e"} {
		items[w.mail(text)] = text
	}
	unknown := event.Item("support", "INBOX", 7, 9999, 0)
	o := open.NewOpener(w.client("scan"), open.OpenerOptions{Gather: 200 * time.Millisecond})
	type result struct {
		item string
		key  *open.Key
		err  error
	}
	results := make(chan result)
	ask := func(item string) {
		k, err := o.Open(t.Context(), open.Ask{Purpose: keys.ForScan, Layer: raw, Item: item})
		results <- result{item, k, err}
	}
	for item := range items {
		go ask(item)
		go ask(item) // twice: each gets a key of its own
	}
	go ask(unknown)
	byItem := map[string][]*open.Key{}
	for range 2*len(items) + 1 {
		r := <-results
		if r.item == unknown {
			w.mustRefuse(r.err, keys.UnknownItem)
			continue
		}
		if r.err != nil {
			t.Fatal(r.err)
		}
		byItem[r.item] = append(byItem[r.item], r.key)
	}
	for item, ks := range byItem {
		ks[0].Clear()
		got, err := open.Bytes(ks[1].Session, w.objects[ks[1].Layer.Object], 100)
		if err != nil || string(got) != items[item] {
			t.Errorf("%q, %v", got, err)
		}
	}
	allowed, refused := 0, 0
	for _, a := range w.entries.acts("open") {
		if a.Outcome == "allowed" {
			allowed++
		} else if a.Outcome == "unknown_item" && len(a.Items) == 1 {
			refused++
		}
	}
	if allowed != 1 || refused != 1 {
		t.Errorf("%d acts of allowed and %d of refused opens, want one each: it was one request", allowed, refused)
	}
}

func TestAWaiterWhoLeftLeavesNoKeyBehind(t *testing.T) {
	w := newWorld(t)
	w.start()
	item := w.mail("hello")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	o := open.NewOpener(w.client("scan"), open.OpenerOptions{Gather: time.Millisecond})
	if k, err := o.Open(ctx, open.Ask{Purpose: keys.ForScan, Layer: raw, Item: item}); err == nil {
		k.Clear()
		t.Error("an ended context got a key")
	}
}
