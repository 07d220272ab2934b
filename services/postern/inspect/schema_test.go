package inspect_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/postern-mail/postern/pkg/attachment"
)

// A rule says what is wrong with a JSON value, nothing where all is right.
type rule func(where string, v any) []string

func wrong(where, what string, v any) []string {
	return []string{fmt.Sprintf("%s: %s: %.80v", where, what, v)}
}

// text is any string.
func text(where string, v any) []string {
	if s, ok := v.(string); !ok || !utf8.ValidString(s) {
		return wrong(where, "no string", v)
	}
	return nil
}

func matching(pattern string) rule {
	expression := regexp.MustCompile(pattern)
	return func(where string, v any) []string {
		if s, ok := v.(string); !ok || !expression.MatchString(s) {
			return wrong(where, "not of the form "+pattern, v)
		}
		return nil
	}
}

func oneOf(values string) rule {
	return func(where string, v any) []string {
		if s, ok := v.(string); !ok || !slices.Contains(strings.Split(values, "|"), s) {
			return wrong(where, "none of "+values, v)
		}
		return nil
	}
}

// count is an integer that is not negative, written without a point.
func count(where string, v any) []string {
	if n, ok := v.(json.Number); !ok || !regexp.MustCompile(`^(0|[1-9][0-9]*)$`).MatchString(n.String()) {
		return wrong(where, "no count", v)
	}
	return nil
}

func boolean(where string, v any) []string {
	if _, ok := v.(bool); !ok {
		return wrong(where, "neither true nor false", v)
	}
	return nil
}

func listOf(each rule) rule {
	return func(where string, v any) (found []string) {
		list, ok := v.([]any)
		if !ok {
			return wrong(where, "no list", v)
		}
		for i, item := range list {
			found = append(found, each(fmt.Sprintf("%s[%d]", where, i), item)...)
		}
		return found
	}
}

// object has exactly these fields.
type object map[string]rule

func (o object) check(where string, v any) (found []string) {
	have, ok := v.(map[string]any)
	if !ok {
		return wrong(where, "no object", v)
	}
	for name, value := range have {
		if o[name] == nil {
			found = append(found, where+"."+name+" is not of the shape")
			continue
		}
		found = append(found, o[name](where+"."+name, value)...)
	}
	for name := range o {
		if _, ok := have[name]; !ok {
			found = append(found, where+"."+name+" is missing")
		}
	}
	return found
}

// codes is a list of codes, each once.
func codes(where string, v any) []string {
	found := listOf(matching(`^[a-z][a-z0-9_]*$`))(where, v)
	if list, ok := v.([]any); ok {
		for i, code := range list {
			if slices.Contains(list[:i], code) {
				found = append(found, wrong(where, "twice", code)...)
			}
		}
	}
	return found
}

const scanVerdicts = "infected|suspicious|encrypted|limit|ambiguous|unsupported|error|clean"

var (
	clockOrNone  = matching(`^([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})?$`)
	digestOrNone = matching(`^([0-9a-f]{64})?$`)
	people       = listOf(object{"name": text, "address": text}.check)
	verdictShape = object{"verdict": oneOf(scanVerdicts), "reasons": codes}
)

// file is an attachment, or one packed inside another.
func file(where string, v any) []string {
	return object{
		"path": matching(`^[0-9]+(\.[0-9]+)*(#[0-9]+)*(/[0-9.#]+)*$`), "name": text, "declared_type": text, "detected_type": text, "size": count,
		"sha256": digestOrNone, "verdict": oneOf(scanVerdicts), "reasons": codes, "children": listOf(file),
	}.check(where, v)
}

