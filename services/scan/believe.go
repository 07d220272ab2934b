package scan

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"github.com/postern-mail/postern/pkg/attachment"
	"github.com/postern-mail/postern/pkg/mail"
)

// errUnbelieved says that a report cannot be one on this mail.
var errUnbelieved = errors.New("report does not fit the mail")

func unbelieved(what string) error { return fmt.Errorf("%w: %s", errUnbelieved, what) }

// believe checks what a confined process says of a mail against what is known of it here without any decoder:
// the tree of its parts, what is ambiguous about them, their bytes, and what the second opinion was on them. Who
// took the process over can still say that nothing is packed in a file that harms; not that a file is clean which
// the second opinion did not call so, nor that there are other parts than there are.
//
// A report that is milder than it may be is refused, and one that is graver is not.
func believe(report *attachment.Report, message *mail.Message, opinions map[digest]attachment.Opinion, asked bool) error {
	w := &witness{opinions: opinions, asked: asked, files: map[string][]testimony{}, gravest: attachment.Clean}
	clean := message.Root == nil || w.part(message.Root, false, false)
	if err := plausible(report); err != nil {
		return err
	}
	if err := w.account(report, message); err != nil {
		return err
	}
	said := report.Scan.Verdict
	if said == attachment.Clean && !clean {
		return unbelieved("clean")
	}
	if !atLeast(said, w.gravest) {
		return unbelieved("milder than the second opinion")
	}
	for i := range report.Attachments {
		if err := w.listed(&report.Attachments[i]); err != nil {
			return err
		}
	}
	return nil
}

// plausible checks that a report agrees with itself, and that its codes are codes: they go into records, where no
// word of a mail may stand.
func plausible(report *attachment.Report) error {
	sum := attachment.Clean
	var check func(all []attachment.Attachment) error
	check = func(all []attachment.Attachment) error {
		for i := range all {
			a := &all[i]
			least := attachment.Clean
			for _, reason := range a.Reasons {
				least = attachment.Gravest(least, reason.Verdict())
			}
			for _, child := range a.Children {
				least = attachment.Gravest(least, child.Verdict)
			}
			if !known(a.Verdict, a.Reasons) || !atLeast(a.Verdict, least) || a.Size < 0 {
				return unbelieved("a verdict")
			}
			sum = attachment.Gravest(sum, a.Verdict)
			if err := check(a.Children); err != nil {
				return err
			}
		}
		return nil
	}
	if err := check(report.Attachments); err != nil {
		return err
	}
	for _, reason := range report.Scan.Reasons {
		sum = attachment.Gravest(sum, reason.Verdict())
	}
	if !known(report.Scan.Verdict, report.Scan.Reasons) || !atLeast(report.Scan.Verdict, sum) {
		return unbelieved("the verdict")
	}
	for _, part := range report.Account.Parts {
		if !known(part.Verdict, nil) || report.Scan.Verdict == attachment.Clean && part.Verdict != attachment.Clean {
			return unbelieved("a verdict in the account")
		}
	}
	return nil
}

// known tells whether a verdict and reasons are ours, and each reason is there once.
func known(verdict attachment.Verdict, reasons []attachment.Reason) bool {
	seen := map[attachment.Reason]bool{}
	for _, reason := range reasons {
		_, ours := attachment.Reasons[reason]
		_, ofMail := mail.Codes[string(reason)]
		if !ours && !ofMail || seen[reason] {
			return false
		}
		seen[reason] = true
	}
	return slices.Contains(attachment.Verdicts(), verdict)
}

// atLeast tells whether a verdict is as grave as another, or graver.
func atLeast(verdict, other attachment.Verdict) bool {
	return attachment.Gravest(verdict, other) == verdict
}

// A witness knows of a mail what can be known without decoders.
type witness struct {
	opinions map[digest]attachment.Opinion // by the bytes that were handed over
	asked    bool                          // there is a second opinion

	files   map[string][]testimony // what holds content, by path
	leaves  int
	decoded int64
	gravest attachment.Verdict // that the second opinion gave to a part of the mail itself
}

