package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/postern-mail/postern/services/postern/demo/mailbox"
	"github.com/postern-mail/postern/services/postern/fleet"
	"github.com/postern-mail/postern/services/verify"
)

// fleetCommand runs every service as its own process on real servers of this machine.
func fleetCommand(ctx context.Context, args []string, io stdio) int {
	flags := newFlags("fleet", "[--data DIR] [--clock-offset 31d] [--listen ADDRESS]", io.err)
	data := flags.String("data", "fleet-data", "where the fleet keeps its data; a second run goes on from there")
	offset := flags.String("clock-offset", "0s", "run the clocks ahead by this much, such as 31d")
	listen := flags.String("listen", "127.0.0.1:8080", "the desk's address")
	if _, code, ok := parseWords(flags, args, 0); !ok {
		return code
	}
	ahead, ok := readOffset(flags, *offset)
	if !ok {
		return misuse
	}
	err := ownFleet.check(*data)
	if errors.Is(err, errNoFolder) {
		return wrong(flags, err)
	}
	if err != nil {
		return fail(io, err)
	}
	address, err := free(ctx, *listen, "fleet", "--listen")
	if err != nil {
		return fail(io, err)
	}
	err = runFleet(ctx, io, fleet.Options{
		Dir: *data, Listen: address, ClockOffset: ahead.Std(), TrustMX: []string{mailbox.TrustedMX},
		Ours: verify.Ours{Domains: []string{mailbox.Domain}, Names: []string{mailbox.Company}}, Log: io.out,
	})
	if err != nil && ctx.Err() == nil {
		return fail(io, err)
	}
	fmt.Fprintln(io.out, "\nStopped. Run it again to go on from where it stands.")
	return done
}

func runFleet(ctx context.Context, io stdio, o fleet.Options) error {
	began := time.Now()
	set, err := mailbox.Load(filepath.Join(o.Dir, "letters"))
	if err != nil {
		return err
	}
	account := &account{
		out: io.out, mails: set.Mails, began: began,
		advice: fleetAdvice(o.ClockOffset),
	}
	o.Zone = set.Zone
	o.Before = func(ctx context.Context, f *fleet.Fleet) error {
		process, err := f.Look(ctx)
		if err != nil {
			return err
		}
		defer process.Close()
		return account.recall(ctx, process)
	}
	f, err := fleet.Start(ctx, o)
	if err != nil {
		return err
	}
	defer f.Stop()
	fmt.Fprintf(io.out, "The fleet is up in %.1f s, below %s:\n\n", time.Since(began).Seconds(), f.Dir())
	for _, name := range append(fleet.Servers(), fleet.Services()...) {
		fmt.Fprintf(io.out, "  %-9s process %-8d %s\n", name, f.PID(name), watched(f, name))
	}
	link, err := f.Link(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(io.out, "\nThe desk is at http://%s. Sign in once with\n\n    %s\n\nCtrl-C stops all of it.\n\n", fleet.Reached(f.Desk()), link)

	account.greet()
	watching, stop := context.WithCancel(ctx)
	told := make(chan error, 1)
	go func() { told <- watch(watching, f, account) }()
	err = deliver(ctx, f, set)
	if err == nil {
		select {
		case <-ctx.Done():
		case err = <-f.Failed():
		case err = <-told:
			told <- err
		}
	}
	stop()
	return errors.Join(err, <-told)
}

// watched says where to look at a service.
func watched(f *fleet.Fleet, name string) string {
	if address := f.Operations(name); address != "" {
		return "http://" + address + "/metrics"
	}
	return ""
}

// deliver brings the mails that the mailbox does not have yet.
func deliver(ctx context.Context, f *fleet.Fleet, set mailbox.Set) error {
	had, err := f.Delivered(ctx)
	if err != nil {
		return err
	}
	var mails []fleet.Mail
	for _, mail := range set.Mails[min(had, len(set.Mails)):] {
		mails = append(mails, fleet.Mail{Raw: mail.Raw, Came: mail.Came})
	}
	return f.Append(ctx, mails...)
}

func watch(ctx context.Context, f *fleet.Fleet, account *account) error {
	process, err := f.Look(ctx)
	if err != nil {
		return err
	}
	defer process.Close()
	return account.follow(ctx, process)
}

// fleetAdvice says how one sees mails destroyed.
func fleetAdvice(ahead time.Duration) string {
	if ahead == 0 {
		return "Run it again with --clock-offset 31d (with make:\nmake fleet FLEET='--clock-offset 31d') to see what has expired destroyed and certified."
	}
	return "What has expired by its clock is destroyed;\nthe certificate is in the desk, under Retention."
}
