// Package imap reads mailboxes over IMAP (RFC 3501, RFC 9051), and marks, moves
// and deletes in them what has been dealt with. It is the one door to the IMAP
// library: no type of the library's leaves it, nor any text that a server sent,
// since a server's words may be a sender's.
//
// It speaks UIDs only, never sequence numbers, reads bodies with BODY.PEEK[] so
// that nothing is marked as seen, and streams them. It keeps no state between
// sessions. Of CONDSTORE (RFC 7162) it knows HIGHESTMODSEQ and nothing else, QRESYNC not at all.
package imap

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// Security is how a connection is protected.
type Security string

const (
	Implicit Security = "implicit" // TLS from the first byte (RFC 8314)
	StartTLS Security = "starttls" // TLS by command, before anything else
	// Plaintext sends the password and every mail in the clear.
	Plaintext Security = "plaintext-insecure"
)

// An Account says where a mailbox is and who asks.
type Account struct {
	Host     string
	Port     int
	Security Security
	Roots    *x509.CertPool // authorities to trust; nil: the system's
	Username string
	Sign     Signer

	// Silence is how long the server may keep quiet while it owes an answer.
	Silence time.Duration
	// Keepalive is how long an idle connection waits before TCP probes it.
	Keepalive time.Duration
}

// Limits of what is taken from a server, in bytes. What it sends over them is
// refused and the connection closed.
const (
	maxChatter    = 1 << 20  // of one answer besides listings and bodies
	maxPerMail    = 16 << 10 // of one mail's FETCH answer besides its body
	maxPerSearch  = 16       // of one number in a SEARCH answer
	maxHeaderText = 1 << 20  // of one mail's header section
	maxFolder     = 10 << 20 // mails in one folder
)

const (
	defaultSilence   = time.Minute
	defaultKeepalive = 30 * time.Second
	keepaliveProbes  = 4
)

// A Session is one signed-in connection. Its methods are not for use by several
// goroutines at once, except Close.
type Session struct {
	client  *imapclient.Client
	conn    *meter
	account Account
	tail    tail
	lates   lates
	changes chan struct{} // filled by the server's unasked-for news
	end     func() bool
	plain   bool // the server does not take the parameter CONDSTORE
}

// Dial connects and signs in. A refused sign-in gives ErrSignIn. When ctx ends,
// so does the session, at any time.
func Dial(ctx context.Context, account Account) (*Session, error) {
	if account.Silence <= 0 {
		account.Silence = defaultSilence
	}
	if account.Keepalive <= 0 {
		account.Keepalive = defaultKeepalive
	}
	session := &Session{account: account, changes: make(chan struct{}, 1)}
	if err := session.connect(ctx); err != nil {
		return nil, err
	}
	session.end = context.AfterFunc(ctx, func() { session.conn.Close() })
	defer session.conn.ask(maxChatter)()
	if err := session.signIn(); err != nil {
		session.Close()
		return nil, because(ctx, err)
	}
	return session, nil
}

func (s *Session) connect(ctx context.Context) error {
	dialer := &net.Dialer{Timeout: s.account.Silence, KeepAliveConfig: net.KeepAliveConfig{
		Enable: true, Idle: s.account.Keepalive, Interval: s.account.Keepalive / 2, Count: keepaliveProbes,
	}}
	raw, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(s.account.Host, fmt.Sprint(s.account.Port)))
	if err != nil {
		return because(ctx, fmt.Errorf("%w: %w", ErrLost, err))
	}
	s.conn = &meter{Conn: raw, silence: s.account.Silence}
	defer s.conn.ask(maxChatter)()
	options := &imapclient.Options{
		TLSConfig:   &tls.Config{RootCAs: s.account.Roots, ServerName: s.account.Host, MinVersion: tls.VersionTLS12},
		DebugWriter: &s.tail,
		// The first two run on the library's reading loop: they must not block.
		UnilateralDataHandler: &imapclient.UnilateralDataHandler{
			Expunge: func(uint32) { s.changed() },
			Mailbox: func(*imapclient.UnilateralDataMailbox) { s.changed() },
			Fetch:   s.late, // which has a goroutine of its own
		},
	}
	stop := context.AfterFunc(ctx, func() { raw.Close() })
	defer stop()
	switch s.account.Security {
	case Implicit:
		options.TLSConfig.NextProtos = []string{"imap"} // RFC 9051 §11.1
		secured := tls.Client(s.conn, options.TLSConfig)
		if err := secured.HandshakeContext(ctx); err != nil {
			raw.Close()
			return because(ctx, fmt.Errorf("%w: %w", ErrTLS, err))
		}
		s.client = imapclient.New(secured, options)
	case StartTLS:
		s.client, err = imapclient.NewStartTLS(s.conn, options)
		if err != nil {
			raw.Close()
			return because(ctx, startTLSError(err))
		}
	case Plaintext:
		s.client = imapclient.New(s.conn, options)
	default:
		raw.Close()
		return fmt.Errorf("imap: unknown security %q", s.account.Security)
	}
	if err := s.client.WaitGreeting(); err != nil {
		_ = s.client.Close()
		return because(ctx, s.answerError(err))
	}
	return nil
}

