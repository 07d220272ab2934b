package s3client

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/minio/minio-go/v7"
)

// A Version is one version of an object, or the mark of its deletion.
type Version struct {
	Name   string
	ID     string
	Marker bool
}

// Versions yields every version and delete marker whose name begins with prefix,
// in name order. A bucket without versions has one of each object.
func (c *Client) Versions(ctx context.Context, prefix string) iter.Seq2[Version, error] {
	return func(yield func(Version, error) bool) {
		opts := minio.ListObjectsOptions{Prefix: prefix, Recursive: true, WithVersions: true}
		for info := range c.core.ListObjectsIter(ctx, c.bucket, opts) {
			if info.Err != nil {
				yield(Version{}, translate("list versions", info.Err))
				return
			}
			if !yield(Version{Name: info.Key, ID: info.VersionID, Marker: info.IsDeleteMarker}, nil) {
				return
			}
		}
		// The library ends a list silently when the context does, and nobody
		// may take that for "no more versions".
		if err := ctx.Err(); err != nil {
			yield(Version{}, err)
		}
	}
}

// RemoveVersion destroys one version or delete marker. It never lifts a lock.
func (c *Client) RemoveVersion(ctx context.Context, v Version) error {
	return translate("remove version",
		c.core.RemoveObject(ctx, c.bucket, v.Name, minio.RemoveObjectOptions{VersionID: v.ID}))
}

// An Unfinished is an upload that was begun and not completed.
type Unfinished struct {
	Name  string
	ID    string
	Begun time.Time
}

// Uploads yields the unfinished uploads whose names begin with prefix. Some
// servers cannot go on in the middle of a name: there, uploads of one name past the
// end of a page of 1,000 are left out, and seen once those before them are gone.
func (c *Client) Uploads(ctx context.Context, prefix string) iter.Seq2[Unfinished, error] {
	return func(yield func(Unfinished, error) bool) {
		var key, id string
		for {
			page, err := c.core.ListMultipartUploads(ctx, c.bucket, prefix, key, id, "", 1000)
			if id != "" && code(err) == "InvalidArgument" {
				id = ""
				continue
			}
			if err != nil {
				yield(Unfinished{}, translate("list uploads", err))
				return
			}
			for _, u := range page.Uploads {
				if !yield(Unfinished{Name: u.Key, ID: u.UploadID, Begun: u.Initiated.UTC()}, nil) {
					return
				}
			}
			if !page.IsTruncated {
				return
			}
			if page.NextKeyMarker == key && page.NextUploadIDMarker == id {
				yield(Unfinished{}, errors.New("s3 list uploads: the store says that there is more and gives the same page again"))
				return
			}
			key, id = page.NextKeyMarker, page.NextUploadIDMarker
		}
	}
}

// AbortUpload removes an unfinished upload; one that is gone already is no error.
func (c *Client) AbortUpload(ctx context.Context, name, id string) error {
	err := c.core.AbortMultipartUpload(ctx, c.bucket, name, id)
	if code(err) == minio.NoSuchUpload {
		return nil
	}
	return translate("abort upload", err)
}
