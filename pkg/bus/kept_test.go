package bus_test

import (
	"errors"
	"testing"
	"time"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/bus/bustest"
)

func TestAStreamThatWasMadeAnewIsAnotherStream(t *testing.T) {
	server := bustest.Start(t)
	ctx := bustest.Context(t)
	kept := func() bus.Kept {
		t.Helper()
		c := server.Connect(t, "keyring")
		defer c.Close()
		k, err := c.Kept(ctx, "ITEMS")
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	first := kept()
	if first.Made.IsZero() || first.Messages != 0 || first.Last != 0 {
		t.Errorf("an empty stream: %+v", first)
	}
	c := server.Connect(t, "keyring")
	for _, subject := range []string{"items.a", "items.b", "items.a"} {
		if _, err := c.Publish(ctx, subject, []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Kept(ctx, "TICKETS"); !errors.Is(err, bus.ErrDenied) {
		t.Errorf("of a stream that is none of the keyring's business: %v", err)
	}
	c.Close()
	server.Restart(t)
	// One of a's two messages was superseded.
	again := kept()
	if again.Now.Before(first.Now) {
		t.Errorf("the server's clock went from %v to %v", first.Now, again.Now)
	}
	if again.Now = (time.Time{}); again != (bus.Kept{Made: first.Made, Messages: 2, Last: 3}) {
		t.Errorf("after a restart %+v, made first %v", again, first.Made)
	}
	if other := func() bus.Kept {
		c := bustest.Start(t).Connect(t, "keyring")
		defer c.Close()
		k, err := c.Kept(ctx, "ITEMS")
		if err != nil {
			t.Fatal(err)
		}
		return k
	}(); other.Made.Equal(first.Made) {
		t.Error("another server's stream was made at the same moment")
	}
}
