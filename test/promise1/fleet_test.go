package promise1

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/mailauth/dns"
	"github.com/postern-mail/postern/services/ingest/imaptest"
	"github.com/postern-mail/postern/services/postern/fleet"
	"github.com/postern-mail/postern/services/postern/wiring"
	"github.com/postern-mail/postern/test/program"
)

// standVariable has this executable be the program of a fleet, and names its folder of orders.
const standVariable = "POSTERN_PROMISE1_STAND"

// fleetAckWait is how soon a mail whose worker died is worked on again in a fleet.
const fleetAckWait = 2 * time.Second

// keepers are the servers that keep something, by the names of the fleet.
var keepers = []string{"nats", "redis", "s3"}

// A crowd is a fleet with a mailbox, and a place to kill in.
type crowd struct {
	*fleet.Fleet
	mails  [][]byte
	dice   *rand.Rand
	orders string            // the folder in which services find at what they are to die
	known  map[string]string // what need not be opened again; nil: everything is
}

func newCrowd(t *testing.T, dice *rand.Rand, without ...string) *crowd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	orders := t.TempDir()
	f := program.Fleet(t, fleet.Options{
		Program: self, Env: []string{standVariable + "=" + orders}, Zone: map[string]*dns.Entry{}, Log: t.Output(), Without: without,
		Change: func(service string, config fleet.Section) {
			in := fleet.Below(config, "ingest")
			in["max_size"] = fmt.Sprint(maxSize)
			for _, mailbox := range in["mailboxes"].([]any) {
				mailbox := mailbox.(fleet.Section)
				mailbox["after"], mailbox["keyword"], mailbox["poll"] = "keyword", keyword, "1s"
			}
		},
	})
	return &crowd{Fleet: f, dice: dice, orders: orders}
}

// receive has some mails come to the mailbox.
func (c *crowd) receive(t *testing.T, n int) {
	t.Helper()
	var mails [][]byte
	for range n {
		mails = append(mails, mixed[c.dice.IntN(len(mixed))])
	}
	c.bring(t, mails...)
}

// bring has mails come to the mailbox.
func (c *crowd) bring(t *testing.T, come ...[]byte) {
	t.Helper()
	var mails []fleet.Mail
	for _, mail := range come {
		c.mails = append(c.mails, mail)
		mails = append(mails, fleet.Mail{Raw: mail})
	}
	if err := c.Append(program.Context(t), mails...); err != nil {
		t.Fatal(err)
	}
}

// amid returns when so many of the mails are at least registered: that is a moment at which
// others are at every stage. A service that is away may be why they never are, so it waits
// for a few seconds only. It tells how many mails are not at rest then.
func (c *crowd) amid(t *testing.T, registered int) (moving int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(program.Context(t), 3*time.Second)
	defer cancel()
	moving = len(c.mails)
	process, err := c.Look(ctx)
	if err != nil {
		return moving
	}
	defer process.Close()
	conn, err := process.Connect(ctx, topology.Doctor)
	if err != nil {
		return moving
	}
	defer conn.Close()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for {
		records, err := fleet.Records(ctx, conn)
		if err == nil {
			moving = len(c.mails)
			for _, record := range records {
				if fleet.Settled(record) {
					moving--
				}
			}
		}
		if err == nil && len(records) >= registered {
			return moving
		}
		select {
		case <-ctx.Done():
			return moving
		case <-ticker.C:
		}
	}
}

// kill kills a service or a server without a last word. It is started again.
func (c *crowd) kill(t *testing.T, name string) {
	t.Helper()
	for _, keeper := range keepers {
		if name == keeper {
			if err := c.KillServer(program.Context(t), name); err != nil {
				t.Fatal(err)
			}
			return
		}
	}
	ended, pid := c.Ended(name), c.PID(name)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	<-ended
	program.Until(t, name+" is there again", func() bool { return c.PID(name) != pid })
}

// strike has mails come and kills in their midst. It tells how many were on their way.
func (c *crowd) strike(t *testing.T, names ...string) (moving int) {
	t.Helper()
	before := len(c.mails)
	c.receive(t, batch)
	moving = c.amid(t, before+1+c.dice.IntN(batch))
	for _, name := range names {
		c.kill(t, name)
	}
	return moving
}

// into looks into the fleet.
func (c *crowd) into(t *testing.T) insight {
	setup, err := wiring.Load(c.ConfigFile(topology.Setup))
	if err != nil {
		t.Fatal(err)
	}
	return insight{
		known: c.known,
		tool: func(ctx context.Context, credential string) (*wiring.Tool, error) {
			config, err := wiring.Load(c.ConfigFile(credential))
			if err != nil {
				return nil, err
			}
			process, err := wiring.New(ctx, config, wiring.Options{Log: slog.New(slog.DiscardHandler)})
			if err != nil {
				return nil, err
			}
			t.Cleanup(process.Close)
			return process.Tool(ctx, credential)
		},
		keyFile: func(service, name string) string { return filepath.Join(c.Folder(service), "keys", name) },
		nkeys:   setup.NATS.Nkeys,
		connect: func(signIn ...nats.Option) (*nats.Conn, error) {
			return nats.Connect(setup.NATS.URL, append(signIn, nats.RootCAs(setup.NATS.CAFile))...)
		},
	}
}

