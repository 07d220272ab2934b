package archtest

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

var (
	directly = regexp.MustCompile(`(?m)^\t(\S+) v\S+$`) // what is there for others says "// indirect"
	version  = regexp.MustCompile(`/v[0-9]+$`)
)

func TestEveryDependencyIsExplained(t *testing.T) {
	page, err := os.ReadFile("../../docs/dependencies.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"../../go.mod", "../../test/go.mod"} {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		found := directly.FindAllStringSubmatch(string(content), -1)
		if len(found) < 5 {
			t.Fatalf("%s: only %d modules are seen", file, len(found))
		}
		for _, one := range found {
			module := one[1]
			if module != Module && !explained(string(page), module) {
				t.Errorf("%s requires %s: say in docs/dependencies.md why, and where it is imported", file, module)
			}
		}
	}
}

// explained says whether a page names a module, or what stands above it: OpenTelemetry's are many.
func explained(page, module string) bool {
	for path := module; strings.Count(path, "/") >= 1; path = path[:strings.LastIndex(path, "/")] {
		if strings.Contains(page, "`"+path+"`") || strings.Contains(page, "`"+version.ReplaceAllString(path, "")+"`") {
			return true
		}
	}
	return false
}

func TestAnUnexplainedDependencyIsSeen(t *testing.T) {
	const page = "| `go.example/otel` | spans | `example.org/one/v3` and `example.org/two`"
	for module, want := range map[string]bool{
		"go.example/otel": true, "go.example/otel/sdk": true, "example.org/one/v3": true, "example.org/two/v2": true,
		"example.org/one": false, "example.org/three": false, "go.example/other": false,
	} {
		if got := explained(page, module); got != want {
			t.Errorf("%s: %v", module, got)
		}
	}
}
