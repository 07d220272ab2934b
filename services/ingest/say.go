package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"

	"google.golang.org/protobuf/proto"

	"github.com/postern-mail/postern/pkg/event"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
	mailv1 "github.com/postern-mail/postern/proto/mail/v1"
)

// CodeOversize is the set-aside code of a mail that is larger than max_size.
const CodeOversize = "oversize"

// Places of ingest's events in the derivation of their ids.
const (
	receivedIndex = 0
	setAsideIndex = 1
)

var errStoreEnded = errors.New("store: stopped reading")

func isStoreEnded(err error) bool {
	return errors.Is(err, errStoreEnded) || errors.Is(err, io.ErrClosedPipe)
}

// say publishes what a record calls for: Received while it is only registered, and
// nothing once somebody has carried on; the sweep says the same again from the
// record and the cursor. A mail of which only the headers are kept is set
// aside, as is one with a code; once erased, it is nobody's work.
func (s *Service) say(ctx context.Context, record *itemv1.Record, code string) error {
	return s.sayFor(ctx, record.GetItem(), record, code)
}

func (s *Service) sayFor(ctx context.Context, cause string, record *itemv1.Record, code string) error {
	if event.HeadersOnly(record) && code == "" {
		if len(record.GetPastAsides()) > 0 && record.GetState() == itemv1.State_STATE_REGISTERED {
			return nil // it is still to be fetched, or was erased
		}
		code = CodeOversize
	}
	if record.GetState() == itemv1.State_STATE_REGISTERED && code != "" {
		request := &keyringv1.SetAside{Item: record.Item, Code: code, Stage: Stage}
		recorded, err := s.deps.Registrar.SetAside(ctx, request)
		if err != nil {
			return fmt.Errorf("set aside: %w", err)
		}
		record = recorded.GetRecord()
	}
	switch {
	case record.GetState() == itemv1.State_STATE_REGISTERED:
		return s.publish(ctx, cause, record, receivedIndex, &mailv1.Received{Record: record})
	case record.GetState() == itemv1.State_STATE_SET_ASIDE && record.GetSetAside().GetStage() == Stage:
		return s.publish(ctx, cause, record, setAsideIndex, &mailv1.SetAside{Record: record})
	}
	return nil
}

func (s *Service) publish(ctx context.Context, cause string, record *itemv1.Record, index int, msg proto.Message) error {
	envelope, err := event.New(cause, Stage, index, record.Item, s.deps.Now(), msg)
	if err != nil {
		return err
	}
	if err := s.deps.Publisher.Publish(ctx, envelope); err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	return nil
}
