package bus_test

import (
	"errors"
	"testing"
	"time"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/bus/bustest"
)

func TestAServiceKnowsHowMuchItsStreamHoldsAndWhatIsBeforeItsStage(t *testing.T) {
	ctx := bustest.Context(t)
	server := bustest.Start(t)
	ingest, verify := server.Connect(t, "ingest"), server.Connect(t, "verify")
	// The server counts a message for its consumers soon after it has acknowledged it, and not with that.
	undone := func(want uint64) {
		t.Helper()
		ticker := time.NewTicker(10 * time.Millisecond)
		defer ticker.Stop()
		for {
			got, err := verify.Undone(ctx, "MAIL", "verify")
			if err == nil && got == want {
				return
			}
			if err != nil || got > want || ctx.Err() != nil {
				t.Fatalf("%d before the stage, want %d; %v", got, want, err)
			}
			<-ticker.C
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
