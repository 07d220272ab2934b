package mail_test

import (
	"fmt"
	"os"
	"path"
	"strings"
	"testing"

	"github.com/postern-mail/postern/pkg/mail"
)

// Ordinary mail must not drown in doubts: of what people really sent fewer than one in a hundred
// is ambiguous, of the mails of the test sets that keep to the rules, and of all together. Each that
// is stands in the test's output.
func TestFewerThanOneInAHundredHonestMailsIsAmbiguous(t *testing.T) {
	broken := brokenMails(t)
	var all, real, wellFormed share
	for _, folder := range []string{"real", "mime/python-email", "mime/enmime", "mime/ruby-mail", "mime/php-mime", "mime/bounces", "mime/stalwart", "dkim/chasquid", "dkim/mailauth", "crypto/rfc4134"} {
		known := 0
		var set share
		eachMail(t, folder, func(name string, raw []byte) {
			if folder != "real" && !isMail(name) {
				return
			}
			codes := ambiguities(mail.Parse(raw, mail.Limits{}))
			if broken[name] != "" {
				known++
				if len(codes) == 0 {
					t.Errorf("%s is listed as broken (%s) and not ambiguous", name, broken[name])
				}
				return
			}
			set.mails++
			if len(codes) > 0 {
				set.ambiguous++
				t.Logf("ambiguous: %s %v", name, codes)
			}
		})
		t.Logf("%s: %s; %d broken ones besides", folder, set, known)
		all.mails, all.ambiguous = all.mails+set.mails, all.ambiguous+set.ambiguous
		if folder == "real" {
			real = set
			continue
		}
		wellFormed.mails, wellFormed.ambiguous = wellFormed.mails+set.mails, wellFormed.ambiguous+set.ambiguous
	}
	t.Logf("well-formed sets: %s", wellFormed)
	t.Logf("together: %s", all)
	if wellFormed.ambiguous*100 >= wellFormed.mails || wellFormed.mails < 350 {
		t.Errorf("well-formed sets: %s", wellFormed)
	}
	if real.ambiguous*100 >= real.mails || real.mails != 400 {
		t.Errorf("real mails: %s", real)
	}
	if all.ambiguous*100 >= all.mails || all.mails < 750 {
		t.Errorf("together: %s", all)
	}
}

type share struct{ mails, ambiguous int }

func (s share) String() string {
	return fmt.Sprintf("%d of %d ambiguous (%.2f %%)", s.ambiguous, s.mails, 100*float64(s.ambiguous)/float64(s.mails))
}

// isMail tells the mails of a set from the pictures, keys and notes beside them.
func isMail(name string) bool {
	switch ext := path.Ext(name); ext {
	case ".eml", ".raw", ".msg":
		return true
	case ".txt":
		return strings.HasPrefix(path.Base(name), "msg_")
	default:
		return path.Base(path.Dir(name)) == "php-mime" && ext == "" || path.Base(path.Dir(name)) == "ruby-mail" && ext == ""
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
