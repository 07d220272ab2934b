package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"sync"
	"syscall"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/pkg/config"
	"github.com/postern-mail/postern/pkg/mailauth/dns"
	"github.com/postern-mail/postern/pkg/run"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	"github.com/postern-mail/postern/services/desk"
	"github.com/postern-mail/postern/services/ingest"
	"github.com/postern-mail/postern/services/ingest/imap"
	"github.com/postern-mail/postern/services/postern/wiring"
)

// An order is what the child is to do.
type order struct {
	Dir  string `json:"dir"`
	Port int    `json:"port"` // of the mailbox
	Tell bool   `json:"tell"` // of each mail that becomes a ticket

	// Mailboxes of one account, over TLS with this authority; 0: one, in the clear.
	Mailboxes int    `json:"mailboxes,omitempty"`
	CAFile    string `json:"ca_file,omitempty"`
}

// A report is one line of what the child says.
type report struct {
	Done     int    `json:"done,omitempty"`     // mails that are tickets or set aside
	Aside    int    `json:"aside,omitempty"`    // of them set aside
	CPU      int64  `json:"cpu,omitempty"`      // nanoseconds that the process has used, with those that it shut decoders in
	Confined int64  `json:"confined,omitempty"` // of which by the latter
	Peak     int64  `json:"peak,omitempty"`     // bytes of memory at most so far
	Now      int64  `json:"now,omitempty"`      // bytes of memory
	Read     int    `json:"read,omitempty"`     // mailboxes that are looked at and well
	Profiled bool   `json:"profiled,omitempty"`
	UID      uint32 `json:"uid,omitempty"`  // of a mail that is a ticket
	Time     int64  `json:"time,omitempty"` // when, in nanoseconds since 1970
}

// How often the child reports, and how often it looks what the confined processes have used: that asks for every
// thread, and would be seen in what is measured.
const (
	reportEvery = 50 * time.Millisecond
	insideEvery = 10 * reportEvery
	tellEvery   = 5 * time.Millisecond
)

