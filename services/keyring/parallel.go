package keyring

import (
	"context"
	"errors"
	"sync"
)

var errPanicked = errors.New("keyring: work panicked")

// inParallel calls fn for 0 to n-1, some at once. The first error ends it and is returned; a
// panic is one.
func inParallel(ctx context.Context, workers, n int, fn func(ctx context.Context, i int) error) error {
	safe := func(ctx context.Context, i int) (err error) {
		defer func() {
			// What was thrown may quote what was worked on, and is not told.
			if recover() != nil {
				err = errPanicked
			}
		}()
		return fn(ctx, i)
	}
	if n == 1 {
		return safe(ctx, 0)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan int)
	var wg sync.WaitGroup
	for range min(workers, n) {
		wg.Go(func() {
			for i := range next {
				if err := safe(ctx, i); err != nil {
					cancel(err)
					return
				}
			}
		})
	}
	for i := range n {
		select {
		case next <- i:
			continue
		case <-ctx.Done():
		}
		break
	}
	close(next)
	wg.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}
