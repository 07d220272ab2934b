package signature

import (
	"strings"
	"testing"
)

// The certificate of RFC 9580, Appendix A.3, and the text signed with it of A.6.
const (
	sampleCertificate = `-----BEGIN PGP PUBLIC KEY BLOCK-----

xioGY4d/4xsAAAAg+U2nu0jWCmHlZ3BqZYfQMxmZu52JGggkLq2EVD34laPCsQYf
GwoAAABCBYJjh3/jAwsJBwUVCg4IDAIWAAKbAwIeCSIhBssYbE8GCaaX5NUt+mxy
KwwfHifBilZwj2Ul7Ce62azJBScJAgcCAAAAAK0oIBA+LX0ifsDm185Ecds2v8lw
gyU2kCcUmKfvBXbAf6rhRYWzuQOwEn7E/aLwIwRaLsdry0+VcallHhSu4RN6HWaE
QsiPlR4zxP/TP7mhfVEe7XWPxtnMUMtf15OyA51YBM4qBmOHf+MZAAAAIIaTJINn
+eUBXbki+PSAld2nhJh/LVmFsS+60WyvXkQ1wpsGGBsKAAAALAWCY4d/4wKbDCIh
BssYbE8GCaaX5NUt+mxyKwwfHifBilZwj2Ul7Ce62azJAAAAAAQBIKbpGG2dWTX8
j+VjFM21J0hqWlEg+bdiojWnKfA5AQpWUWtnNwDEM0g12vYxoWM8Y81W+bHBw805
I8kWVkXU6vFOi+HWvv/ira7ofJu16NnoUkhclkUrk0mXubZvyl4GBg==
-----END PGP PUBLIC KEY BLOCK-----
`
	sampleFingerprint = "cb186c4f0609a697e4d52dfa6c722b0c1f1e27c18a56708f6525ec27bad9acc9"
	sampleText        = `-----BEGIN PGP SIGNED MESSAGE-----

What we need from the grocery store:

- - tofu
- - vegetables
- - noodles

-----BEGIN PGP SIGNATURE-----

wpgGARsKAAAAKQWCY5ijYyIhBssYbE8GCaaX5NUt+mxyKwwfHifBilZwj2Ul7Ce6
2azJAAAAAGk2IHZJX1AhiJD39eLuPBgiUU9wUA9VHYblySHkBONKU/usJ9BvuAqo
/FvLFuGWMbKAdA+epq7V4HOtAPlBWmU8QOd6aud+aSunHQaaEJ+iTFjP2OMW0KBr
NK2ay45cX1IVAQ==
-----END PGP SIGNATURE-----
`
)

// The key names nobody, so that what it signed is told to be its and is no author's.
func TestASignatureOfVersion6IsRead(t *testing.T) {
	var keys Keys
	if err := keys.AddOpenPGP([]byte(sampleCertificate)); err != nil {
		t.Fatal(err)
	}
	head := "From: anna@example.com\r\n\r\n"
	text := strings.ReplaceAll(sampleText, "\n", "\r\n")
	for name, c := range map[string]struct {
		text   string
		result Outcome
		reason string
	}{
		"as it is published": {text, Mismatch, SignerNotAuthor},
		"changed":            {strings.Replace(text, "noodles", "poodles", 1), Bad, ContentChanged},
	} {
		r := check(t, []byte(head+c.text), keys, received)
		if len(r) != 1 || r[0].Result != c.result || r[0].Reason != c.reason || r[0].Covers != Whole || r[0].MatchesFrom {
			t.Errorf("%s: %+v", name, r)
		}
		if c.result == Mismatch && len(r) == 1 && r[0].Key != sampleFingerprint {
			t.Errorf("key %s", r[0].Key)
		}
	}
	if r := check(t, []byte(head+text), Keys{}, received); len(r) != 1 || r[0].Result != UnknownKey {
		t.Errorf("without the key: %+v", r)
	}
}
