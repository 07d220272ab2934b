package promise1

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/pkg/config"
	"github.com/postern-mail/postern/services/postern/fleet"
	"github.com/postern-mail/postern/services/postern/wiring"
	"github.com/postern-mail/postern/test/program"
)

const (
	outage = time.Hour // by the clock that everything lives by
	inStep = 5 * time.Minute
	// turnings is how many requests the store turns away between two steps of the clock.
	turnings = 3
)

// S3 refuses every connection for an hour while mails come: on a real bus, a real gateway and a
// real mail server, with all services in this process, whose clock can be moved as it runs.
func TestChaosAStoreThatRefusesForAnHourLosesNothing(t *testing.T) {
	c := newCrowd(t, rand.New(rand.NewPCG(seed(t), 4<<32)), fleet.Services()...)
	store, err := wiring.Load(c.ConfigFile("archive"))
	if err != nil {
		t.Fatal(err)
	}
	g := newGate(t, store.Vault.S3.Endpoint)
	p, end := c.house(t, func(config *wiring.Config) { config.Vault.S3.Endpoint = "127.0.0.1:" + itoa(g.port) })
	inside := c.into(t)
	inside.tool = p.Tool // by its clock
	inside.keyFile = func(_, name string) string { return filepath.Join(p.Config.DataDir, "keys", name) }
	rest := func(within time.Duration) error {
		ctx, cancel := context.WithTimeout(program.Context(t), within)
		defer cancel()
		return settle(ctx, inside, len(c.mails))
	}

	c.bring(t, mixed...)
	if err := rest(program.Patience); err != nil {
		t.Fatal(err)
	}
	before := len(c.mails)
	c.bring(t, mixed...)
	c.amid(t, before+1+c.dice.IntN(len(mixed)))
	g.refuse() // some are at every stage, and what is journalled waits, too
	c.bring(t, mixed...)
	for gone := time.Duration(0); gone < outage; gone += inStep {
		turned := g.turnedAway()
		program.Until(t, "the store is asked in vain", func() bool { return g.turnedAway() >= turned+turnings })
		p.Clock.Advance(inStep)
	}
	if err := rest(time.Second); err == nil {
		t.Error("all mails are at rest without a store")
	}
	g.admit()
	if err := rest(program.Patience); err != nil {
		t.Fatal(err)
	}
	r, err := look(program.Context(t), inside)
	if err != nil {
		t.Fatal(err)
	}
	program.Until(t, "the mailbox action is done to every ticket's mail", func() bool { return c.acted(t) })
	client := c.client(t)
	defer client.Close()
	r.check(t, marked(client), len(oversizeOf(c.mails)))
	for _, i := range r.Items {
		if i.Code != "" && i.Code != "oversize" {
			t.Errorf("UID %d is set aside as %s, which no hour without a store explains", i.UID, i.Code)
		}
	}
	r.checkKept(t)
	if err := end(); err != nil {
		t.Error(err)
	}
	t.Logf("%d connections turned away in an hour, %d mails: none lost, none twice", g.turnedAway(), len(c.mails))
}

// house runs all services in this process, on the servers of a fleet that starts none.
func (c *crowd) house(t *testing.T, change func(*wiring.Config)) (*wiring.Process, func() error) {
	t.Helper()
	settings, err := wiring.Load(c.ConfigFile("ingest"))
	if err != nil {
		t.Fatal(err)
	}
	nkeys := filepath.Join(c.Folder(topology.Setup), "nkeys")
	settings.DataDir, settings.NATS.Nkeys = quickDir(t), nkeys
	settings.Keyring.Dir, settings.Audit.Key, settings.Retain.Key = "", "", ""
	settings.Desk.UsersFile = ""
	settings.Operations.Listen = ""
	settings.Archive.JournalEvery, settings.Audit.CheckpointEvery = config.Duration(100*time.Millisecond), config.Duration(100*time.Millisecond)
	change(&settings)
	if settings, err = settings.Complete(); err != nil {
		t.Fatal(err)
	}
	log, err := life{Data: settings.DataDir}.logFile()
	if err != nil {
		t.Fatal(err)
	}
	p, err := wiring.New(program.Context(t), settings, wiring.Options{Log: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	over := false
	end := func() error {
		if over {
			return nil
		}
		over = true
		cancel()
		err := <-ended
		p.Close()
		return errors.Join(err, log.Close())
	}
	t.Cleanup(func() {
		_ = end() // told where the test ends it
		if t.Failed() {
			t.Log(logged(settings.DataDir))
		}
	})
	return p, end
}
