package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// measureVerify runs the benchmarks of sender verification on one core, with answers of the DNS out of
// memory, beside go-msgauth.
func (b *bench) measureVerify(ctx context.Context) error {
	if b.suites == "" {
		return errors.New("no benchmarks are given with -suites; scripts/bench builds them")
	}
	judged, err := b.suite(ctx, "pkg/mailauth", "mailauth.test", "^(BenchmarkJudgeSigned|BenchmarkGoMsgauthSigned|BenchmarkJudgeReal|BenchmarkHostile)$")
	if err != nil {
		return err
	}
	signed, err := b.suite(ctx, "pkg/mailauth/dkim", "dkim.test", "10KB$")
	if err != nil {
		return err
	}
	fmt.Printf("\nVerifying senders: one core, answers of the DNS out of memory, keys of domains cached\n")
	for _, line := range []struct{ name, shown, about string }{
		{"JudgeSigned", "signed mails", "six of the corpora: SPF, DKIM, ARC, DMARC, impersonation"},
		{"GoMsgauthSigned", "by go-msgauth", "the same six, DKIM alone"},
		{"JudgeReal", "people's mails", "of the corpora, unsigned"},
	} {
		m, ok := judged[line.name]
		if !ok {
			return fmt.Errorf("no benchmark %s", line.name)
		}
		mails := max(m["mails/op"], 1)
		fmt.Printf("  %-16s %6.0f mails/s, %4.0f allocations and %5.1f KB a mail (%s)\n", line.shown, m["mails/s"], m["allocs/op"]/mails, m["B/op"]/mails/1000, line.about)
	}
	fmt.Printf("  one signature    %.0f µs on a mail of 10 KB under a cached RSA key of 2048 bits, %.0f allocations; go-msgauth %.0f µs, %.0f\n",
		signed["Verify10KB"]["ns/op"]/1000, signed["Verify10KB"]["allocs/op"], signed["GoMsgauth10KB"]["ns/op"]/1000, signed["GoMsgauth10KB"]["allocs/op"])
	for _, name := range keys(judged) {
		if kind, is := strings.CutPrefix(name, "Hostile/"); is {
			fmt.Printf("  hostile          %.1f ms and %.0f look-ups: %s\n", judged[name]["ns/op"]/1e6, judged[name]["look-ups"], strings.ReplaceAll(kind, "-", " "))
		}
	}
	return nil
}

// suite runs some benchmarks of a package and gives their numbers by unit.
func (b *bench) suite(ctx context.Context, folder, binary, which string) (map[string]map[string]float64, error) {
	path, err := filepath.Abs(filepath.Join(b.suites, binary))
	if err != nil {
		return nil, err
	}
	command := exec.CommandContext(ctx, path, "-test.run", "^$", "-test.bench", which, "-test.cpu", "1", "-test.benchmem", "-test.benchtime", "1s")
	command.Dir = folder
	out, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %s", binary, err, out)
	}
	found := map[string]map[string]float64{}
	lines := bufio.NewScanner(strings.NewReader(string(out)))
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		numbers := map[string]float64{}
		for i := 2; i+1 < len(fields); i += 2 {
			if n, err := strconv.ParseFloat(fields[i], 64); err == nil {
				numbers[fields[i+1]] = n
			}
		}
		found[strings.TrimPrefix(fields[0], "Benchmark")] = numbers
	}
	return found, lines.Err()
}

func keys(of map[string]map[string]float64) []string {
	var names []string
	for name := range of {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
