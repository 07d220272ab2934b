package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/postern-mail/postern/pkg/config"
	"github.com/postern-mail/postern/pkg/mailauth/dns"
	"github.com/postern-mail/postern/pkg/run"
	"github.com/postern-mail/postern/services/desk"
	"github.com/postern-mail/postern/services/ingest"
	"github.com/postern-mail/postern/services/postern/demo/mailbox"
	"github.com/postern-mail/postern/services/postern/fleet"
	"github.com/postern-mail/postern/services/postern/wiring"
	"github.com/postern-mail/postern/services/verify"
)

// Who signs in at the demonstration's desk, by a link only: one who may do everything, and
// one who approves what needs a second person.
const (
	demoUser   = "demo"
	secondUser = "second"
)

// demoCommand runs everything in one process on a mailbox of its own.
func demoCommand(ctx context.Context, args []string, io stdio) int {
	flags := newFlags("demo", "[--data DIR] [--clock-offset 31d] [--listen ADDRESS]", io.err)
	data := flags.String("data", "demo-data", "where the demonstration keeps its data; a second run goes on from there")
	offset := flags.String("clock-offset", "0s", "run the clock ahead by this much, such as 31d")
	listen := flags.String("listen", "127.0.0.1:8080", "the desk's address")
	operations := flags.String("operations", "127.0.0.1:9090", "the address of metrics and health")
	if _, code, ok := parseWords(flags, args, 0); !ok {
		return code
	}
	ahead, ok := readOffset(flags, *offset)
	if !ok {
		return misuse
	}
	err := ownDemo.check(*data)
	if errors.Is(err, errNoFolder) {
		return wrong(flags, err)
	}
	if err == nil {
		err = runDemo(ctx, io, demoOptions{*data, *listen, *operations, ahead})
	}
	if err != nil && ctx.Err() == nil {
		return fail(io, err)
	}
	fmt.Fprintln(io.out, "\nStopped. Run it again to go on from where it stands.")
	return done
}

// readOffset reads the flag of the clock's offset.
func readOffset(flags *flag.FlagSet, text string) (config.Duration, bool) {
	ahead, err := config.ParseDuration(text)
	if err != nil {
		wrong(flags, fmt.Errorf("--clock-offset: %w", err))
	}
	return ahead, err == nil
}

// wrong says what is wrong with a command's flags.
func wrong(flags *flag.FlagSet, err error) int {
	fmt.Fprintf(flags.Output(), "postern %s: %v\n", flags.Name(), err)
	flags.Usage()
	return misuse
}

type demoOptions struct {
	data, listen, operations string
	ahead                    config.Duration
}

