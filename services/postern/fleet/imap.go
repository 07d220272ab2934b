package fleet

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// A Mail is one that comes to the mailbox.
type Mail struct {
	Raw  []byte
	Came time.Time // INTERNALDATE; zero: now
}

// imapPatience is how long the mail server may take for one answer.
const imapPatience = 30 * time.Second

// A postman signs in to the mailbox and leaves mail there (IMAP4rev1, RFC 3501). It knows
// no more of the protocol than that.
type postman struct {
	conn net.Conn
	in   *bufio.Reader
}

func (f *Fleet) signIn(ctx context.Context) (*postman, error) {
	password, _, err := f.secret("imap-password")
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AddCert(f.servers.ca.certificate)
	dialer := tls.Dialer{Config: &tls.Config{RootCAs: roots, ServerName: "localhost", MinVersion: tls.VersionTLS12}}
	conn, err := dialer.DialContext(ctx, "tcp", f.servers.imap)
	if err != nil {
		return nil, err
	}
	p := &postman{conn, bufio.NewReader(conn)}
	greeting, err := p.line()
	if err == nil && !strings.HasPrefix(greeting, "* OK") {
		err = errors.New("mail server: no greeting")
	}
	if err == nil {
		_, err = p.ask(fmt.Sprintf("LOGIN %q %q", mailUser, password))
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return p, nil
}

func (p *postman) close() error { return p.conn.Close() }

func (p *postman) line() (string, error) {
	if err := p.conn.SetDeadline(time.Now().Add(imapPatience)); err != nil {
		return "", err
	}
	line, err := p.in.ReadString('\n')
	return strings.TrimRight(line, "\r\n"), err
}

// ask sends a command and gives the untagged answers before its end.
func (p *postman) ask(command string) ([]string, error) {
	if _, err := fmt.Fprintf(p.conn, "a %s\r\n", command); err != nil {
		return nil, err
	}
	return p.answers()
}

func (p *postman) answers() ([]string, error) {
	var untagged []string
	for {
		line, err := p.line()
		switch {
		case err != nil:
			return nil, err
		case strings.HasPrefix(line, "a OK"):
			return untagged, nil
		case strings.HasPrefix(line, "a "):
			return nil, errors.New("mail server refuses")
		}
		untagged = append(untagged, line)
	}
}

var uidNext = regexp.MustCompile(`UIDNEXT (\d+)`)

// delivered counts the mails that ever came. (RFC 3501 §2.3.1.1: UIDs grow.)
func (p *postman) delivered() (int, error) {
	answers, err := p.ask("STATUS INBOX (UIDNEXT)")
	if err != nil {
		return 0, err
	}
	for _, answer := range answers {
		if found := uidNext.FindStringSubmatch(answer); found != nil {
			next, err := strconv.Atoi(found[1])
			return next - 1, err
		}
	}
	return 0, errors.New("mail server: no answer about the folder")
}

// leave appends one mail. (RFC 3501 §6.3.11)
func (p *postman) leave(mail Mail) error {
	came := mail.Came
	if came.IsZero() {
		came = time.Now()
	}
	date := came.UTC().Format("_2-Jan-2006 15:04:05 -0700") // RFC 3501 §9, date-time
	if _, err := fmt.Fprintf(p.conn, "a APPEND INBOX \"%s\" {%d}\r\n", date, len(mail.Raw)); err != nil {
		return err
	}
	for {
		line, err := p.line()
		if err != nil {
			return err
		}
		if strings.HasPrefix(line, "+") {
			break
		}
		if strings.HasPrefix(line, "a ") {
			return errors.New("mail server refuses")
		}
	}
	if err := p.conn.SetDeadline(time.Now().Add(imapPatience)); err != nil {
		return err
	}
	if _, err := p.conn.Write(append(mail.Raw[:len(mail.Raw):len(mail.Raw)], '\r', '\n')); err != nil {
		return err
	}
	_, err := p.answers()
	return err
}

// Append leaves mails in the mailbox, in this order.
func (f *Fleet) Append(ctx context.Context, mails ...Mail) error {
	p, err := f.signIn(ctx)
	if err != nil {
		return fmt.Errorf("mailbox: %w", err)
	}
	defer p.close() //nolint:errcheck // what was left is acknowledged
	for i, mail := range mails {
		if err := p.leave(mail); err != nil {
			return fmt.Errorf("mailbox: mail %d: %w", i+1, err)
		}
	}
	return nil
}

// Delivered counts the mails that the mailbox ever got.
func (f *Fleet) Delivered(ctx context.Context) (int, error) {
	p, err := f.signIn(ctx)
	if err != nil {
		return 0, fmt.Errorf("mailbox: %w", err)
	}
	defer p.close() //nolint:errcheck // nothing was changed
	return p.delivered()
}
