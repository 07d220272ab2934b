package inspect_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/postern-mail/postern/pkg/corpora"
	"github.com/postern-mail/postern/services/postern/inspect"
)

// run runs the command and gives what it printed.
func run(t *testing.T, stdin string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	code = inspect.Run(context.Background(), args, strings.NewReader(stdin), &out, &errs)
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
	Sender struct {
		Verdict, Address, Domain string
		Reasons                  []string
		SPF                      struct {
			Result, Domain, Identity, Source string
			ClientIP                         string `json:"client_ip"`
		}
		DKIM  []struct{ Result, Domain, Selector, AUID, Algorithm, Reason string }
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
"sender":{"verdict":"","address":"","domain":"","reasons":[],"spf":{"result":"","domain":"","identity":"","client_ip":"","source":""},"dkim":[],
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

// zoneOf turns a zone of chasquid's tests into ours.
func zoneOf(text string) string {
	zone := map[string]any{}
	for _, block := range strings.Split(strings.ReplaceAll(text, "\\\n", " "), "\n") {
		name, value, ok := strings.Cut(block, ": ")
		if !ok {
			continue
		}
		switch value = strings.Join(strings.Fields(value), " "); value {
		case "TEMPERROR":
			zone[name+"."] = map[string]any{"error": "servfail"}
		case "PERMERROR":
			zone[name+"."] = map[string]any{"error": "nxdomain"}
		default:
			zone[name+"."] = map[string]any{"TXT": []string{value}}
		}
	}
	out, _ := json.Marshal(zone)
	return string(out)
}

func TestDKIMSignaturesHoldAsPublished(t *testing.T) {
	files := corpora.Open(t)
	checked := 0
	for _, name := range []string{"01-rfc8463", "05-dns_temp_error", "06-dns_perm_error", "07-algo_mismatch", "08-our_signature", "10-strict_domain_check_pass", "11-strict_domain_check_fail"} {
		read := func(ext string) string {
			text, err := fs.ReadFile(files, "dkim/chasquid/"+name+ext)
			if err != nil {
				t.Fatal(err)
			}
			return string(text)
		}
		var want struct {
			Results []struct{ State, Domain, Selector string }
		}
		if err := json.Unmarshal([]byte(read(".result")), &want); err != nil {
			t.Fatal(err)
		}
		d := one(t, read(".msg"), "--dns", write(t, "zone.json", zoneOf(read(".dns"))), "-")
		if len(d.Sender.DKIM) != len(want.Results) {
			t.Errorf("%s: %+v, want %+v", name, d.Sender.DKIM, want.Results)
			continue
		}
		for i, w := range want.Results {
			got := d.Sender.DKIM[i]
			result := map[string]string{"SUCCESS": "pass", "TEMPFAIL": "temperror", "PERMFAIL": "permerror"}[w.State]
			if (got.Result == "pass") != (result == "pass") || (got.Result == "temperror") != (result == "temperror") || got.Selector != w.Selector && w.Selector != "" {
				t.Errorf("%s %d: %+v, want %+v", name, i, got, w)
			}
			checked++
		}
	}
	if checked < 10 {
		t.Errorf("%d signatures checked", checked)
	}
}

func TestTheSenderIsJudgedByTheZoneAndTheEnvelope(t *testing.T) {
	long := strings.Repeat("ip4:198.51.100.1 ", 20) // a record over 255 bytes stands joined
	zone := write(t, "zone.json", `{
		"example.com.": {"TXT": ["v=spf1 a mx include:_spf.example.com exists:%{ir}.x.example.com ptr:example.net `+long+`-all"], "A": ["192.0.2.1"], "AAAA": ["2001:db8::1"], "MX": [{"pref": 10, "host": "mx.example.com."}]},
		"mx.example.com.": {"A": ["192.0.2.2"]},
		"_spf.example.com.": {"CNAME": "real.example.com."},
		"real.example.com.": {"TXT": ["v=spf1 ip4:192.0.2.3 -all"]},
		"4.2.0.192.in-addr.arpa.": {"PTR": ["host.example.net."]},
		"host.example.net.": {"A": ["192.0.2.4"]},
		"broken.example.": {"error": "servfail"},
		"slow.example.": {"error": "timeout"},
		"gone.example.": {"error": "nxdomain"},
		"_dmarc.example.com.": {"TXT": ["v=DMARC1; p=reject"]}
	}`)
	const msg = "From: a@example.com\nSubject: x\n\nhi\n"
	for _, c := range []struct{ ip, from, spf, dmarc, verdict string }{
		{"192.0.2.1", "a@example.com", "pass", "pass", "authenticated"},
		{"2001:db8::1", "<a@example.com>", "pass", "pass", "authenticated"},
		{"192.0.2.2", "a@example.com", "pass", "pass", "authenticated"},
		{"192.0.2.3", "a@example.com", "pass", "pass", "authenticated"},
		{"192.0.2.4", "a@example.com", "pass", "pass", "authenticated"},
		{"198.51.100.1", "a@example.com", "pass", "pass", "authenticated"},
		{"192.0.2.9", "a@example.com", "fail", "fail", "forged"},
		{"192.0.2.9", "a@broken.example", "temperror", "fail", "forged"},
		{"192.0.2.9", "a@slow.example", "temperror", "fail", "forged"},
		{"192.0.2.9", "a@gone.example", "none", "fail", "forged"},
		{"192.0.2.9", "a@absent.example", "none", "fail", "forged"},
	} {
		d := one(t, msg, "--dns", zone, "--client-ip", c.ip, "--helo", "mail.example.com", "--mail-from", c.from, "-")
		if d.Sender.SPF.Result != c.spf || d.Sender.DMARC.Result != c.dmarc || d.Sender.Verdict != c.verdict || d.Sender.SPF.Source != "flag" || d.Sender.SPF.ClientIP != c.ip {
			t.Errorf("%s %s: %+v %+v %s %v", c.ip, c.from, d.Sender.SPF, d.Sender.DMARC, d.Sender.Verdict, d.Sender.Reasons)
		}
	}
	null := one(t, msg, "--dns", zone, "--client-ip", "192.0.2.2", "--helo", "example.com", "--mail-from", "<>", "-")
	if null.Sender.SPF.Identity != "helo" || null.Sender.SPF.Result != "pass" { // RFC 7208 §2.4
		t.Errorf("%+v", null.Sender.SPF)
	}
	none := one(t, msg, "--client-ip", "192.0.2.1", "--mail-from", "a@example.com", "-")
	if none.Sender.SPF.Result != "temperror" || none.Sender.DMARC.Result != "temperror" || none.Sender.Verdict != "unverified" {
		t.Errorf("without DNS: %+v", none.Sender)
	}
}

func TestTheReceivedLineOfOurOwnServerIsTheBoundary(t *testing.T) {
	zone := write(t, "zone.json", `{"example.com.": {"TXT": ["v=spf1 ip4:192.0.2.1 -all"]}, "_dmarc.example.com.": {"TXT": ["v=DMARC1; p=none"]}}`)
	msg := "Return-Path: <a@example.com>\nReceived: from mail.example.com (mail.example.com [192.0.2.1])\n\tby mx.us.example (Postfix) with ESMTP id 1\n\tfor <b@us.example>; Fri, 21 Nov 1997 09:55:06 -0600\n" +
		"Received: from evil (evil [192.0.2.9]) by other.example; Fri, 21 Nov 1997 09:55:05 -0600\nFrom: a@example.com\nSubject: x\n\nhi\n"
	d := one(t, msg, "--dns", zone, "--trust-mx", "mx.us.example", "-")
	if d.Sender.SPF.Result != "pass" || d.Sender.SPF.ClientIP != "192.0.2.1" || d.Sender.SPF.Source != "received" {
		t.Errorf("%+v", d.Sender.SPF)
	}
	if d := one(t, msg, "--dns", zone, "-"); d.Sender.SPF.Source != "none" || d.Sender.SPF.Result != "none" {
		t.Errorf("trusting nobody: %+v", d.Sender.SPF)
	}
}

func attached(name string, content []byte) string {
	return "From: a@example.com\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n\nsee attached\n--b\nContent-Type: application/octet-stream\n" +
		"Content-Disposition: attachment; filename=\"" + name + "\"\nContent-Transfer-Encoding: base64\n\n" + base64.StdEncoding.EncodeToString(content) + "\n--b--\n"
}

func zipped(t *testing.T, name string, content []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	f, err := w.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	f.Write(content) //nolint:errcheck // a bytes.Buffer does not fail
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestTheEICARTestFileIsFoundInANestedZip(t *testing.T) {
	files := corpora.Open(t)
	eicar, err := fs.ReadFile(files, "attachments/eicar.com.txt")
	if err != nil {
		t.Fatal(err)
	}
	d := one(t, attached("a.zip", zipped(t, "b.zip", zipped(t, "eicar.com", eicar))), "-")
	if d.Scan.Verdict != "infected" || len(d.Attachments) != 1 || d.Attachments[0].Verdict != "infected" {
		t.Fatalf("%+v %+v", d.Scan, d.Attachments)
	}
	inner := d.Attachments[0].Children[0].Children[0]
	if inner.Name != "eicar.com" || inner.Verdict != "infected" || inner.Size != len(eicar) {
		t.Errorf("%+v", inner)
	}
	if d := one(t, attached("notes.txt", []byte("hello there")), "-"); d.Scan.Verdict != "clean" || !slices.Contains(d.Scan.Reasons, "no_second_opinion") {
		t.Errorf("%+v", d.Scan)
	}
}

func TestAScannerThatDoesNotAnswerNeverMakesAMailClean(t *testing.T) {
	d := one(t, attached("notes.txt", []byte("hello there")), "--clamd", "unix:"+filepath.Join(t.TempDir(), "nobody.sock"), "-")
	if d.Scan.Verdict != "error" || d.Attachments[0].Verdict != "error" {
		t.Errorf("%+v %+v", d.Scan, d.Attachments)
	}
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

func TestAHundredFilesComeOutInTheOrderGiven(t *testing.T) {
	dir := t.TempDir()
	var paths []string
	for i := range 100 {
		path := filepath.Join(dir, fmt.Sprintf("%03d.eml", (i*37)%100))
		body := strings.Repeat("some text\n", 1+(i%7)*500) // of different sizes, so that they are done out of order
		if err := os.WriteFile(path, []byte(fmt.Sprintf("From: a@example.com\nSubject: %d\n\n%s", i, body)), 0o600); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	list := write(t, "list", strings.Join(paths[10:], "\r\n")+"\n\n")
	out, errs, code := run(t, "", append([]string{"--list", list}, paths[:10]...)...)
	if code != 0 {
		t.Fatalf("code %d: %s", code, errs)
	}
	decoder := json.NewDecoder(strings.NewReader(out))
	for i, path := range paths {
		var d document
		if err := decoder.Decode(&d); err != nil {
			t.Fatal(err)
		}
		if d.File != path || d.Message.Subject != fmt.Sprint(i) {
			t.Fatalf("document %d is of %s", i, d.File)
		}
	}
}

func TestAnUnreadableFileCostsTheExitCodeAndNothingElse(t *testing.T) {
	good, missing := write(t, "good.eml", "From: a@example.com\n\nhi\n"), filepath.Join(t.TempDir(), "missing.eml")
	out, errs, code := run(t, "", good, missing, t.TempDir(), good)
	if code != 1 || strings.Count(out, "\n") != 2 || !strings.Contains(errs, "missing.eml") {
		t.Errorf("code %d, %d documents, %s", code, strings.Count(out, "\n"), errs)
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestBrokenStandardInputIsAnUnreadableInput(t *testing.T) {
	var out, errs bytes.Buffer
	if code := inspect.Run(context.Background(), []string{"-"}, brokenReader{}, &out, &errs); code != 1 || out.Len() != 0 {
		t.Errorf("code %d, %s", code, out.String())
	}
}

func TestWrongUsageEndsWithTwoAndNoDocument(t *testing.T) {
	good := write(t, "good.eml", "From: a@example.com\n\nhi\n")
	badZone := write(t, "zone.json", `{"example.com.": {"TXTS": ["x"]}}`)
	for _, args := range [][]string{
		{}, {"--no-such-flag", good}, {"--dns", filepath.Join(t.TempDir(), "missing"), good}, {"--dns", badZone, good},
		{"--client-ip", "nonsense", good}, {"--mail-from", "nonsense", good}, {"--at", "nonsense", good}, {"--clamd", "nonsense", good},
		{"--list", filepath.Join(t.TempDir(), "missing")}, {"-", "-"}, {"--pgp-keys", good, good}, {"--smime-roots", good, good},
		{"--smime-roots", filepath.Join(t.TempDir(), "missing"), good}, {"--pretty=perhaps", good},
	} {
		out, errs, code := run(t, "", args...)
		if code != 2 || out != "" || errs == "" {
			t.Errorf("%q: code %d, %q, %q", args, code, out, errs)
		}
	}
}

func TestFlagsMayStandAfterFiles(t *testing.T) {
	good := write(t, "good.eml", "From: a@example.com\n\nhi\n")
	out, _, code := run(t, "", good, "--pretty", "--at", "2024-01-01T00:00:00Z")
	if code != 0 || !strings.HasPrefix(out, "{\n  \"file\"") {
		t.Errorf("code %d: %s", code, out)
	}
	t.Chdir(filepath.Dir(good))
	if err := os.WriteFile("--pretty", []byte("From: b@example.com\n\nhi\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if d := one(t, "", "--", "--pretty"); d.File != "--pretty" || d.Message.From[0].Address != "b@example.com" {
		t.Errorf("%+v", d.Message.From)
	}
}

func TestAnEndedContextEndsTheRun(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var out, errs bytes.Buffer
	if code := inspect.Run(ctx, []string{"-"}, strings.NewReader("From: a@example.com\n\n"), &out, &errs); code != 1 {
		t.Errorf("code %d", code)
	}
}
