package imap

import (
	"errors"
	"fmt"
	"strings"

	"github.com/emersion/go-imap/v2"
)

// A Signer proves who we are. Password and Bearer make one.
type Signer interface {
	signIn(s *Session) error
}

// Password signs in with a password: AUTHENTICATE PLAIN where the server has it,
// else LOGIN.
func Password(password string) Signer { return passwordSigner(password) }

type passwordSigner string

func (p passwordSigner) signIn(s *Session) error {
	caps := s.client.Caps()
	if caps.Has(imap.AuthCap("PLAIN")) {
		return s.client.Authenticate(exchange{"PLAIN", "\x00" + s.account.Username + "\x00" + string(p), ""})
	}
	if caps.Has(imap.CapLoginDisabled) {
		return fmt.Errorf("%w: server disables LOGIN and offers no PLAIN", ErrSignIn)
	}
	return s.client.Login(s.account.Username, string(p)).Wait()
}

// Mechanism is how a bearer token is presented.
type Mechanism string

const (
	OAuthBearer Mechanism = "OAUTHBEARER" // RFC 7628
	XOAuth2     Mechanism = "XOAUTH2"     // Google's and Microsoft's
)

// Bearer signs in with an OAuth 2.0 access token.
func Bearer(mechanism Mechanism, token string) Signer { return bearerSigner{mechanism, token} }

type bearerSigner struct {
	mechanism Mechanism
	token     string
}

func (b bearerSigner) signIn(s *Session) error {
	if strings.ContainsRune(b.token, '\x01') || strings.ContainsRune(s.account.Username, '\x01') {
		return errors.New("imap: token or user name holds the field separator")
	}
	switch b.mechanism {
	case OAuthBearer:
		// RFC 7628 §3.1: the GS2 header, then fields that end with 0x01. RFC 5801 §4
		// escapes the name.
		name := strings.NewReplacer("=", "=3D", ",", "=2C").Replace(s.account.Username)
		first := fmt.Sprintf("n,a=%s,\x01host=%s\x01port=%d\x01auth=Bearer %s\x01\x01", name, s.account.Host, s.account.Port, b.token)
		return s.client.Authenticate(exchange{"OAUTHBEARER", first, "\x01"}) // RFC 7628 §3.2.3
	case XOAuth2:
		first := fmt.Sprintf("user=%s\x01auth=Bearer %s\x01\x01", s.account.Username, b.token)
		return s.client.Authenticate(exchange{"XOAUTH2", first, ""})
	}
	return fmt.Errorf("imap: unknown mechanism %q", b.mechanism)
}

// An exchange is a SASL mechanism (RFC 4422) of one message from us; whatever the
// server says to it, a refusal with its details, gets the same short answer.
type exchange struct{ mechanism, first, after string }

func (e exchange) Start() (string, []byte, error) { return e.mechanism, []byte(e.first), nil }

func (e exchange) Next([]byte) ([]byte, error) { return []byte(e.after), nil }

func (s *Session) signIn() error {
	// RFC 3501 §7.1.4: who is greeted with PREAUTH is known already, and must not sign in.
	if s.client.State() != imap.ConnStateAuthenticated {
		if err := s.account.Sign.signIn(s); errors.Is(err, ErrSignIn) {
			return err
		} else if err != nil {
			return signInError(err)
		}
	}
	if _, only := s.client.Caps()[imap.CapUTF8Only]; only { // RFC 6855 §4: it refuses whoever does not say so
		if _, err := s.client.Enable(imap.CapUTF8Accept).Wait(); err != nil {
			return s.answerError(err)
		}
	}
	return nil
}
