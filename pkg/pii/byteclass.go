package pii

// Classes of ASCII bytes, several to a byte.
const (
	isLetterClass = 1 << iota
	isDigitClass
	isHexClass
	isKeyClass     // may stand in a key or token
	isAddressClass // may stand in an IP address
	isSpacer       // may stand between the digits of one number, or is no ASCII
)

var byteClass = func() (table [256]uint8) {
	for c := range 128 {
		b := byte(c)
		if b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' {
			table[c] |= isLetterClass | isKeyClass
		}
		if b >= '0' && b <= '9' {
			table[c] |= isDigitClass | isHexClass | isKeyClass
		}
		if b >= 'a' && b <= 'f' || b >= 'A' && b <= 'F' {
			table[c] |= isHexClass
		}
		if table[c]&isHexClass != 0 || b == ':' || b == '.' {
			table[c] |= isAddressClass
		}
		switch b {
		case ' ', '-', '.', '/', '_', '(', ')', '\r', '\n', '>':
			table[c] |= isSpacer
		}
		if b == '_' || b == '-' || b == '.' {
			table[c] |= isKeyClass
		}
	}
	for c := 0x80; c < len(table); c++ {
		table[c] |= isSpacer
	}
	return table
}()

func isLetter(c byte) bool  { return byteClass[c]&isLetterClass != 0 }
func isDigit(c byte) bool   { return byteClass[c]&isDigitClass != 0 }
func isAlnum(c byte) bool   { return byteClass[c]&(isLetterClass|isDigitClass) != 0 }
func isHexByte(c byte) bool { return byteClass[c]&isHexClass != 0 }
func isKeyByte(c byte) bool { return byteClass[c]&isKeyClass != 0 }
