package promise2

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	"github.com/postern-mail/postern/services/postern/fleet"
	"github.com/postern-mail/postern/test/program"
)

// ends are what kills each service as it works on a mail on its way.
var ends = []struct {
	service string
	signal  syscall.Signal
}{
	{"ingest", syscall.SIGABRT}, {"verify", syscall.SIGSEGV}, {"scan", syscall.SIGABRT},
	{"archive", syscall.SIGSEGV}, {"keyring", syscall.SIGABRT}, {"sanitize", syscall.SIGSEGV},
}

// month is beyond the days of a customer's original.
const month = 32 * 24 * time.Hour

func TestNothingReadableIsAtRestAfterPanicsAndCrashes(t *testing.T) {
	wantCores(t)
	harm := t.TempDir()
	told := new(account)
	p := startHarmed(t, harm, told)
	happened := func(service, what string) func() bool {
		return func() bool {
			_, err := os.Stat(filepath.Join(harm, service+"."+what))
			return err == nil
		}
	}
	for _, name := range append(fleet.Servers(), fleet.Services()...) {
		dumpsNoCore(t, name, p.fleet.PID(name))
	}
	sent := mails(t)
	if err := p.fleet.Append(program.Context(t), delivered(sent)...); err != nil {
		t.Fatal(err)
	}
	for _, end := range ends {
		program.Until(t, end.service+" stands still with a mail in hand", happened(end.service, holding))
		kill(t, p.fleet, end.service, end.signal)
	}
	records, err := p.fleet.WaitSettled(program.Context(t), len(sent))
	if err != nil {
		t.Fatal(err)
	}
	for _, record := range records {
		if record.GetState() == itemv1.State_STATE_SET_ASIDE && record.GetSetAside().GetCode() != "oversize" {
			t.Errorf("a mail is set aside by %s: %s", record.GetSetAside().GetStage(), record.GetSetAside().GetCode())
		}
	}
	arm(t, harm, "audit") // what the agent reads is to be signed
	harmDesk(t, p.fleet, harm, records, happened)
	stand := func(service string) {
		program.Until(t, service+" stands still at its work on the mails", happened(service, holding))
		kill(t, p.fleet, service, syscall.SIGABRT)
	}
	stand("audit")
	arm(t, harm, "retain")
	if err := p.fleet.Advance(program.Context(t), month); err != nil {
		t.Fatal(err)
	}
	stand("retain")
	if out, err := p.fleet.Command(program.Context(t), "retain", "retention", "run", "--wait", "2m"); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	if err := p.fleet.WaitReady(program.Context(t)); err != nil {
		t.Fatal(err)
	}
	for _, name := range fleet.Services() {
		if !happened(name, panicked)() || !happened(name, holding)() {
			t.Errorf("%s did not panic, or did not stand still", name)
		}
	}
	p.scrape(t)
	p.empty(t, "after the crashes")
	p.fleet.Stop()
	p.empty(t, "after all has ended")
	told.check(t)
	for _, name := range fleet.Services() {
		text, err := os.ReadFile(p.fleet.LogFile(name))
		if err != nil || !bytes.Contains(text, []byte("goroutine ")) {
			t.Errorf("%s left no trace of its crash: %v", name, err)
		}
	}
	for _, root := range p.roots() {
		if cores := coresBelow(t, root); len(cores) > 0 {
			t.Errorf("cores were dumped: %q", cores)
		}
	}
}

// startHarmed starts a fleet whose services come to harm.
func startHarmed(t *testing.T, harm string, told *account) *places {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return startWith(t, fleet.Options{
		Program: self, Log: told,
		Env: []string{faultsVariable + "=" + harm, programVariable + "=" + program.Path(t), "GOTRACEBACK=crash"},
	})
}

// kill ends a service's process and waits until it is no more.
func kill(t *testing.T, f *fleet.Fleet, name string, with syscall.Signal) {
	t.Helper()
	ended, pid := f.Ended(name), f.PID(name)
	if err := syscall.Kill(pid, with); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	program.Until(t, name+" has ended", func() bool {
		select {
		case <-ended:
			return true
		default:
			return false
		}
	})
	program.Until(t, name+" is there again", func() bool { return f.PID(name) != pid })
}

// arm has a service come to harm from now on.
func arm(t *testing.T, harm, service string) {
	t.Helper()
	if err := os.WriteFile(arming(harm, service), nil, 0o600); err != nil {
		t.Fatal(err)
	}
}

