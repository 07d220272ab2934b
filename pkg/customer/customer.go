// Package customer is what a directory of customers knows: what a card may say, and by which
// tokens a customer is found. A token is a keyed digest of a form of package alike, so that
// whoever keeps tokens keeps no name and no address.
//
// It reads and writes nothing: cards come from whoever may open them, the key of the tokens from
// the keyring.
package customer

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/mail"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/language"
	"google.golang.org/protobuf/proto"

	"github.com/postern-mail/postern/pkg/mailauth/alike"
	"github.com/postern-mail/postern/pkg/signature"
	customerv1 "github.com/postern-mail/postern/proto/customer/v1"
)

// Bounds of a card. What is sealed of it rides in the item's record.
const (
	MaxCard      = 48 << 10 // bytes
	MaxNames     = 10
	MaxAddresses = 50
	maxName      = 200 // characters, of a number too
	maxAddress   = 254 // RFC 5321 §4.5.3.1.3, without the brackets
	maxNotes     = 4000
	maxKeys      = 8
)

// ErrCard says that something is no card. It hides what stood in it.
var ErrCard = errors.New("card of a customer cannot be read")

// Read reads a card as it was sealed.
func Read(plain []byte) (*customerv1.Card, error) {
	card := new(customerv1.Card)
	if err := proto.Unmarshal(plain, card); err != nil || Check(card) != nil {
		return nil, ErrCard
	}
	return card, nil
}

// Check tells everything that is wrong with a card.
func Check(card *customerv1.Card) error {
	var problems []error
	wrong := func(format string, values ...any) { problems = append(problems, fmt.Errorf(format, values...)) }
	if len(card.GetNames()) == 0 && len(card.GetAddresses()) == 0 && card.GetNumber() == "" {
		wrong("a customer has a name, an address or a number: there is none")
	}
	if n := len(card.GetNames()); n > MaxNames {
		wrong("%d names: at most %d are kept", n, MaxNames)
	}
	for _, name := range append([]string{card.GetNumber()}, card.GetNames()...) {
		if problem := line(name, maxName); problem != "" {
			wrong("name or number %q %s", shorten(name), problem)
		}
	}
	if slices.Contains(card.GetNames(), "") {
		wrong("a name is empty")
	}
	if n := len(card.GetAddresses()); n > MaxAddresses {
		wrong("%d addresses: at most %d are kept", n, MaxAddresses)
	}
	seen := map[alike.Form]bool{}
	for _, a := range card.GetAddresses() {
		if err := CheckAddress(a.GetAddress()); err != nil {
			problems = append(problems, err)
			continue
		}
		if form := alike.Of(a.GetAddress()); seen[form] {
			wrong("address %q stands there twice", a.GetAddress())
		} else {
			seen[form] = true
		}
		if c := a.GetConfirmed(); c != nil && (CheckHow(c.GetHow()) != nil || !c.GetWhen().IsValid() || c.GetWhen().AsTime().Unix() <= 0) {
			wrong("address %q was confirmed without a time or a word for how", a.GetAddress())
		}
	}
	if tag := card.GetLanguage(); tag != "" {
		if parsed, err := language.Parse(tag); err != nil || parsed.String() != tag {
			wrong("language %q is none: write it like de or pt-BR", shorten(tag))
		}
	}
	if n := utf8.RuneCountInString(card.GetNotes()); n > maxNotes || !utf8.ValidString(card.GetNotes()) {
		wrong("notes of %d characters: at most %d, in UTF-8", n, maxNotes)
	}
	if strings.ContainsFunc(card.GetNotes(), func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }) {
		wrong("notes with a control character in them")
	}
	return errors.Join(append(problems, checkKeys(card))...)
}

// line tells what is wrong with a text that must stand on one line.
func line(text string, most int) string {
	switch {
	case !utf8.ValidString(text):
		return "is not UTF-8"
	case utf8.RuneCountInString(text) > most:
		return fmt.Sprintf("has more than %d characters", most)
	case strings.ContainsFunc(text, unicode.IsControl):
		return "has a line break or another control character in it"
	}
	return ""
}

// CheckAddress tells why something is no address: one mailbox, without a name.
func CheckAddress(address string) error {
	parsed, err := mail.ParseAddress(address)
	if err != nil || parsed.Address != address || parsed.Name != "" || len(address) > maxAddress || line(address, maxAddress) != "" ||
		!strings.Contains(address[strings.LastIndexByte(address, '@')+1:], ".") {
		return fmt.Errorf("%q is no address: write it like anna@example.com", shorten(address))
	}
	return nil
}

var howForm = regexp.MustCompile(`^[a-z][a-z0-9_]{1,39}$`)

// ErrHow says that the word for how an address was confirmed is missing or not of its form.
var ErrHow = errors.New("say in one word how it was made sure that the address is the customer's, such as contract, called_back or in_person: small letters, digits and _, at most 40")

// CheckHow tells whether a word can say how an address was confirmed.
func CheckHow(word string) error {
	if !howForm.MatchString(word) {
		return ErrHow
	}
	return nil
}

func checkKeys(card *customerv1.Card) error {
	var problems []error
	if n := len(card.GetOpenpgp()) + len(card.GetCertificates()); n > maxKeys {
		problems = append(problems, fmt.Errorf("%d keys and certificates: at most %d are kept", n, maxKeys))
	}
	var keys signature.Keys
	for _, key := range card.GetOpenpgp() {
		if err := keys.AddOpenPGP(key); err != nil {
			problems = append(problems, fmt.Errorf("OpenPGP key: %w", err))
		}
	}
	if keys.Private() {
		problems = append(problems, errors.New("OpenPGP key: it is a private one, which belongs to the customer alone"))
	}
	for _, der := range card.GetCertificates() {
		if _, err := x509.ParseCertificate(der); err != nil {
			problems = append(problems, errors.New("certificate: it cannot be read"))
		}
	}
	return errors.Join(problems...)
}

// Keys are what the customer signs with.
func Keys(card *customerv1.Card) (signature.Keys, error) {
	var keys signature.Keys
	for _, key := range card.GetOpenpgp() {
		if err := keys.AddOpenPGP(key); err != nil {
			return signature.Keys{}, err
		}
	}
	for _, der := range card.GetCertificates() {
		if err := keys.AddTrusted(der); err != nil {
			return signature.Keys{}, err
		}
	}
	return keys, nil
}

// shorten keeps what is quoted to a length that can be read.
func shorten(text string) string {
	const most = 60
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}
