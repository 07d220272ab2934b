package archtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

type listed struct {
	ImportPath string
	Imports    []string
}

func list(t *testing.T) []listed {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", Module+"/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []listed
	decoder := json.NewDecoder(bytes.NewReader(out))
	for {
		var one listed
		err := decoder.Decode(&one)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("go list: %v", err)
		}
		all = append(all, one)
	}
}

func TestTheCodeKeepsTheImportLaw(t *testing.T) {
	all := list(t)
	if len(all) < 10 {
		t.Fatalf("go list named only %d packages: the law was not tried", len(all))
	}
	for _, one := range all {
		for _, broken := range judge(one.ImportPath, one.Imports) {
			t.Error(broken)
		}
		own := strings.TrimPrefix(one.ImportPath, Module+"/")
		if badName(own) {
			t.Errorf("%s: the name says nothing; name what it holds", own)
		}
		if strings.HasPrefix(own, "pkg/") && layer(own) < 0 {
			t.Errorf("%s belongs to no layer: give it one in law.go", own)
		}
	}
}

func TestTheLawSeesEachKindOfBreach(t *testing.T) {
	for name, c := range map[string]struct{ pkg, imports, want string }{
		"knowledge and files": {"pkg/mail", "os", "knowledge reaches nothing outside"},
		"knowledge and DNS":   {"pkg/mailauth/spf", "net", "knowledge reaches nothing outside"},
		"knowledge and a log": {"pkg/clean", "log/slog", "knowledge reaches nothing outside"},
		"a program for mails": {"services/scan", "os/exec", "no program is started for a mail but confined"},
		"upward":              {"pkg/mail", Module + "/pkg/bus", "nobody imports upward"},
		"service to service":  {"services/scan", Module + "/services/verify", "services meet on the bus"},
		"second door":         {"services/desk", "github.com/redis/go-redis/v9", "whose door is pkg/readmodel"},
		"right to read":       {"services/archive", Module + "/pkg/seal/open", "the right to read"},
		"right to destroy":    {"services/desk", Module + "/pkg/vault/erase", "the right to destroy"},
		"deep in a service":   {"services/scan/deep", Module + "/services/desk/web", "services meet on the bus"},
		"knowledge with nats": {"pkg/mail", "github.com/nats-io/nats.go/jetstream", "whose door is pkg/bus"},
	} {
		got := judge(Module+"/"+c.pkg, []string{c.imports})
		if len(got) != 1 || !strings.Contains(got[0], c.want) {
			t.Errorf("%s: %q, want one breach with %q", name, got, c.want)
		}
	}
	for name, c := range map[string]struct{ pkg, imports string }{
		"the wiring may import services": {"services/postern", Module + "/services/desk"},
		"stories see the whole system":   {"test/story", Module + "/services/desk"},
		"downward":                       {"pkg/stage", Module + "/pkg/bus"},
		"the door itself":                {"pkg/readmodel", "github.com/redis/go-redis/v9"},
		"a reader":                       {"services/scan", Module + "/pkg/seal/open"},
		"prefixes are whole words":       {"services/desk", "github.com/nats-io/nats.golang"},
	} {
		if got := judge(Module+"/"+c.pkg, []string{c.imports}); len(got) != 0 {
			t.Errorf("%s: %q", name, got)
		}
	}
}
