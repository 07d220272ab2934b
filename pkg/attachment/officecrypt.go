package attachment

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"encoding/xml"
	"hash"
)

// Encrypted Office documents are opened with passwords that somebody gave
// ([MS-OFFCRYPTO]): the whole package under AES, as Office 2007 (standard
// encryption, §2.3.4.5) and later versions (agile encryption, §2.3.4.10) do it.

// sweatshop is the password that Excel tries by itself before it asks for one.
const sweatshop = "VelvetSweatshop"

// An officeLock is the EncryptionInfo stream of a document.
type officeLock interface {
	rounds() int64 // of key derivation, for one try
	key(password string) (secret []byte, ok bool)
	open(secret, packed []byte) []byte // whole blocks
}

// readOfficeLock reads an EncryptionInfo stream; nil where it is of a kind that
// is not opened here.
func readOfficeLock(b []byte) officeLock {
	if len(b) < 8 {
		return nil
	}
	switch major, minor := u16(b), u16(b[2:]); {
	case major == 4 && minor == 4:
		return readAgile(b[8:])
	case major >= 2 && major <= 4 && minor == 2:
		return readStandard(b[8:])
	}
	return nil
}

// openOffice decrypts a package: its size, and then blocks (§2.3.4.4).
func openOffice(lock officeLock, secret, stream []byte) []byte {
	if len(stream) < 8 {
		return nil
	}
	size, packed := u64(stream), stream[8:]
	plain := lock.open(secret, packed[:len(packed)/aes.BlockSize*aes.BlockSize])
	return plain[:min(size, uint64(len(plain)))]
}

// standardLock is AES in single blocks under a key of 50,000 rounds of SHA-1
// (§2.3.4.7 to §2.3.4.9).
type standardLock struct {
	salt, verifier, verifierHash []byte
	keySize                      int
}

const standardRounds = 50_000

func readStandard(b []byte) officeLock {
	if len(b) < 4 {
		return nil
	}
	size := u32(b)
	if size < 20 || uint64(size) > uint64(len(b)-4) {
		return nil
	}
	header, rest := b[4:4+size], b[4+size:]
	keySize := int(u32(header[16:]) / 8)
	if keySize != 16 && keySize != 24 && keySize != 32 || len(rest) < 4+16+16+4+32 || u32(rest) != 16 {
		return nil // RC4, or a verifier of another size
	}
	return &standardLock{salt: rest[4:20], verifier: rest[20:36], verifierHash: rest[40:72], keySize: keySize}
}

func (s *standardLock) rounds() int64 { return standardRounds }

func (s *standardLock) key(password string) ([]byte, bool) {
	h := spin(sha1.New, s.salt, password, standardRounds)
	final := sha1.Sum(append(h, 0, 0, 0, 0)) // of block 0
	derived := make([]byte, 0, 2*sha1.Size)
	for _, filler := range []byte{0x36, 0x5c} {
		buffer := bytes.Repeat([]byte{filler}, 64)
		subtle.XORBytes(buffer, buffer, final[:])
		half := sha1.Sum(buffer)
		derived = append(derived, half[:]...)
	}
	secret := derived[:s.keySize]
	wanted := sha1.Sum(s.open(secret, s.verifier))
	return secret, bytes.Equal(s.open(secret, s.verifierHash)[:sha1.Size], wanted[:])
}

func (s *standardLock) open(secret, packed []byte) []byte {
	block, err := aes.NewCipher(secret)
	if err != nil {
		return nil
	}
	plain := make([]byte, len(packed))
	for at := 0; at+aes.BlockSize <= len(packed); at += aes.BlockSize {
		block.Decrypt(plain[at:], packed[at:])
	}
	return plain
}

// agileLock is AES in chained blocks, with a key of its own that is encrypted
// under the password (§2.3.4.11 to §2.3.4.15).
type agileLock struct {
	spins                         int
	keyBytes                      int
	hash                          func() hash.Hash
	salt                          []byte
	verifier, verifierHash, value []byte
	dataSalt                      []byte
	dataHash                      func() hash.Hash
}

// agileSpins bounds how often a document may ask to hash (§2.3.4.10).
const agileSpins = 10_000_000