func runDemo(ctx context.Context, io stdio, o demoOptions) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	run.SpendMemory()
	began := time.Now()
	var err error
	if o.listen, err = free(ctx, o.listen, "demo", "--listen"); err != nil {
		return err
	}
	if o.operations, err = free(ctx, o.operations, "demo", "--operations"); err != nil {
		return err
	}
	dir, err := filepath.Abs(o.data)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(dir, "mailbox"), 0o700); err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	alone, err := lockFolder(dir)
	if err != nil {
		return err
	}
	defer alone.Close()
	box, err := mailbox.Start(ctx, filepath.Join(dir, "mailbox"))
	if err != nil {
		return err
	}
	c, err := demoConfig(dir, o, box)
	if err != nil {
		return err
	}
	log, err := os.OpenFile(filepath.Join(dir, "postern.log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("log file: %w", err)
	}
	defer log.Close()
	logger, err := newLogger(log, c)
	if err != nil {
		return err
	}
	process, err := wiring.New(ctx, c, wiring.Options{Log: logger})
	if err != nil {
		return err
	}
	defer process.Close()
	beside := newBesideFile(c)
	process.Moved = func() error { return beside.write(process.Clock) }
	if err := process.Moved(); err != nil {
		return err
	}
	if process.Resolver, err = dns.NewZone(box.Zone); err != nil {
		return err
	}
	account := &account{
		out: io.out, mails: box.Mails(), began: began,
		advice: "In the desk, under Retention, move the clock on and\nsee what has expired destroyed and certified.",
	}
	if err := account.recall(ctx, process); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- process.Run(ctx) }()

	up, give := context.WithCancelCause(ctx)
	go func() { // a process that ends is not waited for
		err := <-ended
		ended <- err
		give(err)
	}()
	web, err := process.Desk(up)
	if err != nil {
		if ended := <-ended; ended != nil {
			return ended
		}
		return err
	}
	link, err := web.SignInLink(ctx, demoUser)
	second, err2 := web.SignInLink(ctx, secondUser)
	if err := errors.Join(err, err2); err != nil {
		cancel()
		return errors.Join(err, <-ended)
	}
	fmt.Fprintf(io.out, "Postern is up in %.1f s. Sign in once with\n\n    %s\n\nTo see an approval by a second person, sign in once in another browser or a private window with\n\n    %s\n\n",
		time.Since(began).Seconds(), link, second)
	fmt.Fprintf(io.out, "Commands beside it: postern doctor, setaside, customers, retention or audit with --config %s\nThe log is %s; metrics are at http://%s/metrics. Ctrl-C stops.\n\n",
		filepath.Join(o.data, "postern.yaml"), filepath.Join(o.data, "postern.log"), fleet.Reached(o.operations))
	account.greet()
	told := make(chan error, 1)
	go func() { told <- account.follow(ctx, process) }()
	select {
	case err = <-ended:
	case <-ctx.Done():
		err = <-ended
	}
	cancel()
	<-told //nolint:errcheck // the account ends with the process
	return err
}

// lockFolder keeps a second demonstration out of the folder, before anything is written
// there that the first one reads. Closing the file lets others in.
func lockFolder(dir string) (*os.File, error) {
	file, err := os.OpenFile(filepath.Join(dir, ownDemo.lock), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = file.Close()
		return nil, ownDemo.taken(dir)
	}
	return file, nil
}

// free gives an address that can be listened on; its port may be 0 for any. Where it cannot,
// the error says how another is chosen.
func free(ctx context.Context, address, command, flag string) (string, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return "", fmt.Errorf("%w; choose another address with %s, such as %s 127.0.0.1:0 (with make: make %s %s='%s 127.0.0.1:0')", err, flag, flag, command, strings.ToUpper(command), flag)
	}
	defer listener.Close()
	return listener.Addr().String(), nil
}

func demoConfig(dir string, o demoOptions, box *mailbox.Server) (wiring.Config, error) {
	c := wiring.Default()
	c.DataDir = dir
	c.Clock.Offset = o.ahead
	c.Operations.Listen = o.operations
	c.Desk.Listen, c.Desk.Demo = o.listen, true
	c.Desk.BaseURL = "http://" + fleet.Reached(o.listen)
	c.Retain.MaxShare = 1 // the demonstration moves its clock by months
	c.Archive.JournalEvery = config.Duration(time.Second)
	c.Audit.CheckpointEvery = config.Duration(time.Second)
	c.Log.Level = "info"
	read, err := box.Mailbox(30 * time.Second)
	if err != nil {
		return c, err
	}
	c.Ingest.Mailboxes = []ingest.Mailbox{read}
	c.Verify.Boundaries = []verify.Boundary{{Mailbox: "*", TrustMX: []string{box.TrustedMX}}}
	c.Verify.Ours = verify.Ours{Domains: []string{mailbox.Domain}, Names: []string{mailbox.Company}}
	if c, err = c.Complete(); err != nil {
		return c, err
	}
	users := desk.NewDirectory(c.Desk.UsersFile)
	return c, errors.Join(
		users.Save(desk.User{Name: demoUser, Roles: desk.Roles}),
		users.Save(desk.User{Name: secondUser, Roles: []desk.Role{desk.Lead}}),
	)
}
