// Package attachment looks into what a mail carries: every part that is not the
// displayed text, and everything packed inside it. It names what each thing is
// by its bytes, unpacks archives, documents and mails within named limits, and
// gives each a verdict with reasons.
//
// It is a structural examination: apart from the EICAR test file it knows no
// signatures, those come from the SecondOpinion. Nothing is ever clean because
// it could not be read: an unknown container is unsupported, an exhausted limit
// is limit, a decoder that fails is error. It renders and rewrites nothing.
package attachment

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/postern-mail/postern/pkg/mail"
)

// A Verdict is what we say about one attachment, one packed member, or a mail.
type Verdict string

const (
	Infected    Verdict = "infected"    // a signature matched
	Error       Verdict = "error"       // something failed, so nothing is known
	Ambiguous   Verdict = "ambiguous"   // two honest readers would see different content
	Limit       Verdict = "limit"       // larger, deeper or slower than we are willing to look
	Encrypted   Verdict = "encrypted"   // content that nobody here can read
	Suspicious  Verdict = "suspicious"  // readable, and of a kind that does harm
	Unsupported Verdict = "unsupported" // a container that we recognise and cannot open
	Clean       Verdict = "clean"       // read to the last byte, nothing found
)

// gravity orders the verdicts, the gravest first.
var gravity = [...]Verdict{Infected, Error, Ambiguous, Limit, Encrypted, Suspicious, Unsupported, Clean}

// Verdicts are all of them, the gravest first.
func Verdicts() []Verdict { return gravity[:] }

// Gravest is the graver of two verdicts. A verdict that is none of ours counts
// as Error.
func Gravest(a, b Verdict) Verdict {
	for _, v := range gravity {
		if a == v || b == v {
			if !a.known() || !b.known() {
				return Gravest(v, Error)
			}
			return v
		}
	}
	return Error
}

func (v Verdict) known() bool {
	for _, g := range gravity {
		if v == g {
			return true
		}
	}
	return false
}

// A Report is what one mail carries. Its attachments and scan are those of the
// inspect document.
type Report struct {
	Attachments []Attachment `json:"attachments"`
	Scan        Summary      `json:"scan"`
	Account     Account      `json:"account"`

	// Unavailable is why the second opinion could not be had for some part; nil
	// where all was answered or none was asked. Such parts stand as Error; a
	// caller who can wait asks again.
	Unavailable error `json:"-"`
}

// A Summary is the verdict on the mail as a whole: the gravest of its parts,
// body texts included, and every reason once.
type Summary struct {
	Verdict Verdict  `json:"verdict"`
	Reasons []Reason `json:"reasons"`
}

// An Attachment is one part, or one member packed inside a part.
type Attachment struct {
	// Path is the section number of the part (RFC 9051 §6.4.5); members add
	// their place in the container, counted from one: "2/1/3".
	Path         string       `json:"path"`
	Name         string       `json:"name"` // as the author wrote it
	DeclaredType string       `json:"declared_type"`
	DetectedType string       `json:"detected_type"`
	Size         int64        `json:"size"`   // decoded bytes
	SHA256       string       `json:"sha256"` // of the decoded bytes, hex; "" where they could not all be read
	Verdict      Verdict      `json:"verdict"`
	Reasons      []Reason     `json:"reasons"`
	Children     []Attachment `json:"children"`

	// Signature is the name that the second opinion gave to what it found.
	Signature string `json:"-"`

	// Layout is what the bytes of a container are.
	Layout Layout `json:"-"`
}

// add notes a reason once.
func (a *Attachment) add(reasons ...Reason) {
	for _, r := range reasons {
		if !contains(a.Reasons, r) {
			a.Reasons = append(a.Reasons, r)
		}
	}
}

// drop takes a reason back.
func (a *Attachment) drop(reason Reason) {
	kept := []Reason{}
	for _, r := range a.Reasons {
		if r != reason {
			kept = append(kept, r)
		}
	}
	a.Reasons = kept
}

// judge sets the verdict from reasons and children.
func (a *Attachment) judge() {
	a.Verdict = Clean
	for _, r := range a.Reasons {
		a.Verdict = Gravest(a.Verdict, r.Verdict())
	}
	for i := range a.Children {
		a.Verdict = Gravest(a.Verdict, a.Children[i].Verdict)
	}
}

// An Opinion is what a SecondOpinion says about one stream of bytes.
type Opinion struct {
	Verdict   Verdict
	Reason    Reason // why, "" where Verdict is Clean
	Signature string // the name of what was found, "" for nothing
}

// A SecondOpinion examines bytes by other means than ours.
type SecondOpinion interface {
	// Scan must read r to its end before it answers Clean, and must return an
	// error, never an Opinion, when r or its own means fail. It may be called
	// from several goroutines.
	Scan(ctx context.Context, r io.Reader) (Opinion, error)
}

// Options are what a Scan needs besides the mail.
type Options struct {
	Limits        Limits           // zero fields take the defaults
	SecondOpinion SecondOpinion    // nil: the operator chose none
	Clock         func() time.Time // nil: time.Now
}

// Scan examines everything that msg carries. It does not fail: what goes wrong
// is said of the part it went wrong with. When ctx ends, what was not yet
// looked into is Error.
func Scan(ctx context.Context, msg *mail.Message, options Options) Report {
	w := newWalker(ctx, options)
	w.mail, w.books = msg, books(msg)
	report := Report{Attachments: []Attachment{}, Scan: Summary{Verdict: Clean, Reasons: []Reason{}}}
	all := w.message(msg, 0)
	w.joinVolumes(msg, all)
	for _, a := range all {
		report.Scan.take(&a.Attachment)
		if a.listed {
			report.Attachments = append(report.Attachments, a.Attachment)
		}
	}
	report.Account = w.books.account
	if w.books.unexamined() {
		report.Scan.conclude(UnexaminedPart)
	}
	if report.Account.Gap != 0 || len(w.books.gaps) > 0 {
		report.Scan.conclude(UnaccountedBytes)
	}
	if options.SecondOpinion == nil {
		report.Scan.note(NoSecondOpinion)
	}
	report.Unavailable = w.unavailable
	return report
}

// take adds what is said of one attachment and of all within it.
func (s *Summary) take(a *Attachment) {
	s.Verdict = Gravest(s.Verdict, a.Verdict)
	for _, r := range a.Reasons {
		s.note(r)
	}
	for i := range a.Children {
		s.take(&a.Children[i])
	}
}

// conclude notes a reason of the mail as a whole with its verdict.
func (s *Summary) conclude(r Reason) {
	s.Verdict = Gravest(s.Verdict, r.Verdict())
	s.note(r)
}

func (s *Summary) note(r Reason) {
	if !contains(s.Reasons, r) {
		s.Reasons = append(s.Reasons, r)
	}
}

func contains(list []Reason, r Reason) bool {
	for _, have := range list {
		if have == r {
			return true
		}
	}
	return false
}

// guard runs one decoder and turns its panic into an error.
func guard(decode func() error) (err error) {
	defer func() {
		if recover() != nil {
			// What was thrown may quote the input, so it is not repeated.
			err = fmt.Errorf("decoder: %w", errPanic)
		}
	}()
	return decode()
}
