package imap

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"

	"github.com/emersion/go-imap/v2"
)

// What can go wrong, as far as it matters to what is done next. No error holds a
// server's text.
var (
	// ErrSignIn: the server refuses who we are.
	ErrSignIn = errors.New("imap: sign-in refused")
	// ErrTLS: no protected connection came about.
	ErrTLS = errors.New("imap: tls")
	// ErrBusy: the server asks us to come back later.
	ErrBusy = errors.New("imap: server asks to wait")
	// ErrBug: the server has a fault of its own, perhaps with one mail. It is an ErrBusy, too.
	ErrBug = fmt.Errorf("%w after a fault of its own", ErrBusy)
	// ErrBye: the server ends the session and says nothing of waiting.
	ErrBye = errors.New("imap: server ends the session")
	// ErrNoFolder: there is no such folder, or none that we may open.
	ErrNoFolder = errors.New("imap: no such folder")
	// ErrReadOnly: we may not do it. It is an ErrRefused, too.
	ErrReadOnly = fmt.Errorf("%w: no permission", ErrRefused)
	// ErrRefused: the server will not do it, for another reason.
	ErrRefused = errors.New("imap: refused")
	// ErrAnswer: the server's answer makes no sense.
	ErrAnswer = errors.New("imap: garbled answer")
	// ErrFlood: the server sends more than was asked for.
	ErrFlood = errors.New("imap: answer longer than what was asked for")
	// ErrLost: the connection is gone.
	ErrLost = errors.New("imap: connection lost")
	// ErrCut: a body ended before its announced length.
	ErrCut = errors.New("imap: body cut short")
)

// Codes that may be named in an error: RFC 5530, RFC 3501 and RFC 9051 fix them.
var knownCodes = []imap.ResponseCode{
	imap.ResponseCodeAlert, imap.ResponseCodeAuthenticationFailed, imap.ResponseCodeAuthorizationFailed,
	imap.ResponseCodeCannot, imap.ResponseCodeClientBug, imap.ResponseCodeContactAdmin, imap.ResponseCodeCorruption,
	imap.ResponseCodeExpired, imap.ResponseCodeInUse, imap.ResponseCodeLimit, imap.ResponseCodeNonExistent,
	imap.ResponseCodeNoPerm, imap.ResponseCodeOverQuota, imap.ResponseCodePrivacyRequired,
	imap.ResponseCodeServerBug, imap.ResponseCodeTryCreate, imap.ResponseCodeUnavailable, readOnly, throttled,
}

const (
	readOnly  imap.ResponseCode = "READ-ONLY" // RFC 3501 §7.1
	throttled imap.ResponseCode = "THROTTLED" // Google's
)

var busyCodes = []imap.ResponseCode{ // RFC 5530 §3
	imap.ResponseCodeUnavailable, imap.ResponseCodeInUse, imap.ResponseCodeLimit,
	imap.ResponseCodeOverQuota, throttled, imap.ResponseCodeServerBug, imap.ResponseCodeContactAdmin,
}

// answerError says in our words what the library reports of an answer.
func answerError(err error) error {
	var status *imap.Error
	if errors.As(err, &status) {
		code := status.Code
		switch {
		case code == imap.ResponseCodeServerBug:
			return withCode(ErrBug, code)
		case slices.Contains(busyCodes, code):
			return withCode(ErrBusy, code)
		case status.Type == imap.StatusResponseTypeBye:
			return withCode(ErrBye, code)
		case code == readOnly, code == imap.ResponseCodeNoPerm:
			return withCode(ErrReadOnly, code)
		case code == imap.ResponseCodeNonExistent, code == imap.ResponseCodeTryCreate:
			return withCode(ErrNoFolder, code)
		}
		return withCode(ErrRefused, code)
	}
	return lostOrGarbled(err)
}

// lostOrGarbled tells a connection that went away from one that talks nonsense.
// The library reports both while decoding, and quotes what it read.
func lostOrGarbled(err error) error {
	var network net.Error
	switch {
	case err == nil:
		return nil
	case errors.Is(err, ErrFlood):
		return ErrFlood
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed), errors.As(err, &network):
		return ErrLost
	}
	return ErrAnswer
}

// signInError says why a sign-in failed: NO and BAD are refusals (Dovecot answers
// BAD to a cancelled exchange), unless the server only asks to wait.
func signInError(err error) error {
	var status *imap.Error
	if errors.As(err, &status) && !slices.Contains(busyCodes, status.Code) && status.Type != imap.StatusResponseTypeBye {
		return withCode(ErrSignIn, status.Code)
	}
	return answerError(err)
}

// startTLSError says why STARTTLS came to nothing; certificate errors hold names
// out of certificates and configuration only.
func startTLSError(err error) error {
	var status *imap.Error
	if errors.As(err, &status) {
		return withCode(ErrTLS, status.Code)
	}
	var (
		certificate *tls.CertificateVerificationError
		record      tls.RecordHeaderError
	)
	if errors.As(err, &certificate) || errors.As(err, &record) {
		return fmt.Errorf("%w: %w", ErrTLS, err)
	}
	return fmt.Errorf("%w: %w", ErrTLS, lostOrGarbled(err))
}

// coded is an error and the response code that came with it.
type coded struct {
	kind error
	code imap.ResponseCode
}

func (c coded) Error() string { return fmt.Sprintf("%v [%s]", c.kind, c.code) }
func (c coded) Unwrap() error { return c.kind }

// CodeOf is the response code that came with an error, where it is one of those that standards
// fix; else empty.
func CodeOf(err error) string {
	var c coded
	errors.As(err, &c)
	return string(c.code)
}

func withCode(kind error, code imap.ResponseCode) error {
	if slices.Contains(knownCodes, code) {
		return coded{kind, code}
	}
	return kind
}

// because prefers the reason that the context has.
func because(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
