package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/postern-mail/postern/pkg/mailauth/dns"
	"github.com/postern-mail/postern/services/postern/fleet"
)

// ticksASecond is the kernel's unit of processor time in /proc (USER_HZ, 100 on every
// architecture that Go runs on).
const ticksASecond = 100

// measureFleet takes the same mails in as measureProcess, with every service a process of
// its own on real servers; then small and large ones, for memory.
func (b *bench) measureFleet(ctx context.Context) error {
	program, err := filepath.Abs(b.program)
	if err == nil {
		_, err = os.Stat(program)
	}
	if err != nil {
		fmt.Printf("\nFleet: not measured: %v\n", err)
		return nil
	}
	source, err := startSource()
	if err != nil {
		return err
	}
	defer source.close()
	if err := os.WriteFile(b.folder("password"), []byte("bench"), 0o600); err != nil {
		return err
	}
	f, err := fleet.Start(ctx, fleet.Options{
		Dir: b.folder("fleet"), Program: program, Zone: map[string]*dns.Entry{},
		Change: func(_ string, config fleet.Section) { b.changeFleet(config, source.port()) },
	})
	if errors.Is(err, fleet.ErrMissing) {
		fmt.Printf("\nFleet: not measured: %v\n", err)
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Stop()
	return b.watchFleet(ctx, f, source)
}

// changeFleet points a fleet at our mailbox and gives it the times of a real installation.
// There is no clamd, as in the measurement of one process.
func (b *bench) changeFleet(config fleet.Section, port int) {
	config["clamd"] = fleet.Section{"address": "none"}
	delete(config, "archive")
	delete(config, "audit")
	delete(config, "trace")
	fleet.Below(config, "ingest")["mailboxes"] = []any{fleet.Section{
		"id": "bench", "host": "127.0.0.1", "port": port, "tls": "plaintext-insecure", "username": "bench",
		"password_file": b.folder("password"), "poll": "1s",
	}}
}

func (b *bench) watchFleet(ctx context.Context, f *fleet.Fleet, source *source) error {
	names := append(fleet.Services(), fleet.Servers()...)
	// Memory first: what a peak was is not forgotten, and a backlog would be in it.
	var peaks [][]int64
	total := 0
	for _, run := range memoryRuns {
		for i := range run.mails {
			source.add(sized(run.size, uint64(i)))
		}
		total += run.mails
		done, _, err := b.settleFleet(ctx, f, total)
		if err == nil && done < total { // the largest take their time on a busy machine
			done, _, err = b.settleFleet(ctx, f, total)
		}
		if err != nil {
			return err
		}
		if done < total {
			return fmt.Errorf("%d of %d mails done within %v: give it longer with -longest", done, total, 2*b.longest)
		}
		peaks = append(peaks, b.peaks(f, names))
	}
	mails := repeat(b.real, b.mails, b.mean)
	before := map[string]int64{}
	for _, name := range names {
		before[name] = cpuOfPID(f.PID(name))
	}
	began := time.Now()
	source.add(mails...)
	done, aside, err := b.settleFleet(ctx, f, total+len(mails))
	if err != nil {
		return err
	}
	done -= total
	took := time.Since(began)
	used := map[string]int64{}
	var ours int64
	for _, name := range names {
		used[name] = cpuOfPID(f.PID(name)) - before[name]
	}
	for _, name := range fleet.Services() {
		ours += used[name]
	}
	fmt.Printf("\nFleet: every service a process, nats-server, versitygw, Redis, no clamd; the same mails\n")
	fmt.Printf("  end to end      %.0f mails/s over %.1f s; %d done, %d set aside of all, %d not done in time\n", rate(done, took), took.Seconds(), done, aside, len(mails)-done)
	fmt.Printf("  processor time  %.2f ms a mail in our services\n", perMail(ours, done))
	fmt.Printf("  %-12s %12s   peak memory: %8s %10s\n", "", "CPU ms/mail", size(memoryRuns[0].size), size(memoryRuns[1].size))
	for i, name := range names {
		fmt.Printf("  %-12s %12.2f   %21s %10s\n", name, perMail(used[name], done), megabytes(peaks[0][i]), megabytes(peaks[1][i]))
	}
	return nil
}

func (b *bench) peaks(f *fleet.Fleet, names []string) []int64 {
	out := make([]int64, len(names))
	for i, name := range names {
		out[i] = peakOf(f.PID(name))
	}
	return out
}

// settleFleet waits until so many mails are done with, or the time of a run is over.
func (b *bench) settleFleet(ctx context.Context, f *fleet.Fleet, mails int) (done, aside int, err error) {
	late := time.NewTimer(b.longest)
	defer late.Stop()
	tick := time.NewTicker(4 * reportEvery)
	defer tick.Stop()
	for {
		done, aside = 0, 0
		for _, name := range fleet.Services() {
			d, a := scrape(ctx, f.Operations(name))
			done, aside = done+d, aside+a
		}
		if done >= mails {
			return done, aside, nil
		}
		select {
		case <-ctx.Done():
			return done, aside, ctx.Err()
		case err := <-f.Failed():
			return done, aside, err
		case <-late.C:
			return done, aside, nil
		case <-tick.C:
		}
	}
}

// scrape counts, by a service's metrics, what it made tickets of and what it set aside.
func scrape(ctx context.Context, operations string) (done, aside int) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+operations+"/metrics", nil)
	if err != nil {
		return 0, 0
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, 0 // it is asked again
	}
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		labels, value, ok := strings.Cut(lines.Text(), "} ")
		labels, ours := strings.CutPrefix(labels, "postern_stage_events_total{")
		n, err := strconv.ParseFloat(value, 64)
		if !ok || !ours || err != nil {
			continue
		}
		switch {
		case strings.Contains(labels, `code=""`) && strings.Contains(labels, `stage="desk"`):
			done += int(n)
		case strings.Contains(labels, `outcome="final"`):
			done, aside = done+int(n), aside+int(n)
		}
	}
	return done, aside
}

// cpuOfPID is the processor time of a process so far with that of the processes it started, in
// nanoseconds.
func cpuOfPID(pid int) int64 {
	own, ended := timesOf(pid)
	return own + ended + cpuOfChildren(pid)
}

// cpuOfChildren is the processor time so far of the processes that one started and that still are.
func cpuOfChildren(pid int) (total int64) {
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if err != nil {
			continue
		}
		for child := range strings.FieldsSeq(string(text)) {
			if number, err := strconv.Atoi(child); err == nil {
				own, ended := timesOf(number)
				total += own + ended
			}
		}
	}
	return total
}

// timesOf is the processor time of a process, and of those that it started and that ended (proc(5)).
func timesOf(pid int) (own, ended int64) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0
	}
	// The name in brackets may hold spaces; utime, stime, cutime and cstime are the 12th to 15th behind it.
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 15 {
		return 0, 0
	}
	ticks := func(at int) int64 {
		n, _ := strconv.ParseInt(fields[at], 10, 64)
		return n * (int64(time.Second) / ticksASecond)
	}
	return ticks(11) + ticks(12), ticks(13) + ticks(14)
}
