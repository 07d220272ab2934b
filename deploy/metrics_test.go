package deploy_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/postern-mail/postern/services/postern/wiring"
)

type rules struct {
	Groups []struct {
		Rules []struct {
			Alert, Expr, For    string
			Labels, Annotations map[string]string
		}
	}
}

type dashboard struct {
	Panels []struct {
		Title   string
		Targets []struct{ Expr, LegendFormat string }
	}
}

// told are the metrics that a Postern with every service registers, each with its labels.
func told(t *testing.T) map[string][]string {
	t.Helper()
	c := wiring.Default()
	c.DataDir = t.TempDir()
	c.Operations.Listen, c.Desk.Listen = "127.0.0.1:0", "127.0.0.1:0"
	c.Clamd.Address = "unix:" + c.DataDir + "/clamd.sock" // nobody answers there
	c, err := c.Complete()
	if err != nil {
		t.Fatal(err)
	}
	process, err := wiring.New(t.Context(), c, wiring.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- process.Run(ctx) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		process.Close()
	}()
	// Whoever is swept up to here has made its meters; retain is the last to be waited for.
	if _, err := process.Desk(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := process.Sweep(t.Context()); err != nil {
		t.Logf("the sweep: %v", err)
	}
	wanted := regexp.MustCompile(`^Desc\{fqName: "([^"]+)".*variableLabels: \{([^}]*)\}`)
	metrics := map[string][]string{"up": nil}
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for len(missing(metrics)) > 0 {
		select {
		case <-again.C:
		case err := <-ended:
			t.Fatal(err)
		case <-t.Context().Done():
			t.Fatalf("never registered: %v", missing(metrics))
		}
		descs := make(chan *prometheus.Desc, 1024)
		go func() { process.Registry.Describe(descs); close(descs) }()
		for desc := range descs {
			found := wanted.FindStringSubmatch(desc.String())
			if found == nil {
				t.Fatalf("a description that is not understood: %s", desc)
			}
			metrics[found[1]] = strings.FieldsFunc(found[2], func(r rune) bool { return r == ',' })
		}
	}
	return metrics
}

// missing are metrics of which each tells that one service has come up.
func missing(metrics map[string][]string) []string {
	return slices.DeleteFunc([]string{
		"postern_ingest_broken", "postern_stage_events_total", "postern_journal_written_timestamp_seconds",
		"postern_aside_mails", "postern_retention_whole_timestamp_seconds", "postern_audit_alert",
		"postern_scan_outdated_items", "postern_scan_opinions_total", "postern_scan_signatures_known",
	}, func(name string) bool { _, there := metrics[name]; return there })
}

// words of PromQL that our expressions may use.
var (
	operators = []string{"by", "unless", "and", "offset", "sum", "max", "min_over_time", "rate", "increase", "time", "histogram_quantile"}
	ofTargets = []string{"job", "instance", "le"} // labels that Prometheus gives
	strung    = regexp.MustCompile(`"[^"]*"`)
	spans     = regexp.MustCompile(`\[\d+[smhd](:\d+[smhd])?\]|\boffset \d+[smhd]\b`)
	word      = regexp.MustCompile(`[a-zA-Z_][a-zA-Z0-9_]*`)
	number    = regexp.MustCompile(`\b\d+(\.\d+)?(e\d+)?\b`)
)

// judge says what is wrong with an expression: a name that nobody registers, a label that none of its
// metrics has, a bracket that is not closed.
func judge(expression string, metrics map[string][]string) []string {
	var wrong []string
	rest := number.ReplaceAllString(spans.ReplaceAllString(strung.ReplaceAllString(expression, ""), ""), "")
	labels := slices.Clone(ofTargets)
	var unknown []string
	seen := false
	for _, name := range word.FindAllString(rest, -1) {
		if slices.Contains(operators, name) {
			continue
		}
		base := name
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			if cut, is := strings.CutSuffix(name, suffix); is && metrics[cut] != nil {
				base = cut
			}
		}
		if own, there := metrics[base]; there {
			seen = true
			labels = append(labels, own...)
			continue
		}
		unknown = append(unknown, name)
	}
	for _, name := range unknown {
		if !slices.Contains(labels, name) {
			wrong = append(wrong, "nobody registers "+name)
		}
	}
	if !seen {
		wrong = append(wrong, "it asks for no metric")
	}
	var open []rune
	for _, r := range strung.ReplaceAllString(expression, "") {
		switch closes := map[rune]rune{')': '(', ']': '[', '}': '{'}[r]; {
		case strings.ContainsRune("([{", r):
			open = append(open, r)
		case closes != 0 && (len(open) == 0 || open[len(open)-1] != closes):
			return append(wrong, "brackets do not pair")
		case closes != 0:
			open = open[:len(open)-1]
		}
	}
	if len(open) > 0 {
		wrong = append(wrong, "a bracket is not closed")
	}
	return wrong
}

func TestEveryMetricOfTheDashboardAndTheAlertsIsRegistered(t *testing.T) {
	metrics := told(t)
	asked := ""
	var alerts rules
	decode(t, read(t, "prometheus/alerts.yaml"), &alerts)
	for _, group := range alerts.Groups {
		for _, rule := range group.Rules {
			for _, wrong := range judge(rule.Expr, metrics) {
				t.Errorf("alert %s: %s", rule.Alert, wrong)
			}
			if rule.Annotations["summary"] == "" || rule.Annotations["runbook"] == "" || rule.Labels["severity"] == "" {
				t.Errorf("alert %s does not say what it is, what to do, or how grave it is", rule.Alert)
			}
			asked += rule.Expr + "\n"
		}
	}
	var board dashboard
	if err := json.Unmarshal([]byte(read(t, "grafana/postern.json")), &board); err != nil {
		t.Fatal(err)
	}
	for _, panel := range board.Panels {
		for _, target := range panel.Targets {
			for _, wrong := range judge(target.Expr, metrics) {
				t.Errorf("panel %s: %s", panel.Title, wrong)
			}
			asked += target.Expr + "\n"
		}
	}
	for _, name := range slices.Sorted(maps.Keys(metrics)) {
		if strings.HasPrefix(name, "postern_") && !strings.Contains(asked, name) && name != "postern_ingest_bytes_total" {
			t.Errorf("nobody looks at %s", name)
		}
	}
}

func TestAnExpressionThatCannotBeAskedIsFound(t *testing.T) {
	metrics := map[string][]string{"seconds": {"stage"}, "up": nil}
	for expression, wrong := range map[string]bool{
		`max by (stage) (seconds{stage="x"}) > 1e3`:            false,
		`sum by (stage, le) (rate(seconds_bucket[5m]))`:        false,
		`max by (folder) (seconds)`:                            true,
		`max(second) > 0`:                                      true,
		`max(seconds > 0`:                                      true,
		`maximum(seconds)`:                                     true,
		`time() > 5`:                                           true,
		`up{job="postern"} == 0 unless rate(seconds[30m]) > 0`: false,
		`max(seconds) >= max(seconds offset 1h)`:               false,
		`min_over_time(max(seconds)[2d:5m]) > 0`:               false,
		`max(seconds) >= max(seconds offset hour)`:             true,
	} {
		if found := judge(expression, metrics); len(found) > 0 != wrong {
			t.Errorf("%s: %v", expression, found)
		}
	}
}
