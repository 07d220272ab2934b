package promise2

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/postern-mail/postern/services/postern/fleet"
	"github.com/postern-mail/postern/test/program"
	"github.com/postern-mail/postern/test/search"
)

// places are all that is searched: the whole folder of a fleet, with the files of NATS,
// Redis, S3, clamd, Dovecot and every service and what they log; the folders for temporary
// files, wherever they are; the spans that a collector got; what operators were told. Only
// the mailbox itself is left out: it is the customer's own place, where the mail comes from.
type places struct {
	fleet   *fleet.Fleet
	spans   *collector
	scraped string
}

func (p *places) roots() []string {
	return slices.Concat([]string{p.fleet.Dir(), p.spans.folder, p.scraped}, p.fleet.Scratch())
}

func (p *places) search(t *testing.T) search.Found {
	t.Helper()
	found, err := finder(t).Folders(p.roots(), []string{p.fleet.Mailbox()})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// empty asserts that nothing is found.
func (p *places) empty(t *testing.T, when string) {
	t.Helper()
	found := p.search(t)
	for _, hit := range found.Hits {
		t.Errorf("%s: %s", when, hit)
	}
	t.Logf("%s: %d files of %d bytes searched", when, found.Files, found.Bytes)
}

// scrape keeps what every service tells operators.
func (p *places) scrape(t *testing.T) {
	t.Helper()
	for _, name := range fleet.Services() {
		for _, page := range []string{"metrics", "readyz", "healthz"} {
			request, err := http.NewRequestWithContext(program.Context(t), http.MethodGet, "http://"+p.fleet.Operations(name)+"/"+page, nil)
			if err != nil {
				t.Fatal(err)
			}
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(response.Body)
			_ = response.Body.Close()
			if err != nil {
				t.Fatal(err)
			}
			if page == "metrics" && !strings.Contains(string(text), "process_cpu_seconds_total") {
				t.Errorf("%s tells no metrics", name)
			}
			if err := os.WriteFile(filepath.Join(p.scraped, name+"-"+page), text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// wrote asserts that each kind of place holds something: a search of nothing finds nothing.
func (p *places) wrote(t *testing.T) {
	t.Helper()
	patterns := []string{
		filepath.Join(p.fleet.Folder("nats"), "store/jetstream/POSTERN/streams/*/msgs/*.blk"),
		filepath.Join(p.fleet.Folder("redis"), "appendonlydir/*.aof"),
		filepath.Join(p.fleet.Folder("redis"), "dump.rdb"),
		filepath.Join(p.fleet.Folder("s3"), "objects/postern/raw/*/*/*/*"),
		filepath.Join(p.fleet.Folder("s3"), "objects/postern/view/*"),
		p.fleet.LogFile("clamd"), p.fleet.LogFile("nats"), p.fleet.LogFile("redis"),
		filepath.Join(p.spans.folder, "*"), filepath.Join(p.scraped, "*-metrics"),
	}
	for _, name := range []string{"ingest", "verify", "scan", "archive", "sanitize", "desk"} {
		patterns = append(patterns, p.fleet.LogFile(name))
	}
	for _, pattern := range patterns {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(paths, func(path string) bool {
			info, err := os.Stat(path)
			return err == nil && (info.Size() > 0 || info.IsDir())
		}) {
			t.Errorf("nothing was written to %s", pattern)
		}
	}
}

// start starts a fleet that logs and traces as much as it can.
func start(t *testing.T, options fleet.Options) *places {
	t.Helper()
	options.Log = t.Output()
	return startWith(t, options)
}

func startWith(t *testing.T, options fleet.Options) *places {
	t.Helper()
	p := &places{spans: collect(t), scraped: t.TempDir()}
	options.Trace = p.spans.url
	options.TrustMX = []string{"mx.fleet.example"}
	company := companyKeys(t)
	options.Change = func(_ string, config fleet.Section) {
		fleet.Below(config, "decryption")["keys"] = company
		fleet.Below(config, "log")["level"] = "debug"
		fleet.Below(config, "ingest")["max_size"] = "1MiB"
	}
	p.fleet = program.Fleet(t, options)
	return p
}
