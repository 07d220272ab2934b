package search

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"encoding/base64"
	"encoding/binary"
	"io"
	"regexp"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// largest is how much is unpacked from one place.
const largest = 64 << 20

type unpacked struct {
	form string
	data []byte
}

// A packing begins with some bytes.
type packing struct {
	form  string
	magic []byte
	open  func(io.Reader) (io.Reader, error)
}

var packings = []packing{
	{"gzip", []byte{0x1f, 0x8b, 8}, func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) }}, // RFC 1952 §2.3
	{"zlib", []byte{0x78, 0x01}, unzlib}, // RFC 1950 §2.2
	{"zlib", []byte{0x78, 0x5e}, unzlib},
	{"zlib", []byte{0x78, 0x9c}, unzlib},
	{"zlib", []byte{0x78, 0xda}, unzlib},
	{"zip", []byte("PK\x03\x04"), unzip},
	{"zstd", []byte{0x28, 0xb5, 0x2f, 0xfd}, func(r io.Reader) (io.Reader, error) { // RFC 8878 §3.1.1
		return zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(largest))
	}},
	{"s2", []byte("\xff\x06\x00\x00S2sTwO"), uns2},
	{"snappy", []byte("\xff\x06\x00\x00sNaPpY"), uns2},
	{"lz4", []byte{0x04, 0x22, 0x4d, 0x18}, func(r io.Reader) (io.Reader, error) { return lz4.NewReader(r), nil }},
}

func unzlib(r io.Reader) (io.Reader, error) { return zlib.NewReader(r) }
func uns2(r io.Reader) (io.Reader, error)   { return s2.NewReader(r), nil }

// unzip reads one member, from its local header on. (APPNOTE §4.3.7)
func unzip(r io.Reader) (io.Reader, error) {
	header := make([]byte, 30)
	if _, err := io.ReadFull(r, header); err != nil {
		return nil, err
	}
	skip := int64(binary.LittleEndian.Uint16(header[26:])) + int64(binary.LittleEndian.Uint16(header[28:]))
	if _, err := io.CopyN(io.Discard, r, skip); err != nil {
		return nil, err
	}
	if binary.LittleEndian.Uint16(header[8:]) != zipDeflated {
		return bytes.NewReader(nil), nil // stored: it was seen as it stands
	}
	return flate.NewReader(r), nil
}

const zipDeflated = 8

// unpack gives what can be unpacked from any place of the data, whole or in part.
func unpack(data []byte) []unpacked {
	var all []unpacked
	for _, p := range packings {
		for at := 0; ; at++ {
			next := bytes.Index(data[at:], p.magic)
			if next < 0 {
				break
			}
			at += next
			if opened := drain(p, data[at:]); len(opened) > 0 {
				all = append(all, unpacked{p.form, opened})
			}
		}
	}
	if bytes.HasPrefix(data, []byte("REDIS")) {
		all = append(all, unpackRDB(data)...)
	}
	return append(all, decode(data)...)
}

func drain(p packing, data []byte) []byte {
	r, err := p.open(bytes.NewReader(data))
	if err != nil {
		return nil
	}
	var out bytes.Buffer
	_, _ = io.Copy(&out, io.LimitReader(r, largest)) // what came before a fault counts too
	if closer, ok := r.(interface{ Close() }); ok {
		closer.Close()
	}
	return out.Bytes()
}

var run64 = regexp.MustCompile(`[A-Za-z0-9+/_-]{24,}`)

// decode opens runs of base64 that hold something packed; plain words need no decoding.
func decode(data []byte) []unpacked {
	var all []unpacked
	for _, run := range run64.FindAll(data, -1) {
		run = bytes.Map(func(r rune) rune {
			switch r {
			case '-':
				return '+'
			case '_':
				return '/'
			}
			return r
		}, run)
		raw := make([]byte, base64.RawStdEncoding.DecodedLen(len(run)))
		n, err := base64.RawStdEncoding.Decode(raw, run[:len(run)/4*4])
		if err != nil {
			continue
		}
		for _, p := range packings {
			if bytes.HasPrefix(raw[:n], p.magic) {
				all = append(all, unpacked{"base64", raw[:n]})
				break
			}
		}
	}
	return all
}

// lzfString marks a compressed string in a snapshot of Redis.
const lzfString = 0xc3

// unpackRDB gives the compressed strings of a snapshot of Redis: a mark, the compressed and
// the plain length, and the string in LZF.
func unpackRDB(data []byte) []unpacked {
	var all []unpacked
	for at, c := range data {
		if c != lzfString {
			continue
		}
		rest := data[at+1:]
		packed, rest, ok1 := rdbLength(rest)
		plain, rest, ok2 := rdbLength(rest)
		if !ok1 || !ok2 || packed > len(rest) || plain > largest || packed == 0 {
			continue
		}
		if out, ok := unLZF(rest[:packed], plain); ok {
			all = append(all, unpacked{"lzf", out})
		}
	}
	return all
}

func rdbLength(data []byte) (int, []byte, bool) {
	if len(data) < 5 {
		return 0, nil, false
	}
	switch data[0] >> 6 {
	case 0:
		return int(data[0] & 0x3f), data[1:], true
	case 1:
		return int(data[0]&0x3f)<<8 | int(data[1]), data[2:], true
	case 2:
		if data[0] == 0x80 {
			return int(binary.BigEndian.Uint32(data[1:])), data[5:], true
		}
	}
	return 0, nil, false
}

// unLZF undoes liblzf's compression: runs of literals, and references back.
func unLZF(in []byte, size int) ([]byte, bool) {
	out := make([]byte, 0, size)
	for at := 0; at < len(in); {
		control := int(in[at])
		at++
		if control < 32 {
			end := at + control + 1
			if end > len(in) {
				return nil, false
			}
			out = append(out, in[at:end]...)
			at = end
			continue
		}
		length := control >> 5
		if length == 7 {
			if at >= len(in) {
				return nil, false
			}
			length += int(in[at])
			at++
		}
		if at >= len(in) {
			return nil, false
		}
		from := len(out) - (control&0x1f)<<8 - int(in[at]) - 1
		at++
		if from < 0 || len(out)+length+2 > size {
			return nil, false
		}
		for range length + 2 {
			out = append(out, out[from])
			from++
		}
	}
	return out, len(out) == size
}
