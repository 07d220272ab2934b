package stage_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/embedded"
	"go.opentelemetry.io/otel/trace/noop"
	"google.golang.org/protobuf/proto"

	eventv1 "github.com/postern-mail/postern/proto/event/v1"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/fault"
	"github.com/postern-mail/postern/pkg/stage"
	"github.com/postern-mail/postern/pkg/stage/stagetest"
)

// traced is a source whose deliveries carry a header traceparent.
type traced struct {
	stage.Source
	parent string
}

func (s traced) Consume(ctx context.Context, limits bus.Limits, handle func(stage.Delivery)) error {
	return s.Source.Consume(ctx, limits, func(d stage.Delivery) { handle(tracedDelivery{d, s.parent}) })
}

type tracedDelivery struct {
	stage.Delivery
	parent string
}

func (d tracedDelivery) Header(key string) string {
	if key == "traceparent" {
		return d.parent
	}
	return d.Delivery.Header(key)
}

// tracer begins every span under one id, and remembers the parents.
type tracer struct {
	embedded.Tracer
	id      trace.SpanID
	parents *[]trace.SpanContext
}

func (t tracer) Start(ctx context.Context, _ string, _ ...trace.SpanStartOption) (context.Context, trace.Span) {
	parent := trace.SpanContextFromContext(ctx)
	*t.parents = append(*t.parents, parent)
	ctx = trace.ContextWithSpanContext(ctx, parent.WithSpanID(t.id).WithRemote(false))
	return ctx, trace.SpanFromContext(ctx)
}

// The example of W3C Trace Context, section 3.2.
const (
	exampleTrace  = "4bf92f3577b34da6a3ce929d0e0e4736"
	exampleParent = "00f067aa0ba902b7"
)

func TestATraceGoesOnFromTheEventThatCameToThoseThatFollow(t *testing.T) {
	for name, work := range map[string]stage.Work{"an event that follows": verified, "a setting aside": ends(fault.Final("too_deep"))} {
		synctest.Test(t, func(t *testing.T) {
			k := stagetest.New(ackWait)
			k.Put(stagetest.Item(1), received(1))
			d := k.Process().Deps()
			d.Source = traced{d.Source, "00-" + exampleTrace + "-" + exampleParent + "-01"}
			var parents []trace.SpanContext
			d.Tracer = tracer{id: trace.SpanID{0xb7, 0xad, 0x6b, 0x71, 0x69, 0x20, 0x33, 0x31}, parents: &parents}
			runWith(t, d, spec(work), synctest.Wait)
			if len(parents) != 1 || parents[0].TraceID().String() != exampleTrace || parents[0].SpanID().String() != exampleParent || !parents[0].IsRemote() {
				t.Errorf("%s: the span's parent is %v", name, parents)
			}
			stored := k.Stored()
			if len(stored) != 1 {
				t.Fatalf("%s: %d events", name, len(stored))
			}
			if got, want := stored[0].Header.Get("traceparent"), "00-"+exampleTrace+"-b7ad6b7169203331-01"; got != want {
				t.Errorf("%s: traceparent %q, want %q", name, got, want)
			}
		})
	}
}

func TestAnEventOutsideOfAnyTraceCarriesNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := stagetest.New(ackWait)
		k.Put(stagetest.Item(1), received(1))
		d := k.Process().Deps()
		d.Tracer = noop.NewTracerProvider().Tracer("")
		runWith(t, d, spec(verified), synctest.Wait)
		if got := k.Stored()[0].Header.Get("traceparent"); got != "" {
			t.Errorf("traceparent %q", got)
		}
	})
}

func TestEveryEndIsCountedUnderItsOutcomeAndItsCode(t *testing.T) {
	const took, waited = 3 * time.Second, 2 * time.Second // the time of the test's own bubble
	for name, c := range map[string]struct {
		end    func() error
		labels string
	}{
		"ok":     {func() error { return nil }, "code= outcome=ok stage=verify"},
		"later":  {func() error { return fault.Later(time.Hour, "not_yet") }, "code=not_yet outcome=later stage=verify"},
		"failed": {func() error { return errors.New("no luck") }, "code=failed outcome=failed stage=verify"},
		"final":  {func() error { return fault.Final("too_deep") }, "code=too_deep outcome=final stage=verify"},
		"panic":  {func() error { panic("boom") }, "code=panicked outcome=failed stage=verify"},
	} {
		synctest.Test(t, func(t *testing.T) {
			k := stagetest.New(ackWait)
			k.Put(stagetest.Item(1), received(1))
			k.Put(stagetest.Item(2), received(2))
			<-time.After(waited)
			registry := prometheus.NewRegistry()
			d := k.Process().Deps()
			d.Metrics = registry
			work := func(context.Context, *eventv1.Envelope, proto.Message) ([]stage.Out, error) {
				<-time.After(took)
				return nil, c.end()
			}
			runWith(t, d, spec(work), after(took+time.Millisecond))
			got := gathered(t, registry)
			want := map[string]float64{
				"postern_stage_events_total " + c.labels:        2,
				"postern_stage_seconds count stage=verify":      2,
				"postern_stage_seconds sum stage=verify":        6,
				"postern_stage_wait_seconds count stage=verify": 2,
				"postern_stage_wait_seconds sum stage=verify":   4,
				"postern_stage_in_flight stage=verify":          0,
				"postern_stage_suspects_total stage=verify":     0,
				"postern_stage_abandoned_total stage=verify":    0,
			}
			if !maps.Equal(got, want) {
				t.Errorf("%s: got %v, want %v", name, got, want)
			}
		})
	}
}

// gathered is every value of a registry under its name and labels.
func gathered(t *testing.T, registry *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := make(map[string]float64)
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			var labels []string
			for _, label := range metric.GetLabel() {
				labels = append(labels, label.GetName()+"="+label.GetValue())
			}
			slices.Sort(labels)
			said := strings.Join(labels, " ")
			if h := metric.GetHistogram(); h != nil {
				values[fmt.Sprintf("%s count %s", family.GetName(), said)] = float64(h.GetSampleCount())
				values[fmt.Sprintf("%s sum %s", family.GetName(), said)] = h.GetSampleSum()
				continue
			}
			values[family.GetName()+" "+said] = metric.GetCounter().GetValue() + metric.GetGauge().GetValue()
		}
	}
	return values
}
