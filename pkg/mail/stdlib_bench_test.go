package mail_test

import (
	"bytes"
	"encoding/base64"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	netmail "net/mail"
	"strings"
	"testing"
)

// The same work by the standard library, as far as it goes: it gives up on what
// it does not understand.
func BenchmarkStandardLibraryRealMails(b *testing.B) {
	var mails [][]byte
	size := 0
	eachMail(b, "real", func(_ string, raw []byte) { mails = append(mails, raw); size += len(raw) })
	b.SetBytes(int64(size / len(mails)))
	b.ReportAllocs()
	failed := 0
	for i := 0; b.Loop(); i++ {
		if standardRead(mails[i%len(mails)]) != nil && i < len(mails) {
			failed++
		}
	}
	b.ReportMetric(float64(failed), "refused")
}

func standardRead(raw []byte) error {
	m, err := netmail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return err
	}
	for _, name := range []string{"From", "To", "Cc"} {
		m.Header.AddressList(name) //nolint:errcheck // many are refused
	}
	new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject")) //nolint:errcheck // so are these
	return standardBody(m.Header.Get("Content-Type"), m.Header.Get("Content-Transfer-Encoding"), m.Body)
}

func standardBody(contentType, encoding string, body io.Reader) error {
	mediaType, params, err := mime.ParseMediaType(contentType)
	if err == nil && strings.HasPrefix(mediaType, "multipart/") {
		parts := multipart.NewReader(body, params["boundary"])
		for {
			part, err := parts.NextRawPart()
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return err
			}
			if err := standardBody(part.Header.Get("Content-Type"), part.Header.Get("Content-Transfer-Encoding"), part); err != nil {
				return err
			}
		}
	}
	switch strings.ToLower(encoding) {
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	}
	_, err = io.ReadAll(body)
	return err
}
