package promise1

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/postern-mail/postern/pkg/wholefile/smalldisk"
	"github.com/postern-mail/postern/services/ingest/imaptest/dovecot"
	"github.com/postern-mail/postern/services/postern/wiring"
	"github.com/postern-mail/postern/test/program"
)

const (
	diskSize = 96 << 20
	// mostLeft bounds what is left of a disk that is said to be full.
	mostLeft = 256 << 10
	fewFulls = 1
	// settleTries is how often a process is given its time to settle after that.
	settleTries = 14
	// fullRounds is how often a disk is filled, where there is all the time that is wanted.
	fullRounds = 12
)

// smallDisk makes a folder and mounts a small disk there.
func smallDisk(t *testing.T, folder string) {
	t.Helper()
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	smalldisk.Mount(t, folder, diskSize)
}

// fill leaves so many bytes of a disk. What it gives makes room again.
func fill(t *testing.T, folder string, left int64) (room func()) {
	t.Helper()
	path := filepath.Join(folder, "ballast")
	ballast, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer ballast.Close()
	block, written := make([]byte, 64<<10), int64(0)
	for err == nil {
		var n int
		n, err = ballast.Write(block)
		written += int64(n)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	if err := ballast.Truncate(max(0, written-left)); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := os.Remove(path); err != nil {
			t.Error(err)
		}
	}
}

// heard keeps a log in memory.
type heard struct {
	mu   sync.Mutex
	text strings.Builder
}

func (h *heard) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.text.Write(p)
}

func (h *heard) String() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.text.String()
}

// One process with all that it keeps on one small disk, which is full while mails come. When there
// is room again it goes on, where it must after a new start.
func TestChaosAFullDiskLosesNothing(t *testing.T) {
	rounds := fewFulls
	if long() {
		rounds = fullRounds
	}
	server := dovecot.Start(t, "full")
	p := newPlace(t, server, "full")
	smallDisk(t, p.Data)
	if err := os.WriteFile(p.Password, []byte(dovecot.Password), 0o600); err != nil { // the folder is another now
		t.Fatal(err)
	}
	p.aside, p.Waits = -1, true
	dice := rand.New(rand.NewPCG(seed(t), 5<<32))
	began, anew := time.Now(), 0
	for round := range rounds {
		log := new(heard)
		l := p.life
		l.Ahead = time.Duration(round) * standstill
		err := l.live(t.Context(), hooks{&saboteur{}}.options(log), func(ctx context.Context, process *wiring.Process) error {
			inside := into(process)
			inside.waits = true
			if err := within(ctx, patience, func(ctx context.Context) error { return settle(ctx, inside, len(p.mails)) }); err != nil {
				return fmt.Errorf("at the start: %w", err)
			}
			p.receive(dice)
			left := dice.Int64N(mostLeft)
			room := fill(t, p.Data, left)
			p.receive(dice)
			looks := 0
			program.Until(t, "somebody says that the disk is full", func() bool {
				if looks++; looks%50 == 0 { // what came may have found room
					p.receive(dice)
				}
				return ctx.Err() != nil || strings.Contains(log.String(), "no space left")
			})
			room()
			return within(ctx, program.Patience, func(ctx context.Context) error { return settle(ctx, inside, len(p.mails)) })
		})
		if err != nil && !strings.Contains(err.Error(), "see that its disk has room, then start again") {
			t.Fatalf("round %d: %v\n%s", round, err, log)
		}
		if err != nil {
			anew++
		}
		l.Mails, l.Ahead = len(p.mails), l.Ahead+standstill/2
		r, err := l.run(t.Context())
		// What was given back several times while the disk was full waits for two minutes, and some more.
		for tries := 1; tries < settleTries && errors.Is(err, errUnsettled); tries++ {
			l.Patient = tries > settleTries-3 // then ingest finds by itself what it was not told of
			r, err = l.run(t.Context())
		}
		if err != nil {
			t.Fatalf("round %d: %v\n%s", round, err, logged(p.Data))
		}
		p.compare(t, r)
		if t.Failed() {
			t.Fatalf("round %d\n%s", round, logged(p.Data))
		}
	}
	l := p.life
	l.Mails, l.Ahead = len(p.mails), time.Duration(rounds)*standstill
	p.finish(t, l)
	t.Logf("a disk was full %d times, %d of them ended in a new start; %d mails, in %v: none lost, none twice", rounds, anew, len(p.mails), time.Since(began).Round(time.Second))
}

// receive has some mails come.
func (p *place) receive(dice *rand.Rand) {
	for range 2 + dice.IntN(3) {
		mail := mixed[dice.IntN(len(mixed))]
		p.server.Append(p.User, "INBOX", mail)
		p.mails = append(p.mails, mail)
	}
}

func within(ctx context.Context, span time.Duration, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, span)
	defer cancel()
	return do(ctx)
}
