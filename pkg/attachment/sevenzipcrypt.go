package attachment

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/binary"
	"unicode/utf16"
)

// sevenAES is the coder of encryption in 7z (7zAES of the LZMA SDK): AES-256 in
// CBC mode under a key of many rounds of SHA-256.
const sevenAES = "\x06\xf1\x07\x01"

// sevenPowerMost is the power of two of rounds that the library computes at most.
const sevenPowerMost = 24

// rounds is what one try of a password costs.
func (c sevenCoder) rounds() int64 {
	if len(c.properties) == 0 {
		return 1
	}
	switch power := c.properties[0] & 0x3f; {
	case power == 0x3f: // the password is the key
		return 1
	case power > sevenPowerMost:
		return 1 << 62
	default:
		return 1 << power
	}
}

// decrypt opens what a header is packed in. What is no multiple of a block, or has no
// sound properties, is a panic of type Reason.
func (c sevenCoder) decrypt(packed []byte, password string) []byte {
	p := c.properties
	if len(p) < 2 {
		panic(MalformedArchive)
	}
	saltSize, ivSize := int(p[0]>>7&1+p[1]>>4), int(p[0]>>6&1+p[1]&0x0f)
	if len(p) != 2+saltSize+ivSize || len(packed)%aes.BlockSize != 0 {
		panic(MalformedArchive)
	}
	if c.rounds() > 1<<sevenPowerMost {
		panic(UnsupportedMethod)
	}
	salt, iv := p[2:2+saltSize], make([]byte, aes.BlockSize)
	copy(iv, p[2+saltSize:])
	block, err := aes.NewCipher(sevenKey(p[0]&0x3f, salt, password))
	if err != nil {
		panic(MalformedArchive)
	}
	plain := make([]byte, len(packed))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(plain, packed)
	return plain
}

func sevenKey(power byte, salt []byte, password string) []byte {
	secret := append(append([]byte(nil), salt...), wideBytes(password)...)
	if power == 0x3f {
		key := make([]byte, sha256.Size)
		copy(key, secret)
		return key
	}
	h := sha256.New()
	round := append(secret, make([]byte, 8)...)
	counter := round[len(secret):]
	for i := range uint64(1) << power {
		binary.LittleEndian.PutUint64(counter, i)
		h.Write(round)
	}
	return h.Sum(nil)
}

// wideBytes is a text in UTF-16, the lower byte first.
func wideBytes(s string) []byte {
	var out []byte
	for _, unit := range utf16.Encode([]rune(s)) {
		out = binary.LittleEndian.AppendUint16(out, unit)
	}
	return out
}
