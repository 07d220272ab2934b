// Package mail reads Internet messages (RFC 5322, RFC 2045-2049, RFC 2047,
// RFC 2231, RFC 6532). It is total: every byte sequence is a message, and what
// is wrong with it is a list of named defects, never an error that loses the
// mail. It neither fetches, verifies nor judges: it says what is there.
//
// Parse keeps slices of its input; the input must not change while a Message
// is in use.
package mail

import (
	"slices"
	"time"
)

// A Message is one message, read. It is immutable after Parse.
type Message struct {
	Raw    []byte
	Header Header // the header of the message itself, in the order it stands
	Root   *Part  // the body; never nil

	From      []Address
	Sender    []Address
	ReplyTo   []Address
	To        []Address
	Cc        []Address
	Subject   string    // decoded, unfolded
	Date      time.Time // zero where absent or unreadable
	DateText  string    // the Date field as it stands, unfolded
	MessageID string    // without angle brackets
	InReplyTo string
	Refs      []string // References, oldest first
	Kind      Kind

	// CharsetIssues counts the places where bytes did not fit the charset that
	// was declared for them, or it was unknown.
	CharsetIssues int
	Defects       []Defect // in the order found, one a code and part path

	steps []step // what was opened in it, for Pack
}

// A Kind says what sort of sender made a message, by its headers alone.
type Kind string

const (
	Person    Kind = "person"
	List      Kind = "list"       // RFC 2369, RFC 2919
	AutoReply Kind = "auto_reply" // RFC 3834
	Bounce    Kind = "bounce"     // RFC 3464
	Receipt   Kind = "receipt"    // RFC 8098
	Report    Kind = "report"     // RFC 6591, RFC 7489 §7.2, TLSRPT
	Calendar  Kind = "calendar"   // RFC 5545 carried by RFC 6047
)

// An Address is one mailbox of an address list.
type Address struct {
	Name  string // display name, decoded
	Addr  string // local@domain as it stands, comments and white space removed
	Group string // the group that it stood in, "" for none
}

// A Header is the fields of one header, in the order they stand.
type Header []Field

// A Field is one header field.
type Field struct {
	Name  string // as written, without the colon
	Raw   []byte // the whole field with name, colon, folding and its line end
	Value []byte // what follows the colon, as it stands, without the last line end
}

// A Part is one node of the MIME tree. Multipart containers and message/rfc822
// are parts too.
type Part struct {
	Path        string // section number as in IMAP (RFC 9051 §6.4.5), "1", "1.2"; "" for a multipart root
	Header      Header
	Type        string // media type, lower case, "text/plain" where none is declared
	Params      map[string]string
	Charset     string   // as declared, lower case; "" where none is
	Encoding    string   // transfer encoding, lower case, "7bit" where none is declared
	Disposition string   // "inline", "attachment" or ""
	Filename    string   // decoded (RFC 2231, RFC 2047), never cleaned; "" for none
	ContentID   string   // without angle brackets
	Raw         []byte   // header and body as they stand
	RawBody     []byte   // the body as it stands, still encoded
	Content     []byte   // the body decoded from its transfer encoding; nil for multiparts
	Children    []*Part  // parts of a multipart, in order; files unpacked from the part
	Message     *Message // of a message/rfc822 or message/global part
	Ambiguous   []string // codes of why two honest readers could disagree about this part

	// Origin is "" for a part that stands in the message as MIME. A file that was
	// unpacked from the body of its parent says from which format: "uuencode",
	// "yenc" or "tnef". It has no IMAP section: its Path is that of its parent,
	// "#" and a number.
	Origin string
	// Opened is what encrypted content of the part held, where somebody had the key,
	// and what stands within a signature
	// (see Message.Open). Its paths are numbered as if the part were a message.
	// Unopened are codes of why encrypted content stays closed, none where it was not
	// tried or all was opened.
	Opened    []*Part
	Unopened  []string
	Encrypted bool   // of an opened part: it was; what stands within a signature was not
	Proof     []byte // of an opened part: OpenPGP signatures over Raw that came with it

	Preamble []byte // of a multipart: what stands before the first boundary
	Epilogue []byte // of a multipart: what stands after the last one

	cutText []span // where files stood in the text, not to be shown as text
}

// A Defect is one thing that is wrong with a message.
type Defect struct {
	Code string // lower_snake_case, names the property: "conflicting_content_type"
	Path string // the part it was found in, "" for the message itself
}

// OfFields says whether the defect is one of a message's fields, its own or an embedded
// message's, and not of its structure.
func (d Defect) OfFields() bool {
	return slices.Contains(fieldDefects, d.Code)
}

var fieldDefects = []string{
	"missing_from", "empty_from", "multiple_from", "missing_date", "bad_date", "reference_limit", "address_limit",
	"duplicate_subject", "duplicate_date", "duplicate_message_id", "duplicate_in_reply_to", "duplicate_references",
	"duplicate_sender", "duplicate_reply_to", "duplicate_to", "duplicate_cc",
}
