package arc

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/postern-mail/postern/pkg/corpora"
	"github.com/postern-mail/postern/pkg/mailauth/dkim"
	"github.com/postern-mail/postern/pkg/mailauth/dns"
	"github.com/postern-mail/postern/pkg/mailauth/internal/rawmail"
)

func TestValidationSuite(t *testing.T) {
	file, err := fs.ReadFile(corpora.Open(t), "arc/arc-draft-validation-tests.yml")
	if err != nil {
		t.Fatal(err)
	}
	ran := 0
	decoder := yaml.NewDecoder(bytes.NewReader(file))
	for {
		var scenario struct {
			Description string
			Tests       yaml.Node         // a mapping in which four names stand twice
			Records     map[string]string `yaml:"txt-records"`
		}
		err := decoder.Decode(&scenario)
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		entries := map[string]*dns.Entry{}
		for name, text := range scenario.Records {
			// The suite folds records for its own reading; base64 ignores the spaces.
			entries[name] = &dns.Entry{TXT: []string{strings.TrimSpace(text)}}
		}
		zone, err := dns.NewZone(entries)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i+1 < len(scenario.Tests.Content); i += 2 {
			name := scenario.Tests.Content[i].Value
			var test struct{ Message, CV, Description string }
			if err := scenario.Tests.Content[i+1].Decode(&test); err != nil {
				t.Fatal(err)
			}
			ran++
			t.Run(name, func(t *testing.T) {
				header, body := rawmail.Split(rawmail.CRLF([]byte(test.Message)))
				got := Validate(context.Background(), dkim.NewText(header, body), Options{Resolver: zone})
				want := strings.ToLower(strings.TrimSpace(test.CV))
				if want == "" {
					// The suite leaves open what to say of a chain that says of itself
					// that it failed; it may not pass.
					if got.Outcome == Pass {
						t.Errorf("pass of a failed chain")
					}
					return
				}
				if string(got.Outcome) != want {
					t.Errorf("%s: %s %s, want %s", test.Description, got.Outcome, got.Reason, want)
				}
			})
		}
	}
	// 171 names, four of which stand for two cases.
	if ran != 175 {
		t.Errorf("%d cases ran, want 175", ran)
	}
}
