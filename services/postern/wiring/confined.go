package wiring

import (
	"context"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/postern-mail/postern/pkg/confine"
	"github.com/postern-mail/postern/services/scan"
)

// Enter makes this process a confined one where it was started as such, and does not return then. A
// program that runs services calls it before anything else.
func Enter() {
	confine.Enter(map[string]confine.Job{scan.Job: scan.Decode})
}

// Room is what a confined process may use.
func (c ConfineConfig) Room() confine.Room { return confine.Room{Memory: c.Memory.Bytes()} }

// pool gives the processes that look into what strangers sent, for all services of this one.
func (p *Process) pool() (*confine.Pool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.confined != nil {
		return p.confined, nil
	}
	events := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "postern_confined_processes_total", Help: "What became of the processes that look into what was sent.",
	}, []string{"event"})
	p.Registry.MustRegister(events)
	for _, event := range confine.Events {
		events.WithLabelValues(string(event))
	}
	pool, err := confine.NewPool(confine.Options{
		Room: p.Config.Confine.Room(), Size: p.Config.Confine.Processes, Log: p.Log,
		Events: func(event confine.Event) { events.WithLabelValues(string(event)).Inc() },
	})
	if err != nil {
		return nil, fmt.Errorf("confine: %w", err)
	}
	p.closers = append(p.closers, pool.Close)
	p.confined = pool
	return pool, nil
}

// pool waits for the kernel to let a process be confined: without one, no mail is taken up. It gives
// nil when ctx ends before.
func (s *service) pool(ctx context.Context) (*confine.Pool, error) {
	pool, err := s.Process.pool()
	if err != nil {
		return nil, err
	}
	s.reporter.Waiting("a confined process")
	if pool.Await(ctx, func(why error) {
		s.reporter.Waiting("the kernel to let a process be confined (postern doctor says what to do): " + why.Error())
	}) != nil {
		return nil, nil
	}
	s.reporter.Ready()
	return pool, nil
}
