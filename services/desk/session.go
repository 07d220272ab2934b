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
	// Get must answer false for what was forgotten or never set.
	Get(ctx context.Context, key string) ([]byte, bool, error)
	// Take must give a value to one caller only, and forget it.
	Take(ctx context.Context, key string) ([]byte, bool, error)
	// Drop forgets.
	Drop(ctx context.Context, key string) error
	// Count must add one and say how many there are within the window that the first began.
	Count(ctx context.Context, key string, window time.Duration) (int64, error)
}

// A session is who is signed in. Only the digest of its token is kept.
type session struct {
	User  string    `json:"user"`
	Until time.Time `json:"until"` // the end that no use moves
	CSRF  string    `json:"csrf"`
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

func kept(kind, token string) string {
	sum := sha256.Sum256([]byte(token))
	return kind + ":" + hex.EncodeToString(sum[:])
}

// begin signs a user in.
func (s *sessions) begin(ctx context.Context, w http.ResponseWriter, user string) error {
	token := newToken()
	value, err := json.Marshal(session{User: user, Until: s.now().Add(s.config.SessionMax.Std()), CSRF: newToken()})
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

// current gives who is signed in, and keeps the session alive.
func (s *sessions) current(r *http.Request) (User, session, bool, error) {
	cookie, err := r.Cookie(s.cookie())
	if errors.Is(err, http.ErrNoCookie) {
		return User{}, session{}, false, nil
	}
	key := kept("session", cookie.Value)
	value, ok, err := s.short.Get(r.Context(), key)
	if err != nil || !ok {
		return User{}, session{}, false, err
	}
	var found session
	if json.Unmarshal(value, &found) != nil || !s.now().Before(found.Until) {
		return User{}, session{}, false, s.short.Drop(r.Context(), key)
	}
	user, ok, err := s.users.Find(found.User)
	if err != nil || !ok {
		return User{}, session{}, false, err
	}
	return user, found, true, s.short.SetFor(r.Context(), key, value, s.config.SessionIdle.Std())
}

func (s *sessions) end(w http.ResponseWriter, r *http.Request) error {
	cookie, err := r.Cookie(s.cookie())
	if err != nil {
		return nil // nobody is signed in
	}
	http.SetCookie(w, &http.Cookie{Name: s.cookie(), Path: "/", MaxAge: -1, HttpOnly: true, Secure: s.secure(), SameSite: http.SameSiteStrictMode})
	return s.short.Drop(r.Context(), kept("session", cookie.Value))
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

// tries counts sign-ins that are under way or failed, by name and by address.
func (s *sessions) tries(ctx context.Context, name, address string) (bool, error) {
	for _, key := range []string{kept("tries-name", name), kept("tries-address", address)} {
		count, err := s.short.Count(ctx, key, 15*time.Minute)
		if err != nil {
			return false, err
		}
		if count > int64(s.config.SignInTries) {
			return false, nil
		}
	}
	return true, nil
}
