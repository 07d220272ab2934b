package run_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postern-mail/postern/pkg/run"
)

// A pipes is a listener whose connections are in memory, so that time can pass at once.
type pipes struct {
	incoming chan net.Conn
	closed   chan struct{}
	once     sync.Once
}

func newPipes() *pipes { return &pipes{incoming: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.incoming:
		return conn, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.closed) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80} }

// dial gives a client's end once the server has taken the other.
func (p *pipes) dial() net.Conn {
	ours, theirs := net.Pipe()
	p.incoming <- theirs
	return ours
}

// served runs a test's clients against a handler.
func served(t *testing.T, limits run.HTTPLimits, handler http.HandlerFunc, clients func(*pipes)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := newPipes()
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- run.ServeHTTP(ctx, p, handler, limits) }()
		clients(p)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestABodyThatDoesNotComeIsWaitedForOnlySoLong(t *testing.T) {
	type seen struct {
		after time.Duration
		err   error
	}
	for _, c := range []struct {
		pause time.Duration // before the last byte
		fails bool
	}{{30*time.Second - 1, false}, {30*time.Second + 1, true}} {
		var got chan seen // made where the time is
		handler := func(_ http.ResponseWriter, r *http.Request) {
			began := time.Now()
			_, err := io.ReadAll(r.Body)
			got <- seen{time.Since(began), err}
		}
		served(t, run.DefaultHTTPLimits(), handler, func(p *pipes) {
			got = make(chan seen, 1)
			conn := p.dial()
			defer conn.Close()
			go io.Copy(io.Discard, conn) //nolint:errcheck // what the server answers is of no interest
			fmt.Fprint(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n1")
			<-time.After(c.pause)
			fmt.Fprint(conn, "2") //nolint:errcheck // the server may have hung up
			s := <-got
			if (s.err != nil) != c.fails || s.after > 30*time.Second {
				t.Errorf("last byte after %v: %v after %v", c.pause, s.err, s.after)
			}
		})
	}
}

// Streams of events go on for hours; some begin with a body.
func TestAnAnswerThatIsTakenIsNeverCut(t *testing.T) {
	handler := func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("%s: %v", r.Method, err)
		}
		for i := range 100 {
			fmt.Fprintf(w, "%s %d\n", body, i)
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Errorf("%s: line %d: %v", r.Method, i, err)
				return
			}
			select {
			case <-time.After(5 * time.Minute):
			case <-r.Context().Done():
				t.Errorf("%s: ended after line %d", r.Method, i)
				return
			}
		}
	}
	for _, request := range []string{"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody"} {
		served(t, run.DefaultHTTPLimits(), handler, func(p *pipes) {
			conn := p.dial()
			defer conn.Close()
			fmt.Fprint(conn, request)
			answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(answer.Body)
			if err != nil || strings.Count(string(body), "\n") != 100 {
				t.Errorf("%d lines, %v", strings.Count(string(body), "\n"), err)
			}
		})
	}
}

func TestAReaderWhoTakesNothingIsLeft(t *testing.T) {
	for _, c := range []struct {
		pause time.Duration
		fails bool
	}{{time.Minute - 1, false}, {time.Minute + 1, true}} {
		var got chan error
		handler := func(w http.ResponseWriter, _ *http.Request) {
			_, err := w.Write(make([]byte, 300<<10))
			got <- err
		}
		served(t, run.DefaultHTTPLimits(), handler, func(p *pipes) {
			got = make(chan error, 1)
			conn := p.dial()
			defer conn.Close()
			fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			<-time.After(c.pause)
			go io.Copy(io.Discard, conn) //nolint:errcheck // ends with the connection
			if err := <-got; (err != nil) != c.fails {
				t.Errorf("a pause of %v: %v", c.pause, err)
			}
		})
	}
}

// A slow reader who takes something now and then has the answer whole, however long it takes.
func TestAReaderWhoIsSlowIsNotLeft(t *testing.T) {
	var got chan error
	handler := func(w http.ResponseWriter, _ *http.Request) {
		_, err := w.Write(make([]byte, 10*64<<10))
		got <- err
	}
	served(t, run.DefaultHTTPLimits(), handler, func(p *pipes) {
		got = make(chan error, 1)
		conn := p.dial()
		defer conn.Close()
		fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		go func() {
			for {
				<-time.After(50 * time.Second)
				if _, err := io.CopyN(io.Discard, conn, 64<<10); err != nil {
					return
				}
			}
		}()
		if err := <-got; err != nil {
			t.Error(err)
		}
	})
}

func TestAHeaderThatDoesNotComeEndsTheConnection(t *testing.T) {
	served(t, run.DefaultHTTPLimits(), func(http.ResponseWriter, *http.Request) {}, func(p *pipes) {
		conn := p.dial()
		defer conn.Close()
		fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost:")
		began := time.Now()
		if _, err := io.ReadAll(conn); err != nil || time.Since(began) != 10*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

func TestConnectionsBeyondTheLimitWait(t *testing.T) {
	limits := run.DefaultHTTPLimits()
	limits.Connections = 2
	served(t, limits, func(http.ResponseWriter, *http.Request) {}, func(p *pipes) {
		first, second := p.dial(), p.dial()
		defer second.Close()
		third := make(chan net.Conn, 1)
		go func() { third <- p.dial() }()
		synctest.Wait()
		select {
		case <-third:
			t.Error("one past the limit was accepted")
		default:
		}
		first.Close()
		conn := <-third // the limit is of those who are there
		defer conn.Close()
		fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		if answer, err := io.ReadAll(conn); err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 200") {
			t.Errorf("%q, %v", answer, err)
		}
	})
}

func TestAServerThatIsFullEnds(t *testing.T) {
	limits := run.DefaultHTTPLimits()
	limits.Connections = 1
	served(t, limits, func(http.ResponseWriter, *http.Request) {}, func(p *pipes) {
		p.dial() // the end comes while this one says nothing
		synctest.Wait()
	})
}
