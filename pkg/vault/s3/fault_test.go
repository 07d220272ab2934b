package s3_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postern-mail/postern/pkg/vault"
	"github.com/postern-mail/postern/pkg/vault/s3"
	"github.com/postern-mail/postern/pkg/vault/s3/s3test"
	"github.com/postern-mail/postern/pkg/vault/vaulttest"
)

// A fault says what goes wrong with a request.
type fault int

const (
	none    fault = iota
	refused       // the server says that it is busy, and does nothing
	cut           // the connection breaks before the server has seen it
	mute          // the server does it, and the answer is lost
	claimed       // the server says that the upload is completed, and does nothing
)

// A line passes requests on to the gateway and breaks where it is told to.
type line struct {
	to string

	mu       sync.Mutex
	requests []string
	broken   func(i int, r *http.Request) fault
	cutBody  int64 // bytes of an answer after which it breaks; 0: never
}

// between puts a line in front of a gateway.
func between(t *testing.T, config s3.Config) (*line, s3.Config) {
	t.Helper()
	l := &line{to: config.Endpoint, broken: func(int, *http.Request) fault { return none }}
	server := httptest.NewServer(l)
	t.Cleanup(server.Close)
	config.Endpoint = strings.TrimPrefix(server.URL, "http://")
	return l, config
}

func (l *line) reset(broken func(i int, r *http.Request) fault) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.requests, l.broken = nil, broken
}

func (l *line) seen() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.requests)
}

