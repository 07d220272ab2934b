package mailbox

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"mime"
	"strings"
	"time"

	"golang.org/x/text/encoding/japanese"
)

// A part is one body part of a mail with attachments.
type part struct {
	contentType string
	name        string // of a file, empty for none
	contentID   string
	inline      bool
	body        []byte
}

// compose writes a multipart mail. Its boundary is the mail's name.
func compose(came time.Time, name, kind, from, subject string, parts ...part) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "From: %s\r\nTo: Brightwater Support <%s>\r\nSubject: %s\r\nDate: %s\r\n",
		from, recipient, mime.QEncoding.Encode("utf-8", subject), date(came))
	fmt.Fprintf(&b, "Message-ID: <%s@mail.example>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/%s; boundary=%q\r\n\r\n", name, kind, name)
	for _, p := range parts {
		fmt.Fprintf(&b, "--%s\r\nContent-Type: %s", name, p.contentType)
		if p.name != "" {
			fmt.Fprintf(&b, "; name=%q", p.name)
		}
		b.WriteString("\r\n")
		if p.contentID != "" {
			fmt.Fprintf(&b, "Content-ID: <%s>\r\n", p.contentID)
		}
		switch {
		case p.inline:
			fmt.Fprintf(&b, "Content-Disposition: inline; filename=%q\r\n", p.name)
		case p.name != "":
			fmt.Fprintf(&b, "Content-Disposition: attachment; filename=%q\r\n", p.name)
		}
		b.WriteString("Content-Transfer-Encoding: base64\r\n\r\n")
		writeBase64(&b, p.body)
	}
	fmt.Fprintf(&b, "--%s--\r\n", name)
	return b.Bytes()
}

// writeBase64 writes lines of 76 characters. (RFC 2045 §6.8)
func writeBase64(b *bytes.Buffer, body []byte) {
	const perLine = 57
	line := make([]byte, base64.StdEncoding.EncodedLen(perLine))
	for len(body) > 0 {
		n := min(perLine, len(body))
		encoded := line[:base64.StdEncoding.EncodedLen(n)]
		base64.StdEncoding.Encode(encoded, body[:n])
		b.Write(encoded)
		b.WriteString("\r\n")
		body = body[n:]
	}
}

func text(lines ...string) part {
	return part{contentType: "text/plain; charset=utf-8", body: []byte(strings.Join(lines, "\r\n") + "\r\n")}
}

func pdfAndPhoto(came time.Time) []byte {
	return compose(came, "pdf-and-photo", "mixed", "Lotte Berg <lotte.berg@postbox.example>", "Broken pedal, invoice and photo",
		text("Hello,", "", "the left pedal broke off after two weeks. I attach the invoice and a photo.", "", "Lotte Berg"),
		part{contentType: "application/pdf", name: "invoice-2026-1042.pdf", body: pdf("Invoice 2026-1042", "1 x Kestrel pedal set", "Total: 39.00 EUR")},
		part{contentType: "image/png", name: "pedal.png", body: picture(320, 200)})
}

func inlinePicture(came time.Time) []byte {
	html := `<p>Hi there, which of your colours is this one?</p><p><img src="cid:colour@adeyemi.example" alt="a colour" width="120"></p><p>Paul</p>`
	return compose(came, "inline-picture", "related", "Paul Adeyemi <paul@adeyemi.example>", "Which colour is this?",
		part{contentType: "text/html; charset=utf-8", body: []byte(html)},
		part{contentType: "image/png", name: "colour.png", contentID: "colour@adeyemi.example", inline: true, body: picture(120, 120)})
}

func virusInNestedZip(came time.Time) []byte {
	inner := archive(file{"scan.com", testVirus()})
	outer := archive(file{"readme.txt", []byte("The scan is in the other file.\r\n")}, file{"documents/scan.zip", inner})
	return compose(came, "virus-in-nested-zip", "mixed", "Order Desk <orders@strange-place.example>", "Scanned order 8841",
		text("Please find our order enclosed."), part{contentType: "application/zip", name: "order-8841.zip", body: outer})
}