// documentShape is the document, written down from its contract.
var documentShape = object{
	"file": text, "size": count, "sha256": matching(`^[0-9a-f]{64}$`),
	"message": object{
		"from": people, "sender": people, "reply_to": people, "to": people, "cc": people,
		"subject": text, "date": text, "message_id": text, "in_reply_to": text, "references": listOf(text),
		"kind": oneOf("person|list|auto_reply|bounce|receipt|report|calendar"), "charset_issues": count, "defects": codes,
		"parts": listOf(object{
			"path": matching(`^([0-9]+(\.[0-9]+)*)?$`), "type": matching(`^[^/ A-Z]+/[^/ A-Z]+$`), "charset": text, "encoding": text,
			"disposition": text, "filename": text, "size": count, "sha256": digestOrNone,
		}.check),
	}.check,
	"encryption": listOf(object{
		"path": matching(`^([0-9]+(\.[0-9]+)*)?$`), "kind": oneOf("openpgp|smime"), "opened": boolean,
		"key": matching(`^([0-9a-f]{40}|[0-9a-f]{64})?$`), "reason": matching(`^([a-z][a-z0-9_]*)?$`),
	}.check),
	"sender": object{
		"verdict": oneOf("verified|authenticated|unverified|forged|ambiguous"), "address": text, "domain": text, "reasons": codes,
		"spf": object{
			"result": oneOf("pass|fail|softfail|neutral|none|temperror|permerror"), "domain": text, "identity": oneOf("mailfrom|helo|"),
			"client_ip": text, "source": oneOf("received|authserv|flag|none"),
		}.check,
		"dkim": listOf(object{
			"result": oneOf("pass|fail|neutral|none|policy|temperror|permerror"), "domain": text, "selector": text, "auid": text,
			"algorithm": text, "reason": matching(`^([a-z][a-z0-9_]*)?$`),
		}.check),
		"dmarc": object{
			"result": oneOf("pass|fail|none|temperror|permerror"), "policy": oneOf("none|quarantine|reject"),
			"record_domain": text, "org_domain": text, "aligned": listOf(oneOf("dkim|spf")),
		}.check,
		"arc": object{"result": oneOf("none|pass|fail"), "sealers": listOf(text), "trusted": boolean}.check,
		"signatures": listOf(object{
			"kind": oneOf("openpgp|smime"), "result": oneOf("good|bad|unknown_key|expired|revoked|untrusted|mismatch|weak|error"),
			"signer": text, "matches_from": boolean, "covers": oneOf("whole|part|none"),
		}.check),
	}.check,
	"attachments": listOf(file),
	"scan":        verdictShape.check,
	"account": object{
		"size": count, "fields": count, "structure": count, "outside": count, "bodies": count, "gap": count,
		"leaves": count, "decoded": count, "examined": count,
		"parts": listOf(object{"path": text, "size": count, "verdict": oneOf(scanVerdicts)}.check),
	}.check,
	"view": object{
		"text": text, "html": text, "removed": object{"active": count, "remote": count, "trackers": count, "other": count}.check,
		"masked":   listOf(object{"kind": matching(`^[a-z][a-z0-9_]*$`), "start": count, "end": count}.check),
		"trackers": listOf(text),
		"events": listOf(object{
			"method": matching(`^[A-Z]*$`), "summary": text, "location": text, "organizer": text, "attendee": text, "answer": matching(`^[A-Z-]*$`),
			"invited": count, "start": clockOrNone, "end": clockOrNone, "zone": text, "end_zone": text, "all_day": boolean, "recurs": boolean,
		}.check),
		"deliveries": listOf(object{
			"server": text, "recipient": text, "action": oneOf("failed|delayed|delivered|relayed|expanded|"), "status": matching(`^([245]\.[0-9]+\.[0-9]+)?$`),
			"said": text, "until": text,
		}.check),
	}.check,
	"took_ms": count,
}

// wrongWith says what is wrong with a line of output, by its shape and by what its
// fields must say of one another. The line shows the unmasked text.
func wrongWith(line []byte, path string, raw []byte) []string {
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.UseNumber()
	var v any
	if err := decoder.Decode(&v); err != nil || decoder.More() {
		return []string{fmt.Sprintf("not one JSON document: %v", err)}
	}
	found := documentShape.check("document", v)
	var d document
	if err := json.Unmarshal(line, &d); err != nil || len(found) > 0 {
		return append(found, fmt.Sprint(err))
	}
	sum := sha256.Sum256(raw)
	if d.File != path || d.Size != len(raw) || d.SHA256 != hex.EncodeToString(sum[:]) {
		found = append(found, "file, size or digest is not the input's")
	}
	if _, err := time.Parse(time.RFC3339, d.Message.Date); d.Message.Date != "" && err != nil {
		found = append(found, "date "+d.Message.Date)
	}
	if (d.Sender.SPF.Identity == "") != (d.Sender.SPF.Source == "none") {
		found = append(found, fmt.Sprintf("spf %+v", d.Sender.SPF))
	}
	for _, p := range d.Message.Parts {
		// A container that was not opened, for its depth, is content.
		if closed := slices.Contains(d.Message.Defects, "depth_limit"); strings.HasPrefix(p.Type, "multipart/") != (p.SHA256 == "") && !closed || p.SHA256 == "" && p.Size > 0 {
			found = append(found, fmt.Sprintf("part %+v", p))
		}
	}
	found = append(found, graverInside("scan", d.Scan.Verdict, d.Attachments)...)
	last := 0
	for _, m := range d.View.Masked {
		if m.Start < last || m.End <= m.Start || m.End > len(d.View.Text) || !utf8.ValidString(d.View.Text[m.Start:m.End]) ||
			!utf8.ValidString(d.View.Text[:m.Start]) {
			found = append(found, fmt.Sprintf("masked %+v of %d bytes", m, len(d.View.Text)))
		}
		last = m.End
	}
	return found
}

