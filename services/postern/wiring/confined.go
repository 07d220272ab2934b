package wiring

import (
	"context"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/postern-mail/postern/pkg/confine"
	"github.com/postern-mail/postern/pkg/preview"
	"github.com/postern-mail/postern/services/sanitize"
	"github.com/postern-mail/postern/services/scan"
)

// Enter makes this process a confined one where it was started as such, and does not return then. A
// program that runs services calls it before anything else.
func Enter() {
	confine.Enter(map[string]confine.Job{scan.Job: scan.Decode, sanitize.Job: sanitize.Decode, preview.Job: preview.Decode})
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
	pool, err := p.openPool(confine.Options{Room: p.Config.Confine.Room(), Size: p.Config.Confine.Processes})
	p.confined = pool
	return pool, err
}

// openPool starts processes of one kind. p.mu is held.
func (p *Process) openPool(options confine.Options) (*confine.Pool, error) {
	if p.confines == nil {
		p.confines = prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "postern_confined_processes_total", Help: "What became of the processes that look into what was sent.",
		}, []string{"event"})
		p.Registry.MustRegister(p.confines)
		for _, event := range confine.Events {
			p.confines.WithLabelValues(string(event))
		}
	}
	events := p.confines
	options.Log = p.Log
	options.Events = func(event confine.Event) { events.WithLabelValues(string(event)).Inc() }
	pool, err := confine.NewPool(options)
	if err != nil {
		return nil, fmt.Errorf("confine: %w", err)
	}
	p.closers = append(p.closers, pool.Close)
	return pool, nil
}

// previewsAtOnce is how many documents are drawn at a time: each takes a processor for seconds.
const previewsAtOnce = 2

// gallery is what draws for sanitize. Its pool is nil when ctx ends before there is one. Documents
// are drawn where there are programs for it.
func (s *service) gallery(ctx context.Context) (sanitize.Gallery, error) {
	pool, err := s.pool(ctx)
	if pool == nil {
		return sanitize.Gallery{}, err
	}
	gallery := sanitize.Gallery{Pool: pool}
	if forPDF, _ := preview.Installed(); !forPDF || !s.Config.Sanitize.Previews {
		return gallery, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	studio, err := s.openPool(confine.Options{Room: preview.Room, Size: previewsAtOnce, Lazy: true}) // a document takes seconds anyway
	if err != nil {
		return sanitize.Gallery{}, err
	}
	gallery.Studio = preview.NewStudio(studio)
	return gallery, nil
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
