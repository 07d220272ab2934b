package keyring

import (
	"bufio"
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/postern-mail/postern/pkg/keys"
	"github.com/postern-mail/postern/pkg/seal/open"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
)

func (c *offsetClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().UTC().Add(c.off)
}

func (c *offsetClock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.off += d
}

func (f fileRecords) locked(fn func() error) error {
	l, err := os.OpenFile(filepath.Join(f.dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer l.Close()
	if err := syscall.Flock(int(l.Fd()), syscall.LOCK_EX); err != nil {
		return err
	}
	return fn()
}

func (f fileRecords) read(item string) (Stored, error) {
	data, err := os.ReadFile(filepath.Join(f.dir, item))
	if errors.Is(err, fs.ErrNotExist) {
		return Stored{}, ErrNoRecord
	}
	if err != nil {
		return Stored{}, err
	}
	r := new(itemv1.Record)
	return Stored{r, binary.BigEndian.Uint64(data)}, proto.Unmarshal(data[8:], r)
}

// proc is a child as the test sees it.
type proc struct {
	w       *world
	cmd     *exec.Cmd
	in      *os.File
	mu      sync.Mutex
	number  int
	replies map[string]chan string
	serving sync.Map // subjects
}

func (w *world) spawn(records string) *proc {
	w.t.Helper()
	text, _ := json.Marshal(childConfig{Dir: w.dir, Second: w.second.(folder).root, Records: records, Callers: w.callers})
	r, in, err := os.Pipe()
	if err != nil {
		w.t.Fatal(err)
	}
	p := &proc{w: w, cmd: exec.Command(os.Args[0]), in: in, replies: map[string]chan string{}}
	p.cmd.Env = append(os.Environ(), childEnv+"="+string(text))
	p.cmd.Stdin = r
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	r.Close()
	done := make(chan struct{})
	go func() { defer close(done); p.read(bufio.NewReader(out)) }()
	w.t.Cleanup(func() {
		p.signal(syscall.SIGCONT)
		p.signal(syscall.SIGKILL)
		<-done
		p.cmd.Wait() //nolint:errcheck // it was killed
		in.Close()
	})
	return p
}

func (p *proc) read(out *bufio.Reader) {
	for {
		line, err := out.ReadString('\n')
		if err != nil {
			return
		}
		words := strings.SplitN(strings.TrimSpace(line), " ", 3)
		switch words[0] {
		case "SERVING":
			p.serving.Store(words[1], true)
			p.w.bus.mu.Lock()
			p.w.bus.tell()
			p.w.bus.mu.Unlock()
		case "PUBLISHED":
			data, _ := base64.StdEncoding.DecodeString(words[1])
			published := new(keyringv1.Published)
			if proto.Unmarshal(data, published) == nil {
				p.w.bus.Publish(context.Background(), published) //nolint:errcheck // it keeps it in memory
			}
		case "REPLY", "ERROR":
			p.mu.Lock()
			p.replies[words[1]] <- words[0] + " " + words[2]
			p.mu.Unlock()
		case "FAILED":
			fmt.Fprint(os.Stderr, line)
		}
	}
}

// send writes a request and gives where its answer comes.
func (p *proc) send(subject string, body []byte) chan string {
	p.mu.Lock()
	p.number++
	id := fmt.Sprint(p.number)
	answer := make(chan string, 1)
	p.replies[id] = answer
	p.mu.Unlock()
	fmt.Fprintf(p.in, "%s %s %s\n", id, subject, base64.StdEncoding.EncodeToString(body))
	return answer
}

func (p *proc) Request(ctx context.Context, subject string, body []byte) ([]byte, error) {
	select {
	case line := <-p.send(subject, body):
		reply, ok := strings.CutPrefix(line, "REPLY ")
		if !ok {
			return nil, errors.New(line)
		}
		return base64.StdEncoding.DecodeString(strings.TrimSuffix(reply, "."))
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(20 * time.Second):
		return nil, errors.New("no answer")
	}
}

func (p *proc) signal(s os.Signal) { p.cmd.Process.Signal(s) } //nolint:errcheck // it may be gone

func (p *proc) serves(operation string) bool {
	_, is := p.serving.Load(subjectOf(operation))
	return is
}

func (p *proc) writes() bool { return p.serves(keys.OpRegister) }

func (p *proc) client(service string) *keys.Client {
	return keys.NewClient(p, p.w.signers[service], p.w.clock)
}

func (p *proc) opens(item string) (*open.Key, error) {
	o := open.NewOpener(p.client("verify"), open.OpenerOptions{Gather: time.Microsecond, Timeout: 20 * time.Second})
	return o.Open(p.w.t.Context(), open.Ask{Purpose: keys.ForVerify, Layer: raw, Item: item})
}

func (p *proc) advance(d time.Duration) { fmt.Fprintln(p.in, "ADVANCE", d) }

func newProcessWorld(t *testing.T) (*world, string) {
	w := newWorld(t)
	w.clock.at = time.Now().UTC()
	return w, t.TempDir()
}

func TestTwoKeyringsRaceForAnEmptyFolderAndOneWrites(t *testing.T) {
	w, records := newProcessWorld(t)
	a, b := w.spawn(records), w.spawn(records)
	opens := func(p *proc) bool { return p.serves(keys.OpOpen + keys.ForVerify) }
	w.bus.await(t, func() bool { return w.bus.published != nil && opens(a) && opens(b) && (a.writes() || b.writes()) })
	writer, reader := a, b
	if b.writes() {
		writer, reader = b, a
	}
	if a.writes() && b.writes() {
		t.Fatal("two writers")
	}
	got, err := writer.client("ingest").Register(t.Context(), w.registration(1, "hello"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []*proc{writer, reader} {
		k, err := p.opens(got.Record.Item)
		if err != nil {
			t.Fatal(err)
		}
		if text, err := open.Bytes(k.Session, w.objects[k.Layer.Object], 100); err != nil || string(text) != "hello" {
			t.Errorf("%q, %v", text, err)
		}
	}
	if _, err := reader.client("ingest").Register(t.Context(), w.registration(2, "x")); err == nil {
		t.Error("a reader registered a mail")
	}

	// A writer that is paused is still the writer: nobody takes its place.
	writer.signal(syscall.SIGSTOP)
	c := w.spawn(records)
	w.bus.await(t, func() bool { return opens(c) })
	if c.writes() || reader.writes() {
		t.Error("a paused writer was replaced")
	}
	if _, err := c.opens(got.Record.Item); err != nil {
		t.Errorf("opening beside a paused writer: %v", err)
	}
	writer.signal(syscall.SIGCONT)
	if _, err := writer.client("ingest").Register(t.Context(), w.registration(3, "woken")); err != nil {
		t.Errorf("the woken writer: %v", err)
	}

	// A writer that dies is replaced, and the state goes on.
	writer.signal(syscall.SIGKILL)
	w.bus.await(t, func() bool { return reader.writes() || c.writes() })
	heir := reader
	if c.writes() {
		heir = c
	}
	if _, err := heir.client("ingest").Register(t.Context(), w.registration(4, "heir")); err != nil {
		t.Errorf("the heir: %v", err)
	}
	if _, err := heir.opens(got.Record.Item); err != nil {
		t.Errorf("the heir opens: %v", err)
	}
}

func TestAPausedReaderHoldsUpTheCertificateAndWokenLateGivesNoKey(t *testing.T) {
	w, records := newProcessWorld(t)
	writer := w.spawn(records)
	w.bus.await(t, func() bool { return w.bus.published != nil && writer.writes() })
	got, err := writer.client("ingest").Register(t.Context(), w.registration(1, "hello"))
	if err != nil {
		t.Fatal(err)
	}
	item, intake := got.Record.Item, got.Record.Layers[0].Bucket
	reader := w.spawn(records)
	w.bus.await(t, func() bool { return reader.serves(keys.OpStatus) })
	if _, err := reader.opens(item); err != nil {
		t.Fatal(err)
	}

	// The reader is paused with the key in its memory. Then the key is forgotten.
	reader.signal(syscall.SIGSTOP)
	retain := writer.client("retain")
	if _, err := retain.Erase(t.Context(), &keyringv1.Erase{Request: "r", Items: []string{item}, Actor: "paula"}); err != nil {
		t.Fatal(err)
	}
	// Meanwhile somebody asks the paused one. It will find the request when it wakes.
	once, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signed, _ := w.signers["verify"].Sign("open.verify", mustMarshal(&keyringv1.Open{
		Purpose: "verify", Layer: raw, Items: []string{item}, ReplyKey: once.PublicKey().Bytes(),
	}), w.clock.Now())
	late := reader.send(subjectOf("open.verify"), mustMarshal(signed))

	writer.advance(60 * time.Hour)
	w.clock.advance(60 * time.Hour)
	if _, err := retain.Forget(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err = retain.Attest(t.Context(), &keyringv1.Attest{Buckets: []string{intake}})
	w.mustRefuse(err, keys.InUse) // it waited longer than the reader's lease

	reader.signal(syscall.SIGCONT)
	line := <-late
	if reply, ok := strings.CutPrefix(line, "REPLY "); ok {
		data, _ := base64.StdEncoding.DecodeString(strings.TrimSuffix(reply, "."))
		var a keyringv1.Answer
		var opened keyringv1.Opened
		if err := errors.Join(proto.Unmarshal(data, &a), proto.Unmarshal(a.Body, &opened)); err != nil {
			t.Fatal(err)
		}
		for _, k := range opened.Keys {
			if len(k.Sealed) > 0 || k.Refusal != string(keys.Destroyed) {
				t.Errorf("the woken reader gave out a forgotten key, or %q", k.Refusal)
			}
		}
		if len(opened.Keys) == 0 && a.Refusal != string(keys.InUse) {
			t.Errorf("the woken reader refused with %q", a.Refusal)
		}
	}
	attested, err := retain.Attest(t.Context(), &keyringv1.Attest{Buckets: []string{intake}})
	if err != nil || !attested.Gone[0].Gone {
		t.Errorf("after the reader let go: %v, %v", attested, err)
	}
	if r, err := (fileRecords{records}).Get(t.Context(), item); err != nil || r.Record.State != itemv1.State_STATE_TOMBSTONE {
		t.Errorf("%v, %v", r.Record.GetState(), err)
	}
}

func mustMarshal(m proto.Message) []byte {
	b, err := proto.Marshal(m)
	if err != nil {
		panic(err)
	}
	return b
}
