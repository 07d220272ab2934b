package mailauth

import (
	"fmt"
	"strings"
	"testing"

	"github.com/postern-mail/postern/pkg/mail"
)

func TestADomainThatReadsLikeARecipientsIsSeen(t *testing.T) {
	for pair, want := range map[string]bool{
		"brlghtwater.example brightwater.example":              true, // l for i
		"br1ghtwater.example brightwater.example":              true,
		"bright-water.example brightwater.example":             true,
		"brightwater.exarnple brightwater.example":             true, // rn for m
		"brightwatr.example brightwater.example":               true, // one missing
		"brightwaater.example brightwater.example":             true, // one too many
		"brigthwater.example brightwater.example":              true, // two swapped
		"xn--brghtwater-l8a.example brightwater.example":       true, // í
		"brightwater.example brightwater.example":              false,
		"mail.brightwater.example brightwater.example":         false, // below it
		"brightwater.example support.brightwater.example":      false, // above it
		"brightwater.example brightwater.test":                 false, // another suffix is often another company
		"abc.example abd.example":                              false, // too short to be no chance
		"customer.example brightwater.example":                 false,
		"brightwaterworks.example brightwater.example":         false,
		"brightwater.example.evil.example brightwater.example": false,
	} {
		domain, recipient, _ := strings.Cut(pair, " ")
		if got := looksLikeRecipients(domain, []mail.Address{{Addr: "support@" + recipient}}); got != want {
			t.Errorf("%s: %v", pair, got)
		}
	}
	if looksLikeRecipients("", []mail.Address{{Addr: "a@"}}) || looksLikeRecipients("a.example", []mail.Address{{Addr: ""}, {Addr: "@"}, {Addr: "no address"}}) {
		t.Error("nothing reads like something")
	}
}

func TestSoManyRecipientsAreComparedAndNoMore(t *testing.T) {
	many := make([]mail.Address, maxRecipients-1)
	for i := range many {
		many[i].Addr = fmt.Sprintf("a@b%d.example", i)
	}
	last := mail.Address{Addr: "a@brightwater.example"}
	if !looksLikeRecipients("brlghtwater.example", append(many, last)) {
		t.Error("the last that is compared is not")
	}
	if looksLikeRecipients("brlghtwater.example", append(many, many[0], last)) {
		t.Error("one more is compared")
	}
}
