package main

import (
	"context"
	"fmt"

	"github.com/postern-mail/postern/services/postern/wiring"
)

// rebuildCommand refills lost streams. It is for the day on which the bus's disks are gone.
func rebuildCommand(ctx context.Context, args []string, io stdio) int {
	flags := newFlags("rebuild", "[--config FILE]", io.err)
	path := configFlag(flags)
	if _, code, ok := parseWords(flags, args, 0); !ok {
		return code
	}
	c, ok := load(*path, io.err)
	if !ok {
		return failed
	}
	process, err := wiring.New(ctx, c, wiring.Options{For: []string{"keyring"}})
	if err != nil {
		return fail(io, err)
	}
	defer process.Close()
	refills, err := process.Rebuild(ctx)
	for _, refill := range refills {
		if refill.Kept {
			fmt.Fprintf(io.out, "%-12s was not lost\n", refill.Stream)
			continue
		}
		fmt.Fprintf(io.out, "%-12s %d messages from %d batches\n", refill.Stream, refill.Messages, refill.Batches)
		for _, name := range refill.Torn {
			fmt.Fprintf(io.out, "%-12s %s is torn and was left out\n", "", name)
		}
	}
	if err != nil {
		return fail(io, err)
	}
	fmt.Fprintln(io.out, "the streams are refilled; start the services, which carry on from there")
	return done
}
