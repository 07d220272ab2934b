package desk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"runtime/debug"
	"strings"
	"time"

	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/keys"
	"github.com/postern-mail/postern/pkg/vault"
)

// Policies for browsers. A page of ours runs our one script and nothing else; a
// message runs nothing, loads nothing and reaches nothing.
const (
	pagePolicy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; " +
		"frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
	messagePolicy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; base-uri 'none'; " +
		"frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox"
	filePolicy = "default-src 'none'; frame-ancestors 'none'; sandbox"
)

// signingMost is how many sign-ins are checked at once.
const signingMost = 8

// maxForm is the most bytes of a form.
const maxForm = 64 << 10

// Web is the desk as browsers see it.
type Web struct {
	config    Config
	proxies   []netip.Prefix
	log       *slog.Logger
	now       func() time.Time
	users     *Directory
	sessions  *sessions
	signing   chan struct{} // one for each sign-in that is being checked
	searching chan struct{} // one for each search that is under way
	tickets   Tickets
	reader    reader
	voice     Voice
	audit     Log
	retention Retention
	asides    Asides
	originals originals
	glances   glances
	hub       *hub
	demo      Demo // nil outside the demonstration
	pages     *template.Template
	static    map[string]staticFile
}

// WebDeps are what Web works with.
type WebDeps struct {
	Log       *slog.Logger
	Now       func() time.Time
	Wall      func() time.Time // by which sessions end; nil: the machine's
	Short     Short
	Tickets   Tickets
	Opener    Opener
	Vault     vault.Store
	Voice     Voice
	Audit     Log
	Retention Retention
	Asides    Asides
	Changes   Changes
	Demo      Demo
}

// NewWeb makes the pages.
func NewWeb(config Config, deps WebDeps) (*Web, error) {
	if err := config.Check(); err != nil {
		return nil, err
	}
	if deps.Audit == nil {
		return nil, errors.New("desk: there is no audit log to read")
	}
	if deps.Wall == nil {
		deps.Wall = time.Now // a clock that is moved on for a demonstration signs nobody out
	}
	users := NewDirectory(config.UsersFile)
	web := &Web{
		config: config, log: deps.Log, now: deps.Now, users: users,
		sessions:  &sessions{short: deps.Short, users: users, config: config, now: deps.Wall},
		signing:   make(chan struct{}, signingMost),
		searching: make(chan struct{}, searchers),
		tickets:   deps.Tickets,
		reader:    reader{opener: deps.Opener, vault: deps.Vault},
		voice:     deps.Voice,
		audit:     deps.Audit,
		retention: deps.Retention,
		asides:    deps.Asides,
		originals: originals{short: deps.Short, wall: deps.Wall},
		hub:       newHub(deps.Changes),
		demo:      deps.Demo,
	}
	var err error
	if web.proxies, err = config.proxies(); err != nil {
		return nil, err
	}
	if web.static, err = readStatic(); err != nil {
		return nil, err
	}
	web.pages, err = template.New("").Funcs(functions).Funcs(template.FuncMap{"static": web.staticAddress}).ParseFS(pageFiles, "page/*.html")
	if err != nil {
		return nil, fmt.Errorf("desk pages: %w", err)
	}
	return web, nil
}

// SignInLink makes a link that signs a user in, once.
func (web *Web) SignInLink(ctx context.Context, user string) (string, error) {
	return web.sessions.link(ctx, user)
}

// Drain ends the streams that tell pages of changes, which never end by themselves. Whoever
// stops the server calls it first.
func (web *Web) Drain() { web.hub.close() }

