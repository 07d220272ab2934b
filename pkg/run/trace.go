package run

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// TraceConfig says where spans go.
type TraceConfig struct {
	// Endpoint is the URL of an OTLP/HTTP collector, such as http://localhost:4318. Empty: no spans are made.
	Endpoint string `yaml:"endpoint"`
	// Ratio of mails that are traced, from 0 to 1.
	Ratio float64 `yaml:"ratio"`
}

// NewTracer gives a tracer and what must be called to flush it.
func NewTracer(ctx context.Context, config TraceConfig, version string) (trace.Tracer, func(context.Context) error, error) {
	if config.Endpoint == "" {
		return noop.NewTracerProvider().Tracer("postern"), func(context.Context) error { return nil }, nil
	}
	if config.Ratio < 0 || config.Ratio > 1 {
		return nil, nil, fmt.Errorf("trace ratio %v: use a number from 0 to 1", config.Ratio)
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(config.Endpoint))
	if err != nil {
		return nil, nil, fmt.Errorf("trace endpoint: %w", err)
	}
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(exporter),
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(config.Ratio))),
		sdktrace.WithResource(resource.NewSchemaless(
			attribute.String("service.name", "postern"), attribute.String("service.version", version))),
	)
	return provider.Tracer("postern"), provider.Shutdown, nil
}
