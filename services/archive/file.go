// Package archive files what has been scanned: it decides the retention class,
// fixes due dates and buckets through the keyring, marks the stored object, and
// keeps the journal from which everything can be rebuilt. It opens nothing.
package archive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postern-mail/postern/pkg/fault"
	"github.com/postern-mail/postern/pkg/keys"
	"github.com/postern-mail/postern/pkg/retention"
	"github.com/postern-mail/postern/pkg/vault"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
	mailv1 "github.com/postern-mail/postern/proto/mail/v1"
)

// Filer is the keyring's part in filing.
type Filer interface {
	// File must be safe to repeat: the first class and dates stay.
	File(ctx context.Context, request *keyringv1.File) (*keyringv1.Recorded, error)
}

// File turns what was scanned into what is archived. The answer speaks of the
// record as it stands, whichever attempt filed it.
func (s *Service) File(ctx context.Context, scanned *mailv1.Scanned) (*mailv1.Archived, error) {
	record := scanned.GetRecord()
	findings := scanned.GetFindings()
	class := s.config.Policy.Choose(retention.Facts{
		Mailbox: record.GetMailbox(),
		Sender:  findings.GetSenderVerdict(),
		Scan:    findings.GetScanVerdict(),
		Kind:    cmp.Or(findings.GetKind(), record.GetKind()), // of the whole mail, or as its headers told at the door
		Size:    record.GetSize(),
	})
	dues, err := s.config.Policy.Dues(class, record.GetReceived().AsTime())
	if err != nil {
		return nil, err
	}
	recorded, err := s.keyring.File(ctx, &keyringv1.File{
		Item:     record.GetItem(),
		Class:    class,
		Findings: findings,
		Details:  scanned.GetDetails(),
		Evidence: scanned.GetEvidence(),
		Dues: []*keyringv1.Due{
			due(itemv1.LayerKind_LAYER_KIND_RAW, dues.Raw),
			due(itemv1.LayerKind_LAYER_KIND_VIEW, dues.View),
			due(itemv1.LayerKind_LAYER_KIND_PII, dues.PII),
		},
	})
	if err != nil {
		return nil, refusal(err)
	}
	filed := recorded.GetRecord()
	if filed.GetState() == itemv1.State_STATE_SET_ASIDE || filed.GetState() == itemv1.State_STATE_TOMBSTONE {
		return nil, nil // somebody took it out of the flow: nothing follows
	}
	if err := s.mark(ctx, filed); err != nil {
		return nil, err
	}
	return &mailv1.Archived{Record: filed}, nil
}

func due(layer itemv1.LayerKind, due retention.Due) *keyringv1.Due {
	return &keyringv1.Due{Layer: layer, Due: timestamppb.New(due.At), PeriodDays: int32(due.Period)}
}

// refusal turns the keyring's word into the end of the work.
func refusal(err error) error {
	code, refused := keys.RefusalOf(err)
	switch {
	case !refused:
		return err
	case code == keys.Destroyed:
		return nil
	case code.Passing():
		return fault.LaterFor(err, 0, string(code))
	}
	return fault.FinalFor(err, "filing_"+string(code))
}

// mark puts the class and the due date beside the object, for people who look
// at the store, and locks it until then where the store can.
func (s *Service) mark(ctx context.Context, record *itemv1.Record) error {
	filer, ok := s.vault.(vault.Filer)
	tagged := s.config.Tags == Always
	if !ok || (!tagged && !s.config.ObjectLock) {
		return nil
	}
	for _, layer := range record.GetLayers() {
		if layer.GetKind() != itemv1.LayerKind_LAYER_KIND_RAW || layer.GetObject() == "" {
			continue
		}
		if tagged {
			tags := map[string]string{"class": record.GetClass(), "due": layer.GetDue().AsTime().Format(time.DateOnly)}
			if err := filer.SetTags(ctx, layer.GetObject(), tags); err != nil && !errors.Is(err, errors.ErrUnsupported) {
				return fmt.Errorf("tags: %w", err)
			}
		}
		if s.config.ObjectLock {
			// Never beyond the due date: the lock must not outlive the right to keep it.
			if err := filer.Retain(ctx, layer.GetObject(), layer.GetDue().AsTime()); err != nil && !errors.Is(err, vault.ErrNoLock) {
				return fmt.Errorf("object lock: %w", err)
			}
		}
	}
	return nil
}
