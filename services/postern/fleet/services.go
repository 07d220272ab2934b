package fleet

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"syscall"
	"time"

	"github.com/postern-mail/postern/services/postern/wiring"
)

// respite is how long a service that ended stays away before it is started again.
const respite = 500 * time.Millisecond

// StartServices starts every service, and again whenever one ends by itself, as the
// supervisor of a real machine does.
func (f *Fleet) StartServices() {
	f.mu.Lock()
	f.resting = false
	f.mu.Unlock()
	for _, name := range slices.Backward(f.own()) {
		f.keepers.Add(1)
		go f.keep(name)
	}
}

// own are the services that the fleet starts.
func (f *Fleet) own() []string {
	return slices.DeleteFunc(Services(), func(name string) bool { return slices.Contains(f.options.Without, name) })
}

func (f *Fleet) keep(name string) {
	defer f.keepers.Done()
	for {
		c, err := f.startService(name)
		if err != nil {
			f.fail(err)
			return
		}
		if c == nil {
			return // nothing is started any more
		}
		<-c.ended
		f.mu.Lock()
		resting := f.resting
		f.mu.Unlock()
		if resting {
			return
		}
		fmt.Fprintf(f.options.Log, "%s ended (%s) and is started again; its log is %s\n", name, c.how(), f.LogFile(name))
		select {
		case <-f.quit:
			return
		case <-time.After(respite):
		}
	}
}

func (f *Fleet) startService(name string) (*child, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.resting {
		return nil, nil
	}
	c, err := f.launch(name, f.environment(name, f.options.Env), f.options.Program, "run", "--config", f.ConfigFile(name), name)
	if err != nil {
		return nil, err
	}
	f.children[name] = c
	return c, nil
}

// StopServices ends the services one after another: sources first, the keyring last.
func (f *Fleet) StopServices() {
	f.mu.Lock()
	f.resting = true
	f.mu.Unlock()
	for _, name := range wiring.Order {
		f.mu.Lock()
		c := f.children[name]
		f.mu.Unlock()
		if c != nil {
			c.stop(syscall.SIGTERM)
		}
	}
	f.keepers.Wait()
}

// PID is the process id of a service or of a server, named by its folder; 0 where none was
// started.
func (f *Fleet) PID(name string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	if c := f.children[name]; c != nil {
		return c.pid()
	}
	return 0
}

// Ended is closed when the process that a service has now is no more.
func (f *Fleet) Ended(name string) <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.children[name].ended
}

// Operations is where a service tells operators about itself, host:port.
func (f *Fleet) Operations(name string) string { return f.servers.operations[name] }

// Restart stops all services and starts them with their clocks moved on.
func (f *Fleet) Advance(ctx context.Context, by time.Duration) error {
	f.StopServices()
	f.offset += by
	if err := f.configure(); err != nil {
		return err
	}
	f.StartServices()
	return f.WaitReady(ctx)
}

// glance is how often what is waited for is looked at.
const glance = 50 * time.Millisecond

// WaitReady waits until every service that it started says that it is ready.
func (f *Fleet) WaitReady(ctx context.Context) error {
	for _, name := range f.own() {
		if err := f.until(ctx, func() (bool, error) { return f.ready(ctx, name), nil }); err != nil {
			return fmt.Errorf("%s is not ready: %w\n%s", name, err, f.lastLines(name))
		}
	}
	return nil
}

// ready asks a service.
func (f *Fleet) ready(ctx context.Context, name string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+f.Operations(name)+"/readyz", nil)
	if err != nil {
		return false
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	var answer struct {
		Ready    bool     `json:"ready"`
		Services []string `json:"services"`
	}
	return json.NewDecoder(response.Body).Decode(&answer) == nil && answer.Ready && slices.Contains(answer.Services, name)
}

// until waits until something holds, the context ends, or the fleet fails.
func (f *Fleet) until(ctx context.Context, holds func() (bool, error)) error {
	ticker := time.NewTicker(glance)
	defer ticker.Stop()
	for {
		if done, err := holds(); done || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-f.failed:
			f.fail(err)
			return err
		case <-ticker.C:
		}
	}
}
