package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// measureProcess takes a mailbox of real mails in, in one process.
func (b *bench) measureProcess(ctx context.Context) error {
	mails := repeat(b.real, b.mails, b.mean)
	s, err := startSubject(ctx, b.folder("process"), false)
	if err != nil {
		return err
	}
	path := b.profile
	if path == "" {
		path = filepath.Join(b.dir, "cpu.pprof")
	}
	stop, err := s.profile(path)
	if err != nil {
		return err
	}
	before := s.last()
	began := time.Now()
	s.source.add(mails...)
	after, err := s.settle(ctx, len(mails), b.longest)
	if err != nil {
		return err
	}
	if err := stop(); err != nil {
		return err
	}
	took := time.Unix(0, after.Time).Sub(began)
	fmt.Printf("\nOne process: ITEMS, TICKETS and AUDIT synced, vault in a folder, Redis inside, no clamd, DNS that answers at once\n")
	fmt.Printf("  mails           %d real ones of the corpora, repeated; mean %.1f KB; from an IMAP server in the measuring process\n", len(mails), meanSize(mails)/1000)
	fmt.Printf("  end to end      %.0f mails/s over %.1f s; %d tickets, %d set aside", rate(after.Done, took), took.Seconds(), after.Done-after.Aside, after.Aside)
	if after.Done < len(mails) {
		fmt.Printf("; %d not done in time, whose cost so far is in the numbers below", len(mails)-after.Done)
	}
	fmt.Printf("\n  best 3 s        %.0f mails/s\n", s.best(3*time.Second))
	fmt.Printf("  processor time  %.2f ms a mail, everything included\n", perMail(after.CPU-before.CPU, after.Done))
	fmt.Printf("  peak memory     %s\n", megabytes(after.Peak))
	stages, err := byService(path)
	if err != nil {
		return err
	}
	fmt.Printf("  of which, ms a mail (shared work counts with whoever did it first; (runtime) is garbage collection and scheduling):\n")
	for _, stage := range stages {
		fmt.Printf("    %-14s %6.2f\n", stage.name, stage.seconds*1000/float64(max(after.Done, 1)))
	}
	fmt.Printf("    %-14s %6.2f\n", "(confined)", perMail(after.Confined-before.Confined, after.Done))
	return s.stop()
}

func rate(mails int, took time.Duration) float64 { return float64(mails) / max(took.Seconds(), 0.001) }

func perMail(cpu int64, mails int) float64 { return float64(cpu) / 1e6 / float64(max(mails, 1)) }

func megabytes(bytes int64) string { return strconv.FormatInt(bytes>>20, 10) + " MiB" }

// best is the highest rate over any stretch of a length.
func (s *subject) best(length time.Duration) float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	var best float64
	from := 0
	for _, r := range s.trace {
		for r.Time-s.trace[from].Time > int64(length) {
			from++
		}
		first := s.trace[max(from-1, 0)]
		if took := time.Duration(r.Time - first.Time); took >= length {
			best = max(best, rate(r.Done-first.Done, took))
		}
	}
	return best
}

// A share is a service's part of the processor time.
type share struct {
	name    string
	seconds float64
}

// byService reads a profile by the label that every service's work carries. What carries
// none is the runtime's: collecting garbage and scheduling.
func byService(path string) ([]share, error) {
	tags, err := exec.Command("go", "tool", "pprof", "-tags", "-unit=s", path).Output()
	if err != nil {
		return nil, fmt.Errorf("go tool pprof: %w", err)
	}
	shares, labelled := readTags(string(tags))
	top, err := exec.Command("go", "tool", "pprof", "-top", "-unit=s", "-nodecount=1", path).Output()
	if err != nil {
		return nil, fmt.Errorf("go tool pprof: %w", err)
	}
	if _, rest, ok := strings.Cut(string(top), "Total samples = "); ok {
		if total, err := strconv.ParseFloat(rest[:strings.IndexByte(rest, 's')], 64); err == nil {
			shares = append(shares, share{"(runtime)", total - labelled})
		}
	}
	slices.SortFunc(shares, func(a, b share) int { return int((b.seconds - a.seconds) * 1e6) })
	return shares, nil
}

