package sanitize

import (
	"encoding/base64"
	"encoding/binary"
	"slices"
	"strings"
	"testing"
)

func TestAMailWithoutWordsSaysWhatThereIsInstead(t *testing.T) {
	for name, test := range map[string]struct {
		raw  string
		want Notice
	}{
		"nothing":      {"From: a@example.com\n\n \n", EmptyMail},
		"a picture":    {"From: a@example.com\nContent-Type: text/html\n\n<img src=\"https://example.com/all.png\">", AllLeftOut},
		"a script":     {"From: a@example.com\nContent-Type: text/html\n\n<script>document.write('hello')</script>", AllLeftOut},
		"a file":       {"From: a@example.com\nContent-Type: text/plain; name=a.txt\nContent-Disposition: attachment; filename=a.txt\n\nhello", NoText},
		"some pixels":  {"From: a@example.com\nContent-Type: image/png\nContent-Transfer-Encoding: base64\n\n" + drawing(t, 4, 4), NoText},
		"words at all": {"From: a@example.com\n\nhello", ""},
	} {
		var got Notice
		for _, n := range render(t, test.raw, Options{}).Notices {
			if slices.Contains([]Notice{NoText, EmptyMail, AllLeftOut}, n) {
				got += n
			}
		}
		if got != test.want {
			t.Errorf("%s: told %q, want %q", name, got, test.want)
		}
	}
}

// attribute is one of a winmail.dat: [MS-OXTNEF] §2.1.3.
func attribute(level byte, id uint32, data string) string {
	out := binary.LittleEndian.AppendUint32([]byte{level}, id)
	out = binary.LittleEndian.AppendUint32(out, uint32(len(data)))
	out = append(out, data...)
	sum := uint16(0)
	for _, c := range []byte(data) {
		sum += uint16(c)
	}
	return string(binary.LittleEndian.AppendUint16(out, sum))
}

func TestTheWordsInAWinmailDatAreShownWhereTheMailHasNoOthers(t *testing.T) {
	const signature, attBody = "\x78\x9f\x3e\x22\x01\x00", 0x0002800c
	winmail := base64.StdEncoding.EncodeToString([]byte(signature + attribute(1, attBody, "Please call back about "+cardNumber+".\x00")))
	for own, want := range map[string]string{
		"":               "Please call back about ‹payment_card ··1111 #1›.",
		"Words outside.": "Words outside.",
	} {
		view := render(t, "From: a@example.com\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n\n"+own+
			"\n--b\nContent-Type: application/ms-tnef; name=winmail.dat\nContent-Disposition: attachment; filename=winmail.dat\nContent-Transfer-Encoding: base64\n\n"+
			winmail+"\n--b--\n", Options{})
		if got := strings.TrimSpace(view.MaskedText); got != want || slices.Contains(view.Notices, NoText) {
			t.Errorf("beside %q: text %q, want %q; notices %v", own, got, want, view.Notices)
		}
	}
}
