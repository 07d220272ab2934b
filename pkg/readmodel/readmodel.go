// Package readmodel is what services know of Redis: a projection of the streams
// that can be thrown away and built again, and short-lived values such as sessions
// and codes. The truth is elsewhere. Values are opaque here: what came from a
// customer is sealed before it gets here, and keys hold no personal data.
//
// A value that is deleted may stay in the server's append-only file until it is
// rewritten, and in its snapshots.
package readmodel

import (
	"context"
	"errors"
	"fmt"
	"time"
)

var (
	// ErrKey says that a key is empty, too long or has other characters than
	// A-Z a-z 0-9 : . _ / -.
	ErrKey = errors.New("read model: unacceptable key")
	// ErrTooLarge says that a value exceeds Config.MaxValue.
	ErrTooLarge = errors.New("read model: value is too large")
	// ErrBusy says that other projectors of the same stream were faster, again
	// and again.
	ErrBusy = errors.New("read model: too many projectors of one stream")
)

// MaxKey is the length of the longest key, set or topic, in bytes.
const MaxKey = 200

// A ReadModel is a projection: cells, which are values under a key, and sets,
// whose members have a score each. It may be used by many goroutines at once.
type ReadModel interface {
	// Apply runs the effect of a stream's messages up to the sequence seq. The
	// effect and the new position must become visible together or not at all.
	// A sequence that is not beyond the position is ignored, without a call of
	// effect and without an error. The effect may be run more than once, for
	// another projector may have changed what it read; an error from it ends
	// Apply and changes nothing.
	Apply(ctx context.Context, stream string, seq uint64, effect func(Tx) error) error

	// Position is the last sequence applied; 0 before the first.
	Position(ctx context.Context, stream string) (uint64, error)

	// Change is Apply for what no stream says: no position is read or kept.
	Change(ctx context.Context, effect func(Tx) error) error

	// Get reads a cell, and false where there is none.
	Get(ctx context.Context, key string) ([]byte, bool, error)

	// GetMany reads cells; the result has nil where there is none.
	GetMany(ctx context.Context, keys []string) ([][]byte, error)

	// Range gives members of a set in the order of their scores, and of their
	// names where scores are equal.
	Range(ctx context.Context, set string, q Query) ([]Member, error)

	// Count tells how many members of a set have a score from min to max.
	Count(ctx context.Context, set string, min, max float64) (int64, error)

	// Score reads a member's score, and false where it is no member.
	Score(ctx context.Context, set, member string) (float64, bool, error)

	// Notify wakes all who subscribe to a topic at this moment.
	Notify(ctx context.Context, topic string) error

	// Subscribe gives a channel that has a value after each Notify, and after a
	// lost connection, when one may have been missed. What is not taken
	// collapses into one. The channel is closed when the context ends.
	Subscribe(ctx context.Context, topic string) (<-chan struct{}, error)

	// Scrub removes cells and sets: of each name, and where the name ends in
	// an asterisk, all that begin with what stands before it. It tells how many
	// it removed, and looks again before it returns.
	Scrub(ctx context.Context, names ...string) (int, error)

	// Reset removes all cells, sets and positions, so that the streams can be
	// applied from the start. Short-lived values stay.
	Reset(ctx context.Context) error
}

// A Tx reads what is there and collects changes, which become visible together
// when the effect has returned. It does not read what it has just changed.
type Tx interface {
	Get(key string) ([]byte, bool, error)
	Score(set, member string) (float64, bool, error)

	Put(key string, value []byte)
	Delete(keys ...string)
	Add(set, member string, score float64)
	Remove(set string, members ...string)
	Notify(topic string)
}

// A Short keeps short-lived values: sessions, one-time codes, rate limits.
type Short interface {
	// SetFor must forget the value after the time.
	SetFor(ctx context.Context, key string, value []byte, life time.Duration) error
	// SetNew is SetFor where there is no value; otherwise it changes nothing and
	// answers false.
	SetNew(ctx context.Context, key string, value []byte, life time.Duration) (bool, error)
	// Get must answer false for what was forgotten or never set.
	Get(ctx context.Context, key string) ([]byte, bool, error)
	// Take must give a value to one caller only, and forget it.
	Take(ctx context.Context, key string) ([]byte, bool, error)
	// Extend has a value live for that time from now; false where there is none.
	Extend(ctx context.Context, key string, life time.Duration) (bool, error)
	// Drop forgets.
	Drop(ctx context.Context, key string) error
	// Count must add one and tell how many there are within the window that the
	// first began.
	Count(ctx context.Context, key string, window time.Duration) (int64, error)
}

// A Member is one member of a set.
type Member struct {
	Name  string
	Score float64
}

// A Query says which members of a set to give: the zero value, all of them.
type Query struct {
	Min, Max *float64 // bounds of the score, both included; nil: none
	Reverse  bool     // highest first
	After    *Member  // go on behind this one, the last of the page before
	Limit    int      // at most so many; zero or less: all
}

// CheckKey accepts keys, and names of sets and topics.
func CheckKey(key string) error {
	if key == "" || len(key) > MaxKey {
		return fmt.Errorf("%w: length %d", ErrKey, len(key))
	}
	for i := range len(key) {
		c := key[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && c != ':' && c != '.' && c != '_' && c != '/' && c != '-' {
			return fmt.Errorf("%w: character %q", ErrKey, c)
		}
	}
	return nil
}
