package embedded_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/bus/bustest"
	"github.com/postern-mail/postern/pkg/bus/embedded"
	"github.com/postern-mail/postern/pkg/wholefile/smalldisk"
)

// A server gives a stream up at the first write that the disk refuses, also when there is room
// again: whoever watches it is told.
func TestAServerThatCanStoreNothingIsNoticed(t *testing.T) {
	dir := t.TempDir()
	smalldisk.Mount(t, dir, 32<<20)
	b := bustest.StartIn(t, filepath.Join(dir, "nats"))
	server := b.Local.(*embedded.Server)
	ctx, cancel := context.WithCancel(bustest.Context(t))
	defer cancel()
	watched := make(chan error, 1)
	go func() { watched <- server.Watch(ctx) }()

	keyring := b.Connect(t, "keyring")
	if _, err := keyring.Publish(ctx, "items.first", []byte("record")); err != nil {
		t.Fatal(err)
	}
	ballast := filepath.Join(dir, "ballast")
	fill(t, ballast)
	for i, stored := 0, true; stored; i++ { // what cannot be stored has no answer
		try, end := context.WithTimeout(ctx, 3*time.Second)
		_, err := keyring.Publish(try, fmt.Sprintf("items.%d", i), make([]byte, 64<<10))
		end()
		stored = err == nil
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if err := <-watched; err == nil || !strings.Contains(err.Error(), "see that its disk has room, then start again") {
		t.Fatalf("whoever watches is told %v", err)
	}
	b.Restart(t)
	keyring = b.Connect(t, "keyring")
	if message, err := keyring.Last(ctx, "ITEMS", "items.first"); err != nil || string(message.Data) != "record" {
		t.Errorf("after a new start: %v, %v", message, err)
	}
	if _, err := keyring.Publish(ctx, "items.last", []byte("record"), bus.MsgID("last")); err != nil {
		t.Errorf("after a new start nothing is stored: %v", err)
	}
}

func TestWatchingAServerThatIsWellEndsWithItsContext(t *testing.T) {
	b := bustest.Start(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Local.(*embedded.Server).Watch(ctx); err != nil {
		t.Error(err)
	}
}

func fill(t *testing.T, path string) {
	t.Helper()
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for err == nil {
		_, err = file.Write(make([]byte, 64<<10))
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
}
