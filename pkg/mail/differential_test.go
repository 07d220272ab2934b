package mail_test

import (
	"bytes"
	"encoding/base64"
	"io"
	"math/rand/v2"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	netmail "net/mail"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/emersion/go-message"

	"github.com/postern-mail/postern/pkg/mail"
)

// Two other readers look at mails whose fields and boundaries were tampered with. Whatever
// file or text one of them finds, we have found too, or the mail is ambiguous: an attacker can
// show them nothing that we call clear and have not seen.
func TestWhatOtherReadersFindIsFoundOrAmbiguous(t *testing.T) {
	var mails [][]byte
	for _, folder := range []string{"mime", "real"} {
		eachMail(t, folder, func(_ string, raw []byte) {
			if lower := bytes.ToLower(raw); len(raw) < 60000 && (bytes.Contains(lower, []byte("multipart")) || bytes.Contains(lower, []byte("base64"))) {
				mails = append(mails, raw)
			}
		})
	}
	random := rand.New(rand.NewPCG(3, 4)) //nolint:gosec // the same mutations each time
	clear, ambiguous, missed := 0, 0, 0
	for i := range 3000 {
		raw := mails[i%len(mails)]
		for range 1 + random.IntN(3) {
			if i >= len(mails) {
				raw = tamper(random, raw)
			}
		}
		m := mail.Parse(raw, mail.Limits{})
		if len(ambiguities(m)) > 0 {
			ambiguous++
			continue
		}
		clear++
		have, endings := inventory(m)
		for reader, parts := range map[string][]foreignPart{"net/mail": readByStandardLibrary(raw), "go-message": readByGoMessage(raw)} {
			for _, p := range parts {
				if p.name != "" && !endings[ending(mail.DecodeWords(p.name))] {
					missed++
					t.Errorf("%d: %s finds a file named %q\n%s", i, reader, p.name, clip(string(raw)))
				}
				if !p.isTextAsItStands(raw) && !have[squeezed(p.content)] && !have[squeezed(strings.ToValidUTF8(p.content, ""))] && !textIsDamaged(m, have, p) {
					missed++
					t.Errorf("%d: %s finds %s %q: %q\n%s", i, reader, p.mediaType, p.name, clip(p.content), clip(string(raw)))
				}
			}
			if missed > 20 {
				t.Fatal("and more")
			}
		}
	}
	t.Logf("%d clear, %d ambiguous", clear, ambiguous)
	if clear < 500 {
		t.Errorf("only %d are clear", clear)
	}
}

var tamperable = regexp.MustCompile(`(?im)^content-[^\n]*\n?(?:[ \t][^\n]*\n)*|^--[^\n]*\n?|^mime-version[^\n]*\n`)

