package stage_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nkeys"
	"google.golang.org/protobuf/proto"

	eventv1 "github.com/postern-mail/postern/proto/event/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/bus/bustest"
	"github.com/postern-mail/postern/pkg/bus/embedded"
	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/pkg/stage"
	"github.com/postern-mail/postern/pkg/stage/stagetest"
)

// A child is this test program, run again as a worker that one mail kills.
type child struct {
	URL   string            // of a real server, or
	Dir   string            // the state of a server in the child itself
	Seeds map[string][]byte // credentials
	Item  string            // the mail that kills
}

const childVariable = "POSTERN_STAGE_TEST_CHILD"

func TestMain(m *testing.M) {
	if told := os.Getenv(childVariable); told != "" {
		if err := beChild(told); err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// beChild works until its standard input closes, or until the mail kills it.
func beChild(told string) error {
	var c child
	if err := json.Unmarshal([]byte(told), &c); err != nil {
		return err
	}
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	process := stage.NewProcess()
	options := bus.Options{URL: c.URL}
	if c.Dir != "" {
		began := time.Now()
		server, err := embedded.Start(embedded.Options{Dir: c.Dir, Keys: publicKeys(c.Seeds)})
		if err != nil {
			return err
		}
		defer server.Stop()
		options.Local = server
		if server.Unclean() {
			process.AfterDeath(began)
		}
	}
	connect := func(service string) (*bus.Conn, error) {
		o := options
		o.Service, o.Seed = service, c.Seeds[service]
		return bus.Connect(ctx, o)
	}
	verify, err := connect("verify")
	if err != nil {
		return err
	}
	defer verify.Close()
	keyring, err := connect("keyring")
	if err != nil {
		return err
	}
	defer keyring.Close()
	consumer, _ := topology.ConsumerOf("verify")
	d := stage.OnBus(verify, consumer)
	d.Process = process
	d.SetAsider = onRecords{keyring, func(item, code string) { fmt.Println("aside", item, code) }}
	return stage.Run(ctx, d, quickly(func(ctx context.Context, env *eventv1.Envelope, msg proto.Message) ([]stage.Out, error) {
		if env.Item == c.Item {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			<-ctx.Done()
		}
		fmt.Println("passed", env.Item)
		return verified(ctx, env, msg)
	}))
}

// spawn runs a child until it dies, which is true, or until a line it writes is what
// the parent waits for: then it is told to stop.
func spawn(t *testing.T, c child, enough func(line string) bool) (died bool) {
	t.Helper()
	told, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"="+string(told))
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "error") {
			t.Error(lines.Text())
		}
		if enough(lines.Text()) {
			_ = stdin.Close()
		}
	}
	_ = cmd.Wait()
	if ctx.Err() != nil {
		t.Fatal("a child neither died nor ended")
	}
	return !cmd.ProcessState.Exited()
}

// kill lets children work until one of them ends well, and returns how many died and
// which items passed.
func kill(t *testing.T, c child, innocent int) {
	t.Helper()
	deaths, aside, passed := 0, "", make(map[string]bool)
	for deaths < 10 {
		died := spawn(t, c, func(line string) bool {
			if item, ok := strings.CutPrefix(line, "passed "); ok {
				passed[item] = true
			}
			if what, ok := strings.CutPrefix(line, "aside "); ok {
				aside = what
			}
			return aside != "" && len(passed) == innocent
		})
		if !died {
			break
		}
		deaths++
	}
	if deaths != 3 {
		t.Errorf("%d deaths", deaths)
	}
	if aside != c.Item+" killed_worker" {
		t.Errorf("set aside: %q", aside)
	}
	for n := 1; n <= innocent; n++ {
		if !passed[stagetest.Item(n)] {
			t.Errorf("item %d never passed", n)
		}
	}
}

func TestAMailThatKillsItsProcessIsSetAsideWhileOthersPass(t *testing.T) {
	const innocent = 4
	t.Run("nats-server", func(t *testing.T) {
		b := bustest.StartReal(t)
		b.Tune(t, quick, 2*time.Minute)
		ingest := b.Connect(t, "ingest")
		for n := range innocent + 1 {
			put(t, ingest, n)
		}
		kill(t, child{URL: b.URL, Seeds: b.Seeds, Item: stagetest.Item(0)}, innocent)
		afterKill(t, b, innocent)
	})
	// The bus dies with the process here, and what it had not yet written is lost.
	t.Run("embedded", func(t *testing.T) {
		b := bustest.Start(t)
		b.Tune(t, quick, 2*time.Minute)
		ingest := b.Connect(t, "ingest")
		for n := range innocent + 1 {
			register(t, b.Connect(t, "keyring"), n, itemv1.State_STATE_REGISTERED)
			put(t, ingest, n)
		}
		b.Stop()
		kill(t, child{Dir: b.Dir, Seeds: b.Seeds, Item: stagetest.Item(0)}, innocent)
		b.Restart(t)
		// What was said last may be gone with the process: that is what the sweeper is for.
		stop := sweepOn(t, b)
		defer stop()
		start(t, verifyOn(t, b, nil, nil), quickly(verified))
		afterKill(t, b, innocent)
	})
}

// afterKill looks whether each innocent mail went on and the killer's record says why it did not.
func afterKill(t *testing.T, b *bustest.Bus, innocent int) {
	t.Helper()
	went := make(map[string]bool)
	heard := listen(t, b)
	for len(went) < innocent {
		went[await(t, heard, 1)[0].Item] = true
	}
	last, err := b.Connect(t, "ingest").Last(bustest.Context(t), "ITEMS", "items."+stagetest.Item(0))
	if err != nil {
		t.Fatal(err)
	}
	var record itemv1.Record
	if err := proto.Unmarshal(last.Data, &record); err != nil || record.SetAside.GetCode() != "killed_worker" {
		t.Errorf("record %v, %v", &record, err)
	}
}

func publicKeys(seeds map[string][]byte) map[string]string {
	public := make(map[string]string)
	for name, seed := range seeds {
		if pair, err := nkeys.FromSeed(seed); err == nil {
			public[name], _ = pair.PublicKey()
		}
	}
	return public
}
