package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/services/ingest/imap"
	"github.com/postern-mail/postern/services/ingest/imaptest"
	"github.com/postern-mail/postern/services/ingest/imaptest/dovecot"
)

var errNoStand = errors.New("the mail server did not start")

// fetchMails is how many mails lie in the mailbox that both fetch.
const fetchMails = 2000

// rounds is how often each fetches it; the best counts, since what else the machine does only slows.
const rounds = 2

// measureMailbox looks at ingest alone: against mbsync on one Dovecot, its memory by the size of mails, and a
// thousand mailboxes that wait.
func (b *bench) measureMailbox(ctx context.Context) error {
	err := onStand(func(t testing.TB) error { return b.measureFetch(ctx, t) })
	if errors.Is(err, errNoStand) {
		fmt.Printf("\nFetching from Dovecot: not measured: %v\n", err)
	} else if err != nil {
		return err
	}
	if err := b.measureSizes(ctx); err != nil {
		return err
	}
	return b.measureIdle(ctx)
}

func (b *bench) measureFetch(ctx context.Context, t testing.TB) error {
	server := dovecot.Start(t, "ada")
	mails := repeat(b.real, fetchMails, b.mean)
	client := server.Client("ada", "INBOX")
	quarters := []string{"Q1", "Q2", "Q3", "Q4"}
	for i, folder := range quarters {
		client.Create(folder)
		quarter := mails[i*fetchMails/4 : (i+1)*fetchMails/4]
		for some := range slices.Chunk(quarter, 50) {
			if !client.Offer(folder, "", some...) || !client.Offer("INBOX", "", some...) {
				return fmt.Errorf("%w: it refuses mails", errNoStand)
			}
		}
	}
	total := meanSize(mails) * fetchMails
	fmt.Printf("\nFetching from Dovecot (TLS, same machine), %d mails, mean %.1f KB, the best of %d rounds in turn\n"+
		"  ingest seals and stores, keyring and bus answer at once; mbsync writes a Maildir\n",
		fetchMails, meanSize(mails)/1000, rounds)
	inbox := []string{"INBOX"}
	type runner struct {
		name string
		run  func() (time.Duration, error)
	}
	alone := func(name string, unsynced bool, folders []string) runner {
		return runner{name, func() (time.Duration, error) { return b.fetchAlone(ctx, server, unsynced, folders) }}
	}
	runs := []runner{
		alone("ingest, one connection", false, inbox), alone("ingest, four connections", false, quarters),
		alone("ingest, one, without sync", true, inbox), alone("ingest, four, without sync", true, quarters),
	}
	if program, err := exec.LookPath("mbsync"); err != nil {
		fmt.Printf("  mbsync: not measured: %v\n", err)
	} else {
		mbsync := func(name, sync string, folders []string) runner {
			return runner{name, func() (time.Duration, error) { return b.fetchMbsync(ctx, program, server, sync, folders) }}
		}
		runs = append(runs, mbsync("mbsync, one connection", "yes", inbox), mbsync("mbsync, one, without sync", "no", inbox), mbsync("mbsync, four folders", "yes", quarters))
	}
	best := make([]time.Duration, len(runs))
	for range rounds {
		for i, each := range runs {
			took, err := each.run()
			if err != nil {
				return fmt.Errorf("%s: %w", each.name, err)
			}
			if best[i] == 0 || took < best[i] {
				best[i] = took
			}
		}
	}
	for i, each := range runs {
		fmt.Printf("  %-28s %6.0f mails/s  %6.1f MB/s\n", each.name, rate(fetchMails, best[i]), total/1e6/best[i].Seconds())
	}
	return nil
}

// fetchAlone has ingest fetch folders, each over a connection of its own, from its start until the last mail is registered.
func (b *bench) fetchAlone(ctx context.Context, server *dovecot.Server, unsynced bool, folders []string) (time.Duration, error) {
	host, port := "localhost", server.Port(server.Addr)
	s, err := b.startAlone(ctx, aloneOrder{Host: host, Port: port, CAFile: server.CAFile, TLS: imap.Implicit, User: "ada", Folders: folders, Unsynced: unsynced}, dovecot.Password)
	if err != nil {
		return 0, err
	}
	began := time.Unix(0, s.last().Time) // its first word: it begins to connect
	last, err := s.settle(ctx, fetchMails, b.longest)
	if err == nil && last.Done < fetchMails {
		err = fmt.Errorf("%d mails of %d in %v", last.Done, fetchMails, b.longest)
	}
	return time.Unix(0, last.Time).Sub(began), errors.Join(err, s.stop())
}

func (b *bench) startAlone(ctx context.Context, o aloneOrder, password string) (*subject, error) {
	o.Dir, o.Password = b.folder("alone"), b.folder("password")
	if err := os.WriteFile(o.Password, []byte(password), 0o600); err != nil {
		return nil, err
	}
	text, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	return startChild(ctx, o.Dir, aloneWord, text)
}

