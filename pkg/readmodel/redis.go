package readmodel

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Config says where Redis is. Address or Dial is needed.
type Config struct {
	Address  string // host:port
	Username string
	Password string
	TLS      *tls.Config // nil: none
	Prefix   string      // of every key, so deployments can share a server; default postern

	// Dial reaches a server without an address: one in the same process.
	Dial func(context.Context) (net.Conn, error)

	Timeout  time.Duration // of connecting, and of one answer; default 5s
	MaxValue int           // bytes of a value; default 1 MiB
	Tries    int           // of an Apply that others outran; default 64
}

// Defaults of Config.
const (
	DefaultPrefix   = "postern"
	DefaultTimeout  = 5 * time.Second
	DefaultMaxValue = 1 << 20
	DefaultTries    = 64
)

// A Redis is a ReadModel in Redis 6.2 or later. The keys of one deployment have
// one hash tag, so a cluster keeps them together.
type Redis struct {
	client *redis.Client
	config Config
	values string // prefix of cells
	sets   string
	places string // of positions
	topics string
	short  Short
}

var _ ReadModel = (*Redis)(nil)

// Open makes a read model. It does not connect: a service starts while Redis is
// down.
func Open(c Config) (*Redis, error) {
	if c.Address == "" && c.Dial == nil {
		return nil, errors.New("redis: an address is needed")
	}
	if c.Prefix == "" {
		c.Prefix = DefaultPrefix
	}
	if err := CheckKey(c.Prefix); err != nil {
		return nil, fmt.Errorf("redis prefix: %w", err)
	}
	if c.Timeout <= 0 {
		c.Timeout = DefaultTimeout
	}
	if c.MaxValue <= 0 {
		c.MaxValue = DefaultMaxValue
	}
	if c.Tries <= 0 {
		c.Tries = DefaultTries
	}
	quiet()
	options := &redis.Options{
		Addr: c.Address, Username: c.Username, Password: c.Password, TLSConfig: c.TLS,
		// The library would repeat a transaction on a new connection, where its
		// WATCH is gone. Callers repeat.
		MaxRetries:  -1,
		DialTimeout: c.Timeout, ReadTimeout: c.Timeout, WriteTimeout: c.Timeout, DialerRetries: 1,
		ContextTimeoutEnabled: true,
		Protocol:              2,
		DisableIdentity:       true,
		MaintNotificationsConfig: &maintnotifications.Config{
			Mode: maintnotifications.ModeDisabled,
		},
	}
	if c.Dial != nil {
		options.Dialer = func(ctx context.Context, _, _ string) (net.Conn, error) { return c.Dial(ctx) }
	}
	tag := "{" + c.Prefix + "}:"
	r := &Redis{
		client: redis.NewClient(options), config: c,
		values: tag + "v:", sets: tag + "z:", places: tag + "p:", topics: tag + "t:",
	}
	r.short = &short{client: r.client, prefix: tag + "s:", config: c}
	return r, nil
}

// quiet stops the library's own log lines: every error is returned.
var quiet = sync.OnceFunc(func() { redis.SetLogger(&logging.VoidLogger{}) })

// Short gives the short-lived values of the same deployment.
func (r *Redis) Short() Short { return r.short }

// Ping asks whether the server answers.
func (r *Redis) Ping(ctx context.Context) error { return wrap("ping", r.client.Ping(ctx).Err()) }

// Close closes the connections.
func (r *Redis) Close() error { return r.client.Close() }

// Get reads a cell.
func (r *Redis) Get(ctx context.Context, key string) ([]byte, bool, error) {
	if err := CheckKey(key); err != nil {
		return nil, false, err
	}
	return read(r.client.Get(ctx, r.values+key))
}

// GetMany reads cells.
func (r *Redis) GetMany(ctx context.Context, keys []string) ([][]byte, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	full := make([]string, len(keys))
	for i, key := range keys {
		if err := CheckKey(key); err != nil {
			return nil, err
		}
		full[i] = r.values + key
	}
	found, err := r.client.MGet(ctx, full...).Result()
	if err != nil {
		return nil, wrap("read", err)
	}
	values := make([][]byte, len(keys))
	for i, value := range found {
		if text, ok := value.(string); ok {
			values[i] = []byte(text)
		}
	}
	return values, nil
}

// Notify wakes all who subscribe to a topic.
func (r *Redis) Notify(ctx context.Context, topic string) error {
	if err := CheckKey(topic); err != nil {
		return err
	}
	return wrap("notify", r.client.Publish(ctx, r.topics+topic, "").Err())
}

// Subscribe gives a channel that has a value after each Notify.
func (r *Redis) Subscribe(ctx context.Context, topic string) (<-chan struct{}, error) {
	if err := CheckKey(topic); err != nil {
		return nil, err
	}
	subscription := r.client.Subscribe(ctx, r.topics+topic)
	// The first answer says that we are subscribed: whoever notifies after we
	// have returned is heard.
	if _, err := subscription.Receive(ctx); err != nil {
		return nil, errors.Join(wrap("subscribe", err), subscription.Close())
	}
	// Subscriptions come through as well: one after the first is a new
	// connection, before which something may have been missed.
	incoming := subscription.ChannelWithSubscriptions()
	woken := make(chan struct{}, 1)
	go func() {
		defer close(woken)
		defer func() { _ = subscription.Close() }()
		for {
			select {
			case <-ctx.Done():
				return
			case _, open := <-incoming:
				if !open {
					return
				}
				select {
				case woken <- struct{}{}:
				default: // one is waiting already
				}
			}
		}
	}()
	return woken, nil
}

// read tells a value that is not there from an error.
func read(answer *redis.StringCmd) ([]byte, bool, error) {
	value, err := answer.Bytes()
	if errors.Is(err, redis.Nil) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, wrap("read", err)
	}
	return value, true, nil
}

func wrap(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("redis %s: %w", doing, err)
}
