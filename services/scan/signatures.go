package scan

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// A Source tells the version of the signatures that a second opinion rests on; *clam.Client is one.
type Source interface {
	Signatures(ctx context.Context) (string, error)
}

// watchEvery is how often the version is asked for.
const watchEvery = time.Minute

// Signatures know which signatures are in force. An opinion that rests on newer ones than is known is
// taken for one of the older: then it is asked for once more than needed.
type Signatures struct {
	source Source
	log    *slog.Logger
	every  time.Duration
	now    atomic.Pointer[string]
}

// NewSignatures asks a source, nil where there is none. Before Run nothing is known.
func NewSignatures(source Source, log *slog.Logger, meters prometheus.Registerer) *Signatures {
	s := &Signatures{source: source, log: log, every: watchEvery}
	if source != nil && meters != nil {
		meters.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "postern_scan_signatures_known", Help: "1 where clamd tells which signatures it has, else 0: then nothing is remembered and nothing scanned anew.",
		}, func() float64 {
			if s.Current() == "" {
				return 0
			}
			return 1
		}))
	}
	return s
}

// Current is the version, empty where it is not known.
func (s *Signatures) Current() string {
	if version := s.now.Load(); version != nil {
		return *version
	}
	return ""
}

// Look asks for the version.
func (s *Signatures) Look(ctx context.Context) {
	if s.source == nil {
		return
	}
	version, err := s.source.Signatures(ctx)
	if ctx.Err() != nil {
		return
	}
	former := s.Current()
	if err != nil {
		version = ""
	}
	s.now.Store(&version)
	switch {
	case version == former:
	case version == "":
		s.log.Warn("version of signatures not known: nothing is remembered and nothing scanned anew", "err", err)
	default:
		s.log.Info("signatures are of another version", "signatures", version)
	}
}

// Run asks again and again until ctx ends.
func (s *Signatures) Run(ctx context.Context) error {
	if s.source == nil {
		<-ctx.Done()
		return nil
	}
	ticker := time.NewTicker(s.every)
	defer ticker.Stop()
	for {
		s.Look(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}
