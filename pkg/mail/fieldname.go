package mail

import (
	"bytes"
	"strings"
)

// fieldName gives what stands before the colon, trailing white space included
// (RFC 5322 §4.5), where that is printable and not too long to be a name.
func fieldName(line []byte) ([]byte, bool) {
	i := bytes.IndexByte(line[:min(len(line), 128)], ':')
	if i <= 0 {
		return nil, false
	}
	name := line[:i]
	for _, c := range bytes.TrimRight(name, " \t") {
		if c <= ' ' || c >= 0x7f {
			return nil, false
		}
	}
	return name, true
}

// isLostParameter says whether a line looks like a parameter, not like a field.
func isLostParameter(line []byte) bool {
	name, _, ok := bytes.Cut(line[:min(len(line), 40)], []byte("="))
	if !ok {
		return false
	}
	switch strings.ToLower(strings.TrimRight(string(name), "*0123456789")) {
	case "boundary", "name", "filename", "charset", "type", "report-type", "protocol", "micalg", "format":
		return true
	}
	return false
}

// isMboxFrom says whether a line is the separator of an mbox file. A From field with white space
// before its colon (RFC 5322 §4.5) is none.
func isMboxFrom(line []byte) bool {
	rest, ok := bytes.CutPrefix(bytes.TrimPrefix(line, []byte(">")), []byte("From "))
	return ok && !bytes.HasPrefix(bytes.TrimLeft(rest, " \t"), []byte(":"))
}

var commonNames = func() map[string]string {
	m := map[string]string{}
	for _, n := range strings.Fields(`From To Cc Bcc Subject Date Message-ID Message-Id Sender Reply-To Received
		Return-Path Delivered-To MIME-Version Mime-Version Content-Type Content-type Content-Transfer-Encoding
		Content-Disposition Content-ID Content-Id Content-Description Content-Language Content-Location
		In-Reply-To References DKIM-Signature Authentication-Results Received-SPF ARC-Seal
		ARC-Message-Signature ARC-Authentication-Results List-Id List-ID List-Unsubscribe List-Post List-Help
		List-Subscribe List-Archive List-Owner List-Unsubscribe-Post Precedence Auto-Submitted X-Mailer
		X-Priority Importance Errors-To User-Agent Thread-Topic Thread-Index Feedback-ID X-Spam-Status
		X-Original-To X-Received Disposition-Notification-To Original-Recipient Resent-From Resent-To
		Resent-Date Resent-Message-ID Lines Status X-Status X-UID Envelope-To Delivery-Date Organization
		Keywords Comments Priority Encoding Autocrypt Return-Receipt-To X-Loop`) {
		m[n] = n
	}
	return m
}()

var knownNames = func() map[string]bool {
	m := map[string]bool{}
	for n := range commonNames {
		m[strings.ToLower(n)] = true
	}
	return m
}()

// internName gives the name as a string, without a copy for the common ones.
func internName(b []byte) string {
	if n, ok := commonNames[string(b)]; ok {
		return n
	}
	return string(b)
}

// isKnownField says whether a name is one that mail carries: what follows a
// line that is no field is header only where this is so.
func isKnownField(name []byte) bool {
	name = bytes.TrimRight(name, " \t")
	if len(name) > 2 && bytes.EqualFold(name[:2], []byte("x-")) {
		return true
	}
	if len(name) > 8 && bytes.EqualFold(name[:8], []byte("content-")) {
		return true
	}
	return knownNames[strings.ToLower(string(name))]
}

// isStructural says whether a field decides how the body is read.
func isStructural(name string) bool {
	return sameName(name, "Content-Type") || sameName(name, "Content-Transfer-Encoding") ||
		sameName(name, "Content-Disposition") || sameName(name, "MIME-Version")
}

// holdsEncodingName says whether a name holds that of the transfer encoding, and more.
func holdsEncodingName(name string) bool {
	const wanted = "content-transfer-encoding"
	return len(name) > len(wanted) && strings.Contains(strings.ToLower(name), wanted)
}

// isIdentityWord says whether a transfer encoding is one that changes nothing.
func isIdentityWord(value string) bool {
	switch strings.ToLower(value) {
	case "", "7bit", "8bit", "binary":
		return true
	}
	return false
}

// isPlainName says whether a name has only letters, digits and hyphens, as all that matter have.
func isPlainName(name []byte) bool {
	for _, c := range name {
		if onlyPlain(rune(c)) < 0 {
			return false
		}
	}
	return true
}

func onlyPlain(r rune) rune {
	if r == '-' || r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' {
		return r
	}
	return -1
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' }

// hasControl says whether control characters other than those of folding stand in a value.
func hasControl(b []byte) bool {
	for _, c := range b {
		if c < ' ' && c != '\t' && c != '\r' && c != '\n' && c != 0 || c == 0x7f {
			return true
		}
	}
	return false
}

// hasBareCR says whether a carriage return stands within a line. Several of
// them before a line feed are one line end.
func hasBareCR(b []byte) bool {
	for {
		i := bytes.IndexByte(b, '\r')
		if i < 0 {
			return false
		}
		for i < len(b) && b[i] == '\r' {
			i++
		}
		if i < len(b) && b[i] != '\n' {
			return true
		}
		b = b[i:]
	}
}
