// Package vault says what a store of sealed objects promises, whatever keeps the
// bytes. An object is written once under a name of its own and never changed.
// What is kept is ciphertext: this package neither seals nor opens, and it cannot
// destroy. That right belongs to whoever imports vault/erase.
package vault

import (
	"context"
	"errors"
	"io"
	"iter"
	"time"
)

var (
	// ErrExists says that the name is taken. What was there is untouched.
	ErrExists = errors.New("vault: object exists")
	// ErrNotFound says that the store holds no object of that name.
	ErrNotFound = errors.New("vault: no such object")
	// ErrName says that a name breaks the rules of CheckName.
	ErrName = errors.New("vault: unacceptable object name")
	// ErrSize says that a body was not as long as its writer had announced.
	ErrSize = errors.New("vault: body and announced size differ")
	// ErrNoLock says that the store cannot hold an object until a date.
	ErrNoLock = errors.New("vault: store has no object lock")
)

// A Store keeps sealed objects. It may be used by many goroutines at once.
//
// A name may not be the folder of another: with "a/b" there, "a/b/c" may be
// refused.
type Store interface {
	// Put stores body under name. It must not overwrite: a name that is taken
	// gives ErrExists. It returns nil only when the object would survive what
	// the store survives: a power failure, for files. When Put fails, nothing
	// may be visible under name through it, unless the error leaves the outcome
	// open (a connection cut after the last byte); so a name belongs to one
	// attempt and a second attempt takes another name.
	//
	// An object may become visible shortly before Put returns.
	Put(ctx context.Context, name string, body io.Reader, opts PutOptions) (Object, error)

	// Get opens an object; the caller closes it. A read error must surface as
	// an error other than io.EOF: a short body never looks whole.
	Get(ctx context.Context, name string) (io.ReadCloser, Object, error)

	// Stat describes an object.
	Stat(ctx context.Context, name string) (Object, error)

	// List yields the objects whose names begin with prefix and come after the
	// name after, in byte order of their names. The first error ends it. What
	// is put while a list runs may or may not be in it.
	List(ctx context.Context, prefix, after string) iter.Seq2[Object, error]
}

// A Filer is a Store that can mark what it already keeps. A decorated Store may
// have the methods and answer errors.ErrUnsupported.
type Filer interface {
	// SetTags replaces the object's tags.
	SetTags(ctx context.Context, name string, tags map[string]string) error

	// Retain has the store refuse to destroy the object before the date. A
	// date can be moved on, not back. ErrNoLock where the store cannot.
	Retain(ctx context.Context, name string, until time.Time) error

	// Marks tells what SetTags and Retain have set.
	Marks(ctx context.Context, name string) (Marks, error)
}

// An Object describes one stored object.
type Object struct {
	Name     string
	Size     int64     // bytes of the sealed body
	Modified time.Time // by the store's clock
}

// PutOptions says more about a body. The zero value is good.
type PutOptions struct {
	// Size is the body's exact length in bytes; zero or less where unknown.
	// A store refuses a body of another length with ErrSize.
	Size int64

	// Tags are short labels for operators and their tools; the store makes no
	// use of them. No personal data.
	Tags map[string]string

	// RetainUntil has the store refuse to destroy the object before then, where
	// it has object lock; elsewhere it changes nothing.
	RetainUntil time.Time
}

// Marks are the labels and the date that a Filer set.
type Marks struct {
	Tags        map[string]string
	RetainUntil time.Time // zero: not locked
}
