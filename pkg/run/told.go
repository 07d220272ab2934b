package run

import (
	"errors"
	"fmt"
	"net"
	"reflect"
	"regexp"
	"strings"
)

// told gives an error's text without what it may have from a mail. Texts of errors that the
// program, the door's libraries and the machine make are told, without what is quoted in
// them. Of others, such as those of decoders, which repeat what they could not read, only
// the kind is told.
func told(err error) (text string) {
	defer func() {
		if recover() != nil { // an error that cannot say itself
			text = withheld
		}
	}()
	t := teller{errors: mostErrors, bytes: longest}
	return t.tell(err, 0)
}

// How much of one error is told. An error may have thousands of causes, or be its own.
const (
	deepest    = 32       // how far causes are followed
	mostErrors = 256      // of an error and its causes, together
	mostJoined = 16       // of those that stand beside each other
	mostWalked = 1 << 16  // joined errors that are counted
	longestCut = 64 << 10 // bytes of a text in which causes are looked for
)

// A teller knows how much may still be told.
type teller struct{ errors, bytes int }

func (t *teller) tell(err error, depth int) string {
	if t.errors--; t.errors < 0 || t.bytes <= 0 || depth > deepest {
		return withheld
	}
	if names, is := err.(*net.DNSError); is { //nolint:errorlint // each link of the chain for itself
		return "lookup " + quoteMark + ": " + t.scrub(names.Err) // the name may be a sender's
	}
	if isJoined(err) {
		causes, more := sides(err)
		return t.tellAll(causes, more, "\n", depth)
	}
	causes, more := causesOf(err)
	if !vouched(err) {
		return t.tellKind(err, causes, more, depth)
	}
	own, ok := around(err, causes)
	if more != "" || !ok { // what else it says cannot be told from its causes
		return t.tellKind(err, causes, more, depth)
	}
	var out strings.Builder
	for i, text := range own {
		out.WriteString(t.scrub(text))
		if i < len(causes) {
			out.WriteString(t.tell(causes[i], depth+1))
		}
	}
	return out.String()
}

func (t *teller) tellKind(err error, causes []error, more string, depth int) string {
	kind := kindOf(err)
	t.bytes -= len(kind)
	if len(causes) == 0 {
		return kind
	}
	return kind + ": " + t.tellAll(causes, more, "; ", depth)
}

func (t *teller) tellAll(errs []error, more, between string, depth int) string {
	var texts []string
	for _, err := range errs {
		texts = append(texts, t.tell(err, depth+1))
	}
	if more != "" {
		texts = append(texts, more)
	}
	return strings.Join(texts, between)
}

func (t *teller) scrub(text string) string {
	text = scrub(text)
	if len(text) > t.bytes {
		text = strings.ToValidUTF8(text[:max(t.bytes, 0)], "") + quoteMark
	}
	t.bytes -= len(text)
	return text
}

// causesOf gives what an error wraps, and says how many it has besides.
func causesOf(err error) (causes []error, more string) {
	var all []error
	switch e := err.(type) { //nolint:errorlint // each link of the chain for itself
	case interface{ Unwrap() error }:
		all = []error{e.Unwrap()}
	case interface{ Unwrap() []error }:
		all = e.Unwrap()
	}
	for i, cause := range all {
		if len(causes) == mostJoined {
			return causes, andMore(len(all) - i)
		}
		if cause != nil {
			causes = append(causes, cause)
		}
	}
	return causes, ""
}

// isJoined tells what errors.Join made: it has no words of its own.
func isJoined(err error) bool { return reflect.TypeOf(err) == joinedType }

var joinedType = reflect.TypeOf(errors.Join(errors.ErrUnsupported))

// sides gives the first of those that were joined, in whatever order they were, and says
// how many there are besides. Their texts are not asked for: each join that is joined to the
// next would say all of them once more.
func sides(err error) (some []error, more string) {
	count, walked := 0, 0
	for stack := []error{err}; len(stack) > 0; walked++ {
		if walked == mostWalked {
			return some, "and more"
		}
		next := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if next == nil {
			continue
		}
		if !isJoined(next) {
			if count++; len(some) < mostJoined {
				some = append(some, next)
			}
			continue
		}
		parts := next.(interface{ Unwrap() []error }).Unwrap() //nolint:errorlint,forcetypeassert // isJoined
		if len(parts) > mostWalked {
			return some, "and more"
		}
		for i := range parts {
			stack = append(stack, parts[len(parts)-1-i])
		}
	}
	if count > len(some) {
		more = andMore(count - len(some))
	}
	return some, more
}

func andMore(count int) string { return fmt.Sprintf("and %d more", count) }

// around gives what an error says before, between and after its causes; not ok where their
// places in its text are not certain. A place inside quotes is none: a mail's author may have
// written the text of a cause there.
func around(err error, causes []error) (own []string, ok bool) {
	rest := err.Error()
	if len(causes) == 0 {
		return []string{rest}, true
	}
	if len(rest) > longestCut {
		return nil, false
	}
	texts := make([]string, len(causes))
	quotes := false
	for i, cause := range causes {
		if texts[i], ok = textOf(cause); !ok {
			return nil, false
		}
		quotes = quotes || strings.Contains(texts[i], `"`)
	}
	if !quotes && !paired(rest) {
		return nil, false
	}
	for _, text := range texts {
		at := place(rest, text)
		if at < 0 {
			return nil, false
		}
		own, rest = append(own, rest[:at]), rest[at+len(text):]
	}
	return append(own, rest), true
}

// textOf is what an error says; not ok where that are too many.
func textOf(err error) (string, bool) {
	if !isJoined(err) {
		return err.Error(), true
	}
	causes, more := sides(err)
	texts := make([]string, len(causes))
	for i, cause := range causes {
		if more == "" {
			texts[i] = cause.Error()
		}
	}
	return strings.Join(texts, "\n"), more == ""
}

// place is where a text has its cause's: outside quotes, or, where the cause's has quotes
// itself, where it stands once. -1 if there is none.
func place(text, cause string) int {
	if strings.Contains(cause, `"`) {
		if at := strings.Index(text, cause); at == strings.LastIndex(text, cause) {
			return at
		}
		return -1
	}
	for from := 0; ; {
		until := strings.IndexByte(text[from:], '"')
		if until < 0 {
			until = len(text) - from
		}
		if at := strings.Index(text[from:from+until], cause); at >= 0 {
			return from + at
		}
		if from += until; from == len(text) {
			return -1
		}
		if from = closing(text, from); from < 0 {
			return -1
		}
	}
}

// speakers are the packages whose errors speak of the program, its servers and the machine.
// Not among them: strconv, encoding, mime, archive, image and their like.
var speakers = regexp.MustCompile(`^(errors|fmt|os|io|io/fs|syscall|net|internal/poll|context|crypto/tls|crypto/x509|golang\.org/x/sys/unix` +
	`|github\.com/(postern-mail/postern|nats-io|minio|redis|emersion/go-imap)/.+)$`)

func vouched(err error) bool { return speakers.MatchString(typeOf(err).PkgPath()) }

func kindOf(err error) string { return "‹" + typeOf(err).String() + "›" }

func typeOf(err error) reflect.Type {
	kind := reflect.TypeOf(err)
	for kind.Kind() == reflect.Pointer {
		kind = kind.Elem()
	}
	return kind
}
