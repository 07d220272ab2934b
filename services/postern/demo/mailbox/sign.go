package mailbox

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// selector names the demonstration's key in the DNS.
const selector = "demo"

// signedFields are the header fields that a signature covers. (RFC 6376 §5.4.1)
var signedFields = []string{"From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type"}

// sign gives the DKIM-Signature field (RFC 6376) that domain puts over a message:
// rsa-sha256, simple canonicalization of header and body, so that every byte
// counts as it stands.
func sign(message []byte, domain string, key *rsa.PrivateKey) (string, error) {
	header, body, found := bytes.Cut(message, []byte("\r\n\r\n"))
	if !found {
		return "", errors.New("no end of the header")
	}
	// RFC 6376 §3.4.3: exactly one line end at the end of the body.
	body = append(bytes.TrimRight(body, "\r\n"), '\r', '\n')
	bodyHash := sha256.Sum256(body)

	fields := unfolded(string(header))
	var names []string
	digest := sha256.New()
	for _, name := range signedFields {
		if field, ok := fields[strings.ToLower(name)]; ok {
			names = append(names, name)
			fmt.Fprint(digest, field)
		}
	}
	field := fmt.Sprintf("DKIM-Signature: v=1; a=rsa-sha256; c=simple/simple; d=%s; s=%s;\r\n\th=%s;\r\n\tbh=%s;\r\n\tb=",
		domain, selector, strings.Join(names, ":"), base64.StdEncoding.EncodeToString(bodyHash[:]))
	fmt.Fprint(digest, field) // with an empty b= and no line end: RFC 6376 §3.7
	signature, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest.Sum(nil))
	if err != nil {
		return "", err
	}
	return field + base64.StdEncoding.EncodeToString(signature) + "\r\n", nil
}

// unfolded gives each header field as it stands, with its line end, by its name in
// lower case. The last of several counts, as for a verifier. (RFC 6376 §5.4.2)
func unfolded(header string) map[string]string {
	fields := map[string]string{}
	name := ""
	for line := range strings.SplitSeq(header, "\r\n") {
		if line != "" && (line[0] == ' ' || line[0] == '\t') {
			fields[name] += line + "\r\n"
			continue
		}
		name, _, _ = strings.Cut(strings.ToLower(line), ":")
		fields[name] = line + "\r\n"
	}
	return fields
}
