package customers

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"

	"github.com/emersion/go-vcard"
	"golang.org/x/text/language"

	"github.com/postern-mail/postern/pkg/mailauth/alike"
	customerv1 "github.com/postern-mail/postern/proto/customer/v1"
)

// readVCards reads the cards of a file. What a card says besides names, addresses, language,
// notes, keys and its UID is not kept.
func readVCards(content []byte, p *problems) []Entry {
	begins := checkLines(content, p)
	if len(p.told) > 0 {
		return nil
	}
	var entries []Entry
	decoder := vcard.NewDecoder(bytes.NewReader(content))
	for n := 0; ; n++ {
		read, err := decoder.Decode()
		if errors.Is(err, io.EOF) {
			return entries
		}
		if err != nil || n >= len(begins) {
			p.add(1, errors.New("it is no file of vCards"))
			return entries
		}
		card, err := cardOfVCard(read)
		switch {
		case err != nil:
			p.add(begins[n], err)
		case isGroup(read) || !found(card):
			p.passed++
		default:
			entries = append(entries, Entry{Line: begins[n], Card: card})
		}
	}
}

// isGroup tells a card of a list of others, as its standard (RFC 6350 §6.1.4) and Apple have it.
func isGroup(read vcard.Card) bool {
	return strings.EqualFold(read.Value(vcard.FieldKind), "group") || strings.EqualFold(read.Value("X-ADDRESSBOOKSERVER-KIND"), "group")
}

// kept are the properties that are read.
var kept = []string{vcard.FieldUID, vcard.FieldFormattedName, vcard.FieldName, vcard.FieldOrganization, vcard.FieldEmail, vcard.FieldLanguage, vcard.FieldNote, vcard.FieldKey}

// checkLines tells of lines that are none of a vCard, which the library passes over, and of
// cards that do not end. It gives the lines on which cards begin.
func checkLines(content []byte, p *problems) []int {
	var begins []int
	inside := false
	for i, line := range strings.Split(string(content), "\n") {
		line, number := strings.TrimRight(line, "\r"), i+1
		if line == "" || line[0] == ' ' || line[0] == '\t' { // folded: RFC 6350 §3.2
			continue
		}
		name, value, is := strings.Cut(line, ":")
		bare, _, _ := strings.Cut(name, ";")
		switch property := strings.ToUpper(bare[strings.LastIndexByte(bare, '.')+1:]); {
		case !is || property == "" || strings.ContainsAny(property, " \t"):
			p.add(number, errors.New("this is no line of a vCard"))
		case property == "BEGIN" && inside:
			p.add(number, errors.New("a card begins before the last one has ended"))
		case property == "BEGIN":
			begins, inside = append(begins, number), true
		case !inside:
			p.add(number, errors.New("this stands outside of a card"))
		case property == "END":
			inside = false
		case slices.Contains(kept, property) && strings.Contains(strings.ToUpper(name), "QUOTED-PRINTABLE"):
			p.add(number, fmt.Errorf("%s is in quoted-printable, which went with vCard 2.1: export the cards as vCard 3.0 or 4.0 in UTF-8", property))
		case property == "VERSION" && strings.TrimSpace(value) != "3.0" && strings.TrimSpace(value) != "4.0":
			p.add(number, fmt.Errorf("version %q is not read: export the cards as vCard 3.0 or 4.0", strings.TrimSpace(value)))
		}
	}
	if inside {
		p.add(begins[len(begins)-1], errors.New("the card that begins here does not end"))
	}
	return begins
}

func cardOfVCard(read vcard.Card) (*customerv1.Card, error) {
	card := &customerv1.Card{
		Number:   strings.TrimPrefix(read.Value(vcard.FieldUID), "urn:uuid:"),
		Language: languageOf(read.PreferredValue(vcard.FieldLanguage)),
		Notes:    strings.Join(read.Values(vcard.FieldNote), "\n"),
	}
	add := func(name string) {
		if name = strings.Join(strings.Fields(name), " "); name != "" && !contains(card.GetNames(), name) {
			card.Names = append(card.Names, name)
		}
	}
	for _, name := range read.FormattedNames() {
		add(name.Value)
	}
	for _, organisation := range read.Values(vcard.FieldOrganization) {
		name, _, _ := strings.Cut(organisation, ";") // its units come behind (RFC 6350 §6.6.4)
		add(name)
	}
	if len(card.GetNames()) == 0 && read.Name() != nil {
		add(read.Name().GivenName + " " + read.Name().FamilyName)
	}
	seen := map[alike.Form]bool{}
	for _, value := range read.Values(vcard.FieldEmail) {
		address := strings.TrimPrefix(strings.TrimSpace(value), "mailto:")
		if address == "" || seen[alike.Of(address)] { // programs write a field that was left empty, and one address as two
			continue
		}
		seen[alike.Of(address)] = true
		card.Addresses = append(card.Addresses, &customerv1.Address{Address: address})
	}
	var problems []error
	for _, field := range read[vcard.FieldKey] {
		if err := addVCardKey(card, field); err != nil {
			problems = append(problems, fmt.Errorf("KEY: %w", err))
		}
	}
	return card, errors.Join(problems...)
}

// languageOf writes a language as a card has it: some programs write de_DE.
func languageOf(tag string) string {
	if parsed, err := language.Parse(tag); tag != "" && err == nil {
		return parsed.String()
	}
	return tag
}

func contains(all []string, one string) bool {
	for _, other := range all {
		if strings.EqualFold(other, one) {
			return true
		}
	}
	return false
}

// addVCardKey adds a key as versions 3.0 (RFC 2426 §3.7.2: base64) and 4.0 (RFC 6350 §6.8.1:
// a data URI, or text) have it. What stands elsewhere on the network is not fetched.
func addVCardKey(card *customerv1.Card, field *vcard.Field) error {
	content := []byte(strings.TrimSpace(field.Value))
	switch encoding := strings.ToLower(field.Params.Get("ENCODING")); {
	case strings.HasPrefix(strings.ToLower(field.Value), "data:"):
		_, data, is := strings.Cut(field.Value, ",")
		if !is {
			return errors.New("its data URI has no data")
		}
		if plain, err := url.PathUnescape(data); err == nil {
			data = plain
		}
		content = []byte(data)
		if strings.Contains(strings.ToLower(field.Value[:strings.IndexByte(field.Value, ',')]), ";base64") {
			plain, err := decode(data)
			if err != nil {
				return err
			}
			content = plain
		}
	case encoding == "b" || encoding == "base64":
		plain, err := decode(field.Value)
		if err != nil {
			return err
		}
		content = plain
	case strings.Contains(field.Value, "://"):
		return errors.New("it stands elsewhere on the network and is not fetched: put the key itself into the card")
	}
	keys, err := appendOpenPGP(card.GetOpenpgp(), content)
	if err == nil {
		card.Openpgp = keys
		return nil
	}
	certificates, otherwise := appendCertificates(card.GetCertificates(), content)
	if otherwise != nil {
		return errors.New("it is neither an OpenPGP key nor a certificate")
	}
	card.Certificates = certificates
	return nil
}

func decode(text string) ([]byte, error) {
	plain, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil {
		return nil, errors.New("it is not base64")
	}
	return plain, nil
}
