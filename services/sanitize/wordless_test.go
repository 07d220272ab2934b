package sanitize

import (
	"encoding/base64"
	"encoding/binary"
	"io/fs"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/postern-mail/postern/pkg/corpora"
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

const (
	tnefSignature = "\x78\x9f\x3e\x22\x01\x00"
	attBody       = 0x0002800c
	attRender     = 0x00069002
	attTitle      = 0x00018010
	attData       = 0x0006800f
)

// outlook is a mail with words of its own and a winmail.dat.
func outlook(own string, attributes ...string) string {
	return "From: a@example.com\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n\n" + own +
		"\n--b\nContent-Type: application/ms-tnef; name=winmail.dat\nContent-Disposition: attachment; filename=winmail.dat\nContent-Transfer-Encoding: base64\n\n" +
		base64.StdEncoding.EncodeToString([]byte(tnefSignature+strings.Join(attributes, ""))) + "\n--b--\n"
}

func packedFiles(files ...string) (attributes []string) {
	for _, file := range files {
		name, data, _ := strings.Cut(file, "=")
		attributes = append(attributes, attribute(2, attRender, strings.Repeat("\x00", 14)), attribute(2, attTitle, name+"\x00"), attribute(2, attData, data))
	}
	return attributes
}

func TestTheFilesInAWinmailDatAreHandedOutInItsPlace(t *testing.T) {
	inner := tnefSignature + attribute(1, attBody, "Forwarded words.\x00") + strings.Join(packedFiles("deep.csv=a;b\n"), "")
	body := attribute(1, attBody, "Please call back.\x00")
	for name, test := range map[string]struct {
		attributes     []string
		want, withheld []string
	}{
		"files":                    {append(packedFiles("terms.txt=First terms.\n", "prices.csv=a;b\n1;2\n"), body), []string{"2#2 terms.txt", "2#3 prices.csv"}, nil},
		"a message in the message": {packedFiles("forwarded=" + inner), []string{"2#1#1 body.txt", "2#1#2 deep.csv"}, nil},
		"words alone":              {[]string{body}, []string{"2 winmail.dat"}, nil},
		"a program among them":     {packedFiles("terms.txt=First terms.\n", "run.exe=MZ"), []string{"2#1 terms.txt"}, []string{"2#2 run.exe"}},
		"a name with a card":       {packedFiles(cardNumber + ".txt=hello\n"), []string{"2#1 ‹payment_card ··1111 #1›.txt"}, nil},
	} {
		view := render(t, outlook("Hello.", test.attributes...), Options{})
		var got, withheld []string
		for _, a := range view.Attachments {
			got = append(got, a.Path+" "+a.Name)
		}
		for _, a := range view.Withheld {
			withheld = append(withheld, a.Path+" "+a.Name)
		}
		slices.Sort(got)
		slices.Sort(test.want)
		if !slices.Equal(got, test.want) || !slices.Equal(withheld, test.withheld) {
			t.Errorf("%s: %q are handed out and %q withheld, want %q and %q", name, got, withheld, test.want, test.withheld)
		}
	}
}

func TestTheWordsInAWinmailDatAreShownWhereTheMailHasNoOthers(t *testing.T) {
	for own, want := range map[string]string{
		"":             "Please call back about ‹payment_card ··1111 #1›.",
		"List footer.": "List footer.\n\nPlease call back about ‹payment_card ··1111 #1›.",
		"Please  call back about " + cardNumber + ".\n-- \nErika": "Please call back about ‹payment_card ··1111 #1›.\n-- \nErika",
	} {
		view := render(t, outlook(own, attribute(1, attBody, "Please call back about "+cardNumber+".\x00")), Options{})
		if got := strings.TrimSpace(strings.ReplaceAll(view.MaskedText, "Please  call", "Please call")); got != want || slices.Contains(view.Notices, NoText) {
			t.Errorf("beside %q: text %q, want %q; notices %v", own, got, want, view.Notices)
		}
	}
}

func TestTheWordsOfAWinmailDatAreShownWhateverBecomesOfIt(t *testing.T) {
	const words = "Please cancel my contract."
	body := attribute(1, attBody, words+"\x00")
	for name, attributes := range map[string][]string{
		"broken off":           {body, attribute(2, attRender, "\x00")[:9]},
		"with a program":       append(packedFiles("run.exe=MZ"), body),
		"with a plain file":    append(packedFiles("a.txt=hello"), body),
		"with the EICAR words": append(packedFiles("a.txt=X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"), body),
	} {
		view := render(t, outlook("A footer.", attributes...), Options{})
		if !strings.Contains(view.MaskedText, words) || (name == "broken off") != slices.Contains(view.Notices, AmbiguousText) {
			t.Errorf("%s: text %q, notices %v", name, view.MaskedText, view.Notices)
		}
	}
	rich := strings.Replace(outlook("<p>A footer.</p>", body), "text/plain", "text/html", 1)
	if view := render(t, rich, Options{}); !strings.Contains(view.HTML, words) {
		t.Errorf("beside HTML: %q", view.HTML)
	}
}

// The published lists say which files are in a winmail.dat. Each is handed out or withheld under
// its name, but for the two that are ambiguous as a whole, and for words that the ticket shows.
func TestPublishedWinmailFilesAreToldOfOneByOne(t *testing.T) {
	files := corpora.Open(t)
	lists, err := fs.Glob(files, "mime/tnef/*.list")
	if err != nil || len(lists) < 17 {
		t.Fatalf("%d lists, %v", len(lists), err)
	}
	whole, handedOut := 0, 0
	for _, list := range lists {
		packed, err := fs.ReadFile(files, strings.TrimSuffix(list, ".list")+".tnef")
		if err != nil {
			t.Fatal(err)
		}
		names, err := fs.ReadFile(files, list)
		if err != nil {
			t.Fatal(err)
		}
		view := render(t, outlook("", string(packed[len(tnefSignature):])), Options{})
		var told []string
		for _, a := range view.Attachments {
			told = append(told, a.Name)
		}
		handedOut += len(told)
		for _, a := range view.Withheld {
			told = append(told, a.Name)
			if a.Name == "winmail.dat" {
				whole++
			}
		}
		words := strings.TrimSpace(view.MaskedText) != ""
		for name := range strings.SplitSeq(string(names), "\n") {
			name = strings.TrimSpace(name)
			if name == "" || slices.Contains(told, "winmail.dat") && len(view.Withheld) > 0 || words && strings.HasPrefix(name, "body.") {
				continue
			}
			if !slices.Contains(told, name) {
				t.Errorf("%s: %q is not told of, only %q", path.Base(list), name, told)
			}
		}
	}
	if whole != 2 || handedOut < 30 {
		t.Errorf("%d are withheld as a whole, want 2; %d files are handed out, of some 30", whole, handedOut)
	}
}
