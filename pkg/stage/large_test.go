package stage_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/stage"
	"github.com/postern-mail/postern/pkg/stage/stagetest"
)

// narrow takes no event of one type.
type narrow struct {
	stage.Outlet
	refused string
}

func (n narrow) Publish(ctx context.Context, letters []stage.Letter) error {
	for _, l := range letters {
		if l.Subject == n.refused {
			return bus.ErrTooLarge
		}
	}
	return n.Outlet.Publish(ctx, letters)
}

func TestAMailWhoseEventIsTooLargeIsSetAsideAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := stagetest.New(ackWait)
		k.Put(stagetest.Item(1), received(1))
		d := k.Process().Deps()
		d.Outlet = narrow{d.Outlet, "mail.v1.Verified"}
		runWith(t, d, spec(verified), after(time.Minute))
		if want := []string{stagetest.Item(1) + " " + stage.EventTooLarge + " verify"}; !slices.Equal(k.Asides(), want) {
			t.Errorf("set aside %v, want %v", k.Asides(), want)
		}
		if n := len(k.Deliveries(0)); n != 1 {
			t.Errorf("delivered %d times", n)
		}
	})
}