var insertions = []string{
	"\x00", " ", "\t", "\r", "\n", "\r\n", "\r\n ", "\n\n", `"`, "(", ")", ";", ",", "=", "?", "-", "--", ":", `\`, "'", "*", "%", "<", ">",
	"\xff", "\xa0", "\x0b", "\x0c", "\x1a", "=?utf-8?q?", "?=", "()", "(x)", `""`,
}

// tamper changes something in or beside a field about the content, or a boundary.
func tamper(random *rand.Rand, raw []byte) []byte {
	places := tamperable.FindAllIndex(raw, -1)
	if len(places) == 0 {
		return raw
	}
	place := places[random.IntN(len(places))]
	from, to := place[0], place[1]
	at := min(len(raw), max(0, from-2)+random.IntN(to-from+4))
	join := func(pieces ...[]byte) []byte { return bytes.Join(pieces, nil) }
	switch random.IntN(6) {
	case 0:
		return join(raw[:at], []byte(insertions[random.IntN(len(insertions))]), raw[at:])
	case 1:
		return join(raw[:at], raw[min(len(raw), at+1):])
	case 2:
		return join(raw[:at], []byte(insertions[random.IntN(len(insertions))]), raw[min(len(raw), at+1):])
	case 3:
		return join(raw[:from], raw[to:])
	case 4:
		return join(raw[:to], raw[from:])
	default:
		other := places[random.IntN(len(places))]
		return join(raw[:to], raw[other[0]:other[1]], raw[to:])
	}
}

// A foreignPart is a leaf as another reader has it.
type foreignPart struct{ mediaType, name, content string }

// isTextAsItStands says whether the part is nothing but text of the message, not decoded: a
// reader who finds no structure has that.
func (p foreignPart) isTextAsItStands(raw []byte) bool {
	isText := p.mediaType == "" || strings.HasPrefix(p.mediaType, "text/") || strings.HasPrefix(p.mediaType, "multipart/")
	return squeezed(p.content) == "" || isText && p.name == "" && bytes.Contains(raw, []byte(p.content))
}

// textIsDamaged says whether the part is a text that is shown, and known to read differently:
// its letters or its encoding are damaged, which has a defect of its own and is no file, the other
// reader stopped before its end, or files were cut out of it.
func textIsDamaged(m *mail.Message, have map[string]bool, p foreignPart) bool {
	for ours := range have {
		if p.name == "" && strings.HasPrefix(ours, squeezed(p.content)) {
			return true
		}
	}
	cut := false
	m.Walk(func(q *mail.Part) { cut = cut || q.Origin != "" })
	c1 := strings.ContainsFunc(p.content, func(r rune) bool { return r >= 0x80 && r <= 0x9f }) // Windows' letters under the name of ISO's
	return p.name == "" && strings.HasPrefix(p.mediaType, "text/") &&
		(c1 || cut || hasDefect(m, "bad_quoted_printable") || hasDefect(m, "base64_truncated") || hasDefect(m, "charset_mismatch"))
}

func inventory(m *mail.Message) (contents, endings map[string]bool) {
	contents, endings = map[string]bool{}, map[string]bool{}
	m.Walk(func(p *mail.Part) {
		endings[ending(p.Filename)] = true
		if !p.IsMultipart() {
			contents[squeezed(string(p.Content))] = true
			text, _ := p.Text()
			contents[squeezed(text)] = true
			contents[squeezed(string(p.RawBody))] = contents[squeezed(string(p.RawBody))] || strings.HasPrefix(p.Encoding, "x-uu") // see docs/divergences.md
		}
	})
	return contents, endings
}

// squeezed makes line ends and blanks, which readers treat in their own ways, alike.
func squeezed(content string) string { return strings.Join(strings.Fields(content), " ") }

func ending(name string) string { return strings.ToLower(filepath.Ext(strings.TrimSpace(name))) }

func readByGoMessage(raw []byte) (out []foreignPart) {
	entity, _ := message.Read(bytes.NewReader(raw))
	if entity == nil {
		return nil
	}
	entity.Walk(func(_ []int, e *message.Entity, _ error) error {
		if e == nil {
			return nil
		}
		mediaType, params, _ := e.Header.ContentType()
		if strings.HasPrefix(mediaType, "multipart/") {
			return nil
		}
		content, _ := io.ReadAll(e.Body)
		name := params["name"]
		if _, params, _ := e.Header.ContentDisposition(); params["filename"] != "" {
			name = params["filename"]
		}
		out = append(out, foreignPart{mediaType, name, string(content)})
		return nil
	})
	return out
}

func readByStandardLibrary(raw []byte) (out []foreignPart) {
	m, err := netmail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return nil
	}
	var read func(get func(string) string, body io.Reader)
	read = func(get func(string) string, body io.Reader) {
		mediaType, params, err := mime.ParseMediaType(get("Content-Type"))
		if err == nil && strings.HasPrefix(mediaType, "multipart/") {
			for parts := multipart.NewReader(body, params["boundary"]); ; {
				part, err := parts.NextRawPart()
				if err != nil {
					return
				}
				read(part.Header.Get, part)
			}
		}
		switch strings.ToLower(get("Content-Transfer-Encoding")) {
		case "base64":
			body = base64.NewDecoder(base64.StdEncoding, body)
		case "quoted-printable":
			body = quotedprintable.NewReader(body)
		}
		content, _ := io.ReadAll(body)
		name := params["name"]
		if _, params, _ := mime.ParseMediaType(get("Content-Disposition")); params["filename"] != "" {
			name = params["filename"]
		}
		out = append(out, foreignPart{mediaType, name, string(content)})
	}
	read(m.Header.Get, m.Body)
	return out
}
