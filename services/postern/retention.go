package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os/user"
	"slices"
	"strings"
	"time"

	"github.com/postern-mail/postern/pkg/event"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
	"github.com/postern-mail/postern/services/postern/wiring"
	"github.com/postern-mail/postern/services/retain"
)

// retentionCommand acts in retention's name, with retention's credential. It is for
// operators: who may read that credential may do this.
func retentionCommand(ctx context.Context, args []string, io stdio) int {
	flags := newFlags("retention", "run | erase ITEM... | hold ITEM... | release HOLD ITEM...   [--config FILE]", io.err)
	path := configFlag(flags)
	var words []string
	for len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		words, args = append(words, args[0]), args[1:]
	}
	if code, ok := parse(flags, args); !ok {
		return code
	}
	if !understood(words) {
		flags.Usage()
		return misuse
	}
	c, ok := load(*path, io.err)
	if !ok {
		return failed
	}
	if c.NATS.URL == "" {
		return fail(io, errors.New("the bus is inside the running process: use the desk there, or name nats.url"))
	}
	process, err := wiring.New(ctx, c, wiring.Options{})
	if err != nil {
		return fail(io, err)
	}
	defer process.Close()
	tool, err := process.Tool(ctx, "retain")
	if err != nil {
		return fail(io, err)
	}
	defer tool.Conn.Close()
	if err := act(ctx, tool, words, io); err != nil {
		return fail(io, err)
	}
	return done
}

func understood(words []string) bool {
	switch {
	case len(words) == 0:
		return false
	case words[0] == "run":
		return len(words) == 1
	}
	items := words[1:]
	if words[0] == "release" && len(items) > 0 {
		items = items[1:]
	}
	return slices.Contains([]string{"erase", "hold", "release"}, words[0]) && len(items) > 0 &&
		!slices.ContainsFunc(items, func(item string) bool { return !event.IsItem(item) })
}

func act(ctx context.Context, tool *wiring.Tool, words []string, io stdio) error {
	actor := "operator"
	if who, err := user.Current(); err == nil {
		actor = "operator:" + who.Username
	}
	switch words[0] {
	case "hold":
		var drawn [8]byte
		rand.Read(drawn[:]) //nolint:errcheck // crypto/rand.Read never fails
		id := "H" + hex.EncodeToString(drawn[:])
		held, err := tool.Client.Hold(ctx, &keyringv1.Hold{Hold: id, Items: words[1:], Actor: actor, Reason: []byte("by command")})
		if err == nil {
			fmt.Fprintf(io.out, "hold %s counts for %d items\n", id, len(held.GetItems()))
		}
		return err
	case "release":
		_, err := tool.Client.Release(ctx, &keyringv1.Release{Hold: words[1], Items: words[2:], Actor: actor})
		if err == nil {
			fmt.Fprintln(io.out, "released")
		}
		return err
	}
	service, err := tool.Retain()
	if err != nil {
		return err
	}
	if words[0] == "erase" {
		plan, err := service.EraseItems(ctx, words[1:], actor)
		if plan == "" {
			return err
		}
		fmt.Fprintf(io.out, "erasure %s: key packets removed\n", plan)
		if !errors.Is(err, retain.ErrPending) {
			return err
		}
	}
	return finish(ctx, service, io)
}

// finish runs until nothing waits any more: the journal and other keyrings need seconds.
func finish(ctx context.Context, service *retain.Service, io stdio) error {
	for {
		err := service.Run(ctx)
		if !errors.Is(err, retain.ErrPending) {
			if err == nil {
				fmt.Fprintln(io.out, "done: what was due is destroyed and certified")
			}
			return err
		}
		fmt.Fprintln(io.out, "waiting:", err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(2 * time.Second):
		}
	}
}
