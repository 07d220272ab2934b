package run

import (
	"errors"
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
	return tell(err, 0)
}

// deepest is how far causes are followed.
const deepest = 32

func tell(err error, depth int) string {
	if depth > deepest {
		return withheld
	}
	var names *net.DNSError
	if errors.As(err, &names) && error(names) == err { // the name may be a sender's
		return "lookup " + quoteMark + ": " + scrub(names.Err)
	}
	causes := causesOf(err)
	rest := err.Error()
	var out strings.Builder
	for _, cause := range causes {
		before, after, found := strings.Cut(rest, cause.Error())
		if !found || !vouched(err) { // what else it says cannot be told from its cause
			return kindOf(err) + ": " + tellAll(causes, depth)
		}
		out.WriteString(scrub(before) + tell(cause, depth+1))
		rest = after
	}
	if !vouched(err) {
		return kindOf(err)
	}
	return out.String() + scrub(rest)
}

func tellAll(errs []error, depth int) string {
	texts := make([]string, len(errs))
	for i, err := range errs {
		texts[i] = tell(err, depth+1)
	}
	return strings.Join(texts, "; ")
}

// causesOf gives what an error wraps.
func causesOf(err error) (causes []error) {
	switch e := err.(type) { //nolint:errorlint // each link of the chain for itself
	case interface{ Unwrap() error }:
		causes = []error{e.Unwrap()}
	case interface{ Unwrap() []error }:
		causes = e.Unwrap()
	}
	var some []error
	for _, cause := range causes {
		if cause != nil {
			some = append(some, cause)
		}
	}
	return some
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

// quoteMark stands for what was quoted, and for what looks like somebody's.
const quoteMark = "‹…›"

// longest bounds a text in bytes.
const longest = 16 << 10

var (
	quoted = regexp.MustCompile(`"(?:[^"\\]|\\.)*"?`)
	tokens = regexp.MustCompile(`\S+`)
	marks  = strings.NewReplacer(quoteMark, "", withheld, "", "‹secret›", "")
	ids    = regexp.MustCompile(`^/\S+` + // a file of this machine; the rest is as on the contracts page
		`|(?:raw|view|pii|journal|keyring|certificates|plans)/[0-9a-z_./-]+|\b[0-9a-f]{64}\b|\b[0-9a-f]{32}\b|[TPCH][0-9a-f]{20}`)
	grouped = regexp.MustCompile(`\d{4}(?:[ -]\d{4}){2,}`)
	digits  = regexp.MustCompile(`\d{9,}`)
)

// scrub takes out of a text what has the look of somebody's words or numbers: what is
// quoted, addresses, letters beyond ASCII, long numbers.
func scrub(text string) string {
	if len(text) > longest {
		text = strings.ToValidUTF8(text[:longest], "") + quoteMark
	}
	text = quoted.ReplaceAllString(text, quoteMark)
	text = grouped.ReplaceAllString(text, quoteMark)
	return tokens.ReplaceAllStringFunc(text, func(token string) string {
		own := marks.Replace(token)
		strange := strings.ContainsFunc(own, func(r rune) bool { return r < ' ' || r > '~' || r == '@' })
		if strange || digits.MatchString(ids.ReplaceAllString(own, "")) {
			return quoteMark
		}
		return token
	})
}
