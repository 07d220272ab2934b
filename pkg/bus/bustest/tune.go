package bustest

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/bus/topology"
)

// Tune shortens the ack wait of every stage and the duplicate window of MAIL, so that a test
// need not wait for them. A Restart undoes it.
func (b *Bus) Tune(t testing.TB, ackWait, window time.Duration) {
	t.Helper()
	js, err := jetstream.New(b.Raw(t, topology.Setup))
	if err != nil {
		t.Fatal(err)
	}
	ctx := Context(t)
	mail, err := js.Stream(ctx, topology.Mail)
	if err != nil {
		t.Fatal(err)
	}
	config := mail.CachedInfo().Config
	config.Duplicates = window
	if _, err := js.UpdateStream(ctx, config); err != nil {
		t.Fatal(err)
	}
	for _, c := range topology.Consumers {
		consumer, err := js.Consumer(ctx, c.Stream, c.Stage)
		if err != nil {
			t.Fatal(err)
		}
		config := consumer.CachedInfo().Config
		config.AckWait = ackWait
		if _, err := js.UpdateConsumer(ctx, c.Stream, config); err != nil {
			t.Fatal(err)
		}
	}
}

// Raw is a connection with a service's credential that keeps no manners: what it
// gets away with is up to the server.
func (b *Bus) Raw(t testing.TB, service string) *nats.Conn {
	t.Helper()
	pair, err := nkeys.FromSeed(b.Seeds[service])
	if err != nil {
		t.Fatal(err)
	}
	public, err := pair.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	opts := []nats.Option{nats.Nkey(public, pair.Sign), nats.CustomInboxPrefix(bus.Inbox(service))}
	if b.Local != nil {
		opts = append(opts, nats.InProcessServer(b.Local))
	}
	nc, err := nats.Connect(b.URL, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// Stream is how a stream is.
func (b *Bus) Stream(t testing.TB, name string) *jetstream.StreamInfo {
	t.Helper()
	js, err := jetstream.New(b.Raw(t, topology.Setup))
	if err != nil {
		t.Fatal(err)
	}
	s, err := js.Stream(Context(t), name)
	if err != nil {
		t.Fatal(err)
	}
	return s.CachedInfo()
}

// Consumer is how a stage's consumer is.
func (b *Bus) Consumer(t testing.TB, stage string) *jetstream.ConsumerInfo {
	t.Helper()
	js, err := jetstream.New(b.Raw(t, topology.Setup))
	if err != nil {
		t.Fatal(err)
	}
	c, err := js.Consumer(Context(t), topology.Mail, stage)
	if err != nil {
		t.Fatal(err)
	}
	return c.CachedInfo()
}
