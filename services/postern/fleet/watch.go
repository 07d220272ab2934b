package fleet

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/pkg/event"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	"github.com/postern-mail/postern/services/postern/wiring"
)

// Look opens the fleet's stores as an operator who looks: Close must be called.
func (f *Fleet) Look(ctx context.Context) (*wiring.Process, error) {
	config, err := wiring.Load(f.ConfigFile(topology.Doctor))
	if err != nil {
		return nil, err
	}
	config.Trace.Endpoint = ""
	return wiring.New(ctx, config, wiring.Options{Log: slog.New(slog.DiscardHandler)})
}

// Records reads the record of every item.
func Records(ctx context.Context, conn *bus.Conn) (map[string]*itemv1.Record, error) {
	records := map[string]*itemv1.Record{}
	for message, err := range conn.Scan(ctx, topology.Items, 1, bus.Matching(event.MailsSubject)) {
		if err != nil {
			return nil, fmt.Errorf("item records: %w", err)
		}
		record := new(itemv1.Record)
		if err := proto.Unmarshal(message.Data, record); err != nil {
			return nil, fmt.Errorf("item record: %w", err)
		}
		records[record.GetItem()] = record
	}
	return records, nil
}

// Settled says whether a mail has come to where it stays.
func Settled(record *itemv1.Record) bool {
	switch record.GetState() {
	case itemv1.State_STATE_TICKETED, itemv1.State_STATE_SET_ASIDE, itemv1.State_STATE_TOMBSTONE:
		return true
	}
	return false
}

// WaitSettled waits until n mails have come to where they stay, and gives all records.
func (f *Fleet) WaitSettled(ctx context.Context, n int) (map[string]*itemv1.Record, error) {
	process, err := f.Look(ctx)
	if err != nil {
		return nil, err
	}
	defer process.Close()
	conn, err := process.Connect(ctx, topology.Doctor)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	go func() { // a fleet that has failed is not waited for
		select {
		case err := <-f.failed:
			f.fail(err)
			stop(err)
		case <-ctx.Done():
		}
	}()
	return WaitSettled(ctx, conn, n)
}

// WaitSettled is Fleet.WaitSettled for whoever has a connection that may read ITEMS.
func WaitSettled(ctx context.Context, conn *bus.Conn, n int) (map[string]*itemv1.Record, error) {
	ticker := time.NewTicker(glance)
	defer ticker.Stop()
	for {
		records, err := Records(ctx, conn)
		settled := 0
		for _, record := range records {
			if Settled(record) {
				settled++
			}
		}
		if err == nil && settled >= n {
			return records, nil
		}
		select {
		case <-ctx.Done():
			return records, fmt.Errorf("%d of %d mails settled: %w", settled, n, errors.Join(context.Cause(ctx), err))
		case <-ticker.C:
		}
	}
}

// lastLines gives the end of a log, for whoever must find out what is wrong.
func (f *Fleet) lastLines(name string) string {
	const most = 2000
	text, err := os.ReadFile(f.LogFile(name))
	if err != nil {
		return ""
	}
	return strings.ToValidUTF8(string(text[max(0, len(text)-most):]), "")
}
