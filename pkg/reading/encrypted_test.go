package reading_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/postern-mail/postern/pkg/keys"
	"github.com/postern-mail/postern/pkg/mail"
	"github.com/postern-mail/postern/pkg/reading"
	"github.com/postern-mail/postern/pkg/reading/readingtest"
	"github.com/postern-mail/postern/pkg/seal/open"
	"github.com/postern-mail/postern/pkg/signature"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
)

// words are those that the mail as a whole shows.
func words(m *mail.Message) string {
	var all []string
	m.Walk(func(p *mail.Part) {
		if p.Type == "text/plain" {
			text, _ := p.Text()
			all = append(all, strings.TrimSpace(text))
		}
	})
	return strings.Join(all, "|")
}

// counted counts how often the keys are asked for, which is once a decryption.
type counted struct {
	reading.Keys
	mu      sync.Mutex
	times   int
	found   chan<- struct{} // told each time, where there is one
	proceed <-chan struct{}
}

func (c *counted) Current() signature.Keys {
	c.mu.Lock()
	c.times++
	c.mu.Unlock()
	if c.found != nil {
		c.found <- struct{}{}
		<-c.proceed
	}
	return c.Keys.Current()
}

func TestAnEncryptedMailIsDecryptedOnceForAllWorkers(t *testing.T) {
	objects, keyring := readingtest.Seal(t, readingtest.Encrypted(t, "gcm.eml"))
	company := &counted{Keys: readingtest.Company(t, readingtest.CompanyFolder(t), time.Now)}
	desk := reading.NewDesk(objects, reading.DefaultLimits, mail.DefaultLimits).DecryptWith(company)
	for _, purpose := range []string{keys.ForVerify, keys.ForScan, keys.ForSanitize} {
		read, err := desk.Read(t.Context(), keyring, purpose, "item")
		if err != nil {
			t.Fatal(err)
		}
		if words(read.Message) != "the secret words" || words(read.Closed()) != "" || len(read.Encryption) != 1 || !read.Encryption[0].Opened {
			t.Errorf("%s: %q, closed %q, %+v", purpose, words(read.Message), words(read.Closed()), read.Encryption)
		}
		if kept := read.Encrypted(); len(kept) != 1 || !kept[0].GetOpened() || kept[0].GetKey() != read.Encryption[0].Key || kept[0].GetKind() != "smime" || kept[0].GetPath() != "1" {
			t.Errorf("%s: kept as %v", purpose, kept)
		}
		read.Close()
	}
	if company.times != 1 {
		t.Errorf("decrypted %d times", company.times)
	}
}

func TestWithoutItsKeyAnEncryptedMailIsReadClosed(t *testing.T) {
	for name, raw := range map[string]string{"no key": readingtest.Encrypted(t, "gcm.eml"), "of another": readingtest.Encrypted(t, "foreign.eml")} {
		objects, keyring := readingtest.Seal(t, raw)
		desk := reading.NewDesk(objects, reading.DefaultLimits, mail.DefaultLimits)
		if name != "no key" {
			desk.DecryptWith(readingtest.Company(t, readingtest.CompanyFolder(t), time.Now))
		}
		read, err := desk.Read(t.Context(), keyring, keys.ForScan, "item")
		if err != nil || words(read.Message) != "" || len(read.Encryption) != 1 || read.Encryption[0].Reason != signature.StaysClosed {
			t.Errorf("%s: %v, %+v", name, err, read)
		}
	}
}

// A worker whose time is over while it decrypts leaves nothing that the next would take for the mail.
func TestADecryptionThatWasInterruptedIsDoneAgain(t *testing.T) {
	objects, keyring := readingtest.Seal(t, readingtest.Encrypted(t, "gcm.eml"))
	found, proceed := make(chan struct{}), make(chan struct{})
	company := &counted{Keys: readingtest.Company(t, readingtest.CompanyFolder(t), time.Now), found: found, proceed: proceed}
	desk := reading.NewDesk(objects, reading.DefaultLimits, mail.DefaultLimits).DecryptWith(company)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		_, err := desk.Read(ctx, keyring, keys.ForVerify, "item")
		ended <- err
	}()
	<-found
	cancel()
	proceed <- struct{}{}
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
	go func() { <-found; proceed <- struct{}{} }()
	read, err := desk.Read(t.Context(), keyring, keys.ForVerify, "item")
	if err != nil || words(read.Message) != "the secret words" {
		t.Errorf("again: %v", err)
	}
}

