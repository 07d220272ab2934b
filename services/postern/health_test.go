package main

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postern-mail/postern/pkg/run"
)

func TestHealthTellsWhetherTheProcessWorksAndWhatItWaitsFor(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	listener.Close()
	config := filepath.Join(t.TempDir(), "postern.yaml")
	if err := os.WriteFile(config, []byte("data_dir: data\noperations: {listen: \"0.0.0.0:"+port+"\"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ask := func(want int, says string) {
		t.Helper()
		code, out, complaint := typed(t, "", "health", "--config", config)
		if code != want || !strings.Contains(out+complaint, says) {
			t.Errorf("exit %d, want %d with %q:\n%s%s", code, want, says, out, complaint)
		}
	}
	ask(failed, "nobody answers at operations.listen")

	health := run.NewHealth()
	reporter := health.Reporter("verify")
	ctx, stop := context.WithCancel(t.Context())
	ended, err := run.ServeOperations(ctx, run.OperationsConfig{Listen: "0.0.0.0:" + port}, run.NewRegistry(), health)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { stop(); <-ended }()
	reporter.Waiting("the keyring")
	ask(failed, "verify waits for the keyring")
	reporter.Ready()
	ask(done, "ready")
}
