package keys

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/seal"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
)

// PublishedSubject is where the keyring says which public keys anybody may seal to.
const PublishedSubject = "keyring.v1.Published"

// PublishedStream keeps the last word on PublishedSubject.
const PublishedStream = "KEYS"

// ErrNoBucket says that no bucket that takes mail at this time is published.
var ErrNoBucket = errors.New("keys: no published bucket takes mail now")

// ReadPublished reads a message of PublishedSubject.
func ReadPublished(message []byte) (*keyringv1.Published, error) {
	_, msg, err := event.Open(PublishedSubject, message)
	if err != nil {
		return nil, fmt.Errorf("published keys: %w", err)
	}
	published, ok := msg.(*keyringv1.Published)
	if !ok {
		return nil, errors.New("published keys: not a keyring.v1.Published")
	}
	return published, nil
}

// Intake gives the bucket that takes mail at a time: of those whose day it is, the one with
// the latest opening and, of equal ones, the last named.
func Intake(p *keyringv1.Published, at time.Time) (*keyringv1.PublicBucket, error) {
	var best *keyringv1.PublicBucket
	for _, b := range p.GetIntake() {
		if at.Before(b.Opens.AsTime()) || !at.Before(b.Closes.AsTime()) {
			continue
		}
		if best == nil || !b.Opens.AsTime().Before(best.Opens.AsTime()) {
			best = b
		}
	}
	if best == nil {
		return nil, ErrNoBucket
	}
	return best, nil
}

// A Last reads the last message that a stream keeps of a subject.
type Last func(ctx context.Context, stream, subject string) ([]byte, error)

// Published gives the recipient for raw mail at a time, read afresh from the KEYS stream.
func Published(ctx context.Context, last Last, kept *seal.Recipients, at time.Time) (*seal.Recipient, error) {
	message, err := last(ctx, PublishedStream, PublishedSubject)
	if err != nil {
		return nil, fmt.Errorf("published keys: %w", err)
	}
	p, err := ReadPublished(message)
	if err != nil {
		return nil, err
	}
	b, err := Intake(p, at)
	if err != nil {
		return nil, err
	}
	return kept.Get(b.Bucket, b.PublicKey)
}
