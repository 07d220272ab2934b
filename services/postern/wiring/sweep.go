package wiring

import (
	"context"
	"errors"
	"time"

	"github.com/postern-mail/postern/services/retain"
)

// Bounds of a whole sweep.
const (
	wholeSweep = 90 * time.Second
	sweepPause = 300 * time.Millisecond
)

// SweepWhole runs retention until nothing is under way any more: for demonstrations,
// where somebody waits for the certificate.
func (p *Process) SweepWhole(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, wholeSweep)
	defer cancel()
	for {
		err := p.Sweep(ctx)
		if !errors.Is(err, retain.ErrPending) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(sweepPause):
		}
	}
}
