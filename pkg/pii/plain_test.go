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
	} {
		found := Find(test.text)
		if len(found) != 1 || test.text[found[0].Start:found[0].End] != test.value {
			t.Errorf("%q: found %+v, want %q", test.text, found, test.value)
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