func (l *line) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	l.requests = append(l.requests, r.Method+" "+r.URL.RequestURI())
	what := l.broken(len(l.requests), r)
	cutBody := l.cutBody
	l.mu.Unlock()
	switch what {
	case refused:
		io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	case cut:
		panic(http.ErrAbortHandler)
	case claimed:
		io.Copy(io.Discard, r.Body)
		io.WriteString(w, `<CompleteMultipartUploadResult><ETag>"304de2ee2c0d1032f5c1b2fe834a9252-1"</ETag></CompleteMultipartUploadResult>`)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	// Whatever becomes of the client, the gateway gets the request.
	onward, err := http.NewRequestWithContext(context.WithoutCancel(r.Context()), r.Method, "http://"+l.to+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	onward.Header, onward.Host = r.Header.Clone(), r.Host // which the signature covers
	answer, err := http.DefaultTransport.RoundTrip(onward)
	if err != nil || what == mute {
		panic(http.ErrAbortHandler)
	}
	defer answer.Body.Close()
	for key, values := range answer.Header {
		w.Header()[key] = values
	}
	w.WriteHeader(answer.StatusCode)
	if cutBody > 0 {
		io.CopyN(w, answer.Body, cutBody)
		panic(http.ErrAbortHandler)
	}
	io.Copy(w, answer.Body)
}

func put(t *testing.T, store *s3.Store, name string, size int) error {
	t.Helper()
	_, err := store.Put(t.Context(), name, bytes.NewReader(vaulttest.Bytes(size)), vault.PutOptions{})
	return err
}

func holds(t *testing.T, store *s3.Store, name string, size int) bool {
	t.Helper()
	body, _, err := store.Get(t.Context(), name)
	if errors.Is(err, vault.ErrNotFound) {
		return false
	}
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	data, err := io.ReadAll(body)
	if err != nil || !bytes.Equal(data, vaulttest.Bytes(size)) {
		t.Errorf("%s holds %d other bytes (%v)", name, len(data), err)
	}
	return true
}

func TestAPutWhoseAnswerIsLostKnowsItsOwnObject(t *testing.T) {
	config := s3test.Start(t)
	direct := open(t, config)
	l, config := between(t, config)
	store := open(t, config)
	for name, size := range map[string]int{"raw/small": 1000, "raw/large": 6 << 20} {
		var lost atomic.Bool
		// The request that makes the object visible is done, and its answer lost.
		l.reset(func(_ int, r *http.Request) fault {
			last := size < 1<<20 && r.Method == http.MethodPut || r.Method == http.MethodPost && r.URL.Query().Has("uploadId")
			if last {
				l.broken = func(int, *http.Request) fault { return none }
				lost.Store(true)
				return mute
			}
			return none
		})
		if err := put(t, store, name, size); err != nil {
			t.Errorf("%s: %v after %q", name, err, l.seen())
		}
		if !lost.Load() {
			t.Errorf("%s: no answer was lost", name)
		}
		if !holds(t, direct, name, size) {
			t.Errorf("%s was said to be stored and is not", name)
		}
		l.reset(func(int, *http.Request) fault { return none })
		if err := put(t, store, name, size); !errors.Is(err, vault.ErrExists) {
			t.Errorf("another put of %s: %v", name, err)
		}
	}
}

func TestAServerThatIsBusyForAMomentIsAskedAgain(t *testing.T) {
	config := s3test.Start(t)
	l, config := between(t, config)
	store := open(t, config)
	l.reset(func(i int, _ *http.Request) fault { return []fault{none, refused, cut}[min(i, 3)%3] })
	if err := put(t, store, "raw/a", 1000); err != nil {
		t.Error(err)
	}
	if len(l.seen()) != 3 {
		t.Errorf("%d requests: %q", len(l.seen()), l.seen())
	}
}

func TestAServerThatStaysBusyIsGivenUp(t *testing.T) {
	config := s3test.Start(t)
	l, config := between(t, config)
	config.Tries = 2
	store := open(t, config)
	l.reset(func(int, *http.Request) fault { return refused })
	if err := put(t, store, "raw/a", 1000); err == nil {
		t.Error("no error")
	}
	if len(l.seen()) != 2 {
		t.Errorf("%d requests, want 2", len(l.seen()))
	}
}

// Whatever breaks at whatever request, an object is whole or not there, and it is
// there when Put said so.
func TestEveryRequestOfAPutMayFailInEveryWay(t *testing.T) {
	config := s3test.Start(t)
	direct := open(t, config)
	l, config := between(t, config)
	config.Tries = 1
	store := open(t, config)
	for _, size := range []int{1000, 11 << 20} {
		l.reset(func(int, *http.Request) fault { return none })
		if err := put(t, store, "raw/good/"+string(rune('a'+size%26)), size); err != nil {
			t.Fatal(err)
		}
		good := len(l.seen())
		for i := 1; i <= good; i++ {
			for _, what := range []fault{refused, cut, mute} {
				var hit atomic.Bool
				l.reset(func(n int, _ *http.Request) fault {
					if n == i {
						hit.Store(true)
						return what
					}
					return none
				})
				name := "raw/" + string(rune('a'+size%26)) + string(rune('a'+i)) + string(rune('a'+int(what)))
				err := put(t, store, name, size)
				there := holds(t, direct, name, size)
				switch {
				case !hit.Load():
					t.Errorf("request %d of %d bytes was never made", i, size)
				case err == nil: // a question whose answer was lost may be asked again
					if !there {
						t.Errorf("request %d of %d bytes, fault %d: no error and no object", i, size, what)
					}
				case there && i != good && (what != mute || i != good-1): // the last two: its completion, and the look at it
					t.Errorf("request %d of %d bytes, fault %d: it failed and left an object", i, size, what)
				}
			}
		}
		t.Logf("%d bytes take %d requests", size, good)
	}
}

// A gateway that was killed while it put the parts of an upload together says so when it is asked again.
func TestAnUploadThatIsSaidToBeCompletedAndIsNotIsAnError(t *testing.T) {
	config := s3test.Start(t)
	direct := open(t, config)
	l, config := between(t, config)
	store := open(t, config)
	l.reset(func(_ int, r *http.Request) fault {
		if r.Method == http.MethodPost && r.URL.Query().Has("uploadId") {
			return claimed
		}
		return none
	})
	const size = 6 << 20
	if err := put(t, store, "raw/a", size); err == nil || holds(t, direct, "raw/a", size) {
		t.Errorf("%v after %q", err, l.seen())
	}
	l.reset(func(int, *http.Request) fault { return none })
	if err := put(t, store, "raw/a", size); err != nil || !holds(t, direct, "raw/a", size) {
		t.Errorf("once it does what it says: %v", err)
	}
}

func TestABodyThatBreaksOffIsAnError(t *testing.T) {
	config := s3test.Start(t)
	if err := put(t, open(t, config), "raw/a", 100_000); err != nil {
		t.Fatal(err)
	}
	l, config := between(t, config)
	l.cutBody = 50_000
	body, _, err := open(t, config).Get(t.Context(), "raw/a")
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if data, err := io.ReadAll(body); err == nil {
		t.Errorf("%d bytes passed for the whole", len(data))
	}
}

func TestAServerThatDoesNotGoOnIsGivenUp(t *testing.T) {
	hang := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			w.Header().Set("Content-Length", "100")
			w.Header().Set("Last-Modified", time.Unix(0, 0).UTC().Format(http.TimeFormat))
			w.Write([]byte("some"))
			w.(http.Flusher).Flush()
		}
		<-hang
	}))
	defer server.Close()
	defer close(hang)
	store := open(t, s3.Config{
		Endpoint: strings.TrimPrefix(server.URL, "http://"), Bucket: "postern", AccessKey: "a", SecretKey: "b",
		Plaintext: true, PathStyle: true, Stall: 50 * time.Millisecond, Tries: 1,
	})
	if err := put(t, store, "raw/a", 1000); err == nil {
		t.Error("put: no error")
	}
	body, _, err := store.Get(t.Context(), "raw/a")
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if data, err := io.ReadAll(body); err == nil {
		t.Errorf("get: %d bytes passed for the whole", len(data))
	}
}

