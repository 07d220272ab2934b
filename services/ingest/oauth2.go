package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/postern-mail/postern/pkg/wholefile"
	"github.com/postern-mail/postern/services/ingest/imap"
)

const (
	maxTokenAnswer = 64 << 10
	tokenTimeout   = 30 * time.Second
	// tokenMargin is how long before its end a token is no longer used.
	tokenMargin = time.Minute
	// tokenLife is taken where the provider does not say. (RFC 6749 §5.1)
	tokenLife = 10 * time.Minute
)

var (
	errTokenRefused = errors.New("oauth2: token refused")
	errTokenAway    = errors.New("oauth2: token endpoint away")
)

// A tokenSource gets access tokens by a refresh token (RFC 6749 §6) and keeps the
// last one until it ends or is refused.
type tokenSource struct {
	config OAuth2
	client *http.Client
	now    func() time.Time
	log    *slog.Logger

	mu      sync.Mutex
	token   string
	ends    time.Time
	refresh string // a newer refresh token than the file's
}

func newTokenSource(config OAuth2, now func() time.Time, log *slog.Logger) *tokenSource {
	// A token endpoint that sends its caller elsewhere would hand the secrets on.
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &tokenSource{config: config, now: now, log: log, client: &http.Client{Timeout: tokenTimeout, CheckRedirect: stay}}
}

// signer signs in with the token at hand, or a new one.
func (s *tokenSource) signer(ctx context.Context) (imap.Signer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.token == "" || !s.now().Before(s.ends) {
		if err := s.renew(ctx); err != nil {
			return nil, err
		}
	}
	return imap.Bearer(s.config.Mechanism, s.token), nil
}

// refused forgets the token that a server did not take.
func (s *tokenSource) refused() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.token = ""
}

func (s *tokenSource) renew(ctx context.Context) error {
	form, err := s.form()
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.config.TokenURL, strings.NewReader(form.Encode()))
	if err != nil {
		return errors.New("oauth2: token_url is no address")
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Accept", "application/json")
	response, err := s.client.Do(request)
	if err != nil {
		return fmt.Errorf("%w: not reached: %w", errTokenAway, errors.Unwrap(err))
	}
	defer response.Body.Close()
	var answer struct {
		AccessToken  string `json:"access_token"`
		RefreshToken string `json:"refresh_token"`
		ExpiresIn    int64  `json:"expires_in"`
		Error        string `json:"error"`
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxTokenAnswer))
	if err == nil {
		err = json.Unmarshal(body, &answer)
	}
	if response.StatusCode != http.StatusOK {
		kind := errTokenRefused
		if response.StatusCode >= 500 || response.StatusCode == http.StatusTooManyRequests || response.StatusCode == http.StatusRequestTimeout {
			kind = errTokenAway
		}
		return fmt.Errorf("%w: answered %d%s", kind, response.StatusCode, tokenCode(answer.Error))
	}
	if err != nil || answer.AccessToken == "" {
		return fmt.Errorf("%w: the answer holds none", errTokenAway)
	}
	life := tokenLife
	if answer.ExpiresIn > 0 {
		life = time.Duration(min(answer.ExpiresIn, int64(24*time.Hour/time.Second))) * time.Second
	}
	s.token, s.ends = answer.AccessToken, s.now().Add(max(life-tokenMargin, life/2))
	if answer.RefreshToken != "" && answer.RefreshToken != form.Get("refresh_token") {
		s.refresh = answer.RefreshToken
		if err := s.keep(answer.RefreshToken); err != nil {
			// It lives on in memory; whoever runs this must hear that a restart loses it.
			s.log.Error("refresh token not kept", "err", err)
		}
	}
	return nil
}

func (s *tokenSource) form() (url.Values, error) {
	form := url.Values{"grant_type": {"refresh_token"}, "client_id": {s.config.ClientID}}
	if s.config.ClientSecretFile.Set() {
		secret, err := s.config.ClientSecretFile.Read()
		if err != nil {
			return nil, fmt.Errorf("oauth2: client secret: %w", err)
		}
		form.Set("client_secret", secret.Value())
	}
	refresh := s.refresh
	if refresh == "" {
		secret, err := s.config.RefreshTokenFile.Read()
		if err != nil {
			return nil, fmt.Errorf("oauth2: refresh token: %w", err)
		}
		refresh = secret.Value()
	}
	form.Set("refresh_token", refresh)
	return form, nil
}

// keep puts a new refresh token in the old one's place: the provider may already
// have forgotten the old one.
func (s *tokenSource) keep(token string) error {
	path := string(s.config.RefreshTokenFile)
	if err := wholefile.Put(path, []byte(token+"\n"), 0o600); err != nil {
		return fmt.Errorf("oauth2: the new refresh token cannot be kept: %w", err)
	}
	s.refresh = "" // the file has it
	return nil
}

// tokenCode names the provider's reason where it is one of RFC 6749 §5.2.
func tokenCode(code string) string {
	known := []string{"invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type", "invalid_scope"}
	if slices.Contains(known, code) {
		return " " + code
	}
	return ""
}
