package attachment

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/postern-mail/postern/pkg/mail"
)

// A program of three bytes, uuencoded by hand: "MZP" is 01001101 01011010 01010000, in groups
// of six and 32 added to each.
const packedProgram = "begin 644 a.exe\n#35I0\n`\nend\n"

func TestPackedFilesThatAreTextsAreOpenedOrNotClean(t *testing.T) {
	for name, c := range map[string]struct {
		content string
		verdict Verdict
		reason  Reason
		opened  string
	}{
		"a.uue": {packedProgram, Suspicious, Executable, "MZP"},
		"a.txt": {"words\n" + packedProgram + "words\n", Suspicious, Executable, "MZP"},
		"b.uue": {"not at all", Unsupported, UnsupportedContainer, ""},
		"c.uue": {"BEGIN 644 a.exe\n#35I0\n`\nEND\n", Ambiguous, "packed_file_in_text", ""},
		"a.xxe": {"begin 644 a.exe\n1hJ3E\n+\nend\n", Ambiguous, "packed_file_in_text", ""},
		"a.hqx": {"(This file must be converted with BinHex 4.0)\n:$&4&@:\n", Unsupported, UnsupportedContainer, ""},
		"a.b64": {"begin-base64 644 a.exe\nTVpQ\n====\n", Ambiguous, "packed_file_in_text", ""},
		"a.pas": {"begin 5 minutes early\nbegin\n  writeln('x');\nend.\n", Clean, "", ""},
	} {
		a := scanFile(t, name, []byte(c.content))
		if a.Verdict != c.verdict || c.reason != "" && !contains(allReasons(a), c.reason) {
			t.Errorf("%s: %s %v", name, a.Verdict, allReasons(a))
		}
		if opened := memberNamed(a, "a.exe"); c.opened != "" && opened.SHA256 != sum(c.opened) {
			t.Errorf("%s: %+v", name, a.Children)
		}
	}
}

func TestWhatAMailUnpacksFromItsTextsIsListedOnce(t *testing.T) {
	text := "From: a@example.com\nContent-Type: multipart/mixed; boundary=f\n\n--f\nContent-Type: text/plain; name=x.txt\nContent-Disposition: attachment\n\n" + packedProgram + "\n--f--\n"
	report := Scan(t.Context(), mail.Parse([]byte(text), mail.Limits{}), Options{})
	if len(report.Attachments) != 1 || len(report.Attachments[0].Children) != 1 {
		t.Errorf("%+v", report.Attachments)
	}
}

