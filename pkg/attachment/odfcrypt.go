package attachment

import (
	"bytes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/xml"
	"hash"
	"io"
	"strings"

	"github.com/klauspost/compress/flate"
	"golang.org/x/crypto/blowfish" //nolint:staticcheck // ODF 1.1 prescribes it
)

// Encrypted OpenDocument packages are opened with passwords that somebody gave (ODF 1.3
// part 2, §3.4 and §4.8): each file has its key by PBKDF2 and is packed first, then
// encrypted by AES-256 (CBC) or Blowfish (CFB). The form that is new with LibreOffice 24.2,
// one package in another by AES-GCM under Argon2id, stays closed.

// An odfLock is what the manifest says of one encrypted file.
type odfLock struct {
	name       string
	start      func() hash.Hash // of the password
	iterations int
	keySize    int
	salt, iv   []byte
	blowfish   bool
	check      func() hash.Hash // over what was packed
	checkBytes int              // of it, 0 for all
	checksum   []byte
	size       int64 // unpacked
}

const (
	odfNamespace  = "urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"
	odfIterations = 1_000_000 // what a document may ask for
	odfLocked     = 1000      // files of one package
)

// readODFLocks reads the manifest; ok is false where a file is encrypted in a way that is not
// opened here.
func readODFLocks(manifest []byte) (locks []odfLock, ok bool) {
	var doc struct {
		Files []struct {
			Path string `xml:"full-path,attr"`
			Size int64  `xml:"size,attr"`
			Lock *struct {
				ChecksumType string `xml:"checksum-type,attr"`
				Checksum     string `xml:"checksum,attr"`
				Algorithm    struct {
					Name string `xml:"algorithm-name,attr"`
					IV   string `xml:"initialisation-vector,attr"`
				} `xml:"algorithm"`
				Start struct {
					Name string `xml:"start-key-generation-name,attr"`
				} `xml:"start-key-generation"`
				Key struct {
					Name       string `xml:"key-derivation-name,attr"`
					Size       int    `xml:"key-size,attr"`
					Iterations int    `xml:"iteration-count,attr"`
					Salt       string `xml:"salt,attr"`
				} `xml:"key-derivation"`
			} `xml:"encryption-data"`
		} `xml:"file-entry"`
	}
	if xml.Unmarshal(manifest, &doc) != nil {
		return nil, false
	}
	for _, file := range doc.Files {
		if file.Lock == nil {
			continue
		}
		l := odfLock{name: file.Path, size: file.Size, iterations: file.Lock.Key.Iterations, keySize: file.Lock.Key.Size, start: odfHash(file.Lock.Start.Name)}
		l.check, l.checkBytes = odfChecksum(file.Lock.ChecksumType)
		switch name := strings.ToLower(file.Lock.Algorithm.Name); {
		case strings.HasSuffix(name, "#aes256-cbc"):
			l.keySize = 32
		case name == "blowfish cfb", strings.HasSuffix(name, "#blowfish"):
			l.blowfish = true
			if l.keySize == 0 {
				l.keySize = 16
			}
		default:
			return nil, false
		}
		sound := l.start != nil && l.check != nil && strings.HasSuffix(strings.ToLower(file.Lock.Key.Name), "pbkdf2") &&
			l.iterations > 0 && l.iterations <= odfIterations && l.keySize >= 4 && l.keySize <= 32 && len(locks) < odfLocked
		for _, field := range []struct {
			out  *[]byte
			text string
		}{{&l.salt, file.Lock.Key.Salt}, {&l.iv, file.Lock.Algorithm.IV}, {&l.checksum, file.Lock.Checksum}} {
			value, err := base64.StdEncoding.DecodeString(strings.TrimSpace(field.text))
			*field.out = value
			sound = sound && err == nil && len(value) > 0 && len(value) <= 64
		}
		if sound = sound && len(l.iv) == map[bool]int{true: blowfish.BlockSize, false: 16}[l.blowfish]; !sound {
			return nil, false
		}
		locks = append(locks, l)
	}
	return locks, len(locks) > 0
}

// odfHash is the hash of the password (§4.8.12); none is named in ODF 1.1, where it is SHA-1.
func odfHash(name string) func() hash.Hash {
	switch name = strings.ToLower(name); {
	case name == "", name == "sha1", strings.HasSuffix(name, "#sha1"):
		return sha1.New
	case strings.HasSuffix(name, "#sha256"):
		return sha256.New
	}
	return nil
}

