package stage_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	eventv1 "github.com/postern-mail/postern/proto/event/v1"
	mailv1 "github.com/postern-mail/postern/proto/mail/v1"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/bus/bustest"
	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/stage"
	"github.com/postern-mail/postern/pkg/stage/stagetest"
)

// nowhere is a bus that takes everything and hands out b.N times one event.
type nowhere struct {
	n    int
	data []byte
}

func (nowhere) Publish(context.Context, []stage.Letter) error    { return nil }
func (nowhere) Read(context.Context, string) (stage.Mark, error) { return stage.Mark{}, nil }
func (nowhere) Write(context.Context, string, stage.Mark) error  { return nil }
func (nowhere) Clear(context.Context, string) error              { return nil }
func (w nowhere) Consume(_ context.Context, _ bus.Limits, handle func(stage.Delivery)) error {
	for range w.n {
		handle(noDelivery{w.data})
	}
	return nil
}

type noDelivery struct{ data []byte }

func (noDelivery) Subject() string                    { return "mail.v1.Received" }
func (noDelivery) Header(string) string               { return "" }
func (d noDelivery) Data() []byte                     { return d.data }
func (noDelivery) Deliveries() uint64                 { return 1 }
func (noDelivery) Stored() time.Time                  { return time.Time{} }
func (noDelivery) Ack(context.Context) error          { return nil }
func (noDelivery) Nak(time.Duration) error            { return nil }
func (noDelivery) Term(context.Context, string) error { return nil }
func (noDelivery) Beat() error                        { return nil }

// BenchmarkOverhead is what the frame itself costs a message: no bus, no work.
func BenchmarkOverhead(b *testing.B) {
	item := stagetest.Item(1)
	env, err := event.New(item, "ingest", 0, item, time.Now(), &mailv1.Received{Record: stagetest.Record(item)})
	if err != nil {
		b.Fatal(err)
	}
	data, err := event.Marshal(env)
	if err != nil {
		b.Fatal(err)
	}
	w := nowhere{b.N, data}
	b.ReportAllocs()
	b.ResetTimer()
	err = stage.Run(b.Context(), stage.Deps{Source: w, Outlet: w, Marks: w, SetAsider: asiderFunc(nil)}, spec(verified))
	if err != nil {
		b.Fatal(err)
	}
}

// BenchmarkStage is a whole stage with empty work: take, say one event, double-ack.
func BenchmarkStage(b *testing.B) {
	for name, begin := range map[string]func(testing.TB) *bustest.Bus{"embedded": bustest.Start, "nats-server": bustest.StartReal} {
		b.Run(name, func(b *testing.B) {
			s := begin(b)
			ingest := s.Connect(b, "ingest")
			pending := make([]*bus.Pending, 0, b.N)
			for n := range b.N {
				item := stagetest.Item(n)
				env, err := event.New(item, "ingest", 0, item, time.Now(), &mailv1.Received{Record: stagetest.Record(item)})
				if err != nil {
					b.Fatal(err)
				}
				data, err := event.Marshal(env)
				if err != nil {
					b.Fatal(err)
				}
				p, err := ingest.PublishAsync(env.Type, data, bus.MsgID(env.Id))
				if err != nil {
					b.Fatal(err)
				}
				pending = append(pending, p)
			}
			for _, p := range pending {
				if _, err := p.Wait(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
			ctx, cancel := context.WithCancel(b.Context())
			var acked atomic.Int64
			consumer, _ := topology.ConsumerOf("verify")
			verify := s.ConnectWith(b, bus.Options{Service: "verify", Around: func(call bus.Call, do func() error) error {
				err := do()
				if call.Kind == bus.CallAck && acked.Add(1) == int64(b.N) {
					cancel()
				}
				return err
			}})
			d := stage.OnBus(verify, consumer)
			d.SetAsider = asiderFunc(nil)
			defer bustest.CPU(b)()
			b.ResetTimer()
			err := stage.Run(ctx, d, stage.Of(consumer, func(ctx context.Context, env *eventv1.Envelope, msg proto.Message) ([]stage.Out, error) {
				return verified(ctx, env, msg)
			}))
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "mails/s")
		})
	}
}
