package fleet

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/postern-mail/postern/pkg/vault"
	"github.com/postern-mail/postern/pkg/vault/s3"
)

const bucket = "postern"

// startS3 starts the gateway over a folder of files, which keeps every version.
func (f *Fleet) startS3(ctx context.Context) (*child, error) {
	folder := f.Folder(folderS3)
	config, err := f.bucket()
	if err != nil {
		return nil, err
	}
	if f.servers.s3 == "" {
		if f.servers.s3, err = freeAddress(); err != nil {
			return nil, err
		}
	}
	config.Endpoint, config.Tries = f.servers.s3, 1
	objects, versions, beside := filepath.Join(folder, "objects"), filepath.Join(folder, "versions"), filepath.Join(folder, "attributes")
	for _, path := range []string{objects, versions, beside} {
		if err := os.MkdirAll(path, 0o700); err != nil {
			return nil, err
		}
	}
	args := []string{"--port", f.servers.s3, "--quiet", "posix", "--versioning-dir", versions}
	if unix.Setxattr(objects, "user.postern", []byte("x"), 0) != nil {
		args = append(args, "--sidecar", beside) // a file system without attributes of files
	}
	env := []string{"ROOT_ACCESS_KEY=" + config.AccessKey, "ROOT_SECRET_KEY=" + config.SecretKey}
	c, err := f.server(folderS3, env, "versitygw", append(args, objects)...)
	if err != nil {
		return c, err
	}
	store, err := s3.New(config)
	if err != nil {
		return c, err
	}
	defer func() { _ = store.Close() }()
	return c, await(ctx, c, func(ctx context.Context) error {
		_, _, err := store.Get(ctx, "nothing")
		if errors.Is(err, vault.ErrNotFound) || err != nil && strings.Contains(err.Error(), "bucket does not exist") {
			return nil // it knows our keys, and answers
		}
		return err
	})
}

// bucket is how to reach the bucket.
func (f *Fleet) bucket() (s3.Config, error) {
	access, _, err := f.secret("s3-access-key")
	secret, _, err2 := f.secret("s3-secret-key")
	return s3.Config{
		Endpoint: f.servers.s3, Bucket: bucket, AccessKey: access, SecretKey: secret, PathStyle: true, Plaintext: true,
	}, errors.Join(err, err2)
}

func (f *Fleet) makeBucket(ctx context.Context) error {
	config, err := f.bucket()
	if err != nil {
		return err
	}
	store, err := s3.New(config)
	if err != nil {
		return err
	}
	defer store.Close() //nolint:errcheck // what was done is acknowledged
	if store.Check(ctx) == nil {
		return nil // an earlier start made it
	}
	return errors.Join(store.CreateBucket(ctx), store.EnableVersions(ctx), store.Check(ctx))
}
