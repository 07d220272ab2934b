// Package memory keeps sealed objects in memory: a vault for tests, held to the
// same suite as the real ones. It has object lock when made with one.
package memory

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/postern-mail/postern/pkg/vault"
	"github.com/postern-mail/postern/pkg/vault/internal/right"
)

// A Store is a vault in memory.
type Store struct {
	now   func() time.Time
	locks bool

	mu      sync.Mutex
	objects map[string]*object
}

type object struct {
	vault.Object
	data  []byte
	marks vault.Marks
}

var (
	_ vault.Store = (*Store)(nil)
	_ vault.Filer = (*Store)(nil)
)

// New makes an empty vault without object lock, on the system's clock.
func New() *Store { return NewAt(time.Now) }

// NewAt makes an empty vault on the given clock.
func NewAt(now func() time.Time) *Store {
	return &Store{now: now, objects: map[string]*object{}}
}

// WithLock gives the vault object lock, before its first use.
func (s *Store) WithLock() *Store {
	s.locks = true
	return s
}

// Now is what the vault's clock says, by which its locks are over.
func (s *Store) Now() time.Time { return s.now() }

// Put stores an object.
func (s *Store) Put(ctx context.Context, name string, body io.Reader, opts vault.PutOptions) (vault.Object, error) {
	if err := errors.Join(vault.CheckName(name), vault.CheckTags(opts.Tags), ctx.Err()); err != nil {
		return vault.Object{}, err
	}
	var data bytes.Buffer
	if _, err := data.ReadFrom(vault.Sized(body, opts.Size)); err != nil {
		return vault.Object{}, err
	}
	if err := ctx.Err(); err != nil {
		return vault.Object{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.objects[name] != nil {
		return vault.Object{}, vault.ErrExists
	}
	kept := &object{
		Object: vault.Object{Name: name, Size: int64(data.Len()), Modified: s.now().UTC()},
		data:   data.Bytes(),
		marks:  vault.Marks{Tags: maps.Clone(opts.Tags)},
	}
	if s.locks {
		kept.marks.RetainUntil = opts.RetainUntil
	}
	s.objects[name] = kept
	return kept.Object, nil
}

// Get opens an object.
func (s *Store) Get(ctx context.Context, name string) (io.ReadCloser, vault.Object, error) {
	kept, err := s.find(ctx, name)
	if err != nil {
		return nil, vault.Object{}, err
	}
	return io.NopCloser(onlyReader{bytes.NewReader(kept.data)}), kept.Object, nil
}

// Stat describes an object.
func (s *Store) Stat(ctx context.Context, name string) (vault.Object, error) {
	kept, err := s.find(ctx, name)
	return kept.Object, err
}

// List yields what the vault held when the list began.
func (s *Store) List(ctx context.Context, prefix, after string) iter.Seq2[vault.Object, error] {
	return func(yield func(vault.Object, error) bool) {
		if err := vault.CheckPrefix(prefix); err != nil {
			yield(vault.Object{}, err)
			return
		}
		for _, name := range s.names() {
			if !strings.HasPrefix(name, prefix) || name <= after {
				continue
			}
			kept, err := s.find(ctx, name)
			if errors.Is(err, vault.ErrNotFound) {
				continue
			}
			if !yield(kept.Object, err) || err != nil {
				return
			}
		}
	}
}

// SetTags replaces the object's tags.
func (s *Store) SetTags(ctx context.Context, name string, tags map[string]string) error {
	if err := vault.CheckTags(tags); err != nil {
		return err
	}
	return s.change(ctx, name, func(o *object) error {
		o.marks.Tags = maps.Clone(tags)
		return nil
	})
}

// Retain has the vault refuse to destroy the object before the date.
func (s *Store) Retain(ctx context.Context, name string, until time.Time) error {
	return s.change(ctx, name, func(o *object) error {
		switch {
		case !s.locks:
			return vault.ErrNoLock
		case until.Before(o.marks.RetainUntil):
			return errors.New("vault: retention can be moved on, not back")
		}
		o.marks.RetainUntil = until
		return nil
	})
}

// Marks tells what SetTags and Retain have set.
func (s *Store) Marks(ctx context.Context, name string) (vault.Marks, error) {
	kept, err := s.find(ctx, name)
	return vault.Marks{Tags: maps.Clone(kept.marks.Tags), RetainUntil: kept.marks.RetainUntil}, err
}

// Remove destroys an object unless a lock holds it, for vault/erase alone.
func (s *Store) Remove(ctx context.Context, _ right.Destroy, name string) (lockedUntil time.Time, err error) {
	err = s.change(ctx, name, func(o *object) error {
		if until := o.marks.RetainUntil; until.After(s.now()) {
			lockedUntil = until
			return nil
		}
		delete(s.objects, name)
		return nil
	})
	return lockedUntil, err
}

func (s *Store) names() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.objects))
}

func (s *Store) find(ctx context.Context, name string) (object, error) {
	var found object
	err := s.change(ctx, name, func(o *object) error {
		found = *o
		return nil
	})
	return found, err
}

func (s *Store) change(ctx context.Context, name string, change func(*object) error) error {
	if err := errors.Join(vault.CheckName(name), ctx.Err()); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := s.objects[name]
	if kept == nil {
		return vault.ErrNotFound
	}
	return change(kept)
}

// onlyReader hides WriteTo, so copies go through a small buffer as with files.
type onlyReader struct{ r io.Reader }

func (o onlyReader) Read(p []byte) (int, error) { return o.r.Read(p) }
