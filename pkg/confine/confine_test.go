package confine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	Enter(jobs)
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil { // as the program does
		panic(err)
	}
	if os.Getenv(asParent) != "" {
		os.Exit(parent())
	}
	os.Exit(m.Run())
}

// asParent has the tests' binary start a child, give it a job without an end, and tell its number.
const asParent = "POSTERN_TEST_CONFINE_PARENT"

func parent() int {
	p, err := NewPool(Options{Size: 1})
	if err != nil {
		return 1
	}
	c := <-p.ready
	fmt.Println(c.cmd.Process.Pid)
	_, _ = c.do(context.Background(), "spin", nil, nil)
	return 2
}

func TestChildrenDieWithWhoStartedThem(t *testing.T) {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), asParent+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var child int
	if _, err := fmt.Fscan(out, &child); err != nil {
		t.Fatal(err)
	}
	fd, err := unix.PidfdOpen(child, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd) //nolint:errcheck // of a test
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	ended := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	if n, err := unix.Poll(ended, 120_000); n != 1 {
		t.Errorf("the child is still at it: %v", err)
	}
}

// jobs are what the children of these tests can be asked to do, or to try.
var jobs = map[string]Job{
	"turn": func(_ context.Context, parts [][]byte, _ Ask) ([][]byte, error) {
		for i, j := 0, len(parts)-1; i < j; i, j = i+1, j-1 {
			parts[i], parts[j] = parts[j], parts[i]
		}
		return parts, nil
	},
	"refuse": func(context.Context, [][]byte, Ask) ([][]byte, error) { return nil, errors.New("not_today") },
	"babble": func(context.Context, [][]byte, Ask) ([][]byte, error) {
		return nil, errors.New("<b>words of a mail</b>")
	},
	"panic": func(context.Context, [][]byte, Ask) ([][]byte, error) { panic("a decoder's") },
	"hang":  func(context.Context, [][]byte, Ask) ([][]byte, error) { select {} },
	"spin": func(context.Context, [][]byte, Ask) ([][]byte, error) {
		for n := 0; ; n++ {
			if n < 0 {
				return nil, nil
			}
		}
	},
	"explode": func(context.Context, [][]byte, Ask) ([][]byte, error) {
		all := []byte{1}
		for {
			all = append(all, all...)
		}
	},
	"flood": func(context.Context, [][]byte, Ask) ([][]byte, error) {
		return [][]byte{make([]byte, 3<<20)}, nil
	},
	"ask": func(_ context.Context, parts [][]byte, ask Ask) ([][]byte, error) {
		var answers [][]byte
		for _, part := range parts {
			answer, err := ask(bytes.NewReader(part))
			if err != nil {
				return nil, err
			}
			answers = append(answers, answer)
		}
		return answers, nil
	},
	"ask badly": func(_ context.Context, parts [][]byte, ask Ask) ([][]byte, error) {
		_, err := ask(io.MultiReader(bytes.NewReader(parts[0]), failing{}))
		return [][]byte{[]byte(err.Error())}, nil
	},
	"escape": func(_ context.Context, parts [][]byte, _ Ask) ([][]byte, error) { return escape(string(parts[0])) },
	"pid": func(context.Context, [][]byte, Ask) ([][]byte, error) {
		return [][]byte{[]byte(fmt.Sprint(os.Getpid()))}, nil
	},
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("source failed") }

// escape tries one way out, and tells what came of it.
func escape(way string) ([][]byte, error) {
	said := func(err error) ([][]byte, error) {
		if err == nil {
			return [][]byte{[]byte("open")}, nil
		}
		return [][]byte{[]byte("shut: " + err.Error())}, nil
	}
	kind, where, _ := strings.Cut(way, ":")
	switch kind {
	case "read":
		_, err := os.ReadFile(where)
		return said(err)
	case "list":
		entries, err := os.ReadDir(where)
		if err == nil && len(entries) == 0 {
			err = errors.New("empty")
		}
		return said(err)
	case "write":
		return said(os.WriteFile(where, []byte("x"), 0o600))
	case "dial":
		conn, err := net.DialTimeout("tcp", where, time.Minute)
		if err == nil {
			conn.Close()
		}
		return said(err)
	case "socket":
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
		if err == nil {
			unix.Close(fd)
		}
		return said(err)
	case "start":
		p, err := os.StartProcess(where, []string{where}, &os.ProcAttr{})
		if err == nil {
			_, err = p.Wait()
		}
		return said(err)
	case "mount":
		return said(unix.Mount("x", "/", "tmpfs", 0, ""))
	case "chroot":
		return said(unix.Chroot("/"))
	case "unshare":
		return said(unix.Unshare(unix.CLONE_NEWUTS))
	case "clone":
		_, _, errno := unix.Syscall6(unix.SYS_CLONE, uintptr(unix.CLONE_NEWUSER|unix.SIGCHLD), 0, 0, 0, 0, 0)
		if errno != 0 {
			return said(errno)
		}
		return said(nil)
	case "trace":
		return said(unix.PtraceSeize(1))
	case "root":
		return said(unix.Setuid(0))
	case "limits":
		return said(unix.Setrlimit(unix.RLIMIT_DATA, &unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}))
	case "device":
		return said(unix.Mknod("/kmsg", unix.S_IFCHR|0o600, int(unix.Mkdev(1, 11))))
	}
	return nil, errors.New("no_such_way")
}

