package attachment

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/md5"
	"crypto/rc4"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"io"
	"strconv"
)

// PDFs that are encrypted by the standard security handler are opened with
// passwords that somebody gave (ISO 32000-1 §7.6, ISO 32000-2 §7.6.4): RC4 and
// AES-128 of revisions 2 to 4, AES-256 of revisions 5 and 6. Most are encrypted
// without a password, so that nobody edits them: every reader opens those.

// A pdfLock is what an encryption dictionary says.
type pdfLock struct {
	revision      int
	keySize       int // bytes
	owner, user   []byte
	userKey       []byte // UE of revisions 5 and 6
	permissions   uint32
	plainMetadata bool
	id            []byte // the first of the file's two
	aes, none     bool   // of streams
	key           []byte // once a password opened it
}

// pdfPadding fills passwords up to 32 bytes (§7.6.3.3).
var pdfPadding = []byte("\x28\xbf\x4e\x5e\x4e\x75\x8a\x41\x64\x00\x4e\x56\xff\xfa\x01\x08\x2e\x2e\x00\xb6\xd0\x68\x3e\x80\x2f\x0c\xa9\xfe\x64\x53\x69\x7a")

// readPDFLock finds the encryption dictionary of a file; nil where there is none
// that is understood.
func readPDFLock(b []byte) *pdfLock {
	var places [][]byte
	for rest := range afterPDFName(b, "Encrypt") {
		places = append(places, rest)
	}
	var found *pdfLock
	for _, rest := range places[max(0, len(places)-pdfLocks):] {
		dictionary := bytes.TrimLeft(rest[:min(len(rest), pdfLockBytes)], pdfSpace)
		if !bytes.HasPrefix(dictionary, []byte("<<")) {
			dictionary = pdfObject(b, dictionary)
		}
		if lock := newPDFLock(dictionary); lock != nil {
			found = lock // the last trailer is the one that counts
		}
	}
	if found == nil {
		return nil
	}
	for rest := range afterPDFName(b, "ID") {
		list := bytes.TrimLeft(rest[:min(len(rest), 512)], pdfSpace)
		if len(list) > 0 && list[0] == '[' {
			found.id = pdfString(list[1:])
		}
	}
	return found
}

const (
	pdfSpace     = "\x00\t\n\f\r "
	pdfLockBytes = 8192 // of an encryption dictionary
	pdfLocks     = 8    // places that name one; writers have one for each revision, the last of which counts
)

// afterPDFName gives what follows each place where a name stands.
func afterPDFName(b []byte, wanted string) func(yield func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for {
			i := bytes.IndexByte(b, '/')
			if i < 0 {
				return
			}
			b = b[i+1:]
			if name, length := pdfName(b); name == wanted && !yield(b[length:]) {
				return
			}
		}
	}
}

// pdfObject finds the object that a reference ("12 0 R") points to, by its
// heading; the last one counts.
func pdfObject(b, reference []byte) []byte {
	fields := bytes.Fields(reference[:min(len(reference), 32)])
	if len(fields) < 3 || fields[2][0] != 'R' {
		return nil
	}
	heading := append(append(append(append([]byte(nil), fields[0]...), ' '), fields[1]...), " obj"...)
	for at := len(b); ; {
		at = bytes.LastIndex(b[:at], heading)
		if at < 0 {
			return nil
		}
		if at == 0 || b[at-1] < '0' || b[at-1] > '9' {
			return b[at+len(heading) : min(len(b), at+len(heading)+pdfLockBytes)]
		}
	}
}