// runChild is Postern in one process, as postern run would have it, on the mailbox of the
// measuring process. It works until its input ends. A line "profile FILE" begins a CPU
// profile, a line "stop" ends it.
func runChild(in io.Reader, out io.Writer) error {
	run.SpendMemory()
	lines := bufio.NewScanner(in)
	if !lines.Scan() {
		return errors.New("child: no order")
	}
	var o order
	if err := json.Unmarshal(lines.Bytes(), &o); err != nil {
		return fmt.Errorf("child: order: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c, err := childConfig(o)
	if err != nil {
		return err
	}
	log, err := os.OpenFile(filepath.Join(o.Dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("child: log: %w", err)
	}
	defer log.Close()
	logger, err := run.NewLogger(log, c.Log)
	if err != nil {
		return err
	}
	process, err := wiring.New(ctx, c, wiring.Options{Log: logger})
	if err != nil {
		return err
	}
	defer process.Close()
	// No name exists, and that is known at once: what DNS costs is not ours.
	if process.Resolver, err = dns.NewZone(nil); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- process.Run(ctx) }()
	if _, err := process.Desk(ctx); err != nil {
		return err
	}
	say := speaker(out)
	var reporting sync.WaitGroup
	reporting.Go(func() { reportOn(ctx, process, say) })
	if o.Tell {
		reporting.Go(func() { tellTickets(ctx, process, say) })
	}
	for lines.Scan() {
		if err := profile(lines.Text(), say); err != nil {
			return err
		}
	}
	cancel()
	reporting.Wait()
	return <-ended
}

func childConfig(o order) (wiring.Config, error) {
	c := wiring.Default()
	c.DataDir = o.Dir
	c.Operations.Listen = ""
	c.Desk.Listen, c.Desk.BaseURL = "127.0.0.1:0", "http://127.0.0.1"
	for i := range max(o.Mailboxes, 1) {
		mailbox := benchMailbox(o.Dir, o.Port)
		if o.Mailboxes > 0 {
			mailbox.ID, mailbox.TLS, mailbox.CAFile, mailbox.Poll = fmt.Sprintf("bench-%d", i), imap.Implicit, o.CAFile, config.Duration(time.Minute)
		}
		c.Ingest.Mailboxes = append(c.Ingest.Mailboxes, mailbox)
	}
	password := filepath.Join(o.Dir, "password")
	if err := os.WriteFile(password, []byte("bench"), 0o600); err != nil {
		return c, fmt.Errorf("child: password: %w", err)
	}
	c, err := c.Complete()
	if err != nil {
		return c, err
	}
	return c, desk.NewDirectory(c.Desk.UsersFile).Save(desk.User{Name: "bench", Roles: desk.Roles})
}

func benchMailbox(dir string, port int) ingest.Mailbox {
	return ingest.Mailbox{
		ID: "bench", Host: "127.0.0.1", Port: port, TLS: imap.Plaintext, Username: "bench",
		PasswordFile: config.Secret(filepath.Join(dir, "password")), Folders: []string{"INBOX"},
		Poll: config.Duration(time.Second), After: ingest.Keep,
	}
}

// profile begins or ends a CPU profile.
func profile(line string, say func(report)) error {
	word, path, _ := strings.Cut(line, " ")
	switch word {
	case "profile":
		file, err := os.Create(path)
		if err != nil {
			return fmt.Errorf("child: profile: %w", err)
		}
		if err := pprof.StartCPUProfile(file); err != nil {
			return fmt.Errorf("child: profile: %w", err)
		}
	case "stop":
		pprof.StopCPUProfile()
		say(report{Profiled: true})
	}
	return nil
}

// speaker gives a function that writes one line at a time.
func speaker(out io.Writer) func(report) {
	var mu sync.Mutex
	encoder := json.NewEncoder(out)
	return func(r report) {
		mu.Lock()
		defer mu.Unlock()
		_ = encoder.Encode(r) // nobody listens any more: then our input has ended too
	}
}

func reportOn(ctx context.Context, process *wiring.Process, say func(report)) {
	tick := time.NewTicker(reportEvery)
	defer tick.Stop()
	var inside int64
	for looks := 0; ; looks++ {
		done, aside, read := settled(process)
		if looks%int(insideEvery/reportEvery) == 0 {
			inside = confined()
		}
		say(report{Done: done, Aside: aside, Read: read, CPU: cpuOf(syscall.RUSAGE_SELF) + inside, Confined: inside, Peak: peakOf(os.Getpid()), Now: memoryOf(os.Getpid(), "VmRSS"), Time: time.Now().UnixNano()})
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// settled counts by the services' own metrics: what the desk has made tickets of, what
// any stage has set aside, and the folders that are read.
func settled(process *wiring.Process) (done, aside, read int) {
	families, err := process.Registry.Gather()
	if err != nil {
		return 0, 0, 0
	}
	for _, family := range families {
		if family.GetName() == "postern_ingest_last_success_seconds" {
			for _, metric := range family.GetMetric() {
				if metric.GetGauge().GetValue() > 0 {
					read++
				}
			}
		}
		if family.GetName() != "postern_stage_events_total" {
			continue
		}
		for _, metric := range family.GetMetric() {
			labels := map[string]string{}
			for _, label := range metric.GetLabel() {
				labels[label.GetName()] = label.GetValue()
			}
			n := int(metric.GetCounter().GetValue())
			switch {
			case labels["code"] == "" && labels["stage"] == "desk":
				done += n
			case labels["outcome"] == "final":
				done, aside = done+n, aside+n
			}
		}
	}
	return done, aside, read
}

// tellTickets tells of each mail when its ticket was on disk, by the bus's clock, which is
// the machine's.
func tellTickets(ctx context.Context, process *wiring.Process, say func(report)) {
	conn, err := process.Connect(ctx, topology.Doctor)
	if err != nil {
		return
	}
	defer conn.Close()
	tick := time.NewTicker(tellEvery)
	defer tick.Stop()
	for from := uint64(1); ; {
		from = tellFrom(ctx, conn, from, say)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func tellFrom(ctx context.Context, conn *bus.Conn, from uint64, say func(report)) uint64 {
	for message, err := range conn.Scan(ctx, topology.Items, from) {
		if err != nil {
			return from
		}
		from = message.Sequence + 1
		record := new(itemv1.Record)
		if proto.Unmarshal(message.Data, record) == nil && record.GetState() == itemv1.State_STATE_TICKETED {
			say(report{UID: record.GetUid(), Time: message.Time.UnixNano()})
		}
	}
	return from
}

// confined is the processor time of the processes that this one started.
func confined() int64 { return cpuOf(syscall.RUSAGE_CHILDREN) + cpuOfChildren(os.Getpid()) }

// cpuOf is the processor time of a process, user's and system's.
func cpuOf(who int) int64 {
	var usage syscall.Rusage
	if syscall.Getrusage(who, &usage) != nil {
		return 0
	}
	return usage.Utime.Nano() + usage.Stime.Nano()
}

// peakOf is the most memory that a process has had resident, in bytes.
func peakOf(pid int) int64 { return memoryOf(pid, "VmHWM") }

// memoryOf reads what the kernel tells of a process's memory, in bytes.
func memoryOf(pid int, field string) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, field+":"); ok {
			var kilobytes int64
			_, _ = fmt.Sscan(rest, &kilobytes)
			return kilobytes << 10
		}
	}
	return 0
}
