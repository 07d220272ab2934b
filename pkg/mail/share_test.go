package mail_test

import (
	"os"
	"strings"
	"testing"

	"github.com/postern-mail/postern/pkg/mail"
)

// Ordinary mail must not drown in doubts: of what people really sent, and of what keeps
// to the rules, fewer than one in a hundred is ambiguous. Each that is stands in the test's output.
func TestFewerThanOneInAHundredHonestMailsIsAmbiguous(t *testing.T) {
	broken := brokenMails(t)
	for set, folders := range map[string][]string{
		"real mails":       {"real"},
		"well-formed sets": {"mime/python-email", "mime/enmime", "mime/ruby-mail", "mime/php-mime", "mime/bounces", "mime/stalwart", "dkim/chasquid", "dkim/mailauth", "dkim/stalwart", "crypto/rfc4134", "crypto/rfc9216"},
	} {
		honest, ambiguous, known := 0, 0, 0
		for _, folder := range folders {
			eachMail(t, folder, func(name string, raw []byte) {
				codes := ambiguities(mail.Parse(raw, mail.Limits{}))
				if broken[name] != "" {
					known++
					if len(codes) == 0 {
						t.Errorf("%s is listed as broken (%s) and not ambiguous", name, broken[name])
					}
					return
				}
				honest++
				if len(codes) > 0 {
					ambiguous++
					t.Logf("ambiguous: %s %v", name, codes)
				}
			})
		}
		t.Logf("%s: %d of %d ambiguous (%.2f %%); %d broken ones besides", set, ambiguous, honest, 100*float64(ambiguous)/float64(honest), known)
		if ambiguous*100 >= honest || honest < 400 {
			t.Errorf("%s: %d of %d ambiguous", set, ambiguous, honest)
		}
	}
}

func brokenMails(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("testdata/broken.txt")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if name, why, ok := strings.Cut(strings.TrimSpace(line), " "); ok && name != "#" {
			out[name] = strings.TrimSpace(why)
		}
	}
	return out
}
