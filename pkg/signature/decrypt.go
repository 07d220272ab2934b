package signature

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	pgperrors "github.com/ProtonMail/go-crypto/openpgp/errors"
	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"github.com/postern-mail/postern/pkg/mail"
)

// Bounds of the packets of one piece.
const (
	maxPackets      = 1000 // of one piece, on all levels
	maxCompressions = 4    // inside one another
)

// A privateKey is one that needs no passphrase any more, and the fingerprint of the key that it belongs to.
type privateKey struct {
	*packet.PrivateKey
	of string // hex
}

// private gives the private keys that need no passphrase. Keys that expired or were
// revoked are among them: what was written to them is read all the same.
func (k Keys) private() []privateKey {
	var found []privateKey
	for _, entity := range k.pgp {
		of := hex.EncodeToString(entity.PrimaryKey.Fingerprint)
		for p := range privateOf(entity) {
			if !p.Encrypted {
				found = append(found, privateKey{p, of})
			}
		}
	}
	return found
}

// privateOf gives the private keys of an entity that are there.
func privateOf(entity *openpgp.Entity) iter.Seq[*packet.PrivateKey] {
	return func(yield func(*packet.PrivateKey) bool) {
		if p := entity.PrivateKey; p != nil && !p.Dummy() && !yield(p) {
			return
		}
		for i := range entity.Subkeys {
			if p := entity.Subkeys[i].PrivateKey; p != nil && !p.Dummy() && !yield(p) {
				return
			}
		}
	}
}

// Locked counts the keys of which a passphrase protects something, which therefore opens nothing.
func (k Keys) Locked() int {
	locked := 0
	for _, entity := range k.pgp {
		for p := range privateOf(entity) {
			if p.Encrypted {
				locked++
				break
			}
		}
	}
	return locked
}

// read opens one encrypted message (RFC 9580 §10.3) into the opening and gives a
// code of why it could not, "" where it could.
func (o *opener) read(source []byte, opening *mail.Opening, piece *Piece) (refused string) {
	defer func() {
		if recover() != nil { // what was thrown may quote what was being read
			refused = Damaged
		}
	}()
	if isArmored(source) {
		block, err := armor.Decode(bytes.NewReader(source))
		if err != nil || block.Type != "PGP MESSAGE" {
			return Damaged
		}
		if source, err = readAll(block.Body, base64.StdEncoding.DecodedLen(len(source))); err != nil {
			return Damaged
		}
		opening.Charset = block.Header["Charset"]
	}
	plain, code := o.decrypt(source, piece)
	if code != "" {
		return code
	}
	inner := &contents{o: o, opening: opening}
	err := inner.read(bytes.NewReader(plain), 0)
	switch {
	case o.left < 0:
		return TooManyBytes
	case o.ctx.Err() != nil:
		return TooMuchTime
	case errors.Is(err, errCompressions):
		return TooManyLayers
	case err != nil || !inner.literal:
		return Damaged
	}
	return ""
}

// decrypt takes the encryption off a message. It gives bytes only when all of them
// were proven to be as they were encrypted.
func (o *opener) decrypt(source []byte, piece *Piece) (plain []byte, code string) {
	packets := bytes.NewReader(source)
	var wrapped []*packet.EncryptedKey
	for range maxPackets {
		p, err := packet.Read(packets)
		if skippable(err) {
			continue
		}
		if err != nil {
			return nil, Damaged
		}
		var body io.Reader
		switch p := p.(type) {
		case *packet.EncryptedKey:
			wrapped = append(wrapped, p)
			continue
		case *packet.SymmetricKeyEncrypted, *packet.Marker:
			continue // a passphrase is never known
		case *packet.SymmetricallyEncrypted:
			if !p.IntegrityProtected { // RFC 9580 §13.7: must not be given out
				return nil, NoIntegrity
			}
			body = p.Contents
		case *packet.AEADEncrypted:
			body = p.Contents
		default:
			return nil, StaysClosed // signed or packed, and not encrypted
		}
		sealed, err := readAll(body, len(source))
		if err != nil || !atEnd(packets) { // more after it would be read by nobody
			return nil, Damaged
		}
		return o.unwrap(p, sealed, wrapped, piece)
	}
	return nil, Damaged
}

// skippable tells packets that are to be passed over (RFC 9580 §4.3).
func skippable(err error) bool {
	var unknown pgperrors.UnknownPacketTypeError
	var unsupported pgperrors.UnsupportedError
	return errors.As(err, &unknown) || errors.As(err, &unsupported)
}

// atEnd passes over padding and reports whether nothing else follows.
func atEnd(packets io.Reader) bool {
	for range maxPackets {
		p, err := packet.Read(packets)
		if errors.Is(err, io.EOF) {
			return true
		}
		if _, ok := p.(packet.Padding); err != nil || !ok {
			return false
		}
	}
	return false
}

