package ingest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/bus/bustest"
	"github.com/postern-mail/postern/pkg/config"
	"github.com/postern-mail/postern/pkg/keys"
	"github.com/postern-mail/postern/pkg/vault"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
	"github.com/postern-mail/postern/services/ingest"
	"github.com/postern-mail/postern/services/ingest/imaptest/dovecot"
)

// childEnv holds, for a process that is one of several workers, what it works with.
const childEnv = "POSTERN_INGEST_TEST_WORKER"

func TestMain(m *testing.M) {
	if text := os.Getenv(childEnv); text != "" {
		if err := work([]byte(text)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// An order is what a worker process works with. Vault and keyring are its parent's, over HTTP.
type order struct {
	Name, Bus, Parent, Host, CAFile, Password string
	Port                                      int
	Seed                                      []byte
	Users                                     []string
}

func work(text []byte) error {
	var o order
	if err := json.Unmarshal(text, &o); err != nil {
		return err
	}
	conn, err := bus.Connect(context.Background(), bus.Options{URL: o.Bus, Service: "ingest", Seed: o.Seed, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	c := ingest.Default()
	for _, user := range o.Users {
		c.Mailboxes = append(c.Mailboxes, ingest.Mailbox{
			ID: user, Host: o.Host, Port: o.Port, CAFile: o.CAFile, Username: user,
			PasswordFile: config.Secret(o.Password), Poll: config.Duration(200 * time.Millisecond),
		})
	}
	deps := ingest.OnBus(conn)
	deps.Vault, deps.Registrar, deps.Now = remote(o), remote(o), time.Now
	service, err := ingest.New(c, deps)
	if err != nil {
		return err
	}
	return service.Run(context.Background())
}

// remote is the parent's vault and keyring.
type remote order

func (r remote) post(path string, body io.Reader) ([]byte, error) {
	answer, err := http.Post(r.Parent+path+"?worker="+r.Name, "", body)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	if answer.StatusCode == http.StatusConflict {
		return nil, keys.Conflict
	}
	if answer.StatusCode != http.StatusOK {
		return nil, errors.New("the parent refuses")
	}
	return data, err
}

func (r remote) Put(_ context.Context, name string, body io.Reader, _ vault.PutOptions) (vault.Object, error) {
	_, err := r.post("/put/"+name, body)
	return vault.Object{Name: name}, err
}

func (r remote) Register(_ context.Context, request *keyringv1.Register) (*keyringv1.Recorded, error) {
	data, err := proto.Marshal(request)
	if err != nil {
		return nil, err
	}
	data, err = r.post("/register", bytes.NewReader(data))
	recorded := new(keyringv1.Recorded)
	return recorded, errors.Join(err, proto.Unmarshal(data, recorded))
}

func (r remote) SetAside(context.Context, *keyringv1.SetAside) (*keyringv1.Recorded, error) {
	return nil, errors.New("nothing is set aside here")
}

// workers are the processes, and who registered what.
type workers struct {
	*world
	order order

	mu sync.Mutex
	by map[string]string // worker by mailbox, of the last registration
}

func (w *workers) ServeHTTP(out http.ResponseWriter, in *http.Request) {
	worker := in.URL.Query().Get("worker")
	if in.URL.Path != "/register" {
		if _, err := w.objects.Put(in.Context(), in.URL.Path[len("/put/"):], in.Body, vault.PutOptions{}); err != nil {
			out.WriteHeader(http.StatusInternalServerError)
		}
		return
	}
	data, err := io.ReadAll(in.Body)
	request := new(keyringv1.Register)
	if err = errors.Join(err, proto.Unmarshal(data, request)); err != nil {
		out.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.mu.Lock()
	w.by[request.Mailbox] = worker
	w.mu.Unlock()
	recorded, err := w.Register(in.Context(), request)
	if err != nil {
		out.WriteHeader(http.StatusConflict)
		return
	}
	data, _ = proto.Marshal(recorded)
	_, _ = out.Write(data)
}

// start starts a worker process; it ends with the test.
func (w *workers) start(name string) *os.Process {
	w.t.Helper()
	o := w.order
	o.Name = name
	text, err := json.Marshal(o)
	if err != nil {
		w.t.Fatal(err)
	}
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), childEnv+"="+string(text))
	command.Stderr = os.Stderr
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := command.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		_ = command.Process.Signal(syscall.SIGCONT)
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	return command.Process
}

// taken waits until so many mails of a mailbox are items and gives who took the last one.
func (w *workers) taken(mailbox string, n int) string {
	w.t.Helper()
	w.until(fmt.Sprintf("%s has %d items", mailbox, n), func() bool {
		count := 0
		for _, record := range w.records {
			if record.Mailbox == mailbox {
				count++
			}
		}
		return count >= n
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.by[mailbox]
}

func TestSeveralProcessesShareMailboxesAndNoDeathOrPauseDoesHarm(t *testing.T) {
	t.Parallel()
	b := bustest.StartReal(t)
	users := []string{"ada", "bob", "cyd", "dan"}
	server := dovecot.Start(t, users...)
	w := &workers{world: newWorld(t), by: map[string]string{}}
	publishKeys(t, b, w.world)
	parent := httptest.NewServer(w)
	t.Cleanup(parent.Close)
	host, port := split(t, server.Addr)
	w.order = order{Bus: b.URL, Parent: parent.URL, Host: host, Port: port, CAFile: server.CAFile, Password: string(secret(t, dovecot.Password)), Seed: b.Seeds["ingest"], Users: users}

	sent := map[string]int{}
	send := func(n int) {
		for _, user := range users {
			server.Append(user, "INBOX", mails(n, 300)...)
			sent[user] += n
		}
	}
	all := func() (holders map[string][]string) {
		holders = map[string][]string{}
		for _, user := range users {
			holder := w.taken(user, sent[user])
			holders[holder] = append(holders[holder], user)
		}
		return holders
	}
	processes := map[string]*os.Process{"one": w.start("one"), "two": w.start("two")}
	send(3)
	t.Logf("mailboxes by process: %v", all())

	// Whoever has most is killed while mails come in.
	holders := all()
	victim := slices.MaxFunc([]string{"one", "two"}, func(a, b string) int { return len(holders[a]) - len(holders[b]) })
	if err := processes[victim].Kill(); err != nil {
		t.Fatal(err)
	}
	killed := time.Now()
	send(5)
	holders = all()
	t.Logf("after the death of %s all are taken within %v: %v", victim, time.Since(killed).Round(time.Millisecond), holders)
	if len(holders[victim]) != 0 {
		t.Errorf("the dead process took mails: %v", holders)
	}
	var survivor string
	for survivor = range holders {
	}

	// The survivor is paused, another takes over, and then it wakes up in the middle of its work.
	if err := processes[survivor].Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	w.start("three")
	paused := time.Now()
	send(5)
	holders = all()
	t.Logf("after the pause of %s all are taken within %v: %v", survivor, time.Since(paused).Round(time.Millisecond), holders)
	if err := processes[survivor].Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	send(20)
	all()

	// Each mail is one item, and each item was said under one id.
	w.world.mu.Lock()
	for _, user := range users {
		items := 0
		for _, record := range w.records {
			if record.Mailbox == user {
				items++
			}
		}
		if items != sent[user] {
			t.Errorf("%s: %d items of %d mails", user, items, sent[user])
		}
	}
	total := len(w.records)
	w.world.mu.Unlock()
	deadline := time.After(time.Minute)
	for tick := time.NewTicker(50 * time.Millisecond); b.Stream(t, "MAIL").State.Msgs < uint64(total); {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%d events of %d items", b.Stream(t, "MAIL").State.Msgs, total)
		}
	}
	if said := b.Stream(t, "MAIL").State.Msgs; said != uint64(total) {
		t.Errorf("%d events of %d items", said, total)
	}
}
