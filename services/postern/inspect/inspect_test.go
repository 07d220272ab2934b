package inspect_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/postern-mail/postern/pkg/corpora"
	"github.com/postern-mail/postern/services/postern/inspect"
)

// run runs the command in this process, and gives what it printed.
func run(t *testing.T, stdin string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	code = inspect.Run(context.Background(), append([]string{"--unconfined"}, args...), strings.NewReader(stdin), &out, &errs)
	return out.String(), errs.String(), code
}

// document is the contract, written down a second time.
type document struct {
	File    string `json:"file"`
	Size    int    `json:"size"`
	SHA256  string `json:"sha256"`
	Message struct {
		From, Sender, To, Cc []struct{ Name, Address string }
		ReplyTo              []struct{ Name, Address string } `json:"reply_to"`
		Subject, Date, Kind  string
		MessageID            string   `json:"message_id"`
		InReplyTo            string   `json:"in_reply_to"`
		References           []string `json:"references"`
		CharsetIssues        int      `json:"charset_issues"`
		Defects              []string
		Parts                []struct {
			Path, Type, Charset, Encoding, Disposition, Filename, SHA256 string
			Size                                                         int
		}
	}
	Encryption []struct {
		Path, Kind, Key, Reason string
		Opened                  bool
	}
	Sender struct {
		Verdict, Address, Domain string
		Reasons                  []string
		SPF                      struct {
			Result, Domain, Identity, Source string
			ClientIP                         string `json:"client_ip"`
		}
		DKIM       []struct{ Result, Domain, Selector, AUID, Algorithm, Reason string }
		Signatures []struct {
			Kind, Result, Signer, Covers string
			MatchesFrom                  bool `json:"matches_from"`
		}
		ARC struct {
			Result  string
			Sealers []string
			Trusted bool
		}
		DMARC struct {
			Result, Policy string
			Aligned        []string
		}
	}
	Attachments []found
	Scan        struct {
		Verdict string
		Reasons []string
	}
	View struct {
		Text, HTML string
		Removed    struct{ Active, Remote, Trackers, Other int }
		Masked     []mask
	}
}

type found struct {
	Path, Name, Verdict, SHA256 string
	Size                        int
	Reasons                     []string
	Children                    []found
}

type mask struct {
	Kind       string
	Start, End int
}

func one(t *testing.T, stdin string, args ...string) document {
	t.Helper()
	out, errs, code := run(t, stdin, args...)
	if code != 0 {
		t.Fatalf("code %d: %s", code, errs)
	}
	var d document
	if err := json.Unmarshal([]byte(out), &d); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	return d
}

func write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// The shape of the document: every leaf of this must be there, with that type.
const shape = `{"file":"","size":0,"sha256":"","message":{"from":[],"sender":[],"reply_to":[],"to":[],"cc":[],"subject":"","date":"","message_id":"",
"in_reply_to":"","references":[],"kind":"","charset_issues":0,"defects":[],"parts":[{"path":"","type":"","charset":"","encoding":"","disposition":"","filename":"","size":0,"sha256":""}]},
"encryption":[],"sender":{"verdict":"","address":"","domain":"","reasons":[],"spf":{"result":"","domain":"","identity":"","client_ip":"","source":""},"dkim":[],
"dmarc":{"result":"","policy":"","record_domain":"","org_domain":"","aligned":[]},"arc":{"result":"","sealers":[],"trusted":false},"signatures":[]},
"attachments":[],"scan":{"verdict":"","reasons":[]},"view":{"text":"","html":"","removed":{"active":0,"remote":0,"trackers":0,"other":0},"masked":[]},"took_ms":0}`

// holds says what of the shape is missing or of another type.
func holds(where string, want, got any) []string {
	switch want := want.(type) {
	case map[string]any:
		have, ok := got.(map[string]any)
		if !ok {
			return []string{where + " is no object"}
		}
		var wrong []string
		for key, value := range want {
			if _, ok := have[key]; !ok {
				wrong = append(wrong, where+"."+key+" is missing")
				continue
			}
			wrong = append(wrong, holds(where+"."+key, value, have[key])...)
		}
		return wrong
	case []any:
		have, ok := got.([]any)
		if !ok {
			return []string{where + " is no list"}
		}
		if len(want) == 1 {
			var wrong []string
			for i, item := range have {
				wrong = append(wrong, holds(fmt.Sprintf("%s[%d]", where, i), want[0], item)...)
			}
			return wrong
		}
	default:
		if fmt.Sprintf("%T", want) != fmt.Sprintf("%T", got) {
			return []string{fmt.Sprintf("%s is %T", where, got)}
		}
		if n, ok := got.(float64); ok && n != float64(int64(n)) {
			return []string{where + " is no integer"}
		}
	}
	return nil
}

