package customer

import (
	"crypto/hmac"
	"crypto/sha256"
	"strings"

	"github.com/postern-mail/postern/pkg/mailauth/alike"
	customerv1 "github.com/postern-mail/postern/proto/customer/v1"
)

// KeySize is the length of the key of tokens, in bytes.
const KeySize = 32

// TokenSize is the length of a token: one byte that tells what sort of form it is of, and 120
// bits of HMAC-SHA256.
const TokenSize = 16

// A Token is a form under the directory's key.
type Token [TokenSize]byte

// Number is the form of a customer's number in the company's own directory.
const Number alike.Kind = "number"

// sorts are the first bytes of tokens.
var sorts = map[alike.Kind]byte{alike.Address: 'a', alike.Domain: 'd', alike.Look: 'l', alike.Near: 'n', alike.Name: 'p', Number: 'c'}

// TokenOf gives the token of a form. Kinds that are not known have none.
func TokenOf(key []byte, form alike.Form) (Token, bool) {
	sort, known := sorts[form.Kind]
	if !known || len(key) != KeySize {
		return Token{}, false
	}
	h := hmac.New(sha256.New, key)
	h.Write([]byte{sort})
	h.Write([]byte(form.Value))
	var token Token
	copy(token[:], h.Sum(make([]byte, 0, sha256.Size)))
	copy(token[1:], token[:TokenSize-1])
	token[0] = sort
	return token, true
}

// Single tells a token that stands for one customer, not for many: of an address or a number.
func (t Token) Single() bool { return t[0] == sorts[alike.Address] || t[0] == sorts[Number] }

// OfNumber is the form of a customer's number.
func OfNumber(number string) alike.Form {
	return alike.Form{Kind: Number, Value: strings.ToLower(strings.TrimSpace(number))}
}

// Forms are all by which a customer is found, and by which somebody who could be taken for
// them is.
func Forms(card *customerv1.Card) []alike.Form {
	var addresses []string
	for _, a := range card.GetAddresses() {
		addresses = append(addresses, a.GetAddress())
	}
	forms := alike.Person(card.GetNames(), addresses)
	if card.GetNumber() != "" {
		forms = append(forms, OfNumber(card.GetNumber()))
	}
	return forms
}

// Tokens are a card's forms under a key, as a record has them.
func Tokens(key []byte, card *customerv1.Card) [][]byte {
	var tokens [][]byte
	for _, form := range Forms(card) {
		if token, ok := TokenOf(key, form); ok {
			tokens = append(tokens, token[:])
		}
	}
	return tokens
}
