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
	"github.com/postern-mail/postern/services/ingest/imap"
)

// CodeOversize is the set-aside code of a mail that is larger than max_size.
const CodeOversize = "oversize"

// Places of ingest's events in the derivation of their ids.
const (
	receivedIndex = 0
	setAsideIndex = 1
)

// headerPart is the share of max_size that the headers of an oversize mail may take.
const headerPart = 2

var errStoreEnded = errors.New("store: stopped reading")

func isStoreEnded(err error) bool {
	return errors.Is(err, errStoreEnded) || errors.Is(err, io.ErrClosedPipe)
}

// say publishes what a record calls for: Received while it is only registered, and
// nothing once somebody has carried on; the sweep says the same again from the
// record alone. A record whose sealed bytes are fewer than the
// mail's holds its headers only: that mail is set aside.
func (s *Service) say(ctx context.Context, record *itemv1.Record) error {
	return s.sayFor(ctx, record.GetItem(), record)
}

func (s *Service) sayFor(ctx context.Context, cause string, record *itemv1.Record) error {
	if record.GetState() == itemv1.State_STATE_REGISTERED && headersOnly(record) {
		request := &keyringv1.SetAside{Item: record.Item, Code: CodeOversize, Stage: Stage}
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

// headersOnly tells an oversize mail's record. Sealing never makes bytes fewer, and
// the headers of such a mail are at most half of it.
func headersOnly(record *itemv1.Record) bool {
	for _, layer := range record.GetLayers() {
		if layer.GetKind() == itemv1.LayerKind_LAYER_KIND_RAW {
			return layer.GetSize() < record.GetSize()
		}
	}
	return false
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

// oversize registers a mail with its headers alone and sets it aside. Its body is
// not asked for and it stays on the server.
func (f *folder) oversize(session *imap.Session, work *flight, mail imap.Mail) error {
	headers, err := session.Headers(mail.UID, f.service.config.MaxSize.Bytes()/headerPart)
	if errors.Is(err, imap.ErrGone) {
		work.outcome(mail, errWithheld)
		return nil
	}
	if err != nil {
		return err
	}
	if err := work.slot(f.service.slots); err != nil {
		return err
	}
	work.mails.Go(func() {
		defer func() { <-f.service.slots }()
		hands := &buffers{plain: headers}
		defer hands.forget()
		ctx, cancel := context.WithTimeout(work.work, mailTimeout)
		defer cancel()
		attempt, err := f.service.begin(ctx, f, work.where, mail)
		if err == nil {
			err = attempt.storeHeaders(ctx, hands)
		}
		if err == nil {
			err = attempt.register(ctx)
		}
		work.outcome(mail, err)
	})
	return nil
}