// newPDFLock reads a dictionary (§7.6.1, §7.6.3.2); nil where it is of another
// handler or makes no sense.
func newPDFLock(d []byte) *pdfLock {
	value := func(name string) []byte {
		for rest := range afterPDFName(d, name) {
			return bytes.TrimLeft(rest, pdfSpace)
		}
		return nil
	}
	version := pdfNumber(value("V"))
	l := &pdfLock{
		revision: pdfNumber(value("R")), permissions: uint32(int32(pdfNumber(value("P")))),
		owner: pdfString(value("O")), user: pdfString(value("U")), userKey: pdfString(value("UE")),
		plainMetadata: bytes.HasPrefix(value("EncryptMetadata"), []byte("false")),
	}
	if name, _ := pdfNameAt(value("Filter")); name != "Standard" {
		return nil
	}
	l.keySize = 5
	switch version {
	case 1:
	case 2, 3:
		if n := pdfNumber(value("Length")); n >= 40 && n <= 128 {
			l.keySize = n / 8
		}
	case 4, 5:
		l.keySize = 16
		if version == 5 {
			l.keySize = 32
		}
		l.none = true
		if filter, ok := pdfNameAt(value("StmF")); ok && filter != "Identity" {
			for method := range afterPDFName(value(filter), "CFM") {
				name, _ := pdfNameAt(bytes.TrimLeft(method, pdfSpace))
				l.none, l.aes = name == "None", name != "V2" && name != "None"
				break
			}
		}
	default:
		return nil
	}
	switch {
	case l.revision >= 2 && l.revision <= 4 && len(l.owner) >= 32 && len(l.user) >= 32:
		return l
	case (l.revision == 5 || l.revision == 6) && len(l.user) >= 48 && len(l.userKey) >= 32:
		return l
	}
	return nil
}

func pdfNameAt(b []byte) (string, bool) {
	if len(b) == 0 || b[0] != '/' {
		return "", false
	}
	name, _ := pdfName(b[1:])
	return name, name != ""
}

// pdfNumber reads an integer, 0 where there is none.
func pdfNumber(b []byte) int {
	n := 0
	for n < len(b) && n < 12 && (b[n] >= '0' && b[n] <= '9' || n == 0 && b[n] == '-') {
		n++
	}
	v, err := strconv.ParseInt(string(b[:n]), 10, 64)
	if err != nil {
		return 0
	}
	return int(v)
}

// pdfString reads a string of either kind (§7.3.4), at most pdfStringBytes of it.
func pdfString(b []byte) []byte { return pdfLongString(b, pdfStringBytes) }

func pdfLongString(b []byte, most int) []byte {
	b = bytes.TrimLeft(b[:min(len(b), 4*most)], pdfSpace)
	switch {
	case len(b) == 0:
		return nil
	case b[0] == '<':
		end := bytes.IndexByte(b, '>')
		if end < 0 {
			return nil
		}
		out, _ := rtfHex(b[1:end])
		return out
	case b[0] != '(':
		return nil
	}
	var out []byte
	depth := 0
	for i := 1; i < len(b) && len(out) < most; i++ {
		switch c := b[i]; {
		case c == '\\' && i+1 < len(b):
			i++
			switch e := b[i]; {
			case e >= '0' && e <= '7':
				v, n := 0, 0
				for ; n < 3 && i+n < len(b) && b[i+n] >= '0' && b[i+n] <= '7'; n++ {
					v = v*8 + int(b[i+n]-'0')
				}
				out, i = append(out, byte(v)), i+n-1
			case e == '\n' || e == '\r':
			default:
				if at := bytes.IndexByte([]byte("nrtbf"), e); at >= 0 {
					e = "\n\r\t\b\f"[at]
				}
				out = append(out, e)
			}
		case c == '(':
			depth++
			out = append(out, c)
		case c == ')':
			if depth--; depth < 0 {
				return out
			}
			out = append(out, c)
		default:
			out = append(out, c)
		}
	}
	return out
}

const pdfStringBytes = 256

// rounds is what one try of a password costs.
func (l *pdfLock) rounds() int64 {
	switch l.revision {
	case 2, 5:
		return 3
	case 6:
		return 2000 // of 64 to some 100 rounds, each with 64 repetitions under AES
	}
	return 100
}

// opens tries a password for those who read, and keeps the key where it is right.
func (l *pdfLock) opens(password string) bool {
	if l.revision >= 5 {
		return l.opens256([]byte(password))
	}
	key := l.derive(password)
	var wanted []byte
	if l.revision == 2 { // Algorithm 4
		wanted = rc4Once(key, pdfPadding)
	} else { // Algorithm 5
		h := md5.Sum(append(bytes.Clone(pdfPadding), l.id...))
		wanted = h[:]
		for i := range 20 {
			other := bytes.Clone(key)
			for j := range other {
				other[j] ^= byte(i)
			}
			wanted = rc4Once(other, wanted)
		}
	}
	if !bytes.HasPrefix(l.user, wanted) {
		return false
	}
	l.key = key
	return true
}

