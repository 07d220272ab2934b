package s3client

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/postern-mail/postern/pkg/vault"
)

// tokenKey names the metadata that says which Put an object is from.
const tokenKey = "Postern-Put"

// PutNew stores a small object in one request that does not overwrite. The token
// is drawn by the caller for this call: a request whose answer was lost is sent
// again, finds the name taken by itself, and knows itself by the token.
func (c *Client) PutNew(ctx context.Context, name, token string, data []byte, o vault.PutOptions) (modified time.Time, err error) {
	opts := c.options(token, o)
	opts.SetMatchETagExcept("*")
	sum, check := digests(data, c.Locks())
	info, err := c.core.PutObject(ctx, c.bucket, name, bytes.NewReader(data), int64(len(data)), check, sum, opts)
	if err = translate("put", err); errors.Is(err, vault.ErrExists) {
		there, err := c.ours(ctx, name, token)
		return there.LastModified, err
	}
	return info.LastModified, err
}

// An Upload is a large object on its way.
type Upload struct {
	client *Client
	name   string
	token  string
	id     string
	size   int64
	parts  []minio.CompletePart
}

// Begin begins an upload. What it has stored is not visible before Complete.
func (c *Client) Begin(ctx context.Context, name, token string, o vault.PutOptions) (*Upload, error) {
	id, err := c.core.NewMultipartUpload(ctx, c.bucket, name, c.options(token, o))
	if err != nil {
		return nil, translate("begin upload", err)
	}
	return &Upload{client: c, name: name, token: token, id: id}, nil
}

// Part stores the next part: all but the last have the same size.
func (u *Upload) Part(ctx context.Context, data []byte) error {
	number := len(u.parts) + 1
	if number > MaxParts {
		return fmt.Errorf("s3 put: body exceeds %d parts of %d bytes", MaxParts, u.client.Config.PartSize)
	}
	sum, check := digests(data, u.client.Locks())
	part, err := u.client.core.PutObjectPart(ctx, u.client.bucket, u.name, u.id, number,
		bytes.NewReader(data), int64(len(data)),
		minio.PutObjectPartOptions{Md5Base64: check, Sha256Hex: sum, DisableContentSha256: true})
	if err != nil {
		return translate("put part", err)
	}
	u.size += int64(len(data))
	u.parts = append(u.parts, minio.CompletePart{PartNumber: number, ETag: part.ETag})
	return nil
}

// Complete makes the object visible unless the name is taken. Not every server
// honours If-None-Match here, so the name is looked up as well. Nor does every server that says
// that it is done have it done: one that died while it put the parts together takes the request that
// is sent again for one that is under way. So what is there is looked at before anybody relies on it.
func (u *Upload) Complete(ctx context.Context) (modified time.Time, err error) {
	switch _, err := u.client.Stat(ctx, u.name); {
	case err == nil:
		return time.Time{}, vault.ErrExists
	case !errors.Is(err, vault.ErrNotFound):
		return time.Time{}, err
	}
	var opts minio.PutObjectOptions
	opts.SetMatchETagExcept("*")
	_, err = u.client.core.CompleteMultipartUpload(ctx, u.client.bucket, u.name, u.id, u.parts, opts)
	// Where it is refused, the name is taken, or by a request whose answer was lost.
	if c := code(err); err != nil && c != minio.PreconditionFailed && c != minio.NoSuchUpload && c != "ConditionalRequestConflict" {
		return time.Time{}, translate("complete upload", err)
	}
	info, seen := u.client.ours(ctx, u.name, u.token)
	switch {
	case errors.Is(seen, vault.ErrNotFound) && err != nil:
		return time.Time{}, fmt.Errorf("s3 complete upload: %w", err)
	case errors.Is(seen, vault.ErrNotFound):
		return time.Time{}, errors.New("s3 complete upload: it is said to be done, and there is no object")
	case seen != nil:
		return time.Time{}, seen
	case info.Size != u.size:
		return time.Time{}, fmt.Errorf("s3 complete upload: %d bytes are there of %d", info.Size, u.size)
	}
	return info.LastModified, nil
}

// Abort removes what was stored of an upload that will not be completed. It does
// so after the context has ended, too.
func (u *Upload) Abort(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*u.client.Config.Stall)
	defer cancel()
	return u.client.AbortUpload(ctx, u.name, u.id)
}

// ours tells an object of this Put from one of another, and what is there.
func (c *Client) ours(ctx context.Context, name, token string) (minio.ObjectInfo, error) {
	info, err := c.core.StatObject(ctx, c.bucket, name, minio.StatObjectOptions{})
	if err != nil {
		return minio.ObjectInfo{}, translate("stat", err)
	}
	if info.Metadata.Get("X-Amz-Meta-"+tokenKey) != token {
		return minio.ObjectInfo{}, vault.ErrExists
	}
	return info, nil
}

func (c *Client) options(token string, o vault.PutOptions) minio.PutObjectOptions {
	opts := minio.PutObjectOptions{
		ContentType:          "application/octet-stream",
		UserMetadata:         map[string]string{tokenKey: token},
		UserTags:             o.Tags,
		DisableContentSha256: true, // the digest is in the header instead, so the body is sent as it is
	}
	if c.Locks() && !o.RetainUntil.IsZero() {
		opts.Mode, opts.RetainUntilDate = c.lock, lockDate(o.RetainUntil)
	}
	return opts
}

// lockDate cuts to seconds, which is what a header can say; never beyond until.
func lockDate(until time.Time) time.Time { return until.UTC().Truncate(time.Second) }

// digests gives the SHA-256 that is signed with the request and checked by the
// server. Buckets with object lock want an MD5 beside it.
func digests(data []byte, locked bool) (sha256Hex, md5Base64 string) {
	sum := sha256.Sum256(data)
	if locked {
		check := md5.Sum(data)
		md5Base64 = base64.StdEncoding.EncodeToString(check[:])
	}
	return hex.EncodeToString(sum[:]), md5Base64
}
