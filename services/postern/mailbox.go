package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/postern-mail/postern/pkg/bus/topology"
	ingestv1 "github.com/postern-mail/postern/proto/ingest/v1"
	"github.com/postern-mail/postern/services/ingest"
	"github.com/postern-mail/postern/services/ingest/uids"
)

// mailboxCommand shows how mailboxes fare, compares them with the archive, and has ingest look
// again for what the archive lacks. It has a credential of its own, which opens nothing; on the
// mail servers it opens folders for reading alone.
func mailboxCommand(ctx context.Context, args []string, io stdio) int {
	flags := newFlags("mailbox", "list | check [NAME] | backfill NAME [--folder NAME] [--dry-run | --go]   [--config FILE]", io.err)
	path := configFlag(flags)
	folder := flags.String("folder", "", "with backfill: only this `folder`, which for counting need not be one that is read")
	dry := flags.Bool("dry-run", false, "with backfill: count and change nothing, which is what it does without --go, too")
	take := flags.Bool("go", false, "with backfill: have ingest take what is missing")
	words, code, ok := parseWords(flags, args, 2)
	if !ok {
		return code
	}
	if !mailboxWords(words) {
		flags.Usage()
		return misuse
	}
	if given := givenOf(flags); words[0] != "backfill" && (given["folder"] || given["go"] || given["dry-run"]) || *dry && *take || given["folder"] && *folder == "" {
		flags.Usage()
		return misuse
	}
	c, ok := load(*path, io.err)
	if !ok {
		return failed
	}
	named := words[1:]
	if len(named) == 1 && !slices.ContainsFunc(c.Ingest.Mailboxes, func(m ingest.Mailbox) bool { return m.ID == named[0] }) {
		fmt.Fprintf(io.err, "postern: the configuration has no mailbox %q\n", named[0])
		return misuse
	}
	tool, err := toolAt(ctx, c, topology.Mailbox)
	if err != nil {
		return fail(io, err)
	}
	defer tool.Close()
	if err := tool.OpenVault(); err != nil {
		return fail(io, err)
	}
	deps := ingest.OnBus(tool.Conn)
	deps.Objects, deps.Now = tool.Vault, tool.Clock.Now
	switch words[0] {
	case "list":
		held := func(ctx context.Context, mailbox string) (bool, error) {
			return tool.Conn.Held(ctx, ingest.Stage, mailbox)
		}
		err = listMailboxes(ctx, c.Ingest, deps.Board, held, tool.Clock.Now(), io.out)
	case "check":
		var differ bool
		if differ, err = checkMailboxes(ctx, c.Ingest, named, deps, io); err == nil && differ {
			return failed
		}
	default:
		var folders []string
		if *folder != "" {
			folders = []string{*folder}
		}
		err = backfill(ctx, c.Ingest, named[0], folders, deps, *take, io.out)
	}
	if err != nil {
		return fail(io, err)
	}
	return done
}

// mailboxWords tells whether the words are a command.
func mailboxWords(words []string) bool {
	switch {
	case len(words) == 0:
		return false
	case words[0] == "list":
		return len(words) == 1
	case words[0] == "check":
		return true
	}
	return words[0] == "backfill" && len(words) == 2
}

// givenOf are the flags that were given.
func givenOf(flags *flag.FlagSet) map[string]bool {
	given := map[string]bool{}
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	return given
}

// listMailboxes shows what the holders of the mailboxes last told. All words are ours.
func listMailboxes(ctx context.Context, c ingest.Config, board ingest.Board, held func(context.Context, string) (bool, error), now time.Time, out io.Writer) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "MAILBOX\tFOLDER\tSTATE\tLAG (MAILS)\tIN TROUBLE\tLAST SUCCESS\tLAST ERROR\tNEWS BY\tREAD BY")
	for _, m := range c.Mailboxes {
		status, err := board.Read(ctx, m.ID)
		if err != nil {
			return fmt.Errorf("mailbox %s: %w", m.ID, err)
		}
		holder := "nobody"
		if is, err := held(ctx, m.ID); err != nil {
			return fmt.Errorf("mailbox %s: %w", m.ID, err)
		} else if is {
			if holder = status.GetWorker(); holder == "" {
				holder = "a process that has not told yet"
			}
		}
		for _, folder := range folderNames(m.Folders) {
			i := slices.IndexFunc(status.GetFolders(), func(f *ingestv1.FolderStatus) bool { return f.GetName() == folder })
			if i < 0 {
				fmt.Fprintf(table, "%s\t%s\tnot read yet\t-\t-\t-\t-\t-\t%s\n", m.ID, quoted(folder), holder)
				continue
			}
			f := status.GetFolders()[i]
			news := "poll"
			if f.GetIdle() {
				news = "idle"
			}
			state, failure := f.GetState(), "-"
			if holder == "nobody" {
				state = "not read now"
			}
			if f.GetLastFailure() != nil {
				failure = f.GetFailure() + " " + when(f.GetLastFailure())
			}
			fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%d\t%s\t%s\t%s\t%s\n", m.ID, quoted(folder), state, f.GetWaiting(), f.GetTrouble(),
				ago(f.GetLastSuccess().AsTime(), f.GetLastSuccess() != nil, now), failure, news, holder)
		}
	}
	return table.Flush()
}

