package ingest

import (
	"bytes"

	"github.com/postern-mail/postern/pkg/mail"
)

// mostHead is how much of a mail's beginning is looked at for what sort of sender made it, in bytes.
const mostHead = 64 << 10

// A head keeps a mail's header section as it is sealed, up to mostHead. It never fails.
type head struct {
	text  []byte
	whole bool
}

func (h *head) Write(p []byte) (int, error) {
	if h.whole {
		return len(p), nil
	}
	from := max(0, len(h.text)-3) // the empty line may begin in what came before
	h.text = append(h.text, p[:min(len(p), mostHead-len(h.text))]...)
	if end := headEnd(h.text, from); end > 0 {
		clear(h.text[end:])
		h.text, h.whole = h.text[:end], true
	}
	h.whole = h.whole || len(h.text) == mostHead
	return len(p), nil
}

// headEnd is where the header section ends, behind its empty line (RFC 5322 §2.1); 0 where it
// does not end yet.
func headEnd(text []byte, from int) int {
	for i := from; ; {
		n := bytes.IndexByte(text[i:], '\n')
		if n < 0 {
			return 0
		}
		i += n + 1
		switch rest := text[i:]; {
		case bytes.HasPrefix(rest, []byte("\n")):
			return i + 1
		case bytes.HasPrefix(rest, []byte("\r\n")):
			return i + 2
		}
	}
}

// kind says what sort of sender made the mail, and whether it goes in circles, and forgets the
// headers. It is a hint for who comes later: where they cannot be read, the mail goes on without.
func (h *head) kind(own string) (kind mail.Kind, loops bool) {
	defer func() {
		if recover() != nil {
			kind, loops = "", false
		}
		clear(h.text)
		h.text, h.whole = h.text[:0], false
	}()
	if len(h.text) == 0 {
		return "", false
	}
	m := mail.Parse(h.text, mail.Limits{})
	return m.Kind, m.Loops(own)
}
