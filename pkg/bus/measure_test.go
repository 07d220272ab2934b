package bus_test

import (
	"errors"
	"testing"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/bus/bustest"
)

func TestAServiceKnowsHowMuchItsStreamHoldsAndWhatIsBeforeItsStage(t *testing.T) {
	ctx := bustest.Context(t)
	server := bustest.Start(t)
	ingest, verify := server.Connect(t, "ingest"), server.Connect(t, "verify")
	undone := func(want uint64) {
		t.Helper()
		if got, err := verify.Undone(ctx, "MAIL", "verify"); err != nil || got != want {
			t.Errorf("%d before the stage, want %d; %v", got, want, err)
		}
	}
	undone(0)
	for range 3 {
		if _, err := ingest.Publish(ctx, "mail.v1.Received", make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
	}
	undone(3)
	stored, err := ingest.Stored(ctx, "MAIL")
	if err != nil || stored.Messages != 3 || stored.Bytes < 3000 || stored.Bytes > 6000 {
		t.Errorf("three messages of 1000 bytes: %+v, %v", stored, err)
	}
	if _, err := verify.Undone(ctx, "MAIL", "scan"); !errors.Is(err, bus.ErrDenied) {
		t.Errorf("another's stage: %v", err)
	}
	if _, err := verify.Stored(ctx, "TICKETS"); !errors.Is(err, bus.ErrDenied) {
		t.Errorf("a stream that is none of its business: %v", err)
	}
}
