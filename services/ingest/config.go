package ingest

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/postern-mail/postern/pkg/config"
	"github.com/postern-mail/postern/services/ingest/imap"
)

// Config says which mailboxes mail comes from.
type Config struct {
	// Mailboxes lists the mailboxes to read. Several ingest processes share them.
	Mailboxes []Mailbox `yaml:"mailboxes"`
	// MaxSize is the largest mail that is taken. A larger one is set aside with its
	// headers, as oversize, and stays on the server. 64KiB to 64MiB.
	MaxSize config.Size `yaml:"max_size"`
	// Concurrency is how many mails are sealed, stored and registered at once.
	Concurrency int `yaml:"concurrency"`
	// Streams is how many mails over 256KiB are read at once, all mailboxes together. One that
	// takes longer than 10s makes room for another; as many again may be slow.
	Streams int `yaml:"streams"`
	// Silence is how long a mail server may keep quiet while it owes an answer. At most 90s: a
	// connection that is dead without a word is noticed within two minutes.
	Silence config.Duration `yaml:"silence"`
}

// Mailbox is one account on a mail server.
type Mailbox struct {
	// ID names the mailbox for ever: it is part of the identity of every mail in it.
	// Lower case letters, digits and hyphens. Another ID makes every mail a new one.
	ID string `yaml:"id"`
	// Host of the IMAP server. Its certificate must name it.
	Host string `yaml:"host"`
	// Port of the IMAP server; 143 with starttls and plaintext-insecure.
	Port int `yaml:"port"`
	// TLS is implicit, starttls, or plaintext-insecure, which sends the
	// password and every mail readable over the network.
	TLS imap.Security `yaml:"tls"`
	// CAFile holds the authorities to trust, as PEM, in place of the system's.
	CAFile string `yaml:"ca_file"`
	// Username to sign in with.
	Username string `yaml:"username"`
	// PasswordFile holds the password. Either this or oauth2.
	PasswordFile config.Secret `yaml:"password_file"`
	// OAuth2 signs in with access tokens, in place of a password.
	OAuth2 OAuth2 `yaml:"oauth2"`
	// Folders to read.
	Folders []string `yaml:"folders"`
	// Poll is how often each folder is looked at, whatever the server announces by
	// itself. At most 2m, so that a dead connection is noticed.
	Poll config.Duration `yaml:"poll"`
	// After is what is done to a mail on the server once it is archived: keep,
	// keyword, move or delete.
	After Action `yaml:"after"`
	// AfterDelay is how long a mail is left as it is before that, from when it came through our
	// door. Nothing is removed before the archive's journal holds the mail's record.
	AfterDelay config.Duration `yaml:"after_delay"`
	// Keyword is what after: keyword sets.
	Keyword string `yaml:"keyword"`
	// MoveTo is the folder for after: move. It is made where it is missing, and may
	// not be one of those that are read.
	MoveTo string `yaml:"move_to"`
}

// OAuth2 says where access tokens come from (RFC 6749 §6).
type OAuth2 struct {
	// TokenURL is the provider's token endpoint: https, or http on this machine.
	TokenURL string `yaml:"token_url"`
	// ClientID is what the provider knows this installation by.
	ClientID string `yaml:"client_id"`
	// ClientSecretFile holds the client's secret, where the provider gave one.
	ClientSecretFile config.Secret `yaml:"client_secret_file"`
	// RefreshTokenFile holds the refresh token. A new one that the provider sends
	// takes its place.
	RefreshTokenFile config.Secret `yaml:"refresh_token_file"`
	// Mechanism is OAUTHBEARER or XOAUTH2.
	Mechanism imap.Mechanism `yaml:"mechanism"`
}

// used tells whether anything is configured.
func (o OAuth2) used() bool { return o != OAuth2{} }

// Action is what becomes of a mail on the server after it is archived.
type Action string

const (
	Keep    Action = "keep"    // nothing
	Keyword Action = "keyword" // it is marked
	Move    Action = "move"    // it goes to another folder
	Delete  Action = "delete"  // it is removed for good
)

const (
	minMaxSize = 64 << 10
	maxPoll    = 2 * time.Minute
	maxSilence = 90 * time.Second // less than halfOpen
	maxFolders = 64               // of one mailbox
	maxDelay   = 3660 * 24 * time.Hour
)

// Default is the configuration that a file changes.
func Default() Config {
	return Config{MaxSize: 50 << 20, Concurrency: 64, Streams: 16, Silence: config.Duration(time.Minute)}
}

