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
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

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
	_ = c.do(context.Background(), Task{Job: "spin"})
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
		return nil, errors.New("words_of_a_mail")
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

// jobs of a child that is taken over, which speaks to its parent as it likes.
func init() {
	raw := func(write func(w *wire)) {
		_, err := unix.Write(socketFile, sent(write))
		if err != nil {
			panic(err)
		}
	}
	count := 0
	jobs["count"] = func(context.Context, [][]byte, Ask) ([][]byte, error) {
		count++
		return [][]byte{fmt.Append(nil, count)}, nil
	}
	jobs["answer twice"] = func(context.Context, [][]byte, Ask) ([][]byte, error) {
		raw(func(w *wire) { _ = w.sendParts(parts("first")); _ = w.sendParts(parts("for another")) })
		select {}
	}
	jobs["answer later"] = func(context.Context, [][]byte, Ask) ([][]byte, error) {
		told := make(chan os.Signal, 1)
		signal.Notify(told, unix.SIGUSR1)
		go func() {
			<-told
			raw(func(w *wire) { _ = w.sendParts(parts("for another")) })
		}()
		return parts("first"), nil
	}
	jobs["ask without an end"] = func(context.Context, [][]byte, Ask) ([][]byte, error) {
		raw(func(w *wire) { _ = w.send(frameQuestion, nil) })
		select {}
	}
	jobs["ask in empty frames"] = func(context.Context, [][]byte, Ask) ([][]byte, error) {
		raw(func(w *wire) { _ = w.send(frameQuestion, nil) })
		for {
			raw(func(w *wire) { _ = w.send(frameMore, nil) })
		}
	}
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
	case "descriptor":
		number, err := strconv.Atoi(where)
		if err == nil {
			_, err = unix.FcntlInt(uintptr(number), unix.F_GETFD, 0)
		}
		return said(err)
	case "dumps":
		if on, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0); err != nil || on != 0 {
			return said(nil)
		}
		return said(errors.New("off"))
	case "connection":
		if flags, err := unix.FcntlInt(socketFile, unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC != 0 {
			return said(errors.New("ends with the program"))
		}
		return said(nil)
	case "fork":
		child, _, errno := unix.RawSyscall6(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
		switch {
		case errno != 0:
			return said(errno)
		case child == 0:
			unix.Exit(0)
		}
		return said(nil)
	case "clone3":
		var arguments [11]uint64 // struct clone_args, which asks for nothing
		_, _, errno := unix.RawSyscall(unix.SYS_CLONE3, uintptr(unsafe.Pointer(&arguments)), 0, 0)
		return said(errno)
	case "outlive":
		return said(unix.Prctl(unix.PR_SET_PDEATHSIG, 0, 0, 0, 0))
	case "map": // so many bytes, as code, or in a way that no limit counts
		length, flags, access := 4096, unix.MAP_PRIVATE|unix.MAP_ANON, unix.PROT_READ
		switch where {
		case "shared":
			flags = unix.MAP_SHARED | unix.MAP_ANON
		case "growing":
			flags |= unix.MAP_GROWSDOWN
		case "code":
			access |= unix.PROT_EXEC
		case "vast":
			length = 16 << 30
		}
		_, err := unix.Mmap(-1, 0, length, access, flags)
		return said(err)
	case "turn into code":
		page, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
		if err == nil {
			err = unix.Mprotect(page, unix.PROT_READ|unix.PROT_EXEC)
		}
		return said(err)
	case "local socket":
		_, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		return said(err)
	case "call": // by its number, with nothing sensible
		number, err := strconv.Atoi(where)
		if err != nil {
			return nil, err
		}
		_, _, errno := unix.Syscall6(uintptr(number), 0, 0, 0, 0, 0, 0)
		if errno != unix.EPERM && errno != unix.ENOSYS {
			return said(nil) // the kernel looked at what it was asked for
		}
		return said(errno)
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

// have has a pool do a job, and gives what it gave.
func have(ctx context.Context, p *Pool, job string, parts [][]byte, answer Answer) (results [][]byte, err error) {
	err = p.Do(ctx, Task{Job: job, Parts: parts, Answer: answer, Read: func(all [][]byte) error {
		results = all
		return nil
	}})
	return results, err
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
		got, err := have(t.Context(), p, "turn", given, nil)
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
	open, err := os.Open(outside)
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	kept, err := unix.FcntlInt(open.Fd(), unix.F_DUPFD, 200) // as one that this process was started with
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(kept) //nolint:errcheck // of a test
	ways := []string{
		"read:" + outside, "read:/etc/passwd", "read:/proc/self/status", "read:/proc/1/environ", "read:/dev/mem", "read:/sys/kernel/notes",
		"list:/proc", "list:/etc", "list:/home", "list:/tmp", "write:/x", "write:/tmp/x", "write:" + outside,
		"dial:" + l.Addr().String(), "dial:[::1]:1", "socket:", "start:/bin/true", "start:/proc/self/exe",
		"mount:", "chroot:", "unshare:", "clone:", "clone3:", "trace:", "limits:", "device:",
		fmt.Sprint("descriptor:", kept), "connection:",
	}
	for _, call := range []int{
		unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_USERFAULTFD, unix.SYS_IO_URING_SETUP, unix.SYS_KEYCTL, unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY,
		unix.SYS_SHMGET, unix.SYS_MSGGET, unix.SYS_SEMGET, unix.SYS_MQ_OPEN, unix.SYS_MEMFD_CREATE, unix.SYS_MEMFD_SECRET, unix.SYS_SETNS, unix.SYS_PIDFD_GETFD,
		unix.SYS_PROCESS_VM_READV, unix.SYS_OPEN_BY_HANDLE_AT, unix.SYS_QUOTACTL, unix.SYS_MAP_SHADOW_STACK, unix.SYS_LISTNS, 0x40000000 + unix.SYS_GETPID,
	} {
		ways = append(ways, fmt.Sprint("call:", call))
	}
	if addressSpace > 0 {
		ways = append(ways, "map:vast")
	}
	alone := append(slices.Clone(ways), "fork:", "outlive:", "local socket:", "map:shared", "map:growing", "map:code", "turn into code:",
		fmt.Sprint("call:", unix.SYS_EXECVE), fmt.Sprint("call:", unix.SYS_EXECVEAT), fmt.Sprint("call:", unix.SYS_PRCTL), fmt.Sprint("call:", unix.SYS_SECCOMP))
	p := pool(t, Options{Size: 1})
	starting := pool(t, Options{Size: 1, Room: Room{Scratch: 1 << 20}})
	ways = slices.DeleteFunc(ways, func(way string) bool { return way == "list:/tmp" || way == "write:/tmp/x" }) // which it has
	ways = append(ways, "dumps:")                                                                                // which the other cannot even ask about
	for kind, c := range map[string]struct {
		p    *Pool
		ways []string
	}{"alone": {p, alone}, "with programs": {starting, ways}} {
		for _, way := range c.ways {
			got, err := have(t.Context(), c.p, "escape", parts(way), nil)
			if err != nil || !strings.HasPrefix(string(got[0]), "shut: ") {
				t.Errorf("%s: %s: %q, %v", kind, way, got, err)
			} else {
				t.Logf("%s: %s: %s", kind, way, got[0])
			}
		}
	}
	child := <-p.ready
	if filter, err := os.ReadFile(fmt.Sprintf("/proc/%d/coredump_filter", child.cmd.Process.Pid)); err != nil || strings.Trim(string(filter), "0\n") != "" {
		t.Errorf("what a core dump holds: %q, %v", filter, err)
	}
	p.ready <- child
	if got, err := have(t.Context(), p, "pid", nil, nil); err != nil || string(got[0]) != "1" {
		t.Errorf("it is process %s of its namespace, %v", got, err)
	}
}

func TestACrashCostsOneJob(t *testing.T) {
	p := pool(t, Options{Size: 2, Room: Room{Time: time.Second, Result: 2 << 20}})
	for _, job := range []string{"panic", "explode", "hang", "spin", "flood"} {
		if _, err := have(t.Context(), p, job, nil, nil); !errors.Is(err, ErrDied) {
			t.Errorf("%s: %v, want that it died", job, err)
		} else {
			t.Logf("%s: %v", job, err)
		}
		if got, err := have(t.Context(), p, "turn", parts("next"), nil); err != nil || string(got[0]) != "next" {
			t.Errorf("after %s: %q, %v", job, got, err)
		}
	}
}

func TestTheKernelEndsWhatTakesTooMuchTime(t *testing.T) {
	p := pool(t, Options{Size: 1, Room: Room{CPU: time.Second, Time: 10 * time.Minute}})
	if _, err := have(t.Context(), p, "spin", nil, nil); !errors.Is(err, ErrDied) || errors.Is(err, errTime) {
		t.Errorf("%v, want an end by the kernel", err)
	}
}

func TestNoWordOfAJobsErrorIsTold(t *testing.T) {
	p := pool(t, Options{Size: 1})
	for _, job := range []string{"refuse", "babble", "no such"} {
		if _, err := have(t.Context(), p, job, nil, nil); !errors.Is(err, ErrJob) || err.Error() != ErrJob.Error() {
			t.Errorf("%s: %v", job, err)
		}
	}
}

func TestAChildThatAnswersWhatIsNoResultIsEnded(t *testing.T) {
	events := make(chan Event, 20)
	p := pool(t, Options{Size: 1, Events: func(e Event) { events <- e }})
	var seen []string
	err := p.Do(t.Context(), Task{Job: "count", Read: func(results [][]byte) error {
		seen = append(seen, string(results[0]))
		return errors.New("this is no result")
	}})
	if !errors.Is(err, ErrDied) || fmt.Sprint(seen) != "[1 1]" {
		t.Errorf("%v, after %v", err, seen)
	}
	if got, err := have(t.Context(), p, "count", nil, nil); err != nil || string(got[0]) != "1" {
		t.Errorf("the next: %s, %v", got, err)
	}
	for _, want := range []Event{Started, Died, Started, Died, Started} {
		if got := <-events; got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestAChildWhoseJobEndsInAnErrorIsEnded(t *testing.T) {
	p := pool(t, Options{Size: 1})
	for _, job := range []string{"count", "refuse", "count"} {
		got, err := have(t.Context(), p, job, nil, nil)
		if job == "count" && (err != nil || string(got[0]) != "1") {
			t.Errorf("%s, %v", got, err)
		}
	}
}

func TestNoAnswerIsThereBeforeTheJob(t *testing.T) {
	p := pool(t, Options{Size: 1})
	if got, err := have(t.Context(), p, "answer twice", nil, nil); !errors.Is(err, ErrDied) {
		t.Errorf("an answer behind the answer: %s, %v", got, err)
	}
	if got, err := have(t.Context(), p, "answer later", nil, nil); err != nil || string(got[0]) != "first" {
		t.Fatalf("%s, %v", got, err)
	}
	c := <-p.ready
	if err := c.cmd.Process.Signal(unix.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	speaks := []unix.PollFd{{Fd: fdOf(t, c), Events: unix.POLLIN}}
	if n, err := unix.Poll(speaks, 120_000); n != 1 {
		t.Fatalf("it does not speak: %v", err)
	}
	p.ready <- c
	if got, err := have(t.Context(), p, "turn", parts("mine"), nil); err != nil || string(got[0]) != "mine" {
		t.Errorf("after an answer that came before its job: %s, %v", got, err)
	}
}

// fdOf is the descriptor of the connection to a child.
func fdOf(t *testing.T, c *child) (number int32) {
	t.Helper()
	raw, err := c.conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Control(func(fd uintptr) { number = int32(fd) }); err != nil {
		t.Fatal(err)
	}
	return number
}

func TestWhoAsksWithoutAnEndHasTheTimeOfAJobAndNoMore(t *testing.T) {
	p := pool(t, Options{Size: 1, Room: Room{Time: time.Second, Asking: 24 * time.Hour}})
	all := func(_ context.Context, question io.Reader) ([]byte, error) {
		_, err := io.Copy(io.Discard, question)
		return nil, err
	}
	for _, job := range []string{"ask without an end", "ask in empty frames"} {
		if _, err := have(t.Context(), p, job, nil, all); !errors.Is(err, ErrDied) {
			t.Errorf("%s: %v", job, err)
		}
	}
}

func TestQuestionsAreLimited(t *testing.T) {
	long := strings.Repeat("x", 100)
	for name, c := range map[string]struct {
		room  Room
		asked []string
		died  bool
	}{
		"as many as the limit":      {Room{Questions: 2}, []string{"a", "b"}, false},
		"one past it":               {Room{Questions: 2}, []string{"a", "b", "c"}, true},
		"as long as the limit":      {Room{Asked: 2 * (64 + 100 + 64)}, []string{long, long}, false}, // two frames each
		"a letter past it":          {Room{Asked: 2 * (64 + 100 + 64)}, []string{long, long + "x"}, true},
		"past it, and nobody reads": {Room{Asked: 300}, []string{strings.Repeat("x", 300)}, true},
	} {
		c.room.Jobs = 1 // so that one is not tried twice
		p := pool(t, Options{Size: 1, Room: c.room})
		_, err := have(t.Context(), p, "ask", parts(c.asked...), func(context.Context, io.Reader) ([]byte, error) { return nil, nil })
		if errors.Is(err, ErrDied) != c.died || !c.died && err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWhoPanicsOverAJobTakesNoChildAlong(t *testing.T) {
	p := pool(t, Options{Size: 1})
	for name, task := range map[string]Task{
		"answering": {Job: "ask", Parts: parts("x"), Answer: func(context.Context, io.Reader) ([]byte, error) { panic("ours") }},
		"reading":   {Job: "turn", Read: func([][]byte) error { panic("ours") }},
	} {
		func() {
			defer func() {
				if recover() != "ours" {
					t.Errorf("%s: no panic", name)
				}
			}()
			_ = p.Do(t.Context(), task)
		}()
		if got, err := have(t.Context(), p, "turn", parts("next"), nil); err != nil || string(got[0]) != "next" {
			t.Errorf("after %s: %q, %v", name, got, err)
		}
	}
}

func TestATaskMayGiveLessThanTheRoom(t *testing.T) {
	p := pool(t, Options{Size: 1})
	for most, want := range map[int64]error{100 + 64: nil, 100 + 63: ErrDied} {
		if err := p.Do(t.Context(), Task{Job: "turn", Parts: [][]byte{make([]byte, 100)}, Result: most}); !errors.Is(err, want) {
			t.Errorf("%d: %v", most, err)
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
	got, err := have(t.Context(), p, "ask", parts("abc", "", long), length)
	if err != nil || string(bytes.Join(got, []byte(" "))) != fmt.Sprint("3 0 ", len(long)) {
		t.Errorf("%s, %v", got, err)
	}
	unread := func(context.Context, io.Reader) ([]byte, error) { return []byte("whatever"), nil }
	if got, err := have(t.Context(), p, "ask", parts(long, "x"), unread); err != nil || len(got) != 2 {
		t.Errorf("unread: %s, %v", got, err)
	}
	silent := func(context.Context, io.Reader) ([]byte, error) { return nil, errors.New("nobody there") }
	if _, err := have(t.Context(), p, "ask", parts("x"), silent); !errors.Is(err, ErrJob) {
		t.Errorf("unanswered: %v", err)
	}
	if _, err := have(t.Context(), p, "ask", parts("x"), nil); !errors.Is(err, ErrJob) {
		t.Errorf("nobody to answer: %v", err)
	}
	var seen error
	whole := func(_ context.Context, question io.Reader) ([]byte, error) {
		_, seen = io.ReadAll(question)
		return nil, seen
	}
	got, err = have(t.Context(), p, "ask badly", parts(long), whole)
	if err != nil || string(got[0]) != "source failed" || seen == nil {
		t.Errorf("a question that broke off: %s, %v; outside it looked like %v", got, err, seen)
	}
}

func TestWhoGivesUpIsNotHeldUp(t *testing.T) {
	p := pool(t, Options{Size: 1})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		_, err := have(ctx, p, "ask", parts("x"), func(ctx context.Context, _ io.Reader) ([]byte, error) {
			cancel()
			<-ctx.Done()
			return nil, ctx.Err()
		})
		ended <- err
	}()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if _, err := have(t.Context(), p, "turn", parts("x"), nil); err != nil {
		t.Errorf("the next: %v", err)
	}
}

func TestAChildIsReplacedAfterItsShare(t *testing.T) {
	events := make(chan Event, 20)
	p := pool(t, Options{Size: 1, Room: Room{Jobs: 2}, Events: func(e Event) { events <- e }})
	for range 3 {
		if _, err := have(t.Context(), p, "turn", nil, nil); err != nil {
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
		if _, err := have(t.Context(), p, "turn", nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	if first := <-events; first != Started {
		t.Errorf("%s", first)
	}
}

func TestWhereTheKernelRefusesNothingIsDone(t *testing.T) {
	p := pool(t, Options{Size: 1, Room: Room{Memory: 1}}) // in which no program starts
	_, err := have(t.Context(), p, "turn", nil, nil)
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
		_, err := have(t.Context(), p, "ask", parts("x"), func(ctx context.Context, _ io.Reader) ([]byte, error) {
			close(started)
			return nil, nil
		})
		if err == nil {
			_, err = have(t.Context(), p, "hang", nil, nil)
		}
		ended <- err
	}()
	<-started
	p.Close()
	if err := <-ended; !errors.Is(err, ErrNone) {
		t.Errorf("%v", err)
	}
}

func TestAJobThatEndsAfterItsPoolLeavesNoChild(t *testing.T) {
	p, err := NewPool(Options{Size: 1})
	if err != nil {
		t.Fatal(err)
	}
	var c *child
	_ = p.Do(t.Context(), Task{Job: "turn", Read: func([][]byte) error { // the job is done, and the child not yet back
		p.mu.Lock()
		for c = range p.alive {
		}
		p.mu.Unlock()
		p.Close()
		return nil
	}})
	if c.cmd.ProcessState == nil || len(p.ready) != 0 {
		t.Error("nobody waited for the child")
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
		if _, err := have(t.Context(), p, "turn", nil, nil); err != nil {
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
		if _, err := have(b.Context(), p, "turn", given, nil); err != nil {
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
