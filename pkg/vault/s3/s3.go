// Package s3 keeps sealed objects in one bucket of an S3 service. A mail of
// usual size is one request, a large one is streamed in parts, so memory does not
// grow with its size. What S3 answers for is on disk as far as the service keeps
// its word; some gateways do not sync. Server-side encryption is neither asked for nor
// relied on, and nothing here can destroy an object.
package s3

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"iter"
	"sync"
	"time"

	"github.com/postern-mail/postern/pkg/vault"
	"github.com/postern-mail/postern/pkg/vault/internal/s3client"
)

// Config says where the bucket is and how to get in.
type Config = s3client.Config

// A Lock says how the bucket holds objects until a date.
type Lock = s3client.Lock

// The kinds of object lock.
const (
	NoLock     = s3client.NoLock
	Governance = s3client.Governance
	Compliance = s3client.Compliance
)

// A Store is a vault in a bucket. Objects whose names vault.CheckName refuses are
// not listed: another program put them there.
type Store struct {
	client *s3client.Client
	small  sync.Pool // *[]byte of SinglePut+1 bytes
	large  sync.Pool // *[]byte of PartSize bytes
}

var (
	_ vault.Store = (*Store)(nil)
	_ vault.Filer = (*Store)(nil)
)

// New makes a store. It does not connect: a service starts while S3 is down.
func New(c Config) (*Store, error) {
	client, err := s3client.New(c)
	if err != nil {
		return nil, err
	}
	s := &Store{client: client}
	s.small.New = buffers(client.Config.SinglePut + 1)
	s.large.New = buffers(client.Config.PartSize)
	return s, nil
}

func buffers(size int) func() any {
	return func() any {
		buffer := make([]byte, size)
		return &buffer
	}
}

// Check asks whether the bucket can be reached and is as configured.
func (s *Store) Check(ctx context.Context) error { return s.client.Check(ctx) }

// Time asks what time it is by the service's clock, to the second.
func (s *Store) Time(ctx context.Context) (time.Time, error) { return s.client.Time(ctx) }

// CreateBucket makes the bucket, with object lock where the configuration has it.
func (s *Store) CreateBucket(ctx context.Context) error { return s.client.CreateBucket(ctx) }

// EnableVersions has the bucket keep what is overwritten or deleted.
func (s *Store) EnableVersions(ctx context.Context) error { return s.client.EnableVersions(ctx) }

// Close gives up idle connections.
func (s *Store) Close() error {
	s.client.Close()
	return nil
}

// Put stores an object. The time in what it returns may be zero: not every
// service tells it.
func (s *Store) Put(ctx context.Context, name string, body io.Reader, opts vault.PutOptions) (vault.Object, error) {
	if err := errors.Join(vault.CheckName(name), vault.CheckTags(opts.Tags), ctx.Err()); err != nil {
		return vault.Object{}, err
	}
	body = &watched{ctx: ctx, body: vault.Sized(body, opts.Size)}
	token := rand.Text()
	buffer := s.small.Get().(*[]byte)
	defer s.small.Put(buffer)
	n, whole, err := fill(body, *buffer)
	if err != nil {
		return vault.Object{}, err
	}
	if !whole { // more than one request takes
		return s.putLarge(ctx, name, token, (*buffer)[:n], body, opts)
	}
	modified, err := s.client.PutNew(ctx, name, token, (*buffer)[:n], opts)
	if err != nil {
		return vault.Object{}, err
	}
	return vault.Object{Name: name, Size: int64(n), Modified: modified.UTC()}, nil
}

