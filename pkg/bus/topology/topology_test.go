package topology

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/postern-mail/postern/pkg/event"
)

var update = flag.Bool("update", false, "write the files that are made from the topology")

const root = "../../.."

func TestTheDocumentsSayWhatTheTopologySays(t *testing.T) {
	for _, doc := range []struct {
		file, part string
		want       string
	}{
		{"docs/decisions/0001-contracts.md", "streams", StreamTable()},
		{"docs/decisions/0001-contracts.md", "consumers", ConsumerTable()},
		{"docs/flow.md", "picture", Picture()},
		{"docs/flow.md", "events", EventTable()},
		{"docs/flow.md", "requests", RequestTable()},
	} {
		name := filepath.Join(root, doc.file)
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		before, rest, found := strings.Cut(string(text), fmt.Sprintf("<!-- %s: generated from pkg/bus/topology -->\n", doc.part))
		got, after, closed := strings.Cut(rest, fmt.Sprintf("<!-- end of %s -->\n", doc.part))
		if !found || !closed {
			t.Errorf("%s: the markers of %s are missing", doc.file, doc.part)
			continue
		}
		if got == doc.want {
			continue
		}
		if !*update {
			t.Errorf("%s: %s differs; run go test ./pkg/bus/topology -update\n got:\n%s\nwant:\n%s", doc.file, doc.part, got, doc.want)
			continue
		}
		text = fmt.Appendf(nil, "%s<!-- %s: generated from pkg/bus/topology -->\n%s<!-- end of %s -->\n%s", before, doc.part, doc.want, doc.part, after)
		if err := os.WriteFile(name, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTheServersPermissionsAreTheTopologys(t *testing.T) {
	name := filepath.Join(root, "deploy/nats/permissions.conf")
	if *update {
		if err := os.WriteFile(name, []byte(Permissions()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != Permissions() {
		t.Error("deploy/nats/permissions.conf differs; run go test ./pkg/bus/topology -update")
	}
}

func TestEveryEventOfAStreamIsSaidBySomebody(t *testing.T) {
	for name := range event.Kinds() {
		stream, ok := StreamOf(example(name))
		if !ok {
			if !strings.HasPrefix(name, "consent.v1.") && !strings.HasPrefix(name, "reply.v1.") {
				t.Errorf("%s has no stream", name)
			}
			continue
		}
		said := slices.ContainsFunc(Services, func(s Service) bool {
			return slices.ContainsFunc(s.Publishes, func(p string) bool { return covers(p, example(name)) || covers(example(name), p) })
		})
		if !said {
			t.Errorf("%s of %s is said by nobody", name, stream.Name)
		}
	}
}

func TestTheStagesFormOneLine(t *testing.T) {
	for i, c := range Consumers[:5] {
		if i > 0 && c.Takes != Consumers[i-1].Says {
			t.Errorf("%s takes %s, but %s says %s", c.Stage, c.Takes, Consumers[i-1].Stage, Consumers[i-1].Says)
		}
		s, ok := ServiceNamed(c.Service)
		if !ok || !slices.Contains(s.Publishes, c.Says) {
			t.Errorf("%s may not say %s", c.Service, c.Says)
		}
	}
}

func TestNobodyButRetainMayAskForDestruction(t *testing.T) {
	for _, operation := range []string{"close", "destroy", "erase", "forget", "attest"} {
		if got := names(func(s Service) bool { return slices.Contains(s.Asks, operation) }); got != "retain" {
			t.Errorf("%s may be asked for by %s", operation, got)
		}
	}
}

func TestNoCredentialMayDeleteOrCreateAtWill(t *testing.T) {
	all := setupSubjects()
	for _, s := range Services {
		for _, g := range s.Grants() {
			all = append(all, g.Subject)
			if strings.Contains(g.Subject, ".CREATE.") || strings.Contains(g.Subject, ".UPDATE.") {
				t.Errorf("%s may %s", s.Name, g.Subject)
			}
		}
	}
	for _, subject := range all {
		for _, word := range []string{"DELETE", "PURGE", "RESTORE", "SNAPSHOT", "STEPDOWN", "REMOVE"} {
			if strings.Contains(subject, word) {
				t.Errorf("%s is granted", subject)
			}
		}
		if subject == ">" || strings.HasPrefix(subject, "$JS.API.>") || strings.HasPrefix(subject, "$JS.ACK.>") {
			t.Errorf("%s is granted", subject)
		}
	}
}

func TestKeysAreCheckedBeforeTheyAreWritten(t *testing.T) {
	keys := make(map[string]string)
	for _, name := range Names() {
		keys[name] = "U" + strings.Repeat("A", 55)
	}
	if _, err := KeysFile(keys); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"", "SU" + strings.Repeat("A", 54), "U" + strings.Repeat("A", 54), "U" + strings.Repeat("A", 54) + "\n"} {
		keys["scan"] = bad
		if _, err := KeysFile(keys); err == nil {
			t.Errorf("%q was taken for a public key", bad)
		}
	}
	delete(keys, "scan")
	if _, err := Accounts(keys); err == nil {
		t.Error("a missing key was not noticed")
	}
}
