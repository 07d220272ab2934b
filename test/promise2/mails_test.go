package promise2

import (
	"archive/zip"
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"mime/quotedprintable"
	"strings"
	"testing"

	"github.com/postern-mail/postern/services/postern/fleet"
	"github.com/postern-mail/postern/test/search"
)

// The markers: a word that fits everywhere, one that most encodings must change, and
// numbers that are masked.
const (
	mark    = "zk7qxv9wrj"
	strange = "ümläut=&<zk9q>"
	card    = "4111 1111 1111 1111"
	iban    = "de89 3704 0044 0532 0130 00" // as the IBAN registry gives it for Germany
)

func finder(t *testing.T) *search.Finder {
	t.Helper()
	f, err := search.New(mark, strange, card, strings.ReplaceAll(card, " ", ""), iban, strings.ReplaceAll(iban, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func b64(text string) string {
	var b strings.Builder
	encoded := base64.StdEncoding.EncodeToString([]byte(text))
	for len(encoded) > 76 {
		b.WriteString(encoded[:76] + "\r\n")
		encoded = encoded[76:]
	}
	return b.String() + encoded + "\r\n"
}

func quoted(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := quotedprintable.NewWriter(&b)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func word(text string) string {
	return "=?utf-8?B?" + base64.StdEncoding.EncodeToString([]byte(text)) + "?="
}

// zipped is a zip whose one member has a marker in its name and in its content.
func zipped(t *testing.T) string {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	w.SetComment("comment " + mark) //nolint:errcheck // it is short
	one, err := w.Create("member-" + mark + ".txt")
	if err == nil {
		_, err = one.Write([]byte(strings.Repeat("a member about "+strange+" and "+mark+"\r\n", 20)))
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// picture is a PNG of one pixel with a marker in a text chunk. (W3C PNG §11)
func picture(t *testing.T) string {
	t.Helper()
	var b, pixel bytes.Buffer
	b.WriteString("\x89PNG\r\n\x1a\n")
	chunk := func(kind, data string) {
		var number [4]byte
		binary.BigEndian.PutUint32(number[:], uint32(len(data)))
		b.Write(number[:])
		b.WriteString(kind + data)
		binary.BigEndian.PutUint32(number[:], crc32.ChecksumIEEE([]byte(kind+data)))
		b.Write(number[:])
	}
	w := zlib.NewWriter(&pixel)
	if _, err := w.Write([]byte{0, 0x40}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	chunk("IHDR", "\x00\x00\x00\x01\x00\x00\x00\x01\x08\x00\x00\x00\x00")
	chunk("tEXt", "Author\x00"+mark)
	chunk("IDAT", pixel.String())
	chunk("IEND", "")
	return b.String()
}

// header has a marker in every field that a mail has.
func header(subject string) string {
	return "Return-Path: <" + mark + ".bounce@" + mark + ".example>\r\n" +
		"Received: from " + mark + ".example (" + mark + ".helo.example [203.0.113.77])\r\n\tby mx.fleet.example with ESMTPS id " + mark + "\r\n\tfor <" + mark + "@ours.example>; Sat, 21 Nov 2026 10:00:00 +0000\r\n" +
		"Authentication-Results: mx.fleet.example; spf=pass smtp.mailfrom=" + mark + ".example\r\n" +
		"DKIM-Signature: v=1; a=rsa-sha256; d=" + mark + ".example; s=" + mark + "; h=from; bh=AAAA; b=AAAA\r\n" +
		"From: " + word(strange+" "+mark) + " <" + mark + ".from@" + mark + ".example>\r\n" +
		"Sender: <" + mark + ".sender@" + mark + ".example>\r\n" +
		"Reply-To: \"" + mark + " reply\" <" + mark + ".reply@" + mark + ".example>\r\n" +
		"To: \"" + mark + " to\" <" + mark + ".to@ours.example>\r\n" +
		"Cc: " + word(mark+" "+strange) + " <" + mark + ".cc@ours.example>\r\n" +
		"Subject: " + word(subject+" "+strange+" "+mark) + "\r\n" +
		"Date: Sat, 21 Nov 2026 10:00:00 +0000\r\n" +
		"Message-ID: <" + mark + ".id@" + mark + ".example>\r\n" +
		"In-Reply-To: <" + mark + ".parent@" + mark + ".example>\r\n" +
		"References: <" + mark + ".root@" + mark + ".example> <" + mark + ".parent@" + mark + ".example>\r\n" +
		"List-Unsubscribe: <https://" + mark + ".example/" + mark + ">\r\n" +
		"Keywords: " + mark + "\r\n" +
		"X-" + mark + ": " + mark + " and\r\n\t" + strange + "\r\n" +
		"MIME-Version: 1.0\r\n"
}

func words(n int) string {
	text := "Dear all, this is about " + mark + " and " + strange + ". My card is " + card + ", my account " + strings.ToUpper(iban) +
		", my telephone +49 30 901820, my address " + mark + ".private@" + mark + ".example.\r\n"
	return strings.Repeat(text, n)
}

func part(head, body string) string {
	return "--bound-" + mark + "\r\n" + head + "\r\n\r\n" + body
}

func multipart(kind, head string, parts ...string) []byte {
	return []byte(head + "Content-Type: multipart/" + kind + "; boundary=\"bound-" + mark + "\"\r\n\r\npreamble " + mark + "\r\n" +
		strings.Join(parts, "") + "--bound-" + mark + "--\r\nepilogue " + mark + "\r\n")
}

// mails have a marker in every place that a mail has, in each of several sizes and fates.
func mails(t *testing.T) map[string][]byte {
	t.Helper()
	page := "<html><head><title>" + mark + "</title><style>." + mark + " { color: red }</style></head><body class=\"" + mark + "\"><!-- " + mark + " -->" +
		"<p>ümläut=&amp;&lt;zk9q&gt; and " + mark + "</p><a href=\"https://" + mark + ".example/?q=" + mark + "\">" + mark + "</a>" +
		"<img src=\"https://" + mark + ".example/" + mark + ".gif\" alt=\"" + mark + "\"><script>var x = '" + mark + "'</script></body></html>"
	textPart := part("Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\nContent-Description: "+mark, quoted(t, words(3)))
	pagePart := part("Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\nContent-ID: <"+mark+"@"+mark+".example>", b64(page))
	attached := func(kind, name, body string) string {
		return part("Content-Type: "+kind+"; name=\""+mark+"-"+name+"\"\r\nContent-Disposition: attachment; filename*=utf-8''"+mark+"-%C3%BCml%C3%A4ut-"+name+"\r\nContent-Transfer-Encoding: base64", b64(body))
	}
	nested := part("Content-Type: message/rfc822", header("nested")+"Content-Type: text/plain; charset=utf-8\r\n\r\n"+words(1))
	calendar := part("Content-Type: text/calendar; charset=utf-8; method=REQUEST", "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nUID:"+mark+"\r\nDTSTART:20261201T100000Z\r\nSUMMARY:"+mark+"\r\nORGANIZER;CN="+mark+":mailto:"+mark+"@"+mark+".example\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n")
	virus := `X5O!P%@AP[4\PZX54(P^)7CC)7}$` + `EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*`
	report := part("Content-Type: message/delivery-status", "Reporting-MTA: dns; "+mark+".example\r\n\r\nFinal-Recipient: rfc822; "+mark+"@"+mark+".example\r\nAction: failed\r\nStatus: 5.1.1\r\nDiagnostic-Code: smtp; 550 "+mark+"\r\n")
	return map[string][]byte{
		"everything": multipart("mixed", header("everything"), textPart, pagePart, nested, calendar,
			attached("text/plain", "text.txt", words(5)), attached("application/zip", "archive.zip", zipped(t)), attached("image/png", "picture.png", picture(t))),
		"plain":     []byte(header("plain") + "Content-Type: text/plain; charset=utf-8\r\n\r\n" + words(2)),
		"large":     multipart("mixed", header("large"), textPart, attached("text/plain", "large.txt", words(2500))),
		"infected":  multipart("mixed", header("infected"), textPart, attached("application/octet-stream", "virus.com", virus)),
		"bounce":    multipart("report; report-type=delivery-status", strings.Replace(header("bounce"), "Return-Path: <"+mark+".bounce@"+mark+".example>", "Return-Path: <>", 1), textPart, report),
		"machine":   []byte(header("automatic") + "Auto-Submitted: auto-replied\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n" + b64(page)),
		"malformed": []byte("From: " + mark + " <" + mark + "@" + mark + ".example\r\nSubject: =?utf-8?B?" + mark + "\r\nContent-Type: multipart/mixed; boundary=\"" + mark + "\r\n\r\n--" + mark + "\n" + words(1)),
		"two-from":  []byte(header("two authors") + "From: <" + mark + ".second@" + mark + ".example>\r\nContent-Type: text/plain\r\n\r\n" + words(1)),
		"sealed":    byOpenPGP(t),
		"enveloped": bySMIME(t),
		"oversize":  []byte(header("oversize") + "Content-Type: text/plain; charset=utf-8\r\n\r\n" + words(6000)),
	}
}

// maxSize is what ingest takes here, so that the oversize mail is set aside.
const maxSize = 1 << 20

func delivered(mails map[string][]byte) []fleet.Mail {
	var all []fleet.Mail
	for _, raw := range mails {
		all = append(all, fleet.Mail{Raw: raw})
	}
	return all
}

func TestTheMailsHoldTheMarkersThatAreSearchedFor(t *testing.T) {
	f := finder(t)
	for name, raw := range mails(t) {
		seen := map[string]bool{}
		for _, hit := range f.Bytes(raw) {
			seen[hit.Word] = true
		}
		if !seen[mark] || name != "bounce" && name != "machine" && !seen[card] && !seen[strange] {
			t.Errorf("%s shows only %v", name, seen)
		}
		if large := len(raw) > maxSize; large != (name == "oversize") {
			t.Errorf("%s has %d bytes", name, len(raw))
		}
	}
	for _, place := range []string{zipped(t), picture(t)} {
		if len(f.Bytes([]byte(place))) == 0 {
			t.Errorf("an attachment shows nothing: %.20q", place)
		}
	}
}
