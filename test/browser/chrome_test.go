package browser

import (
	"context"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// patience bounds each test; nothing passes by waiting for it.
const patience = 6 * time.Minute

// A chrome is one browser with an empty profile. All that it asks of other hosts than
// loopback ends at a proxy that writes it down.
type chrome struct {
	t       testing.TB
	ctx     context.Context
	outside *recorder
}

// abreast is how many browsers are at work at once: most of their time they wait for a
// page to come to rest.
const abreast = 4

func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", strconv.Itoa(abreast)); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// newChrome starts Chromium, or skips where there is none.
func newChrome(t testing.TB) *chrome {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("chromium is needed for this test: apt-get install chromium")
		}
		t.Skip("chromium is not installed: apt-get install chromium")
	}
	outside := newRecorder(t)
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(path), chromedp.UserDataDir(t.TempDir()), chromedp.ProxyServer(outside.server.URL), chromedp.WSURLReadTimeout(time.Minute),
		// One process for the frame of a message, so that its page sees all that happens in it.
		chromedp.Flag("disable-features", "IsolateSandboxedIframes,OptimizationHints,MediaRouter,Translate,AutofillServerCommunication"),
	}
	for _, flag := range []string{
		"headless", "no-sandbox", "disable-gpu", "disable-background-networking", "disable-component-update", "disable-sync", "no-first-run",
		"no-default-browser-check", "disable-default-apps", "disable-extensions", "disable-dev-shm-usage", "hide-scrollbars", "no-pings",
	} {
		options = append(options, chromedp.Flag(flag, true))
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("chromium does not start: %v", err)
	}
	return &chrome{t, ctx, outside}
}

// A recorder is an HTTP server that writes down who asks it for what.
type recorder struct {
	server *httptest.Server

	mu     sync.Mutex
	asked  []string
	from   []string // referrers
	opened int      // connections
	more   chan struct{}
}

func newRecorder(t testing.TB) *recorder {
	r := &recorder{more: make(chan struct{}, 1)}
	r.server = httptest.NewUnstartedServer(r)
	r.server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			r.mu.Lock()
			r.opened++
			r.mu.Unlock()
		}
	}
	r.server.Start()
	t.Cleanup(func() { r.server.CloseClientConnections(); r.server.Close() })
	return r
}

// ServeHTTP answers everything with something that can be shown or run.
func (r *recorder) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	address := q.URL.Path
	if q.URL.Host != "" || q.Method == http.MethodConnect { // as a proxy
		address = q.Host + q.URL.Path
	}
	r.mu.Lock()
	r.asked = append(r.asked, address)
	if referrer := q.Referer(); referrer != "" {
		r.from = append(r.from, referrer)
	}
	r.mu.Unlock()
	select {
	case r.more <- struct{}{}:
	default:
	}
	if q.Method == http.MethodConnect {
		http.Error(w, "nothing is beyond here", http.StatusForbidden)
		return
	}
	w.Header().Set("Access-Control-Allow-Origin", "*")
	switch {
	case strings.HasSuffix(address, ".js"):
		w.Header().Set("Content-Type", "text/javascript")
		fmt.Fprint(w, "console.log('ran', document.currentScript && document.currentScript.src)")
	case strings.HasSuffix(address, ".css"):
		w.Header().Set("Content-Type", "text/css")
	default:
		w.Header().Set("Content-Type", "image/svg+xml")
		fmt.Fprint(w, `<svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"/>`)
	}
}

func (r *recorder) paths() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.asked)
}

func (r *recorder) referrers() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.from)
}

// browsersOwn are hosts that Chromium asks by itself, whatever the page. As a proxy, the
// recorder lets nothing of it through.
var browsersOwn = []string{"accounts.google.com", "clients2.google.com", "content-autofill.googleapis.com", "update.googleapis.com", "optimizationguide-pa.googleapis.com", "redirector.gvt1.com", "edgedl.me.gvt1.com", "www.google.com:443"}

// pages gives what was asked for by pages, not by the browser.
func (r *recorder) pages() []string {
	return slices.DeleteFunc(r.paths(), func(address string) bool {
		return slices.ContainsFunc(browsersOwn, func(host string) bool { return strings.HasPrefix(address, host) })
	})
}

func (r *recorder) connections() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.opened
}

// await waits until all of some paths have been asked for, and gives those that were not.
func (r *recorder) await(ctx context.Context, want []string) []string {
	for {
		asked := r.paths()
		missing := slices.DeleteFunc(slices.Clone(want), func(path string) bool { return slices.Contains(asked, path) })
		if len(missing) == 0 {
			return nil
		}
		select {
		case <-r.more:
		case <-ctx.Done():
			return missing
		}
	}
}

