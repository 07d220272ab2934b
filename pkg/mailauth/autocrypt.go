package mailauth

import (
	"encoding/base64"
	"strings"

	"github.com/postern-mail/postern/pkg/mailauth/dns"
	"github.com/postern-mail/postern/pkg/signature"
)

// An Offer is the key that a message brings for answers to it, in a header field of Autocrypt
// Level 1. Whoever wrote the message wrote the field: it shows nothing about who that was.
type Offer struct {
	Fingerprint string `json:"fingerprint"` // of the OpenPGP key, hex
	Mutual      bool   `json:"mutual"`      // the author wishes answers to be encrypted
}

// The bounds of what is looked at.
const (
	maxOffers = 10       // fields
	maxOffer  = 64 << 10 // bytes of one
)

// checkOffer records the one key that is offered for the author's address. Of several that are
// valid none counts (Autocrypt Level 1 §2.3).
func (j *judge) checkOffer() {
	if j.author.address == "" {
		return
	}
	var found []Offer
	for i, value := range j.msg.Header.All("Autocrypt") {
		if i == maxOffers {
			return // valid ones may be among the rest
		}
		if offer, ok := readOffer(value, j.author.address); ok {
			found = append(found, offer)
		}
	}
	if len(found) == 1 {
		j.result.Evidence.Offered = &found[0]
		j.reason(KeyOffered)
	}
}

// readOffer reads a field (Autocrypt Level 1 §2.1). An attribute that is not known makes it
// invalid, unless its name says that it may be passed over.
func readOffer(value, author string) (Offer, bool) {
	if len(value) > maxOffer {
		return Offer{}, false
	}
	var offer Offer
	var address, key string
	for _, part := range strings.Split(value, ";") {
		name, text, is := strings.Cut(part, "=")
		name, text = strings.TrimSpace(name), strings.TrimSpace(text)
		switch {
		case name == "" && !is: // after the last semicolon
		case !is:
			return Offer{}, false
		case name == "addr" && address == "":
			address = text
		case name == "prefer-encrypt":
			offer.Mutual = text == "mutual"
		case name == "keydata" && key == "":
			key = text
		case !strings.HasPrefix(name, "_"):
			return Offer{}, false
		}
	}
	if !strings.EqualFold(dns.Clean(address), dns.Clean(author)) {
		return Offer{}, false
	}
	ring, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(key), ""))
	if err != nil {
		return Offer{}, false
	}
	offer.Fingerprint, err = signature.Fingerprint(ring)
	return offer, err == nil
}
