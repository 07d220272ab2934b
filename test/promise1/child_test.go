package promise1

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/pkg/config"
	"github.com/postern-mail/postern/pkg/mailauth/dns"
	"github.com/postern-mail/postern/services/archive"
	"github.com/postern-mail/postern/services/ingest"
	"github.com/postern-mail/postern/services/ingest/imap"
	"github.com/postern-mail/postern/services/postern/wiring"
	"github.com/postern-mail/postern/test/program"
)

// settling is how long mails may take to come to rest by themselves: leases of a process
// that died last 10 s, and what waits for the journal is asked for at growing intervals, which
// many deaths make long.
var settling = allow(25*time.Second, 2*time.Minute)

// allow gives a span, or the longer one where the tests have all the time that they want.
func allow(span, longer time.Duration) time.Duration {
	if long() {
		return longer
	}
	return span
}

// ackWait is how soon a mail whose worker died is worked on again in these tests.
const ackWait = time.Second

const childVariable = "POSTERN_PROMISE1_CHILD"

func TestMain(m *testing.M) {
	wiring.Enter()
	for i := range topology.Consumers {
		topology.Consumers[i].AckWait = ackWait
	}
	if os.Getenv(standVariable) != "" {
		os.Exit(program.Stand(os.Args[1:], fleetAckWait, standOptions))
	}
	if told := os.Getenv(childVariable); told != "" {
		if err := beChild(told); err != nil {
			fmt.Println("error " + err.Error())
			os.Exit(1)
		}
		os.Exit(0)
	}
	flag.Parse()
	if err := flag.Set("test.parallel", strconv.Itoa(abreast)); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// A life is one process over a data directory, from its start to its end.
type life struct {
	Data     string
	Host     string
	Port     int
	User     string
	Password string        // file
	Mails    int           // that the server has; the process has settled when they have
	Waits    bool          // what was given back often may wait for its time, where all mails are at rest
	Patient  bool          // what ingest was not told of is waited for, too
	After    ingest.Action // what is done to archived mails on the server; keyword where nothing is said
	Ahead    time.Duration
	Sweep    bool   // once settled, move the clock by the policy's span and destroy
	Kill     *kill  // nil: end in peace with a report
	Scanner  string // version of the signatures of a scanner that it has; "": it has none
	Fault    *kill  // a call that fails, where Kill is nil: nobody dies of it
	Spare    bool   // end in peace too where all mails are at rest and the kill has not come
}

// A kill is a moment at which a process dies.
type kill struct {
	Call  pattern
	Since []pattern // calls that come first
	After bool      // when the call was made, in place of before
	Sweep bool      // counted only once retention is at work
}

// sweepSpan is beyond the days of every original in the standard policy.
const sweepSpan = 100 * 24 * time.Hour

func (l life) config() (wiring.Config, error) {
	c := wiring.Default()
	c.DataDir = l.Data
	c.Clock.Offset = config.Duration(l.Ahead)
	c.Operations.Listen = ""
	c.Desk.Listen = "127.0.0.1:0"
	c.Retain.MaxShare = 1
	c.Archive.Tags = archive.Always
	c.Archive.JournalEvery = config.Duration(100 * time.Millisecond)
	c.Audit.CheckpointEvery = config.Duration(100 * time.Millisecond)
	c.Verify.DNS.Server = "none"
	c.Ingest.MaxSize = maxSize
	c.Scan.Pace = 1
	c.Confine.Processes = 1 // each of some thousand processes starts them
	mailbox := ingest.Mailbox{
		ID: "support", Host: l.Host, Port: l.Port, TLS: imap.Plaintext, Username: l.User,
		PasswordFile: config.Secret(l.Password), After: l.action(),
	}
	switch mailbox.After {
	case ingest.Keyword:
		mailbox.Keyword = keyword
	case ingest.Move:
		mailbox.MoveTo = moveTo
	}
	c.Ingest.Mailboxes = []ingest.Mailbox{mailbox}
	return c.Complete()
}

func (l life) action() ingest.Action { return cmp.Or(l.After, ingest.Keyword) }

const (
	keyword = "$Archived" // what archived mails are marked with
	moveTo  = "Archived"  // where they are moved to; the folder is not there at first
)

// A killer kills its own process where its kill says.
type killer struct {
	kill     *kill
	count    counter
	sweeping atomic.Bool
	spare    bool // the call fails, and that is all
}

func newKiller(k *kill) *killer {
	killer := &killer{kill: k}
	if k != nil {
		killer.count.pattern, killer.count.since = k.Call, k.Since
	}
	return killer
}

func (k *killer) around(c call, do func() error) error {
	if k.kill == nil || k.kill.Sweep && !k.sweeping.Load() || !k.count.hit(c) {
		return do()
	}
	if k.kill.After {
		_ = do()
	}
	if k.spare {
		return errSabotage
	}
	fmt.Println("dying")
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}

// beChild is a whole Postern until its standard input closes, or until it is killed.
func beChild(told string) error {
	var l life
	if err := json.Unmarshal([]byte(told), &l); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { // the parent ended
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	k := newKiller(cmp.Or(l.Kill, l.Fault))
	k.spare = l.Kill == nil
	if l.Kill != nil && l.Kill.Call.Where == onIMAP {
		port, err := proxy(ctx, fmt.Sprintf("%s:%d", l.Host, l.Port), hooks{k})
		if err != nil {
			return err
		}
		l.Host, l.Port = "127.0.0.1", port
	}
	log, err := l.logFile()
	if err != nil {
		return err
	}
	defer log.Close()
	return l.liveFrom(ctx, hooks{k}.options(log), func(ctx context.Context, p *wiring.Process) error {
		return l.equip(ctx, p, hooks{k})
	}, func(ctx context.Context, p *wiring.Process) error {
		var anew *anew
		if l.Scanner != "" && l.Kill == nil {
			var err error
			if anew, err = l.judgedAnew(ctx, p); err != nil {
				return err
			}
		}
		waiting, cancel := ctx, context.CancelFunc(func() {})
		if l.Kill == nil || l.Spare {
			waiting, cancel = context.WithTimeout(ctx, settling)
		}
		defer cancel()
		inside := into(p)
		inside.waits = l.Waits
		switch err := settle(waiting, inside, l.Mails); {
		case err != nil && ctx.Err() == nil && waiting.Err() != nil:
			fmt.Println("unsettled " + err.Error())
			return nil
		case err != nil:
			return err
		}
		if l.Kill == nil {
			within := soon
			if l.Patient {
				within = found
			}
			waiting, cancel := context.WithTimeout(ctx, within)
			defer cancel()
			switch err := l.acted(waiting, into(p)); {
			case err != nil && ctx.Err() == nil && waiting.Err() != nil:
				fmt.Println("unsettled " + err.Error())
				return nil
			case err != nil:
				return err
			}
		}
		if l.Sweep {
			k.sweeping.Store(true)
			p.Clock.Advance(sweepSpan - l.Ahead)
			if err := sweep(ctx, p); err != nil {
				return fmt.Errorf("sweep: %w", err)
			}
		}
		if l.Kill != nil && !l.Spare { // what is to kill it is still to come
			<-ctx.Done()
			return errors.New("was not killed")
		}
		report, err := look(ctx, into(p))
		if err != nil {
			return fmt.Errorf("report: %w", err)
		}
		report.Anew = anew
		text, err := json.Marshal(report)
		if err != nil {
			return err
		}
		fmt.Println("report " + string(text))
		return nil
	})
}

// sweep runs retention to its end, as soon as there is a keyring.
func sweep(ctx context.Context, p *wiring.Process) error {
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := p.SweepWhole(ctx)
		if !errors.Is(err, bus.ErrNobody) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-ticker.C:
		}
	}
}

