package stage

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace/noop"

	"github.com/postern-mail/postern/pkg/bus"
)

// Run runs a stage until ctx ends. It then takes no more mail, gives back what has not
// begun, lets what is in work end within Grace, and returns. Its error says that the
// stage cannot run at all.
func Run(ctx context.Context, d Deps, s Spec) error {
	r, err := newRunner(d, s)
	if err != nil {
		return err
	}
	working, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	go func() {
		select {
		case <-ctx.Done():
		case <-working.Done():
			return
		}
		select {
		case <-time.After(r.spec.Grace):
			cancel()
		case <-working.Done():
		}
	}()
	err = d.Source.Consume(ctx, bus.Limits{Messages: s.InFlight, Bytes: s.Bytes}, func(d Delivery) {
		r.handle(ctx, working, d)
	})
	if err != nil {
		return fmt.Errorf("stage %s: %w", s.Stage, err)
	}
	return nil
}

type systemClock struct{}

func (systemClock) Now() time.Time { return time.Now() }

type runner struct {
	Deps
	spec   Spec
	meters *meters

	mu   sync.Mutex
	here map[string]struct{} // ids of the events in work
}

func newRunner(d Deps, s Spec) (*runner, error) {
	if d.Source == nil || d.Outlet == nil || d.Marks == nil || d.SetAsider == nil || s.Work == nil {
		return nil, fmt.Errorf("stage %s: something it stands on is missing", s.Stage)
	}
	if s.Stage == "" || s.AckWait <= 0 || s.Patience <= 0 || s.InFlight < 1 {
		return nil, fmt.Errorf("stage %q: name, ack wait, patience and in-flight limit are needed", s.Stage)
	}
	if s.Timeout <= 0 {
		s.Timeout = DefaultTimeout
	}
	if s.Grace <= 0 {
		s.Grace = DefaultGrace
	}
	if d.Process == nil {
		d.Process = NewProcess()
	}
	if d.Clock == nil {
		d.Clock = systemClock{}
	}
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	if d.Tracer == nil {
		d.Tracer = noop.NewTracerProvider().Tracer("")
	}
	if d.Jitter == nil {
		d.Jitter = rand.Float64
	}
	m, err := newMeters(d.Metrics, s.Stage)
	if err != nil {
		return nil, fmt.Errorf("stage %s: %w", s.Stage, err)
	}
	return &runner{Deps: d, spec: s, meters: m, here: make(map[string]struct{})}, nil
}

// handle takes one delivery to one of its ends. running ends when the stage is to stop,
// working when what is in work must stop too.
func (r *runner) handle(running, working context.Context, d Delivery) {
	began := time.Now()
	r.meters.inFlight.Inc()
	defer r.meters.inFlight.Dec()
	m := read(d)
	if m.env != nil {
		if !r.begin(m.env.Id) {
			// In work here already, and its acknowledgement counts for this delivery too.
			return
		}
		defer r.finish(m.env.Id)
	}
	stop := r.beat(d)
	ctx, span := r.span(working, m)
	e := r.work(running, ctx, m)
	stop()
	e = r.close(ctx, m, e)
	r.tell(ctx, span, m, e, time.Since(began))
}

func (r *runner) begin(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, here := r.here[id]; here {
		return false
	}
	r.here[id] = struct{}{}
	return true
}

func (r *runner) finish(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.here, id)
}

// beat sends heartbeats until stop is called.
func (r *runner) beat(d Delivery) (stop func()) {
	var (
		mu    sync.Mutex
		over  bool
		timer *time.Timer
	)
	mu.Lock()
	defer mu.Unlock()
	timer = time.AfterFunc(r.spec.AckWait/3, func() {
		mu.Lock()
		defer mu.Unlock()
		if over {
			return
		}
		if err := d.Beat(); err != nil {
			r.Log.Warn("heartbeat not sent", "stage", r.spec.Stage, "err", err)
		}
		timer.Reset(r.spec.AckWait / 3)
	})
	return func() {
		mu.Lock()
		defer mu.Unlock()
		over = true
		timer.Stop()
	}
}
