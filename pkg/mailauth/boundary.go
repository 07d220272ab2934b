package mailauth

import (
	"net/netip"
	"strings"

	"github.com/postern-mail/postern/pkg/mail"
	"github.com/postern-mail/postern/pkg/mailauth/authres"
	"github.com/postern-mail/postern/pkg/mailauth/dkim"
	"github.com/postern-mail/postern/pkg/mailauth/dns"
)

// A boundary is the place in the header above which our own servers wrote.
type boundary struct {
	index    int    // of the Received field of our server, -1 for none
	line     string // that field, unfolded
	envelope Envelope
	results  []authres.Result // of our own servers, above the boundary
	forged   bool             // results in our name stand below the boundary
}

// localNames is how filters on a server name the host that they run on.
var localNames = []string{"localhost", "localhost.localdomain"}

// maxReceived bounds the Received lines that are looked through.
const maxReceived = 100

// findBoundary finds the topmost Received line that one of our servers wrote, and
// what it and the lines above it say of the SMTP session. Where that server took the
// message from itself over loopback nothing is known of the session: whoever can hand it
// mail there could have written every line below. Only with TrustFilter, where nobody
// but a filter can, the next line that the server wrote is its own too, with the
// filter's own line between at most. What the options give goes before all of it.
func findBoundary(header mail.Header, options Options) boundary {
	b := boundary{index: -1, envelope: Envelope{Source: FromNowhere}}
	var hop received
	seen, between := 0, 0
	for i := range header {
		if len(options.TrustMX) == 0 || !dkim.Is(&header[i], "received") {
			continue
		}
		if seen++; seen > maxReceived {
			break
		}
		candidate := parseReceived(string(header[i].Value))
		if !oneOf(candidate.by, options.TrustMX) {
			if b.index < 0 {
				if saysBy(string(header[i].Value), options.TrustMX) {
					break // ours, spoiled by what its client said: lines below can be anybody's
				}
				continue
			}
			if between++; between == 1 && oneOf(candidate.by, localNames) {
				continue // the filter's own line
			}
			break // the server handed it to itself, and this is not its line
		}
		between = 0
		b.index, b.line, hop = i, unfold(string(header[i].Value)), candidate
		if !hop.client.IsLoopback() || !options.TrustFilter {
			break
		}
	}
	if b.index >= 0 && !hop.client.IsLoopback() {
		b.envelope = sessionOf(header, b.index, hop)
	}
	b.readResults(header, options.TrustAuthserv)
	if options.ClientIP.IsValid() {
		b.envelope.ClientIP, b.envelope.Source = options.ClientIP.Unmap(), FromFlag
	}
	if options.Helo != "" {
		b.envelope.Helo = options.Helo
	}
	if options.MailFrom != "" {
		b.envelope.MailFrom = options.MailFrom
		if b.envelope.MailFrom != "<>" {
			b.envelope.MailFrom = strings.Trim(b.envelope.MailFrom, "<>")
		}
	}
	return b
}

// sessionOf reads the session from the boundary line, and the envelope sender
// from Return-Path or Received-SPF above it, or from the line itself.
func sessionOf(header mail.Header, boundary int, hop received) Envelope {
	session := Envelope{ClientIP: hop.client, Helo: hop.helo, MailFrom: hop.mailFrom, Source: FromReceived}
	for i := 0; i < boundary; i++ {
		value := unfold(string(header[i].Value))
		switch {
		case dkim.Is(&header[i], "return-path"):
			if path, ok := reversePath(value); ok {
				session.MailFrom = path
			}
		case dkim.Is(&header[i], "received-spf"):
			said := receivedSPF(value)
			if !session.ClientIP.IsValid() {
				session.ClientIP = said.ClientIP
			}
			if session.Helo == "" {
				session.Helo = said.Helo
			}
			if session.MailFrom == "" {
				session.MailFrom = said.MailFrom
			}
		}
	}
	if !session.ClientIP.IsValid() {
		session.Source = FromNowhere
	}
	return session
}

// saysBy reports whether a line names one of the hosts after the word by, wherever that stands: what
// a client says of itself is copied into the line, and can take the rest of it out of its place.
func saysBy(value string, hosts []string) bool {
	words := strings.Fields(value)
	for i := 0; i+1 < len(words); i++ {
		if strings.EqualFold(words[i], "by") && oneOf(strings.Trim(words[i+1], "();,"), hosts) {
			return true
		}
	}
	return false
}

// maxResults bounds the Authentication-Results fields that are read.
const maxResults = 50

// readResults believes the results that stand above the boundary under one of our
// names (RFC 8601 §5, §7.1). Below it anybody could have written them.
func (b *boundary) readResults(header mail.Header, trusted []string) {
	seen := 0
	for i := range header {
		if len(trusted) == 0 || !dkim.Is(&header[i], "authentication-results") {
			continue
		}
		if seen++; seen > maxResults {
			return
		}
		found, err := authres.Parse(string(header[i].Value))
		switch ours := oneOf(found.ID, trusted); {
		case ours && b.index < 0: // where we wrote is not known, so nothing can be told
		case ours && i > b.index:
			b.forged = true
		case ours && err == nil:
			b.results = append(b.results, found.Results...)
		}
	}
}

// reversePath reads <path>, "<>" for the null sender (RFC 5321 §4.4).
func reversePath(value string) (string, bool) {
	value = strings.TrimSpace(value)
	if !strings.HasPrefix(value, "<") || !strings.HasSuffix(value, ">") {
		return "", false
	}
	if value == "<>" {
		return value, true
	}
	path := value[1 : len(value)-1]
	return path, strings.Count(path, "<") == 0 && strings.LastIndexByte(path, '@') > 0
}

// receivedSPF reads the key-value pairs of a Received-SPF field (RFC 7208 §9.1).
func receivedSPF(value string) Envelope {
	var said Envelope
	for _, pair := range strings.FieldsFunc(outsideComments(value), func(r rune) bool { return r == ';' || r == ' ' || r == '\t' }) {
		key, text, found := strings.Cut(pair, "=")
		if !found {
			continue
		}
		text = strings.Trim(text, `"`)
		switch strings.ToLower(key) {
		case "client-ip":
			if ip, err := netip.ParseAddr(text); err == nil && ip.Zone() == "" {
				said.ClientIP = ip.Unmap()
			}
		case "helo":
			said.Helo = text
		case "envelope-from":
			if text = strings.Trim(text, `<>"`); text == "" {
				text = "<>"
			}
			said.MailFrom = text
		}
	}
	return said
}

// oneOf reports whether a host is in a list, in any case and with or without a
// trailing dot. The empty name is in none.
func oneOf(name string, list []string) bool {
	name = dns.Clean(name)
	if name == "" {
		return false
	}
	for _, item := range list {
		if dns.Clean(item) == name {
			return true
		}
	}
	return false
}

var lineEnds = strings.NewReplacer("\r\n", "", "\n", "")

func unfold(value string) string {
	return strings.TrimSpace(lineEnds.Replace(value))
}