// A testimony is what is known of one part that holds content.
type testimony struct {
	size  int64
	hash  string
	clean bool // nothing speaks against it, nor against what the report lists within it
	packs int  // files that were unpacked with the mail, each of which may be handed out
}

// part looks at one part and all within it, in the order of the examination, and tells whether nothing speaks
// against them. Nested is what is in a message within the mail, of which the examination may leave out some.
func (w *witness) part(p *mail.Part, doubted, nested bool) bool {
	doubted = doubted || len(p.Ambiguous) > 0
	clean := !doubted
	if p.Message == nil && p.IsMultipart() && (len(p.Children) > 0 || blank(p.RawBody)) {
		for _, child := range p.Children {
			clean = w.part(child, doubted, nested) && clean
		}
		return clean
	}
	content := p.Content
	if content == nil {
		content = p.RawBody
	}
	hash := sha256.Sum256(content)
	w.leaves++
	w.decoded += int64(len(content))
	if p.Message != nil {
		if p.Message.Root != nil {
			clean = w.part(p.Message.Root, false, true) && clean
		}
	} else {
		clean = w.opinion(hash, nested) && clean
		for _, child := range p.Children {
			clean = w.part(child, doubted, nested) && clean
		}
	}
	w.files[p.Path] = append(w.files[p.Path], testimony{int64(len(content)), hex.EncodeToString(hash[:]), clean, len(p.Children)})
	for _, opened := range p.Opened { // which the report lists beside it
		clean = w.part(opened, doubted, nested) && clean
	}
	return clean
}

// opinion tells whether the second opinion was asked for on some bytes, and found nothing.
func (w *witness) opinion(file digest, nested bool) bool {
	if !w.asked {
		return true
	}
	opinion, ok := w.opinions[file]
	if !ok {
		return false
	}
	verdict := opinion.Verdict
	if verdict != attachment.Clean && opinion.Reason.Verdict() != verdict {
		verdict = attachment.Error // it contradicts itself
	}
	if !nested {
		w.gravest = attachment.Gravest(w.gravest, verdict)
	}
	return verdict == attachment.Clean
}

// account checks that a report accounts for the bytes of the mail.
func (w *witness) account(report *attachment.Report, message *mail.Message) error {
	a := report.Account
	clean := report.Scan.Verdict == attachment.Clean
	switch {
	case a.Size != int64(len(message.Raw)), a.Leaves != w.leaves, a.Decoded != w.decoded:
		return unbelieved("its account is of another mail")
	case min(a.Fields, a.Structure, a.Outside, a.Bodies, a.Examined) < 0,
		message.Raw != nil && a.Fields+a.Structure+a.Outside+a.Bodies+a.Gap != a.Size:
		return unbelieved("its account does not add up")
	case clean && (a.Gap != 0 || a.Examined != a.Decoded):
		return unbelieved("clean, with bytes that were not looked at")
	}
	return nil
}

// listed checks what a report says of one file of the mail: what it calls clean is handed out.
func (w *witness) listed(a *attachment.Attachment) error {
	for _, file := range w.files[a.Path] {
		if a.Size != file.size || a.SHA256 != file.hash || !file.clean && a.Verdict == attachment.Clean {
			continue
		}
		if file.packs == 0 || file.packs != len(a.Children) {
			return nil
		}
		for i := range a.Children {
			if err := w.listed(&a.Children[i]); err != nil {
				return err
			}
		}
		return nil
	}
	if a.Verdict == attachment.Clean {
		return unbelieved("a clean file")
	}
	if a.SHA256 != "" {
		return unbelieved("the digest of a file")
	}
	return nil
}

// blank tells whether a multipart has a body at all.
func blank(body []byte) bool { return len(bytes.Trim(body, "\x00\r\n\t \x1a")) == 0 }

// What a report may have, so that taking it in costs no more than it says.
const (
	reportLimit    = 8 << 20 // bytes
	reportElements = 500_000
)

// fits tells whether the text of a report is within its limits.
func fits(text []byte) bool {
	if len(text) > reportLimit {
		return false
	}
	elements, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			quoted = !quoted
		case quoted && c == '\\':
			i++
		case !quoted && (c == ',' || c == '[' || c == '{'):
			elements++
		}
	}
	return elements <= reportElements
}
