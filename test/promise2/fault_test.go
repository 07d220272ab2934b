package promise2

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/postern-mail/postern/pkg/attachment"
	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/pkg/mailauth"
	"github.com/postern-mail/postern/pkg/mailauth/dns"
	"github.com/postern-mail/postern/pkg/run"
	"github.com/postern-mail/postern/pkg/vault"
	"github.com/postern-mail/postern/services/postern/wiring"
	"github.com/postern-mail/postern/test/program"
)

// This program stands in for postern where a service must come to harm: it runs services
// as postern does, and has each, with a mail in hand, panic once and then stand still once,
// so that it can be killed. Every other command is the real program's.
const (
	faultsVariable  = "POSTERN_PROMISE2_FAULTS"  // folder in which is kept what has happened
	programVariable = "POSTERN_PROMISE2_PROGRAM" // the real program
	leaksVariable   = "POSTERN_PROMISE2_LEAKS"   // run services as postern does, and have two of them leak
	coreVariable    = "POSTERN_PROMISE2_CORE"    // hold a mail, and take no care of it
)

// ackWait is how soon a mail whose worker died is worked on again here.
const ackWait = 3 * time.Second

func TestMain(m *testing.M) {
	wiring.Enter()
	if os.Getenv(coreVariable) != "" {
		holdCarelessly()
	}
	if folder := os.Getenv(faultsVariable); folder != "" || os.Getenv(leaksVariable) != "" {
		if err := stand(folder, os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, "postern:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(program.Main(m))
}

func stand(folder string, args []string) error {
	at := slices.Index(args, "--config")
	if at < 0 || args[0] != "run" && args[0] != "setup" {
		return syscall.Exec(os.Getenv(programVariable), append([]string{"postern"}, args...), os.Environ())
	}
	for i := range topology.Consumers {
		topology.Consumers[i].AckWait = ackWait
	}
	config, err := wiring.Load(args[at+1])
	if err != nil {
		return err
	}
	if err := run.Harden(); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if args[0] == "setup" {
		process, err := wiring.New(ctx, config, wiring.Options{})
		if err != nil {
			return err
		}
		defer process.Close()
		return process.Setup(ctx)
	}
	service := args[at+2]
	harm := faults{folder, service}
	if folder == "" {
		return leak(ctx, config, service)
	}
	process, err := wiring.New(ctx, config, wiring.Options{
		Vault: func(store vault.Store) vault.Store { return harmed{store, harm} }, Around: harm.around,
	})
	if err != nil {
		return err
	}
	defer process.Close()
	process.Resolver = harmedResolver{process.Resolver, harm}
	process.SecondOpinion = harmedOpinion{process.SecondOpinion, harm}
	return process.Run(ctx, service)
}

// faults are what befalls one service.
type faults struct{ folder, service string }

// befall has a service panic with what it holds the first time, and stand still the second.
func (f faults) befall(service string, inHand string) {
	if f.service != service {
		return
	}
	if f.first(panicked) {
		panic("this mail cannot be worked on: " + inHand)
	}
	if f.first(holding) {
		select {}
	}
}

const (
	panicked = "panicked"
	holding  = "holding"
)

// What these do before a mail has come to them, or an agent has signed in, is no work on it:
// they come to harm once they are armed.
var armed = []string{"desk", "retain", "audit"}

func arming(folder, service string) string { return filepath.Join(folder, service+".armed") }

func (f faults) armed() bool {
	if !slices.Contains(armed, f.service) {
		return true
	}
	_, err := os.Stat(arming(f.folder, f.service))
	return err == nil
}

// around does harm to those who have no mail in hand, and work on its item, by what they say
// of it: archive when it has it filed, the keyring when it changes its record for that (it has read
// the sender's address then), retain when it has planned its destruction, audit when it signs who read it.
func (f faults) around(service string) bus.Around {
	var mu sync.Mutex
	changes := map[string]int{}
	return func(c bus.Call, do func() error) error {
		switch {
		case !f.armed():
		case service == "archive" && c.Kind == bus.CallRequest && c.Subject == "keyring.v1.file",
			service == "retain" && c.Kind == bus.CallPublish && c.Subject == "retention.v1.Planned",
			service == "audit" && c.Kind == bus.CallPublish && c.Subject == "audit.v1.Checkpoint":
			f.befall(service, mark)
		case service == "keyring" && c.Kind == bus.CallPublish && strings.HasPrefix(c.Subject, "items."):
			mu.Lock()
			changes[c.Subject]++
			second := changes[c.Subject] == 2
			mu.Unlock()
			if second { // the first registers it
				f.befall(service, mark)
			}
		}
		return do()
	}
}

func (f faults) first(what string) bool {
	file, err := os.OpenFile(filepath.Join(f.folder, f.service+"."+what), os.O_CREATE|os.O_EXCL, 0o600)
	return err == nil && file.Close() == nil
}

// harmed is a vault that does harm to ingest, sanitize and desk.
type harmed struct {
	vault.Store
	faults
}

func (h harmed) Put(ctx context.Context, name string, body io.Reader, options vault.PutOptions) (vault.Object, error) {
	switch {
	case strings.HasPrefix(name, "raw/"):
		h.befall("ingest", mark)
	case strings.HasPrefix(name, "view/"):
		h.befall("sanitize", mark)
	}
	return h.Store.Put(ctx, name, body, options)
}

func (h harmed) Get(ctx context.Context, name string) (io.ReadCloser, vault.Object, error) {
	if h.armed() && strings.HasPrefix(name, "view/") {
		h.befall("desk", mark)
	}
	return h.Store.Get(ctx, name)
}

type harmedResolver struct {
	mailauth.Resolver
	faults
}

func (h harmedResolver) Lookup(ctx context.Context, kind dns.Type, name string) (dns.Answer, error) {
	h.befall("verify", name+" "+mark)
	return h.Resolver.Lookup(ctx, kind, name)
}

type harmedOpinion struct {
	attachment.SecondOpinion
	faults
}

func (h harmedOpinion) Scan(ctx context.Context, r io.Reader) (attachment.Opinion, error) {
	content, err := io.ReadAll(r)
	if err != nil {
		return attachment.Opinion{}, err
	}
	h.befall("scan", string(content)+mark)
	return h.SecondOpinion.Scan(ctx, strings.NewReader(string(content)))
}

// holdCarelessly has a mail in memory, asks for a core dump and does nothing against it.
func holdCarelessly() {
	held := []byte(strings.Repeat("a mail about "+mark+" ", 1000))
	if err := syscall.Kill(os.Getpid(), syscall.SIGABRT); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	time.AfterFunc(time.Minute, func() { os.Exit(len(held)) })
	select {}
}
