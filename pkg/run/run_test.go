package run_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/postern-mail/postern/pkg/run"
)

type service func(context.Context) error

func (s service) Run(ctx context.Context) error { return s(ctx) }

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestMembersDrainOneAfterAnotherInTheirOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var order []string
		slow := func(name string, drain time.Duration) run.Member {
			return run.Member{Name: name, Service: service(func(ctx context.Context) error {
				<-ctx.Done()
				timer := time.NewTimer(drain)
				<-timer.C
				mu.Lock()
				defer mu.Unlock()
				order = append(order, name)
				return ctx.Err()
			})}
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := run.Group(ctx, quiet(), slow("ingest", 3*time.Second), slow("verify", time.Second), slow("keyring", 0)); err != nil {
			t.Fatal(err)
		}
		if want := []string{"ingest", "verify", "keyring"}; !slices.Equal(order, want) {
			t.Errorf("drained %v, want %v", order, want)
		}
	})
}

func TestAMemberThatEndsByItselfEndsAll(t *testing.T) {
	waits := run.Member{Name: "waits", Service: service(func(ctx context.Context) error { <-ctx.Done(); return nil })}
	broken := errors.New("disk is gone")
	for name, c := range map[string]struct {
		fails service
		want  string
	}{
		"with an error":    {func(context.Context) error { return broken }, "disk is gone"},
		"without an error": {func(context.Context) error { return nil }, "ended by itself"},
		"with a panic":     {func(context.Context) error { panic("words of a customer") }, "fails: panic"},
	} {
		err := run.Group(context.Background(), quiet(), waits, run.Member{Name: "fails", Service: c.fails})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "words of a customer") {
			t.Errorf("%s: the panic's value is in the error", name)
		}
	}
}

func TestReadinessNamesWhatEachServiceWaitsFor(t *testing.T) {
	health := run.NewHealth()
	verify, desk := health.Reporter("verify"), health.Reporter("desk")
	verify.Ready()
	desk.Waiting("stream TICKETS: run postern setup")
	answer := httptest.NewRecorder()
	health.ServeHTTP(answer, httptest.NewRequest("GET", "/readyz", nil))
	var told struct {
		Ready   bool
		Waiting map[string]string
	}
	if err := json.Unmarshal(answer.Body.Bytes(), &told); err != nil {
		t.Fatal(err)
	}
	if answer.Code != 503 || told.Ready || told.Waiting["desk"] != "stream TICKETS: run postern setup" || len(told.Waiting) != 1 {
		t.Errorf("not ready: %d %s", answer.Code, answer.Body)
	}
	desk.Ready()
	answer = httptest.NewRecorder()
	health.ServeHTTP(answer, httptest.NewRequest("GET", "/readyz", nil))
	if answer.Code != 200 {
		t.Errorf("ready: %d %s", answer.Code, answer.Body)
	}
}

func TestTheClockMovesOnAndNeverBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := run.NewClock(24 * time.Hour)
		if got := time.Until(clock.Now()); got != 24*time.Hour {
			t.Errorf("the clock is %v ahead", got)
		}
		clock.Advance(-time.Hour)
		clock.Advance(time.Hour)
		if got := time.Until(clock.Now()); got != 25*time.Hour {
			t.Errorf("the clock is %v ahead", got)
		}
	})
}

func TestABadLogConfigurationIsNamed(t *testing.T) {
	var out bytes.Buffer
	for _, bad := range []run.LogConfig{{Level: "loud", Format: "json"}, {Level: "info", Format: "xml"}} {
		if _, err := run.NewLogger(&out, bad); err == nil || !strings.Contains(err.Error(), "use ") {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

func TestAHardenedProcessDumpsNoCore(t *testing.T) {
	if os.Getenv("POSTERN_TEST_HARDEN") == "1" {
		if err := run.Harden(); err != nil {
			t.Fatal(err)
		}
		var limit unix.Rlimit
		if err := unix.Getrlimit(unix.RLIMIT_CORE, &limit); err != nil || limit.Cur != 0 || limit.Max != 0 {
			t.Fatalf("core limit %+v, %v", limit, err)
		}
		return
	}
	child := exec.Command(os.Args[0], "-test.run", "^TestAHardenedProcessDumpsNoCore$")
	child.Env = append(os.Environ(), "POSTERN_TEST_HARDEN=1")
	if out, err := child.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}
