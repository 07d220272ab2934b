package story

import (
	"context"
	"strings"
	"testing"
	"time"

	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	"github.com/postern-mail/postern/services/postern/fleet"
	"github.com/postern-mail/postern/test/program"
)

// In one process, services/postern tells the same story.
func TestInAFleetAnOversizeMailIsTakenUpByACommandAndBecomesATicket(t *testing.T) {
	f := program.Fleet(t, fleet.Options{Log: t.Output(), Change: func(_ string, config fleet.Section) {
		fleet.Below(config, "ingest")["max_size"] = "64KiB"
	}})
	t.Cleanup(func() {
		for _, name := range fleet.Services() {
			program.Complain(t, f.LogFile(name))
		}
	})
	large := "From: marge@customer.example\r\nSubject: large\r\n\r\n" + strings.Repeat("The lamp is broken, what now?\r\n", 5000)
	if err := f.Append(program.Context(t), fleet.Mail{Raw: []byte(large), Came: time.Now()}); err != nil {
		t.Fatal(err)
	}
	record := onlyOne(t, f, itemv1.State_STATE_SET_ASIDE)
	command := func(args ...string) string {
		t.Helper()
		out, err := f.Command(program.Context(t), "setaside", append([]string{"setaside"}, args...)...)
		if err != nil {
			t.Fatal(out, err)
		}
		return out
	}
	if out := command("list"); !strings.Contains(out, record.GetItem()) || !strings.Contains(out, "oversize") {
		t.Errorf("list: %q", out)
	}
	if out := command("retry", record.GetItem(), "--fetch-limit", "1MiB"); !strings.Contains(out, "fetched whole") {
		t.Errorf("retry: %q", out)
	}
	if again := onlyOne(t, f, itemv1.State_STATE_TICKETED); again.GetItem() != record.GetItem() || len(again.GetPastAsides()) != 1 {
		t.Errorf("record %v", again)
	}
}

// onlyOne waits until the one item there is stands in a state.
func onlyOne(t *testing.T, f *fleet.Fleet, state itemv1.State) *itemv1.Record {
	t.Helper()
	ctx := program.Context(t)
	process, err := f.Look(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer process.Close()
	conn, err := process.Connect(ctx, "doctor")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	for {
		records, err := fleet.Records(context.WithoutCancel(ctx), conn)
		if err == nil && len(records) == 1 {
			for _, record := range records {
				if record.GetState() == state {
					return record
				}
			}
		}
		select {
		case <-ctx.Done():
			t.Fatalf("it never is %s: %v, last error %v", state, records, err)
		case <-ticker.C:
		}
	}
}
