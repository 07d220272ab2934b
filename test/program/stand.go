package program

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/pkg/run"
	"github.com/postern-mail/postern/services/postern/wiring"
)

// Stand has a test's own executable be the program, for a fleet that must not wait long for
// the work of the dead: setup makes its consumers with another ack wait, and run knows it.
// The options are those of the services that it is to run. It gives the exit code.
func Stand(args []string, ackWait time.Duration, options func(services []string) wiring.Options) int {
	if err := stand(args, ackWait, options); err != nil {
		fmt.Fprintln(os.Stderr, "postern:", err)
		return 1
	}
	return 0
}

func stand(args []string, ackWait time.Duration, options func([]string) wiring.Options) error {
	at := slices.Index(args, "--config")
	if at < 0 || args[0] != "run" && args[0] != "setup" {
		return fmt.Errorf("%q is neither run nor setup", args)
	}
	for i := range topology.Consumers {
		topology.Consumers[i].AckWait = ackWait
	}
	config, err := wiring.Load(args[at+1])
	if err != nil {
		return err
	}
	if err := run.Harden(); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	process, err := wiring.New(ctx, config, options(args[at+2:]))
	if err != nil {
		return err
	}
	defer process.Close()
	if args[0] == "setup" {
		return process.Setup(ctx)
	}
	return process.Run(ctx, args[at+2:]...)
}