func TestFilesThatCalendarsAndCardsCarryAreExamined(t *testing.T) {
	program := base64.StdEncoding.EncodeToString(programBytes)
	folded := program[:20] + "\r\n " + program[20:40] + "\r\n\t" + program[40:]
	loose := program[:20] + "\n" + program[20:40] + "\n" + program[40:] + "\n\n"
	grown := strings.Repeat("\xff", 200) // bytes that would grow where others are made small
	for name, content := range map[string]string{
		"a.ics": "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nATTACH;ENCODING=BASE64;VALUE=BINARY;X-FILENAME=\"a.exe\":" + folded + "\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
		"b.ics": "BEGIN:VCALENDAR\r\nATTACH;FILENAME=a.exe:data:application/octet-stream;base64," + folded + "\r\nEND:VCALENDAR\r\n",
		"a.vcf": "BEGIN:VCARD\r\nVERSION:3.0\r\nKEY;X-FILENAME=a.exe;ENCODING=b:" + folded + "\r\nEND:VCARD\r\n",
		"c.vcf": "BEGIN:VCARD\nSOUND;" + grown + ";BASE64;FILENAME=a.exe:" + loose + "END:VCARD\n",
		"d.vcf": "BEGIN:VCARD\nPHOTO;FILENAME=a.exe:data:" + grown + ";base64," + loose + "END:VCARD\n",
		"b.vcf": "BEGIN:VCARD\nVERSION:2.1\nSOUND;FILENAME=a.exe;BASE64:" + loose + "END:VCARD\n",
		"e.ics": "BEGIN:VCALENDAR\r\nATTACH;X-FOO=\"a:b\";ENCODING=BASE64;VALUE=BINARY;FILENAME=a.exe:" + folded + "\r\nEND:VCALENDAR\r\n",
		"f.ics": "BEGIN:VCALENDAR\r\nATTACH;FILENAME=a.exe;ENCODING=BA\r\n SE64:" + folded + "\r\nEND:VCALENDAR\r\n",
		"g.ics": "BEGIN:VCALENDAR\r\nATTACH;FILENAME=a.exe;ENCO\r\n DING=B:" + folded + "\r\nEND:VCALENDAR\r\n",
		"p.vcf": "BEGIN:VCARD\r\nPHOTO;BASE64:AAAA\r\nKEY\r\n ;FILENAME=a.exe;BASE64:" + folded + "\r\nEND:VCARD\r\n",
		"h.ics": "BEGIN:VCALENDAR\r\nATTACH;FILENAME=a.exe;ENCODING=\"B\":" + folded + "\r\nEND:VCALENDAR\r\n",
		"i.ics": "BEGIN:VCALENDAR\r\nATTACH;FILENAME=a.exe;VALUE=BINARY:" + folded + "\r\nEND:VCALENDAR\r\n",
		"j.ics": "BEGIN:VCALENDAR\r\nATTACH;FILENAME=a.exe;VALUE=URI:data:a/b;name=" + strings.Repeat("n", 260) + ";base64," + folded + "\r\nEND:VCALENDAR\r\n",
		"k.ics": "BEGIN:VCALENDAR\r\nATTACH;FILENAME=a.exe: data:a/b;base64," + folded + "\r\nEND:VCALENDAR\r\n",
		"l.ics": "BEGIN:VCALENDAR\r\nATTACH;FILENAME=a.exe:data:application/octet-stream," + percent(programBytes) + "\r\nEND:VCALENDAR\r\n",
		"m.ics": "BEGIN:VCALENDAR\rATTACH;FILENAME=a.exe;ENCODING=BASE64:" + program + "\rEND:VCALENDAR\r",
		"n.ics": "BEGIN:VCALENDAR\r\nATTACH;FILENAME=a.exe;X=\";ENCODING=BASE64:" + folded + "\r\nEND:VCALENDAR\r\n",
		"o.vcf": "BEGIN:VCARD\r\nitem1.KEY;FILENAME=a.exe;VALUE=BINARY:" + folded + "\r\nEND:VCARD\r\n",
		"x":     "begin:vcalendar\nattach;encoding=base64;filename=a.exe:" + loose + "end:vcalendar\n",
	} {
		a := scanFile(t, name, []byte(content))
		want(t, a, Suspicious, Executable)
		if carried := memberNamed(a, "a.exe"); carried.SHA256 != sum(string(programBytes)) {
			t.Errorf("%s: %+v", name, a.Children)
		}
	}
	plain := "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nSUMMARY:Base64 and data: what they are\r\nATTACH:https://example.com/a\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
	want(t, scanFile(t, "a.ics", []byte(plain)), Clean)
	ordinary := "BEGIN:VCARD\r\nVERSION:2.1\r\nNOTE;ENCODING=QUOTED-PRINTABLE:a=C3=A4\r\nNOTE:data: one, two\r\nPHOTO;ENCODING=b:\r\nLOGO;VALUE=URI:https://example.com/a.png\r\nKEY:words\r\nEND:VCARD\r\n"
	if a := scanFile(t, "a.vcf", []byte(ordinary)); a.Verdict != Clean || len(a.Children) > 0 {
		t.Errorf("%s %v %+v", a.Verdict, a.Reasons, a.Children)
	}
}

// percent writes every byte as two digits (RFC 3986 §2.1).
func percent(b []byte) string {
	var out strings.Builder
	for _, c := range b {
		fmt.Fprintf(&out, "%%%02X", c)
	}
	return out.String()
}

func TestWhatCalendarsAndCardsCarryAndCannotBeDecodedIsNotClean(t *testing.T) {
	for _, line := range []string{
		"ATTACH;VALUE=BINARY;ENCODING=X-OWN:TVpQ",
		"ATTACH;VALUE=BINARY:!!!!",
		"ATTACH:data:application/octet-stream;base64",
		"ATTACH;ENCODING=BASE64:TQ==WpBQ", // one reader stops at the end, another does not
		"PHOTO;ENCODING=QUOTED-PRINTABLE:=4D=5A=90",
	} {
		want(t, scanFile(t, "a.ics", []byte("BEGIN:VCALENDAR\r\n"+line+"\r\nEND:VCALENDAR\r\n")), Unsupported, UnsupportedContainer)
	}
}

func TestFilesOfTheMacThatHoldOthersAreUnsupported(t *testing.T) {
	want(t, scanFile(t, "a.bin", []byte("\x00\x05\x16\x00\x00\x02\x00\x00"+strings.Repeat("\x00", 40))), Unsupported, UnsupportedContainer)
	want(t, scanWith(t, "a.dat", "application/x-macbinary", []byte("\x00\x05a.exe"+strings.Repeat("\x00", 140)), Options{}), Unsupported, UnsupportedContainer)
}

func FuzzTextFiles(f *testing.F) {
	f.Add([]byte(packedProgram))
	f.Add([]byte("BEGIN:VCARD\nSOUND;\xff\xff\xff\xff\xff\xff\xff\xff;BASE64;FILENAME=a:TVpQ\nEND:VCARD\n")) // bytes that grow where others are made small
	f.Add([]byte("BEGIN:VCARD\nPHOTO:data:\xff\xff\xff\xff\xff\xff\xff\xff;base64,TVpQ\nEND:VCARD\n"))
	f.Add([]byte("BEGIN:VCARD\nSOUND;FILENAME=a.exe;BASE64:TVpQ\n TVpQ\n\nEND:VCARD\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		for _, name := range []string{"a.txt", "a.ics"} {
			wellFormed(t, scanFile(t, name, content), "2")
		}
	})
}
