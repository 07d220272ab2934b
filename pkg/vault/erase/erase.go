// Package erase destroys sealed objects and proves it by looking again. Importing
// it is the right to destroy: no vault.Store can.
//
// What a store no longer shows may still be on freed disk blocks, in snapshots
// and in backups. That is what the keys are destroyed for; this package is the
// second line. It never lifts an object lock.
package erase

import (
	"context"
	"fmt"
	"time"
)

// An Eraser destroys objects of one store.
type Eraser interface {
	// Erase removes every version of the object, every delete marker, every
	// unfinished upload and every leftover of a killed writer, then looks again.
	// It counts what it removed. An object that was never there is Gone.
	//
	// Where a lock or hold keeps something there is no error: Gone is false and
	// the report says what keeps it. An error leaves the outcome open: the call
	// must be repeated.
	Erase(ctx context.Context, name string) (Report, error)

	// Remains counts what is still there and removes nothing.
	Remains(ctx context.Context, name string) (Report, error)

	// Sweep removes the unfinished uploads that were begun before then, of names
	// that begin with prefix, and tells how many. The objects of the same names
	// are not touched.
	Sweep(ctx context.Context, prefix string, before time.Time) (int, error)
}

// A Report counts what Erase removed or Remains found.
type Report struct {
	Versions int // of the object: in a store without versions, one
	Markers  int // that say a version was deleted
	Uploads  int // unfinished, and leftovers of killed writers

	// LockedUntil is the latest date before which the store refuses to destroy
	// what it still has; zero where no date does.
	LockedUntil time.Time
	// Held says that a legal hold, which has no date, keeps something.
	Held bool
	// Gone says that the store shows nothing of the object any more.
	Gone bool
}

// kept tells whether the store refuses to destroy something.
func (r Report) kept() bool { return !r.LockedUntil.IsZero() || r.Held }

// passes bounds how often an eraser starts over because a writer added something
// while it was at work.
const passes = 4

// eraseAll removes until nothing but what is kept remains.
func eraseAll(ctx context.Context, remove, remains func(context.Context) (Report, error)) (Report, error) {
	var total Report
	for range passes {
		removed, err := remove(ctx)
		total.Versions += removed.Versions
		total.Markers += removed.Markers
		total.Uploads += removed.Uploads
		if err != nil {
			return total, err
		}
		left, err := remains(ctx)
		if err != nil {
			return total, err
		}
		total.LockedUntil, total.Held, total.Gone = left.LockedUntil, left.Held, left.Gone
		if left.Gone || left.kept() {
			return total, nil
		}
	}
	return total, fmt.Errorf("erase: something remains after %d passes", passes)
}
