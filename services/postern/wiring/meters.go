package wiring

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/bus/topology"
)

// busMeters tell how full the bus is and what waits on it. Every service tells of what it
// may see: of several figures for one stream any is right.
type busMeters struct{ messages, bytes, undone *prometheus.GaugeVec }

func newBusMeters(metrics prometheus.Registerer) busMeters {
	gauge := func(name, help, label string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, []string{label})
	}
	m := busMeters{
		gauge("postern_bus_messages", "Messages that a stream holds.", "stream"),
		gauge("postern_bus_bytes", "Bytes that a stream holds.", "stream"),
		gauge("postern_stage_undone_events", "Events before a stage: not handed out yet, or in work or in a back-off.", "stage"),
	}
	metrics.MustRegister(m.messages, m.bytes, m.undone)
	return m
}

// measureEvery is how often the bus is asked.
const measureEvery = 15 * time.Second

// measure asks until the context ends. What is not answered keeps its last figure.
func (m busMeters) measure(ctx context.Context, service string, conn *bus.Conn) error {
	known, _ := topology.ServiceNamed(service)
	ticker := time.NewTicker(measureEvery)
	defer ticker.Stop()
	for {
		for _, stream := range known.Touches() {
			if stored, err := conn.Stored(ctx, stream); err == nil {
				m.messages.WithLabelValues(stream).Set(float64(stored.Messages))
				m.bytes.WithLabelValues(stream).Set(float64(stored.Bytes))
			}
		}
		for _, stage := range known.Stages() {
			if undone, err := conn.Undone(ctx, stage.Stream, stage.Stage); err == nil {
				m.undone.WithLabelValues(stage.Stage).Set(float64(undone))
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}