func pool(t *testing.T, o Options) *Pool {
	t.Helper()
	p, err := NewPool(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func parts(texts ...string) (all [][]byte) {
	for _, text := range texts {
		all = append(all, []byte(text))
	}
	return all
}

func TestAChildGetsPartsAndGivesParts(t *testing.T) {
	p := pool(t, Options{Size: 1})
	long := strings.Repeat("long ", frameBytes)
	for _, given := range [][][]byte{parts("a", "", long), parts(""), nil, parts(long[:frameBytes], long[:frameBytes+1], long[:2*frameBytes])} {
		got, err := p.Do(t.Context(), "turn", given, nil)
		if err != nil || len(got) != len(given) {
			t.Fatalf("%d parts, %v", len(got), err)
		}
		for i := range got {
			if !bytes.Equal(got[i], given[len(given)-1-i]) {
				t.Errorf("part %d of %d bytes is not what was given", i, len(got[i]))
			}
		}
	}
}

func TestThereIsNoWayOut(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(outside, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p := pool(t, Options{Size: 1})
	for _, way := range []string{
		"read:" + outside, "read:/etc/passwd", "read:/proc/self/status", "read:/proc/1/environ", "read:/dev/mem", "read:/sys/kernel/notes",
		"list:/proc", "list:/etc", "list:/home", "list:/tmp", "write:/x", "write:/tmp/x", "write:" + outside,
		"dial:" + l.Addr().String(), "dial:[::1]:1", "socket:", "start:/bin/true", "start:/proc/self/exe",
		"mount:", "chroot:", "unshare:", "clone:", "trace:", "limits:", "device:",
	} {
		got, err := p.Do(t.Context(), "escape", parts(way), nil)
		if err != nil || !strings.HasPrefix(string(got[0]), "shut: ") {
			t.Errorf("%s: %q, %v", way, got, err)
		} else {
			t.Logf("%s: %s", way, got[0])
		}
	}
	if got, err := p.Do(t.Context(), "pid", nil, nil); err != nil || string(got[0]) != "1" {
		t.Errorf("it is process %s of its namespace, %v", got, err)
	}
}

func TestACrashCostsOneJob(t *testing.T) {
	p := pool(t, Options{Size: 2, Room: Room{Time: 2 * time.Second, Result: 2 << 20}})
	for _, job := range []string{"panic", "explode", "hang", "spin", "flood"} {
		if _, err := p.Do(t.Context(), job, nil, nil); !errors.Is(err, ErrDied) {
			t.Errorf("%s: %v, want that it died", job, err)
		} else {
			t.Logf("%s: %v", job, err)
		}
		if got, err := p.Do(t.Context(), "turn", parts("next"), nil); err != nil || string(got[0]) != "next" {
			t.Errorf("after %s: %q, %v", job, got, err)
		}
	}
}

func TestTheKernelEndsWhatTakesTooMuchTime(t *testing.T) {
	p := pool(t, Options{Size: 1, Room: Room{CPU: time.Second, Time: 10 * time.Minute}})
	if _, err := p.Do(t.Context(), "spin", nil, nil); !errors.Is(err, ErrDied) || errors.Is(err, errTime) {
		t.Errorf("%v, want an end by the kernel", err)
	}
}

func TestAJobsErrorIsACodeAndNothingElse(t *testing.T) {
	p := pool(t, Options{Size: 1})
	for job, want := range map[string]string{"refuse": "not_today", "babble": "unknown", "no such": "unknown_job"} {
		if _, err := p.Do(t.Context(), job, nil, nil); !errors.Is(err, ErrJob) || !strings.HasSuffix(err.Error(), ": "+want) {
			t.Errorf("%s: %v", job, err)
		}
	}
}

func TestQuestionsAreAnsweredOutside(t *testing.T) {
	p := pool(t, Options{Size: 1})
	long := strings.Repeat("x", 3*frameBytes+1)
	length := func(_ context.Context, question io.Reader) ([]byte, error) {
		n, err := io.Copy(io.Discard, question)
		return fmt.Append(nil, n), err
	}
	got, err := p.Do(t.Context(), "ask", parts("abc", "", long), length)
	if err != nil || string(bytes.Join(got, []byte(" "))) != fmt.Sprint("3 0 ", len(long)) {
		t.Errorf("%s, %v", got, err)
	}
	unread := func(context.Context, io.Reader) ([]byte, error) { return []byte("whatever"), nil }
	if got, err := p.Do(t.Context(), "ask", parts(long, "x"), unread); err != nil || len(got) != 2 {
		t.Errorf("unread: %s, %v", got, err)
	}
	silent := func(context.Context, io.Reader) ([]byte, error) { return nil, errors.New("nobody there") }
	if _, err := p.Do(t.Context(), "ask", parts("x"), silent); !errors.Is(err, ErrJob) {
		t.Errorf("unanswered: %v", err)
	}
	if _, err := p.Do(t.Context(), "ask", parts("x"), nil); !errors.Is(err, ErrJob) {
		t.Errorf("nobody to answer: %v", err)
	}
	var seen error
	whole := func(_ context.Context, question io.Reader) ([]byte, error) {
		_, seen = io.ReadAll(question)
		return nil, seen
	}
	got, err = p.Do(t.Context(), "ask badly", parts(long), whole)
	if err != nil || string(got[0]) != "source failed" || seen == nil {
		t.Errorf("a question that broke off: %s, %v; outside it looked like %v", got, err, seen)
	}
}

func TestWhoGivesUpIsNotHeldUp(t *testing.T) {
	p := pool(t, Options{Size: 1})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		_, err := p.Do(ctx, "ask", parts("x"), func(ctx context.Context, _ io.Reader) ([]byte, error) {
			cancel()
			<-ctx.Done()
			return nil, ctx.Err()
		})
		ended <- err
	}()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if _, err := p.Do(t.Context(), "turn", parts("x"), nil); err != nil {
		t.Errorf("the next: %v", err)
	}
}

func TestAChildIsReplacedAfterItsShare(t *testing.T) {
	events := make(chan Event, 20)
	p := pool(t, Options{Size: 1, Room: Room{Jobs: 2}, Events: func(e Event) { events <- e }})
	for range 3 {
		if _, err := p.Do(t.Context(), "turn", nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []Event{Started, Replaced, Started} {
		if got := <-events; got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestALazyPoolStartsNothingBeforeItIsNeeded(t *testing.T) {
	events := make(chan Event, 20)
	p := pool(t, Options{Size: 2, Lazy: true, Room: Room{Jobs: 1}, Events: func(e Event) { events <- e }})
	if len(p.vacant) != 0 {
		t.Error("a child is to be started, and nobody needs one")
	}
	for range 3 {
		if _, err := p.Do(t.Context(), "turn", nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	if first := <-events; first != Started {
		t.Errorf("%s", first)
	}
}

func TestWhereTheKernelRefusesNothingIsDone(t *testing.T) {
	p := pool(t, Options{Size: 1, Room: Room{Memory: 1}}) // in which no program starts
	_, err := p.Do(t.Context(), "turn", nil, nil)
	if !errors.Is(err, ErrNone) || p.Refused() == nil {
		t.Errorf("%v, refused: %v", err, p.Refused())
	}
}

func TestAClosedPoolEndsItsChildren(t *testing.T) {
	p, err := NewPool(Options{Size: 2})
	if err != nil {
		t.Fatal(err)
	}
	started := make(chan struct{})
	ended := make(chan error)
	go func() {
		_, err := p.Do(t.Context(), "ask", parts("x"), func(ctx context.Context, _ io.Reader) ([]byte, error) {
			close(started)
			return nil, nil
		})
		if err == nil {
			_, err = p.Do(t.Context(), "hang", nil, nil)
		}
		ended <- err
	}()
	<-started
	p.Close()
	if err := <-ended; !errors.Is(err, ErrNone) {
		t.Errorf("%v", err)
	}
}

// A thread that ends takes the processes with it that were started from it to die with it, whoever's they
// are: the threads of pools go on.
func TestAClosedPoolEndsNoProcessOfOthers(t *testing.T) {
	var others []*exec.Cmd
	for range 20 { // started from whatever threads there are
		other := exec.Command("sleep", "600")
		other.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		if err := other.Start(); err != nil {
			t.Fatal(err)
		}
		others = append(others, other)
		p, err := NewPool(Options{Size: 1})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Do(t.Context(), "turn", nil, nil); err != nil {
			t.Error(err)
		}
		p.Close()
	}
	for i, other := range others {
		if err := other.Process.Signal(syscall.SIGTERM); err != nil {
			t.Errorf("process %d: %v", i, err)
		}
		var exit *exec.ExitError
		if err := other.Wait(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGTERM {
			t.Errorf("process %d ended by itself: %v", i, err)
		}
	}
}

func BenchmarkJob(b *testing.B) {
	p, err := NewPool(Options{Size: 1})
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	given := [][]byte{make([]byte, 25<<10)}
	for b.Loop() {
		if _, err := p.Do(b.Context(), "turn", given, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		if err := Probe(b.Context(), Room{}); err != nil {
			b.Fatal(err)
		}
	}
}
