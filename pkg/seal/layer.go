package seal

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"

	pgp "github.com/ProtonMail/gopenpgp/v2/crypto"
)

// chunk is the most plaintext that is handed to the cipher at once, in bytes. The cipher
// copies what it gets, so this bounds memory whatever the size of a write.
const chunk = 32 << 10

var (
	// ErrPacketOpen says that a data packet is still being written.
	ErrPacketOpen = errors.New("seal: a data packet is still open")
	// ErrNoPacket says that a layer was closed before it had a data packet.
	ErrNoPacket = errors.New("seal: layer without a data packet")
	// ErrClosed says that a layer or packet was used after its end.
	ErrClosed = errors.New("seal: already closed")
)

// Sealed describes a finished layer.
type Sealed struct {
	Bucket     string
	KeyPacket  []byte // the session key wrapped to the bucket, KeyPacketSize bytes
	Size       int64  // bytes of ciphertext, all data packets
	Digest     []byte // SHA-256 of that ciphertext
	PacketEnds []int64
}

// A Layer writes one layer: data packets, one after the other, under one fresh session
// key. Ciphertext goes to the destination as it is made; memory does not grow with it.
// A Layer is used by one goroutine.
type Layer struct {
	key       *SessionKey
	bucket    string
	keyPacket []byte
	out       *meter
	ends      []int64
	packet    *packetWriter
	closed    bool
	err       error
}

// NewLayer begins a layer for a recipient. After it, either Close or Discard must be called.
func NewLayer(to *Recipient, dst io.Writer) (*Layer, error) {
	key, err := NewSessionKey()
	if err != nil {
		return nil, err
	}
	packet, err := to.Wrap(key)
	if err != nil {
		key.Clear()
		return nil, err
	}
	return &Layer{key: key, bucket: to.bucket, keyPacket: packet, out: &meter{dst: dst, sum: sha256.New()}}, nil
}

// KeyPacket gives the layer's key packet, which is known from the start.
func (l *Layer) KeyPacket() []byte { return append([]byte(nil), l.keyPacket...) }

// Packet begins the next data packet. Its Close ends it and must be called before the
// next one begins. What Close returned nil for is on its way to the destination whole.
func (l *Layer) Packet() (io.WriteCloser, error) {
	switch {
	case l.err != nil:
		return nil, l.err
	case l.closed:
		return nil, ErrClosed
	case l.packet != nil:
		return nil, ErrPacketOpen
	}
	w, err := newPacket(l.key, l.out)
	if err != nil {
		l.err = err
		return nil, err
	}
	l.packet = &packetWriter{layer: l, w: w}
	return l.packet, nil
}

// Beside seals a small thing under the layer's session key without making it part of the
// layer, and returns the data packet.
func (l *Layer) Beside(plaintext []byte) ([]byte, error) {
	if l.closed {
		return nil, ErrClosed
	}
	return Under(l.key, plaintext)
}

// Close ends the layer, clears the session key and tells what was written. It fails where
// a write failed, a packet is open or there was none.
func (l *Layer) Close() (Sealed, error) {
	if l.closed {
		return Sealed{}, ErrClosed
	}
	l.Discard()
	switch {
	case l.err != nil:
		return Sealed{}, l.err
	case l.packet != nil:
		return Sealed{}, ErrPacketOpen
	case len(l.ends) == 0:
		return Sealed{}, ErrNoPacket
	}
	return Sealed{Bucket: l.bucket, KeyPacket: l.keyPacket, Size: l.out.n, Digest: l.out.sum.Sum(nil), PacketEnds: l.ends}, nil
}

// Discard gives the layer up and clears its session key. After Close it does nothing.
func (l *Layer) Discard() {
	l.closed = true
	l.key.Clear()
}

type packetWriter struct {
	layer  *Layer
	w      io.WriteCloser
	closed bool
}

