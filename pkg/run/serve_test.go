package run_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/postern-mail/postern/pkg/run"
)

func TestARequestUnderWayIsFinishedBeforeTheServerIsGone(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var finished atomic.Bool
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		stop()
		for refused := 0; refused < 100; { // the end has begun, and some time has passed
			conn, err := net.Dial("tcp", address)
			if err != nil {
				refused++
				continue
			}
			conn.Close()
		}
		finished.Store(true)
		_, _ = io.WriteString(w, "whole")
	})
	answered := make(chan string, 1)
	go func() {
		response, err := http.Get("http://" + address)
		if err != nil {
			answered <- err.Error()
			return
		}
		defer response.Body.Close()
		body, _ := io.ReadAll(response.Body)
		answered <- string(body)
	}()
	if err := run.ServeHTTP(ctx, listener, handler, run.DefaultHTTPLimits()); err != nil {
		t.Fatal(err)
	}
	if !finished.Load() {
		t.Error("it returned while a request was under way")
	}
	if got := <-answered; got != "whole" {
		t.Errorf("answered %q", got)
	}
}