// Handler gives every page.
func (web *Web) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /static/{file}", web.staticFile)
	mux.HandleFunc("GET /favicon.ico", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, web.staticAddress("icon.svg"), http.StatusFound)
	})
	mux.HandleFunc("GET /robots.txt", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("User-agent: *\nDisallow: /\n"))
	})
	mux.HandleFunc("GET /signin", web.signInPage)
	mux.HandleFunc("POST /signin", web.signIn)
	mux.HandleFunc("GET /link/{token}", web.linkPage)
	mux.HandleFunc("POST /link/{token}", web.followLink)
	mux.Handle("POST /signout", web.may(nil, web.signOut))
	for _, route := range web.routes() {
		mux.Handle(route.pattern, web.may(route.roles, route.page))
	}
	// Requests that change something must come from our own pages.
	guard := http.NewCrossOriginProtection()
	if base, err := url.Parse(web.config.BaseURL); err == nil {
		_ = guard.AddTrustedOrigin(base.Scheme + "://" + base.Host) // a proxy may call us by another name
	}
	guard.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		web.refuse(w, r, http.StatusForbidden, "This request came from another site's page. Nothing was done.")
	}))
	return web.headers(guard.Handler(mux))
}

// A route is one page for people who are signed in.
type route struct {
	pattern string
	roles   []Role // who may; nil: everybody
	page    func(*visit) error
}

func (web *Web) routes() []route {
	readers, watchers, keepers := []Role{Agent, Lead}, []Role{Lead, Auditor, Privacy}, []Role{Privacy, Auditor, Admin}
	approvers := []Role{Lead, Privacy}
	routes := []route{
		{"GET /{$}", nil, web.home},
		{"GET /tickets", readers, web.list},
		{"GET /tickets/{ticket}", readers, web.ticket},
		{"GET /tickets/{ticket}/message", readers, web.message},
		{"GET /tickets/{ticket}/files/{index}", readers, web.download},
		{"GET /tickets/{ticket}/files/{index}/look", readers, web.look},
		{"POST /tickets/{ticket}/status", readers, web.setStatus},
		{"POST /tickets/{ticket}/assignee", readers, web.setAssignee},
		{"POST /tickets/{ticket}/reveal", readers, web.reveal},
		{"GET /tickets/{ticket}/reveal", readers, web.backToTicket},
		{"GET /tickets/{ticket}/original", readers, web.originalPage},
		{"POST /tickets/{ticket}/original", readers, web.askOriginal},
		{"POST /tickets/{ticket}/original/file", readers, web.takeOriginal},
		{"GET /originals", approvers, web.originalsPage},
		{"GET /originals/{ticket}", approvers, web.reviewPage},
		{"POST /originals/{ticket}", approvers, web.review},
		{"GET /tickets/{ticket}/reads", watchers, web.reads},
		{"POST /tickets/{ticket}/reasons", watchers, web.reasons},
		{"GET /reads", []Role{Auditor, Privacy}, web.recentReads},
		{"GET /aside", seeAside, web.asidePage},
		{"GET /aside/{item}", seeAside, web.asideOne},
		{"POST /aside/retry", mayRetry, web.retryAside},
		{"GET /aside/{item}/original", mayAskAside, web.asideOriginalPage},
		{"POST /aside/{item}/original", mayAskAside, web.askAsideOriginal},
		{"POST /aside/{item}/original/file", mayAskAside, web.takeAsideOriginal},
		{"GET /aside/{item}/delete", mayDelete, web.deletePage},
		{"POST /aside/{item}/delete", mayDelete, web.deleteAside},
		{"GET /retention", keepers, web.retentionPage},
		{"GET /retention/certificates/{id}", keepers, web.certificate},
		{"POST /tickets/{ticket}/hold", []Role{Privacy}, web.hold},
		{"POST /tickets/{ticket}/release", []Role{Privacy}, web.release},
		{"GET /events", readers, web.events},
		{"GET /help", nil, web.help},
		{"POST /search", readers, web.search},
		{"/", nil, func(*visit) error { return vault.ErrNotFound }},
	}
	if web.demo != nil {
		routes = append(routes, route{"POST /demo/advance", []Role{Admin}, web.advance})
	}
	return routes
}

