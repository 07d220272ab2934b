// Package inspect is the command "postern inspect": it runs what the pipeline
// runs on a mail (parse, decrypt, verify, scan, sanitize) on files, with no server,
// and prints one JSON document a message. It keeps nothing and sends nothing but the
// look-ups and the second opinion that its flags ask for.
package inspect

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"github.com/postern-mail/postern/pkg/mail"
	"github.com/postern-mail/postern/pkg/signature"
	"github.com/postern-mail/postern/services/verify"
)

// Exit codes.
const (
	exitOK    = 0 // every input got its document
	exitInput = 1 // one could not be read
	exitUsage = 2
)

// maxInput is the largest input that is read, in bytes: sixteen times what the pipeline takes.
const maxInput = 1 << 30

// Run is the command. It prints documents in the order of the inputs.
func Run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	o, err := readOptions(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		fmt.Fprintln(stderr, "postern inspect:", err)
		return exitUsage
	}
	done, err := o.confine(ctx)
	if err != nil {
		fmt.Fprintln(stderr, "postern inspect:", err)
		return exitInput
	}
	defer done()
	failed := false
	for result := range inOrder(ctx, o.inputs, func(input string) outcome { return o.input(ctx, input, stdin) }) {
		if result.err != nil {
			failed = true
			fmt.Fprintln(stderr, "postern inspect:", result.err)
			continue
		}
		if _, err := stdout.Write(result.line); err != nil {
			fmt.Fprintln(stderr, "postern inspect: output:", err)
			return exitInput
		}
	}
	if err := ctx.Err(); err != nil {
		fmt.Fprintln(stderr, "postern inspect:", err)
		return exitInput
	}
	if failed {
		return exitInput
	}
	return exitOK
}

// An outcome is the document of one input, or why there is none.
type outcome struct {
	line []byte
	err  error
}

// inOrder works on the inputs with all cores and gives the outcomes in order. No
// more inputs are in hand at once than can be worked on soon.
func inOrder(ctx context.Context, inputs []string, work func(string) outcome) func(func(outcome) bool) {
	return func(yield func(outcome) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		workers := runtime.GOMAXPROCS(0)
		type job struct {
			input string
			done  chan outcome
		}
		todo := make(chan job)
		line := make(chan job, 2*workers) // the jobs in order; it bounds how far the fastest runs ahead
		for range workers {
			go func() {
				for j := range todo {
					j.done <- work(j.input)
				}
			}()
		}
		go func() {
			defer close(todo)
			defer close(line)
			for _, input := range inputs {
				j := job{input, make(chan outcome, 1)}
				select {
				case line <- j:
				case <-ctx.Done():
					return
				}
				select {
				case todo <- j:
				case <-ctx.Done():
					return
				}
			}
		}()
		for j := range line {
			select {
			case result := <-j.done:
				if !yield(result) {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}
}

// input reads one input and gives its document as a line.
func (o options) input(ctx context.Context, name string, stdin io.Reader) outcome {
	start := time.Now()
	raw, err := readInput(name, stdin, o.maxInput)
	if err != nil {
		return outcome{err: fmt.Errorf("input: %w", err)}
	}
	var document any
	if o.textOnly {
		document = maskText(name, raw)
	} else if document, err = o.inspect(ctx, name, raw, start); err != nil {
		return outcome{err: fmt.Errorf("input: %s: %w", name, err)}
	}
	line, err := o.encode(document)
	return outcome{line: line, err: err}
}

// readInput reads a whole input, if it is no larger than most.
func readInput(name string, stdin io.Reader, most int64) ([]byte, error) {
	source := stdin
	var whole bytes.Buffer
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		source = file
		if info, err := file.Stat(); err == nil && info.Mode().IsRegular() && info.Size() <= most {
			whole.Grow(int(info.Size()) + bytes.MinRead) // read once, into its place
		}
	}
	if _, err := whole.ReadFrom(io.LimitReader(source, most+1)); err != nil {
		return nil, err
	}
	if int64(whole.Len()) > most {
		return nil, fmt.Errorf("%s is larger than %d bytes", name, most)
	}
	return whole.Bytes(), nil
}

// inspect makes the document of one message. Whatever goes wrong within is said
// in it, and never as "clean"; the error is for a message that could not be looked into.
func (o options) inspect(ctx context.Context, name string, raw []byte, start time.Time) (d Document, err error) {
	d = Document{File: name, Size: len(raw), SHA256: digest(raw)}
	defer func() {
		if recover() != nil { // what was thrown may quote the mail, so it is not repeated
			d.fault()
		}
		d.TookMS = time.Since(start).Milliseconds()
	}()
	msg := mail.Parse(raw, mail.Limits{})
	msg, d.Encryption = signature.Open(ctx, msg, o.decryption, signature.OpenLimits{}, mail.Limits{})
	d.Encryption = append([]signature.Piece{}, d.Encryption...)
	d.Message = describe(msg)
	d.Sender = verify.Judge(ctx, msg, o.sender)
	report, err := o.judge(ctx, msg)
	if err != nil {
		return d, err
	}
	d.Attachments, d.Scan, d.Account = complete(report.Attachments), report.Scan, report.Account
	d.View, err = o.view(ctx, msg, report)
	return d, err
}

func (o options) encode(document any) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if o.pretty {
		encoder.SetIndent("", "  ")
	}
	if err := encoder.Encode(document); err != nil {
		return nil, fmt.Errorf("document: %w", err)
	}
	return out.Bytes(), nil
}