// folderNames are the folders that a mailbox reads.
func folderNames(configured []string) []string {
	if len(configured) == 0 {
		return (ingest.Mailbox{}).Defaults().Folders
	}
	return configured
}

// ago is a time and how long it is past.
func ago(t time.Time, known bool, now time.Time) string {
	if !known {
		return "never"
	}
	return fmt.Sprintf("%s (%s ago)", t.UTC().Format(time.RFC3339), max(0, now.Sub(t)).Round(time.Second))
}

// quoted is a folder's name, in quotation marks where it would not read as one word.
func quoted(folder string) string {
	if strings.ContainsFunc(folder, func(c rune) bool { return c <= ' ' || c == '"' || c == '\\' || c > '~' }) {
		return strconv.Quote(folder)
	}
	return folder
}

// checkMailboxes compares, and tells whether anything differs. A mailbox that could not be
// compared is an error at the end.
func checkMailboxes(ctx context.Context, c ingest.Config, named []string, deps ingest.Deps, io stdio) (differ bool, err error) {
	checked, err := ingest.Check(ctx, c, named, deps)
	if err != nil {
		return false, err
	}
	table := tabwriter.NewWriter(io.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "MAILBOX\tFOLDER\tON THE SERVER\tARCHIVED\tSET ASIDE\tIN FLIGHT\tDESTROYED\tMISSING\tUNKNOWN\tLOST")
	var details strings.Builder
	var problems []error
	for _, m := range checked {
		if m.Err != nil {
			problems = append(problems, fmt.Errorf("mailbox %s was not compared: %w", m.Mailbox, m.Err))
		}
		for _, f := range m.Folders {
			fmt.Fprintf(table, "%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\n", f.Mailbox, quoted(f.Folder), f.Server, f.Archived, f.SetAside, f.InFlight, f.Destroyed, f.Missing, f.Unknown, f.Lost)
			differ = differ || f.Differs()
			detail(&details, f)
		}
	}
	if err := table.Flush(); err != nil {
		return false, err
	}
	fmt.Fprint(io.out, details.String())
	return differ, errors.Join(problems...)
}

// detail names what differs in a folder.
func detail(out *strings.Builder, f ingest.Comparison) {
	at := f.Mailbox + " " + quoted(f.Folder)
	if f.Renumbered {
		fmt.Fprintf(out, "%s: the server has numbered the folder anew; ingest reads all of it again, compare after that\n", at)
	}
	if f.Missing > 0 {
		fmt.Fprintf(out, "%s: missing, UID %s: ingest took them for dealt with and there is no item; postern mailbox backfill %s --go has them taken\n", at, ranges(f.MissingUIDs), f.Mailbox)
	}
	if f.Unknown > 0 {
		fmt.Fprintf(out, "%s: unknown to the server, which once had them", at)
		if f.UnknownUIDs.Len() > 0 {
			fmt.Fprintf(out, ", UID %s", ranges(f.UnknownUIDs))
		}
		if older := f.Unknown - f.UnknownUIDs.Len(); older > 0 {
			fmt.Fprintf(out, ", and %d from before it numbered the folder anew", older)
		}
		fmt.Fprintln(out, ": somebody else took them out of the folder; the archive has them")
	}
	if f.Lost > 0 {
		fmt.Fprintf(out, "%s: the vault does not have the originals of %d items as they were stored:\n", at, f.Lost)
		for _, item := range f.LostItems {
			fmt.Fprintf(out, "  item %s\n", item)
		}
	}
}

// mostRanges is how many ranges of UIDs are named.
const mostRanges = 20

func ranges(set uids.Set) string {
	var words []string
	list := set.Ranges()
	for _, r := range list[:min(mostRanges, len(list))] {
		word := strconv.FormatUint(uint64(r.First), 10)
		if r.Last != r.First {
			word += "-" + strconv.FormatUint(uint64(r.Last), 10)
		}
		words = append(words, word)
	}
	text := strings.Join(words, " ")
	if rest := len(list) - len(words); rest > 0 {
		text += fmt.Sprintf(" and %d more ranges", rest)
	}
	return text
}

// backfill counts what the archive lacks, and has it taken where that was asked for.
func backfill(ctx context.Context, c ingest.Config, mailbox string, folders []string, deps ingest.Deps, take bool, out io.Writer) error {
	gaps, err := ingest.Backfill(ctx, c, mailbox, folders, deps, take)
	var missing int64
	for _, g := range gaps {
		at := mailbox + " " + quoted(g.Folder)
		fmt.Fprintf(out, "%s: %d already here, %d missing (%s), %d still to come (%s)\n", at, g.Here, g.Missing, megabytes(g.MissingBytes), g.Waiting, megabytes(g.WaitingBytes))
		switch {
		case g.Unread:
			fmt.Fprintf(out, "%s: it is not read: add it to the mailbox's folders, and ingest takes all of it\n", at)
		case g.Opened:
			fmt.Fprintf(out, "%s: %d are taken as soon as ingest looks, within about a minute where it runs\n", at, g.Missing)
		}
		missing += g.Missing
	}
	if err == nil && !take && missing > 0 {
		fmt.Fprintln(out, "nothing was changed: --go has what is missing taken")
	}
	return err
}

func megabytes(n int64) string {
	return fmt.Sprintf("%.1f MB", float64(n)/1e6)
}