// quiet returns when every mail is at rest and no stage has anything left to do.
func (c *crowd) quiet(t *testing.T, within time.Duration) error {
	ctx, cancel := context.WithTimeout(program.Context(t), within)
	defer cancel()
	err := settle(ctx, c.into(t), len(c.mails))
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("%w: %w", errUnsettled, err)
	}
	return err
}

// check waits until it is quiet and holds promise 1 against what a second client sees.
func (c *crowd) check(t *testing.T) {
	t.Helper()
	c.come(t, settling)
	c.compare(t, marked)
}

// come returns when every mail has come to rest, by itself or by the sweepers.
func (c *crowd) come(t *testing.T, within time.Duration) {
	t.Helper()
	if err := c.WaitReady(program.Context(t)); err != nil {
		t.Fatal(err)
	}
	err := c.quiet(t, within)
	if errors.Is(err, errUnsettled) {
		// What died with the bus is for the sweepers, an hour later.
		t.Logf("left to the sweepers: %v", err)
		if err := c.Advance(program.Context(t), standstill); err != nil {
			t.Fatal(err)
		}
		err = c.quiet(t, 2*settling)
	}
	if err != nil {
		c.complain(t)
		t.Fatal(err)
	}
}

// compare holds promise 1 against what a second client sees.
func (c *crowd) compare(t *testing.T, see func(*imaptest.Client) sight) {
	t.Helper()
	r, err := look(program.Context(t), c.into(t))
	if err != nil {
		t.Fatal(err)
	}
	client := c.client(t)
	defer client.Close()
	r.check(t, see(client), -1) // a mail that was in work at three deaths is set aside
	for _, i := range r.Items {
		if i.Code != "" && i.Code != "oversize" && i.Code != "killed_worker" {
			t.Errorf("UID %d is set aside as %s, which no kill explains", i.UID, i.Code)
		}
	}
}

// complain tells which mails are not at rest, and what the processes have to say.
func (c *crowd) complain(t *testing.T) {
	t.Helper()
	tool, err := c.into(t).tool(program.Context(t), topology.Rebuild)
	if err != nil {
		t.Log(err)
		return
	}
	known := map[uint32]bool{}
	for record, err := range records(program.Context(t), tool.Conn) {
		if err != nil {
			t.Log(err)
			return
		}
		known[record.GetUid()] = true
		if !fleet.Settled(record) {
			t.Logf("UID %d, item %s: %s", record.GetUid(), record.GetItem(), event.StateWord(record.GetState()))
		}
	}
	for uid := range uint32(len(c.mails)) {
		if !known[uid+1] {
			t.Logf("UID %d has no record", uid+1)
		}
	}
	for _, name := range fleet.Services() {
		text, _ := os.ReadFile(c.LogFile(name))
		lines := strings.Split(string(text), "\n")
		for _, line := range lines[max(0, len(lines)-40):] {
			if !strings.Contains(line, `"level":"INFO"`) {
				t.Log(name, line)
			}
		}
	}
}

// client is a second one at the mailbox.
func (c *crowd) client(t *testing.T) *imaptest.Client {
	t.Helper()
	config, err := wiring.Load(c.ConfigFile("ingest"))
	if err != nil {
		t.Fatal(err)
	}
	mailbox := config.Ingest.Mailboxes[0]
	password, err := os.ReadFile(string(mailbox.PasswordFile))
	if err != nil {
		t.Fatal(err)
	}
	authority, err := os.ReadFile(mailbox.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(authority) {
		t.Fatal("the fleet's authority is no certificate")
	}
	trust := &tls.Config{RootCAs: roots, ServerName: "localhost", MinVersion: tls.VersionTLS12}
	return imaptest.Open(t, net.JoinHostPort(mailbox.Host, itoa(mailbox.Port)), trust, mailbox.Username, strings.TrimSpace(string(password)), "INBOX")
}

const (
	// batch is how many mails come before each kill.
	batch = 8
	// strikes are the kills between two looks at what has become of the mails.
	strikes = 8
)

// It kills every process of a fleet once while mails are on their way, and,
// where there is all the time that is wanted, goes on at random.
func TestChaosKillsOfAnyProcessOfAFleetLoseNothing(t *testing.T) {
	t.Parallel()
	c := newCrowd(t, rand.New(rand.NewPCG(seed(t), 1<<32)))
	busy, victims := 0, append(fleet.Services(), keepers...)
	for _, name := range victims {
		if c.strike(t, name) > 0 {
			busy++
		}
	}
	if busy < len(victims)/2 {
		t.Errorf("only %d of %d kills came while mails were on their way: too few to tell", busy, len(victims))
	}
	c.check(t)
	if !long() {
		return
	}
	killed, looks := map[string]int{}, 0
	for more := rounds(t); more(looks) && !t.Failed(); looks++ {
		for range strikes {
			var names []string // one, or two at once
			for _, at := range c.dice.Perm(len(victims))[:1+c.dice.IntN(2)] {
				names = append(names, victims[at])
				killed[victims[at]]++
			}
			c.strike(t, names...)
		}
		c.check(t)
	}
	verdict := "none lost, none twice"
	if t.Failed() {
		verdict = "see above"
	}
	t.Logf("kills %v, over %d mails, looked at %d times: %s", killed, len(c.mails), looks, verdict)
}