// readTags reads lines like "   4.20s (20.1%): verify" below the heading "service:". The
// bus names its own work for accounts, which is all the bus's too.
func readTags(text string) (shares []share, total float64) {
	sums := map[string]float64{}
	heading := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if before, _, ok := strings.Cut(line, ": Total "); ok {
			heading = before
			continue
		}
		value, rest, ok := strings.Cut(line, "s ")
		_, name, named := strings.Cut(rest, "): ")
		if !ok || !named || (heading != "service" && heading != "account") {
			continue
		}
		if heading == "account" {
			name = "bus"
		}
		if seconds, err := strconv.ParseFloat(value, 64); err == nil {
			sums[strings.TrimSpace(name)] += seconds
		}
	}
	for name, seconds := range sums {
		shares = append(shares, share{name, seconds})
		total += seconds
	}
	return shares, total
}

// Mails that come one by one, to measure how long each takes.
const (
	singles      = 150
	betweenThem  = 20 * time.Millisecond
	latencyLimit = 20 * time.Second
)

// measureLatency adds mails one by one to an idle system.
func (b *bench) measureLatency(ctx context.Context) error {
	s, err := startSubject(ctx, b.folder("latency"), true)
	if err != nil {
		return err
	}
	mails := repeat(b.real, singles, b.mean)
	ticker := time.NewTicker(betweenThem)
	defer ticker.Stop()
	for _, mail := range mails {
		s.source.add(mail)
		<-ticker.C
	}
	if _, err := s.settle(ctx, len(mails), latencyLimit); err != nil {
		return err
	}
	if err := s.stop(); err != nil {
		return err
	}
	var took []time.Duration
	for _, ticket := range s.tickets {
		if added, ok := s.source.when(ticket.UID); ok {
			took = append(took, time.Unix(0, ticket.Time).Sub(added))
		}
	}
	slices.Sort(took)
	if len(took) == 0 {
		return fmt.Errorf("no mail of %d became a ticket", len(mails))
	}
	fmt.Printf("\nFrom a mail's arrival in the mailbox (IDLE) to its ticket, one mail every %v, %d mails\n", betweenThem, len(took))
	fmt.Printf("  p50 %v   p99 %v   most %v\n", round(took[len(took)/2]), round(took[len(took)*99/100]), round(took[len(took)-1]))
	return nil
}

func round(d time.Duration) time.Duration { return d.Round(100 * time.Microsecond) }

// Sizes and numbers of mails for memory.
var memoryRuns = []struct {
	size, mails int
}{{4 << 10, 400}, {50<<20 - 4<<10, 4}}

// measureMemory looks at the peak of one process with small and with the largest mails.
func (b *bench) measureMemory(ctx context.Context) error {
	fmt.Printf("\nPeak memory of one process with everything inside (the fleet tells it by service)\n")
	for _, run := range memoryRuns {
		s, err := startSubject(ctx, b.folder("memory"), false)
		if err != nil {
			return err
		}
		idle := s.last().Peak
		var mails [][]byte
		for i := range run.mails {
			mails = append(mails, sized(run.size, uint64(i)))
		}
		s.source.add(mails...)
		r, err := s.settle(ctx, run.mails, b.longest)
		if err != nil {
			return err
		}
		fmt.Printf("  %4d mails of %-6s %s (idle %s); %d done, %d of them set aside\n", run.mails, size(run.size), megabytes(r.Peak), megabytes(idle), r.Done, r.Aside)
		if err := s.stop(); err != nil {
			return err
		}
	}
	return nil
}

func size(bytes int) string {
	if bytes < 1<<20 {
		return fmt.Sprintf("%d KB", bytes>>10)
	}
	return fmt.Sprintf("%d MB", (bytes+1<<19)>>20)
}
