package readmodel

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/redis/go-redis/v9"
)

// Apply watches the stream's position while the effect runs, and commits effect
// and position in one MULTI. When another projector moved the position in
// between, nothing is committed and it starts over.
func (r *Redis) Apply(ctx context.Context, stream string, seq uint64, effect func(Tx) error) error {
	if err := CheckKey(stream); err != nil {
		return err
	}
	place := r.places + stream
	attempt := func(watch *redis.Tx) error {
		position, err := position(watch.Get(ctx, place))
		if err != nil || seq <= position {
			return err
		}
		return r.commit(ctx, watch, effect, func(p redis.Pipeliner) {
			p.Set(ctx, place, strconv.FormatUint(seq, 10), 0)
		})
	}
	for range r.config.Tries {
		err := r.client.Watch(ctx, attempt, place)
		if !errors.Is(err, redis.TxFailedErr) {
			return err
		}
	}
	return ErrBusy
}

// Change commits an effect without a position.
func (r *Redis) Change(ctx context.Context, effect func(Tx) error) error {
	return r.commit(ctx, r.client, effect, func(redis.Pipeliner) {})
}

// commander is a connection under WATCH, or any.
type commander interface {
	redis.Cmdable
	TxPipelined(ctx context.Context, fn func(redis.Pipeliner) error) ([]redis.Cmder, error)
}

func (r *Redis) commit(ctx context.Context, on commander, effect func(Tx) error, last func(redis.Pipeliner)) error {
	changes := &tx{ctx: ctx, model: r, read: on}
	if err := effect(changes); err != nil {
		return err
	}
	if changes.err != nil {
		return changes.err
	}
	_, err := on.TxPipelined(ctx, func(p redis.Pipeliner) error {
		for _, change := range changes.queue {
			change(p)
		}
		last(p)
		return nil
	})
	return wrap("commit", err)
}

// Position is the last sequence applied.
func (r *Redis) Position(ctx context.Context, stream string) (uint64, error) {
	if err := CheckKey(stream); err != nil {
		return 0, err
	}
	return position(r.client.Get(ctx, r.places+stream))
}

func position(answer *redis.StringCmd) (uint64, error) {
	text, err := answer.Result()
	if errors.Is(err, redis.Nil) {
		return 0, nil
	}
	if err != nil {
		return 0, wrap("position", err)
	}
	seq, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("redis position: %w", err)
	}
	return seq, nil
}

// tx collects changes. The first unacceptable one ends the commit.
type tx struct {
	ctx   context.Context
	model *Redis
	read  redis.Cmdable
	queue []func(redis.Pipeliner)
	err   error
}

func (t *tx) Get(key string) ([]byte, bool, error) {
	if err := CheckKey(key); err != nil {
		return nil, false, err
	}
	return read(t.read.Get(t.ctx, t.model.values+key))
}

func (t *tx) Score(set, member string) (float64, bool, error) {
	if err := CheckKey(set); err != nil {
		return 0, false, err
	}
	return score(t.read.ZScore(t.ctx, t.model.sets+set, member))
}

func (t *tx) Put(key string, value []byte) {
	if len(value) > t.model.config.MaxValue {
		t.fail(fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, len(value), t.model.config.MaxValue))
		return
	}
	t.add(key, func(p redis.Pipeliner) { p.Set(t.ctx, t.model.values+key, value, 0) })
}

func (t *tx) Delete(keys ...string) {
	for _, key := range keys {
		t.add(key, func(p redis.Pipeliner) { p.Del(t.ctx, t.model.values+key) })
	}
}

func (t *tx) Add(set, member string, score float64) {
	if score != score {
		t.fail(errors.New("read model: score is not a number"))
		return
	}
	t.add(set, func(p redis.Pipeliner) {
		p.ZAdd(t.ctx, t.model.sets+set, redis.Z{Score: score, Member: member})
	})
}

func (t *tx) Remove(set string, members ...string) {
	if len(members) == 0 {
		return
	}
	t.add(set, func(p redis.Pipeliner) {
		names := make([]any, len(members))
		for i, member := range members {
			names[i] = member
		}
		p.ZRem(t.ctx, t.model.sets+set, names...)
	})
}

func (t *tx) Notify(topic string) {
	t.add(topic, func(p redis.Pipeliner) { p.Publish(t.ctx, t.model.topics+topic, "") })
}

func (t *tx) add(key string, change func(redis.Pipeliner)) {
	if err := CheckKey(key); err != nil {
		t.fail(err)
		return
	}
	t.queue = append(t.queue, change)
}

func (t *tx) fail(err error) {
	if t.err == nil {
		t.err = err
	}
}
