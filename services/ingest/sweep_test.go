package ingest

import (
	"context"
	"iter"
	"log/slog"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postern-mail/postern/pkg/event"
	eventv1 "github.com/postern-mail/postern/proto/event/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
)

// still is two records that nobody takes, the first of which cannot be read.
type still struct{ changed time.Time }

func (s still) Heads(context.Context, uint64) iter.Seq2[Head, error] {
	return func(yield func(Head, error) bool) {
		for _, sequence := range []uint64{1, 2} {
			if !yield(Head{Subject: "items.x", Sequence: sequence, State: event.StateWord(itemv1.State_STATE_REGISTERED), Changed: s.changed}, nil) {
				return
			}
		}
	}
}

func (s still) Record(_ context.Context, head Head) (*itemv1.Record, error) {
	if head.Sequence == 1 {
		return nil, errGarbled
	}
	return &itemv1.Record{
		Item: event.Item("box", "INBOX", 1, 1, 0), State: itemv1.State_STATE_REGISTERED, Changed: timestamppb.New(s.changed), Size: 1,
		Layers: []*itemv1.Layer{{Kind: itemv1.LayerKind_LAYER_KIND_RAW, Size: 1000}},
	}, nil
}

type counted struct{ said int }

func (c *counted) Publish(context.Context, *eventv1.Envelope) error { c.said++; return nil }

func TestAnItemThatNobodyTakesIsSaidEverMoreSeldom(t *testing.T) {
	began := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	now := began
	heard := &counted{}
	s := &Service{standstill: standstill, log: slog.New(slog.DiscardHandler), deps: Deps{
		Standing: still{began}, Publisher: heard, Now: func() time.Time { return now },
	}}
	var at []time.Duration
	for now.Sub(began) <= 24*time.Hour {
		before := heard.said
		if _, err := s.SweepFrom(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		if heard.said > before {
			at = append(at, now.Sub(began))
		}
		now = now.Add(sweepEvery)
	}
	// The contracts page: after 10 minutes, then 10, 20, 40 ... later, at most 6 hours apart.
	want := []time.Duration{10 * time.Minute, 20 * time.Minute, 40 * time.Minute, 80 * time.Minute, 160 * time.Minute, 320 * time.Minute, 640 * time.Minute, 1000 * time.Minute, 1360 * time.Minute}
	if len(at) != len(want) {
		t.Fatalf("said at %v, want %v", at, want)
	}
	for i := range want {
		if at[i] != want[i] {
			t.Errorf("said at %v, want %v", at[i], want[i])
		}
	}
}
