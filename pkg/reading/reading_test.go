package reading_test

import (
	"bytes"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postern-mail/postern/pkg/fault"
	"github.com/postern-mail/postern/pkg/keys"
	"github.com/postern-mail/postern/pkg/mail"
	"github.com/postern-mail/postern/pkg/reading"
	"github.com/postern-mail/postern/pkg/reading/readingtest"
)

const raw = "From: a@example.com\r\nSubject: one\r\n\r\nhello\r\n"

func TestEachWorkerAsksForItselfAndTheMailIsReadOnce(t *testing.T) {
	objects, keyring := readingtest.Seal(t, raw)
	desk := reading.NewDesk(objects, reading.DefaultLimits, mail.DefaultLimits)
	var group sync.WaitGroup
	for _, purpose := range []string{keys.ForVerify, keys.ForScan, keys.ForSanitize} {
		group.Go(func() {
			read, err := desk.Read(t.Context(), keyring, purpose, "item")
			if err != nil {
				t.Error(err)
				return
			}
			defer read.Close()
			if read.Message.Subject != "one" {
				t.Errorf("subject %q", read.Message.Subject)
			}
		})
	}
	group.Wait()
	if keyring.Asked.Load() != 3 || objects.Reads.Load() != 1 {
		t.Errorf("the keyring was asked %d times and the mail read %d times, want 3 and 1", keyring.Asked.Load(), objects.Reads.Load())
	}
}

func TestAMailIsForgottenAfterAWhileAndWhenItIsDone(t *testing.T) {
	objects, keyring := readingtest.Seal(t, raw)
	synctest.Test(t, func(t *testing.T) {
		desk := reading.NewDesk(objects, reading.DefaultLimits, mail.DefaultLimits)
		read := func() {
			opened, err := desk.Read(t.Context(), keyring, keys.ForScan, "item")
			if err != nil {
				t.Fatal(err)
			}
			opened.Close()
		}
		read()
		read()
		if got := objects.Reads.Load(); got != 1 {
			t.Errorf("read %d times at once", got)
		}
		timer := time.NewTimer(reading.DefaultLimits.Keep + time.Second)
		<-timer.C
		read()
		if got := objects.Reads.Load(); got != 2 {
			t.Errorf("read %d times after its time was over, want 2", got)
		}
		desk.Done("raw/x")
		read()
		if got := objects.Reads.Load(); got != 3 {
			t.Errorf("read %d times after it was done with, want 3", got)
		}
	})
}

func TestAMailPastTheSharedBoundIsReadAndNotKept(t *testing.T) {
	for name, c := range map[string]struct {
		shared int64
		want   int32
	}{"at the bound": {int64(len(raw)), 1}, "one past it": {int64(len(raw)) - 1, 2}} {
		objects, keyring := readingtest.Seal(t, raw)
		limits := reading.DefaultLimits
		limits.Shared = c.shared
		desk := reading.NewDesk(objects, limits, mail.DefaultLimits)
		for range 2 {
			opened, err := desk.Read(t.Context(), keyring, keys.ForScan, "item")
			if err != nil {
				t.Fatal(err)
			}
			opened.Close()
		}
		if got := objects.Reads.Load(); got != c.want {
			t.Errorf("%s: read %d times, want %d", name, got, c.want)
		}
	}
}

func TestAMailPastItsOwnBoundIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		most int64
		ok   bool
	}{"at the bound": {int64(len(raw)), true}, "one past it": {int64(len(raw)) - 1, false}} {
		objects, keyring := readingtest.Seal(t, raw)
		limits := reading.DefaultLimits
		limits.Mail = c.most
		_, err := reading.NewDesk(objects, limits, mail.DefaultLimits).Read(t.Context(), keyring, keys.ForScan, "item")
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAChangedByteIsNeverRead(t *testing.T) {
	objects, keyring := readingtest.Seal(t, raw)
	for i := range objects.Content {
		objects.Content[i] ^= 1
		if _, err := reading.NewDesk(objects, reading.DefaultLimits, mail.DefaultLimits).Read(t.Context(), keyring, keys.ForScan, "item"); err == nil {
			t.Errorf("byte %d changed and the mail was read", i)
		}
		objects.Content[i] ^= 1
	}
}

func TestARefusalThatStaysIsFinalAndOneThatPassesIsNot(t *testing.T) {
	for refusal, final := range map[keys.Refusal]bool{keys.Destroyed: true, keys.UnknownItem: true, keys.Forbidden: true, keys.StaleRequest: false} {
		objects, keyring := readingtest.Seal(t, raw)
		keyring.Refuse = refusal
		_, err := reading.NewDesk(objects, reading.DefaultLimits, mail.DefaultLimits).Read(t.Context(), keyring, keys.ForVerify, "item")
		if err == nil || fault.IsFinal(err) != final {
			t.Errorf("%s: %v, final %v", refusal, err, fault.IsFinal(err))
		}
	}
	broken := errors.New("bus is away")
	objects, keyring := readingtest.Seal(t, raw)
	keyring.Refuse = broken
	if _, err := reading.NewDesk(objects, reading.DefaultLimits, mail.DefaultLimits).Read(t.Context(), keyring, keys.ForVerify, "item"); !errors.Is(err, broken) || fault.IsFinal(err) {
		t.Errorf("a bus that is away: %v", err)
	}
}

func TestDetailsAreSealedBesideTheMail(t *testing.T) {
	objects, keyring := readingtest.Seal(t, raw)
	opened, err := reading.NewDesk(objects, reading.DefaultLimits, mail.DefaultLimits).Read(t.Context(), keyring, keys.ForScan, "item")
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close()
	packet, err := opened.SealBeside([]byte("findings"))
	if err != nil || bytes.Contains(packet, []byte("findings")) {
		t.Fatalf("%v", err)
	}
	if back, err := opened.OpenBeside(packet, 100); err != nil || string(back) != "findings" {
		t.Errorf("opened %q, %v", back, err)
	}
}
