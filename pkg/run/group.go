// Package run is how a service lives: clock, log, metrics, traces, health, and
// the order in which things start and drain. Nothing here knows mail.
package run

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
)

// A Service works until its context ends, finishes what it has in hand, and
// returns. An error that it returns earlier ends the process: what survives a
// fault retries by itself.
type Service interface {
	Run(ctx context.Context) error
}

// A Member is a service in a Group.
type Member struct {
	Name    string
	Service Service
}

// Group runs members together and drains them one after another in the order
// given: sources first, so that nothing new comes while the rest finish. The
// first that ends by itself ends all.
func Group(ctx context.Context, log *slog.Logger, members ...Member) error {
	ended := make(chan error, len(members))
	stops := make([]context.CancelFunc, len(members))
	dones := make([]chan struct{}, len(members))
	for i, member := range members {
		// Each has a context of its own, ended in turn below.
		own, cancel := context.WithCancel(context.WithoutCancel(ctx))
		stops[i], dones[i] = cancel, make(chan struct{})
		go func() {
			defer close(dones[i])
			ended <- guard(own, member)
		}()
	}
	var result error
	seen := 0
	select {
	case <-ctx.Done():
	case err := <-ended:
		seen++
		if err == nil {
			err = errors.New("a service ended by itself")
		}
		result = err
	}
	for i, member := range members {
		stops[i]()
		<-dones[i]
		log.Debug("service drained", "service", member.Name)
	}
	for ; seen < len(members); seen++ {
		if err := <-ended; err != nil {
			result = errors.Join(result, err)
		}
	}
	return result
}

// guard turns a panic into an error that names the service; the panic's value
// may hold a customer's words, so only its place is told.
func guard(ctx context.Context, member Member) (err error) {
	defer func() {
		if recover() != nil {
			err = fmt.Errorf("%s: panic at\n%s", member.Name, debug.Stack())
		}
	}()
	if err := member.Service.Run(ctx); err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("%s: %w", member.Name, err)
	}
	return nil
}
