package pii

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestEveryCharacterThatFoldsIsLookedAt(t *testing.T) {
	var first [utf8.UTFMax]byte
	for r := rune(utf8.RuneSelf); r <= unicode.MaxRune; r++ {
		if _, changed := foldRune(r); changed {
			if utf8.EncodeRune(first[:], r); !mayFold[first[0]] {
				t.Fatalf("%U is never folded", r)
			}
		}
	}
}

func TestDigitsOfAllWritingsHaveTheirValues(t *testing.T) {
	for _, ten := range []string{"０１２３４５６７８９", "٠١٢٣٤٥٦٧٨٩", "۰۱۲۳۴۵۶۷۸۹", "०१२३४५६७८९", "০১২৩৪৫৬৭৮৯", "๐๑๒๓๔๕๖๗๘๙", "𝟬𝟭𝟮𝟯𝟰𝟱𝟲𝟳𝟴𝟵", "𞥐𞥑𞥒𞥓𞥔𞥕𞥖𞥗𞥘𞥙"} {
		if got := Plain(ten); got != "0123456789" {
			t.Errorf("%s folds to %q", ten, got)
		}
	}
}

func TestOffsetsAreThoseOfTheSource(t *testing.T) {
	for _, test := range []struct{ text, value string }{
		{"x\u200b 4111\u00a01111\u20111111\u200d\u20111111\u200b y", "4111\u00a01111\u20111111\u200d\u20111111"},
		{"Grüße ４１１１１１１１１１１１１１１１ é", "４１１１１１１１１１１１１１１１"},
		{"\u2066erika\u200b@exam\u00adple.org\u2069", "erika\u200b@exam\u00adple.org"},
		{"mail ｅｒｉｋａ＠ｅｘａｍｐｌｅ．ｏｒｇ です", "ｅｒｉｋａ＠ｅｘａｍｐｌｅ．ｏｒｇ"},
		{"IBAN DE\u200b89 3704\u200c 0044\u20600532 0130 00", "DE\u200b89 3704\u200c 0044\u20600532 0130 00"},
		{"DE８９ ３７０４ ００４４ ０５３２ ０１３０ ００", "DE８９ ３７０４ ００４４ ０５３２ ０１３０ ００"},
		{"PESEL ４４０５１４０１３５９!", "４４０５１４０１３５９"},
		{"pass\u00adword: hun\u200bter2", "hun\u200bter2"},
		{"https://x.example/?email=erika%40example.org&x=1", "erika%40example.org"},
		{"https://x.example/u/4111%201111%201111%201111/", "4111%201111%201111%201111"},
		{"https://x.example/?c=4111%C2%A01111%E2%80%911111%E2%80%911111#a", "4111%C2%A01111%E2%80%911111%E2%80%911111"},
		{"https://x.example/?tel=%2B493012345678", "%2B493012345678"},
		{"https://x.example/?to=https%3A%2F%2Fy.example%2F%3Femail%3Derika%2540example.org%26a", "erika%2540example.org"},
		{"%65%72%69%6B%61%40example.org", "%65%72%69%6B%61%40example.org"},
	} {
		found := Find(test.text)
		if len(found) != 1 || test.text[found[0].Start:found[0].End] != test.value {
			t.Errorf("%q: found %+v, want %q", test.text, found, test.value)
		}
	}
}

func TestWhatIsNotPercentEncodedStays(t *testing.T) {
	for _, text := range []string{"100%", "%", "%4", "50%ig", "%zz", "%FF", "%C3", "%00", "%0A", "%E2%82", "%C3%A9", "100%-4", "%2"} {
		if got := Plain(text); got != text {
			t.Errorf("%q folds to %q", text, got)
		}
	}
	for text, want := range map[string]string{"a%40b": "a@b", "a%2540b": "a@b", "a%252540b": "a@b", "a%25252540b": "a%40b", "%25": "%", "a%C2%ADb": "ab", "%EF%BC%94%": "4%", "%2B%2b": "++"} {
		if got := Plain(text); got != want {
			t.Errorf("%q folds to %q, want %q", text, got, want)
		}
	}
}

// A blank that is percent-encoded ends no address: the number is a part of it.
func TestNumbersBehindEncodedBlanksStayParts(t *testing.T) {
	for _, text := range []string{"https://x.example/?q=big%20sale&id=0301234567", "https://x.example/a%20b/030-1234567", "https://x.example/?a=%22b%22&nr=02125551234"} {
		if got := kindsIn(text); got != "" {
			t.Errorf("%q: found %q", text, got)
		}
	}
}

func TestAPlainTextIsNotCopied(t *testing.T) {
	text := strings.Repeat("Grüße aus Köln – “bis bald” 日本語 ", 3)
	if plain, bends := fold("Grüße aus Köln"); bends != nil || plain != "Grüße aus Köln" {
		t.Errorf("%q, %v", plain, bends)
	}
	if _, bends := fold(text); bends == nil {
		t.Error("a dash was not folded")
	}
}
