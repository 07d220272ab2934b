// Bench measures Postern end to end: mails a second in one process and in a fleet, the
// processor time of each stage, peak memory, and the time from a mail's arrival to its
// ticket; ingest alone, against mbsync (Debian's isync) on the same Dovecot, and its peak by the size of mails; a
// thousand mailboxes that wait; what verifying senders costs. It prints numbers and judges none: what else the machine does is in them.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"time"

	"github.com/postern-mail/postern/services/postern/wiring"
)

// childWord starts this program as what is measured.
const childWord = "one-process"

type bench struct {
	dir     string
	program string
	mails   int
	mean    float64
	profile string        // where the processor's profile is kept
	longest time.Duration // of one run
	suites  string        // folder of the packages' benchmarks, built
	real    [][]byte
}

func main() {
	wiring.Enter()
	if len(os.Args) == 2 && (os.Args[1] == childWord || os.Args[1] == aloneWord) {
		child := runChild
		if os.Args[1] == aloneWord {
			child = runAlone
		}
		if err := child(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
		return
	}
	b := &bench{}
	flag.StringVar(&b.dir, "dir", "", "folder below which everything is written and removed again: on the disk that is to be measured (default: the one for temporary files)")
	flag.StringVar(&b.program, "program", "bin/postern", "the program, for the fleet")
	flag.IntVar(&b.mails, "mails", 5000, "how many mails one run takes in")
	flag.Float64Var(&b.mean, "mean", 25000, "mean size of a mail in bytes, as near as the real mails allow")
	flag.DurationVar(&b.longest, "longest", 25*time.Second, "how long one run may take; then what was done until then counts")
	flag.StringVar(&b.profile, "profile", "", "keep the processor's profile of one process in this file")
	flag.StringVar(&b.suites, "suites", "", "folder with the built benchmarks of pkg/mailauth and pkg/mailauth/dkim, for the part verify; it is run from the root of the sources")
	parts := flag.String("parts", "process,latency,memory,mailbox,fleet", "what is measured; with -suites also verify, which is first where nothing else is said")
	flag.Parse()
	said := false
	flag.Visit(func(f *flag.Flag) { said = said || f.Name == "parts" })
	if !said && b.suites != "" {
		*parts = "verify," + *parts
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := b.run(ctx, strings.Split(*parts, ",")); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func (b *bench) run(ctx context.Context, parts []string) (err error) {
	if b.real, err = realMails(); err != nil {
		return err
	}
	if b.dir, err = os.MkdirTemp(b.dir, "postern-bench"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	fmt.Printf("%d processors, %s, load before %s\n", runtime.NumCPU(), runtime.Version(), load())
	known := map[string]func(context.Context) error{
		"verify": b.measureVerify, "process": b.measureProcess, "latency": b.measureLatency, "memory": b.measureMemory, "mailbox": b.measureMailbox, "fleet": b.measureFleet,
	}
	for _, part := range parts {
		measure, ok := known[part]
		if !ok {
			return fmt.Errorf("there is no part %q", part)
		}
		if err := measure(ctx); err != nil {
			return fmt.Errorf("%s: %w", part, err)
		}
	}
	fmt.Printf("\nload after %s\n", load())
	return nil
}

// load is what the system says of the last 1, 5 and 15 minutes.
func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	return strings.Join(strings.Fields(string(text))[:min(3, len(strings.Fields(string(text))))], " ")
}
