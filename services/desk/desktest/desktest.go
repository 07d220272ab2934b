// Package desktest sets up a desk for tests: the real pages on the real board in an
// embedded Redis, and beside it what stands for the keyring, the bus and retention. The
// keyring here seals and opens layers for real and writes down who opened what.
package desktest

import (
	"bytes"
	"context"
	"encoding/base64"
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/argon2"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/config"
	"github.com/postern-mail/postern/pkg/keys"
	"github.com/postern-mail/postern/pkg/readmodel"
	"github.com/postern-mail/postern/pkg/readmodel/embedded"
	"github.com/postern-mail/postern/pkg/seal/open"
	"github.com/postern-mail/postern/pkg/vault"
	"github.com/postern-mail/postern/pkg/vault/memory"
	auditv1 "github.com/postern-mail/postern/proto/audit/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	retentionv1 "github.com/postern-mail/postern/proto/retention/v1"
	"github.com/postern-mail/postern/services/desk"
)

// Password is everybody's.
const Password = "correct horse battery"

// People are the users. Nora has no role, omnia has all.
var People = []desk.User{
	{Name: "agnes", Roles: []desk.Role{desk.Agent}}, {Name: "albert", Roles: []desk.Role{desk.Agent}},
	{Name: "lena", Roles: []desk.Role{desk.Lead}}, {Name: "leo", Roles: []desk.Role{desk.Lead}},
	{Name: "petra", Roles: []desk.Role{desk.Privacy}}, {Name: "aude", Roles: []desk.Role{desk.Auditor}},
	{Name: "adam", Roles: []desk.Role{desk.Admin}}, {Name: "nora", Roles: []desk.Role{}},
	{Name: "omnia", Roles: desk.Roles},
}

// A World is a desk with everything around it.
type World struct {
	t      testing.TB
	Config desk.Config
	Redis  *embedded.Server
	Model  *readmodel.Redis
	Board  *desk.Board
	Users  *desk.Directory
	Web    *desk.Web
	Server *httptest.Server
	Vault  vault.Store
	Log    *Log

	mu        sync.Mutex
	now       time.Time
	bucket    *open.BucketKey
	records   map[string]*itemv1.Record
	gone      map[string]keys.Refusal // layers that the keyring refuses
	tickets   uint64                  // sequence in TICKETS
	audit     uint64
	acts      []*auditv1.Act
	log       []*bus.Message // AUDIT
	requests  int
	mute      error // what Record and Say answer where set
	shut      error // what opening answers where set
	meanwhile func()
	recorded  func()
	certified []*retentionv1.Certified
	planned   []*retentionv1.Planned
	deletions []*desk.Deletion
}

// A Log keeps what was logged.
type Log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write is io.Writer.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// passwordHash is a hash that costs little: tests sign in often.
var passwordHash = sync.OnceValue(func() string {
	salt := []byte("a salt for tests")
	encode := base64.RawStdEncoding.EncodeToString
	return "$argon2id$v=19$m=64,t=1,p=1$" + encode(salt) + "$" + encode(argon2.IDKey([]byte(Password), salt, 1, 64, 1, 32))
})

// New sets up a world whose desk answers on loopback. Options change the configuration.
func New(t testing.TB, options ...func(*desk.Config)) *World {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	redis, err := embedded.Start()
	must(err)
	t.Cleanup(func() { redis.Close() })
	model, err := readmodel.Open(redis.Config())
	must(err)
	t.Cleanup(func() { model.Close() })
	bucket, err := open.GenerateBucketKey("standard.view.20261231.1")
	must(err)
	w := &World{
		t: t, Redis: redis, Model: model, Board: desk.NewBoard(model), Vault: memory.New(), Log: new(Log), bucket: bucket,
		now:     time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC),
		records: map[string]*itemv1.Record{}, gone: map[string]keys.Refusal{},
	}
	w.Server = httptest.NewUnstartedServer(nil)
	w.Config = desk.DefaultConfig()
	w.Config.BaseURL = "http://" + w.Server.Listener.Addr().String()
	w.Config.UsersFile = filepath.Join(t.TempDir(), "users.yaml")
	w.Config.SessionIdle = config.Duration(30 * time.Minute)
	for _, option := range options {
		option(&w.Config)
	}
	w.Users = desk.NewDirectory(w.Config.UsersFile)
	for _, user := range People {
		user.Password = passwordHash()
		must(w.Users.Save(user))
	}
	deps := desk.WebDeps{
		Log: slog.New(slog.NewTextHandler(w.Log, &slog.HandlerOptions{Level: slog.LevelDebug})), Now: w.Now, Wall: w.Now,
		Short: interrupted{model.Short(), w}, Tickets: w.Board, Opener: w, Vault: w.Vault, Voice: w, Audit: desk.NewLedger(auditLog{w}), Retention: retention{w}, Asides: asides{w}, Changes: w.Board,
	}
	if w.Config.Demo {
		deps.Demo = w
	}
	w.Web, err = desk.NewWeb(w.Config, deps)
	must(err)
	w.Server.Config.Handler = w.Web.Handler()
	w.Server.Config.ErrorLog = slog.NewLogLogger(slog.NewTextHandler(w.Log, nil), slog.LevelError)
	w.Server.Start()
	t.Cleanup(func() {
		w.Web.Drain()
		w.Server.CloseClientConnections()
		w.Server.Close()
	})
	return w
}

// Now is the world's clock.
func (w *World) Now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

// Pass moves the clock on, and with it all that expires.
func (w *World) Pass(by time.Duration) {
	w.set(func() { w.now = w.now.Add(by) })
	w.Redis.Advance(by)
}

// Mute has nothing be recorded or said any more; nil lets it again.
func (w *World) Mute(err error) { w.set(func() { w.mute = err }) }

// Shut has the keyring answer nothing; nil lets it again.
func (w *World) Shut(err error) { w.set(func() { w.shut = err }) }

// Meanwhile has something happen just before the next short-lived value is taken.
func (w *World) Meanwhile(happen func()) { w.set(func() { w.meanwhile = happen }) }

// Recorded has something happen just after the next act is recorded.
func (w *World) Recorded(happen func()) { w.set(func() { w.recorded = happen }) }

// interrupted are short-lived values that others reach first.
type interrupted struct {
	desk.Short
	world *World
}

// Take is desk.Short.Take.
func (i interrupted) Take(ctx context.Context, key string) ([]byte, bool, error) {
	i.world.mu.Lock()
	happen := i.world.meanwhile
	i.world.meanwhile = nil
	i.world.mu.Unlock()
	if happen != nil {
		happen()
	}
	return i.Short.Take(ctx, key)
}

// Forget drops what Acts and Requests tell of.
func (w *World) Forget() { w.set(func() { w.acts, w.requests = nil, 0 }) }

func (w *World) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

// Acts gives what was recorded so far, oldest first, as "actor action".
func (w *World) Acts() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var acts []string
	for _, act := range w.acts {
		text := act.GetActor() + " " + act.GetAction()
		if act.GetOutcome() != "allowed" {
			text += " " + act.GetOutcome()
		}
		acts = append(acts, text)
	}
	return acts
}

// Last gives the newest act of a kind, nil where there is none.
func (w *World) Last(action string) *auditv1.Act {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := len(w.acts) - 1; i >= 0; i-- {
		if w.acts[i].GetAction() == action {
			return w.acts[i]
		}
	}
	return nil
}

// Requests tells how many requests to open the keyring had.
func (w *World) Requests() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.requests
}
