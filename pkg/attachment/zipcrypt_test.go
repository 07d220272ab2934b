package attachment

import (
	"context"
	"encoding/hex"
	"slices"
	"testing"

	"github.com/postern-mail/postern/pkg/mail"
)

func scanWithText(t *testing.T, body string, content []byte, limits Limits) Attachment {
	t.Helper()
	msg := mailOf("a.zip", "application/zip", content)
	msg.Root.Children[0].Content = []byte(body)
	return Scan(context.Background(), msg, Options{Limits: limits}).Attachments[0]
}

func TestAnArchiveWhosePasswordStandsInTheMailIsOpenedAndStaysEncrypted(t *testing.T) {
	// The passwords are those of libarchive's own tests of these files.
	for name, c := range map[string]struct{ password, member string }{
		"libarchive/test_read_format_zip_winzip_aes128.zip":        {"password", "README"},
		"libarchive/test_read_format_zip_winzip_aes256_stored.zip": {"password", "README"},
	} {
		content := fileNamed(t, name)
		opened := scanWithText(t, "Hello,\r\nthe password is: \""+c.password+"\".\r\n", content, Limits{})
		want(t, opened, Encrypted, PasswordInMail)
		if len(opened.Children) == 0 || opened.Children[0].Name != c.member || opened.Children[0].SHA256 == "" || contains(allReasons(opened), EncryptedArchive) {
			t.Errorf("%s: %+v", name, opened.Children)
		}
		closed := scanWithText(t, "Hello,\r\nwe talked about it.\r\n", content, Limits{})
		want(t, closed, Encrypted, EncryptedArchive)
		if contains(allReasons(closed), PasswordInMail) {
			t.Errorf("%s opened without its password", name)
		}
	}
}

// traditional was written by Info-ZIP 3.0: zip -X -P 'Geheim1!' a.zip a.txt, of a
// text of four times "hello".
const traditional = "504b0304140009000800f1a4755d0088590b170000001800000005000000612e7478748ae734135176236d15961714c3a474384af7c2ab0cdcd4504b" +
	"07080088590b1700000018000000504b01021e03140009000800f1a4755d0088590b1700000018000000050000000000000001000000a48100000000" +
	"612e747874504b05060000000001000100330000004a0000000000"

func TestTheTraditionalCipherIsOpened(t *testing.T) {
	content, err := hex.DecodeString(traditional)
	if err != nil {
		t.Fatal(err)
	}
	a := scanWithText(t, "Das Passwort lautet Geheim1!.\r\n", content, Limits{})
	want(t, a, Encrypted, PasswordInMail)
	if len(a.Children) != 1 || a.Children[0].SHA256 != sum("hello hello hello hello\n") {
		t.Errorf("got %+v", a.Children)
	}
	want(t, scanWithText(t, "Das Passwort lautet Geheim2!.\r\n", content, Limits{}), Encrypted, EncryptedArchive)
}

func TestWordsAreTriedUpToTheLimit(t *testing.T) {
	content, err := hex.DecodeString(traditional)
	if err != nil {
		t.Fatal(err)
	}
	body := "one Geheim1!"
	want(t, scanWithText(t, body, content, Limits{Passwords: 2}), Encrypted, PasswordInMail)
	want(t, scanWithText(t, body, content, Limits{Passwords: 1}), Encrypted, EncryptedArchive)
}

func TestWordsAfterTheirAnnouncementComeFirst(t *testing.T) {
	w := newWalker(context.Background(), Options{})
	w.mail = &mail.Message{Subject: "your files", Root: &mail.Part{Type: "text/html", Content: []byte("<p>Dear friend, <b>Passwort:</b> <i>Geheim1!</i></p>")}}
	got := w.words()
	if len(got) < 3 || got[0] != "Passwort:" || got[1] != "Passwort" || got[2] != "Geheim1!" { // before any other word
		t.Errorf("got %q", got)
	}
	if !slices.Contains(got, "friend") {
		t.Errorf("got %q", got)
	}
}
