package promise1

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/postern-mail/postern/services/postern/wiring"
)

// An order has a service of a fleet, which is a process of its own, die at a moment.
type order struct {
	Name string // of the step and the moment
	Kill kill
}

// orderFile is where a service finds its order. It is gone once the service is dying.
func orderFile(folder, service string) string { return filepath.Join(folder, service+".json") }

// An obedient service looks for its order at each of its calls.
type obedient struct {
	file string

	mu    sync.Mutex
	name  string
	kill  *kill
	count *counter
}

// standOptions are those of a process of a fleet in this executable.
func standOptions(services []string) wiring.Options {
	if len(services) != 1 {
		return wiring.Options{}
	}
	h := hooks{&obedient{file: orderFile(os.Getenv(standVariable), services[0])}}
	return wiring.Options{Around: h.bus, Vault: h.vault, Eraser: h.eraser, Disk: h.disk}
}

func (o *obedient) around(c call, do func() error) error {
	k := o.hit(c)
	if k == nil {
		return do()
	}
	if k.After {
		_ = do()
	}
	_ = os.Remove(o.file)
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}

func (o *obedient) hit(c call) *kill {
	o.mu.Lock()
	defer o.mu.Unlock()
	text, err := os.ReadFile(o.file)
	if err != nil {
		o.kill = nil
		return nil
	}
	var told order
	if json.Unmarshal(text, &told) != nil {
		return nil
	}
	if o.kill == nil || o.name != told.Name {
		o.name, o.kill, o.count = told.Name, &told.Kill, &counter{pattern: told.Kill.Call, since: told.Kill.Since}
	}
	if !o.count.hit(c) {
		return nil
	}
	return o.kill
}

// order gives a service its order.
func (c *crowd) order(t *testing.T, service string, o order) {
	t.Helper()
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	path := orderFile(c.orders, service)
	if err := errors.Join(os.WriteFile(path+".new", text, 0o600), os.Rename(path+".new", path)); err != nil {
		t.Fatal(err)
	}
}

// obeyed tells whether a service has died as it was ordered to.
func (c *crowd) obeyed(t *testing.T, service string) bool {
	t.Helper()
	_, err := os.Stat(orderFile(c.orders, service))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return err != nil
}