// unwrap finds the session key with one of the private keys and decrypts with it.
func (o *opener) unwrap(encrypted packet.Packet, sealed []byte, wrapped []*packet.EncryptedKey, piece *Piece) ([]byte, string) {
	code := StaysClosed
	for _, w := range wrapped {
		for _, k := range o.keys {
			if w.Version < 6 && w.KeyId != 0 && w.KeyId != k.KeyId || w.Algo != k.PubKeyAlgo {
				continue
			}
			if o.tries++; o.tries > o.limits.Tries {
				return nil, code
			}
			if o.ctx.Err() != nil { // each try may read all of a long mail
				return nil, TooMuchTime
			}
			if w.Decrypt(k.PrivateKey, nil) != nil {
				continue // of somebody else, where the recipient is not said
			}
			plain, err := decryptWith(encrypted, sealed, w)
			if err == nil {
				piece.Key = k.of
				return plain, ""
			}
			if w.KeyId != 0 || w.Version >= 6 {
				code = Damaged
			}
		}
	}
	return nil, code
}

// decryptWith decrypts to the end and checks the integrity there. Nothing of what was
// decrypted gets out before.
func decryptWith(encrypted packet.Packet, sealed []byte, w *packet.EncryptedKey) ([]byte, error) {
	var attempt packet.EncryptedDataPacket // a copy: it remembers the beginning of what it read
	switch p := encrypted.(type) {
	case *packet.SymmetricallyEncrypted:
		fresh := *p
		fresh.Contents = bytes.NewReader(sealed)
		attempt = &fresh
	case *packet.AEADEncrypted:
		fresh := *p
		fresh.Contents = bytes.NewReader(sealed)
		attempt = &fresh
	default:
		return nil, errPackets
	}
	plain, err := attempt.Decrypt(w.CipherFunc, w.Key)
	if err != nil {
		return nil, fmt.Errorf("session key: %w", err)
	}
	whole, err := readAll(plain, len(sealed))
	if err == nil {
		err = plain.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("integrity: %w", err)
	}
	return whole, nil
}

// contents is what an encrypted message held (RFC 9580 §10.3): one literal, perhaps
// packed, perhaps with signatures before and behind it.
type contents struct {
	o       *opener
	opening *mail.Opening
	packets int
	literal bool
}

var (
	errCompressions = errors.New("compressions inside one another")
	errPackets      = errors.New("packets of a message: not what they must be")
	errSpent        = errors.New("limit")
)

func (c *contents) read(source io.Reader, depth int) error {
	for {
		p, err := packet.Read(source)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if c.packets++; c.packets > maxPackets {
			return errPackets
		}
		if skippable(err) {
			continue
		}
		if err != nil {
			return fmt.Errorf("packet: %w", err)
		}
		switch p := p.(type) {
		case *packet.Compressed:
			if depth >= maxCompressions {
				return errCompressions
			}
			if err := c.read(&metered{r: p.Body, o: c.o}, depth+1); err != nil {
				return err
			}
		case *packet.LiteralData:
			if c.literal {
				return errPackets // which of them would be shown?
			}
			size := 0 // of what comes out of a decompressor nothing is known
			if whole, ok := source.(*bytes.Reader); ok {
				size = whole.Len()
			}
			if err := c.take(p, size); err != nil {
				return err
			}
		case *packet.Signature:
			if len(c.opening.Proof) > MaxSignature {
				return errPackets
			}
			var proof bytes.Buffer
			if err := p.Serialize(&proof); err != nil {
				return fmt.Errorf("signature: %w", err)
			}
			c.opening.Proof = append(c.opening.Proof, proof.Bytes()...)
		case *packet.OnePassSignature, *packet.Marker, packet.Padding:
		default:
			return errPackets
		}
	}
}

// take reads a literal that is about as long as its source.
func (c *contents) take(p *packet.LiteralData, size int) error {
	content, err := readAll(p.Body, size)
	if err != nil {
		return fmt.Errorf("literal: %w", err)
	}
	c.literal, c.opening.Content = true, content
	if c.opening.Form == mail.File && c.opening.Filename == "" && p.FileName != "" && !p.ForEyesOnly() {
		c.opening.Filename = p.FileName
	}
	return nil
}

// readAll is io.ReadAll of something whose size is about known: what holds most of a mail is not to grow by copies.
func readAll(r io.Reader, size int) ([]byte, error) {
	into := bytes.NewBuffer(make([]byte, 0, size+bytes.MinRead))
	_, err := into.ReadFrom(r)
	return into.Bytes(), err
}

// metered counts what comes out of a decompressor and ends it at the limit.
type metered struct {
	r io.Reader
	o *opener
}

func (m *metered) Read(b []byte) (int, error) {
	if m.o.ctx.Err() != nil {
		return 0, errSpent
	}
	n, err := m.r.Read(b)
	if m.o.left -= int64(n); m.o.left < 0 {
		return 0, errSpent
	}
	return n, err
}
