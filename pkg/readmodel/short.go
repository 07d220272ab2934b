package readmodel

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// short keeps values that the server forgets by itself.
type short struct {
	client *redis.Client
	prefix string
	config Config
}

// countScript counts and begins the window with the first. A counter that has
// lost its end, whatever the cause, gets one: no limit may lock somebody out for
// ever.
var countScript = redis.NewScript(`
local n = redis.call('INCR', KEYS[1])
if n == 1 or redis.call('PTTL', KEYS[1]) < 0 then
	redis.call('PEXPIRE', KEYS[1], ARGV[1])
end
return n
`)

func (s *short) SetFor(ctx context.Context, key string, value []byte, life time.Duration) error {
	if err := s.check(key, value, life); err != nil {
		return err
	}
	return wrap("set", s.client.Set(ctx, s.prefix+key, value, life).Err())
}

func (s *short) SetNew(ctx context.Context, key string, value []byte, life time.Duration) (bool, error) {
	if err := s.check(key, value, life); err != nil {
		return false, err
	}
	err := s.client.SetArgs(ctx, s.prefix+key, value, redis.SetArgs{Mode: "NX", TTL: life}).Err()
	if errors.Is(err, redis.Nil) {
		return false, nil
	}
	return err == nil, wrap("set", err)
}

func (s *short) Get(ctx context.Context, key string) ([]byte, bool, error) {
	if err := CheckKey(key); err != nil {
		return nil, false, err
	}
	return read(s.client.Get(ctx, s.prefix+key))
}

func (s *short) Take(ctx context.Context, key string) ([]byte, bool, error) {
	if err := CheckKey(key); err != nil {
		return nil, false, err
	}
	return read(s.client.GetDel(ctx, s.prefix+key))
}

func (s *short) Extend(ctx context.Context, key string, life time.Duration) (bool, error) {
	if err := s.check(key, nil, life); err != nil {
		return false, err
	}
	there, err := s.client.PExpire(ctx, s.prefix+key, life).Result()
	return there, wrap("extend", err)
}

func (s *short) Drop(ctx context.Context, key string) error {
	if err := CheckKey(key); err != nil {
		return err
	}
	return wrap("drop", s.client.Del(ctx, s.prefix+key).Err())
}

func (s *short) Count(ctx context.Context, key string, window time.Duration) (int64, error) {
	if err := s.check(key, nil, window); err != nil {
		return 0, err
	}
	count, err := countScript.Run(ctx, s.client, []string{s.prefix + key}, window.Milliseconds()).Int64()
	return count, wrap("count", err)
}

// check refuses a life that the server would round to none: it would keep the
// value for ever or forget it at once.
func (s *short) check(key string, value []byte, life time.Duration) error {
	if err := CheckKey(key); err != nil {
		return err
	}
	if life < time.Millisecond {
		return fmt.Errorf("read model: a life of %v", life)
	}
	if len(value) > s.config.MaxValue {
		return fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, len(value), s.config.MaxValue)
	}
	return nil
}
