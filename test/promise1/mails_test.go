package promise1

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
)

// maxSize is the largest mail that these tests have taken.
const maxSize = 512 << 10

// The mails of one run, by what they try.
var (
	plain     = letter("Where is my order", "text/plain; charset=utf-8", "I have been waiting for two weeks.\r\n")
	personal  = letter("Please refund me", "text/plain; charset=utf-8", "My card is 4111 1111 1111 1111 and my account DE89 3704 0044 0532 0130 00.\r\n")
	withFile  = letter("A picture", `multipart/mixed; boundary="b"`, attached())
	malformed = []byte("From customer\r\nSubject: =?utf-8?q?broken\r\nContent-Type: multipart/mixed; boundary=\"x\"\r\n\r\n--x\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!not base64\r\n--y\r\n")
	// crooked has a header that every server gives back as it came.
	crooked = []byte("From: customer\r\nSubject: =?utf-8?q?broken\r\nContent-Type: multipart/mixed; boundary=\"x\"\r\n\r\n--x\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!not base64\r\n--y\r\n")
	// lengthy is streamed in, and its view is too large to ride in the record.
	lengthy = letter("A long story", "text/plain; charset=utf-8", strings.Repeat("It rained again, and nobody came to open the gate for us.\r\n", 5500))
	// oversize is set aside with its headers.
	oversize = letter("Too much", "text/plain; charset=utf-8", strings.Repeat("All work and no play makes a mail too large to be taken in.\r\n", 10000))

	mixed = [][]byte{plain, withFile, personal, malformed, lengthy, oversize}
)

func letter(subject, kind, body string) []byte {
	return fmt.Appendf(nil, "Received: from mail.postbox.example (mail.postbox.example [198.51.100.25])\r\n"+
		"\tby mx.brightwater.example with ESMTPS id 4F00; Mon, 2 Nov 2026 10:00:00 +0000\r\n"+
		"From: Marge Okafor <marge@postbox.example>\r\nTo: support@brightwater.example\r\n"+
		"Subject: %s\r\nDate: Mon, 2 Nov 2026 09:59:00 +0000\r\nMessage-ID: <%x@postbox.example>\r\n"+
		"MIME-Version: 1.0\r\nContent-Type: %s\r\n\r\n%s", subject, subject, kind, body)
}

func attached() string {
	pixel, _ := base64.StdEncoding.DecodeString("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")
	var b bytes.Buffer
	b.WriteString("--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nSee the picture.\r\n")
	b.WriteString("--b\r\nContent-Type: image/png\r\nContent-Disposition: attachment; filename=\"dent.png\"\r\nContent-Transfer-Encoding: base64\r\n\r\n")
	b.WriteString(base64.StdEncoding.EncodeToString(pixel))
	b.WriteString("\r\n--b--\r\n")
	return b.String()
}
