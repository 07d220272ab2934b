package promise2

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// A collector takes spans over OTLP/HTTP and keeps every request as it came.
type collector struct {
	url    string
	folder string
	mu     sync.Mutex
	count  int
}

func collect(t *testing.T) *collector {
	t.Helper()
	c := &collector{folder: t.TempDir()}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c.url = "http://" + listener.Addr().String()
	server := &http.Server{Handler: c}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener) // it ends with the server
	}()
	t.Cleanup(func() {
		_ = server.Close()
		<-done
	})
	return c
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, "unreadable", http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := os.WriteFile(filepath.Join(c.folder, fmt.Sprintf("%06d", c.count)), body, 0o600); err != nil {
		http.Error(w, "not kept", http.StatusInternalServerError)
		return
	}
	c.count++
	w.Header().Set("Content-Type", "application/x-protobuf")
}

func (c *collector) received() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.count
}