func readAgile(b []byte) officeLock {
	var info struct {
		KeyData struct {
			SaltValue     string `xml:"saltValue,attr"`
			HashAlgorithm string `xml:"hashAlgorithm,attr"`
			Cipher        string `xml:"cipherAlgorithm,attr"`
			Chaining      string `xml:"cipherChaining,attr"`
		} `xml:"keyData"`
		Encryptors []struct {
			Key struct {
				SpinCount     int    `xml:"spinCount,attr"`
				KeyBits       int    `xml:"keyBits,attr"`
				SaltValue     string `xml:"saltValue,attr"`
				HashAlgorithm string `xml:"hashAlgorithm,attr"`
				Cipher        string `xml:"cipherAlgorithm,attr"`
				Chaining      string `xml:"cipherChaining,attr"`
				Input         string `xml:"encryptedVerifierHashInput,attr"`
				Hash          string `xml:"encryptedVerifierHashValue,attr"`
				Value         string `xml:"encryptedKeyValue,attr"`
			} `xml:"http://schemas.microsoft.com/office/2006/keyEncryptor/password encryptedKey"`
		} `xml:"keyEncryptors>keyEncryptor"`
	}
	if xml.NewDecoder(bytes.NewReader(b)).Decode(&info) != nil {
		return nil
	}
	for _, e := range info.Encryptors {
		k := e.Key
		lock := &agileLock{spins: k.SpinCount, keyBytes: k.KeyBits / 8, hash: officeHash(k.HashAlgorithm), dataHash: officeHash(info.KeyData.HashAlgorithm)}
		fields := []struct {
			out  *[]byte
			text string
		}{{&lock.salt, k.SaltValue}, {&lock.verifier, k.Input}, {&lock.verifierHash, k.Hash}, {&lock.value, k.Value}, {&lock.dataSalt, info.KeyData.SaltValue}}
		sound := lock.hash != nil && lock.dataHash != nil && k.SpinCount >= 0 && k.SpinCount <= agileSpins &&
			(k.KeyBits == 128 || k.KeyBits == 192 || k.KeyBits == 256)
		for _, c := range []string{k.Cipher + k.Chaining, info.KeyData.Cipher + info.KeyData.Chaining} {
			sound = sound && c == "AESChainingModeCBC"
		}
		for _, field := range fields {
			value, err := base64.StdEncoding.DecodeString(field.text)
			*field.out = value
			sound = sound && err == nil && len(value) > 0 && len(value) <= 1024
		}
		for _, blocks := range [][]byte{lock.verifier, lock.verifierHash, lock.value} {
			sound = sound && len(blocks)%aes.BlockSize == 0
		}
		if sound {
			return lock
		}
	}
	return nil
}

func officeHash(name string) func() hash.Hash {
	switch name {
	case "SHA1", "SHA-1":
		return sha1.New
	case "SHA256", "SHA-256":
		return sha256.New
	case "SHA384", "SHA-384":
		return sha512.New384
	case "SHA512", "SHA-512":
		return sha512.New
	}
	return nil
}

func (l *agileLock) rounds() int64 { return int64(l.spins) }

// The purposes for which keys are derived (§2.3.4.13).
var (
	agileInput = []byte{0xfe, 0xa7, 0xd2, 0x76, 0x3b, 0x4b, 0x9e, 0x79}
	agileHash  = []byte{0xd7, 0xaa, 0x0f, 0x6d, 0x30, 0x61, 0x34, 0x4e}
	agileValue = []byte{0x14, 0x6e, 0x0b, 0xe7, 0xab, 0xac, 0xd0, 0xd6}
)

func (l *agileLock) key(password string) ([]byte, bool) {
	spun := spin(l.hash, l.salt, password, l.spins)
	open := func(purpose, packed []byte) []byte {
		h := l.hash()
		h.Write(spun)
		h.Write(purpose)
		return chained(fit(h.Sum(nil), l.keyBytes), fit(l.salt, aes.BlockSize), packed)
	}
	h := l.hash()
	h.Write(open(agileInput, l.verifier))
	wanted := h.Sum(nil)
	if got := open(agileHash, l.verifierHash); len(got) < len(wanted) || !bytes.Equal(got[:len(wanted)], wanted) {
		return nil, false
	}
	secret := open(agileValue, l.value)
	if len(secret) < l.keyBytes {
		return nil, false
	}
	return secret[:l.keyBytes], true
}

// agileSegment is how many bytes have an initialization vector of their own.
const agileSegment = 4096

func (l *agileLock) open(secret, packed []byte) []byte {
	plain := make([]byte, 0, len(packed))
	for i := 0; i*agileSegment < len(packed); i++ {
		h := l.dataHash()
		h.Write(l.dataSalt)
		h.Write(binary.LittleEndian.AppendUint32(nil, uint32(i)))
		segment := packed[i*agileSegment : min((i+1)*agileSegment, len(packed))]
		plain = append(plain, chained(secret, fit(h.Sum(nil), aes.BlockSize), segment)...)
	}
	return plain
}

// spin hashes a password again and again, each time with a counter in front.
func spin(newHash func() hash.Hash, salt []byte, password string, rounds int) []byte {
	h := newHash()
	h.Write(salt)
	h.Write(wideBytes(password))
	round := append(make([]byte, 4), h.Sum(nil)...)
	for i := range rounds {
		binary.LittleEndian.PutUint32(round, uint32(i))
		h.Reset()
		h.Write(round)
		h.Sum(round[:4])
	}
	return round[4:]
}

// fit cuts a value to a size or fills it up (§2.3.4.12).
func fit(b []byte, size int) []byte {
	out := bytes.Repeat([]byte{0x36}, size)
	copy(out, b)
	return out
}

// chained decrypts whole blocks of AES in CBC mode; nil where the key is none.
func chained(key, iv, packed []byte) []byte {
	block, err := aes.NewCipher(key)
	if err != nil || len(packed)%aes.BlockSize != 0 {
		return nil
	}
	plain := make([]byte, len(packed))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(plain, packed)
	return plain
}