// putLarge streams head and then body in parts.
func (s *Store) putLarge(ctx context.Context, name, token string, head []byte, body io.Reader, opts vault.PutOptions) (object vault.Object, err error) {
	// Asked now to spare the work; the end of the upload decides.
	switch _, err := s.client.Stat(ctx, name); {
	case err == nil:
		return vault.Object{}, vault.ErrExists
	case !errors.Is(err, vault.ErrNotFound):
		return vault.Object{}, err
	}
	upload, err := s.client.Begin(ctx, name, token, opts)
	if err != nil {
		return vault.Object{}, err
	}
	defer func() {
		if err != nil {
			// What cannot be aborted now is swept by age: see vault/erase.
			_ = upload.Abort(ctx)
		}
	}()

	buffer := s.large.Get().(*[]byte)
	defer s.large.Put(buffer)
	filled := copy(*buffer, head)
	size := int64(0)
	for last := false; !last; filled = 0 {
		var n int
		if n, last, err = fill(body, (*buffer)[filled:]); err != nil {
			return vault.Object{}, err
		}
		if filled += n; filled == 0 {
			break
		}
		if err := upload.Part(ctx, (*buffer)[:filled]); err != nil {
			return vault.Object{}, err
		}
		size += int64(filled)
	}
	modified, err := upload.Complete(ctx)
	if err != nil {
		return vault.Object{}, err
	}
	return vault.Object{Name: name, Size: size, Modified: modified.UTC()}, nil
}

// fill reads until the buffer is full or the body is at its end. Unlike
// io.ReadFull it tells the end from a source that says io.ErrUnexpectedEOF.
func fill(body io.Reader, buffer []byte) (n int, end bool, err error) {
	for n < len(buffer) {
		m, err := body.Read(buffer[n:])
		n += m
		if err == io.EOF {
			return n, true, nil
		}
		if err != nil {
			return n, false, err
		}
	}
	return n, false, nil
}

// Get opens an object.
func (s *Store) Get(ctx context.Context, name string) (io.ReadCloser, vault.Object, error) {
	if err := errors.Join(vault.CheckName(name), ctx.Err()); err != nil {
		return nil, vault.Object{}, err
	}
	return s.client.Get(ctx, name)
}

// Stat describes an object.
func (s *Store) Stat(ctx context.Context, name string) (vault.Object, error) {
	if err := errors.Join(vault.CheckName(name), ctx.Err()); err != nil {
		return vault.Object{}, err
	}
	return s.client.Stat(ctx, name)
}

// List yields objects in name order.
func (s *Store) List(ctx context.Context, prefix, after string) iter.Seq2[vault.Object, error] {
	if err := vault.CheckPrefix(prefix); err != nil {
		return func(yield func(vault.Object, error) bool) { yield(vault.Object{}, err) }
	}
	return s.client.List(ctx, prefix, after)
}

// SetTags replaces the object's tags.
func (s *Store) SetTags(ctx context.Context, name string, tags map[string]string) error {
	if err := errors.Join(vault.CheckName(name), vault.CheckTags(tags), ctx.Err()); err != nil {
		return err
	}
	return s.client.SetTags(ctx, name, tags)
}

// Retain locks the object until then, to the second and never longer.
func (s *Store) Retain(ctx context.Context, name string, until time.Time) error {
	if err := errors.Join(vault.CheckName(name), ctx.Err()); err != nil {
		return err
	}
	if !s.client.Locks() {
		if _, err := s.client.Stat(ctx, name); err != nil {
			return err
		}
		return vault.ErrNoLock
	}
	return s.client.Retain(ctx, name, until)
}

// Marks tells the object's tags and, in a bucket with object lock, its date.
func (s *Store) Marks(ctx context.Context, name string) (vault.Marks, error) {
	if err := errors.Join(vault.CheckName(name), ctx.Err()); err != nil {
		return vault.Marks{}, err
	}
	tags, err := s.client.Tags(ctx, name)
	if err != nil || !s.client.Locks() {
		return vault.Marks{Tags: tags}, err
	}
	hold, err := s.client.Hold(ctx, name, "")
	return vault.Marks{Tags: tags, RetainUntil: hold.Until}, err
}

// watched ends a body when its context does.
type watched struct {
	ctx  context.Context
	body io.Reader
}

func (w *watched) Read(p []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	return w.body.Read(p)
}
