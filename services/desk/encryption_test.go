package desk_test

import (
	"strings"
	"testing"

	"github.com/postern-mail/postern/pkg/signature"
	contentv1 "github.com/postern-mail/postern/proto/content/v1"
	"github.com/postern-mail/postern/services/desk/desktest"
)

const (
	pgpKey = "94d7162a04d4c78259fbaa9df29e8e8e0a025d98"
	cert   = "de8076d690bc76128670730e8d136cb2b89cd16a3741051fc2e16e0369837ae0"
)

func TestATicketSaysThatItsMailCameEncryptedAndWithWhichKeyItWasDecrypted(t *testing.T) {
	opened := func(kind, key, reason string) *contentv1.Encryption {
		return &contentv1.Encryption{Path: "2", Kind: kind, Opened: true, Key: key, Reason: reason}
	}
	closed := func(reason string) *contentv1.Encryption {
		return &contentv1.Encryption{Path: "1", Kind: "openpgp", Reason: reason}
	}
	for name, c := range map[string]struct {
		pieces []*contentv1.Encryption
		class  string
		says   []string
	}{
		"OpenPGP": {[]*contentv1.Encryption{opened("openpgp", pgpKey, "")}, "good", []string{
			"Came encrypted", "It was decrypted here, with the company&#39;s key F29E 8E8E 0A02 5D98.", strings.ToUpper(pgpKey), "Part 2", "OpenPGP",
		}},
		"S/MIME": {[]*contentv1.Encryption{opened("smime", cert, signature.WithoutIntegrity)}, "unsure", []string{
			"with the company&#39;s certificate DE80 76D6 90BC 7612. Nothing shows whether it was changed on its way.", strings.ToUpper(cert), "S/MIME",
		}},
		"one of two": {[]*contentv1.Encryption{opened("openpgp", pgpKey, ""), closed(signature.StaysClosed)}, "unsure", []string{
			"Part of it was decrypted here, with the company&#39;s key F29E 8E8E 0A02 5D98; the rest stays closed.", "It is encrypted to nobody whose key we have",
		}},
		"none":         {[]*contentv1.Encryption{closed(signature.StaysClosed)}, "unsure", []string{"<b>Encrypted</b> <span>It is encrypted to nobody whose key we have, so nobody here can read it."}},
		"damaged":      {[]*contentv1.Encryption{closed(signature.Damaged)}, "unsure", []string{"changed or damaged on its way, so nothing of it was opened."}},
		"too large":    {[]*contentv1.Encryption{closed(signature.TooManyBytes)}, "unsure", []string{"It unfolds to more than is opened here."}},
		"keys changed": {[]*contentv1.Encryption{closed("keys_changed")}, "unsure", []string{"were changed while this mail was being checked"}},
	} {
		w := desktest.New(t)
		mail := simple("hello")
		mail.Message.Encryption = c.pieces
		page := as(w, t, "agnes").get("/tickets/" + w.Ticket(mail))
		for _, want := range append(c.says, `class="verdict `+c.class+` encryption"`) {
			if !page.has(want) {
				t.Errorf("%s: the page lacks %q", name, want)
			}
		}
	}
	w := desktest.New(t)
	if page := as(w, t, "agnes").get("/tickets/" + w.Ticket(simple("hello"))); page.has("encryption\"") || page.has("Came encrypted") {
		t.Error("a mail that came in the clear is said to have come encrypted")
	}
}

func TestEveryReasonWhySomethingStaysClosedHasASentence(t *testing.T) {
	for _, code := range []string{
		signature.StaysClosed, signature.Damaged, signature.NoIntegrity, signature.UnknownMeans, signature.TooManyPieces, signature.TooManyLayers,
		signature.TooManyBytes, signature.TooMuchTime, "total_size_limit", "keys_changed",
	} {
		w := desktest.New(t)
		mail := simple("hello")
		mail.Message.Encryption = []*contentv1.Encryption{{Kind: "openpgp", Reason: code}}
		if page := as(w, t, "agnes").get("/tickets/" + w.Ticket(mail)); page.has(strings.ReplaceAll(code, "_", " ")+".") || page.has("<span></span>") {
			t.Errorf("%s has no sentence", code)
		}
	}
}
