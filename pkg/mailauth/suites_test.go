package mailauth

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"io/fs"
	"path"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/postern-mail/postern/pkg/corpora"
	"github.com/postern-mail/postern/pkg/mail"
	"github.com/postern-mail/postern/pkg/mailauth/dns"
)

// The suites that the packages below pass on raw bytes, here through the reader
// of mail and the whole judgement, with both line ends.

func TestARCSuiteThroughTheReaderOfMail(t *testing.T) {
	file, err := fs.ReadFile(corpora.Open(t), "arc/arc-draft-validation-tests.yml")
	if err != nil {
		t.Fatal(err)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(file))
	ran := 0
	for {
		var scenario struct {
			Tests   yaml.Node
			Records map[string]string `yaml:"txt-records"`
		}
		err := decoder.Decode(&scenario)
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		records := map[string]string{}
		for name, text := range scenario.Records {
			records[name] = strings.TrimSpace(text)
		}
		zone := names(t, records)
		for i := 0; i+1 < len(scenario.Tests.Content); i += 2 {
			var test struct{ Message, CV string }
			if err := scenario.Tests.Content[i+1].Decode(&test); err != nil {
				t.Fatal(err)
			}
			ran++
			want := strings.ToLower(strings.TrimSpace(test.CV))
			for _, raw := range []string{test.Message, strings.ReplaceAll(test.Message, "\n", "\r\n")} {
				got := Judge(context.Background(), mail.Parse([]byte(raw), mail.Limits{}), Options{Resolver: zone, At: at})
				if want == "" && got.ARC.Result == "pass" || want != "" && got.ARC.Result != want {
					t.Errorf("%s: %s, want %q", scenario.Tests.Content[i].Value, got.ARC.Result, want)
				}
			}
		}
	}
	if ran != 175 {
		t.Errorf("%d cases", ran)
	}
}

func TestDKIMSetThroughTheReaderOfMail(t *testing.T) {
	files := corpora.Open(t)
	mails, err := fs.Glob(files, "dkim/chasquid/*.msg")
	if err != nil || len(mails) != 11 {
		t.Fatalf("%d mails (%v)", len(mails), err)
	}
	for _, name := range mails {
		base := strings.TrimSuffix(name, ".msg")
		read := func(extension string) string {
			text, _ := fs.ReadFile(files, base+extension)
			return string(text)
		}
		entries := map[string]*dns.Entry{}
		for _, line := range strings.Split(strings.ReplaceAll(read(".dns"), "\\\n", ""), "\n") {
			host, value, found := strings.Cut(line, ":")
			if !found {
				continue
			}
			if entries[host] == nil {
				entries[host] = &dns.Entry{}
			}
			switch value = strings.TrimSpace(value); value {
			case "TEMPERROR":
				entries[host].Error = "timeout"
			case "PERMERROR":
				entries[host].Error = "nxdomain"
			default:
				entries[host].TXT = append(entries[host].TXT, value)
			}
		}
		zone, err := dns.NewZone(entries)
		if err != nil {
			t.Fatal(err)
		}
		var want struct{ Results []struct{ State string } }
		if text := read(".result"); text != "" {
			if err := json.Unmarshal([]byte(text), &want); err != nil {
				t.Fatal(err)
			}
		}
		for _, raw := range []string{read(".msg"), strings.ReplaceAll(read(".msg"), "\n", "\r\n")} {
			got := Judge(context.Background(), mail.Parse([]byte(raw), mail.Limits{}), Options{
				Resolver: zone, At: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Limits: Limits{DKIMSignatures: 5},
			})
			if len(want.Results) > 0 && len(got.DKIM) != len(want.Results) {
				t.Errorf("%s: %+v", path.Base(base), got.DKIM)
				continue
			}
			for i, w := range want.Results {
				state := map[string]string{"pass": "SUCCESS", "policy": "SUCCESS", "temperror": "TEMPFAIL", "permerror": "PERMFAIL", "fail": "PERMFAIL"}[string(got.DKIM[i].Result)]
				if state != w.State {
					t.Errorf("%s: signature %d: %+v, want %s", path.Base(base), i, got.DKIM[i], w.State)
				}
			}
		}
	}
}
