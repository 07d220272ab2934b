package dkim

import (
	"context"
	"encoding/json"
	"io/fs"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/pkg/corpora"
	"github.com/postern-mail/postern/pkg/mailauth/dns"
	"github.com/postern-mail/postern/pkg/mailauth/internal/rawmail"
)

// readZone reads chasquid's "name: value" lines, continued with a backslash.
func readZone(t *testing.T, text string) *dns.Zone {
	t.Helper()
	entries := map[string]*dns.Entry{}
	text = strings.ReplaceAll(text, "\\\n", "")
	for _, line := range strings.Split(text, "\n") {
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			continue
		}
		entry := entries[name]
		if entry == nil {
			entry = &dns.Entry{}
			entries[name] = entry
		}
		switch value = strings.TrimSpace(value); value {
		case "TEMPERROR":
			entry.Error = "servfail"
		case "PERMERROR":
			entry.Error = "nxdomain"
		default:
			entry.TXT = append(entry.TXT, value)
		}
	}
	zone, err := dns.NewZone(entries)
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

func TestChasquidCasesAgree(t *testing.T) {
	files := corpora.Open(t)
	names, err := fs.Glob(files, "dkim/chasquid/*.msg")
	if err != nil || len(names) != 11 {
		t.Fatalf("%d cases, want 11 (%v)", len(names), err)
	}
	for _, name := range names {
		base := strings.TrimSuffix(name, ".msg")
		t.Run(path.Base(base), func(t *testing.T) {
			zoneText, _ := fs.ReadFile(files, base+".dns")
			raw, _ := fs.ReadFile(files, name)
			header, body := rawmail.Split(raw)
			results, _ := Verify(context.Background(), NewText(header, body), Options{
				Resolver: readZone(t, string(zoneText)), MaxSignatures: 5,
				At: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
			})
			wantText, err := fs.ReadFile(files, base+".result")
			if err != nil || strings.TrimSpace(string(wantText)) == "null" {
				for _, r := range results {
					if r.Result == Pass {
						t.Errorf("a broken message passed")
					}
				}
				return
			}
			var want struct {
				Results []struct{ Domain, Selector, State string }
			}
			if err := json.Unmarshal(wantText, &want); err != nil {
				t.Fatal(err)
			}
			if len(results) != len(want.Results) {
				t.Fatalf("%d results, want %d", len(results), len(want.Results))
			}
			for i, w := range want.Results {
				r := results[i]
				// Holding and being accepted are two things here: docs/divergences.md.
				state := map[Outcome]string{Pass: "SUCCESS", Policy: "SUCCESS", TempError: "TEMPFAIL", PermError: "PERMFAIL", Fail: "PERMFAIL"}[r.Result]
				if state != w.State || w.Domain != "" && (r.Domain != w.Domain || r.Selector != w.Selector) {
					t.Errorf("signature %d: %+v, want %+v", i, r, w)
				}
				if r.Result == Policy && r.Reason != BodyTailUnsigned {
					t.Errorf("signature %d: refused for %s", i, r.Reason)
				}
			}
		})
	}
}

func TestStalwartCasesAgree(t *testing.T) {
	files := corpora.Open(t)
	names, err := fs.Glob(files, "dkim/stalwart/*.txt")
	if err != nil || len(names) != 6 {
		t.Fatalf("%d cases, want 6 (%v)", len(names), err)
	}
	for _, name := range names {
		t.Run(path.Base(name), func(t *testing.T) {
			text, _ := fs.ReadFile(files, name)
			head, raw, _ := strings.Cut(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n\n")
			entries := map[string]*dns.Entry{}
			for _, line := range strings.Split(head, "\n") {
				key, record, _ := strings.Cut(line, " ")
				entries[key] = &dns.Entry{TXT: []string{record}}
			}
			zone, err := dns.NewZone(entries)
			if err != nil {
				t.Fatal(err)
			}
			header, body := rawmail.Split([]byte(raw))
			results, found := Verify(context.Background(), NewText(header, body), Options{
				Resolver: zone, At: time.Date(2022, 11, 7, 23, 59, 0, 0, time.UTC),
			})
			if found == 0 {
				t.Fatal("no signature found")
			}
			for i, r := range results {
				if r.Result != Pass {
					t.Errorf("signature %d: %+v, want pass", i, r)
				}
			}
		})
	}
}
