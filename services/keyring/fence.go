package keyring

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// The fence says who may change the state and who holds which generation of it in memory.
// It is made of flock, which the system takes back when a process dies and which a paused
// process keeps. The folder must be on one machine's file system.
//
//	writer.lock             exclusive: the one that may change the state
//	readers/load.lock       shared while a reader reads a root from the cell
//	readers/<generation>.lock  shared while a reader has that generation in memory
type fence struct{ root string }

// pollLock is how often a lock that is taken is tried again.
const pollLock = 20 * time.Millisecond

type lock struct{ f *os.File }

func (l *lock) release() {
	if l != nil {
		l.f.Close() //nolint:errcheck // closing gives the lock back
	}
}

func (f fence) prepare() error {
	if err := os.MkdirAll(filepath.Join(f.root, "readers"), 0o700); err != nil {
		return fmt.Errorf("fence: %w", err)
	}
	return nil
}

// try takes a lock, or gives nil where another has it.
func (f fence) try(name string, how int) (*lock, error) {
	file, err := os.OpenFile(filepath.Join(f.root, name), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("fence: %w", err)
	}
	for {
		err = syscall.Flock(int(file.Fd()), how|syscall.LOCK_NB)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err == nil {
		return &lock{file}, nil
	}
	file.Close() //nolint:errcheck // nothing was locked
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, nil
	}
	return nil, fmt.Errorf("fence %s: %w", name, err)
}

// wait takes a lock and waits for those who have it, until ctx ends.
func (f fence) wait(ctx context.Context, name string, how int) (*lock, error) {
	for {
		l, err := f.try(name, how)
		if err != nil || l != nil {
			return l, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("fence %s: %w", name, ctx.Err())
		case <-time.After(pollLock):
		}
	}
}

func (f fence) tryWriter() (*lock, error) { return f.try("writer.lock", syscall.LOCK_EX) }

const loadLock = "readers/load.lock"

func readerLock(generation uint64) string { return fmt.Sprintf("readers/%020d.lock", generation) }

func (f fence) loading(ctx context.Context) (*lock, error) {
	return f.wait(ctx, loadLock, syscall.LOCK_SH)
}

func (f fence) holding(ctx context.Context, generation uint64) (*lock, error) {
	return f.wait(ctx, readerLock(generation), syscall.LOCK_SH)
}

// drained returns when no other keyring has a generation below one in memory. Lock files
// that are free are removed: a reader that opens one of them finds that the cell has moved
// on, and lets go.
func (f fence) drained(ctx context.Context, below uint64) error {
	// Nobody is between reading a root and saying which generation it has.
	loading, err := f.wait(ctx, loadLock, syscall.LOCK_EX)
	if err != nil {
		return err
	}
	loading.release()
	entries, err := os.ReadDir(filepath.Join(f.root, "readers"))
	if err != nil {
		return fmt.Errorf("fence: %w", err)
	}
	for _, e := range entries {
		number, isLock := strings.CutSuffix(e.Name(), ".lock")
		generation, err := strconv.ParseUint(number, 10, 64)
		if !isLock || err != nil || generation >= below {
			continue
		}
		name := "readers/" + e.Name()
		l, err := f.wait(ctx, name, syscall.LOCK_EX)
		if err != nil {
			return err
		}
		err = os.Remove(filepath.Join(f.root, name))
		l.release()
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("fence: %w", err)
		}
	}
	return nil
}

// bootTime counts from the machine's start and goes on while it sleeps.
func bootTime() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		return 1<<63 - 1 // no clock: every lease is over
	}
	return time.Duration(ts.Nano())
}
