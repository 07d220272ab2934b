package dovecot

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// tokens is the introspection endpoint (RFC 7662) that Dovecot asks whether a
// bearer token is good.
type tokens struct {
	mu    sync.Mutex
	users map[string]string // token: user
}

func startTokens(t testing.TB) (*tokens, string) {
	tokens := &tokens{users: map[string]string{}}
	server := httptest.NewServer(tokens)
	t.Cleanup(server.Close)
	return tokens, server.URL
}

func (s *tokens) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	user, good := s.users[r.FormValue("token")]
	s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"active": good, "username": user})
}

// Grant makes token good for user.
func (s *Server) Grant(token, user string) {
	s.tokens.mu.Lock()
	defer s.tokens.mu.Unlock()
	s.tokens.users[token] = user
}

// Revoke makes token worthless.
func (s *Server) Revoke(token string) {
	s.tokens.mu.Lock()
	defer s.tokens.mu.Unlock()
	delete(s.tokens.users, token)
}
