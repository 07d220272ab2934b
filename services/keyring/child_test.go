package keyring

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/postern-mail/postern/pkg/config"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
)

// A child is a keyring in a process of its own: this test's binary, run again.
const childEnv = "POSTERN_KEYRING_CHILD"

type childConfig struct {
	Dir, Second, Records string
	Callers              map[string]string
}

func TestMain(m *testing.M) {
	if text := os.Getenv(childEnv); text != "" {
		if err := childMain(text); err != nil {
			fmt.Println("FAILED", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// childMain serves requests that come as lines on standard input.
func childMain(text string) error {
	var c childConfig
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		return err
	}
	cfg := Defaults()
	cfg.Dir, cfg.Callers = c.Dir, c.Callers
	cfg.LeaseRefresh, cfg.LeaseVoid = config.Duration(30*time.Millisecond), config.Duration(250*time.Millisecond)
	cfg.AttestWait, cfg.JournalWait = config.Duration(600*time.Millisecond), config.Duration(time.Millisecond)
	second, err := NewDisk(c.Second)
	if err != nil {
		return err
	}
	clock := &offsetClock{}
	bus := &lineBus{handlers: map[string]Handler{}}
	s, err := New(cfg, Deps{
		Records: fileRecords{c.Records}, Entries: new(memEntries), Published: bus, Server: bus, Clock: clock,
		Second: DiskStore(second), Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	if err != nil {
		return err
	}
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer cancel()
	go func() {
		in := bufio.NewScanner(os.Stdin)
		in.Buffer(nil, 1<<20)
		for in.Scan() {
			words := strings.Fields(in.Text())
			if words[0] == "ADVANCE" {
				d, _ := time.ParseDuration(words[1])
				clock.advance(d)
				bus.say("ADVANCED")
				continue
			}
			go bus.handle(ctx, words[0], words[1], words[2])
		}
		cancel()
	}()
	return s.Run(ctx)
}

type offsetClock struct {
	mu  sync.Mutex
	off time.Duration
}

type lineBus struct {
	mu       sync.Mutex
	out      sync.Mutex
	handlers map[string]Handler
}

func (b *lineBus) say(words ...string) {
	b.out.Lock()
	defer b.out.Unlock()
	fmt.Println(strings.Join(words, " "))
}

func (b *lineBus) Serve(_ context.Context, subject string, _ int, h Handler) (func(context.Context) error, error) {
	b.mu.Lock()
	b.handlers[subject] = h
	b.mu.Unlock()
	b.say("SERVING", subject)
	return func(context.Context) error { return nil }, nil
}

func (b *lineBus) Publish(_ context.Context, p *keyringv1.Published) error {
	data, err := proto.Marshal(p)
	b.say("PUBLISHED", base64.StdEncoding.EncodeToString(data))
	return err
}

func (b *lineBus) handle(ctx context.Context, id, subject, body string) {
	b.mu.Lock()
	h := b.handlers[subject]
	b.mu.Unlock()
	if h == nil {
		b.say("ERROR", id, "nobody answers")
		return
	}
	request, _ := base64.StdEncoding.DecodeString(body)
	reply, err := h(ctx, request)
	if err != nil {
		b.say("ERROR", id, err.Error())
		return
	}
	b.say("REPLY", id, base64.StdEncoding.EncodeToString(reply)+".")
}

// fileRecords keeps records in a folder that several processes share.
type fileRecords struct{ dir string }

func (f fileRecords) Get(_ context.Context, item string) (out Stored, err error) {
	err = f.locked(func() (err error) { out, err = f.read(item); return err })
	return out, err
}

func (f fileRecords) Put(_ context.Context, r *itemv1.Record, expected uint64) (next uint64, err error) {
	err = f.locked(func() error {
		there, err := f.read(r.Item)
		if err != nil && !errors.Is(err, ErrNoRecord) {
			return err
		}
		if there.Sequence != expected {
			return ErrConflict
		}
		if b, err := os.ReadFile(filepath.Join(f.dir, "seq")); err == nil {
			next = binary.BigEndian.Uint64(b)
		}
		next++
		number := binary.BigEndian.AppendUint64(nil, next)
		data, err := proto.Marshal(r)
		return errors.Join(err, os.WriteFile(filepath.Join(f.dir, "seq"), number, 0o600),
			os.WriteFile(filepath.Join(f.dir, r.Item), append(number, data...), 0o600))
	})
	return next, err
}

func (f fileRecords) All(context.Context) iter.Seq2[Stored, error] {
	return func(yield func(Stored, error) bool) {
		entries, err := os.ReadDir(f.dir)
		if err != nil {
			yield(Stored{}, err)
			return
		}
		for _, e := range entries {
			if len(e.Name()) != 64 {
				continue
			}
			s, err := f.read(e.Name())
			if !yield(s, err) || err != nil {
				return
			}
		}
	}
}
