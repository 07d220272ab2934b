package ingest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postern-mail/postern/services/ingest"
	"github.com/postern-mail/postern/services/ingest/imap"
	"github.com/postern-mail/postern/services/ingest/imaptest/dovecot"
)

// A provider hands out tokens that Dovecot then takes, or does not.
type provider struct {
	mu      sync.Mutex
	server  *dovecot.Server
	refresh string // the one refresh token that is good
	issued  int
	useless int // of the next tokens, so many are not taken by Dovecot
	rotate  bool
}

func (p *provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r.FormValue("grant_type") != "refresh_token" || r.FormValue("refresh_token") != p.refresh ||
		r.FormValue("client_id") != "postern" || r.FormValue("client_secret") != "client secret" {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"error":"invalid_grant","error_description":"Marker-Person"}`)
		return
	}
	p.issued++
	token := fmt.Sprintf("token-%d", p.issued)
	if p.useless > 0 {
		p.useless--
	} else {
		p.server.Grant(token, "ada")
	}
	answer := map[string]any{"access_token": token, "token_type": "Bearer", "expires_in": 3600}
	if p.rotate {
		p.refresh = fmt.Sprintf("refresh-%d", p.issued)
		answer["refresh_token"] = p.refresh
	}
	json.NewEncoder(w).Encode(answer)
}

func (p *provider) tokens() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.issued
}

func oauthConfig(t *testing.T, server *dovecot.Server, p *provider, mechanism imap.Mechanism) ingest.Config {
	t.Helper()
	endpoint := httptest.NewServer(p)
	t.Cleanup(endpoint.Close)
	c := configFor(t, server)
	c.Mailboxes[0].PasswordFile = ""
	c.Mailboxes[0].OAuth2 = ingest.OAuth2{
		TokenURL: endpoint.URL, ClientID: "postern", ClientSecretFile: secret(t, "client secret"),
		RefreshTokenFile: secret(t, "first"), Mechanism: mechanism,
	}
	return c
}

func TestOAuth2SignsInAndRenewsARefusedTokenOnce(t *testing.T) {
	t.Parallel()
	for _, mechanism := range []imap.Mechanism{imap.OAuthBearer, imap.XOAuth2} {
		t.Run(string(mechanism), func(t *testing.T) {
			server := dovecot.Start(t, "ada")
			server.Append("ada", "INBOX", mails(1, 100)...)
			p := &provider{server: server, refresh: "first", useless: 1}
			w := newWorld(t)
			_, stop := w.run(oauthConfig(t, server, p, mechanism), w.deps())
			w.until("the mail is said", func() bool { return len(w.said) == 1 })
			stop()
			// One useless token, one that is taken, none for nothing.
			if p.issued != 2 {
				t.Errorf("%d tokens were asked for, want 2", p.issued)
			}
		})
	}
}

func TestATokenIsKeptWhileItLastsAndARotatedRefreshTokenIsWrittenDown(t *testing.T) {
	t.Parallel()
	server := dovecot.Start(t, "ada")
	p := &provider{server: server, refresh: "first", rotate: true}
	c := oauthConfig(t, server, p, imap.OAuthBearer)
	var clock struct {
		sync.Mutex
		ahead time.Duration
	}
	w := newWorld(t)
	deps := w.deps()
	deps.Now = func() time.Time {
		clock.Lock()
		defer clock.Unlock()
		return time.Now().Add(clock.ahead)
	}
	_, stop := w.run(c, deps)
	w.until("signed in", func() bool { return w.revision["support"] > 0 })
	stop()
	if kept, _ := os.ReadFile(string(c.Mailboxes[0].OAuth2.RefreshTokenFile)); string(kept) != "refresh-1\n" {
		t.Errorf("the file holds %q, want the new token", kept)
	}
	info, err := os.Stat(string(c.Mailboxes[0].OAuth2.RefreshTokenFile))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	clock.Lock()
	clock.ahead = time.Hour
	clock.Unlock()
	before := w.revision["support"]
	server.Append("ada", "INBOX", mails(1, 100)...)
	_, stop = w.run(c, deps)
	w.until("signed in again", func() bool { return w.revision["support"] > before })
	stop()
	if n := p.tokens(); n != 2 {
		t.Errorf("%d tokens, want 2", n)
	}
}

func TestARefusedRefreshTokenIsToldByItsCodeAlone(t *testing.T) {
	t.Parallel()
	server := dovecot.Start(t, "ada")
	p := &provider{server: server, refresh: "another"}
	w := newWorld(t)
	deps := w.deps()
	log := &logbook{world: w}
	deps.Log = newLog(log)
	_, stop := w.run(oauthConfig(t, server, p, imap.OAuthBearer), deps)
	w.until("the refusal is told", func() bool { return strings.Contains(log.text.String(), "invalid_grant") })
	stop()
	if strings.Contains(log.text.String(), "Marker") || strings.Contains(log.text.String(), "first") {
		t.Errorf("log tells too much: %s", log.text.String())
	}
}

func TestStartTLSMailboxesAreRead(t *testing.T) {
	t.Parallel()
	server := dovecot.Start(t, "ada")
	server.Append("ada", "INBOX", mails(3, 1000)...)
	c := configFor(t, server)
	c.Mailboxes[0].Host, c.Mailboxes[0].Port = split(t, server.PlainAddr)
	c.Mailboxes[0].TLS = imap.StartTLS
	w := newWorld(t)
	_, stop := w.run(c, w.deps())
	w.until("all are said", func() bool { return len(w.said) == 3 })
	stop()
	w.same(server, "INBOX")
}