// elsewhere is another item of the same content.
type elsewhere struct{ reading.Opener }

func (e elsewhere) Open(ctx context.Context, ask open.Ask) (*open.Key, error) {
	key, err := e.Opener.Open(ctx, ask)
	if err == nil {
		key.Layer, _ = proto.Clone(key.Layer).(*itemv1.Layer)
		key.Layer.Object = "raw/y"
	}
	return key, err
}

func TestMailsOverTheBoundAreDecryptedOneAfterAnother(t *testing.T) {
	raw := readingtest.Encrypted(t, "gcm.eml")
	for name, c := range map[string]struct {
		most   int64
		beside bool
	}{"two at the bound": {2 * int64(len(raw)), true}, "one byte past it": {2*int64(len(raw)) - 1, false}} {
		objects, keyring := readingtest.Seal(t, raw)
		found, proceed := make(chan struct{}, 2), make(chan struct{})
		company := &counted{Keys: readingtest.Company(t, readingtest.CompanyFolder(t), time.Now), found: found, proceed: proceed}
		limits := reading.DefaultLimits
		limits.Decrypting = c.most
		desk := reading.NewDesk(objects, limits, mail.DefaultLimits).DecryptWith(company)
		read := func(ctx context.Context, opener reading.Opener) <-chan error {
			ended := make(chan error, 1)
			go func() {
				_, err := desk.Read(ctx, opener, keys.ForVerify, "item")
				ended <- err
			}()
			return ended
		}
		first := read(t.Context(), keyring)
		<-found
		ctx, cancel := context.WithCancel(t.Context())
		second := read(ctx, elsewhere{keyring})
		if c.beside {
			<-found // while the first is at it
		} else {
			cancel()
			if err := <-second; !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %v", name, err)
			}
		}
		close(proceed)
		if err := <-first; err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if c.beside {
			if err := <-second; err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		cancel()
	}
}

func TestWhatWasDecryptedCountsAsKept(t *testing.T) {
	raw := readingtest.Encrypted(t, "gcm.eml")
	const inside = "Content-Type: text/plain; charset=utf-8\r\n\r\nthe secret words\r\n"
	for name, c := range map[string]struct {
		shared int64
		want   int32
	}{"at the bound": {int64(len(raw) + len(inside)), 1}, "one past it": {int64(len(raw)+len(inside)) - 1, 2}} {
		objects, keyring := readingtest.Seal(t, raw)
		limits := reading.DefaultLimits
		limits.Shared = c.shared
		desk := reading.NewDesk(objects, limits, mail.DefaultLimits).DecryptWith(readingtest.Company(t, readingtest.CompanyFolder(t), time.Now))
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

func TestTheCompanysKeysAreReadAgainAndWhatIsWrongChangesNothing(t *testing.T) {
	dir := readingtest.CompanyFolder(t)
	path := filepath.Join(dir, "smime", "support.pem")
	now := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	var log bytes.Buffer
	company, err := reading.OpenKeys(dir, func() time.Time { return now }, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	count := func() int { _, smime := company.Current().Decrypts(); return smime }
	if count() != 2 {
		t.Fatalf("%d keys", count())
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Minute)
	if count() != 2 || !strings.Contains(log.String(), "may be read by others") || !strings.Contains(log.String(), "decryption.keys") {
		t.Errorf("%d keys, %s", count(), &log)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Minute)
	if count() != 0 {
		t.Error("a key that was removed still decrypts")
	}
	if none, err := reading.OpenKeys("", time.Now, nil); err != nil || none == nil {
		t.Errorf("no folder: %v", err)
	}
}