// fetchMbsync has mbsync fetch the same folders into an empty Maildir.
func (b *bench) fetchMbsync(ctx context.Context, program string, server *dovecot.Server, sync string, folders []string) (time.Duration, error) {
	dir := b.folder("mbsync")
	if err := os.MkdirAll(filepath.Join(dir, "mail"), 0o700); err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	settings := filepath.Join(dir, "mbsyncrc")
	text := fmt.Sprintf(`FSync %s
IMAPAccount bench
Host localhost
Port %d
User ada
Pass "%s"
SSLType IMAPS
CertificateFile %s
AuthMechs LOGIN

IMAPStore far
Account bench

MaildirStore near
Path %s/mail/
Inbox %s/mail/INBOX
SubFolders Verbatim

Channel bench
Far :far:
Near :near:
Patterns %s
Create Near
Sync Pull New
SyncState *
`, sync, server.Port(server.Addr), dovecot.Password, server.CAFile, dir, dir, strings.Join(folders, " "))
	if err := os.WriteFile(settings, []byte(text), 0o600); err != nil {
		return 0, err
	}
	began := time.Now()
	output, err := exec.CommandContext(ctx, program, "-q", "-c", settings, "bench").CombinedOutput()
	took := time.Since(began)
	if err != nil {
		return 0, fmt.Errorf("%w: %s", err, output)
	}
	files, err := filepath.Glob(filepath.Join(dir, "mail", "*", "[cn]*", "*"))
	if len(files) != fetchMails {
		return 0, errors.Join(err, fmt.Errorf("mbsync has %d mails of %d", len(files), fetchMails))
	}
	return took, nil
}

// measureSizes looks at ingest's peak for one mail of a size, and for twenty of the largest at once, each in a
// mailbox of its own.
func (b *bench) measureSizes(ctx context.Context) error {
	fmt.Printf("\nPeak memory of ingest alone\n")
	for _, each := range []struct{ size, mailboxes int }{{1 << 10, 1}, {1 << 20, 1}, {10 << 20, 1}, {50<<20 - 4<<10, 1}, {50<<20 - 4<<10, 20}} {
		source, err := startSource()
		if err != nil {
			return err
		}
		source.add(sized(each.size, 1))
		s, err := b.startAlone(ctx, aloneOrder{Host: "127.0.0.1", Port: source.port(), TLS: imap.Plaintext, User: "ada", Mailboxes: each.mailboxes}, "bench")
		if err != nil {
			return err
		}
		s.source = source
		last, err := s.settle(ctx, each.mailboxes, b.longest)
		if err == nil && last.Done < each.mailboxes {
			err = fmt.Errorf("%d mails of %d in %v", last.Done, each.mailboxes, b.longest)
		}
		fmt.Printf("  %2d of %-6s %s\n", each.mailboxes, size(each.size), megabytes(last.Peak))
		if err := errors.Join(err, s.stop()); err != nil {
			return err
		}
	}
	return nil
}

// idleMailboxes wait in one process.
const idleMailboxes = 1000

// measureIdle has the whole of Postern in one process sign in to a mailbox, and to a thousand, over TLS.
func (b *bench) measureIdle(ctx context.Context) error {
	return onStand(func(t testing.TB) error {
		authority := imaptest.NewAuthority(t)
		script := &imaptest.Script{Validity: 1, Next: 1, Idle: true, ModSeq: 1, Certificate: authority.Issue("127.0.0.1", time.Now().Add(time.Hour))}
		address := script.ServeTLS(t)
		fmt.Printf("\nMailboxes that wait for mail (IDLE, TLS), in one process with everything inside, bus and leases too\n")
		var alone int64
		for _, n := range []int{1, idleMailboxes} {
			o := order{Dir: b.folder("idle"), Port: portOf(address), Mailboxes: n, CAFile: authority.File}
			text, err := json.Marshal(o)
			if err != nil {
				return err
			}
			s, err := startChild(ctx, o.Dir, childWord, text)
			if err != nil {
				return err
			}
			last, err := s.await(ctx, b.longest*4, func(r report) bool { return r.Read >= n })
			if err == nil && last.Read < n {
				err = fmt.Errorf("%d mailboxes of %d are read", last.Read, n)
			}
			if err := errors.Join(err, s.stop()); err != nil {
				return err
			}
			warm := time.Unix(0, last.Time).Sub(time.Unix(0, s.trace[0].Time))
			fmt.Printf("  %4d: all signed in and looked at %v after the start; memory %s, at most %s", n, warm.Round(time.Millisecond), megabytes(last.Now), megabytes(last.Peak))
			if n > 1 {
				fmt.Printf("; %d KiB a mailbox", (last.Now-alone)/int64(n-1)>>10)
			}
			fmt.Println()
			alone = last.Now
		}
		return nil
	})
}
