package picture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
)

// errShape says that some bytes are not what Draw makes.
var errShape = errors.New("picture: not one that was drawn anew")

// maxEdge is the most pixels of one side.
const maxEdge = 1 << 16

// Check tells whether bytes have the shape of what Draw makes: one picture of a type and a size, with the pieces that
// its pixels need and no others, and nothing behind it. It decodes nothing, for it is what whoever gets a picture from
// a confined process does before anybody else does.
func Check(drawn Drawn) error {
	var width, height uint32
	var ok bool
	switch drawn.Type {
	case "image/png":
		width, height, ok = checkPNG(drawn.Content)
	case "image/jpeg":
		width, height, ok = checkJPEG(drawn.Content)
	}
	if !ok || width == 0 || height == 0 || width > maxEdge || height > maxEdge || int64(width) != int64(drawn.Width) || int64(height) != int64(drawn.Height) {
		return errShape
	}
	return nil
}

// checkPNG goes through the chunks (PNG, Third Edition, §5.3): those that pixels and their palette need, in their order.
func checkPNG(content []byte) (width, height uint32, ok bool) {
	rest, ok := bytes.CutPrefix(content, []byte("\x89PNG\r\n\x1a\n"))
	order := []string{"IHDR", "PLTE", "tRNS", "IDAT", "IEND"}
	for at := 0; ok; {
		const around = 12 // bytes of a chunk beside what it holds
		if len(rest) < around {
			return 0, 0, false
		}
		size := int64(binary.BigEndian.Uint32(rest))
		if size > int64(len(rest)-around) {
			return 0, 0, false
		}
		named, sum := rest[4:8+size], rest[8+size:]
		kind, body := string(named[:4]), named[4:]
		if crc32.ChecksumIEEE(named) != binary.BigEndian.Uint32(sum) {
			return 0, 0, false
		}
		first := at == 0
		for at < len(order) && order[at] != kind {
			at++
		}
		switch {
		case at == len(order), first && kind != "IHDR":
			return 0, 0, false
		case kind == "IHDR":
			if len(body) != 13 || !first || body[10] != 0 || body[11] != 0 || body[12] != 0 { // §11.2.1; not interlaced
				return 0, 0, false
			}
			width, height = binary.BigEndian.Uint32(body), binary.BigEndian.Uint32(body[4:])
		case kind == "IEND":
			return width, height, len(body) == 0 && len(rest) == around
		}
		if kind != "IDAT" {
			at++ // each of the others is there once
		}
		rest = sum[4:]
	}
	return 0, 0, false
}

// Markers of JPEG (ITU T.81, table B.1).
const (
	markSOI, markEOI = 0xd8, 0xd9
	markSOF, markDHT = 0xc0, 0xc4 // baseline alone
	markDQT, markSOS = 0xdb, 0xda
)

// checkJPEG goes through the segments (ITU T.81, B.1): tables, one baseline frame, one scan, the end.
func checkJPEG(content []byte) (width, height uint32, ok bool) {
	rest, ok := bytes.CutPrefix(content, []byte{0xff, markSOI})
	for ok {
		if len(rest) < 4 || rest[0] != 0xff {
			return 0, 0, false
		}
		mark, size := rest[1], int(binary.BigEndian.Uint16(rest[2:]))
		if size < 2 || size > len(rest)-2 {
			return 0, 0, false
		}
		body := rest[4 : 2+size]
		rest = rest[2+size:]
		switch mark {
		case markDQT, markDHT:
		case markSOF:
			if len(body) < 6 || width != 0 || body[0] != 8 {
				return 0, 0, false
			}
			height, width = uint32(binary.BigEndian.Uint16(body[1:])), uint32(binary.BigEndian.Uint16(body[3:]))
		case markSOS:
			return width, height, endsOnce(rest)
		default:
			return 0, 0, false
		}
	}
	return 0, 0, false
}

// endsOnce tells whether the bytes of a scan hold no marker but the end, which is the last of them.
func endsOnce(scan []byte) bool {
	for {
		at := bytes.IndexByte(scan, 0xff)
		if at < 0 || at+1 >= len(scan) {
			return false
		}
		switch scan[at+1] {
		case 0: // a byte of the scan
			scan = scan[at+2:]
		case markEOI:
			return at+2 == len(scan)
		default:
			return false
		}
	}
}