func doubleExtension(came time.Time) []byte {
	return compose(came, "double-extension", "mixed", "Order Desk <orders@strange-place.example>", "Reminder: unpaid invoice",
		text("Our invoice is attached, please pay it by tomorrow."),
		part{contentType: "application/pdf", name: "invoice.pdf.exe", body: program()})
}

func encryptedZip(came time.Time) []byte {
	return compose(came, "encrypted-zip", "mixed", "R. Klein <r.klein@postbox.example>", "Contract, password follows by phone",
		text("Dear Sir or Madam,", "", "the signed contract is in the file. I will tell you the password by phone.", "", "R. Klein"),
		part{contentType: "application/zip", name: "contract.zip", body: lockedArchive("contract.pdf")})
}

func macroDocument(came time.Time) []byte {
	return compose(came, "macro-document", "mixed", "Purchasing <bulk@cheap-relay.example>", "Purchase order, please enable content",
		text("Open the document and click Enable Content to see our order."),
		part{contentType: "application/vnd.ms-word.document.macroEnabled.12", name: "purchase-order.docm", body: documentWithMacro()})
}

func winmail(came time.Time) []byte {
	return compose(came, "winmail-dat", "mixed", "Accounts <accounts@old-office.example>", "Statement of account",
		text("Please find our statement attached.", "", "Accounts department"),
		part{contentType: "application/ms-tnef", name: "winmail.dat", body: tnef("statement.txt", []byte("Open items: none.\r\n"))})
}

func twentyMegabytes(came time.Time) []byte {
	// In base64 it comes to a little over 20 MB.
	return compose(came, "twenty-megabytes", "mixed", "Sven Holm <sven.holm@postbox.example>", "The noise that my bike makes (video)",
		text("Hi,", "", "you asked for a recording of the noise. Sorry that it is so long!", "", "Sven"),
		part{contentType: "video/mp4", name: "noise.mp4", body: video(15 << 20)})
}

// japaneseMail is in ISO-2022-JP (RFC 1468), as many Japanese mail programs write.
func japaneseMail(came time.Time) []byte {
	encode := func(s string) string {
		encoded, err := japanese.ISO2022JP.NewEncoder().String(s)
		if err != nil {
			return ""
		}
		return encoded
	}
	word := func(s string) string {
		return "=?ISO-2022-JP?B?" + base64.StdEncoding.EncodeToString([]byte(encode(s))) + "?="
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "From: %s <info@hayashi-cycle.example>\r\nTo: %s\r\nSubject: %s\r\nDate: %s\r\n",
		word("林 健太"), recipient, word("部品の在庫について"), date(came))
	b.WriteString("Message-ID: <stock-552@hayashi-cycle.example>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=ISO-2022-JP\r\nContent-Transfer-Encoding: 7bit\r\n\r\n")
	for _, line := range []string{"お世話になっております。", "ケストレルの後輪ハブの在庫はありますか。", "二個購入したいと考えています。", "", "林自転車店　林 健太"} {
		b.WriteString(encode(line) + "\r\n")
	}
	return b.Bytes()
}

// malformed is what a broken device sends: bare line feeds, an address and an encoded
// word without end, a date that is none, a boundary that never comes, bytes of no charset.
func malformed(came time.Time) []byte {
	return []byte("From: Office Printer <printer@macleod.example\r\n" +
		"X-Device: \xff\xfe 5000\r\n" +
		"To: support@brightwater.example,,\r\n" +
		"Subject: =?utf-8?B?U2NhbiBmcm9tIHRoZSBwcmludGVy?\r\n" +
		"Date: the day before yesterday\r\n" +
		"Content-Type: multipart/mixed; boundary=\"never\r\n" +
		"\r\n" +
		"--never\n" +
		"Content-Type: text/plain; charset=x-unheard-of\n" +
		"Content-Transfer-Encoding: quoted-printable\n" +
		"\n" +
		"Scan 1 of 2=ZZ \xff\xfe caf\xe9\n" +
		"--never\n" +
		"Content-Type: image/png\n" +
		"Content-Transfer-Encoding: base64\n" +
		"\n" +
		"iVBORw0KGgo***not base64***\n")
}
