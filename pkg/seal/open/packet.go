package open

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"hash"
	"io"

	pgp "github.com/ProtonMail/gopenpgp/v2/crypto"

	"github.com/postern-mail/postern/pkg/seal"
)

var (
	// ErrSeal says that a data packet is not what was sealed under this key: another
	// key, a changed byte, cut short, or something behind it.
	ErrSeal = errors.New("seal/open: data packet does not open")
	// ErrLimit says that a data packet holds more plaintext than the caller takes.
	ErrLimit = errors.New("seal/open: data packet over the limit")
	// ErrDigest says that ciphertext is not what its record says.
	ErrDigest = errors.New("seal/open: ciphertext differs from its digest")
	// ErrOffsets says that a layer's packet ends do not fit its size.
	ErrOffsets = errors.New("seal/open: unusable packet ends")
)

// A Reader decrypts one data packet as a stream. NOTHING READ FROM IT MAY BE TRUSTED
// BEFORE io.EOF: the integrity check stands at the packet's end, and plaintext comes out
// before. Whoever acts on a part, shows it, stores it or decides by it before io.EOF acts
// on what an attacker may have changed. Any error, however late, makes all of it void.
type Reader struct {
	src  *bufferless
	body io.Reader
	err  error
}

// NewReader begins to decrypt a data packet. The source must hold that packet and nothing
// behind it; it is read to its end.
func NewReader(k *seal.SessionKey, packet io.Reader) (*Reader, error) {
	if len(k.Bytes()) != seal.SessionKeySize {
		return nil, seal.ErrSessionKey
	}
	src := &bufferless{r: packet}
	session := &pgp.SessionKey{Key: k.Bytes(), Algo: "aes256"}
	message, err := session.DecryptStream(src, nil, 0)
	if err != nil {
		return nil, src.cause()
	}
	return &Reader{src: src, body: message}, nil
}

// Read gives plaintext that is not to be trusted before io.EOF.
func (r *Reader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	n, err := r.body.Read(p)
	switch {
	case errors.Is(err, io.EOF):
		r.err = r.src.finish()
	case err != nil:
		r.err = r.src.cause()
	}
	return n, r.err
}

// All decrypts one data packet of at most limit bytes of plaintext and returns it only
// after its integrity was checked. The source must hold that packet and nothing behind it.
func All(k *seal.SessionKey, packet io.Reader, limit int64) ([]byte, error) {
	return all(k, packet, limit, 0)
}

// firstRoom is the most room that is made before anything was read.
const firstRoom = 8 << 20

// all is All for a packet of which it is said how long it is: room that is made at once
// leaves no copies of the plaintext behind by growing.
func all(k *seal.SessionKey, packet io.Reader, limit, size int64) ([]byte, error) {
	r, err := NewReader(k, packet)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	out.Grow(int(min(size, limit, firstRoom)) + bytes.MinRead)
	n, err := io.Copy(&out, io.LimitReader(r, limit+1))
	if err != nil {
		clear(out.Bytes())
		return nil, err
	}
	if n > limit {
		clear(out.Bytes())
		return nil, ErrLimit
	}
	return out.Bytes(), nil
}

// Bytes is All for a data packet at hand.
func Bytes(k *seal.SessionKey, packet []byte, limit int64) ([]byte, error) {
	return all(k, bytes.NewReader(packet), limit, int64(len(packet)))
}

// Section gives the data packet of an index out of a layer's ciphertext, by the ends that
// the record holds. It seeks where the layer can and reads over what lies before where it cannot.
func Section(layer io.Reader, ends []int64, index int) (io.Reader, error) {
	if err := checkEnds(ends); err != nil {
		return nil, err
	}
	if index < 0 || index >= len(ends) {
		return nil, ErrOffsets
	}
	var start int64
	if index > 0 {
		start = ends[index-1]
	}
	if start > 0 {
		var err error
		if s, ok := layer.(io.Seeker); ok {
			_, err = s.Seek(start, io.SeekCurrent)
		} else {
			_, err = io.CopyN(io.Discard, layer, start)
		}
		if err == io.EOF {
			return nil, io.ErrUnexpectedEOF
		}
		if err != nil {
			return nil, err
		}
	}
	return &exactly{r: layer, left: ends[index] - start}, nil
}

func checkEnds(ends []int64) error {
	var last int64
	for _, end := range ends {
		if end <= last {
			return ErrOffsets
		}
		last = end
	}
	return nil
}

// Checked passes a layer's ciphertext on and compares it with its digest (SHA-256) where it
// ends: the reader behind it sees ErrDigest in place of io.EOF where they differ.
func Checked(layer io.Reader, digest []byte) io.Reader {
	return &checked{r: layer, sum: sha256.New(), want: digest}
}

type checked struct {
	r    io.Reader
	sum  hash.Hash
	want []byte
}

func (c *checked) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.sum.Write(p[:n])
	if err == io.EOF && subtle.ConstantTimeCompare(c.sum.Sum(nil), c.want) != 1 {
		err = ErrDigest
	}
	return n, err
}

// exactly ends after a number of bytes and does not take fewer for an end.
type exactly struct {
	r    io.Reader
	left int64
}

func (e *exactly) Read(p []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	n, err := e.r.Read(p[:min(int64(len(p)), e.left)])
	e.left -= int64(n)
	if err == io.EOF {
		err = nil
		if e.left > 0 {
			err = io.ErrUnexpectedEOF
		}
	}
	return n, err
}

// bufferless hands the source on, remembers how it failed and hides everything else it can do.
type bufferless struct {
	r   io.Reader
	err error
}

func (b *bufferless) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		b.err = err
	}
	return n, err
}

// cause is the source's own failure where it had one, and otherwise the seal's.
func (b *bufferless) cause() error {
	if b.err != nil {
		return b.err
	}
	return ErrSeal
}

// finish makes sure that nothing lies behind the packet and that the source ended well.
func (b *bufferless) finish() error {
	if b.err != nil {
		return b.err
	}
	var one [1]byte
	for range 100 { // a reader may say "nothing yet" for a while
		n, err := b.r.Read(one[:])
		switch {
		case n > 0:
			return ErrSeal
		case err != nil:
			return err // io.EOF, or what a digest check put in its place
		}
	}
	return io.ErrNoProgress
}

// Layer opens every data packet of a layer at once, compares the ciphertext with its
// digest, and returns the plaintexts only when all of it was checked. Together they may
// have at most limit bytes.
func Layer(k *seal.SessionKey, ciphertext io.Reader, ends []int64, digest []byte, limit int64) ([][]byte, error) {
	if len(ends) == 0 || checkEnds(ends) != nil {
		return nil, ErrOffsets
	}
	src := &bufferless{r: Checked(ciphertext, digest)}
	var out [][]byte
	wipe := func() {
		for _, p := range out {
			clear(p)
		}
	}
	var start int64
	for _, end := range ends {
		p, err := all(k, &exactly{r: src, left: end - start}, limit, end-start)
		if err != nil {
			wipe()
			return nil, err
		}
		out = append(out, p)
		limit -= int64(len(p))
		start = end
	}
	if err := src.finish(); err != io.EOF {
		wipe()
		if err == nil {
			err = ErrSeal
		}
		return nil, err
	}
	return out, nil
}