var idForm = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$`)

// Complete fills in what each mailbox leaves out and refuses what cannot work.
func (c Config) Complete() (Config, error) {
	c.Mailboxes = slices.Clone(c.Mailboxes)
	var errs []error
	seen := map[string]bool{}
	for i := range c.Mailboxes {
		mailbox := &c.Mailboxes[i]
		if err := mailbox.complete(); err != nil {
			errs = append(errs, fmt.Errorf("mailbox %q: %w", mailbox.ID, err))
		}
		if seen[mailbox.ID] {
			errs = append(errs, fmt.Errorf("mailbox %q: stands there twice", mailbox.ID))
		}
		seen[mailbox.ID] = true
	}
	if c.MaxSize < minMaxSize {
		errs = append(errs, errors.New("max_size is less than 64KiB"))
	}
	if c.Concurrency < 1 || c.Streams < 1 {
		errs = append(errs, errors.New("concurrency and streams are at least 1"))
	}
	if c.Silence.Std() <= 0 || c.Silence.Std() > maxSilence {
		errs = append(errs, errors.New("silence is more than 0s and at most 90s"))
	}
	return c, errors.Join(errs...)
}

func (m *Mailbox) complete() error {
	if !idForm.MatchString(m.ID) {
		return errors.New("id is 1 to 64 lower case letters, digits and hyphens")
	}
	standard := m.Defaults()
	if m.TLS == "" {
		m.TLS = standard.TLS
	}
	if m.Port == 0 {
		m.Port = standard.Port
	}
	if len(m.Folders) == 0 {
		m.Folders = standard.Folders
	}
	m.Folders = slices.Clone(m.Folders)
	if m.Poll == 0 {
		m.Poll = standard.Poll
	}
	if m.After == "" {
		m.After = standard.After
	}
	return errors.Join(m.checkServer(), m.checkSignIn(), m.checkFolders(), m.checkAfter())
}

// Defaults are what a mailbox that says no more than m has.
func (m Mailbox) Defaults() Mailbox {
	port := 993
	if m.TLS == imap.StartTLS || m.TLS == imap.Plaintext {
		port = 143
	}
	return Mailbox{
		TLS: imap.Implicit, Port: port, Folders: []string{inbox}, Poll: config.Duration(time.Minute), After: Keep,
		OAuth2: OAuth2{Mechanism: imap.OAuthBearer},
	}
}

func (m *Mailbox) checkServer() error {
	if m.Host == "" || m.Port < 1 || m.Port > 65535 {
		return errors.New("host or port is missing")
	}
	if !slices.Contains([]imap.Security{imap.Implicit, imap.StartTLS, imap.Plaintext}, m.TLS) {
		return errors.New("tls is implicit, starttls or plaintext-insecure")
	}
	if m.Poll.Std() < 0 || m.Poll.Std() > maxPoll {
		return errors.New("poll is at most 2m")
	}
	return nil
}

func (m *Mailbox) checkSignIn() error {
	if m.Username == "" {
		return errors.New("username is missing")
	}
	if m.PasswordFile.Set() == m.OAuth2.used() {
		return errors.New("give either password_file or oauth2")
	}
	if !m.OAuth2.used() {
		return nil
	}
	own := m.OAuth2
	if own.Mechanism == "" {
		m.OAuth2.Mechanism = m.Defaults().OAuth2.Mechanism
	} else if own.Mechanism != imap.OAuthBearer && own.Mechanism != imap.XOAuth2 {
		return errors.New("oauth2.mechanism is OAUTHBEARER or XOAUTH2")
	}
	if own.ClientID == "" || !own.RefreshTokenFile.Set() {
		return errors.New("oauth2 needs client_id and refresh_token_file")
	}
	endpoint, err := url.Parse(own.TokenURL)
	if err != nil || endpoint.Host == "" || (endpoint.Scheme != "https" && (endpoint.Scheme != "http" || !loopback(endpoint.Hostname()))) {
		return errors.New("oauth2.token_url is an https address")
	}
	return nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

const inbox = "INBOX"

func (m *Mailbox) checkFolders() error {
	if len(m.Folders) > maxFolders {
		return fmt.Errorf("more than %d folders", maxFolders)
	}
	for i, folder := range m.Folders {
		if strings.EqualFold(folder, inbox) {
			folder, m.Folders[i] = inbox, inbox // RFC 3501 §5.1: in any case the same
		}
		if !utf8.ValidString(folder) {
			return errors.New("a folder's name is not UTF-8")
		}
		if folder == "" || slices.Contains(m.Folders[:i], folder) {
			return errors.New("a folder has no name or stands there twice")
		}
	}
	return nil
}

var keywordForm = regexp.MustCompile(`^[A-Za-z0-9$_.-]{1,64}$`)

func (m *Mailbox) checkAfter() error {
	if delay := m.AfterDelay.Std(); delay < 0 || delay > maxDelay || delay > 0 && m.After == Keep {
		return errors.New("after_delay is at most ten years, and not for after: keep")
	}
	switch m.After {
	case Keep, Delete:
		return nil
	case Keyword:
		if !keywordForm.MatchString(m.Keyword) {
			return errors.New("after: keyword needs keyword, letters, digits and $ _ . -")
		}
		return nil
	case Move:
		if m.MoveTo == "" || slices.ContainsFunc(m.Folders, func(f string) bool { return f == m.MoveTo || f == inbox && strings.EqualFold(m.MoveTo, inbox) }) {
			return errors.New("after: move needs move_to, and not a folder that is read")
		}
		return nil
	}
	return errors.New("after is keep, keyword, move or delete")
}

// account is where and how to connect, without who signs in.
func (m *Mailbox) account(silence time.Duration) (imap.Account, error) {
	account := imap.Account{Host: m.Host, Port: m.Port, Security: m.TLS, Username: m.Username, Silence: silence}
	if m.CAFile == "" {
		return account, nil
	}
	text, err := os.ReadFile(m.CAFile)
	if err != nil {
		return imap.Account{}, fmt.Errorf("ca_file: %w", err)
	}
	account.Roots = x509.NewCertPool()
	if !account.Roots.AppendCertsFromPEM(text) {
		return imap.Account{}, fmt.Errorf("ca_file %s: no certificate in it", m.CAFile)
	}
	return account, nil
}
