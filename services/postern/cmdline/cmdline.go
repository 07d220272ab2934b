// Package cmdline reads command lines as Postern's commands take them: flags may stand
// before, between and after the words. What a word means is for its command to say.
package cmdline

import (
	"bytes"
	"flag"
	"regexp"
)

var oneDash = regexp.MustCompile(`(?m)^  -([a-z])`)

// Explain writes what each flag means, with the two dashes that the documents write.
func Explain(flags *flag.FlagSet) {
	var text bytes.Buffer
	out := flags.Output()
	flags.SetOutput(&text)
	flags.PrintDefaults()
	flags.SetOutput(out)
	_, _ = out.Write(oneDash.ReplaceAll(text.Bytes(), []byte("  --$1"))) // as PrintDefaults: there is nobody to tell
}

// Parse reads the flags and gives the words that are none, in their order. What follows
// "--" is words only.
func Parse(flags *flag.FlagSet, args []string) ([]string, error) {
	var words []string
	for {
		if err := flags.Parse(args); err != nil {
			return nil, err
		}
		rest := flags.Args()
		if stopped := len(args) - len(rest); stopped > 0 && args[stopped-1] == "--" {
			return append(words, rest...), nil
		}
		if len(rest) == 0 {
			return words, nil
		}
		words, args = append(words, rest[0]), rest[1:]
	}
}