// derive is Algorithm 2 (§7.6.3.3).
func (l *pdfLock) derive(password string) []byte {
	secret := append([]byte(password), pdfPadding...)[:32]
	secret = append(secret, l.owner[:32]...)
	secret = binary.LittleEndian.AppendUint32(secret, l.permissions)
	secret = append(secret, l.id...)
	if l.revision >= 4 && l.plainMetadata {
		secret = append(secret, 0xff, 0xff, 0xff, 0xff)
	}
	h := md5.Sum(secret)
	if l.revision >= 3 {
		for range 50 {
			h = md5.Sum(h[:l.keySize])
		}
	}
	return bytes.Clone(h[:l.keySize])
}

func rc4Once(key, data []byte) []byte {
	c, err := rc4.NewCipher(key)
	if err != nil {
		return nil
	}
	out := make([]byte, len(data))
	c.XORKeyStream(out, data)
	return out
}

// opens256 is Algorithm 2.A (ISO 32000-2 §7.6.4.3.3) for the user password.
func (l *pdfLock) opens256(password []byte) bool {
	password = password[:min(len(password), 127)]
	if !bytes.Equal(l.hash256(password, l.user[32:40]), l.user[:32]) {
		return false
	}
	l.key = chained(l.hash256(password, l.user[40:48]), make([]byte, aes.BlockSize), l.userKey[:32])
	return true
}

// hash256 is Algorithm 2.B (§7.6.4.3.4); revision 5 stops after its first hash.
func (l *pdfLock) hash256(password, salt []byte) []byte {
	first := sha256.Sum256(append(bytes.Clone(password), salt...))
	k := first[:]
	if l.revision == 5 {
		return k
	}
	for round := 0; ; round++ {
		k1 := bytes.Repeat(append(bytes.Clone(password), k...), 64)
		block, err := aes.NewCipher(k[:16])
		if err != nil {
			return nil
		}
		cipher.NewCBCEncrypter(block, k[16:32]).CryptBlocks(k1, k1)
		remainder := 0
		for _, c := range k1[:16] { // a number of 16 bytes, modulo 3
			remainder += int(c)
		}
		switch remainder % 3 {
		case 0:
			h := sha256.Sum256(k1)
			k = h[:]
		case 1:
			h := sha512.Sum384(k1)
			k = h[:]
		default:
			h := sha512.Sum512(k1)
			k = h[:]
		}
		if round >= 63 && int(k1[len(k1)-1]) <= round-31 {
			return k[:32]
		}
	}
}

// reader decrypts the stream of one object (Algorithm 1 and 1.A, §7.6.2).
func (l *pdfLock) reader(object, generation int, r io.Reader) io.Reader {
	if l.none {
		return r
	}
	key := l.key
	if l.revision < 5 {
		secret := append(bytes.Clone(key), byte(object), byte(object>>8), byte(object>>16), byte(generation), byte(generation>>8))
		if l.aes {
			secret = append(secret, "sAlT"...)
		}
		h := md5.Sum(secret)
		key = h[:min(len(key)+5, 16)]
	}
	if !l.aes {
		c, err := rc4.NewCipher(key)
		if err != nil {
			return bytes.NewReader(nil)
		}
		return &cipher.StreamReader{S: c, R: r}
	}
	return &chainedReader{key: key, r: r}
}

// A chainedReader decrypts AES in CBC mode behind an initialization vector, block
// after block. Padding at the end is left where it is: what is packed ends by itself.
type chainedReader struct {
	key  []byte
	r    io.Reader
	mode cipher.BlockMode
	rest []byte
	last [aes.BlockSize]byte
}

func (c *chainedReader) Read(p []byte) (int, error) {
	if c.mode == nil {
		block, err := aes.NewCipher(c.key)
		if err != nil {
			return 0, MalformedDocument
		}
		var iv [aes.BlockSize]byte
		if _, err := io.ReadFull(c.r, iv[:]); err != nil {
			return 0, io.EOF
		}
		c.mode = cipher.NewCBCDecrypter(block, iv[:])
	}
	if len(c.rest) == 0 {
		if _, err := io.ReadFull(c.r, c.last[:]); err != nil {
			return 0, io.EOF
		}
		c.mode.CryptBlocks(c.last[:], c.last[:])
		c.rest = c.last[:]
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}