func (web *Web) headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Security-Policy", pagePolicy)
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("Cross-Origin-Opener-Policy", "same-origin")
		header.Set("Cross-Origin-Resource-Policy", "same-origin")
		header.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
		header.Set("Cache-Control", "no-store")
		if web.sessions.secure() {
			header.Set("Strict-Transport-Security", "max-age=31536000")
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		begun := &beginning{ResponseWriter: w}
		w = begun
		defer func() {
			switch caught := recover(); caught {
			case nil:
			case http.ErrAbortHandler:
				panic(caught)
			default: // its value may hold a customer's words; only its place is told
				web.log.Error("page panicked", "page", r.Pattern, "stack", string(debug.Stack()))
				if begun.yes {
					panic(http.ErrAbortHandler) // the browser sees that it is not whole
				}
				web.unable(w, r)
			}
		}()
		next.ServeHTTP(w, r)
	})
}

// A beginning knows whether an answer has begun.
type beginning struct {
	http.ResponseWriter
	yes bool
}

func (b *beginning) WriteHeader(status int) {
	b.yes = true
	b.ResponseWriter.WriteHeader(status)
}

func (b *beginning) Write(p []byte) (int, error) {
	b.yes = true
	return b.ResponseWriter.Write(p)
}

// Unwrap is for http.ResponseController.
func (b *beginning) Unwrap() http.ResponseWriter { return b.ResponseWriter }

// A visit is one request of somebody who is signed in.
type visit struct {
	*http.Request
	w    http.ResponseWriter
	user User
}

// may lets people with one of some roles in (nil: everybody who is signed in).
func (web *Web) may(roles []Role, page func(*visit) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, ok, err := web.sessions.current(r)
		if err != nil {
			web.fail(w, r, err)
			return
		}
		if !ok {
			web.askToSignIn(w, r)
			return
		}
		if !byItself(r) {
			if err := web.sessions.keep(r); err != nil {
				web.fail(w, r, err)
				return
			}
		}
		if roles != nil && !user.Has(roles...) {
			web.refuse(w, r, http.StatusForbidden, "Your role does not open this page.")
			return
		}
		if err := page(&visit{r, w, user}); err != nil {
			web.fail(w, r, err)
		}
	})
}

// byItself says whether a page asks without anybody at the keyboard.
func byItself(r *http.Request) bool {
	return r.URL.Path == "/events" || r.Method == http.MethodGet && r.URL.Query().Get("part") != ""
}

// errWrong is what a person did wrong: the sentence tells them.
type errWrong struct {
	status int
	text   string
}

func (e errWrong) Error() string { return http.StatusText(e.status) }

func wrong(status int, text string) error { return errWrong{status, text} }

// fail answers what went wrong.
func (web *Web) fail(w http.ResponseWriter, r *http.Request, err error) {
	var mistaken errWrong
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &mistaken):
		web.refuse(w, r, mistaken.status, mistaken.text)
	case errors.As(err, &large):
		web.refuse(w, r, http.StatusRequestEntityTooLarge, "That is more than this form takes.")
	case errors.Is(err, context.Canceled) && r.Context().Err() != nil:
		return
	case errors.Is(err, vault.ErrNotFound):
		web.refuse(w, r, http.StatusNotFound, "There is no such thing here.")
	case errors.Is(err, ErrGone), gone(err):
		web.refuse(w, r, http.StatusGone, "This has been destroyed and cannot be brought back. The ticket's page names the certificate.")
	case refused(err):
		code, _ := keys.RefusalOf(err)
		web.log.Error("page refused by the keyring", "page", r.Pattern, "code", string(code))
		web.refuse(w, r, http.StatusConflict, "The keyring refuses this: "+outcomeWords(string(code))+". Nothing was changed.")
	default:
		web.log.Error("page failed", "page", r.Pattern, "err", err)
		web.unable(w, r)
	}
}

// refused says whether the keyring has refused for good: trying again helps nothing.
func refused(err error) bool {
	code, ok := keys.RefusalOf(err)
	return ok && !code.Passing()
}

