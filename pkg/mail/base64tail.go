package mail

import "bytes"

// base64Line is from how many characters on a line of nothing but base64 is taken for that,
// wherever it stands.
const base64Line = 40

// decodeBase64Text decodes the base64 of a text, behind which a list or a scanner on the way
// has put words that are not encoded: these stay as they are, from the line end before them.
// It gives nil where there are none.
func decodeBase64Text(body []byte, room int) []byte {
	at := base64Words(body)
	if at == 0 {
		return nil
	}
	out, _ := decodeBase64(body[:at], room)
	if len(out) == 0 || isBinary(out) {
		return nil
	}
	return appendRoom(out, room, body[at:]...)
}

// base64Words finds where words begin behind base64, 0 where there are none. What follows
// padding is words as a whole, if any of it is.
func base64Words(body []byte) int {
	end, words := 0, 0 // of the last line of base64, and of the one before the words
	padded := false
	for at := 0; at < len(body); {
		line, rest, _ := cutLine(body[at:])
		from := at
		at = len(body) - len(rest)
		text := bytes.TrimSpace(line)
		if len(text) == 0 {
			continue
		}
		blanks, bad := base64Misfits(text)
		switch {
		case (words > 0 || padded) && len(text) >= base64Line && blanks+bad == 0: // the words stood in its midst
			return 0
		case words > 0:
		case padded:
			if blanks+bad > 0 || len(text)%4 != 0 {
				words = end
			}
		case bad*2 >= len(text) || blanks > 1 || blanks > 0 && bad > 0: // less is damage
			if end == 0 {
				return 0
			}
			words = end
		default:
			end = from + bytes.LastIndexByte(line, text[len(text)-1]) + 1
			padded = text[len(text)-1] == '='
		}
	}
	return words
}

// base64Misfits counts the gaps between the characters of a line and the characters that
// base64 has not, or not there.
func base64Misfits(text []byte) (blanks, bad int) {
	data := bytes.TrimRight(text, "=")
	if pads := len(text) - len(data); pads > 2 {
		bad = pads
	}
	for i, c := range data {
		switch {
		case isSpace(c):
			if !isSpace(data[i-1]) {
				blanks++
			}
		case b64Table[c] >= 64:
			bad++
		}
	}
	return blanks, bad
}
