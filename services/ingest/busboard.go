package ingest

import (
	"context"
	"errors"
	"iter"

	"google.golang.org/protobuf/proto"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/pkg/event"
	ingestv1 "github.com/postern-mail/postern/proto/ingest/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
)

type busRecords struct{ conn *bus.Conn }

func (b busRecords) All(ctx context.Context) iter.Seq2[*itemv1.Record, error] {
	return func(yield func(*itemv1.Record, error) bool) {
		for message, err := range b.conn.Scan(ctx, topology.Items, 1, bus.Matching(event.MailsSubject)) {
			if err != nil {
				yield(nil, err)
				return
			}
			record := new(itemv1.Record)
			if err := proto.Unmarshal(message.Data, record); err != nil {
				continue // a record that nobody can read is none: its mail is missing
			}
			if !yield(record, nil) {
				return
			}
		}
	}
}

func (b busRecords) Get(ctx context.Context, item string) (*itemv1.Record, error) {
	message, err := b.conn.LastFresh(ctx, topology.Items, "items."+item)
	if errors.Is(err, bus.ErrNoMessage) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return recordIn(message)
}

type busBoard struct{ conn *bus.Conn }

func (b busBoard) Read(ctx context.Context, mailbox string) (*ingestv1.Status, error) {
	message, err := b.conn.Last(ctx, topology.Mailboxes, "mailboxes."+mailbox)
	if errors.Is(err, bus.ErrNoMessage) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	status := new(ingestv1.Status)
	if err := proto.Unmarshal(message.Data, status); err != nil {
		return nil, errGarbledStatus
	}
	return status, nil
}

func (b busBoard) Write(ctx context.Context, status *ingestv1.Status) error {
	data, err := proto.Marshal(status)
	if err != nil {
		return err
	}
	_, err = b.conn.Publish(ctx, "mailboxes."+status.GetMailbox(), data)
	return err
}
