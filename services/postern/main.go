// Postern is the one program: every service, and the tools around them.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/postern-mail/postern/pkg/run"
	"github.com/postern-mail/postern/services/postern/inspect"
	"github.com/postern-mail/postern/services/postern/wiring"
)

// version is set when a release is built.
var version = ""

// A command is one word after postern.
type command struct {
	name, usage, about string
	run                func(ctx context.Context, args []string, io stdio) int
}

// stdio is where a command reads and writes.
type stdio struct {
	in       io.Reader
	out, err io.Writer
}

// Exit codes.
const (
	done   = 0
	failed = 1
	misuse = 2
)

func commands() []command {
	return []command{
		{"run", "[--config FILE] [SERVICE...]", "run every service in this process, or just those named", runCommand},
		{"demo", "[--data DIR] [--clock-offset 31d]", "everything in one process, with a mailbox of varied mail", demoCommand},
		{"fleet", "[--data DIR]", "every service as its own process on real servers of this machine", fleetCommand},
		{"setup", "[--config FILE]", "make nkeys, permissions, streams and consumers", setupCommand},
		{"inspect", "[flags] FILE...", "what the pipeline would think of a message, and why", func(ctx context.Context, args []string, io stdio) int {
			return inspect.Run(ctx, args, io.in, io.out, io.err)
		}},
		{"health", "[--config FILE]", "ask the process that runs here whether it works", healthCommand},
		{"doctor", "[--config FILE]", "check everything that Postern needs, and say what to do", doctorCommand},
		{"retention", "run|erase|hold|release ...", "run the sweep now, erase an item early, keep one longer", retentionCommand},
		{"mailbox", "list|check|backfill ...", "how mailboxes fare, whether the archive has all of theirs, and take what it lacks", mailboxCommand},
		{"setaside", "list|show|retry ...", "what was set aside and why, and take it up again", setasideCommand},
		{"customers", "import | list | show | confirm | remove", "keep the directory of customers, by which verified senders and those who are like them are known", customersCommand},
		{"evidence", "replay ITEM|TICKET", "repeat the verdict on a sender from what was kept of it, without DNS", evidenceCommand},
		{"certificate", "verify FILE --key FILE", "check a certificate of destruction, offline", certificateCommand},
		{"audit", "verify [--config FILE]", "check the audit log against its signed checkpoints", auditCommand},
		{"rebuild", "[--config FILE]", "refill lost streams from the vault's journal", rebuildCommand},
		{"user", "add|passwd|disable|enable|list|link ...", "who may sign in at the desk", userCommand},
		{"version", "", "which version this is", versionCommand},
	}
}

func main() {
	wiring.Enter()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := start(ctx, os.Args[1:], stdio{os.Stdin, os.Stdout, os.Stderr})
	stop()
	os.Exit(code)
}

// start keeps what any command holds in memory, a mail or a key, out of files first.
func start(ctx context.Context, args []string, io stdio) int {
	if err := run.Harden(); err != nil {
		return fail(io, err)
	}
	return dispatch(ctx, args, io)
}

func dispatch(ctx context.Context, args []string, io stdio) int {
	if len(args) == 0 {
		usage(io.err)
		return misuse
	}
	switch args[0] {
	case "help", "-h", "--help":
		usage(io.out)
		return done
	case "--version":
		args[0] = "version"
	}
	for _, c := range commands() {
		if c.name == args[0] {
			return c.run(ctx, args[1:], io)
		}
	}
	fmt.Fprintf(io.err, "postern: there is no command %q\n\n", args[0])
	usage(io.err)
	return misuse
}

func usage(out io.Writer) {
	fmt.Fprint(out, "Postern takes customer mail in, and keeps it safe until it is destroyed.\n\nUsage: postern COMMAND ...\n\n")
	for _, c := range commands() {
		fmt.Fprintf(out, "  %-11s %-34s %s\n", c.name, c.usage, c.about)
	}
	fmt.Fprint(out, "\nEach command explains its flags with --help.\n")
}

func versionCommand(_ context.Context, args []string, io stdio) int {
	if _, code, ok := parseWords(newFlags("version", "", io.err), args, 0); !ok {
		return code
	}
	fmt.Fprintln(io.out, "postern", versionText())
	return done
}

// versionText is the release, or what the build knows of itself.
func versionText() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, setting := range info.Settings {
			if setting.Key == "vcs.revision" {
				return setting.Value
			}
		}
	}
	return "unknown"
}
