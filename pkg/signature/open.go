package signature

import (
	"bytes"
	"context"
	"path"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/postern-mail/postern/pkg/mail"
)

// OpenLimits bound what opening one message may cost. A zero field takes its value
// from DefaultOpenLimits.
type OpenLimits struct {
	Pieces int           // encrypted pieces that are tried
	Layers int           // encrypted or signed pieces inside one another
	Bytes  int64         // that is unpacked from all pieces together
	Tries  int           // uses of a private key
	Time   time.Duration // for unpacking
}

// DefaultOpenLimits hold what people send. A compression bomb ends at Bytes.
var DefaultOpenLimits = OpenLimits{Pieces: 50, Layers: 3, Bytes: 64 << 20, Tries: 200, Time: 20 * time.Second}

func (l OpenLimits) withDefaults() OpenLimits {
	d := DefaultOpenLimits
	for _, f := range []struct{ have, want *int }{{&l.Pieces, &d.Pieces}, {&l.Layers, &d.Layers}, {&l.Tries, &d.Tries}} {
		if *f.have <= 0 {
			*f.have = *f.want
		}
	}
	if l.Bytes <= 0 {
		l.Bytes = d.Bytes
	}
	if l.Time <= 0 {
		l.Time = d.Time
	}
	return l
}

// Codes of why an encrypted piece stays closed. pkg/attachment explains them and
// says what they amount to.
const (
	StaysClosed   = "encrypted_message"             // nobody here has the key
	Damaged       = "encrypted_message_damaged"     // changed or cut on its way, or no message at all
	NoIntegrity   = "encrypted_message_unprotected" // anybody could have changed it unseen
	UnknownMeans  = "encrypted_message_unknown"     // by means that are not known here
	TooManyPieces = "members_limit"
	TooManyLayers = "depth_limit"
	TooManyBytes  = "size_limit"
	TooMuchTime   = "time_limit"
)

// WithoutIntegrity is said of a piece that was opened though nothing shows that it is as it was encrypted:
// S/MIME with CBC (RFC 8551 §6, "Efail"), which is what most programs send.
const WithoutIntegrity = "encryption_without_integrity"

// A Piece is what was encrypted in a message, and what became of it.
type Piece struct {
	Path   string `json:"path"` // section of the part that held it
	Kind   Kind   `json:"kind"`
	Opened bool   `json:"opened"`
	Key    string `json:"key"`    // fingerprint of our key or certificate that opened it, hex
	Reason string `json:"reason"` // why it stays closed, or what an opened one lacks
}

// Open gives the message with what is encrypted in it opened, as far as a private
// key is among the keys, and what became of each piece: OpenPGP (RFC 9580) in
// PGP/MIME (RFC 3156 §4), as blocks in text, and as files; S/MIME (RFC 8551 §3.3,
// §3.4). Of an OpenPGP piece whose integrity is not proven to its last byte nothing
// is given. Content that stands within an S/MIME signature (RFC 8551 §3.5.2) takes no
// key and is opened likewise. The message that is given stays as it is.
func Open(ctx context.Context, msg *mail.Message, keys Keys, limits OpenLimits, parse mail.Limits) (*mail.Message, []Piece) {
	limits = limits.withDefaults()
	ctx, cancel := context.WithTimeout(ctx, limits.Time)
	defer cancel()
	o := &opener{ctx: ctx, keys: keys.private(), smime: keys.pairs(), limits: limits, left: limits.Bytes}
	for {
		o.found, o.pieceOf = nil, nil
		o.look(msg.Root, 0)
		if len(o.found) == 0 {
			return msg, o.pieces
		}
		msg = msg.Open(o.found, parse) // what was found is marked there, so this ends
		for i, opening := range o.found {
			if at := o.pieceOf[i]; at >= 0 && opening.Refused != "" {
				o.pieces[at] = Piece{Path: o.pieces[at].Path, Kind: o.pieces[at].Kind, Reason: opening.Refused}
			}
		}
	}
}

// Encrypted tells whether Open would have anything to open in a message, which costs more memory than
// to look.
func Encrypted(msg *mail.Message) bool {
	o := &opener{looks: true, limits: DefaultOpenLimits}
	o.look(msg.Root, 0)
	return o.tried > 0
}

// An opener opens the pieces of one message.
type opener struct {
	looks  bool // and opens nothing
	ctx    context.Context
	keys   []privateKey
	smime  []pair
	limits OpenLimits
	left   int64 // bytes that may still be unpacked
	tries  int
	tried  int // pieces
	pieces []Piece

	found   []mail.Opening
	pieceOf []int // the piece of each opening, -1 for what is signed and not encrypted
}

// look opens every piece in a part that was not tried yet.
func (o *opener) look(part *mail.Part, layer int) {
	if !tried(part) && !part.IsMultipart() && part.Message == nil {
		o.leaf(part, layer)
	}
	for i, child := range part.Children {
		if i > 0 && part.Children[i-1].Type == "application/pgp-encrypted" && !tried(child) && isPGP(child.Content) {
			// RFC 3156 §4. Servers that make another container of it leave the two parts.
			o.open(child, layer, OpenPGP, mail.Opening{Form: mail.Entity}, child.Content)
			continue
		}
		o.look(child, layer)
	}
	for _, opened := range part.Opened {
		o.look(opened, layer+1)
	}
	if part.Message != nil {
		o.look(part.Message.Root, layer)
	}
}