// odfChecksum is the hash of the packed file, or of its first bytes (§4.8.3).
func odfChecksum(name string) (newHash func() hash.Hash, firstBytes int) {
	switch name = strings.ToLower(name); {
	case name == "sha1/1k", strings.HasSuffix(name, "#sha1-1k"):
		return sha1.New, 1024
	case strings.HasSuffix(name, "#sha256-1k"):
		return sha256.New, 1024
	case name == "sha1", strings.HasSuffix(name, "#sha1"):
		return sha1.New, 0
	case strings.HasSuffix(name, "#sha256"):
		return sha256.New, 0
	}
	return nil, 0
}

// rounds is what one try of a password costs: PBKDF2 by HMAC with SHA-1, two hashes for each
// twenty bytes of the key.
func (l *odfLock) rounds() int64 { return 2 * int64(l.iterations) * int64((l.keySize+19)/20) }

// open decrypts a file, if the password is the right one. The result is packed still.
func (l *odfLock) open(password string, packed []byte) ([]byte, bool) {
	h := l.start()
	h.Write([]byte(password))
	key, err := pbkdf2.Key(sha1.New, string(h.Sum(nil)), l.salt, l.iterations, l.keySize)
	if err != nil {
		return nil, false
	}
	var plain []byte
	if l.blowfish {
		if plain = blowfishCFB(key, l.iv, packed); plain == nil {
			return nil, false
		}
	} else {
		plain = chained(key, l.iv, packed)
		if len(plain) == 0 {
			return nil, false
		}
		pad := int(plain[len(plain)-1]) // the last byte says how many there are (XML Encryption §5.2)
		if pad == 0 || pad > 16 {
			return nil, false
		}
		plain = plain[:len(plain)-pad]
	}
	h = l.check()
	checked := plain
	if l.checkBytes > 0 {
		checked = plain[:min(len(plain), l.checkBytes)]
	}
	h.Write(checked)
	return plain, bytes.Equal(h.Sum(nil), l.checksum)
}

// blowfishCFB decrypts in cipher feedback over whole blocks; nil where the key is none.
func blowfishCFB(key, iv, packed []byte) []byte {
	block, err := blowfish.NewCipher(key)
	if err != nil {
		return nil
	}
	return feedback(block, iv, packed)
}

func feedback(block cipher.Block, iv, packed []byte) []byte {
	plain := make([]byte, len(packed))
	last, mask := bytes.Clone(iv), make([]byte, block.BlockSize())
	for at := 0; at < len(packed); at += len(mask) {
		block.Encrypt(mask, last)
		n := copy(last, packed[at:])
		for i := range n {
			plain[at+i] = packed[at+i] ^ mask[i]
		}
	}
	return plain
}

// openLockedPackage tries the words of the mail on an encrypted package, and lists what its
// files are, decrypted. They stand behind those that it has as they came.
func (w *walker) openLockedPackage(a *Attachment, f file, entries []zipEntry, locks []odfLock) error {
	stored := map[string]zipEntry{}
	for _, e := range entries {
		if e.dataAt > 0 && e.method == 0 && !e.encrypted() {
			stored[e.name] = e
		}
	}
	packed := func(l *odfLock) ([]byte, bool) {
		e, ok := stored[l.name]
		if !ok {
			return nil, false
		}
		return f.content[e.dataAt:e.end], true
	}
	least := -1 // the smallest is the cheapest to try on
	for i := range locks {
		if b, ok := packed(&locks[i]); !ok {
			return nil // it stays closed
		} else if first, _ := packed(&locks[max(least, 0)]); least < 0 || len(b) < len(first) {
			least = i
		}
	}
	sample, _ := packed(&locks[least])
	password, ok := w.unlock(locks[least].rounds(), func(password string) bool {
		_, ok := locks[least].open(password, sample)
		return ok
	})
	if w.budget.stopped() != "" {
		return errStop
	}
	if !ok {
		return nil
	}
	f.sealed = true
	open := newOpenDocument(a, entries)
	for i := range locks {
		l := &locks[i]
		b, _ := packed(l)
		if !w.affords(l.rounds()) {
			return nil
		}
		plain, ok := l.open(password, b)
		if !ok {
			return MalformedDocument
		}
		child, err := w.member(a, f, l.name, l.size, io.Reader(flate.NewReader(bytes.NewReader(plain))))
		if err != nil {
			return err
		}
		if child.SHA256 != "" {
			open.member(l.name, w.scratch[f.depth+1])
		}
	}
	open.finish()
	a.drop(EncryptedDocument)
	a.add(PasswordInMail)
	return nil
}
