package signature

import "errors"

var errBER = errors.New("malformed asn.1")

const maxBERDepth = 30

// toDER rewrites BER with indefinite lengths and constructed strings, which CMS
// allows (RFC 5652 §2.3), so that the strict reader takes it. Definite encodings
// come out as they went in.
func toDER(raw []byte) ([]byte, error) {
	out, rest, err := reencode(raw, 0)
	if err != nil {
		return nil, err
	}
	// A detached signature may be padded; anything else after it is refused.
	for _, c := range rest {
		if c != 0 && c != '\r' && c != '\n' {
			return nil, errBER
		}
	}
	return out, nil
}

// reencode takes one element off the front.
func reencode(raw []byte, depth int) (out, rest []byte, err error) {
	if depth > maxBERDepth {
		return nil, nil, errBER
	}
	header, length, err := berHeader(raw)
	if err != nil {
		return nil, nil, err
	}
	tag := raw[:header.tag]
	body := raw[header.size:]
	indefinite := length < 0
	if !indefinite {
		if length > len(body) {
			return nil, nil, errBER
		}
		body, rest = body[:length], body[length:]
	}
	if raw[0]&0x20 == 0 { // primitive
		if indefinite {
			return nil, nil, errBER
		}
		return element(tag, body), rest, nil
	}
	var content []byte
	joined := raw[0] == 0x24 // a constructed OCTET STRING becomes one piece
	for {
		if indefinite && len(body) >= 2 && body[0] == 0 && body[1] == 0 {
			rest = body[2:]
			break
		}
		if len(body) == 0 {
			if indefinite {
				return nil, nil, errBER
			}
			break
		}
		var inner []byte
		inner, body, err = reencode(body, depth+1)
		if err != nil {
			return nil, nil, err
		}
		if joined {
			h, n, err := berHeader(inner)
			if err != nil || inner[0] != 0x04 {
				return nil, nil, errBER
			}
			inner = inner[h.size : h.size+n]
		}
		content = append(content, inner...)
	}
	if joined {
		return element([]byte{0x04}, content), rest, nil
	}
	return element(tag, content), rest, nil
}

type berSizes struct{ tag, size int }

// berHeader reads tag and length; a length of -1 is indefinite.
func berHeader(raw []byte) (berSizes, int, error) {
	if len(raw) < 2 {
		return berSizes{}, 0, errBER
	}
	pos := 1
	if raw[0]&0x1f == 0x1f { // high tag number
		for pos < len(raw) && raw[pos]&0x80 != 0 && pos < 6 {
			pos++
		}
		pos++
	}
	if pos >= len(raw) {
		return berSizes{}, 0, errBER
	}
	tag, first := pos, raw[pos]
	pos++
	switch {
	case first < 0x80:
		return berSizes{tag, pos}, int(first), nil
	case first == 0x80:
		return berSizes{tag, pos}, -1, nil
	}
	n := int(first & 0x7f)
	if n > 4 || pos+n > len(raw) {
		return berSizes{}, 0, errBER
	}
	length := 0
	for _, c := range raw[pos : pos+n] {
		length = length<<8 | int(c)
	}
	if length < 0 || length > 1<<30 {
		return berSizes{}, 0, errBER
	}
	return berSizes{tag, pos + n}, length, nil
}

func element(tag, body []byte) []byte {
	out := make([]byte, 0, len(tag)+6+len(body))
	out = append(out, tag...)
	switch n := len(body); {
	case n < 0x80:
		out = append(out, byte(n))
	case n < 1<<8:
		out = append(out, 0x81, byte(n))
	case n < 1<<16:
		out = append(out, 0x82, byte(n>>8), byte(n))
	case n < 1<<24:
		out = append(out, 0x83, byte(n>>16), byte(n>>8), byte(n))
	default:
		out = append(out, 0x84, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	}
	return append(out, body...)
}
