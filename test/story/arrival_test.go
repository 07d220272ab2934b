package story

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	"github.com/postern-mail/postern/test/program"
)

// What the senders' published policies make of each mail: a sender whose domain vouches
// for it by DMARC is authenticated; the others' domains have no policy.
var senders = map[string][]string{
	"authenticated": {
		"where-is-my-order", "thanks-and-one-more-thing", "verified-wholesale", "calendar-invitation", "newsletter",
		"card-number", "iban-and-phone", "pdf-and-photo", "encrypted-zip", "twenty-megabytes", "look-alike",
		"please-delete-my-data", "no-subject-from-a-phone", "bounce",
	},
	"forged":    {"forged-invoice"},
	"ambiguous": {"two-authors", "malformed"},
}

// What each mail carries; the others nothing that is not clean.
var carried = map[string]string{
	"virus-in-nested-zip": "infected", "encrypted-zip": "encrypted", "double-extension": "suspicious",
	"macro-document": "suspicious", "malformed": "error",
}

// The standard policy: what is infected is dangerous, what programs wrote is a machine's.
var classes = map[string]string{
	"virus-in-nested-zip": "dangerous", "auto-reply": "machine", "bounce": "machine", "read-receipt": "machine",
}

func mailsBecomeTickets(t *testing.T, w world, records map[string]*itemv1.Record) {
	named := byName(t, w, records)
	if len(records) != len(w.mails()) || len(named) != len(w.mails()) {
		t.Fatalf("%d records of %d mails", len(records), len(w.mails()))
	}
	tickets := map[string]bool{}
	for _, mail := range w.mails() {
		record, found := named[mail.Name], named[mail.Name].GetFindings()
		if record.GetState() != itemv1.State_STATE_TICKETED {
			t.Errorf("%s: %s %s", mail.Name, record.GetState(), record.GetSetAside())
			continue
		}
		tickets[record.GetTicket()] = true
		sender := "unverified"
		for verdict, names := range senders {
			if slices.Contains(names, mail.Name) {
				sender = verdict
			}
		}
		if found.GetSenderVerdict() != sender {
			t.Errorf("%s: its sender is %s %v, want %s", mail.Name, found.GetSenderVerdict(), found.GetSenderReasons(), sender)
		}
		if want := or(carried[mail.Name], "clean"); found.GetScanVerdict() != want {
			t.Errorf("%s: what it carries is %s %v, want %s", mail.Name, found.GetScanVerdict(), found.GetScanReasons(), want)
		}
		if want := or(classes[mail.Name], "customer"); record.GetClass() != want {
			t.Errorf("%s: class %s, want %s", mail.Name, record.GetClass(), want)
		}
	}
	if len(tickets) != len(w.mails()) {
		t.Errorf("%d tickets of %d mails", len(tickets), len(w.mails()))
	}
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

var (
	download = regexp.MustCompile(`href="(/tickets/[^"]+/files/\d+)"`)
	maskForm = regexp.MustCompile(`name="value" value="(\d+)"`)
)

func agentsRead(t *testing.T, _ world, agent *program.Browser, named map[string]*itemv1.Record) {
	page := func(name string) string { return "/tickets/" + named[name].GetTicket() }
	message := func(t *testing.T, name string) string { return agent.Opened(t, page(name)+"/message?as=text") }

	t.Run("words are there in every charset", func(t *testing.T) {
		for name, words := range map[string]string{
			"where-is-my-order": "whether I may fetch it myself?", "japanese": "ケストレルの後輪ハブの在庫はありますか",
		} {
			if !strings.Contains(message(t, name), words) {
				t.Errorf("%s does not say %q", name, words)
			}
		}
	})
	t.Run("files that passed can be had, others cannot", func(t *testing.T) {
		for name, want := range map[string][2]int{
			"pdf-and-photo": {2, 0}, "virus-in-nested-zip": {0, 1}, "double-extension": {0, 1}, "encrypted-zip": {0, 1}, "macro-document": {0, 1},
		} {
			text := agent.Opened(t, page(name))
			links := download.FindAllStringSubmatch(text, -1)
			if withheld := strings.Count(text, ", withheld"); len(links) != want[0] || withheld != want[1] {
				t.Errorf("%s: %d files to download and %d withheld, want %v", name, len(links), withheld, want)
			}
			for at := range want[1] {
				if status, _ := agent.Get(t, fmt.Sprintf("%s/files/%d", page(name), at)); status == http.StatusOK {
					t.Errorf("%s: the withheld file %d can be had by its address", name, at)
				}
			}
			for _, link := range links {
				if body := agent.Opened(t, link[1]); !strings.HasPrefix(body, "%PDF") && !strings.HasPrefix(body, "\x89PNG") {
					t.Errorf("%s: %s is neither the PDF nor the picture", name, link[1])
				}
			}
		}
	})
	t.Run("personal data is masked, and revealed for a reason", func(t *testing.T) {
		text := message(t, "card-number")
		if strings.Contains(digits(text), "4111111111111111") {
			t.Error("the card number is readable")
		}
		if !strings.Contains(digits(text), "4111111111111112") {
			t.Error("the order number, which is no card number, is masked")
		}
		if account := message(t, "iban-and-phone"); strings.Contains(digits(account), "89370400440532013000") || strings.Contains(digits(account), "4930901820") {
			t.Error("the IBAN or the telephone number is readable")
		}
		mask := maskForm.FindStringSubmatch(agent.Opened(t, page("card-number")))
		if mask == nil {
			t.Fatal("the ticket offers no masked value")
		}
		reveal := page("card-number") + "/reveal"
		if status, text := agent.Post(t, reveal, url.Values{"value": {mask[1]}}); status == http.StatusOK && strings.Contains(digits(text), "4111111111111111") {
			t.Error("the value is revealed without a reason")
		}
		status, text := agent.Post(t, reveal, url.Values{"value": {mask[1]}, "reason": {"refund to this card"}})
		if status != http.StatusOK || !strings.Contains(digits(text), "4111111111111111") {
			t.Errorf("the value is not revealed: %d", status)
		}
		if reads := agent.Opened(t, page("card-number")+"/reads"); !strings.Contains(reads, "demo") {
			t.Error("who revealed it does not stand among the readers")
		}
	})
	t.Run("what tracks and acts is left out", func(t *testing.T) {
		for name, words := range map[string]string{"newsletter": "veloweekly.example/o/", "hostile": "<script"} {
			if shown := agent.Opened(t, page(name)+"/message"); strings.Contains(strings.ToLower(shown), words) {
				t.Errorf("%s still holds %q", name, words)
			}
		}
	})
}

// digits drops all but digits, so that spaces and marks hide no number.
func digits(text string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, text)
}
