package mail_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/postern-mail/postern/pkg/mail"
)

func TestEveryCodeThatIsNamedIsExplained(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	call := regexp.MustCompile(`\b(?:doubt|defect)\([^"\n]*"([a-z0-9_]+)"`)
	used := map[string]bool{}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range call.FindAllStringSubmatch(string(source), -1) {
			code := m[1]
			if strings.HasSuffix(code, "_") { // a family: the rest is computed
				for known := range mail.Codes {
					if strings.HasPrefix(known, code) {
						used[known] = true
					}
				}
				continue
			}
			used[code] = true
			if mail.Codes[code] == "" {
				t.Errorf("%s: %s is not explained", name, code)
			}
		}
	}
	for code := range mail.Codes {
		if !used[code] {
			t.Errorf("%s is explained and never named", code)
		}
	}
	if len(used) < 60 {
		t.Errorf("%d codes found in the source", len(used))
	}
}