// harmDesk has an agent open what is large enough to lie in the vault: the page panics
// first, then stands still while its process is killed.
func harmDesk(t *testing.T, f *fleet.Fleet, harm string, records map[string]*itemv1.Record, happened func(service, what string) func() bool) {
	t.Helper()
	link, err := f.Link(program.Context(t))
	if err != nil {
		t.Fatal(err)
	}
	agent := program.SignIn(t, link)
	page := ""
	for _, record := range records {
		for _, layer := range record.GetLayers() {
			if layer.GetKind() == itemv1.LayerKind_LAYER_KIND_VIEW && layer.GetObject() != "" {
				page = "/tickets/" + record.GetTicket() + "/message"
			}
		}
	}
	if page == "" {
		t.Fatal("no view lies in the vault")
	}
	arm(t, harm, "desk")
	if status, _ := agent.Get(t, page); status < 500 {
		t.Errorf("a page that panics answers %d", status)
	}
	if !happened("desk", panicked)() {
		t.Error("the desk did not panic")
	}
	var waiting sync.WaitGroup
	waiting.Add(1)
	go func() {
		defer waiting.Done()
		_ = agent.Try(t.Context(), page) // it is cut off
	}()
	program.Until(t, "the desk stands still with a mail in hand", happened("desk", holding))
	kill(t, f, "desk", syscall.SIGABRT)
	waiting.Wait()
}

// An account is what the fleet says of services that ended.
type account struct {
	mu   sync.Mutex
	text strings.Builder
}

func (a *account) Write(line []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.text.Write(line)
}

var endLine = regexp.MustCompile(`(?m)^(\w+) ended \((.*?)\) and`)

// check asserts that every service died of a signal and left no core.
func (a *account) check(t *testing.T) {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	died := map[string]bool{}
	for _, line := range endLine.FindAllStringSubmatch(a.text.String(), -1) {
		if strings.Contains(line[2], "core dumped") {
			t.Errorf("%s: %s", line[1], line[2])
		}
		if strings.HasPrefix(line[2], "signal: ") {
			died[line[1]] = true
		}
	}
	for _, name := range fleet.Services() {
		if !died[name] {
			t.Errorf("%s did not die of a signal:\n%s", name, a.text.String())
		}
	}
}

// wantCores has every child of this process be allowed a core dump of any size, which is
// what a careless machine does.
func wantCores(t *testing.T) {
	t.Helper()
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &limit); err != nil {
		t.Fatal(err)
	}
	was := limit
	limit.Cur = limit.Max
	if limit.Max == 0 {
		t.Fatal("this process may not dump core, so the test would see nothing: raise the hard limit (ulimit -Hc unlimited)")
	}
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &limit); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Setrlimit(unix.RLIMIT_CORE, &was) })
}

var coreLimit = regexp.MustCompile(`(?m)^Max core file size +(\S+) +(\S+)`)

func dumpsNoCore(t *testing.T, name string, pid int) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", pid))
	if err != nil {
		t.Fatal(err)
	}
	limits := coreLimit.FindStringSubmatch(string(text))
	if limits == nil || limits[1] != "0" || limits[2] != "0" {
		t.Errorf("%s may dump core: %q", name, limits)
	}
}

// coresBelow finds files that are core dumps, whatever they are called. (ELF, e_type 4)
func coresBelow(t *testing.T, root string) []string {
	t.Helper()
	var cores []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		defer file.Close()
		head := make([]byte, 18)
		if n, _ := file.Read(head); n == len(head) && string(head[:4]) == "\x7fELF" && (head[16] == 4 || head[17] == 4) {
			cores = append(cores, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return cores
}

// A process that takes no care dumps core under the same limits, and where cores are files
// of the working folder the mail is in it.
func TestACarelessProcessDumpsCoreWithItsMail(t *testing.T) {
	wantCores(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(self)
	command.Dir = t.TempDir()
	command.Env = append(os.Environ(), coreVariable+"=1", "GOTRACEBACK=crash")
	err = command.Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		t.Fatalf("it ended otherwise: %v", err)
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); !ok || !status.CoreDump() {
		t.Fatalf("it dumped no core: %v", err)
	}
	pattern, err := os.ReadFile("/proc/sys/kernel/core_pattern")
	if err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(string(pattern), "|/") {
		t.Logf("cores go elsewhere on this machine: %s", bytes.TrimSpace(pattern))
		return
	}
	cores := coresBelow(t, command.Dir)
	if len(cores) != 1 {
		t.Fatalf("cores in its folder: %q", cores)
	}
	if core, err := os.ReadFile(cores[0]); err != nil || !bytes.Contains(core, []byte(mark)) {
		t.Errorf("the mail is not in the core: %v", err)
	}
}