func noNulls(where string, v any) []string {
	switch v := v.(type) {
	case nil:
		return []string{where + " is null"}
	case map[string]any:
		var wrong []string
		for key, value := range v {
			wrong = append(wrong, noNulls(where+"."+key, value)...)
		}
		return wrong
	case []any:
		var wrong []string
		for i, value := range v {
			wrong = append(wrong, noNulls(fmt.Sprintf("%s[%d]", where, i), value)...)
		}
		return wrong
	}
	return nil
}

func TestEveryFieldIsThereWhateverTheInput(t *testing.T) {
	var want any
	if err := json.Unmarshal([]byte(shape), &want); err != nil {
		t.Fatal(err)
	}
	for name, raw := range map[string]string{
		"nothing":            "",
		"a line end":         "\n",
		"zeros":              strings.Repeat("\x00", 100),
		"bytes of all kinds": "\xff\xfe\x80From: \xc3(\r\r\n\x1b$B\n\n\xff",
		"a mail":             "From: a@example.com\nSubject: hi\n\nhello\n",
		"a closed multipart": "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: application/zip\n\nPK\x03\x04\n--b--\n",
	} {
		t.Run(name, func(t *testing.T) {
			out, errs, code := run(t, "", write(t, "m.eml", raw))
			if code != 0 || errs != "" {
				t.Fatalf("code %d: %s", code, errs)
			}
			if strings.Count(out, "\n") != 1 || !strings.HasSuffix(out, "\n") {
				t.Errorf("not one line: %q", out)
			}
			var got any
			if err := json.Unmarshal([]byte(out), &got); err != nil {
				t.Fatal(err)
			}
			for _, wrong := range append(holds("document", want, got), noNulls("document", got)...) {
				t.Error(wrong)
			}
		})
	}
}

func TestAnEmptyFileIsAMessageToo(t *testing.T) {
	d := one(t, "", write(t, "empty.eml", ""))
	// FIPS 180-4: the digest of no bytes
	if d.Size != 0 || d.SHA256 != "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" {
		t.Errorf("%d %s", d.Size, d.SHA256)
	}
	if len(d.Message.Parts) != 1 || d.Message.Parts[0].Type != "text/plain" || !slices.Contains(d.Message.Defects, "missing_from") {
		t.Errorf("%+v", d.Message)
	}
	if d.Sender.Verdict == "authenticated" || d.Sender.Verdict == "verified" {
		t.Errorf("sender %s", d.Sender.Verdict)
	}
}

func TestTheMessageIsDescribedAsItStands(t *testing.T) {
	raw := "From: =?utf-8?Q?J=C3=BCrgen?= <j@example.com>\nTo: a@example.org, B <b@example.org>\nCc: c@example.org\nReply-To: r@example.com\nSender: s@example.com\n" +
		"Date: Fri, 21 Nov 1997 09:55:06 -0600\nSubject: =?iso-8859-1?Q?gr=FC=DFe?=\nMessage-ID: <1@example.com>\nIn-Reply-To: <0@example.com>\nReferences: <a@b> <0@example.com>\n" +
		"List-Id: <l.example.com>\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain; charset=UTF-8\nContent-Transfer-Encoding: base64\n\nYWJj\n" +
		"--b\nContent-Type: message/rfc822\nContent-Disposition: attachment; filename=\"old.eml\"\n\nSubject: x\n\nhi\n--b--\n"
	d := one(t, raw, "-")
	m := d.Message
	if d.File != "-" || m.From[0].Name != "Jürgen" || m.From[0].Address != "j@example.com" || len(m.To) != 2 || m.To[1].Name != "B" ||
		m.Cc[0].Address != "c@example.org" || m.ReplyTo[0].Address != "r@example.com" || m.Sender[0].Address != "s@example.com" ||
		m.Subject != "grüße" || m.Date != "1997-11-21T09:55:06-06:00" || m.MessageID != "1@example.com" || m.InReplyTo != "0@example.com" ||
		!slices.Equal(m.References, []string{"a@b", "0@example.com"}) || m.Kind != "list" {
		t.Errorf("%+v", m)
	}
	var parts []string
	for _, p := range m.Parts {
		parts = append(parts, fmt.Sprintf("%s %s %s %s %s %d", p.Path, p.Type, p.Charset, p.Encoding, p.Filename, p.Size))
	}
	want := []string{" multipart/mixed  7bit  0", "1 text/plain utf-8 base64  3", "2 message/rfc822  7bit old.eml 14", "2.1 text/plain  7bit  2"}
	if !slices.Equal(parts, want) {
		t.Errorf("%q", parts)
	}
	// FIPS 180-2 appendix B.1: the digest of "abc"
	if m.Parts[1].SHA256 != "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" {
		t.Errorf("digest %s", m.Parts[1].SHA256)
	}
}

