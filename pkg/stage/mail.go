package stage

import (
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	eventv1 "github.com/postern-mail/postern/proto/event/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"

	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/fault"
)

// mail is a delivery, read.
type mail struct {
	Delivery
	env     *eventv1.Envelope // nil where the bytes are no envelope
	msg     proto.Message
	waiting time.Time // patience counts from here
	garbled error
}

// read opens a delivery. Every event of a stage speaks of an item and carries its record.
func read(d Delivery) *mail {
	m := &mail{Delivery: d}
	m.env, m.msg, m.garbled = event.Open(d.Subject(), d.Data())
	if m.garbled != nil {
		return m
	}
	carrier, ok := m.msg.(interface{ GetRecord() *itemv1.Record })
	switch {
	case !ok || carrier.GetRecord() == nil:
		m.garbled = fault.FinalFor(errors.New("it carries no record"), event.Garbled)
	case m.env.Item == "" || carrier.GetRecord().Item != m.env.Item:
		m.garbled = fault.FinalFor(errors.New("its record is another item's"), event.Garbled)
	case carrier.GetRecord().Received.CheckValid() != nil:
		m.garbled = fault.FinalFor(errors.New("its record has no time of receipt"), event.Garbled)
	default:
		m.waiting = event.Waiting(carrier.GetRecord())
		// What is said of a mail that got through long ago has an age of its own.
		if later, ok := m.msg.(interface{ GetTold() *timestamppb.Timestamp }); ok && later.GetTold().IsValid() {
			m.waiting = later.GetTold().AsTime()
		}
	}
	return m
}

func (m *mail) item() string { return m.env.GetItem() }

// letters makes the events that follow from m, with the ids that every run for m derives.
func (r *runner) letters(m *mail, outs []Out, header map[string][]string) ([]Letter, error) {
	letters := make([]Letter, 0, len(outs))
	for i, out := range outs {
		letter, err := r.letter(m, i, out, header)
		if err != nil {
			return nil, err
		}
		letters = append(letters, letter)
	}
	return letters, nil
}

func (r *runner) letter(m *mail, index int, out Out, header map[string][]string) (Letter, error) {
	env, err := event.New(m.env.Id, r.spec.Stage, index, m.env.Item, r.Clock.Now(), out.Message)
	if err != nil {
		return Letter{}, fmt.Errorf("event %d: %w", index, err)
	}
	data, err := event.Marshal(env)
	if err != nil {
		return Letter{}, fmt.Errorf("event %d: %w", index, err)
	}
	subject := out.Subject
	if subject == "" {
		subject = env.Type
	}
	return Letter{Subject: subject, ID: env.Id, Data: data, Header: header, Once: out.Once}, nil
}