func tried(part *mail.Part) bool { return len(part.Opened)+len(part.Unopened) > 0 }

func (o *opener) leaf(part *mail.Part, layer int) {
	if part.Type == "text/plain" && part.Filename == "" && part.Disposition != "attachment" {
		for _, block := range blocks(part.Content) {
			o.open(part, layer, OpenPGP, mail.Opening{Form: mail.Words, Start: block[0], End: block[1]}, part.Content[block[0]:block[1]])
		}
		return
	}
	extension := strings.ToLower(path.Ext(part.Filename))
	switch {
	case part.Type == "application/pkcs7-mime" || part.Type == "application/x-pkcs7-mime" || extension == ".p7m":
		o.cms(part, layer)
		return
	case extension == ".pgp" || extension == ".gpg" || extension == ".asc":
	default:
		extension = ""
	}
	if isPGP(part.Content) && (isArmored(part.Content) || extension == ".pgp" || extension == ".gpg" || part.Type == "application/pgp-encrypted") {
		o.open(part, layer, OpenPGP, mail.Opening{Form: mail.File, Filename: part.Filename[:len(part.Filename)-len(extension)]}, part.Content)
	}
}

// cms opens what an S/MIME part holds: encrypted, or within its signature.
func (o *opener) cms(part *mail.Part, layer int) {
	switch {
	case isEnveloped(part.Content):
		o.open(part, layer, SMIME, mail.Opening{Form: mail.Entity}, part.Content)
	case isOpaque(part):
		if o.looks {
			o.tried++
			return
		}
		data, err := parseSignedData(part.Content)
		if err != nil || !data.attached || len(data.signers) == 0 || !isEntity(data.content) {
			return // it stays a file
		}
		opening := mail.Opening{Part: part, Form: mail.Entity, Content: data.content}
		if layer >= o.limits.Layers {
			opening = mail.Opening{Part: part, Refused: TooManyLayers}
		}
		o.found, o.pieceOf = append(o.found, opening), append(o.pieceOf, -1)
	}
}

// open tries one piece and notes what became of it.
func (o *opener) open(part *mail.Part, layer int, kind Kind, opening mail.Opening, source []byte) {
	opening.Part, opening.Encrypted = part, true
	piece := Piece{Path: part.Path, Kind: kind}
	o.tried++
	switch {
	case o.looks:
		return
	case layer >= o.limits.Layers:
		opening.Refused = TooManyLayers
	case o.tried > o.limits.Pieces:
		opening.Refused = TooManyPieces
	case kind == SMIME:
		opening.Refused = o.readCMS(source, &opening, &piece)
	default:
		opening.Refused = o.read(source, &opening, &piece)
	}
	if opening.Refused != "" { // nothing of what was read so far gets out
		opening = mail.Opening{Part: part, Refused: opening.Refused}
		piece.Key, piece.Reason = "", opening.Refused
	}
	piece.Opened = opening.Refused == ""
	o.found, o.pieceOf = append(o.found, opening), append(o.pieceOf, len(o.pieces))
	o.pieces = append(o.pieces, piece)
}

var (
	armorStart = []byte("-----BEGIN PGP MESSAGE-----")
	armorEnd   = []byte("-----END PGP MESSAGE-----")
)

// blocks finds the armored messages in a text (RFC 9580 §6.2): from and to.
func blocks(text []byte) (found [][2]int) {
	for at := 0; ; {
		start := bytes.Index(text[at:], armorStart)
		if start < 0 {
			return found
		}
		start += at
		at = start + len(armorStart)
		if start > 0 && text[start-1] != '\n' && text[start-1] != '\r' {
			continue
		}
		end := bytes.Index(text[at:], armorEnd)
		if end < 0 {
			return found
		}
		at += end + len(armorEnd)
		found = append(found, [2]int{start, at})
	}
}

func isArmored(content []byte) bool { return bytes.HasPrefix(bytes.TrimSpace(content), armorStart) }

// isPGP tells one encrypted OpenPGP message: armored with nothing around it, or by
// its first packet (RFC 9580 §10.3).
func isPGP(content []byte) bool {
	if isArmored(content) {
		return bytes.Count(content, armorStart) == 1 && bytes.HasSuffix(bytes.TrimSpace(content), armorEnd)
	}
	if len(content) < 2 || content[0]&0x80 == 0 {
		return false
	}
	tag := content[0] >> 2 & 0x0f
	if content[0]&0x40 != 0 {
		tag = content[0] & 0x3f
	}
	switch tag {
	case 1, 3, 9, 18, 20:
		return true
	}
	return false
}

// isEntity tells whether what was opened begins as a MIME entity does: with a header field (RFC 5322 §2.2)
// or with the empty line of a header that has none.
func isEntity(content []byte) bool {
	for i, c := range content[:min(len(content), maxFieldName)] {
		switch {
		case c == '\n' && (i == 0 || i == 1 && content[0] == '\r'):
			return true
		case c == ':' && i > 0:
			return true
		case c == '\r' && i == 0:
		case c <= ' ' || c > '~':
			return false
		}
	}
	return false
}

const maxFieldName = 998 // RFC 5322 §2.1.1

// isWords tells whether bytes are text that says nothing of itself.
func isWords(content []byte) bool {
	return len(content) > 0 && utf8.Valid(content) && !bytes.ContainsFunc(content, func(r rune) bool {
		return unicode.IsControl(r) && r != '\r' && r != '\n' && r != '\t'
	})
}
