package mail_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/postern-mail/postern/pkg/mail"
)

// Each case of testdata/ambiguous is a message and what must be said of it: its leaves,
// with their names, and the codes of its parts, "-" for the outermost container. They follow the
// families of the published work on readers that differ: fields that contradict one another,
// names, boundaries, lines of headers, encodings, messages within messages (Ullrich 2018;
// Zhang et al., Inbox Invasion, CCS 2024). Those of the folder "fine" are odd, and all read them alike.
func TestReadersThatDifferAreNamedInEachFamily(t *testing.T) {
	names, err := filepath.Glob("testdata/ambiguous/*/*.eml")
	if err != nil || len(names) < 100 {
		t.Fatalf("%d cases, %v", len(names), err)
	}
	for _, name := range names {
		t.Run(strings.TrimPrefix(strings.TrimSuffix(name, ".eml"), "testdata/ambiguous/"), func(t *testing.T) {
			raw, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			text, err := os.ReadFile(strings.TrimSuffix(name, ".eml") + ".want")
			if err != nil {
				t.Fatal(err)
			}
			var want []string
			for line := range strings.Lines(string(text)) {
				if line = strings.TrimSpace(line); !strings.HasPrefix(line, "#") {
					want = append(want, line)
				}
			}
			m := mail.Parse(raw, mail.Limits{})
			wellFormed(t, name, raw, m)
			got := said(m)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("\ngot  %s\nwant %s", strings.Join(got, "\n     "), strings.Join(want, "\n     "))
			}
		})
	}
}

// said gives the lines of a .want file, sorted.
func said(m *mail.Message) (lines []string) {
	m.Walk(func(p *mail.Part) {
		path := p.Path
		if path == "" {
			path = "-"
		}
		for _, code := range p.Ambiguous {
			lines = append(lines, "ambiguous "+path+" "+code)
		}
		if !p.IsMultipart() {
			name := strings.ReplaceAll(p.Filename, "\n", `\n`)
			lines = append(lines, strings.TrimSpace("part "+path+" "+p.Type+" "+name))
		}
	})
	slices.Sort(lines)
	return lines
}
