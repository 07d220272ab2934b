package manual_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/pkg/config"
	"github.com/postern-mail/postern/pkg/config/manual"
)

type sample struct {
	// Desk is where agents work.
	Desk deskSection `yaml:"desk"`
	// Boxes that are read.
	Boxes []box `yaml:"boxes"`
	// Spans by name.
	Spans map[string]span `yaml:"spans"`
}

type deskSection struct {
	// Listen is the address.
	Listen string `yaml:"listen"`
	// Idle ends a session.
	Idle config.Duration `yaml:"idle"`
}

type box struct {
	// Name of the box.
	Name string `yaml:"name"`
	// Poll is how often.
	Poll config.Duration `yaml:"poll"`
	// Words to look for.
	Words []string `yaml:"words"`
}

func (box) Defaults() box {
	return box{Poll: config.Duration(time.Minute), Words: []string{"NO", "a b"}}
}

type span struct {
	// Days that it takes.
	Days int `yaml:"days"`
	// Note of it.
	Note string `yaml:"note"`
}

func keys(t *testing.T) []manual.Key {
	t.Helper()
	// The sample's source stands in this folder, so its comments are found here.
	root, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	found, err := manual.Keys(root, "github.com/postern-mail/postern/pkg/config/manual_test", sample{
		Desk: deskSection{":8080", config.Duration(30 * 24 * time.Hour)}, Spans: map[string]span{"long": {Days: 30}, "short": {Days: 2, Note: "brief"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestTheManualHoldsCommentAndDefaultOfEveryKey(t *testing.T) {
	text := manual.Markdown(keys(t))
	for _, want := range []string{"## `desk`", "- `desk.listen` is the address. Default: `:8080`.", "- `desk.idle` ends a session. Default: `30d`.", "- `boxes[].name` of the box.\n",
		"- `boxes[].poll` is how often. Default: `1m`.", "- `boxes[].words` to look for. Default: `[\"NO\", a b]`.",
		"## `spans`\n\n`spans` by name. Default:\n\n```yaml\nlong: {days: 30}\nshort: {days: 2, note: brief}\n```\n", "- `spans.<name>.days` that it takes.\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("the manual lacks %q:\n%s", want, text)
		}
	}
}

func TestTheExampleReadsBackAsTheDefaults(t *testing.T) {
	var read sample
	path := filepath.Join(t.TempDir(), "example.yaml")
	if err := os.WriteFile(path, []byte(manual.Example(keys(t))), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := config.Load(path, &read); err != nil {
		t.Fatal(err)
	}
	if read.Desk.Listen != ":8080" || read.Desk.Idle.String() != "30d" || len(read.Boxes) != 0 || read.Spans["long"].Days != 30 || read.Spans["short"].Note != "brief" {
		t.Errorf("read %+v", read)
	}
}

func TestAFieldWithoutACommentIsRefused(t *testing.T) {
	type bare struct {
		Silent string `yaml:"silent"`
	}
	if _, err := manual.Keys(".", "github.com/postern-mail/postern/pkg/config/manual_test", bare{}); err == nil || !strings.Contains(err.Error(), "Silent") {
		t.Errorf("error %v", err)
	}
}