// A tab is one page, and what was seen of it.
type tab struct {
	t   testing.TB
	ctx context.Context

	mu       sync.Mutex
	at       string // address that was opened last
	requests []string
	ran      []string // dialogs, console lines, exceptions
	blocked  []string // what the browser's policies had to stop
	quiet    map[cdp.FrameID]bool
	more     chan struct{}
}

// tab opens an empty page.
func (c *chrome) tab() *tab {
	c.t.Helper()
	ctx, cancel := chromedp.NewContext(c.ctx)
	c.t.Cleanup(cancel)
	p := &tab{t: c.t, ctx: ctx, quiet: map[cdp.FrameID]bool{}, more: make(chan struct{}, 1)}
	if err := chromedp.Listen(ctx, p.saw); err != nil {
		c.t.Fatal(err)
	}
	call(p, network.Enable, network.EnableParams{})
	call(p, log.Enable, cdp.Empty{})
	call(p, page.SetLifecycleEventsEnabled, page.SetLifecycleEventsEnabledParams{Enabled: true})
	return p
}

func (p *tab) saw(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	defer func() {
		select {
		case p.more <- struct{}{}:
		default:
		}
	}()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		if !strings.HasPrefix(e.Request.URL, "data:") {
			p.requests = append(p.requests, e.Request.URL)
		}
	case *page.EventJavascriptDialogOpening:
		p.ran = append(p.ran, "dialog "+e.Message)
		go chromedp.Call(p.ctx, page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{Accept: true}) //nolint:errcheck // the page may be gone
	case *runtime.EventConsoleAPICalled:
		line := "console"
		for _, arg := range e.Args {
			line += " " + string(arg.Value)
		}
		p.ran = append(p.ran, line)
	case *runtime.EventExceptionThrown:
		p.ran = append(p.ran, "exception "+e.ExceptionDetails.Text)
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError || e.Entry.Source == log.EntrySourceSecurity {
			p.blocked = append(p.blocked, e.Entry.Text)
		}
	case *page.EventLifecycleEvent:
		// A page that listens for changes is never without a request; what else it asks
		// for ends all the same.
		if e.Name == "networkIdle" || e.Name == "networkAlmostIdle" && listens(p.at) {
			p.quiet[e.FrameID] = true
		}
	}
}

// listens says whether a page listens for changes.
func listens(address string) bool {
	path, _, _ := strings.Cut(address, "?")
	return strings.HasSuffix(path, "/tickets")
}

func (p *tab) run(actions ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	if err := chromedp.Do(p.ctx, actions...); err != nil {
		p.t.Fatal(err)
	}
}

func call[P, R any](p *tab, command cdp.Command[P, R], params P) R {
	p.t.Helper()
	answer, err := chromedp.Call(p.ctx, command, params)
	if err != nil {
		p.t.Fatalf("%s: %v", command.Method, err)
	}
	return answer
}

// open goes to an address and waits until the page and its frame ask for nothing more.
func (p *tab) open(address string) {
	p.t.Helper()
	p.mu.Lock()
	p.at = address
	clear(p.quiet)
	p.mu.Unlock()
	p.run(chromedp.Navigate(address))
	frames := 1 + eval[int](p, `document.querySelectorAll("iframe[name=message]").length`)
	for {
		p.mu.Lock()
		quiet := len(p.quiet)
		p.mu.Unlock()
		if quiet >= frames {
			return
		}
		select {
		case <-p.more:
		case <-p.ctx.Done():
			p.t.Fatalf("%s does not come to rest", address)
		}
	}
}

// eval gives the value of an expression in the page.
func eval[T any](p *tab, expression string) T {
	p.t.Helper()
	value, err := chromedp.Run(p.ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		p.t.Fatalf("%s: %v", expression, err)
	}
	return value
}

// seen takes what was seen so far.
func (p *tab) seen() (requests, ran, blocked []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	requests, ran, blocked = p.requests, p.ran, p.blocked
	p.requests, p.ran, p.blocked = nil, nil, nil
	return requests, ran, blocked
}

// size sets the viewport.
func (p *tab) size(width, height int64, phone bool) {
	p.t.Helper()
	call(p, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: height, DeviceScaleFactor: 1, Mobile: phone})
	call(p, emulation.SetTouchEmulationEnabled, emulation.SetTouchEmulationEnabledParams{Enabled: phone})
}

// scheme has the browser want light or dark pages.
func (p *tab) scheme(name string) {
	p.t.Helper()
	call(p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}}})
}
