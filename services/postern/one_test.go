package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/pkg/config"
	"github.com/postern-mail/postern/pkg/mailauth/dns"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	"github.com/postern-mail/postern/services/ingest/imaptest/dovecot"
	"github.com/postern-mail/postern/services/postern/wiring"
)

// one is a Postern with everything inside one process, on a real mailbox, and the
// configuration file of the commands that act on it.
type one struct {
	t       *testing.T
	dir     string
	file    string
	server  *dovecot.Server
	process *wiring.Process
	stop    func()
	names   dns.Resolver // asked instead of the machine's, where it is set
}

const mailboxUser = "ada"

func newOne(t *testing.T) *one {
	t.Helper()
	o := &one{t: t, dir: t.TempDir(), server: dovecot.Start(t, mailboxUser)}
	o.file = filepath.Join(o.dir, "postern.yaml")
	o.configure("")
	return o
}

// configure writes the configuration file, with further lines.
func (o *one) configure(lines string) {
	o.t.Helper()
	host, port, err := net.SplitHostPort(o.server.Addr)
	if err != nil {
		o.t.Fatal(err)
	}
	password := filepath.Join(o.dir, "password")
	text := fmt.Sprintf(`data_dir: %s
log: {level: error}
operations: {listen: "127.0.0.1:0"}
desk: {listen: "127.0.0.1:0"}
archive: {journal_every: 100ms}
ingest:
  max_size: 64KiB
  mailboxes: [{id: support, host: %q, port: %s, ca_file: %s, username: %s, password_file: %s, poll: 1s, after: keep}]
%s`, filepath.Join(o.dir, "data"), host, port, o.server.CAFile, mailboxUser, password, lines)
	for path, content := range map[string]string{o.file: text, password: dovecot.Password + "\n"} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			o.t.Fatal(err)
		}
	}
}

// start runs it until stop, or the test's end.
func (o *one) start() {
	o.t.Helper()
	c, err := wiring.Load(o.file)
	if err != nil {
		o.t.Fatal(err)
	}
	c.Retain.MaxShare = 1
	c.Audit.CheckpointEvery = config.Duration(100 * time.Millisecond)
	options := wiring.Options{Log: slog.New(slog.DiscardHandler)}
	if testing.Verbose() {
		options.Log = slog.New(slog.NewTextHandler(o.t.Output(), &slog.HandlerOptions{Level: slog.LevelInfo}))
	}
	if o.process, err = wiring.New(o.t.Context(), c, options); err != nil {
		o.t.Fatal(err)
	}
	if o.names != nil {
		o.process.Resolver = o.names
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(o.t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- o.process.Run(ctx) }()
	stopped := false
	o.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			o.t.Errorf("the process ended with %v", err)
		}
		o.process.Close()
	}
	o.t.Cleanup(o.stop)
}

// command types a command that acts on it.
func (o *one) command(args ...string) (code int, out, complaint string) {
	o.t.Helper()
	return typed(o.t, "", append(args, "--config", o.file)...)
}

// records reads every item's record.
func (o *one) records(ctx context.Context) ([]*itemv1.Record, error) {
	conn, err := o.process.Connect(ctx, topology.Doctor)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	var all []*itemv1.Record
	for message, err := range conn.Scan(ctx, topology.Items, 1) {
		if err != nil {
			return nil, err
		}
		record := new(itemv1.Record)
		if err := proto.Unmarshal(message.Data, record); err != nil {
			return nil, err
		}
		all = append(all, record)
	}
	slices.SortFunc(all, func(a, b *itemv1.Record) int { return int(a.GetUid()) - int(b.GetUid()) })
	return all, nil
}

// until waits for records of which a condition is true.
func (o *one) until(what string, met func([]*itemv1.Record) bool) []*itemv1.Record {
	o.t.Helper()
	ctx, cancel := context.WithTimeout(o.t.Context(), 3*time.Minute) // only so that a failure ends
	defer cancel()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		records, err := o.records(ctx)
		if err == nil && met(records) {
			return records
		}
		select {
		case <-ctx.Done():
			o.t.Fatalf("%s: it never came: %v, last error %v", what, states(records), err)
		case <-ticker.C:
		}
	}
}

func states(records []*itemv1.Record) string {
	var words []string
	for _, r := range records {
		words = append(words, strconv.Itoa(int(r.GetUid()))+" "+r.GetState().String()+" "+r.GetSetAside().GetCode())
	}
	return strings.Join(words, ", ")
}

// inStates tells whether the mails stand so, in the order of their UIDs.
func inStates(want ...itemv1.State) func([]*itemv1.Record) bool {
	return func(records []*itemv1.Record) bool {
		return slices.EqualFunc(records, want, func(r *itemv1.Record, s itemv1.State) bool { return r.GetState() == s })
	}
}

func plainMail(subject string, size int) []byte {
	head := "From: Marge <marge@customer.example>\r\nTo: support@company.example\r\nSubject: " + subject + "\r\nDate: Sat, 21 Nov 2026 10:00:00 +0000\r\nMessage-ID: <" + subject + "@customer.example>\r\n\r\n"
	return []byte(head + strings.Repeat("The lamp is broken, what now?\r\n", max(1, (size-len(head))/31)))
}