func TestMemoryDoesNotGrowWithTheSizeOfAnObject(t *testing.T) {
	store := open(t, s3test.Start(t))
	const size = 200 << 20
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := store.Put(t.Context(), "raw/huge", io.LimitReader(zeros{}, size), vault.PutOptions{Size: -1})
	if err != nil {
		t.Fatal(err)
	}
	body, object, err := store.Get(t.Context(), "raw/huge")
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if n, err := io.Copy(io.Discard, body); n != size || object.Size != size || err != nil {
		t.Errorf("%d bytes of %d, %v", n, object.Size, err)
	}
	runtime.ReadMemStats(&after)
	if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 32<<20 {
		t.Errorf("%d MiB were allocated for %d MiB", allocated>>20, size>>20)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func TestAConfigurationIsHeldToItsForm(t *testing.T) {
	good := s3.Config{Endpoint: "localhost:9000", Bucket: "postern", AccessKey: "a", SecretKey: "b"}
	for what, change := range map[string]func(*s3.Config){
		"no endpoint":         func(c *s3.Config) { c.Endpoint = "" },
		"no bucket":           func(c *s3.Config) { c.Bucket = "" },
		"no access key":       func(c *s3.Config) { c.AccessKey = "" },
		"no secret key":       func(c *s3.Config) { c.SecretKey = "" },
		"an address as a URL": func(c *s3.Config) { c.Endpoint = "https://localhost/x" },
		"parts too small":     func(c *s3.Config) { c.PartSize = 5<<20 - 1 },
		"an unknown lock":     func(c *s3.Config) { c.Lock = "forever" },
	} {
		config := good
		change(&config)
		if _, err := s3.New(config); err == nil {
			t.Errorf("%s: accepted", what)
		} else if strings.Contains(err.Error(), good.SecretKey+" ") {
			t.Errorf("%s: the error shows a key", what)
		}
	}
	if _, err := s3.New(good); err != nil {
		t.Error(err)
	}
}

func TestCheckSaysWhatIsWrongWithTheBucket(t *testing.T) {
	config := s3test.Start(t)
	if err := open(t, config).Check(t.Context()); err != nil {
		t.Errorf("a good bucket: %v", err)
	}
	missing := config
	missing.Bucket = "other"
	if err := open(t, missing).Check(t.Context()); err == nil || !strings.Contains(err.Error(), "does not exist") {
		t.Errorf("a missing bucket: %v", err)
	}
	locked := config
	locked.Lock = s3.Compliance
	if err := open(t, locked).Check(t.Context()); err == nil || !strings.Contains(err.Error(), "object lock") {
		t.Errorf("a bucket without lock: %v", err)
	}
	stranger := config
	stranger.SecretKey = "wrong"
	if err := open(t, stranger).Check(t.Context()); err == nil {
		t.Error("a wrong key was not noticed")
	}
}
