package retain

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/robfig/cron/v3"
)

// A Leader lets one process of many act.
type Leader interface {
	// Lead must run the work while this process alone has the lease, and end its
	// context when the lease is lost. It returns when ctx ends.
	Lead(ctx context.Context, work func(ctx context.Context) error) error
}

// Intervals of the schedule's loop.
const (
	tick     = time.Second      // how soon a due run begins, and a moved clock is noticed
	retry    = 15 * time.Second // how soon a run that waits for something goes on; then twice as long each time
	maxRetry = 10 * time.Minute
	idleTurn = time.Hour   // how often orphans are swept
	setBack  = time.Minute // a clock that goes back by more was wrong before
)

// A Schedule runs the service when its time has come, or when it is told to.
type Schedule struct {
	service *Service
	cron    cron.Schedule
	leader  Leader
	wake    chan chan error
	whole   prometheus.Gauge
}

// NewSchedule reads the cron expression.
func NewSchedule(service *Service, leader Leader) (*Schedule, error) {
	parsed, err := service.config.cron()
	if err != nil {
		return nil, err
	}
	whole := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "postern_retention_whole_timestamp_seconds", Help: "When all that was due was last destroyed and certified; 0: not since this process began.",
	})
	return &Schedule{service, parsed, leader, make(chan chan error), whole}, nil
}

// Measure tells of the schedule in metrics.
func (s *Schedule) Measure(metrics prometheus.Registerer) { metrics.MustRegister(s.whole) }

// Now runs at once and gives the outcome, where this process leads.
func (s *Schedule) Now(ctx context.Context) error {
	answer := make(chan error, 1)
	select {
	case s.wake <- answer:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Run waits for the hour and acts, while this process leads.
func (s *Schedule) Run(ctx context.Context) error { return s.leader.Lead(ctx, s.lead) }

func (s *Schedule) lead(ctx context.Context) error {
	clock := s.service.clock
	next := clock.Now() // what was begun, or missed while nobody led, is looked at first
	swept, pause := time.Time{}, retry
	seen := next
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		var answer chan error
		select {
		case <-ctx.Done():
			return ctx.Err()
		case answer = <-s.wake:
		case <-ticker.C:
			now := clock.Now()
			if now.Before(seen.Add(-setBack)) { // what was reckoned by the clock as it went means nothing now
				next, swept = now, time.Time{}
			}
			if seen = now; now.Before(next) {
				continue
			}
		}
		err := s.service.Run(ctx)
		next = s.cron.Next(clock.Now())
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil:
			pause = retry
			s.whole.SetToCurrentTime()
		case errors.Is(err, ErrPending):
			s.service.log.Info("destruction waits", "err", err)
		default:
			s.service.log.Error("retention run stopped", "err", err)
		}
		if err != nil {
			next = clock.Now().Add(pause)
			pause = min(2*pause, maxRetry)
		}
		if now := clock.Now(); now.Sub(swept) >= idleTurn {
			swept = now
			switch _, waits := s.service.SweepOrphans(ctx); {
			case errors.Is(waits, ErrPending):
				s.service.log.Info("destruction waits", "err", waits)
				next, err = clock.Now().Add(pause), cmp.Or(err, waits)
			case waits != nil:
				s.service.log.Error("orphan sweep stopped", "err", waits)
			}
		}
		if answer != nil {
			answer <- err
		}
	}
}
