package sanitize

import (
	"bytes"
	"slices"
	"strings"

	"github.com/postern-mail/postern/pkg/mail"
)

// unsaid are subjects that programs put in the place of one that they encrypt with the mail (RFC 9788 §3.2.1, and
// what was usual before it).
var unsaid = []string{"", "[...]", "...", "…", "encrypted message"}

// maxSealedHeader is how much of an entity is read for its subject, in bytes.
const maxSealedHeader = 64 << 10

// subject is what the mail is about: its own word, or where that says nothing and all of the mail came encrypted,
// the one inside. Who wrote is never taken from there.
func (r *renderer) subject() string {
	own := r.msg.Subject
	if !slices.Contains(unsaid, strings.ToLower(strings.TrimSpace(own))) {
		return own
	}
	for part := r.msg.Root; ; {
		holder := part
		if part.Type == "multipart/encrypted" && len(part.Children) > 1 {
			holder = part.Children[1]
		}
		if len(holder.Opened) != 1 || strings.HasPrefix(holder.Type, "text/") {
			return own
		}
		part = holder.Opened[0]
		if !part.Encrypted || !part.Header.Has("Subject") {
			continue
		}
		head := part.Raw[:min(len(part.Raw), maxSealedHeader)]
		for _, end := range []string{"\r\n\r\n", "\n\n"} {
			if at := bytes.Index(head, []byte(end)); at >= 0 {
				head = head[:at+len(end)]
			}
		}
		return mail.Parse(head, mail.Limits{}).Subject
	}
}
