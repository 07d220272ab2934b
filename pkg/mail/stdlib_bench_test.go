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

	gomail "github.com/emersion/go-message/mail"
)

// The same work by the standard library, as far as it goes: it gives up on what
// it does not understand.
func BenchmarkStandardLibraryRealMails(b *testing.B) {
	mails, size := realMails(b)
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

// The same by go-message, which decodes character sets too.
func BenchmarkGoMessageRealMails(b *testing.B) {
	mails, size := realMails(b)
	b.SetBytes(int64(size / len(mails)))
	b.ReportAllocs()
	failed := 0
	for i := 0; b.Loop(); i++ {
		if goMessageRead(mails[i%len(mails)]) != nil && i < len(mails) {
			failed++
		}
	}
	b.ReportMetric(float64(failed), "refused")
}

func goMessageRead(raw []byte) error {
	r, err := gomail.CreateReader(bytes.NewReader(raw))
	if r == nil {
		return err
	}
	defer r.Close()
	for _, name := range []string{"From", "To", "Cc"} {
		r.Header.AddressList(name) //nolint:errcheck // as above
	}
	r.Header.Subject() //nolint:errcheck // as above
	for {
		part, err := r.NextPart()
		if err == io.EOF {
			return nil
		}
		if part == nil {
			return err
		}
		if _, err := io.ReadAll(part.Body); err != nil {
			return err
		}
	}
}

// realMails gives the corpora's mails as a server would, without the mailbox file's separator,
// which the other readers refuse.
func realMails(b *testing.B) (mails [][]byte, size int) {
	eachMail(b, "real", func(_ string, raw []byte) {
		if bytes.HasPrefix(raw, []byte("From ")) {
			_, raw, _ = bytes.Cut(raw, []byte("\n"))
		}
		mails = append(mails, raw)
		size += len(raw)
	})
	return mails, size
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
