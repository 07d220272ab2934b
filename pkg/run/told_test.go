package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// author stands for words that a mail's author chose.
const author = "Musterfrau"

// What is quoted may hold anything: the text of the error's own cause, quotes, escapes.
func TestNoQuotedWordIsToldWhateverStandsBesideIt(t *testing.T) {
	invalid := json.Unmarshal([]byte(author), new(int))
	_, number := strconv.Atoi(`x" y`)
	odd := errors.New(`pipe of 5" width`)
	for _, cause := range []error{
		io.EOF, io.ErrUnexpectedEOF, context.DeadlineExceeded, context.Canceled, syscall.ENOSPC, errors.New(""), errors.New(`"`), errors.New(`: "`),
		odd, invalid, number, errors.New("\n"), errors.Join(io.EOF, io.EOF), errors.Join(io.EOF, odd), fmt.Errorf("part %q: %w", author, io.EOF),
	} {
		said := cause.Error()
		for _, words := range []string{
			author, "scan " + said + " " + author, author + said, said + author, author + `" ` + said + ` "` + author, `"` + said + `" ` + author,
			`\` + said + author + `\`, said + "\n" + author + said, "': " + said + ": '" + author, "Ö " + said + author, `'"'` + author,
		} {
			for _, err := range []error{
				fmt.Errorf("part %q: %w", words, cause),
				fmt.Errorf("%w: part %q", cause, words),
				fmt.Errorf("part %q: %w: in %q", words, cause, words),
				fmt.Errorf("part '%q': %w", words, cause),
				fmt.Errorf("part %+q, %q: %w: %w", words, words, io.EOF, cause),
				fmt.Errorf("%w: %q: %w", cause, words, cause),
				fmt.Errorf("letter %q in %q: %w", '"', words, cause),
				fmt.Errorf(`pipe of 5" width in %q: %w`, words, cause),
				fmt.Errorf(`in %q a pipe of 5" width: %w`, words, cause),
				errors.Join(fmt.Errorf(`pipe of 5" width: %w`, cause), fmt.Errorf("part %q: %w", words, cause)),
			} {
				for _, err := range []error{err, fmt.Errorf("item 1: %w", err), fmt.Errorf("%q: %w; %w", words, err, cause)} {
					if text := told(err); strings.Contains(text, author) {
						t.Errorf("%q is told as %q", err, text)
					}
				}
			}
		}
	}
}

func TestWhatStandsAroundACauseIsToldWhereItsPlaceIsCertain(t *testing.T) {
	number := fmt.Errorf("mailbox %q: not a number", "support")
	for _, c := range []struct {
		err  error
		want string
	}{
		{fmt.Errorf("part %q: %w", "scan EOF "+author, io.EOF), "part ‹…›: EOF"},
		{fmt.Errorf("part %q: %w: again", `\"EOF\\`, io.EOF), "part ‹…›: EOF: again"},
		{fmt.Errorf("%w: %w: %w", io.EOF, io.ErrUnexpectedEOF, io.EOF), "EOF: unexpected EOF: EOF"},
		{fmt.Errorf("configuration: %w", number), "configuration: mailbox ‹…›: not a number"},
		{fmt.Errorf("setup: %w: gave up", errors.Join(io.EOF, syscall.ENOSPC)), "setup: EOF\nno space left on device: gave up"},
		{errors.New(`sender "` + author + ` and what follows`), "sender ‹…›"},
		{errors.New(`sender "a" and "` + author + ` and what follows`), "sender ‹…›"},
		{fmt.Errorf(`pipe of 5" width: %w`, io.EOF), "‹fmt.wrapError›: EOF"},
	} {
		if got := told(c.err); got != c.want {
			t.Errorf("%q is told as %q, want %q", c.err, got, c.want)
		}
	}
}

// An asked error counts how often it had to say itself.
type asked struct{ times *int }

func (a asked) Error() string {
	*a.times++
	return "access denied"
}

