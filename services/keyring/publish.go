package keyring

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
)

const layerJournal = itemv1.LayerKind_LAYER_KIND_JOURNAL

// public is a bucket as the world sees it. An intake bucket takes mail on its day.
func public(b *bucket) *keyringv1.PublicBucket {
	out := &keyringv1.PublicBucket{Bucket: b.id, PublicKey: b.public, Opens: timestamppb.New(b.created)}
	last, err := time.Parse(dayForm, b.lastDay)
	if err != nil {
		return out
	}
	if b.class == classIntake {
		out.Opens = timestamppb.New(last)
	}
	out.Closes = timestamppb.New(last.Add(day))
	return out
}

// republish is how often the keys are published though nothing changed: a stream that was
// lost has them again.
const republish = time.Hour

// tend looks after the intake buckets of the coming days and tells the world of them.
func (s *Service) tend(ctx context.Context, published *bool) error {
	now := s.now()
	today := now.Format(dayForm)
	if *published && s.day == today && now.Sub(s.told) < republish {
		return nil
	}
	places := []place{{classJournal, layerJournal, endless}, {classCustomer, card, endless}}
	for ahead := range intakeAhead + 1 {
		places = append(places, place{classIntake, raw, now.AddDate(0, 0, ahead).Format(dayForm)})
	}
	buckets, err := s.ensure(ctx, places...)
	if err != nil {
		return err
	}
	if _, err := s.ensureNamed(ctx, customers); err != nil {
		return err
	}
	out := &keyringv1.Published{Journal: public(buckets[0]), Customers: public(buckets[1]), Time: nowStamp(s)}
	for _, b := range buckets[2:] {
		out.Intake = append(out.Intake, public(b))
	}
	within, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := s.deps.Published.Publish(within, out); err != nil {
		return fmt.Errorf("publish keys: %w", err)
	}
	*published, s.day, s.told = true, today, now
	return nil
}

// changedKeys has the keys published again.
func (s *Service) changedKeys() {
	select {
	case s.announce <- struct{}{}:
	default:
	}
}