// changed notes that something moved in the folder; one note is enough.
func (s *Session) changed() {
	select {
	case s.changes <- struct{}{}:
	default:
	}
}

// Close ends the session at once.
func (s *Session) Close() {
	if s.end != nil {
		s.end()
	}
	_ = s.client.Close()
}

// Leave signs out politely and closes.
func (s *Session) Leave() {
	defer s.conn.ask(maxChatter)()
	_ = s.client.Logout().Wait()
	s.Close()
}

// A Folder is what the server says of a folder at the moment it is opened.
type Folder struct {
	Name     string
	Validity uint32 // UIDVALIDITY, never 0
	Next     uint32 // UIDNEXT, 0 where the server does not say
	Count    uint32 // mails in it
	// ModSeq is HIGHESTMODSEQ (RFC 7162 §3.1.2), which moves with every change in the folder;
	// 0 where the server does not offer CONDSTORE or keeps none for the folder.
	ModSeq   uint64
	Keywords bool // new keywords may be set
}

// Examine opens a folder for reading. Nothing can be changed in it.
func (s *Session) Examine(name string) (Folder, error) { return s.open(name, true) }

// Select opens a folder for reading and changing.
func (s *Session) Select(name string) (Folder, error) { return s.open(name, false) }

func (s *Session) open(name string, readOnly bool) (Folder, error) {
	defer s.conn.ask(maxChatter)()
	s.plainly()
	options := &imap.SelectOptions{ReadOnly: readOnly}
	// RFC 7162 §3.1.8. Dovecot keeps no HIGHESTMODSEQ for who has not asked.
	options.CondStore = readOnly && !s.plain && s.client.Caps().Has(imap.CapCondStore)
	data, err := s.client.Select(name, options).Wait()
	if err != nil {
		if bad := new(imap.Error); options.CondStore && errors.As(err, &bad) && bad.Type == imap.StatusResponseTypeBad {
			s.plain = true // it offers what it does not understand
			return s.open(name, readOnly)
		}
		err = s.answerError(err)
		if errors.Is(err, ErrRefused) && CodeOf(err) == "" { // Dovecot gives no code
			err = ErrNoFolder
		}
		return Folder{}, err
	}
	if data.UIDValidity == 0 {
		// RFC 3501 §2.3.1.1: a folder without one has no lasting UIDs.
		return Folder{}, fmt.Errorf("%w: no UIDVALIDITY", ErrAnswer)
	}
	folder := Folder{Name: name, Validity: data.UIDValidity, Next: uint32(data.UIDNext), Count: data.NumMessages}
	if options.CondStore {
		folder.ModSeq = data.HighestModSeq
	}
	for _, flag := range data.PermanentFlags {
		folder.Keywords = folder.Keywords || flag == imap.FlagWildcard
	}
	return folder, nil
}

// plainly has a server of both revisions be spoken to as of IMAP4rev1, in which names of folders are
// written otherwise: nobody has enabled IMAP4rev2 (RFC 9051 §6.3.1), though the library writes as if.
func (s *Session) plainly() {
	caps := s.client.Caps() // the library's own
	if _, both := caps[imap.CapIMAP4rev1]; both {
		delete(caps, imap.CapIMAP4rev2)
	}
}
