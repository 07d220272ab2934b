package attachment

import (
	"bytes"
	"crypto/md5"
	"crypto/rc4"
	"crypto/sha1"
	"encoding/binary"
)

// Encrypted documents of Office 97 to 2003 are opened with passwords that somebody
// gave: workbooks ([MS-XLS] §2.2.10), and Word documents and presentations, which
// are encrypted by the same means ([MS-OFFCRYPTO] §2.3.5 and §2.3.6).

// A biffLock is what a FilePass record, or its like elsewhere, says of the encryption.
type biffLock struct {
	salt, verifier, verifierHash []byte
	keySize                      int // bytes; 0 for the plain RC4 of Excel 97
}

// readBIFFLock reads the data of a FilePass record ([MS-XLS] §2.4.117); nil where
// it is of a kind that is not opened here.
func readBIFFLock(b []byte) *biffLock {
	if len(b) < 2 || u16(b) != 1 {
		return nil
	}
	return readRC4Lock(b[2:])
}

// readRC4Lock reads an EncryptionHeader that begins with its version; nil where it
// is of a kind that is not opened here.
func readRC4Lock(b []byte) *biffLock {
	if len(b) < 4 {
		return nil
	}
	major, minor := u16(b), u16(b[2:])
	switch {
	case major == 1 && minor == 1:
		if len(b) < 4+48 {
			return nil
		}
		return &biffLock{salt: b[4:20], verifier: b[20:36], verifierHash: b[36:52]}
	case major >= 2 && major <= 4 && minor == 2:
		rest, ok := skip(b, 8)
		if !ok || len(rest) < 4 {
			return nil
		}
		size := u32(rest)
		if size < 20 || uint64(size) > uint64(len(rest)-4) {
			return nil
		}
		header, v := rest[4:4+size], rest[4+size:]
		keySize := int(u32(header[16:]) / 8)
		if keySize == 0 { // §2.3.5.1: 40 bits
			keySize = 5
		}
		if keySize < 5 || keySize > 16 || len(v) < 4+16+16+4+20 || u32(v) != 16 {
			return nil
		}
		return &biffLock{salt: v[4:20], verifier: v[20:36], verifierHash: v[40:60], keySize: keySize}
	}
	return nil
}

// biffRounds is what one try costs: some hashing and a short stream.
const biffRounds = 10

// cipher is the key stream of one block.
func (l *biffLock) cipher(password string, block uint32) *rc4.Cipher {
	var key []byte
	number := binary.LittleEndian.AppendUint32(nil, block)
	if l.keySize == 0 { // §2.3.6.2
		first := md5.Sum(wideBytes(password))
		second := md5.Sum(bytes.Repeat(append(first[:5:5], l.salt...), 16))
		third := md5.Sum(append(second[:5:5], number...))
		key = third[:]
	} else { // §2.3.5.2
		first := sha1.Sum(append(bytes.Clone(l.salt), wideBytes(password)...))
		second := sha1.Sum(append(first[:], number...))
		key = second[:l.keySize]
		if l.keySize == 5 {
			key = append(key[:5:5], make([]byte, 11)...)
		}
	}
	c, err := rc4.NewCipher(key)
	if err != nil {
		return nil
	}
	return c
}

// opens tells whether a password is the right one.
func (l *biffLock) opens(password string) bool {
	c := l.cipher(password, 0)
	if c == nil {
		return false
	}
	verifier, wanted := make([]byte, len(l.verifier)), make([]byte, len(l.verifierHash))
	c.XORKeyStream(verifier, l.verifier)
	c.XORKeyStream(wanted, l.verifierHash)
	if l.keySize == 0 {
		got := md5.Sum(verifier)
		return bytes.Equal(got[:], wanted)
	}
	got := sha1.Sum(verifier)
	return bytes.Equal(got[:], wanted)
}

// biffBlock is how many bytes of a workbook have a key of their own.
const biffBlock = 1024

// open decrypts a workbook; the headers of its records, and a few records, are in
// the clear ([MS-XLS] §2.2.10).
func (l *biffLock) open(password string, b []byte) []byte {
	plain := l.stream(password, b, biffBlock)
	keepClear(plain, b)
	return plain
}

// stream decrypts bytes of which each block has a key of its own.
func (l *biffLock) stream(password string, b []byte, size int) []byte {
	plain := make([]byte, len(b))
	for at := 0; at < len(b); at += size {
		if c := l.cipher(password, uint32(at/size)); c != nil {
			c.XORKeyStream(plain[at:min(at+size, len(b))], b[at:min(at+size, len(b))])
		}
	}
	return plain
}

// keepClear puts back what is not encrypted in a workbook.
func keepClear(plain, b []byte) {
	for at := 0; at+4 <= len(b); {
		kind, length := u16(b[at:]), int(u16(b[at+2:]))
		clear := 4
		switch kind {
		case 0x0809, 0x002f, 0x0194, 0x0195, 0x00e1, 0x0138, 0x0196: // BOF, FilePass, UsrExcl, FileLock, InterfaceHdr, RRDHead, RRDInfo
			clear += length
		case 0x0085: // BoundSheet8: where its sheet begins
			clear += min(4, length)
		}
		copy(plain[at:], b[at:min(at+clear, len(b))])
		at += 4 + length
	}
}

// filePass finds the record that says how a workbook is encrypted.
func filePass(b []byte) []byte {
	for len(b) >= 4 {
		kind, length := u16(b), int(u16(b[2:]))
		if length > len(b)-4 {
			return nil
		}
		if kind == 0x002f {
			return b[4 : 4+length]
		}
		b = b[4+length:]
	}
	return nil
}
