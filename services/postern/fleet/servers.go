package fleet

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/postern-mail/postern/services/postern/wiring"
)

// servers are how to reach what is not ours.
type servers struct {
	ca         *authority
	natsURL    string
	natsWatch  string // URL of the server's own account of itself
	redis      string // host:port
	s3         string // host:port
	imap       string // host:port, implicit TLS
	imapPort   int
	clamd      string // unix:PATH
	scratch    string // clamd's folder for temporary files
	mailbox    string // Dovecot's folder of mail
	desk       string // host:port
	operations map[string]string
}

// startTries bounds how often a server is started anew because somebody took its port.
const startTries = 3

// startPatience is how long a server may take to answer.
const startPatience = 60 * time.Second

func (f *Fleet) startServers(ctx context.Context) error {
	for _, name := range credentials() {
		if err := f.prepare(name); err != nil {
			return err
		}
	}
	for _, name := range []string{folderTLS, folderSecrets} {
		if err := os.MkdirAll(f.Folder(name), 0o700); err != nil {
			return fmt.Errorf("fleet folder: %w", err)
		}
	}
	var err error
	if f.servers.ca, err = newAuthority(f.Folder(folderTLS)); err != nil {
		return err
	}
	if err := f.shareNkeys(); err != nil {
		return err
	}
	for _, name := range Servers() {
		if err := f.prepare(name); err != nil {
			return err
		}
		if err := f.startServer(ctx, name); err != nil {
			return fmt.Errorf("%w\n%s", err, f.lastLines(name))
		}
		f.undo = append(f.undo, func() { f.child(name).stop(syscall.SIGTERM) })
	}
	if err := f.makeBucket(ctx); err != nil {
		return err
	}
	if err := f.choosePorts(); err != nil {
		return err
	}
	return f.configure()
}

// starter is how a server is started; the first of Servers ends last. Started again it is where it was.
func (f *Fleet) starter(name string) func(ctx context.Context) (*child, error) {
	return map[string]func(ctx context.Context) (*child, error){
		folderNATS: f.startNATS, folderRedis: f.startRedis, folderS3: f.startS3, folderClamd: f.startClamd, folderDovecot: f.startDovecot,
	}[name]
}

// startServer tries again where a server ended at once: another program may have its port.
func (f *Fleet) startServer(ctx context.Context, name string) error {
	for try := 1; ; try++ {
		server, err := f.starter(name)(ctx)
		if err == nil {
			f.adopt(server)
			return nil
		}
		if server != nil {
			server.stop(syscall.SIGTERM)
		}
		if f.child(name) == nil { // nobody knows its address yet: another is drawn
			switch name {
			case folderRedis:
				f.servers.redis = ""
			case folderS3:
				f.servers.s3 = ""
			}
		}
		if try == startTries || ctx.Err() != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
}

// adopt watches a server until the fleet stops; the fleet cannot go on without it.
func (f *Fleet) adopt(server *child) {
	f.mu.Lock()
	f.children[server.name] = server
	f.mu.Unlock()
	go func() {
		<-server.ended
		f.mu.Lock()
		meant := f.killed == server
		f.mu.Unlock()
		select {
		case <-f.quit:
		default:
			if !meant {
				f.fail(fmt.Errorf("%s ended: %s; see %s", server.name, server.how(), f.LogFile(server.name)))
			}
		}
	}()
}

func (f *Fleet) child(name string) *child {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.children[name]
}

// KillServer kills a server that keeps something (the bus, S3, Redis) without a last word,
// and starts it again over its files and at its address.
func (f *Fleet) KillServer(ctx context.Context, name string) error {
	return f.KillServerWhile(ctx, name, func() error { return nil })
}

// KillServerWhile is KillServer where something is done while the server is away.
func (f *Fleet) KillServerWhile(ctx context.Context, name string, do func() error) error {
	server := f.child(name)
	f.mu.Lock()
	f.killed = server
	f.mu.Unlock()
	if err := server.command.Process.Kill(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	<-server.ended
	if err := do(); err != nil {
		return err
	}
	return f.startServer(ctx, name)
}

// server starts a child that is not ours. What it has in memory must not reach a file.
func (f *Fleet) server(name string, env []string, program string, args ...string) (*child, error) {
	c, err := f.launch(name, f.environment(name, env), f.programs[program], args...)
	if err != nil {
		return nil, err
	}
	if err := unix.Prlimit(c.pid(), unix.RLIMIT_CORE, &unix.Rlimit{}, nil); err != nil && !errors.Is(err, unix.ESRCH) {
		return c, fmt.Errorf("core dumps off: %w", err)
	}
	return c, nil
}

var errEnded = errors.New("it ended at once")

// await tries until a child answers.
func await(ctx context.Context, c *child, answers func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for {
		err := answers(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-c.ended:
			return errEnded
		case <-ctx.Done():
			return fmt.Errorf("no answer: %w", err)
		case <-again.C:
		}
	}
}

// greets connects, says something, and reads the beginning of what comes back.
func greets(network, address, say, want string) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		if err != nil {
			return err
		}
		defer conn.Close()
		if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
			return err
		}
		if _, err := conn.Write([]byte(say)); err != nil {
			return err
		}
		got := make([]byte, 0, 256)
		for len(got) < cap(got) {
			n, err := conn.Read(got[len(got):cap(got)])
			got = got[:len(got)+n]
			if strings.HasPrefix(string(got), want) {
				return nil
			}
			if err != nil {
				return fmt.Errorf("it answers otherwise: %w", err)
			}
		}
		return errors.New("it answers otherwise")
	}
}

// secret gives a secret that stays the same over starts, and its file.
func (f *Fleet) secret(name string) (text, file string, err error) {
	file = filepath.Join(f.Folder(folderSecrets), name)
	kept, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		kept = []byte(rand.Text())
		err = os.WriteFile(file, kept, 0o600)
	}
	if err != nil {
		return "", "", fmt.Errorf("secret: %w", err)
	}
	return string(kept), file, nil
}

// shareNkeys gives each credential a folder with its own seed alone, and the public halves
// of all: the keyring checks who asks.
func (f *Fleet) shareNkeys() error {
	all := filepath.Join(f.Folder("setup"), "nkeys")
	if err := wiring.MakeNkeys(all); err != nil {
		return err
	}
	for _, name := range credentials() {
		if name == "setup" {
			continue
		}
		own := filepath.Join(f.Folder(name), "nkeys")
		if err := errors.Join(os.RemoveAll(own), os.MkdirAll(own, 0o700)); err != nil {
			return fmt.Errorf("nkeys of %s: %w", name, err)
		}
		files := []string{name + ".seed"}
		for _, other := range credentials() {
			files = append(files, other+".pub")
		}
		for _, file := range files {
			if err := copyFile(filepath.Join(all, file), filepath.Join(own, file)); err != nil {
				return fmt.Errorf("nkeys of %s: %w", name, err)
			}
		}
	}
	return nil
}

func copyFile(from, to string) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, content, 0o600)
}
