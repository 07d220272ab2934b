package attachment

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha1"
	"encoding/binary"
	"hash/crc32"
	"io"
)

// encryptedMember tries the words of the mail on a member that is encrypted. A
// member that opens is looked at like any other, and still counts as encrypted:
// the password is there for the person, and to keep scanners out.
func (w *walker) encryptedMember(a *Attachment, f file, e zipEntry) error {
	packed := f.content[e.dataAt:e.end]
	var inner zipEntry
	var plain []byte
	_, ok := w.unlock(e.rounds(), func(password string) bool {
		var ok bool
		if plain, inner, ok = e.decrypt(packed, password); !ok {
			return false
		}
		r, err := w.zipMethod(inner, plain)
		return err == nil && w.opens(f, inner, r)
	})
	if w.budget.stopped() != "" {
		return errStop
	}
	if !ok {
		return w.refuse(a, f, e.name, e.size, EncryptedArchive)
	}
	r, err := w.zipMethod(inner, plain)
	if err != nil {
		return w.refuse(a, f, e.name, e.size, readReason("", err))
	}
	f.sealed = true
	child, err := w.member(a, f, e.name, e.size, checked(r, inner))
	if child != nil {
		child.add(PasswordInMail)
		child.judge()
	}
	return err
}

// rounds is what one try of a password costs.
func (e zipEntry) rounds() int64 {
	if e.method == 99 {
		return 4 * aesRounds // of HMAC, for a key of up to 66 bytes
	}
	return 1
}

// aesRounds is how often AE-1 and AE-2 derive a key.
const aesRounds = 1000

// opens tells whether a decrypted member unpacks to what its header says. The
// check byte alone lets every 256th wrong password through.
func (w *walker) opens(f file, e zipEntry, r io.Reader) bool {
	if e.aesStrength != 0 {
		return true // its own check has proven it
	}
	_, reason, err := w.stream(f, e.size, checked(r, e))
	return reason == "" && err == nil
}

func checked(r io.Reader, e zipEntry) io.Reader {
	return &checkedReader{r: r, size: e.size, crc: e.crc, unchecked: e.size < 0}
}

// readAES finds the field that describes AES encryption (APPNOTE.TXT Appendix E,
// field 0x9901).
func (e *zipEntry) readAES(extra []byte) {
	for len(extra) >= 4 {
		id, length := u16(extra), int(u16(extra[2:]))
		if length > len(extra)-4 {
			return
		}
		if id == 0x9901 && length >= 7 && extra[8] >= 1 && extra[8] <= 3 {
			e.aesStrength, e.aesMethod = extra[8], u16(extra[9:])
		}
		extra = extra[4+length:]
	}
}

// decrypt opens the packed bytes with a password, if it is the right one, and
// gives the entry as it would be without encryption.
func (e zipEntry) decrypt(packed []byte, password string) (plain []byte, inner zipEntry, ok bool) {
	inner = e
	switch {
	case e.method == 99 && e.aesStrength != 0:
		inner.method = e.aesMethod
		plain, ok = decryptAES(packed, password, e.aesStrength)
	case e.flags&(flagStrong|flagMasked) == 0 && e.method != 99:
		check := byte(e.crc >> 24)
		if e.flags&flagDescriptor != 0 {
			check = byte(e.modTime >> 8)
		}
		plain, ok = decryptTraditional(packed, password, check)
	}
	return plain, inner, ok
}

// decryptTraditional is the cipher of §6.1: twelve bytes before the data, the
// last of which tells a wrong password.
func decryptTraditional(packed []byte, password string, check byte) ([]byte, bool) {
	if len(packed) < 12 {
		return nil, false
	}
	k := zipKeys{0x12345678, 0x23456789, 0x34567890}
	for i := range len(password) {
		k.update(password[i])
	}
	var head byte
	for _, c := range packed[:12] {
		head = k.decrypt(c)
	}
	if head != check {
		return nil, false
	}
	plain := make([]byte, len(packed)-12)
	for i, c := range packed[12:] {
		plain[i] = k.decrypt(c)
	}
	return plain, true
}

// zipKeys are the three keys of the traditional cipher (§6.1.5).
type zipKeys [3]uint32

func (k *zipKeys) update(c byte) {
	step := func(crc uint32, c byte) uint32 { return crc32.IEEETable[byte(crc)^c] ^ crc>>8 }
	k[0] = step(k[0], c)
	k[1] = (k[1]+k[0]&0xff)*134775813 + 1
	k[2] = step(k[2], byte(k[1]>>24))
}

func (k *zipKeys) decrypt(c byte) byte {
	t := k[2]&0xffff | 2
	c ^= byte(t * (t ^ 1) >> 8)
	k.update(c)
	return c
}

// decryptAES is the cipher of AE-1 and AE-2: a salt, two bytes that tell a wrong
// password, the data under AES in counter mode, and ten bytes of HMAC-SHA1.
func decryptAES(packed []byte, password string, strength byte) ([]byte, bool) {
	keySize := 8 + 8*int(strength)
	saltSize := keySize / 2
	if len(packed) < saltSize+2+10 {
		return nil, false
	}
	keys, err := pbkdf2.Key(sha1.New, password, packed[:saltSize], aesRounds, 2*keySize+2)
	if err != nil || !bytes.Equal(keys[2*keySize:], packed[saltSize:saltSize+2]) {
		return nil, false
	}
	data, sum := packed[saltSize+2:len(packed)-10], packed[len(packed)-10:]
	mac := hmac.New(sha1.New, keys[keySize:2*keySize])
	mac.Write(data)
	if !hmac.Equal(mac.Sum(nil)[:10], sum) {
		return nil, false
	}
	block, err := aes.NewCipher(keys[:keySize])
	if err != nil {
		return nil, false
	}
	return countLittleEndian(block, data), true
}

// countLittleEndian is counter mode with a counter from one on whose first byte is
// the lowest, unlike that of NIST.
func countLittleEndian(block cipher.Block, data []byte) []byte {
	plain := make([]byte, len(data))
	var counter, stream [aes.BlockSize]byte
	for at := 0; at < len(data); at += aes.BlockSize {
		binary.LittleEndian.PutUint64(counter[:], uint64(at/aes.BlockSize)+1)
		block.Encrypt(stream[:], counter[:])
		for i := at; i < min(at+aes.BlockSize, len(data)); i++ {
			plain[i] = data[i] ^ stream[i-at]
		}
	}
	return plain
}
