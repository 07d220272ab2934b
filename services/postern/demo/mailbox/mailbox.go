// Package mailbox is the mailbox of the demonstration: an IMAP server in memory, on
// this machine's loopback, over TLS, with some thirty mails that a small company
// might get on a mixed day. Everybody in them is made up, under reserved names
// (RFC 2606) and addresses (RFC 5737). It is no mail server for anything else: it
// cannot hand out a mail whose header holds a line that is no field, and a mail that
// comes in the moment before IDLE is announced only with the next one.
package mailbox

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"

	"github.com/postern-mail/postern/pkg/config"
	"github.com/postern-mail/postern/pkg/mailauth/dns"
	"github.com/postern-mail/postern/services/ingest"
)

const (
	// User and Password sign in to the mailbox.
	User     = "support"
	Password = "demo"
	// Folder holds the mails.
	Folder = "INBOX"
)

// A Server is a mailbox that can be read.
type Server struct {
	Addr         string         // host:port, implicit TLS
	CAFile       string         // PEM of the certificate to trust
	CA           *x509.CertPool // the same
	User         string
	Password     string
	PasswordFile string // holds Password
	// Zone is what the DNS says of the senders.
	Zone map[string]*dns.Entry
	// TrustedMX is the host whose Received line tells where a mail came from.
	TrustedMX string

	dir   string
	mails []Mail
	user  *imapmemserver.User

	mu       sync.Mutex
	appended int
	closed   chan struct{}
}

// Mailbox is how ingest reads it.
func (s *Server) Mailbox(poll time.Duration) (ingest.Mailbox, error) {
	address, err := netip.ParseAddrPort(s.Addr)
	if err != nil {
		return ingest.Mailbox{}, fmt.Errorf("demo mailbox address: %w", err)
	}
	return ingest.Mailbox{
		ID: "support", Host: address.Addr().String(), Port: int(address.Port()), CAFile: s.CAFile, Username: s.User,
		PasswordFile: config.Secret(s.PasswordFile), Folders: []string{Folder}, Poll: config.Duration(poll), After: ingest.Keep,
	}, nil
}

// A Mail is one of the demonstration's mails.
type Mail struct {
	Name string // says what it is about: lower case words and hyphens
	Raw  []byte
	// Came is when it reached the mailbox.
	Came time.Time
}

// Start opens the mailbox; it closes when ctx ends. The folder dir keeps what makes
// the mails the same the next time, so that a reader that has seen them knows them again.
func Start(ctx context.Context, dir string) (*Server, error) {
	set, err := Load(dir)
	if err != nil {
		return nil, fmt.Errorf("demo mailbox: %w", err)
	}
	s := &Server{
		User: User, Password: Password, Zone: set.Zone, TrustedMX: TrustedMX, dir: dir, mails: set.Mails,
		CAFile: filepath.Join(dir, "ca.pem"), PasswordFile: filepath.Join(dir, "password"), closed: make(chan struct{}),
	}
	if err := os.WriteFile(s.PasswordFile, []byte(Password+"\n"), 0o600); err != nil {
		return nil, fmt.Errorf("demo mailbox: %w", err)
	}
	certificate, err := certify(s.CAFile)
	if err != nil {
		return nil, fmt.Errorf("demo mailbox: %w", err)
	}
	s.CA = x509.NewCertPool()
	s.CA.AddCert(certificate.Leaf)
	if err := s.fill(); err != nil {
		return nil, fmt.Errorf("demo mailbox: %w", err)
	}
	if err := s.serve(ctx, certificate); err != nil {
		return nil, fmt.Errorf("demo mailbox: %w", err)
	}
	return s, nil
}

// Mails gives the mails that were there at the start.
func (s *Server) Mails() []Mail { return s.mails }

// Done is closed when the server has ended.
func (s *Server) Done() <-chan struct{} { return s.closed }

// Append delivers one more mail, which stays for the next start.
func (s *Server) Append(raw []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	came := time.Now().UTC().Truncate(time.Second)
	path := s.spool(s.appended)
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		return fmt.Errorf("demo mailbox: %w", err)
	}
	if err := os.Chtimes(path, came, came); err != nil {
		return fmt.Errorf("demo mailbox: %w", err)
	}
	if err := s.deliver(raw, came); err != nil {
		return err
	}
	s.appended++
	return nil
}

func (s *Server) spool(n int) string {
	return filepath.Join(s.dir, fmt.Sprintf("appended-%06d.eml", n))
}

// fill makes the folder and puts the mails of the start and of earlier Appends in.
func (s *Server) fill() error {
	s.user = imapmemserver.NewUser(User, Password)
	if err := s.user.Create(Folder, nil); err != nil {
		return err
	}
	for _, mail := range s.mails {
		if err := s.deliver(mail.Raw, mail.Came); err != nil {
			return err
		}
	}
	for ; ; s.appended++ {
		path := s.spool(s.appended)
		raw, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		if err := s.deliver(raw, info.ModTime().UTC()); err != nil {
			return err
		}
	}
}

func (s *Server) deliver(raw []byte, came time.Time) error {
	_, err := s.user.Append(Folder, literal{bytes.NewReader(raw)}, &imap.AppendOptions{Time: came})
	return err
}

type literal struct{ *bytes.Reader }

func (l literal) Size() int64 { return l.Reader.Size() }

func (s *Server) serve(ctx context.Context, certificate tls.Certificate) error {
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{certificate}, NextProtos: []string{"imap"}, MinVersion: tls.VersionTLS12,
	})
	if err != nil {
		return err
	}
	s.Addr = listener.Addr().(*net.TCPAddr).String()
	memory := imapmemserver.New()
	memory.AddUser(s.user)
	server := imapserver.New(&imapserver.Options{
		NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			return memory.NewSession(), nil, nil
		},
		Caps:   imap.CapSet{imap.CapIMAP4rev1: {}, imap.CapUIDPlus: {}, imap.CapMove: {}},
		Logger: log.New(io.Discard, "", 0), // its lines may quote mails
	})
	go func() {
		defer close(s.closed)
		_ = server.Serve(listener) // ends with the listener, and has nothing else to tell
	}()
	context.AfterFunc(ctx, func() { _ = server.Close() })
	return nil
}
