package attachment

import "math/bits"

// Workbooks that are obfuscated by XOR, as Excel 5 and 95 did it and later ones still
// can ([MS-OFFCRYPTO] §2.3.7.2, method 1).

// An xorLock is what a FilePass record says of the obfuscation.
type xorLock struct{ key, verifier uint16 }

// readXORLock reads the data of a FilePass record; of workbooks before Excel 97 it
// has nothing but the two numbers.
func readXORLock(b []byte) *xorLock {
	switch {
	case len(b) == 4:
		return &xorLock{u16(b), u16(b[2:])}
	case len(b) == 6 && u16(b) == 0:
		return &xorLock{u16(b[2:]), u16(b[4:])}
	}
	return nil
}

// xorMost is how long a password may be.
const xorMost = 15

// opens tells whether a password has the key and the verifier that the file names.
func (l *xorLock) opens(password string) bool {
	return len(password) > 0 && len(password) <= xorMost && xorVerifier(password) == l.verifier && xorKey(password) == l.key
}

// xorVerifier is §2.3.7.1.
func xorVerifier(password string) uint16 {
	var v uint16
	step := func(c byte) { v = (v>>14&1 | v<<1&0x7fff) ^ uint16(c) }
	for i := len(password) - 1; i >= 0; i-- {
		step(password[i])
	}
	step(byte(len(password)))
	return v ^ 0xce4b
}

// The first numbers of the tables of §2.3.7.2. Each number of a row is the one before it
// doubled, with 0x1021 where it overflows.
var (
	xorInitial = [xorMost]uint16{0xe1f0, 0x1d0f, 0xcc9c, 0x84c0, 0x110c, 0x0e10, 0xf1ce, 0x313e, 0x1872, 0xe139, 0xd40f, 0x84f9, 0x280c, 0xa96a, 0x4ec3}
	xorRows    = [xorMost]uint16{0xaefc, 0x7b61, 0x4563, 0x0375, 0xd849, 0x6f45, 0xeb23, 0x47d3, 0xb861, 0x45a0, 0xaa51, 0x76b4, 0x3730, 0x3331, 0x1021}
	xorPadding = [xorMost]byte{0xbb, 0xff, 0xff, 0xba, 0xff, 0xff, 0xb9, 0x80, 0x00, 0xbe, 0x0f, 0x00, 0xbf, 0x0f, 0x00}
)

func xorKey(password string) uint16 {
	key := xorInitial[len(password)-1]
	row := xorMost - 1 // of the last letter
	for i := len(password) - 1; i >= 0; i-- {
		n := xorRows[row]
		for bit := range 7 {
			if password[i]>>bit&1 != 0 {
				key ^= n
			}
			n = n<<1 ^ n>>15*0x1021
		}
		row--
	}
	return key
}

// array is the sixteen bytes that the data is obfuscated with. The standard turns them by one bit
// to the right, as Word does; Excel turns them by two to the left.
func (l *xorLock) array(password string) (out [16]byte) {
	halves := [2]byte{byte(l.key), byte(l.key >> 8)}
	letters := append([]byte(password), xorPadding[:]...)
	for i := range out {
		out[i] = bits.RotateLeft8(letters[i]^halves[i&1], 2)
	}
	return out
}

// open undoes the obfuscation of a workbook.
func (l *xorLock) open(password string, b []byte) []byte {
	array := l.array(password)
	plain := make([]byte, len(b))
	for at := 0; at+4 <= len(b); {
		length := int(u16(b[at+2:]))
		from, to := at+4, min(at+4+length, len(b))
		for i := from; i < to; i++ {
			plain[i] = bits.RotateLeft8(b[i], 3) ^ array[(i+length)&15]
		}
		at = from + length
	}
	keepClear(plain, b)
	return plain
}
