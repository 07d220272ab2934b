package desk_test

import (
	"encoding/base64"
	"slices"
	"strings"
	"testing"

	contentv1 "github.com/postern-mail/postern/proto/content/v1"
	"github.com/postern-mail/postern/services/desk/desktest"
)

func TestFilesAreLookedAtWithoutBeingOpened(t *testing.T) {
	for _, stored := range []bool{false, true} {
		w := desktest.New(t)
		mail := rich("Printer")
		mail.Stored = stored
		mail.Message.Attachments = append(mail.Message.Attachments,
			&contentv1.Attachment{Name: "notes.txt", Type: "text/plain", Size: 9, Verdict: "clean", Preview: "text", TextPacket: 1},
			&contentv1.Attachment{Name: "page.png", Type: "image/png", Verdict: "clean", Preview: "picture", Pages: []*contentv1.Page{{Type: `text/html"><script>`}}},
			&contentv1.Attachment{Name: "song.mp3", Type: "audio/mpeg", Verdict: "clean", Preview: "none_kind"},
			&contentv1.Attachment{Name: "sheet.xlsx", Type: "application/x", Verdict: "clean", Preview: "none_not_drawn"})
		mail.Files = append(mail.Files, []byte("the notes"), []byte("drawn"), []byte("song"), []byte("sheet"))
		mail.Looks = append(mail.Looks, []byte("<script>alert(1)</script> ‹iban ··3000 #1›"), []byte("drawn"))
		ticket := w.Ticket(mail)
		c := as(w, t, "agnes")
		at := "/tickets/" + ticket
		page := c.get(at)
		for _, index := range []string{"0", "2", "3"} {
			if !page.has(at + "/files/" + index + "/look") {
				t.Errorf("the ticket has no way to look at %s", index)
			}
		}
		if page.has(at+"/files/4/look") || page.has(at+"/files/1/look") || !page.has("drawing it failed") {
			t.Error("the ticket says what is not so of how files can be looked at")
		}
		w.Forget()
		a := c.get(at + "/files/0/look")
		source := "data:image/png;base64," + base64.StdEncoding.EncodeToString([]byte("pixels"))
		if a.StatusCode != 200 || !strings.Contains(a.body, source) || !a.has("Only the first pages are shown.") || !a.has(`width="40" height="60"`) {
			t.Errorf("stored %v: %d %s", stored, a.StatusCode, a.body)
		}
		if policy := a.Header.Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "img-src 'self' data:") || strings.Contains(policy, "unsafe") {
			t.Errorf("policy %s", policy)
		}
		if got := w.Acts(); !slices.Equal(got, []string{"agnes open", "agnes look_at_file"}) {
			t.Errorf("acts %q", got)
		}
		if a := c.get(at + "/files/2/look"); a.StatusCode != 200 || strings.Contains(a.body, "<script>alert") || !a.has("&lt;script&gt;alert(1)&lt;/script&gt; ‹iban ··3000 #1›") {
			t.Errorf("text: %d %s", a.StatusCode, a.body)
		}
		if a := c.get(at + "/files/3/look"); a.StatusCode != 200 || strings.Contains(a.body, "text/html") || !a.has("data:image/png;base64,") {
			t.Errorf("a picture of a type that is none: %d %s", a.StatusCode, a.body)
		}
		for _, index := range []string{"1", "4", "5", "9", "-1", "x"} {
			if a := c.get(at + "/files/" + index + "/look"); a.StatusCode != 404 || a.has("It does not work") {
				t.Errorf("file %s: %d", index, a.StatusCode)
			}
		}
	}
}