// Write encrypts. It hides what the cipher's writer could do with a whole buffer.
func (p *packetWriter) Write(b []byte) (int, error) {
	if p.closed || p.layer.closed {
		return 0, ErrClosed
	}
	if p.layer.err != nil {
		return 0, p.layer.err
	}
	written := 0
	for len(b) > 0 {
		part := b[:min(len(b), chunk)]
		n, err := p.w.Write(part)
		written += n
		if err != nil {
			p.layer.err = fmt.Errorf("data packet: %w", err)
			return written, p.layer.err
		}
		b = b[len(part):]
	}
	return written, nil
}

func (p *packetWriter) Close() error {
	if p.closed || p.layer.closed {
		return ErrClosed
	}
	p.closed = true
	p.layer.packet = nil
	if p.layer.err != nil {
		return p.layer.err
	}
	if err := p.w.Close(); err != nil {
		p.layer.err = fmt.Errorf("data packet: %w", err)
		return p.layer.err
	}
	p.layer.ends = append(p.layer.ends, p.layer.out.n)
	return nil
}

// newPacket writes the head of a data packet: binary, no file name, no date, no compression.
func newPacket(k *SessionKey, dst io.Writer) (io.WriteCloser, error) {
	session, err := k.pgp()
	if err != nil {
		return nil, err
	}
	w, err := session.EncryptStream(dst, &pgp.PlainMessageMetadata{IsBinary: true}, nil)
	if err != nil {
		return nil, fmt.Errorf("data packet: %w", err)
	}
	return w, nil
}

// Under seals a small thing as one data packet under a session key that is at hand. It is
// for what travels beside a layer, such as findings beside raw.
func Under(k *SessionKey, plaintext []byte) ([]byte, error) {
	var out bytes.Buffer
	out.Grow(len(plaintext) + 128)
	w, err := newPacket(k, &out)
	if err != nil {
		return nil, err
	}
	for rest := plaintext; len(rest) > 0; rest = rest[min(len(rest), chunk):] {
		if _, err := w.Write(rest[:min(len(rest), chunk)]); err != nil {
			return nil, fmt.Errorf("data packet: %w", err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("data packet: %w", err)
	}
	return out.Bytes(), nil
}

// Message seals a small thing to a bucket on its own: key packet and data packet in one,
// which is a whole OpenPGP message.
func Message(to *Recipient, plaintext []byte) ([]byte, error) {
	key, err := NewSessionKey()
	if err != nil {
		return nil, err
	}
	defer key.Clear()
	head, err := to.Wrap(key)
	if err != nil {
		return nil, err
	}
	body, err := Under(key, plaintext)
	if err != nil {
		return nil, err
	}
	return append(head, body...), nil
}

// Bytes seals packets that are at hand as one layer and returns its ciphertext.
func Bytes(to *Recipient, packets ...[]byte) ([]byte, Sealed, error) {
	var out bytes.Buffer
	room := 0
	for _, p := range packets {
		room += len(p) + 128 + len(p)/1024 // what a packet adds, and its parts' lengths
	}
	out.Grow(room)
	l, err := NewLayer(to, &out)
	if err != nil {
		return nil, Sealed{}, err
	}
	defer l.Discard()
	for _, p := range packets {
		w, err := l.Packet()
		if err != nil {
			return nil, Sealed{}, err
		}
		if _, err := w.Write(p); err != nil {
			return nil, Sealed{}, err
		}
		if err := w.Close(); err != nil {
			return nil, Sealed{}, err
		}
	}
	sealed, err := l.Close()
	if err != nil {
		return nil, Sealed{}, err
	}
	return out.Bytes(), sealed, nil
}

// meter counts and digests what passes.
type meter struct {
	dst io.Writer
	sum hash.Hash
	n   int64
}

func (m *meter) Write(b []byte) (int, error) {
	n, err := m.dst.Write(b)
	m.n += int64(n)
	m.sum.Write(b[:n])
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	return n, err
}
