package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/pkg/customer"
	"github.com/postern-mail/postern/services/postern/customers"
	"github.com/postern-mail/postern/services/postern/wiring"
	"github.com/postern-mail/postern/services/retain"
)

// customersCommand keeps the directory of customers. It has a credential of its own, which
// opens customers' cards in this user's name, each time on record, and no mail; what is
// removed or replaced is destroyed by retention, with a certificate.
func customersCommand(ctx context.Context, args []string, io stdio) int {
	flags := newFlags("customers", "import FILE.csv|FILE.vcf [--dry-run] | list | show CUSTOMER... | confirm ADDRESS... --how WORD [--on DAY] | remove CUSTOMER... --reason WORD   [--config FILE]\n"+
		"CUSTOMER is an id as list shows it, an address, or a number", io.err)
	c := customersCall{stdio: io}
	path := configFlag(flags)
	flags.BoolVar(&c.dry, "dry-run", false, "with import: say what would be done, and do nothing")
	flags.StringVar(&c.how, "how", "", "with confirm: a `word` for how it was made sure that the address is the customer's, such as contract, called_back or in_person")
	flags.StringVar(&c.on, "on", "", "with confirm: the `day` on which that was, such as 2026-03-31; today by default")
	flags.StringVar(&c.reason, "reason", "", "with remove: why, one `word`, such as the number of a case, that names nobody")
	flags.DurationVar(&c.wait, "wait", time.Minute, "with remove: how long to wait until every copy is destroyed and certified")
	words, code, ok := parseWords(flags, args, 1+maxCustomers)
	if !ok {
		return code
	}
	if len(words) == 0 || !c.understood(words) {
		flags.Usage()
		return misuse
	}
	if err := c.checkFlags(words[0]); err != nil {
		fmt.Fprintln(io.err, "postern:", err)
		return misuse
	}
	if words[0] == "import" { // what is wrong with the file is told before anything is asked of anybody
		if c.entries, ok = c.read(words[1]); !ok {
			return failed
		}
	}
	config, ok := load(*path, io.err)
	if !ok {
		return failed
	}
	if err := c.run(ctx, config, words); err != nil {
		return fail(io, err)
	}
	return done
}

// maxCustomers is how many customers one command names.
const maxCustomers = 1000

// A customersCall is one call of the command.
type customersCall struct {
	stdio
	dry             bool
	how, on, reason string
	wait            time.Duration
	day             time.Time // of on
	entries         []customers.Entry
}

func (c *customersCall) understood(words []string) bool {
	switch words[0] {
	case "list":
		return len(words) == 1
	case "import":
		return len(words) == 2
	}
	return slices.Contains([]string{"show", "confirm", "remove"}, words[0]) && len(words) > 1
}

func (c *customersCall) checkFlags(verb string) error {
	for _, flag := range []struct {
		name, verb string
		given      bool
	}{{"--dry-run", "import", c.dry}, {"--how", "confirm", c.how != ""}, {"--on", "confirm", c.on != ""}, {"--reason", "remove", c.reason != ""}} {
		if flag.given && flag.verb != verb {
			return fmt.Errorf("%s goes with %s", flag.name, flag.verb)
		}
	}
	switch verb {
	case "confirm":
		if err := customer.CheckHow(c.how); err != nil {
			return fmt.Errorf("--how: %w", err)
		}
		if c.on == "" {
			return nil
		}
		var err error
		if c.day, err = customers.ParseDay(c.on); err != nil {
			return fmt.Errorf("--on: %w", err)
		}
	case "remove":
		if err := retain.CheckReason(c.reason); err != nil {
			return fmt.Errorf("--reason: %w", err)
		}
	}
	return nil
}

// read reads the file to import, and says what is wrong with it.
func (c *customersCall) read(name string) ([]customers.Entry, bool) {
	content, err := readUpTo(name, customers.MaxFile)
	if err == nil {
		var entries []customers.Entry
		var passed int
		entries, passed, err = customers.Read(name, content, func(beside string) ([]byte, error) {
			if !filepath.IsLocal(beside) {
				return nil, fmt.Errorf("%q is not beside the file", beside)
			}
			return readUpTo(filepath.Join(filepath.Dir(name), beside), customer.MaxCard)
		})
		if err == nil {
			if passed > 0 {
				fmt.Fprintf(c.out, "left out %d: groups, or people with neither an address nor a number by which to find them again\n", passed)
			}
			return entries, true
		}
	}
	fmt.Fprintf(c.err, "postern: nothing was imported of %s:\n%s\n", name, indent(err.Error()))
	return nil, false
}

func indent(text string) string { return "  " + strings.ReplaceAll(text, "\n", "\n  ") }

// readUpTo reads a file of at most so many bytes.
func readUpTo(name string, most int64) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var content bytes.Buffer
	n, err := io.Copy(&content, io.LimitReader(file, most+1))
	if err == nil && n > most {
		err = fmt.Errorf("%s has over %d bytes", name, most)
	}
	return content.Bytes(), err
}

func (c *customersCall) run(ctx context.Context, config wiring.Config, words []string) error {
	tool, err := toolAt(ctx, config, topology.Customers)
	if err != nil {
		return err
	}
	defer tool.Close()
	book, err := newBook(ctx, tool.Conn, tool.Client, tool.Opener(), tool.Clock.Now, operator())
	if err != nil {
		return err
	}
	away := dismissal{tool.Conn, tool.Clock.Now, c.out}
	switch words[0] {
	case "list":
		return book.list(ctx, c.out)
	case "show":
		return book.showAll(ctx, words[1:], c.out)
	case "remove":
		ids, err := book.named(words[1:])
		if err != nil {
			return err
		}
		return errors.Join(away.dismiss(ctx, ids, c.reason, c.wait), away.supersede(ctx, book.superseded))
	}
	var changes []customers.Change
	if words[0] == "confirm" {
		changes, err = book.confirmations(ctx, words[1:], c.how, c.day)
	} else {
		changes, err = c.decide(ctx, book)
	}
	if err != nil || len(changes) == 0 || c.dry {
		return err
	}
	recorded, replaced, err := book.record(ctx, changes)
	fmt.Fprintf(c.out, "recorded %d\n", recorded)
	// What was replaced until the command was cut off is to go all the same.
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), timeToAsk)
	defer cancel()
	asked := away.supersede(within, append(replaced, book.superseded...))
	if len(replaced) > 0 && asked == nil {
		fmt.Fprintf(c.out, "replaced %d; the retain service destroys every copy of what was there before, and certifies it\n", len(replaced))
	}
	return errors.Join(err, asked)
}

// timeToAsk bounds how long a command that was cut off asks for what it replaced to be destroyed.
const timeToAsk = 10 * time.Second

// decide says what of a file is new.
func (c *customersCall) decide(ctx context.Context, book *book) ([]customers.Change, error) {
	known, err := book.known(ctx, c.entries)
	if err != nil {
		return nil, err
	}
	changes, same, err := customers.Decide(c.entries, known)
	if err != nil {
		return nil, fmt.Errorf("nothing was imported:\n%s", indent(err.Error()))
	}
	fresh := 0
	for _, change := range changes {
		if len(change.Replaces) == 0 {
			fresh++
		}
	}
	fmt.Fprintf(c.out, "%d customers: %d new, %d changed, %d as they are recorded\n", len(c.entries), fresh, len(changes)-fresh, same)
	return changes, nil
}
