package s3client

import (
	"context"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/tags"

	"github.com/postern-mail/postern/pkg/vault"
)

// Get opens the latest version of an object.
func (c *Client) Get(ctx context.Context, name string) (io.ReadCloser, vault.Object, error) {
	body, info, _, err := c.core.GetObject(ctx, c.bucket, name, minio.GetObjectOptions{})
	if err != nil {
		return nil, vault.Object{}, translate("get", err)
	}
	return body, describe(name, info), nil
}

// Stat describes the latest version of an object.
func (c *Client) Stat(ctx context.Context, name string) (vault.Object, error) {
	info, err := c.core.StatObject(ctx, c.bucket, name, minio.StatObjectOptions{})
	if err != nil {
		return vault.Object{}, translate("stat", err)
	}
	return describe(name, info), nil
}

// List yields objects in name order.
func (c *Client) List(ctx context.Context, prefix, after string) iter.Seq2[vault.Object, error] {
	return func(yield func(vault.Object, error) bool) {
		last := after
		opts := minio.ListObjectsOptions{Prefix: prefix, StartAfter: after, Recursive: true}
		for info := range c.core.ListObjectsIter(ctx, c.bucket, opts) {
			if info.Err != nil {
				yield(vault.Object{}, translate("list", info.Err))
				return
			}
			if vault.CheckName(info.Key) != nil {
				continue // nothing that Put has stored
			}
			if info.Key <= last {
				yield(vault.Object{}, fmt.Errorf("s3 list: the server does not list in name order"))
				return
			}
			last = info.Key
			if !yield(describe(info.Key, info), nil) {
				return
			}
		}
		// The library ends a list silently when the context does.
		if err := ctx.Err(); err != nil {
			yield(vault.Object{}, err)
		}
	}
}

// SetTags replaces tags.
func (c *Client) SetTags(ctx context.Context, name string, labels map[string]string) error {
	if len(labels) == 0 {
		return translate("remove tags", c.core.RemoveObjectTagging(ctx, c.bucket, name, minio.RemoveObjectTaggingOptions{}))
	}
	set, err := tags.NewTags(labels, true)
	if err != nil {
		return fmt.Errorf("s3 set tags: %w", err)
	}
	return translate("set tags", c.core.PutObjectTagging(ctx, c.bucket, name, set, minio.PutObjectTaggingOptions{}))
}

// Tags gives tags.
func (c *Client) Tags(ctx context.Context, name string) (map[string]string, error) {
	set, err := c.core.GetObjectTagging(ctx, c.bucket, name, minio.GetObjectTaggingOptions{})
	if code(err) == "NoSuchTagSet" {
		return nil, nil
	}
	if err != nil {
		return nil, translate("get tags", err)
	}
	return set.ToMap(), nil
}

// Retain locks the latest version until a date.
func (c *Client) Retain(ctx context.Context, name string, until time.Time) error {
	if !c.Locks() {
		return vault.ErrNoLock
	}
	until = lockDate(until)
	return translate("retain", c.core.PutObjectRetention(ctx, c.bucket, name,
		minio.PutObjectRetentionOptions{Mode: &c.lock, RetainUntilDate: &until}))
}

// nullVersion is the version of an object that was stored without versions.
const nullVersion = "null"

// A Hold is what keeps a version from being destroyed.
type Hold struct {
	Until time.Time // zero: no date
	Legal bool      // a legal hold, which has no date
}

// Hold tells what keeps a version; the empty version is the latest. It asks for
// the object's headers, which every service fills alike, and not for its
// retention document, whose form differs. The account needs s3:GetObjectRetention
// or sees nothing.
func (c *Client) Hold(ctx context.Context, name, version string) (Hold, error) {
	info, err := c.core.StatObject(ctx, c.bucket, name, minio.StatObjectOptions{VersionID: version})
	if err != nil && version == nullVersion {
		// A service without versions lists its objects under this version and
		// may refuse to be asked for it.
		info, err = c.core.StatObject(ctx, c.bucket, name, minio.StatObjectOptions{})
	}
	if err != nil {
		return Hold{}, translate("stat", err)
	}
	hold := Hold{Legal: info.Metadata.Get("X-Amz-Object-Lock-Legal-Hold") == "ON"}
	if date := info.Metadata.Get("X-Amz-Object-Lock-Retain-Until-Date"); date != "" {
		until, err := time.Parse(time.RFC3339, date)
		if err != nil {
			return Hold{}, fmt.Errorf("s3 object lock date: %w", err)
		}
		hold.Until = until.UTC()
	}
	return hold, nil
}

func describe(name string, info minio.ObjectInfo) vault.Object {
	return vault.Object{Name: name, Size: info.Size, Modified: info.LastModified.UTC()}
}
