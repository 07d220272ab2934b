package attachment

import (
	"bytes"
	"hash/crc32"
	"io"

	"github.com/ulikunitz/xz/lzma"
)

// readSevenHeader reads the header of a 7z archive, with a password where the
// names are encrypted too, and says why it cannot be opened.
func readSevenHeader(b []byte, limits Limits, password string) (archive sevenArchive, reason Reason) {
	defer func() {
		switch thrown := recover().(type) {
		case nil:
		case Reason:
			reason = thrown
		default:
			reason = MalformedArchive
		}
	}()
	if len(b) < 32 || crc32.ChecksumIEEE(b[12:32]) != u32(b[8:]) {
		return archive, MalformedArchive
	}
	archive.end = 32
	archive.layout.add(spanStructure, 0, 32)
	offset, size := u64(b[12:]), u64(b[20:])
	if size == 0 {
		return archive, "" // an empty archive
	}
	if offset > uint64(len(b)-32) || size > uint64(len(b)-32)-offset {
		return archive, MalformedArchive
	}
	archive.end = int64(32 + offset + size)
	header := b[32+offset : archive.end]
	archive.layout.add(spanStructure, int64(32+offset), archive.end)
	if len(header) > sevenHeaderBytes {
		return archive, MembersLimit
	}
	if header[0] == sevenEncodedHeader {
		header = archive.unpackHeader(b, header[1:], limits, password)
	}
	r := &sevenReader{b: header, limits: limits}
	r.expect(sevenHeader)
	id := r.byte()
	if id == sevenProperties {
		for id = r.byte(); id != sevenEnd; id = r.byte() {
			r.bytes(r.count())
		}
		id = r.byte()
	}
	if id == sevenMoreStreams {
		panic(UnsupportedMethod)
	}
	if id == sevenMainStreams {
		s := r.streams()
		archive.folders = s.folders
		archive.claim(s, spanMember, len(b))
		id = r.byte()
	}
	if id == sevenFiles && r.count() > limits.Members {
		panic(MembersLimit)
	}
	return archive, ""
}

// claim accounts for packed streams, which stand one behind the other.
func (s *sevenArchive) claim(streams sevenStreams, kind, size int) {
	at := streams.position
	for _, n := range streams.packed {
		if at > uint64(size-32) || n > uint64(size-32)-at {
			panic(MalformedArchive)
		}
		s.layout.add(kind, int64(32+at), int64(32+at+n))
		at += n
	}
}

// unpackHeader unpacks a header that is itself packed, as 7-Zip writes them: with
// LZMA, and encrypted where names are to be hidden.
func (s *sevenArchive) unpackHeader(b, description []byte, limits Limits, password string) []byte {
	r := &sevenReader{b: description, limits: limits}
	streams := r.streams()
	if len(streams.folders) != 1 || len(streams.packed) != 1 || len(streams.coders) != len(streams.unpacked) {
		panic(UnsupportedMethod)
	}
	s.folders = streams.folders
	s.claim(streams, spanStructure, len(b))
	if reason := streams.folders[0].reason; reason != "" {
		panic(reason)
	}
	packed := b[32+streams.position : 32+streams.position+streams.packed[0]]
	method, size := sevenCoder{id: "\x00"}, streams.unpacked[0]
	for i, c := range streams.coders {
		if streams.unpacked[i] > sevenHeaderBytes {
			panic(MembersLimit)
		}
		switch {
		case c.id != sevenAES:
			method, size = c, streams.unpacked[i]
		case password == "":
			panic(EncryptedArchive)
		default:
			packed = c.decrypt(packed, password)
			packed = packed[:min(uint64(len(packed)), streams.unpacked[i])]
		}
	}
	if len(streams.coders) > 2 || len(streams.coders) == 2 && !streams.folders[0].encrypted {
		panic(UnsupportedMethod)
	}
	header := method.unpackHeader(packed, size)
	if streams.checked && crc32.ChecksumIEEE(header) != streams.crc {
		if password != "" {
			panic(EncryptedArchive)
		}
		panic(MalformedArchive)
	}
	return header
}

func (c sevenCoder) unpackHeader(packed []byte, size uint64) []byte {
	var unpacked io.Reader
	var err error
	switch c.id {
	case "\x00":
		unpacked = bytes.NewReader(packed)
	case "\x21":
		unpacked, err = lzma.Reader2Config{DictCap: max(lzma.MinDictCap, int(size))}.NewReader2(bytes.NewReader(packed))
	case "\x03\x01\x01":
		if len(c.properties) < 5 {
			panic(MalformedArchive)
		}
		head := make([]byte, 13)
		copy(head, c.properties[:5])
		for i := range 8 {
			head[5+i] = byte(size >> (8 * i))
		}
		unpacked, err = lzma.NewReader(io.MultiReader(bytes.NewReader(head), bytes.NewReader(packed)))
	default:
		panic(UnsupportedMethod)
	}
	if err != nil {
		panic(MalformedArchive)
	}
	header := make([]byte, size)
	if _, err := io.ReadFull(unpacked, header); err != nil {
		panic(MalformedArchive)
	}
	return header
}
