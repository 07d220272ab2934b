package cmdline_test

import (
	"flag"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/postern-mail/postern/services/postern/cmdline"
)

func TestFlagsStandAnywhereAmongTheWords(t *testing.T) {
	for _, c := range []struct{ line, words, key string }{
		{"", "", ""},
		{"a b", "a b", ""},
		{"--key k a b", "a b", "k"},
		{"a --key k b", "a b", "k"},
		{"a b --key k", "a b", "k"},
		{"a --key k -- --key", "a --key", "k"},
		{"a - --key=k", "a -", "k"},
		{"a -- --key k --help", "a --key k --help", ""},
	} {
		flags := flag.NewFlagSet("test", flag.ContinueOnError)
		flags.SetOutput(io.Discard)
		key := flags.String("key", "", "")
		words, err := cmdline.Parse(flags, strings.Fields(c.line))
		if err != nil || !slices.Equal(words, strings.Fields(c.words)) || *key != c.key {
			t.Errorf("%q: words %q, key %q, %v", c.line, words, *key, err)
		}
	}
}

func TestAFlagThatIsNotThereIsAnErrorAnywhere(t *testing.T) {
	for _, line := range []string{"--other", "a --other", "a --key"} {
		flags := flag.NewFlagSet("test", flag.ContinueOnError)
		flags.SetOutput(io.Discard)
		flags.String("key", "", "")
		if words, err := cmdline.Parse(flags, strings.Fields(line)); err == nil {
			t.Errorf("%q: words %q", line, words)
		}
	}
}

func TestFlagsAreExplainedWithTwoDashes(t *testing.T) {
	var out strings.Builder
	flags := flag.NewFlagSet("test", flag.ContinueOnError)
	flags.SetOutput(&out)
	flags.String("key-file", "x -y", "the public `file`\n  - of somebody")
	flags.Bool("v", false, "more")
	cmdline.Explain(flags)
	if got := out.String(); !strings.HasPrefix(got, "  --key-file file\n") || !strings.Contains(got, "\n  --v\tmore\n") || strings.Count(got, "--") != 2 {
		t.Errorf("%s", got)
	}
	if flags.Output() != &out {
		t.Error("its output is another one afterwards")
	}
}
