package stage

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/postern-mail/postern/pkg/fault"
)

// propagator reads and writes the header traceparent.
var propagator propagation.TraceContext

// carrier lets the propagator read a delivery's headers.
type carrier struct{ Delivery }

func (c carrier) Get(key string) string { return c.Header(key) }
func (carrier) Set(string, string)      {}
func (carrier) Keys() []string          { return propagator.Fields() }

// traceHeader carries the span of ctx to whoever takes what follows.
func traceHeader(ctx context.Context) map[string][]string {
	if !trace.SpanContextFromContext(ctx).IsValid() {
		return nil
	}
	out := make(propagation.MapCarrier, 2)
	propagator.Inject(ctx, out)
	header := make(map[string][]string, len(out))
	for key, value := range out {
		header[key] = []string{value}
	}
	return header
}

// span begins the span of one delivery, within the trace that its event came with.
func (r *runner) span(ctx context.Context, m *mail) (context.Context, trace.Span) {
	ctx = propagator.Extract(ctx, carrier{m.Delivery})
	return r.Tracer.Start(ctx, r.spec.Stage, trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(
		attribute.String("postern.event", m.env.GetId()),
		attribute.String("postern.item", m.item()),
		attribute.Int64("postern.delivery", int64(m.Deliveries()))))
}

// tell ends the span, counts the end and writes the one log line of the event.
func (r *runner) tell(ctx context.Context, span trace.Span, m *mail, e end, took time.Duration) {
	outcome := string(e.kind)
	if e.lost {
		outcome = "unacknowledged"
	}
	span.SetAttributes(attribute.String("postern.outcome", outcome), attribute.String("postern.code", e.code))
	if e.kind == fault.Broken || e.kind == fault.Ended {
		span.SetStatus(codes.Error, e.code)
	}
	span.End()

	r.meters.events.WithLabelValues(outcome, e.code).Inc()
	r.meters.seconds.Observe(took.Seconds())
	if m.garbled == nil && m.Deliveries() == 1 {
		waited := r.Clock.Now().Add(-took).Sub(m.env.GetTime().AsTime())
		r.meters.waits.Observe(max(waited, 0).Seconds()) // clocks of two machines may differ
	}
	if e.deaths > 0 {
		r.meters.suspects.Inc()
	}

	level, text := slog.LevelInfo, "event handled"
	switch {
	case e.lost:
		level, text = slog.LevelWarn, "event left unacknowledged"
	case e.kind == fault.Delayed:
		text = "event given back"
	case e.kind == fault.Broken:
		level, text = slog.LevelWarn, "event given back"
	case e.kind == fault.Ended && m.item() == "":
		level, text = slog.LevelError, "event thrown away"
	case e.kind == fault.Ended:
		level, text = slog.LevelWarn, "item set aside"
	}
	if !r.Log.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("stage", r.spec.Stage), slog.String("event", m.env.GetId()), slog.String("item", m.item()),
		slog.String("outcome", outcome), slog.Uint64("delivery", m.Deliveries()), slog.Duration("took", took),
	}
	if e.code != "" {
		attrs = append(attrs, slog.String("code", e.code))
	}
	if e.pause > 0 {
		attrs = append(attrs, slog.Duration("again_in", e.pause))
	}
	if e.deaths > 0 {
		attrs = append(attrs, slog.Int("deaths", e.deaths))
	}
	if e.err != nil {
		attrs = append(attrs, slog.Any("err", e.err))
	}
	if id := span.SpanContext(); id.HasTraceID() {
		attrs = append(attrs, slog.String("trace", id.TraceID().String()))
	}
	r.Log.LogAttrs(ctx, level, text, attrs...)
}

type meters struct {
	events    *prometheus.CounterVec
	seconds   prometheus.Observer
	waits     prometheus.Observer
	inFlight  prometheus.Gauge
	suspects  prometheus.Counter
	abandoned prometheus.Counter
}

// newMeters registers the stage's metrics. Stages of one process share a registerer, so
// a metric that is there already is used.
func newMeters(reg prometheus.Registerer, stage string) (*meters, error) {
	events := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "postern_stage_events_total", Help: "Deliveries by their end.",
	}, []string{"stage", "outcome", "code"})
	seconds := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "postern_stage_seconds", Help: "Time from delivery to its end.",
		Buckets: prometheus.ExponentialBuckets(0.0005, 4, 10),
	}, []string{"stage"})
	waits := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "postern_stage_wait_seconds", Help: "Time from when an event was said to its first delivery.",
		Buckets: prometheus.ExponentialBuckets(0.001, 4, 14),
	}, []string{"stage"})
	inFlight := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "postern_stage_in_flight", Help: "Deliveries in work.",
	}, []string{"stage"})
	suspects := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "postern_stage_suspects_total", Help: "Deliveries that may have killed a worker.",
	}, []string{"stage"})
	abandoned := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "postern_stage_abandoned_total", Help: "Runs of work that did not stop when told to.",
	}, []string{"stage"})
	if reg != nil {
		if err := errors.Join(register(reg, &events), register(reg, &seconds), register(reg, &waits),
			register(reg, &inFlight), register(reg, &suspects), register(reg, &abandoned)); err != nil {
			return nil, err
		}
	}
	return &meters{
		events:  events.MustCurryWith(prometheus.Labels{"stage": stage}),
		seconds: seconds.WithLabelValues(stage), waits: waits.WithLabelValues(stage), inFlight: inFlight.WithLabelValues(stage),
		suspects: suspects.WithLabelValues(stage), abandoned: abandoned.WithLabelValues(stage),
	}, nil
}

func register[C prometheus.Collector](reg prometheus.Registerer, c *C) error {
	err := reg.Register(*c)
	var there prometheus.AlreadyRegisteredError
	if errors.As(err, &there) {
		if existing, ok := there.ExistingCollector.(C); ok {
			*c = existing
			return nil
		}
	}
	return err
}
