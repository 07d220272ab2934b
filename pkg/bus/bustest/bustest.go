// Package bustest starts servers for tests: the embedded one, and the real
// nats-server as a child process, each with a fresh credential for every service.
package bustest

import (
	"context"
	"crypto/tls"
	"log/slog"
	"testing"
	"time"

	"github.com/nats-io/nkeys"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/bus/embedded"
	"github.com/postern-mail/postern/pkg/bus/topology"
)

// A Bus is a running server with its streams set up.
type Bus struct {
	URL   string    // of a real server
	Local bus.Local // the embedded server, where there is no URL
	Dir   string    // where the server keeps its state
	Seeds map[string][]byte
	TLS   *tls.Config
	stop  func()
	start func(t testing.TB) (url string, local bus.Local, stop func())
}

// Start starts the embedded server.
func Start(t testing.TB) *Bus { return StartIn(t, t.TempDir()) }

// StartIn starts the embedded server over dir.
func StartIn(t testing.TB, dir string) *Bus {
	t.Helper()
	seeds, keys := Credentials(t)
	b := &Bus{Dir: dir, Seeds: seeds}
	b.start = func(t testing.TB) (string, bus.Local, func()) {
		s, err := embedded.Start(embedded.Options{Dir: dir, Keys: keys})
		if err != nil {
			t.Fatal(err)
		}
		return "", s, s.Stop
	}
	b.up(t)
	return b
}

func (b *Bus) up(t testing.TB) {
	t.Helper()
	b.bareUp(t)
	c := b.Connect(t, topology.Setup)
	defer c.Close()
	if err := c.Setup(Context(t), bus.SetupOptions{}); err != nil {
		t.Fatal(err)
	}
}

func (b *Bus) bareUp(t testing.TB) {
	t.Helper()
	b.URL, b.Local, b.stop = b.start(t)
	t.Cleanup(func() { b.stop() })
}

// Stop ends the server.
func (b *Bus) Stop() {
	b.stop()
	b.stop = func() {}
}

// Restart ends the server where it still runs, and starts it over the same state.
func (b *Bus) Restart(t testing.TB) {
	t.Helper()
	b.Stop()
	b.up(t)
}

// RestartBare is Restart where nobody makes anything anew, as when a server of a fleet dies.
func (b *Bus) RestartBare(t testing.TB) {
	t.Helper()
	b.Stop()
	b.bareUp(t)
}

// Connect signs in as a service.
func (b *Bus) Connect(t testing.TB, service string) *bus.Conn {
	t.Helper()
	return b.ConnectWith(t, bus.Options{Service: service})
}

// ConnectWith signs in as o.Service, with what else o says.
func (b *Bus) ConnectWith(t testing.TB, o bus.Options) *bus.Conn {
	t.Helper()
	o.URL, o.Local, o.Seed, o.TLS = b.URL, b.Local, b.Seeds[o.Service], b.TLS
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	c, err := bus.Connect(Context(t), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// Credentials makes an nkey for every service: seeds and public keys by name.
func Credentials(t testing.TB) (seeds map[string][]byte, public map[string]string) {
	t.Helper()
	seeds, public = make(map[string][]byte), make(map[string]string)
	for _, name := range topology.Names() {
		pair, err := nkeys.CreateUser()
		if err != nil {
			t.Fatal(err)
		}
		if seeds[name], err = pair.Seed(); err != nil {
			t.Fatal(err)
		}
		if public[name], err = pair.PublicKey(); err != nil {
			t.Fatal(err)
		}
	}
	return seeds, public
}

// Context ends with the test, or after a minute.
func Context(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	t.Cleanup(cancel)
	return ctx
}