// graverInside finds files that are graver than what holds them.
func graverInside(where, verdict string, files []found) (wrong []string) {
	for _, f := range files {
		if string(attachment.Gravest(attachment.Verdict(verdict), attachment.Verdict(f.Verdict))) != verdict {
			wrong = append(wrong, fmt.Sprintf("%s is %s and holds %s, which is %s", where, verdict, f.Path, f.Verdict))
		}
		wrong = append(wrong, graverInside(f.Path, f.Verdict, f.Children)...)
	}
	return wrong
}

func TestEveryDocumentOfTheCorporaHasItsShape(t *testing.T) {
	mails, zone := corpusMails(t)
	list := writeMails(t, mails)
	lines := printed(t, "--show-masked", "--dns", write(t, "zone.json", string(zone)), "--trust-mx", "dogma.slashnull.org", "--list", list)
	if len(lines) != len(mails) {
		t.Fatalf("%d documents of %d mails", len(lines), len(mails))
	}
	paths, err := os.ReadFile(list)
	if err != nil {
		t.Fatal(err)
	}
	masked := 0
	for i, path := range strings.Split(strings.TrimSuffix(string(paths), "\n"), "\n") {
		masked += bytes.Count(lines[i], []byte(`"start":`))
		for _, w := range wrongWith(lines[i], path, mails[i].raw) {
			t.Errorf("%s: %s", mails[i].name, w)
		}
	}
	if masked < 100 {
		t.Errorf("%d masked values in all mails", masked)
	}
}

func TestTheShapeSeesWhatIsWrong(t *testing.T) {
	raw := []byte("From: a@example.com\n\nmy card is " + card + "\n")
	path := write(t, "m.eml", string(raw))
	line := printed(t, "--show-masked", path)[0]
	if w := wrongWith(line, path, raw); len(w) > 0 {
		t.Fatalf("%q", w)
	}
	for _, change := range []struct{ from, to string }{
		{`"took_ms":`, `"more":1,"took_ms":`}, {`"references":[]`, `"references":null`}, {`"size":`, `"size":0.5,"was":`},
		{`"kind":"person"`, `"kind":"human"`}, {`["missing_date"]`, `["Missing date"]`}, {`["missing_date"]`, `["missing_date","missing_date"]`},
		{`"trusted":false`, `"trusted":"no"`}, {`"verdict":"clean"`, `"verdict":"fine"`}, {`"end":`, `"end":9`}, {`"start":`, `"start":-`},
		{`"charset_issues":0`, `"charset_issues":"0"`}, {`"source":"none"`, `"source":"flag"`}, {`"attachments":[]`, `"attachments":{}`},
		{`"attachments":[]`, `"attachments":[{"path":"1","name":"","declared_type":"","detected_type":"","size":0,"sha256":"","verdict":"infected","reasons":[],"children":[]}]`},
	} {
		changed := bytes.Replace(line, []byte(change.from), []byte(change.to), 1)
		if bytes.Equal(changed, line) {
			t.Errorf("%s does not stand in %s", change.from, line)
		}
		if len(wrongWith(changed, path, raw)) == 0 {
			t.Errorf("%s for %s is not seen", change.to, change.from)
		}
	}
	if len(wrongWith(line, filepath.Join(path, "x"), raw)) == 0 || len(wrongWith(line, path, raw[1:])) == 0 {
		t.Error("another file is not seen")
	}
}