func TestOfManyErrorsTheFirstAreToldAndTheRestAreNotAsked(t *testing.T) {
	const many = 3000
	times := 0
	one := asked{&times}
	all := make([]error, many)
	var left, right error
	for i := range all {
		all[i] = one
		left, right = errors.Join(left, one), errors.Join(one, right)
	}
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"beside each other":       {errors.Join(all...), firsts("\n") + "\nand 2984 more"},
		"each before the next":    {left, firsts("\n") + "\nand 2984 more"},
		"each after the next":     {right, firsts("\n") + "\nand 2984 more"},
		"just as many as told":    {errors.Join(all[:mostJoined]...), firsts("\n")},
		"one more than are told":  {errors.Join(all[:mostJoined+1]...), firsts("\n") + "\nand 1 more"},
		"of a type of their own":  {several(all), "‹run.several›: " + firsts("; ") + "; and 2984 more"},
		"more than anybody walks": {errors.Join(repeated(one, mostWalked+1)...), "and more"},
	} {
		times = 0
		if got := told(c.err); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
		if times > mostErrors {
			t.Errorf("%s: they were asked %d times", name, times)
		}
	}
	wrapped := fmt.Errorf("orphans: %w", left)
	times = 0
	if got, want := told(wrapped), "‹fmt.wrapError›: "+firsts("\n")+"\nand 2984 more"; got != want || times > mostErrors {
		t.Errorf("%q, want %q; asked %d times", got, want, times)
	}
}

func firsts(between string) string {
	return strings.TrimSuffix(strings.Repeat("access denied"+between, mostJoined), between)
}

func repeated(err error, times int) []error {
	all := make([]error, times)
	for i := range all {
		all[i] = err
	}
	return all
}

type several []error

func (several) Error() string     { return "several" }
func (s several) Unwrap() []error { return s }

// A ring wraps whatever it is told to, also itself.
type ring struct {
	times int
	next  []error
}

func (r *ring) Error() string {
	r.times++
	return "again"
}
func (r *ring) Unwrap() []error { return r.next }

type loop struct{ times int }

func (l *loop) Error() string {
	l.times++
	return "again"
}
func (l *loop) Unwrap() error { return l }

func TestAnErrorThatIsItsOwnCauseIsToldAndComesToAnEnd(t *testing.T) {
	itself := &loop{}
	if text := told(itself); !strings.HasPrefix(text, "again") && !strings.HasPrefix(text, withheld) || itself.times > 2*mostErrors {
		t.Errorf("%q, asked %d times", text, itself.times)
	}
	one, other := &ring{}, &ring{}
	one.next, other.next = []error{other, other, one}, []error{one, one, other}
	if text := told(one); len(text) > 2*longest || one.times+other.times > 8*mostErrors {
		t.Errorf("%d bytes, asked %d times", len(text), one.times+other.times)
	}
	joined := errors.Join(io.EOF, io.EOF)
	joined.(interface{ Unwrap() []error }).Unwrap()[1] = joined //nolint:errorlint,forcetypeassert // what errors.Join gives
	if text := told(joined); !strings.HasPrefix(text, "EOF\nEOF\n") || !strings.HasSuffix(text, "and more") {
		t.Errorf("%q", text)
	}
}

func TestAnErrorIsToldUpToItsLongest(t *testing.T) {
	err := errors.New(strings.Repeat("x ", longest/2))
	if text := told(err); len(text) != longest || text != err.Error() {
		t.Errorf("%d bytes of %d", len(text), longest)
	}
	for name, err := range map[string]error{
		"one":    errors.New(err.Error() + "y"),
		"joined": errors.Join(err, err, err),
	} {
		if text := told(err); len(text) > longest+200 || !strings.HasPrefix(text, "x x ") || !strings.HasSuffix(text, quoteMark) && !strings.HasSuffix(text, withheld) {
			t.Errorf("%s: %d bytes, it ends %q", name, len(text), text[len(text)-30:])
		}
	}
}

func FuzzNoQuotedWordIsTold(f *testing.F) {
	f.Add("scan EOF ", " EOF", "EOF")
	f.Add(`\"`, `"`, `"`)
	f.Add(`'`, `'`, `': '`)
	f.Add("\n", `\`, "part ")
	f.Fuzz(func(t *testing.T, before, after, cause string) {
		if strings.Contains(cause, author) {
			t.Skip("it is not in quotes alone")
		}
		words, end := before+author+after, errors.New(cause)
		for _, err := range []error{
			fmt.Errorf("part %q: %w", words, end), fmt.Errorf("%w: part %q", end, words), fmt.Errorf("part %q: %w in %q: %w", words, end, words, end),
		} {
			for _, err := range []error{err, fmt.Errorf("%w: item: %w", end, err), errors.Join(end, err)} {
				if text := told(err); strings.Contains(text, author) {
					t.Errorf("%q is told as %q", err, text)
				}
			}
		}
	})
}
