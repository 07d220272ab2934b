package erase

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/postern-mail/postern/pkg/vault"
	"github.com/postern-mail/postern/pkg/vault/internal/s3client"
	"github.com/postern-mail/postern/pkg/vault/s3"
)

type bucket struct{ client *s3client.Client }

// S3 is the eraser of a bucket. Its account must be allowed to list versions and
// uploads, to delete versions, to abort uploads and to see retention.
func S3(config s3.Config) (Eraser, error) {
	client, err := s3client.New(config)
	if err != nil {
		return nil, err
	}
	return &bucket{client: client}, nil
}

func (b *bucket) Erase(ctx context.Context, name string) (Report, error) {
	if err := vault.CheckName(name); err != nil {
		return Report{}, err
	}
	return eraseAll(ctx,
		func(ctx context.Context) (Report, error) { return b.remove(ctx, name) },
		func(ctx context.Context) (Report, error) { return b.Remains(ctx, name) })
}

// remove removes what nothing keeps. Uploads come first: one of them may become
// a version as long as it is there.
func (b *bucket) remove(ctx context.Context, name string) (removed Report, err error) {
	for upload, err := range b.client.Uploads(ctx, name) {
		if err != nil {
			return removed, err
		}
		if upload.Name != name {
			continue
		}
		if err := b.client.AbortUpload(ctx, name, upload.ID); err != nil {
			return removed, err
		}
		removed.Uploads++
	}
	versions, err := b.versions(ctx, name)
	if err != nil {
		return removed, err
	}
	for _, version := range versions {
		err := b.client.RemoveVersion(ctx, version)
		if err != nil && !errors.Is(err, vault.ErrNotFound) {
			hold, asked := b.hold(ctx, version)
			if asked != nil || !hold.Legal && !hold.Until.After(time.Now()) {
				return removed, err // refused for another reason
			}
			continue // Remains reports what keeps it
		}
		if version.Marker {
			removed.Markers++
		} else {
			removed.Versions++
		}
	}
	return removed, nil
}

func (b *bucket) Remains(ctx context.Context, name string) (Report, error) {
	if err := vault.CheckName(name); err != nil {
		return Report{}, err
	}
	var left Report
	versions, err := b.versions(ctx, name)
	if err != nil {
		return Report{}, err
	}
	for _, version := range versions {
		if version.Marker {
			left.Markers++
			continue
		}
		left.Versions++
		hold, err := b.hold(ctx, version)
		if err != nil && !errors.Is(err, vault.ErrNotFound) {
			return Report{}, err
		}
		left.Held = left.Held || hold.Legal
		if hold.Until.After(time.Now()) && hold.Until.After(left.LockedUntil) { // a date that is over keeps nothing
			left.LockedUntil = hold.Until
		}
	}
	for upload, err := range b.client.Uploads(ctx, name) {
		if err != nil {
			return Report{}, err
		}
		if upload.Name == name {
			left.Uploads++
		}
	}
	// Asked another way too: a list that leaves something out must not pass for
	// a proof.
	switch _, err := b.client.Stat(ctx, name); {
	case err == nil && left.Versions == 0:
		return Report{}, errors.New("erase: the store opens an object that it does not list")
	case err != nil && !errors.Is(err, vault.ErrNotFound):
		return Report{}, err
	}
	left.Gone = left.Versions+left.Markers+left.Uploads == 0
	return left, nil
}

// versions lists the versions and delete markers of exactly this name.
func (b *bucket) versions(ctx context.Context, name string) ([]s3client.Version, error) {
	var found []s3client.Version
	for version, err := range b.client.Versions(ctx, name) {
		if err != nil {
			return nil, err
		}
		if version.Name == name {
			found = append(found, version)
		}
	}
	return found, nil
}

// hold asks what keeps a version.
func (b *bucket) hold(ctx context.Context, version s3client.Version) (s3client.Hold, error) {
	if version.Marker {
		return s3client.Hold{}, nil
	}
	return b.client.Hold(ctx, version.Name, version.ID)
}

func (b *bucket) Sweep(ctx context.Context, prefix string, before time.Time) (int, error) {
	if err := vault.CheckPrefix(prefix); err != nil {
		return 0, err
	}
	// Collected first: a list whose entries vanish under it may skip some.
	var old []s3client.Unfinished
	for upload, err := range b.client.Uploads(ctx, prefix) {
		if err != nil {
			return 0, err
		}
		if upload.Begun.Before(before) {
			old = append(old, upload)
		}
	}
	for i, upload := range old {
		if err := b.client.AbortUpload(ctx, upload.Name, upload.ID); err != nil {
			return i, fmt.Errorf("erase: %w", err)
		}
	}
	return len(old), nil
}
