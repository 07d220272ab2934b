package inspect_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/postern-mail/postern/pkg/attachment"
	"github.com/postern-mail/postern/pkg/corpora"
	"github.com/postern-mail/postern/pkg/mailauth"
	"github.com/postern-mail/postern/services/postern/inspect"
)

// The signed mails beside pkg/signature were made with GnuPG and OpenSSL on 21 November 2026.
func signed(t *testing.T, path ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(append([]string{"..", "..", "..", "pkg", "signature", "testdata"}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestSignaturesAreCheckedWithTheKeysGivenAtTheTimeGiven(t *testing.T) {
	pgp := []string{"--pgp-keys", write(t, "keys.asc", signed(t, "openpgp", "keys.asc"))}
	roots := []string{"--smime-roots", write(t, "root.pem", signed(t, "smime", "root.pem"))}
	soon, late := []string{"--at", "2026-11-22T00:00:00Z"}, []string{"--at", "2026-12-22T00:00:00Z"}
	for _, c := range []struct {
		kind, file string
		flags      [][]string
		want       string
	}{
		{"openpgp", "detached", [][]string{pgp, soon}, "good whole true"},
		{"openpgp", "detached", [][]string{soon}, "unknown_key whole false"},
		{"openpgp", "expired-key", [][]string{pgp, late}, "expired whole true"},
		{"openpgp", "revoked-key", [][]string{pgp, soon}, "revoked whole true"},
		{"openpgp", "of-somebody-else", [][]string{pgp, soon}, "mismatch whole false"},
		{"openpgp", "sha1", [][]string{pgp, soon}, "weak whole true"},
		{"openpgp", "inline-with-text-before", [][]string{pgp, soon}, "good part true"},
		{"smime", "rsa-detached", [][]string{roots, soon}, "good whole true"},
		{"smime", "rsa-detached", [][]string{soon}, "untrusted whole true"},
		{"smime", "expired-detached", [][]string{roots, late}, "expired whole true"},
	} {
		var args []string
		for _, flags := range c.flags {
			args = append(args, flags...)
		}
		d := one(t, signed(t, c.kind, c.file+".eml"), append(args, "-")...)
		got := ""
		for _, s := range d.Sender.Signatures {
			got += fmt.Sprintf("%s %s %v", s.Result, s.Covers, s.MatchesFrom)
			if s.Kind != c.kind {
				t.Errorf("%s: %+v", c.file, s)
			}
		}
		if got != c.want {
			t.Errorf("%s %s, %q: %q, want %q", c.kind, c.file, args, got, c.want)
		}
	}
}

func TestOurOwnServersResultsAreBelievedByName(t *testing.T) {
	msg := "Authentication-Results: mx.us.example; spf=softfail smtp.mailfrom=a@example.com\nReceived: from mail.example.com by mx.us.example with ESMTP id 1; Sat, 21 Nov 2026 12:00:00 +0000\n" +
		"From: a@example.com\n\nhi\n"
	d := one(t, msg, "--trust-mx", "mx.us.example", "--trust-authserv", "mx.us.example", "-")
	if s := d.Sender.SPF; s.Result != "softfail" || s.Source != "authserv" || s.Domain != "example.com" || s.Identity != "mailfrom" {
		t.Errorf("%+v", s)
	}
	for _, flags := range [][]string{{"--trust-mx", "mx.us.example"}, {"--trust-authserv", "mx.us.example"}, {"--trust-mx", "mx.us.example", "--trust-authserv", "mx.other.example"}} {
		if s := one(t, msg, append(flags, "-")...).Sender.SPF; s.Source != "none" || s.Result != "none" {
			t.Errorf("%q: %+v", flags, s)
		}
	}
}

func TestASealIsTrustedByName(t *testing.T) {
	file, err := fs.ReadFile(corpora.Open(t), "arc/arc-draft-validation-tests.yml")
	if err != nil {
		t.Fatal(err)
	}
	var suite struct {
		Tests   yaml.Node
		Records map[string]string `yaml:"txt-records"`
	}
	if err := yaml.NewDecoder(bytes.NewReader(file)).Decode(&suite); err != nil {
		t.Fatal(err)
	}
	var zone []string
	for name, value := range suite.Records {
		zone = append(zone, fmt.Sprintf("%q: {\"TXT\": [%q]}", name+".", strings.Join(strings.Fields(value), " ")))
	}
	flags := []string{"--dns", write(t, "zone.json", "{"+strings.Join(zone, ",")+"}"), "-"}
	checked := 0
	for i := 0; i+1 < len(suite.Tests.Content); i += 2 {
		var test struct{ Message, CV string }
		if err := suite.Tests.Content[i+1].Decode(&test); err != nil {
			t.Fatal(err)
		}
		want := strings.ToLower(test.CV)
		d := one(t, test.Message, flags...)
		// The suite leaves open what to say of a chain that says of itself that it failed.
		if want != "" && d.Sender.ARC.Result != want || want == "" && d.Sender.ARC.Result == "pass" || d.Sender.ARC.Trusted {
			t.Errorf("%s: %+v, want %s", suite.Tests.Content[i].Value, d.Sender.ARC, want)
		}
		if want != "pass" || len(d.Sender.ARC.Sealers) != 1 {
			continue
		}
		checked++
		sealer := d.Sender.ARC.Sealers[0]
		if d := one(t, test.Message, append([]string{"--trust-sealer", sealer}, flags...)...); !d.Sender.ARC.Trusted {
			t.Errorf("%s: %s is not trusted", suite.Tests.Content[i].Value, sealer)
		}
		if d := one(t, test.Message, append([]string{"--trust-sealer", "x" + sealer}, flags...)...); d.Sender.ARC.Trusted {
			t.Errorf("%s: trusted for another's sake", suite.Tests.Content[i].Value)
		}
	}
	if checked == 0 {
		t.Error("no chain passed")
	}
}

func TestWithoutADNSEveryLookUpIsATemporaryFailure(t *testing.T) {
	text, err := fs.ReadFile(corpora.Open(t), "dkim/chasquid/01-rfc8463.msg")
	if err != nil {
		t.Fatal(err)
	}
	d := one(t, string(text), "--dns", "none", "--client-ip", "192.0.2.1", "--helo", "mail.example.com", "--mail-from", "a@example.com", "-")
	if d.Sender.SPF.Result != "temperror" || d.Sender.DMARC.Result != "temperror" || len(d.Sender.DKIM) != 2 {
		t.Errorf("%+v", d.Sender)
	}
	for _, r := range d.Sender.DKIM {
		if r.Result != "temperror" {
			t.Errorf("%+v", r)
		}
	}
}

func TestTheMachinesResolverIsAChoice(t *testing.T) {
	d := one(t, "Subject: nobody to ask about\n\nhi\n", "--dns", "system", "-")
	if d.Sender.Verdict != "ambiguous" && d.Sender.Verdict != "unverified" {
		t.Errorf("%+v", d.Sender)
	}
}

func TestTheGreetingAloneIsCheckedAsOne(t *testing.T) {
	zone := write(t, "zone.json", `{"mail.example.com.": {"TXT": ["v=spf1 ip4:192.0.2.1 -all"]}, "alias.example.com.": {"CNAME": "mail.example.com."}}`)
	const msg = "From: a@example.com\n\nhi\n"
	for helo, want := range map[string]string{"mail.example.com": "pass", "alias.example.com": "pass", "absent.example.com": "none"} {
		s := one(t, msg, "--dns", zone, "--client-ip", "192.0.2.1", "--helo", helo, "--mail-from", "<>", "-").Sender.SPF
		if s.Result != want || s.Identity != "helo" || s.Source != "flag" || s.Domain != helo {
			t.Errorf("%s: %+v", helo, s)
		}
	}
}

// Each verdict by a part of its kind, and each two of them in one mail: the graver one
// is the mail's.
func TestTheVerdictOfAMailIsTheGravestOfItsParts(t *testing.T) {
	eicar, err := fs.ReadFile(corpora.Open(t), "attachments/eicar.com.txt")
	if err != nil {
		t.Fatal(err)
	}
	part := func(name, fields string, content []byte) string {
		return "Content-Type: application/octet-stream\n" + fields + "Content-Disposition: attachment; filename=\"" + name + "\"\nContent-Transfer-Encoding: base64\n\n" + base64.StdEncoding.EncodeToString(content) + "\n"
	}
	nested := []byte("nothing")
	for range attachment.DefaultLimits.Depth + 2 {
		nested = zipped(t, "a.zip", nested)
	}
	short := zipped(t, "note.txt", []byte(strings.Repeat("words ", 100)))
	parts := []struct{ verdict, part string }{ // the gravest first, as the contract orders them
		{"infected", part("a.txt", "", eicar)},
		{"error", part("b.zip", "", short[:len(short)/2])},
		{"ambiguous", part("c.txt", "Content-Type: text/plain\n", []byte("text"))},
		{"limit", part("d.zip", "", nested)},
		{"encrypted", part("e.asc", "", []byte("-----BEGIN PGP MESSAGE-----\n\nwV4D\n-----END PGP MESSAGE-----\n"))},
		{"suspicious", part("f.pdf.exe", "", []byte("MZ"))},
		{"unsupported", part("g.cab", "", []byte("MSCF\x00\x00\x00\x00rest of a cabinet"))},
		{"clean", part("h.txt", "", []byte("text"))},
	}
	both := func(a, b string) string {
		return "From: a@example.com\nContent-Type: multipart/mixed; boundary=b\n\n--b\n" + a + "--b\n" + b + "--b--\n"
	}
	for i, a := range parts {
		for _, b := range parts[i:] {
			for _, raw := range []string{both(a.part, b.part), both(b.part, a.part)} {
				if d := one(t, raw, "-"); d.Scan.Verdict != a.verdict {
					t.Errorf("%s and %s: %+v", a.verdict, b.verdict, d.Scan)
				}
			}
		}
	}
}

func TestTextComesFromStandardInputToo(t *testing.T) {
	out, errs, code := run(t, "call me: "+card, "--text", "-")
	if want := fmt.Sprintf(`{"file":"-","masked":[{"kind":"payment_card","start":9,"end":%d}]}`+"\n", 9+len(card)); code != 0 || out != want {
		t.Errorf("code %d %s: %s", code, errs, out)
	}
	if out, _, code := run(t, "\xff\xfe\x00 "+card+"\xff", "--text", "-"); code != 0 || !strings.Contains(out, fmt.Sprintf(`"start":4,"end":%d`, 4+len(card))) {
		t.Errorf("bytes that are no UTF-8: code %d: %s", code, out)
	}
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestOutputThatCannotBeWrittenIsNoSuccess(t *testing.T) {
	if code := inspect.Run(t.Context(), []string{"-"}, strings.NewReader("From: a@example.com\n\nhi\n"), fullDisk{}, io.Discard); code == 0 {
		t.Error("exit 0")
	}
}

func TestTheDigestOfAnAttachmentIsOverItsDecodedBytes(t *testing.T) {
	d := one(t, attached("abc.txt", []byte("abc")), "-")
	// FIPS 180-2 appendix B.1: the digest of "abc"
	const abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
	if len(d.Attachments) != 1 || d.Attachments[0].SHA256 != abc || d.Attachments[0].Size != 3 || d.Message.Parts[2].SHA256 != abc {
		t.Errorf("%+v", d.Attachments)
	}
}

func TestWhoIsTakenForUsIsSaid(t *testing.T) {
	raw := "From: Firm Support <help@f1rm-corp.example>\r\n\r\nGood day\r\n"
	d := one(t, raw, "--our-domain", "firm-corp.example", "--our-name", "Firm Support", "-")
	for _, reason := range []string{mailauth.NameIsOurs, mailauth.DomainNearOurs} {
		if !slices.Contains(d.Sender.Reasons, reason) {
			t.Errorf("%v lack %s", d.Sender.Reasons, reason)
		}
	}
}