// live runs a process while then looks at it.
func (l life) live(ctx context.Context, options wiring.Options, then func(context.Context, *wiring.Process) error) error {
	return l.liveFrom(ctx, options, func(context.Context, *wiring.Process) error { return nil }, then)
}

// liveFrom is live for a process to which something is done before its services start.
func (l life) liveFrom(ctx context.Context, options wiring.Options, first, then func(context.Context, *wiring.Process) error) error {
	c, err := l.config()
	if err != nil {
		return err
	}
	p, err := wiring.New(ctx, c, options)
	if err != nil {
		return err
	}
	defer p.Close()
	if p.Resolver, err = dns.NewZone(map[string]*dns.Entry{}); err != nil {
		return err
	}
	if err := first(ctx, p); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ended := make(chan error, 1)
	go func() {
		err := p.Run(ctx)
		cancel(fmt.Errorf("process: %w", errors.Join(err, errors.New("ended"))))
		ended <- err
	}()
	result := then(ctx, p)
	if result != nil && ctx.Err() != nil {
		result = errors.Join(result, context.Cause(ctx))
	}
	cancel(nil)
	return errors.Join(result, <-ended)
}

// proxy passes IMAP on and tells of each change that the client asks for.
func proxy(ctx context.Context, server string, h hooks) (port int, err error) {
	listener, err := listen()
	if err != nil {
		return 0, err
	}
	context.AfterFunc(ctx, func() { _ = listener.Close() })
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go pass(client, server, h)
		}
	}()
	return portOf(listener), nil
}

func pass(client io.ReadWriteCloser, address string, h hooks) {
	defer client.Close()
	server, err := dial(address)
	if err != nil {
		return
	}
	defer server.Close()
	answers := make(chan string, 16) // tags of answered changes
	var waited atomic.Pointer[string]
	go func() {
		defer client.Close()
		lines := bufio.NewReader(server)
		for {
			line, err := lines.ReadString('\n')
			tag, _, _ := strings.Cut(line, " ")
			if want := waited.Load(); want != nil && *want == tag {
				waited.Store(nil)
				answers <- tag
			}
			if _, failed := io.WriteString(client, line); err != nil || failed != nil {
				close(answers)
				return
			}
		}
	}()
	lines := bufio.NewReader(client)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		send := func() error {
			_, err := io.WriteString(server, line)
			return err
		}
		words := strings.Fields(line)
		err = h.imap(changeOf(words), func() error {
			if changeOf(words) == "" {
				return send()
			}
			waited.Store(&words[0])
			if err := send(); err != nil {
				return err
			}
			<-answers
			return nil
		})
		if err != nil {
			return
		}
	}
}

// changeOf names what a command changes on the server: store, move, expunge or create; "" for
// one that changes nothing.
func changeOf(words []string) string {
	at := 1
	if len(words) > 2 && words[1] == "UID" {
		at = 2
	}
	if len(words) <= at {
		return ""
	}
	switch words[at] {
	case "STORE", "MOVE", "EXPUNGE", "CREATE":
		return strings.ToLower(words[at])
	}
	return ""
}
