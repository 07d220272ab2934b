package desk

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Short keeps short-lived values; *readmodel's expiring values are one.
type Short interface {
	// SetFor must forget the value after the time.
	SetFor(ctx context.Context, key string, value []byte, life time.Duration) error
	// SetNew is SetFor where there is no value; otherwise it must change nothing and answer false.
	SetNew(ctx context.Context, key string, value []byte, life time.Duration) (bool, error)
	// Get must answer false for what was forgotten or never set.
	Get(ctx context.Context, key string) ([]byte, bool, error)
	// Take must give a value to one caller only, and forget it.
	Take(ctx context.Context, key string) ([]byte, bool, error)
	// Extend must have the value live for that time from now, and answer false where there is none.
	Extend(ctx context.Context, key string, life time.Duration) (bool, error)
	// Drop forgets.
	Drop(ctx context.Context, key string) error
	// Count must add one and say how many there are within the window that the first began.
	Count(ctx context.Context, key string, window time.Duration) (int64, error)
}

// A session is who is signed in. Only the digest of its token is kept.
type session struct {
	User  string    `json:"user"`
	Until time.Time `json:"until"` // the end that no use moves
}

const linkLife = 15 * time.Minute

// sessions signs people in and out.
type sessions struct {
	short  Short
	users  *Directory
	config Config
	now    func() time.Time
}

func (s *sessions) secure() bool { return strings.HasPrefix(s.config.BaseURL, "https://") }

// cookie names differ so that a plain cookie can never stand in for a secure one.
func (s *sessions) cookie() string {
	if s.secure() {
		return "__Host-postern"
	}
	return "postern"
}

func newToken() string {
	raw := make([]byte, 32)
	rand.Read(raw) //nolint:errcheck // crypto/rand.Read never fails
	return base64.RawURLEncoding.EncodeToString(raw)
}

func kept(kind string, parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return kind + ":" + hex.EncodeToString(sum[:])
}

// begin signs a user in.
func (s *sessions) begin(ctx context.Context, w http.ResponseWriter, user string) error {
	token := newToken()
	value, err := json.Marshal(session{User: user, Until: s.now().Add(s.config.SessionMax.Std())})
	if err != nil {
		return fmt.Errorf("session: %w", err)
	}
	if err := s.short.SetFor(ctx, kept("session", token), value, s.config.SessionIdle.Std()); err != nil {
		return fmt.Errorf("session: %w", err)
	}
	http.SetCookie(w, &http.Cookie{
		Name: s.cookie(), Value: token, Path: "/", HttpOnly: true, Secure: s.secure(),
		SameSite: http.SameSiteStrictMode, MaxAge: int(s.config.SessionMax.Std().Seconds()),
	})
	return nil
}

// current gives who is signed in.
func (s *sessions) current(r *http.Request) (User, bool, error) {
	cookie, err := r.Cookie(s.cookie())
	if errors.Is(err, http.ErrNoCookie) {
		return User{}, false, nil
	}
	key := kept("session", cookie.Value)
	value, ok, err := s.short.Get(r.Context(), key)
	if err != nil || !ok {
		return User{}, false, err
	}
	var found session
	if json.Unmarshal(value, &found) != nil || !s.now().Before(found.Until) {
		return User{}, false, s.short.Drop(r.Context(), key)
	}
	return s.users.Find(found.User)
}

// keep has the session of a request live on. What a page does by itself must not call
// it: a browser that nobody sits at would never be signed out.
func (s *sessions) keep(r *http.Request) error {
	cookie, err := r.Cookie(s.cookie())
	if err != nil {
		return nil // nobody is signed in
	}
	_, err = s.short.Extend(r.Context(), kept("session", cookie.Value), s.config.SessionIdle.Std())
	return err
}

// drop forgets the session of a request.
func (s *sessions) drop(r *http.Request) error {
	cookie, err := r.Cookie(s.cookie())
	if err != nil {
		return nil // nobody is signed in
	}
	return s.short.Drop(r.Context(), kept("session", cookie.Value))
}

// end signs a user out, at the browser too.
func (s *sessions) end(w http.ResponseWriter, r *http.Request) error {
	http.SetCookie(w, &http.Cookie{Name: s.cookie(), Path: "/", MaxAge: -1, HttpOnly: true, Secure: s.secure(), SameSite: http.SameSiteStrictMode})
	return s.drop(r)
}

// link makes a sign-in link that works once.
func (s *sessions) link(ctx context.Context, user string) (string, error) {
	token := newToken()
	if err := s.short.SetFor(ctx, kept("link", token), []byte(user), linkLife); err != nil {
		return "", fmt.Errorf("sign-in link: %w", err)
	}
	return strings.TrimSuffix(s.config.BaseURL, "/") + "/link/" + token, nil
}

func (s *sessions) follow(ctx context.Context, token string) (User, bool, error) {
	name, ok, err := s.short.Take(ctx, kept("link", token))
	if err != nil || !ok {
		return User{}, false, err
	}
	return s.users.Find(string(name))
}

const (
	triesWindow = 15 * time.Minute
	// A name and an address alone are stopped later than the two together: a company sits
	// behind one address, and nobody must be able to lock somebody out from elsewhere too easily.
	triesAlone = 10
)

// tries counts a sign-in that is under way. It answers false where there were too many.
func (s *sessions) tries(ctx context.Context, name, address string) (bool, error) {
	count, err := s.short.Count(ctx, kept("tries", name, address), triesWindow)
	if err != nil || count > int64(s.config.SignInTries) {
		return false, err
	}
	for _, alone := range triedAlone(name, address) {
		if _, stopped, err := s.short.Get(ctx, "stopped-"+alone); err != nil || stopped {
			return false, err
		}
	}
	return true, nil
}

// failed counts a sign-in that failed. Those that succeed do not count here: a company that
// comes to work in the morning signs in from one address.
func (s *sessions) failed(ctx context.Context, name, address string) error {
	for _, alone := range triedAlone(name, address) {
		count, err := s.short.Count(ctx, alone, triesWindow)
		if err == nil && count >= int64(s.config.SignInTries)*triesAlone {
			err = s.short.SetFor(ctx, "stopped-"+alone, []byte{1}, triesWindow)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func triedAlone(name, address string) []string {
	return []string{kept("tries-name", name), kept("tries-address", address)}
}

// succeeded forgets the tries of somebody who then knew the password.
func (s *sessions) succeeded(ctx context.Context, name, address string) error {
	return s.short.Drop(ctx, kept("tries", name, address))
}
