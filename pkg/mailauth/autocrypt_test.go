package mailauth

import (
	"slices"
	"strings"
	"testing"
)

// The key of anna@example.com in pkg/signature/testdata, as GnuPG exports it and by the
// fingerprint that it tells.
const (
	annasKey = "mDMEawH7FxYJKwYBBAHaRw8BAQdA1F75/HYB8ndKnx+ShGAZIhg7bw7xPs2kgz5MkXx4cm+0F0FubmEgPGFubmFAZXhhbXBsZS5jb20+iJAEExYIADgWIQQg7eE87/ZYwR4VKuFWJUf0cY/ULAUCawH7FwIbAwULCQgHAgYVCgkICwIEFgIDAQIeAQIXgAAKCRBWJUf0cY/ULAKPAPsGafzOmaRhkd7Ogki6Mb1zXd0rdaLhUDGxEWnuSFwjdwEA6o5s9ZwX6O69GK0khQ8H2dR8qMr4iwMqcq0hNnun9w0="
	annas    = "20ede13ceff658c11e152ae1562547f4718fd42c"
)

func TestAKeyThatAMailBringsIsRecordedAndTrustedForNothing(t *testing.T) {
	folded := annasKey[:70] + "\r\n " + annasKey[70:]
	valid := "Autocrypt: addr=anna@example.com; prefer-encrypt=mutual; keydata=" + folded + "\r\n"
	for name, c := range map[string]struct {
		fields string
		want   string
	}{
		"one":                              {valid, annas},
		"address in capitals":              {strings.Replace(valid, "anna@", "Anna@", 1), annas},
		"an attribute that may be unknown": {strings.Replace(valid, "addr", "_x=y; addr", 1), annas},
		"without a preference":             {strings.Replace(valid, " prefer-encrypt=mutual;", "", 1), annas},
		"beside one that is not valid":     {valid + "Autocrypt: addr=anna@example.com\r\n", annas},
		"beside one of somebody else":      {valid + strings.Replace(valid, "anna@", "bert@", 1), annas},
		"an attribute that must be known":  {strings.Replace(valid, "addr", "x=y; addr", 1), ""},
		"of somebody else":                 {strings.Replace(valid, "anna@", "bert@", 1), ""},
		"two":                              {valid + valid, ""},
		"no key":                           {"Autocrypt: addr=anna@example.com; keydata=\r\n", ""},
		"no base64":                        {"Autocrypt: addr=anna@example.com; keydata=????\r\n", ""},
		"another text as a key":            {"Autocrypt: addr=anna@example.com; keydata=aGVsbG8=\r\n", ""},
		"two keys in one":                  {strings.Replace(valid, folded, annasKey[:4], 1), ""},
		"more fields than are looked at":   {strings.Repeat("Autocrypt: x\r\n", maxOffers) + valid, ""},
		"a field over its bound":           {strings.Replace(valid, "keydata", "_x="+strings.Repeat("y", maxOffer)+"; keydata", 1), ""},
		"words without an equals sign":     {strings.Replace(valid, "addr", "hello; addr", 1), ""},
		"the address twice":                {strings.Replace(valid, "addr", "addr=anna@example.com; addr", 1), ""},
	} {
		got := judgeText(t, c.fields+plain, Options{})
		said := slices.Contains(got.Reasons, KeyOffered)
		if offered := got.Evidence.Offered; (offered != nil) != (c.want != "") || said != (offered != nil) || offered != nil && offered.Fingerprint != c.want {
			t.Errorf("%s: %+v, %v", name, offered, got.Reasons)
		}
		if got.Verdict != Unverified {
			t.Errorf("%s: %s", name, got.Verdict)
		}
		if got.Evidence.Offered != nil && got.Evidence.Offered.Mutual != strings.Contains(c.fields, "mutual") {
			t.Errorf("%s: mutual %v", name, got.Evidence.Offered.Mutual)
		}
	}
}

func FuzzReadOffer(f *testing.F) {
	f.Add("addr=anna@example.com; prefer-encrypt=mutual; keydata=" + annasKey)
	f.Add("addr=anna@example.com; _x; keydata==")
	f.Add(";;=;=\x00")
	f.Fuzz(func(t *testing.T, value string) {
		if offer, ok := readOffer(value, "anna@example.com"); ok && len(offer.Fingerprint) < 32 {
			t.Errorf("a key without a fingerprint: %+v", offer)
		}
	})
}
