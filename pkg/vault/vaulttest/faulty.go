package vaulttest

import (
	"context"
	"errors"
	"io"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/postern-mail/postern/pkg/vault"
)

// ErrInjected is what a Faulty store answers where it is told to fail.
var ErrInjected = errors.New("vaulttest: injected failure")

// A Moment says when a call fails.
type Moment int

const (
	Before Moment = iota // nothing happens and the call fails
	After                // the call takes effect and fails all the same
	InBody               // the body breaks off after some bytes: what Put reads, what Get gives
)

// A Faulty store is another store whose i-th call fails. A recording of a good
// run says how many calls there are to fail.
type Faulty struct {
	store vault.Store

	mu     sync.Mutex
	calls  []string
	fail   int // 1 is the first call; 0: none
	moment Moment
	bytes  int64
	fired  bool
}

var (
	_ vault.Store = (*Faulty)(nil)
	_ vault.Filer = (*Faulty)(nil)
)

// NewFaulty wraps a store, which does not fail yet.
func NewFaulty(store vault.Store) *Faulty { return &Faulty{store: store} }

// Fail has the i-th call from now fail at that moment; 1 is the next. The count
// and the record of calls begin anew.
func (f *Faulty) Fail(i int, moment Moment) { f.set(i, moment, 0) }

// Cut has the i-th call from now break its body off after n bytes. On a call
// without a body it fails before the call.
func (f *Faulty) Cut(i int, n int64) { f.set(i, InBody, n) }

func (f *Faulty) set(i int, moment Moment, n int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls, f.fail, f.moment, f.bytes, f.fired = nil, i, moment, n, false
}

// Calls gives the calls made since the last Fail or Cut, by method name.
func (f *Faulty) Calls() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.calls)
}

// Fired tells whether the call that was to fail has been made. A test that
// walks through all calls fails when it was not.
func (f *Faulty) Fired() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.fired
}

type verdict struct {
	before, after, cut bool
	bytes              int64
}

func (f *Faulty) call(method string, hasBody bool) verdict {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, method)
	if len(f.calls) != f.fail {
		return verdict{}
	}
	f.fired = true
	cut := f.moment == InBody && hasBody
	return verdict{
		before: f.moment == Before || f.moment == InBody && !hasBody,
		after:  f.moment == After,
		cut:    cut,
		bytes:  f.bytes,
	}
}

// plainCall runs a call that has no body.
func (f *Faulty) plainCall(method string, call func() error) error {
	v := f.call(method, false)
	if v.before {
		return ErrInjected
	}
	if err := call(); err != nil {
		return err
	}
	if v.after {
		return ErrInjected
	}
	return nil
}

// Put stores an object or fails.
func (f *Faulty) Put(ctx context.Context, name string, body io.Reader, opts vault.PutOptions) (vault.Object, error) {
	v := f.call("Put", true)
	switch {
	case v.before:
		return vault.Object{}, ErrInjected
	case v.cut:
		body = &cutReader{r: body, left: v.bytes}
	}
	object, err := f.store.Put(ctx, name, body, opts)
	if err == nil && v.after {
		return vault.Object{}, ErrInjected
	}
	return object, err
}

// Get opens an object or fails.
func (f *Faulty) Get(ctx context.Context, name string) (io.ReadCloser, vault.Object, error) {
	v := f.call("Get", true)
	if v.before {
		return nil, vault.Object{}, ErrInjected
	}
	body, object, err := f.store.Get(ctx, name)
	switch {
	case err != nil:
		return nil, vault.Object{}, err
	case v.after:
		return nil, vault.Object{}, errors.Join(ErrInjected, body.Close())
	case v.cut:
		return cutBody{&cutReader{r: body, left: v.bytes}, body}, object, nil
	}
	return body, object, nil
}

// Stat describes an object or fails.
func (f *Faulty) Stat(ctx context.Context, name string) (object vault.Object, err error) {
	err = f.plainCall("Stat", func() error {
		object, err = f.store.Stat(ctx, name)
		return err
	})
	return object, err
}

// List yields objects or fails: After means after the last.
func (f *Faulty) List(ctx context.Context, prefix, after string) iter.Seq2[vault.Object, error] {
	return func(yield func(vault.Object, error) bool) {
		v := f.call("List", false)
		if v.before {
			yield(vault.Object{}, ErrInjected)
			return
		}
		for object, err := range f.store.List(ctx, prefix, after) {
			if !yield(object, err) {
				return
			}
		}
		if v.after {
			yield(vault.Object{}, ErrInjected)
		}
	}
}

// SetTags sets tags or fails.
func (f *Faulty) SetTags(ctx context.Context, name string, tags map[string]string) error {
	return f.plainCall("SetTags", func() error {
		return f.filer(func(filer vault.Filer) error { return filer.SetTags(ctx, name, tags) })
	})
}

// Retain locks an object or fails.
func (f *Faulty) Retain(ctx context.Context, name string, until time.Time) error {
	return f.plainCall("Retain", func() error {
		return f.filer(func(filer vault.Filer) error { return filer.Retain(ctx, name, until) })
	})
}

// Marks tells tags and date or fails.
func (f *Faulty) Marks(ctx context.Context, name string) (marks vault.Marks, err error) {
	err = f.plainCall("Marks", func() error {
		return f.filer(func(filer vault.Filer) (err error) {
			marks, err = filer.Marks(ctx, name)
			return err
		})
	})
	return marks, err
}

func (f *Faulty) filer(call func(vault.Filer) error) error {
	filer, ok := f.store.(vault.Filer)
	if !ok {
		return errors.ErrUnsupported
	}
	return call(filer)
}

// cutReader breaks off with ErrInjected after some bytes.
type cutReader struct {
	r    io.Reader
	left int64
}

func (c *cutReader) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, ErrInjected
	}
	if int64(len(p)) > c.left {
		p = p[:c.left]
	}
	n, err := c.r.Read(p)
	c.left -= int64(n)
	return n, err
}

type cutBody struct {
	io.Reader
	io.Closer
}
