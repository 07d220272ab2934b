package desk

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"time"

	"github.com/postern-mail/postern/pkg/vault"
)

//go:embed page/*.html
var pageFiles embed.FS

//go:embed static
var staticFiles embed.FS

// Policies for browsers. A page of ours runs our one script and nothing else; a
// message runs nothing, loads nothing and reaches nothing.
const (
	pagePolicy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; " +
		"frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
	messagePolicy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; base-uri 'none'; " +
		"frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox"
)

// Web is the desk as browsers see it.
type Web struct {
	config    Config
	log       *slog.Logger
	now       func() time.Time
	users     *Directory
	sessions  *sessions
	tickets   Tickets
	reader    reader
	voice     Voice
	retention Retention
	changes   Changes
	demo      Demo // nil outside the demonstration
	pages     *template.Template
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
	Retention Retention
	Changes   Changes
	Demo      Demo
}

// NewWeb makes the pages.
func NewWeb(config Config, deps WebDeps) (*Web, error) {
	if err := config.Check(); err != nil {
		return nil, err
	}
	pages, err := template.New("").Funcs(functions).ParseFS(pageFiles, "page/*.html")
	if err != nil {
		return nil, fmt.Errorf("desk pages: %w", err)
	}
	if deps.Wall == nil {
		deps.Wall = time.Now // a clock that is moved on for a demonstration signs nobody out
	}
	users := NewDirectory(config.UsersFile)
	return &Web{
		config: config, log: deps.Log, now: deps.Now, users: users,
		sessions:  &sessions{short: deps.Short, users: users, config: config, now: deps.Wall},
		tickets:   deps.Tickets,
		reader:    reader{opener: deps.Opener, vault: deps.Vault},
		voice:     deps.Voice,
		retention: deps.Retention,
		changes:   deps.Changes,
		demo:      deps.Demo,
		pages:     pages,
	}, nil
}

// SignInLink makes a link that signs a user in, once.
func (web *Web) SignInLink(ctx context.Context, user string) (string, error) {
	return web.sessions.link(ctx, user)
}

// Handler gives every page.
func (web *Web) Handler() http.Handler {
	mux := http.NewServeMux()
	files, err := fs.Sub(staticFiles, "static")
	if err != nil {
		panic(err) // the folder is embedded above
	}
	mux.Handle("GET /static/", http.StripPrefix("/static/", http.FileServerFS(files)))
	mux.HandleFunc("GET /favicon.ico", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/static/icon.svg", http.StatusMovedPermanently)
	})
	mux.HandleFunc("GET /signin", web.signInPage)
	mux.HandleFunc("POST /signin", web.signIn)
	mux.HandleFunc("GET /link/{token}", web.linkPage)
	mux.HandleFunc("POST /link/{token}", web.followLink)
	mux.Handle("POST /signout", web.may(nil, web.signOut))

	readers := []Role{Agent, Lead}
	mux.Handle("GET /{$}", web.may(nil, web.home))
	mux.Handle("GET /tickets", web.may(readers, web.list))
	mux.Handle("GET /tickets/{ticket}", web.may(readers, web.ticket))
	mux.Handle("GET /tickets/{ticket}/message", web.may(readers, web.message))
	mux.Handle("GET /tickets/{ticket}/files/{index}", web.may(readers, web.download))
	mux.Handle("POST /tickets/{ticket}/status", web.may(readers, web.setStatus))
	mux.Handle("POST /tickets/{ticket}/assignee", web.may(readers, web.setAssignee))
	mux.Handle("POST /tickets/{ticket}/reveal", web.may(readers, web.reveal))
	mux.Handle("GET /tickets/{ticket}/reads", web.may([]Role{Lead, Auditor, Privacy}, web.reads))
	mux.Handle("GET /reads", web.may([]Role{Auditor, Privacy}, web.recentReads))
	mux.Handle("GET /retention", web.may([]Role{Privacy, Auditor, Admin}, web.retentionPage))
	mux.Handle("GET /retention/certificates/{id}", web.may([]Role{Privacy, Auditor, Admin}, web.certificate))
	mux.Handle("POST /tickets/{ticket}/hold", web.may([]Role{Privacy}, web.hold))
	mux.Handle("POST /tickets/{ticket}/release", web.may([]Role{Privacy}, web.release))
	mux.Handle("GET /events", web.may(nil, web.events))
	if web.demo != nil {
		mux.Handle("POST /demo/advance", web.may([]Role{Admin}, web.advance))
	}
	// Requests that change something must come from our own pages.
	return web.headers(http.NewCrossOriginProtection().Handler(mux))
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
		r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
		next.ServeHTTP(w, r)
	})
}

// A visit is one request of somebody who is signed in.
type visit struct {
	*http.Request
	w    http.ResponseWriter
	user User
	csrf string
}

// may lets people with one of some roles in (nil: everybody who is signed in).
func (web *Web) may(roles []Role, page func(*visit) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, session, ok, err := web.sessions.current(r)
		if err != nil {
			web.fail(w, r, err)
			return
		}
		if !ok {
			http.Redirect(w, r, "/signin", http.StatusSeeOther)
			return
		}
		if roles != nil && !user.Has(roles...) {
			web.refuse(w, r, http.StatusForbidden, "Your role does not open this page.", user)
			return
		}
		if err := page(&visit{r, w, user, session.CSRF}); err != nil {
			web.fail(w, r, err)
		}
	})
}

// fail answers what went wrong with us; what a person did wrong has its own pages.
func (web *Web) fail(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case errors.Is(err, context.Canceled):
		return
	case errors.Is(err, vault.ErrNotFound):
		web.refuse(w, r, http.StatusNotFound, "There is no such thing here.", User{})
	case errors.Is(err, ErrGone):
		web.refuse(w, r, http.StatusGone, "This has been destroyed, as its retention period is over. The ticket's page names the certificate.", User{})
	default:
		web.log.Error("page failed", "path", r.Pattern, "err", err)
		web.refuse(w, r, http.StatusServiceUnavailable, "The desk cannot answer now: something that it needs does not. Nothing is lost; try again in a moment.", User{})
	}
}

func (web *Web) refuse(w http.ResponseWriter, r *http.Request, status int, text string, user User) {
	w.WriteHeader(status)
	web.write(w, r, "refusal.html", map[string]any{"Title": http.StatusText(status), "Status": status, "Text": text, "User": user})
}

// render writes a page for a visit.
func (web *Web) render(v *visit, page string, data map[string]any) error {
	data["User"] = v.user
	data["CSRF"] = v.csrf
	data["Now"] = web.now()
	data["Demo"] = web.demo != nil
	data["Path"] = v.URL.Path
	web.write(v.w, v.Request, page, data)
	return nil
}

func (web *Web) write(w http.ResponseWriter, r *http.Request, page string, data map[string]any) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if err := web.pages.ExecuteTemplate(w, page, data); err != nil && !errors.Is(err, context.Canceled) {
		web.log.Error("page not written", "page", page, "path", r.Pattern, "err", err)
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
	}
	http.Redirect(v.w, v.Request, to, http.StatusSeeOther)
	return nil
}