func TestTheFieldsOfAnEmbeddedMessageAreNotTheMessagesOwn(t *testing.T) {
	const head = "From: a@example.com\r\nDate: Sat, 21 Nov 2026 12:00:00 +0000\r\nMIME-Version: 1.0\r\n"
	for name, c := range map[string]struct {
		raw  string
		want []string
	}{
		"embedded": {head + "Content-Type: message/rfc822\r\n\r\nSubject: no author\r\n\r\nhello\r\n", []string{}},
		"its own":  {"Date: Sat, 21 Nov 2026 12:00:00 +0000\r\n\r\nhello\r\n", []string{"missing_from"}},
	} {
		if d := one(t, "", write(t, "embedded.eml", c.raw)); !slices.Equal(d.Message.Defects, c.want) {
			t.Errorf("%s: defects %v, want %v", name, d.Message.Defects, c.want)
		}
	}
}

func TestPartsStandAsInTheirPublishedParse(t *testing.T) {
	files := corpora.Open(t)
	names, _ := fs.Glob(files, "mime/stalwart/*/*.json")
	if len(names) < 64 {
		t.Fatalf("%d parses", len(names))
	}
	for _, name := range names {
		raw, _ := fs.ReadFile(files, strings.TrimSuffix(name, ".json")+".eml")
		parse, _ := fs.ReadFile(files, name)
		want := stalwartPaths(t, parse, "")
		var got []string
		for _, p := range one(t, string(raw), "-").Message.Parts {
			got = append(got, p.Path)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// stalwartPaths numbers the parts of a published parse as RFC 9051 §6.4.5 does.
func stalwartPaths(t *testing.T, parse []byte, prefix string) []string {
	var m struct {
		Parts []struct {
			Body map[string]json.RawMessage `json:"body"`
		} `json:"parts"`
	}
	if err := json.Unmarshal(parse, &m); err != nil {
		t.Fatal(err)
	}
	below := func(path string, n int) string { return strings.TrimPrefix(fmt.Sprintf("%s.%d", path, n), ".") }
	var out []string
	var visit func(i int, path string)
	visit = func(i int, path string) {
		out = append(out, path)
		if raw, ok := m.Parts[i].Body["Multipart"]; ok {
			var children []int
			if err := json.Unmarshal(raw, &children); err != nil {
				t.Fatal(err)
			}
			for n, child := range children {
				visit(child, below(path, n+1))
			}
		}
		if raw, ok := m.Parts[i].Body["Message"]; ok {
			out = append(out, stalwartPaths(t, raw, path)...)
		}
	}
	root := prefix
	if _, ok := m.Parts[0].Body["Multipart"]; !ok {
		root = below(prefix, 1)
	}
	visit(0, root)
	return out
}

// The card number is Visa's test number; it passes Luhn.
const card = "4111 1111 1111 1111"

func TestMasksPointIntoTheUnmaskedText(t *testing.T) {
	raw := "From: a@example.com\nContent-Type: text/plain; charset=utf-8\n\nGrüße, my card is " + card + ", thanks.\n"
	masked, open := one(t, raw, "-"), one(t, raw, "--show-masked", "-")
	if strings.Contains(masked.View.Text, "1111 1111") {
		t.Errorf("text %q", masked.View.Text)
	}
	if len(open.View.Masked) != 1 || open.View.Masked[0].Kind != "payment_card" || !slices.Equal(open.View.Masked, masked.View.Masked) {
		t.Fatalf("%+v %+v", open.View.Masked, masked.View.Masked)
	}
	m := open.View.Masked[0]
	if got := open.View.Text[m.Start:m.End]; got != card {
		t.Errorf("masked %q", got)
	}
}

func TestTextFilesAreMaskedAsTheyAre(t *testing.T) {
	path := write(t, "note.txt", "ü "+card+"\r\n")
	out, errs, code := run(t, "", "--text", path, write(t, "empty.txt", ""))
	if code != 0 {
		t.Fatalf("code %d: %s", code, errs)
	}
	lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	if len(lines) != 2 || !strings.HasSuffix(lines[1], `"masked":[]}`) {
		t.Fatalf("%q", lines)
	}
	var got struct {
		File   string
		Masked []mask
	}
	if err := json.Unmarshal([]byte(lines[0]), &got); err != nil {
		t.Fatal(err)
	}
	if got.File != path || len(got.Masked) != 1 || got.Masked[0] != (mask{"payment_card", 3, 3 + len(card)}) {
		t.Errorf("%+v", got)
	}
}

func TestActiveAndRemoteContentIsTakenOutAndCounted(t *testing.T) {
	raw := "From: a@example.com\nContent-Type: text/html; charset=utf-8\n\n<p onclick=\"x()\">Hello</p><script>alert(1)</script><img src=\"http://tracker.example/p.gif\" width=1 height=1>\n"
	d := one(t, raw, "-")
	if strings.Contains(d.View.HTML, "script") || strings.Contains(d.View.HTML, "onclick") || strings.Contains(d.View.HTML, "tracker.example/p.gif") {
		t.Errorf("html %q", d.View.HTML)
	}
	if r := d.View.Removed; r.Active < 2 || r.Remote != 1 || r.Trackers != 1 {
		t.Errorf("removed %+v", r)
	}
	if !strings.Contains(d.View.Text, "Hello") {
		t.Errorf("text %q", d.View.Text)
	}
}
