package mail_test

import (
	"encoding/json"
	"io/fs"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/pkg/corpora"
	"github.com/postern-mail/postern/pkg/mail"
)

// The mail-parser project publishes its full parse of each of its messages.
type stalwartMessage struct {
	Parts []stalwartPart `json:"parts"`
}

type stalwartPart struct {
	Headers []struct {
		Name  string          `json:"-"`
		Raw   json.RawMessage `json:"name"`
		Value json.RawMessage `json:"value"`
	} `json:"headers"`
	Body   map[string]json.RawMessage `json:"body"`
	Header int                        `json:"offset_header"`
	Start  int                        `json:"offset_body"`
	End    int                        `json:"offset_end"`
}

func (p stalwartPart) header(name string) (json.RawMessage, bool) {
	var found json.RawMessage
	for _, h := range p.Headers {
		var n string
		if json.Unmarshal(h.Raw, &n) == nil && n == name {
			found = h.Value
		}
	}
	return found, found != nil
}

type stalwartAddress struct{ Name, Address *string }

func (p stalwartPart) addresses(name string) (out []mail.Address, ok bool) {
	raw, ok := p.header(name)
	if !ok {
		return nil, false
	}
	var v struct {
		Address struct {
			List  []stalwartAddress
			Group []struct {
				Name      *string
				Addresses []stalwartAddress
			}
		}
	}
	if json.Unmarshal(raw, &v) != nil {
		return nil, false
	}
	add := func(group string, list []stalwartAddress) {
		for _, a := range list {
			out = append(out, mail.Address{Name: deref(a.Name), Addr: deref(a.Address), Group: group})
		}
	}
	add("", v.Address.List)
	for _, g := range v.Address.Group {
		add(deref(g.Name), g.Addresses)
	}
	return out, true
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func stalwartFiles(t *testing.T) map[string][2][]byte {
	files := corpora.Open(t)
	out := map[string][2][]byte{}
	names, err := fs.Glob(files, "mime/stalwart/*/*.eml")
	if err != nil || len(names) < 64 {
		t.Fatalf("stalwart messages: %d found, %v", len(names), err)
	}
	for _, name := range names {
		raw, err := fs.ReadFile(files, name)
		if err != nil {
			t.Fatal(err)
		}
		want, err := fs.ReadFile(files, strings.TrimSuffix(name, ".eml")+".json")
		if err != nil {
			continue
		}
		out[strings.TrimPrefix(name, "mime/stalwart/")] = [2][]byte{raw, want}
	}
	return out
}

func TestStalwartMessagesReadAsTheirPublishedParse(t *testing.T) {
	for name, pair := range stalwartFiles(t) {
		t.Run(name, func(t *testing.T) {
			var want stalwartMessage
			if err := json.Unmarshal(pair[1], &want); err != nil {
				t.Fatal(err)
			}
			got := mail.Parse(pair[0], mail.Limits{})
			compareHead(t, got, want)
			compareParts(t, got, want)
		})
	}
}

func compareHead(t *testing.T, got *mail.Message, want stalwartMessage) {
	t.Helper()
	head := want.Parts[0]
	for field, have := range map[string][]mail.Address{"from": got.From, "to": got.To, "cc": got.Cc, "reply_to": got.ReplyTo, "sender": got.Sender} {
		list, ok := head.addresses(field)
		if !ok {
			continue
		}
		if len(list) != len(have) {
			t.Errorf("%s: got %+v, want %+v", field, have, list)
			continue
		}
		for i := range list {
			if !sameAddress(have[i], list[i]) {
				t.Errorf("%s %d: got %+v, want %+v", field, i, have[i], list[i])
			}
		}
	}
	if raw, ok := head.header("subject"); ok {
		var v struct{ Text string }
		if json.Unmarshal(raw, &v) == nil && !agrees(got.Subject, v.Text) {
			t.Errorf("subject: got %q, want %q", got.Subject, v.Text)
		}
	}
	if raw, ok := head.header("message_id"); ok {
		var v struct{ Text string }
		if json.Unmarshal(raw, &v) == nil && v.Text != got.MessageID {
			t.Errorf("message id: got %q, want %q", got.MessageID, v.Text)
		}
	}
	if raw, ok := head.header("date"); ok {
		var v struct {
			DateTime *struct {
				Year, Month, Day, Hour, Minute, Second int
				Before                                 bool `json:"tz_before_gmt"`
				ZoneHour                               int  `json:"tz_hour"`
				ZoneMinute                             int  `json:"tz_minute"`
			}
		}
		if json.Unmarshal(raw, &v) == nil && v.DateTime != nil {
			d := v.DateTime
			zone := d.ZoneHour*3600 + d.ZoneMinute*60
			if d.Before {
				zone = -zone
			}
			at := time.Date(d.Year, time.Month(d.Month), d.Day, d.Hour, d.Minute, d.Second, 0, time.FixedZone("", zone))
			if !at.Equal(got.Date) {
				t.Errorf("date: got %v, want %v", got.Date, at)
			}
		}
	}
}

// flatten lists parts as mail-parser does: breadth within a container is depth
// first, an embedded message is one part.
func flatten(p *mail.Part, out *[]*mail.Part) {
	*out = append(*out, p)
	for _, c := range p.Children {
		if c.Origin == "" {
			flatten(c, out)
		}
	}
}

func compareParts(t *testing.T, got *mail.Message, want stalwartMessage) {
	t.Helper()
	var parts []*mail.Part
	flatten(got.Root, &parts)
	if len(parts) != len(want.Parts) {
		t.Errorf("%d parts, want %d", len(parts), len(want.Parts))
		for _, p := range parts {
			t.Logf("  got %s %s", p.Path, p.Type)
		}
		return
	}
	for i, w := range want.Parts {
		p := parts[i]
		comparePart(t, p, w)
		if raw, ok := w.Body["Message"]; ok {
			var inner stalwartMessage
			if json.Unmarshal(raw, &inner) != nil || p.Message == nil {
				t.Errorf("part %s: no message", p.Path)
				continue
			}
			compareHead(t, p.Message, inner)
			compareParts(t, p.Message, inner)
		}
	}
}

func comparePart(t *testing.T, p *mail.Part, w stalwartPart) {
	t.Helper()
	if raw, ok := w.header("content_type"); ok {
		var v struct {
			ContentType struct {
				Type    string  `json:"c_type"`
				Subtype *string `json:"c_subtype"`
				Attr    []struct{ Name, Value string }
			}
		}
		if json.Unmarshal(raw, &v) == nil && v.ContentType.Subtype != nil {
			if want := strings.ToLower(v.ContentType.Type + "/" + *v.ContentType.Subtype); want != p.Type {
				t.Errorf("part %s: type %s, want %s", p.Path, p.Type, want)
			}
		}
	}
	wantName := stalwartAttr(w, "content_disposition", "filename")
	if wantName == "" {
		wantName = stalwartAttr(w, "content_type", "name")
	}
	if name := strings.ReplaceAll(p.Filename, `\`, ""); !agrees(name, wantName) { // they drop the backslashes of a path
		t.Errorf("part %s: name %q, want %q", p.Path, p.Filename, wantName)
	}
	for _, kind := range []string{"Text", "Html"} {
		if raw, ok := w.Body[kind]; ok {
			var text string
			if err := json.Unmarshal(raw, &text); err != nil {
				t.Fatal(err)
			}
			have, _ := p.Text()
			if !strings.HasPrefix(p.Type, "text/") || len(p.Children) > 0 || strings.HasPrefix(p.Encoding, "x-uu") {
				continue // sound and pictures of RFC examples that are no base64; uuencoded files, which we unpack
			}
			if want := lineEnds.ReplaceAllString(text, "\n"); !agrees(have, want) {
				t.Errorf("part %s %s: text %q, want %q", p.Path, p.Type, clip(have), clip(want))
			}
		}
	}
	for _, kind := range []string{"Binary", "InlineBinary"} {
		if raw, ok := w.Body[kind]; ok {
			var numbers []int
			if err := json.Unmarshal(raw, &numbers); err != nil {
				t.Fatal(err)
			}
			want := make([]byte, len(numbers))
			for i, n := range numbers {
				want[i] = byte(n)
			}
			if strings.HasPrefix(p.Encoding, "x-uu") {
				continue // we decode uuencode, they do not
			}
			have, same := string(p.Content), string(want)
			if p.Encoding == "7bit" { // they make every line end a LF
				have = strings.ReplaceAll(have, "\r\n", "\n")
			}
			if have != same {
				t.Errorf("part %s: content %d bytes, want %d", p.Path, len(p.Content), len(want))
			}
		}
	}
}

func stalwartAttr(w stalwartPart, field, name string) string {
	raw, ok := w.header(field)
	if !ok {
		return ""
	}
	var v struct {
		ContentType struct {
			Attributes []struct{ Name, Value string }
		}
	}
	if json.Unmarshal(raw, &v) != nil {
		return ""
	}
	for _, a := range v.ContentType.Attributes {
		if a.Name == name {
			return a.Value
		}
	}
	return ""
}

func clip(s string) string {
	if len(s) > 300 {
		return s[:300] + "..."
	}
	return s
}

var lineEnds = regexp.MustCompile("\r*\n")

// agrees compares with a parse that shows U+FFFD where bytes do not fit their
// charset; we guess a charset there, so any character may stand for it.
func agrees(got, want string) bool {
	if !strings.Contains(want, "\uFFFD") {
		return got == want
	}
	quoted := strings.ReplaceAll(regexp.QuoteMeta(want), "\uFFFD", "[^\\x00-\\x7f]")
	return regexp.MustCompile("(?s)^" + quoted + "$").MatchString(got)
}

// sameAddress also allows for a comment between the words of a name, which they
// keep at the end and we drop.
func sameAddress(got, want mail.Address) bool {
	name, _, _ := strings.Cut(want.Name, " (")
	return got.Addr == want.Addr && got.Group == want.Group && (agrees(got.Name, want.Name) || got.Name == name)
}
