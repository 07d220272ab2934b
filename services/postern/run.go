package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/pkg/run"
	"github.com/postern-mail/postern/services/postern/wiring"
)

func newLogger(out io.Writer, c wiring.Config) (*slog.Logger, error) {
	return run.NewLogger(out, c.Log)
}

// runCommand runs services until it is told to stop.
func runCommand(ctx context.Context, args []string, io stdio) int {
	flags := newFlags("run", "[--config FILE] [SERVICE...]", io.err)
	path := configFlag(flags)
	services, code, ok := parseWords(flags, args, len(wiring.Order))
	if !ok {
		return code
	}
	for _, name := range services {
		if !slices.Contains(wiring.Order, name) {
			fmt.Fprintf(io.err, "postern run: there is no service %q: name some of %s\n", name, strings.Join(wiring.Order, ", "))
			return misuse
		}
	}
	c, ok := load(*path, io.err)
	if !ok {
		return failed
	}
	if missing := unserved(services); c.NATS.URL == "" && len(services) > 0 && len(missing) > 0 {
		return fail(io, fmt.Errorf("nats.url is empty, so the bus would be inside this process, where nobody else can come: name the servers of nats.url, or run all services in one process; missing are %s", strings.Join(missing, ", ")))
	}
	run.SpendMemory()
	process, err := wiring.New(ctx, c, wiring.Options{For: services})
	if err != nil {
		return fail(io, err)
	}
	defer process.Close()
	if reads := len(services) == 0 || slices.Contains(services, "ingest"); reads && len(c.Ingest.Mailboxes) == 0 {
		process.Log.Warn("no mailbox is named: nothing is read; name some under ingest.mailboxes")
	}
	if err := process.Run(ctx, services...); err != nil {
		return fail(io, err)
	}
	return done
}

// unserved are the services that are not among those named.
func unserved(services []string) []string {
	return slices.DeleteFunc(slices.Clone(wiring.Order), func(name string) bool { return slices.Contains(services, name) })
}

// setupCommand makes what the operator has to give: nkeys, permissions, streams.
func setupCommand(ctx context.Context, args []string, io stdio) int {
	flags := newFlags("setup", "[--config FILE] [--keys-only | --streams-only]", io.err)
	path := configFlag(flags)
	keysOnly := flags.Bool("keys-only", false, "make nkeys and the server's permissions, and touch no server")
	streamsOnly := flags.Bool("streams-only", false, "make the streams, with the seed that is there, and touch no key")
	if _, code, ok := parseWords(flags, args, 0); !ok {
		return code
	}
	if *keysOnly && *streamsOnly {
		return wrong(flags, errors.New("--keys-only and --streams-only leave nothing to do"))
	}
	c, ok := load(*path, io.err)
	if !ok {
		return failed
	}
	if *streamsOnly {
		return setupStreams(ctx, c, io)
	}
	if err := wiring.MakeNkeys(c.NATS.Nkeys); err != nil {
		return fail(io, err)
	}
	public, err := wiring.PublicNkeys(c.NATS.Nkeys)
	if err != nil {
		return fail(io, err)
	}
	accounts, err := topology.Accounts(public)
	if err != nil {
		return fail(io, err)
	}
	permissions := filepath.Join(c.NATS.Nkeys, "permissions.conf")
	if err := os.WriteFile(permissions, []byte(accounts), 0o600); err != nil {
		return fail(io, err)
	}
	fmt.Fprintf(io.out, "nkeys are in %s; give each machine the seeds of its services only\nthe server's permissions are in %s; include it in the server's configuration\n", c.NATS.Nkeys, permissions)
	if *keysOnly {
		return done
	}
	return setupStreams(ctx, c, io)
}

func setupStreams(ctx context.Context, c wiring.Config, io stdio) int {
	if c.NATS.URL == "" {
		fmt.Fprintln(io.out, "the bus is inside the process: its streams are made when it runs")
		return done
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	process, err := wiring.New(ctx, c, wiring.Options{For: []string{topology.Setup}})
	if err != nil {
		return fail(io, err)
	}
	defer process.Close()
	if err := process.Setup(ctx); err != nil {
		return fail(io, err)
	}
	fmt.Fprintln(io.out, "streams and consumers are there")
	return done
}
