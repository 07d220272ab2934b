package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/postern-mail/postern/pkg/keys"
	auditv1 "github.com/postern-mail/postern/proto/audit/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
)

func TestARetentionCommandWithoutAReasonIsNotCarriedOut(t *testing.T) {
	item := strings.Repeat("a", 64)
	for name, args := range map[string][]string{
		"hold":                    {"hold", item},
		"erase":                   {"erase", item},
		"release":                 {"release", "Hcourt", item},
		"an empty one":            {"hold", item, "--reason", ""},
		"one of several words":    {"hold", item, "--reason", "Marge Okafor asks"},
		"one that is an address":  {"erase", item, "--reason", "marge@postbox.example"},
		"one that is over length": {"release", "Hcourt", item, "--reason", strings.Repeat("a", 65)},
	} {
		var complaint strings.Builder
		code := retentionCommand(t.Context(), append(args, "--config", "none.yaml"), stdio{err: &complaint})
		if code != misuse || !strings.Contains(complaint.String(), "--reason") {
			t.Errorf("%s: exit %d, %q", name, code, complaint.String())
		}
	}
	// With a good one it goes on to its configuration, which is not there.
	var complaint strings.Builder
	code := retentionCommand(t.Context(), []string{"hold", item, "--reason", "case-7", "--config", "none.yaml"}, stdio{err: &complaint})
	if code != failed || !strings.Contains(complaint.String(), "none.yaml") {
		t.Errorf("a good reason: exit %d, %q", code, complaint.String())
	}
}

// holds is custody over items, each with the names of its holds.
type holds struct {
	of      map[string][]string
	why     [][]string // items of each act that was recorded
	asked   int
	refusal error
}

func (h *holds) Get(_ context.Context, item string) (*itemv1.Record, error) {
	names, known := h.of[item]
	if !known {
		return nil, nil
	}
	record := &itemv1.Record{Item: item}
	for _, name := range names {
		record.Holds = append(record.Holds, &itemv1.Hold{Id: name})
	}
	return record, nil
}

func (h *holds) Record(_ context.Context, act *auditv1.Act) error {
	h.why = append(h.why, act.GetItems())
	return nil
}

func (h *holds) Release(_ context.Context, r *keyringv1.Release) (*keyringv1.Forgotten, error) {
	h.asked++
	if h.refusal != nil {
		return nil, h.refusal
	}
	for _, item := range r.GetItems() {
		h.of[item] = slices.DeleteFunc(h.of[item], func(name string) bool { return name == r.GetHold() })
	}
	return &keyringv1.Forgotten{Items: r.GetItems()}, nil
}

func (h *holds) release(t *testing.T, hold string, items ...string) (string, error) {
	var out strings.Builder
	err := custody{h, h, h}.release(t.Context(), &keyringv1.Release{Hold: hold, Items: items, Actor: "operator"}, "case-7", stdio{out: &out})
	return out.String(), err
}

func TestAHoldIsReleasedFromTheItemsThatHaveItAndTheOthersAreNamed(t *testing.T) {
	h := &holds{of: map[string][]string{"one": {"Hcourt", "Htax"}, "two": {"Htax"}, "three": {"Hcourt"}}}
	out, err := h.release(t, "Hcourt", "one", "two", "three", "unknown")
	if err == nil || !strings.Contains(err.Error(), "not on 2 of 4 items") || !strings.HasSuffix(err.Error(), ": two unknown") {
		t.Errorf("%v, want it to name two and unknown", err)
	}
	if out != "hold Hcourt released from 2 items\n" || !slices.Equal(h.of["one"], []string{"Htax"}) || len(h.of["three"]) != 0 {
		t.Errorf("%q, left %v", out, h.of)
	}
	if len(h.why) != 1 || !slices.Equal(h.why[0], []string{"one", "three"}) {
		t.Errorf("recorded %v", h.why)
	}
	if out, err := h.release(t, "Htax", "one", "two"); err != nil || out != "hold Htax released from 2 items\n" {
		t.Errorf("%q, %v", out, err)
	}
}

func TestAHoldThatIsOnNoItemIsNotReleased(t *testing.T) {
	h := &holds{of: map[string][]string{"one": {"Hcourt"}}}
	out, err := h.release(t, "Hnope", "one")
	if err == nil || out != "" || h.asked != 0 || len(h.why) != 0 {
		t.Errorf("%q, %v, asked %d times", out, err, h.asked)
	}
}

func TestAReleaseThatTheKeyringRefusesIsNotSaidToBeDone(t *testing.T) {
	h := &holds{of: map[string][]string{"one": {"Hcourt"}}, refusal: keys.JournalBehind}
	if out, err := h.release(t, "Hcourt", "one"); !errors.Is(err, keys.JournalBehind) || out != "" {
		t.Errorf("%q, %v", out, err)
	}
}
