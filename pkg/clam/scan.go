package clam

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/postern-mail/postern/pkg/attachment"
)

var _ attachment.SecondOpinion = (*Client)(nil)

// Scan hands r to clamd and gives its opinion. An error means that there is
// none; the caller may ask again with a fresh source.
func (c *Client) Scan(ctx context.Context, r io.Reader) (attachment.Opinion, error) {
	conn, done, err := c.connect(ctx)
	if err != nil {
		return attachment.Opinion{}, err
	}
	defer done()
	sent := send(conn, r)
	if errors.Is(sent, errSource) {
		// What clamd saw is not what was to be scanned: its answer means nothing.
		return attachment.Opinion{}, fmt.Errorf("clamd stream: %w", sent)
	}
	read := readReply
	if sent != nil {
		// clamd may have said why it stopped reading.
		read = readLastWords
	}
	reply, err := read(conn)
	if err != nil {
		return attachment.Opinion{}, fmt.Errorf("clamd reply: %w", ended(ctx, errors.Join(sent, err)))
	}
	opinion, err := opinionOf(reply)
	if err != nil {
		return attachment.Opinion{}, fmt.Errorf("clamd stream: %w", errors.Join(sent, err))
	}
	if sent != nil && opinion.Verdict == attachment.Clean {
		return attachment.Opinion{}, fmt.Errorf("clamd stream: %w", ended(ctx, sent))
	}
	return opinion, nil
}

// opinionOf reads an answer to INSTREAM. Only one is clean.
func opinionOf(reply string) (attachment.Opinion, error) {
	if reply == "stream: OK" {
		return attachment.Opinion{Verdict: attachment.Clean}, nil
	}
	if reply == "INSTREAM size limit exceeded. ERROR" {
		return attachment.Opinion{Verdict: attachment.Limit, Reason: attachment.ScannerLimit}, nil
	}
	name, ok := strings.CutPrefix(reply, "stream: ")
	if ok {
		name, ok = strings.CutSuffix(name, " FOUND")
	}
	if !ok || name == "" || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r > '~' }) {
		return attachment.Opinion{}, errReply
	}
	verdict, reason := classify(name)
	return attachment.Opinion{Verdict: verdict, Reason: reason, Signature: name}, nil
}

// classes are the names that clamd gives to what is no malware, but a property
// that deploy/clamd.conf asks it to report.
var classes = []struct {
	prefix string
	reason attachment.Reason
}{
	{"Heuristics.Limits.Exceeded", attachment.ScannerLimit},
	{"Heuristics.Encrypted.PDF", attachment.EncryptedDocument},
	{"Heuristics.Encrypted.DOC", attachment.EncryptedDocument},
	{"Heuristics.Encrypted.OLE2", attachment.EncryptedDocument},
	{"Heuristics.Encrypted", attachment.EncryptedArchive},
	{"Heuristics.OLE2.ContainsMacros", attachment.VBAMacro},
	{"Heuristics.Broken", attachment.ScannerSuspicion},
	{"Heuristics.Structured", attachment.ScannerSuspicion},
	{"Heuristics.Phishing", attachment.ScannerSuspicion},
	{"PUA.", attachment.ScannerSuspicion},
}

// classify says what a name amounts to; what is not known to be less is an
// infection.
func classify(name string) (attachment.Verdict, attachment.Reason) {
	for _, class := range classes {
		if strings.HasPrefix(name, class.prefix) {
			return class.reason.Verdict(), class.reason
		}
	}
	return attachment.Infected, attachment.ScannerSignature
}
