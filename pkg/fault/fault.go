// Package fault is how work says why it ended without a result. It knows two
// verdicts, later and final; every other error means that the work failed and is
// to be tried again by the rules of its stage. It decides nothing itself.
//
// A code is lower_snake_case, chosen by us, and the only part of a fault that is
// stored or counted. Nothing that a mail's author wrote may be made into a code.
package fault

import (
	"errors"
	"fmt"
	"time"
)

// Unnamed stands in for a code that is not lower_snake_case, so that no text
// from outside can travel as one.
const Unnamed = "unnamed"

// Failed is the code of an error that is neither later nor final.
const Failed = "failed"

// maxCode is the longest code, in bytes.
const maxCode = 64

// A Kind says what is to become of the work.
type Kind string

const (
	None    Kind = "ok"     // there was no error
	Delayed Kind = "later"  // not possible yet: come back after a delay, quietly
	Ended   Kind = "final"  // will never succeed: set the item aside
	Broken  Kind = "failed" // anything else: try again, with growing pauses
)

// A Verdict is an error, read.
type Verdict struct {
	Kind  Kind
	Code  string        // empty for None, Failed for Broken
	Delay time.Duration // for Delayed; 0 leaves the pause to the stage
}

type fault struct {
	verdict Verdict
	cause   error
}

func (f *fault) Error() string {
	text := string(f.verdict.Kind) + ": " + f.verdict.Code
	if f.cause != nil {
		text += ": " + f.cause.Error()
	}
	return text
}

func (f *fault) Unwrap() error { return f.cause }

// Later is the error of work that is not possible yet. A delay of 0 or less
// leaves the pause to the stage's own table.
func Later(delay time.Duration, code string) error { return LaterFor(nil, delay, code) }

// LaterFor is Later with the error that led to it, for the log.
func LaterFor(cause error, delay time.Duration, code string) error {
	return &fault{Verdict{Kind: Delayed, Code: Code(code), Delay: max(delay, 0)}, cause}
}

// Final is the error of work that can never succeed.
func Final(code string) error { return FinalFor(nil, code) }

// FinalFor is Final with the error that led to it, for the log.
func FinalFor(cause error, code string) error {
	return &fault{Verdict{Kind: Ended, Code: Code(code)}, cause}
}

// Of reads err. The outermost fault in its chain decides.
func Of(err error) Verdict {
	if err == nil {
		return Verdict{Kind: None}
	}
	var f *fault
	if errors.As(err, &f) {
		return f.verdict
	}
	return Verdict{Kind: Broken, Code: Failed}
}

// IsFinal reports whether err says that the work can never succeed.
func IsFinal(err error) bool { return Of(err).Kind == Ended }

// IsLater reports whether err says that the work is not possible yet.
func IsLater(err error) bool { return Of(err).Kind == Delayed }

// Code returns code where it is lower_snake_case of at most 64 bytes, else Unnamed.
func Code(code string) string {
	if ValidCode(code) {
		return code
	}
	return Unnamed
}

// ValidCode reports whether code is lower_snake_case: words of a-z and 0-9, the
// first beginning with a letter, joined by single underscores.
func ValidCode(code string) bool {
	if code == "" || len(code) > maxCode || code[0] < 'a' || code[0] > 'z' {
		return false
	}
	for i := range len(code) {
		switch c := code[i]; {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
		case c == '_' && i+1 < len(code) && code[i+1] != '_':
		default:
			return false
		}
	}
	return true
}

// String is the verdict for people.
func (v Verdict) String() string {
	if v.Kind == None {
		return string(None)
	}
	if v.Delay > 0 {
		return fmt.Sprintf("%s: %s after %s", v.Kind, v.Code, v.Delay)
	}
	return string(v.Kind) + ": " + v.Code
}
