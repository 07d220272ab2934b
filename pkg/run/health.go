package run

import (
	"encoding/json"
	"net/http"
	"slices"
	"sync"
)

// Health collects what services say of themselves. A service that waits names
// what it waits for, so that a person who looks at /readyz knows what to do.
type Health struct {
	mu    sync.Mutex
	waits map[string]string // service → what it waits for; "" when ready
}

// A Reporter is one service's voice in Health.
type Reporter struct {
	health  *Health
	service string
}

// NewHealth knows no service yet.
func NewHealth() *Health { return &Health{waits: map[string]string{}} }

// Reporter gives a service its voice; until it speaks it counts as starting.
func (h *Health) Reporter(service string) *Reporter {
	h.set(service, "starting")
	return &Reporter{h, service}
}

// Waiting says that the service cannot work until something is there.
func (r *Reporter) Waiting(forWhat string) { r.health.set(r.service, forWhat) }

// Ready says that the service works.
func (r *Reporter) Ready() { r.health.set(r.service, "") }

func (h *Health) set(service, wait string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.waits[service] = wait
}

// Waits gives each service that is not ready and what it waits for.
func (h *Health) Waits() map[string]string {
	h.mu.Lock()
	defer h.mu.Unlock()
	waiting := map[string]string{}
	for service, wait := range h.waits {
		if wait != "" {
			waiting[service] = wait
		}
	}
	return waiting
}

// ServeHTTP answers /readyz: 200 when every service works, else 503 with the
// waits, both as JSON.
func (h *Health) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	waiting := h.Waits()
	h.mu.Lock()
	services := make([]string, 0, len(h.waits))
	for service := range h.waits {
		services = append(services, service)
	}
	h.mu.Unlock()
	slices.Sort(services)
	w.Header().Set("Content-Type", "application/json")
	if len(waiting) > 0 {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"ready": len(waiting) == 0, "services": services, "waiting": waiting})
}
