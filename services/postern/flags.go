package main

import (
	"errors"
	"flag"
	"fmt"
	"io"

	"github.com/postern-mail/postern/services/postern/wiring"
)

// newFlags makes a flag set that explains itself.
func newFlags(name, usage string, out io.Writer) *flag.FlagSet {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(out)
	flags.Usage = func() {
		fmt.Fprintf(out, "usage: postern %s %s\n", name, usage)
		flags.PrintDefaults()
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
