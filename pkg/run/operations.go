package run

import (
	"context"
	"fmt"
	"net"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// OperationsConfig is where operators look.
type OperationsConfig struct {
	// Listen is the address of /metrics, /healthz and /readyz. Empty: none is opened.
	Listen string `yaml:"listen"`
}

// NewRegistry gives a metrics registry with the process's own figures.
func NewRegistry() *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return registry
}

// ServeOperations answers operators until the context ends. It returns once the
// port is open; the channel gives the end.
func ServeOperations(ctx context.Context, config OperationsConfig, registry *prometheus.Registry, health *Health) (<-chan error, error) {
	done := make(chan error, 1)
	if config.Listen == "" {
		close(done)
		return done, nil
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.Handle("GET /readyz", health)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	listener, err := net.Listen("tcp", config.Listen)
	if err != nil {
		return nil, fmt.Errorf("operations port: %w", err)
	}
	go func() { done <- ServeHTTP(ctx, listener, mux, OperationsLimits()) }()
	return done, nil
}