func (web *Web) unable(w http.ResponseWriter, r *http.Request) {
	web.refuse(w, r, http.StatusServiceUnavailable, "The desk cannot answer now: something that it needs does not. Nothing is lost; try again in a moment.")
}

func (web *Web) refuse(w http.ResponseWriter, r *http.Request, status int, text string) {
	title, ok := map[int]string{
		http.StatusBadRequest: "That did not work", http.StatusForbidden: "Not for your role", http.StatusNotFound: "Not found",
		http.StatusGone: "Destroyed", http.StatusServiceUnavailable: "Not now", http.StatusConflict: "That cannot be done",
	}[status]
	if !ok {
		title = http.StatusText(status)
	}
	web.write(w, r, status, "refusal.html", map[string]any{"Title": title, "Text": text, "Back": cameFrom(r)})
}

// cameFrom is the page whose form was sent, "" where there is none.
func cameFrom(r *http.Request) string {
	if r.Method != http.MethodPost {
		return ""
	}
	ticket, item := r.PathValue("ticket"), r.PathValue("item")
	_, pattern, _ := strings.Cut(r.Pattern, " ")
	switch {
	case pattern == "/demo/advance":
		return "/retention"
	case event.IsItem(item):
		return strings.TrimSuffix(strings.Replace(pattern, "{item}", item, 1), "/file")
	case !event.IsTicket(ticket):
		return ""
	}
	switch strings.TrimPrefix(pattern, "/tickets/{ticket}") {
	case "/status", "/assignee", "/reveal":
		return "/tickets/" + ticket
	case "/original", "/original/file":
		return "/tickets/" + ticket + "/original"
	case "/reasons", "/hold", "/release":
		return "/tickets/" + ticket + "/reads"
	case "/originals/{ticket}":
		return "/originals"
	}
	return ""
}

// render writes a page for a visit.
func (web *Web) render(v *visit, page string, data map[string]any) error {
	data["User"] = v.user
	data["Now"] = web.now()
	data["Demo"] = web.demo != nil
	data["Path"] = v.URL.Path
	data["MayRetry"] = v.user.Has(mayRetry...)
	if v.user.Has(seeAside...) {
		data["Waiting"] = web.asides.Waiting()
	}
	web.write(v.w, v.Request, http.StatusOK, page, data)
	return nil
}

// write makes a page whole before it sends anything, so that one that cannot be made
// is never half shown.
func (web *Web) write(w http.ResponseWriter, r *http.Request, status int, page string, data map[string]any) {
	var text bytes.Buffer
	if err := web.pages.ExecuteTemplate(&text, page, data); err != nil {
		// The error's text can hold what was being shown.
		web.log.Error("page not made", "page", page)
		http.Error(w, "The desk cannot show this page.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	if _, err := text.WriteTo(w); err != nil && r.Context().Err() == nil {
		web.log.Debug("page not sent", "page", page, "err", err)
	}
}

// home sends people to the page that is theirs.
func (web *Web) home(v *visit) error {
	to := "/retention"
	switch {
	case v.user.Reads():
		to = "/tickets"
	case v.user.Has(Auditor):
		to = "/reads"
	case !v.user.Has(Privacy, Admin):
		return wrong(http.StatusForbidden, "You have no role yet. An administrator gives you one.")
	}
	http.Redirect(v.w, v.Request, to, http.StatusSeeOther)
	return nil
}

// address is where a request comes from: the connection's end, or, where that is a proxy
// that we believe, the last address that it wrote down.
func (web *Web) address(r *http.Request) string {
	end, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	from := end.Addr().Unmap()
	for _, network := range web.proxies {
		if !network.Contains(from) {
			continue
		}
		hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
		if client, err := netip.ParseAddr(strings.TrimSpace(hops[len(hops)-1])); err == nil {
			return client.Unmap().String()
		}
	}
	return from.String()
}
