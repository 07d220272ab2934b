package main

import (
	"errors"
	"flag"
	"fmt"
	"io"

	"github.com/postern-mail/postern/services/postern/cmdline"
	"github.com/postern-mail/postern/services/postern/wiring"
)

// newFlags makes a flag set that explains itself.
func newFlags(name, usage string, out io.Writer) *flag.FlagSet {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(out)
	flags.Usage = func() {
		fmt.Fprintf(out, "usage: postern %s %s\n", name, usage)
		cmdline.Explain(flags)
	}
	return flags
}

// parse gives the exit code where a command must not go on.
func parse(flags *flag.FlagSet, args []string) (int, bool) {
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return done, false
	case err != nil:
		return misuse, false
	}
	return done, true
}

// parseWords reads flags that may stand anywhere and gives the other words, of which at
// most so many are understood.
func parseWords(flags *flag.FlagSet, args []string, most int) ([]string, int, bool) {
	words, err := cmdline.Parse(flags, args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return nil, done, false
	case err != nil:
		return nil, misuse, false
	case len(words) > most:
		fmt.Fprintf(flags.Output(), "postern %s: %q is not understood\n", flags.Name(), words[most])
		flags.Usage()
		return nil, misuse, false
	}
	return words, done, true
}

// parseVerb is parseWords for a command with one verb, and gives the words behind it.
func parseVerb(flags *flag.FlagSet, args []string, verb string, most int) ([]string, int, bool) {
	words, code, ok := parseWords(flags, args, most)
	if ok && (len(words) == 0 || words[0] != verb) {
		flags.Usage()
		return nil, misuse, false
	}
	if !ok {
		return nil, code, false
	}
	return words[1:], done, true
}

// configFlag names the configuration file.
func configFlag(flags *flag.FlagSet) *string {
	return flags.String("config", "postern.yaml", "the configuration `file`")
}

// load reads the configuration and says what is wrong with it.
func load(path string, out io.Writer) (wiring.Config, bool) {
	config, err := wiring.Load(path)
	if err != nil {
		fmt.Fprintln(out, "postern:", err)
		return config, false
	}
	return config, true
}

// fail says why a command could not do its work.
func fail(io stdio, err error) int {
	fmt.Fprintln(io.err, "postern:", err)
	return failed
}
