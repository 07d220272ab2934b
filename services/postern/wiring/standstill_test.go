package wiring_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/postern-mail/postern/pkg/config"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	"github.com/postern-mail/postern/services/postern/wiring"
)

// standing waits until every mail that was not set aside is in a state.
func (r *running) standing(t *testing.T, mails int, want itemv1.State) {
	t.Helper()
	until(t, "every mail is "+want.String(), func(ctx context.Context) (bool, error) {
		records, err := r.records(ctx)
		for _, record := range records {
			if s := record.GetState(); s != want && s != itemv1.State_STATE_SET_ASIDE {
				return false, err
			}
		}
		return len(records) == mails, err
	})
}

// At each step the mails come to a halt because the next service is not there, and then
// every event that was ever said is lost. What the records say is enough to go on.
func TestMailsWhoseEventsAreLostAreDrivenAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	mails := len(w.box.Mails())
	var ahead time.Duration
	w.change = func(c *wiring.Config) { c.Clock.Offset = config.Duration(ahead) }
	for _, step := range []struct {
		services []string
		reaches  itemv1.State
	}{
		{[]string{"keyring", "ingest"}, itemv1.State_STATE_REGISTERED},
		{[]string{"keyring", "ingest", "verify", "scan", "archive"}, itemv1.State_STATE_FILED},
		{[]string{"keyring", "archive", "sanitize"}, itemv1.State_STATE_RENDERED},
		{[]string{"keyring", "sanitize", "desk"}, itemv1.State_STATE_TICKETED},
	} {
		r := w.start(t, step.services...)
		r.standing(t, mails, step.reaches)
		r.stop()
		lost, err := filepath.Glob(filepath.Join(w.dir, "nats", "*", "*", "streams", "MAIL"))
		if err != nil || len(lost) != 1 {
			t.Fatalf("the folder of MAIL: %q %v", lost, err)
		}
		if err := os.RemoveAll(lost[0]); err != nil {
			t.Fatal(err)
		}
		ahead += 11 * time.Minute // a record that stands for ten minutes is looked at
	}
}
