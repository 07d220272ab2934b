package mailbox

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/png"
	"math/rand/v2"
	"slices"
	"strings"
)

type file struct {
	name string
	body []byte
}

// archive is a zip of files.
func archive(files ...file) []byte {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, f := range files {
		entry, err := w.CreateHeader(&zip.FileHeader{Name: f.name, Method: zip.Deflate})
		if err == nil {
			_, err = entry.Write(f.body)
		}
		if err != nil {
			panic(fmt.Sprintf("writing to memory failed: %v", err))
		}
	}
	if err := w.Close(); err != nil {
		panic(fmt.Sprintf("writing to memory failed: %v", err))
	}
	return b.Bytes()
}

// lockedArchive is a zip whose one member says that it is encrypted (APPNOTE §4.4.4,
// bit 0) and holds noise. Without the password nobody could tell the difference.
func lockedArchive(name string) []byte {
	body := noise(4000)
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	entry, err := w.CreateRaw(&zip.FileHeader{
		Name: name, Method: zip.Store, Flags: 0x1, CRC32: crc32.ChecksumIEEE(body),
		CompressedSize64: uint64(len(body)), UncompressedSize64: uint64(len(body) - 12),
	})
	if err == nil {
		_, err = entry.Write(body)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		panic(fmt.Sprintf("writing to memory failed: %v", err))
	}
	return b.Bytes()
}

// testVirus is the EICAR test file, harmless and known to every scanner. It is put
// together here so that no scanner finds it in this project's files.
func testVirus() []byte {
	pieces := []string{"+H*", "FILE!$H", "-TEST-", "IVIRUS", "ARD-ANT", "AR-STAND", "$EIC", "7CC)7}", "54(P^)", "[4\\PZX", "P%@AP", "X5O!"}
	slices.Reverse(pieces)
	return []byte(strings.Join(pieces, ""))
}

// program begins as programs for Windows do, and does nothing.
func program() []byte {
	b := make([]byte, 1024)
	copy(b, "MZ")
	binary.LittleEndian.PutUint32(b[0x3c:], 0x80) // where the next header stands
	copy(b[0x80:], "PE\x00\x00\x4c\x01")
	copy(b[0x100:], "This program cannot be run in DOS mode.")
	return b
}

// documentWithMacro is the skeleton of a Word document that carries a macro project.
func documentWithMacro() []byte {
	return archive(
		file{"[Content_Types].xml", []byte(`<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="bin" ContentType="application/vnd.ms-office.vbaProject"/><Override PartName="/word/document.xml" ContentType="application/vnd.ms-word.document.macroEnabled.main+xml"/></Types>`)},
		file{"_rels/.rels", []byte(`<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="word/document.xml"/></Relationships>`)},
		file{"word/document.xml", []byte(`<?xml version="1.0"?><w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body><w:p><w:r><w:t>Enable content to see the order.</w:t></w:r></w:p></w:body></w:document>`)},
		file{"word/vbaProject.bin", macroProject()},
	)
}

// macroProject is a compound file (MS-CFB §2) with an empty storage for macros.
func macroProject() []byte {
	const (
		sector   = 512
		end      = 0xfffffffe
		table    = 0xfffffffd
		none     = 0xffffffff
		storage  = 1
		root     = 5
		black    = 1
		perEntry = 128
	)
	b := bytes.Repeat([]byte{0xff}, 2*sector) // unused numbers are all ones
	head := b[:sector]
	clear(head[:0x4c])
	copy(head, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
	for at, value := range map[int]uint16{0x18: 0x3e, 0x1a: 3, 0x1c: 0xfffe, 0x1e: 9, 0x20: 6} {
		binary.LittleEndian.PutUint16(head[at:], value)
	}
	for at, value := range map[int]uint32{0x2c: 1, 0x30: 1, 0x38: 4096, 0x3c: end, 0x44: end, 0x4c: 0} {
		binary.LittleEndian.PutUint32(head[at:], value)
	}
	chains := b[sector:]
	binary.LittleEndian.PutUint32(chains[0:], table)
	binary.LittleEndian.PutUint32(chains[4:], end)
	for _, entry := range []struct {
		name  string
		kind  byte
		child uint32
	}{{"Root Entry", root, 1}, {"VBA", storage, none}, {"", 0, none}, {"", 0, none}} {
		e := make([]byte, perEntry)
		for i, c := range entry.name {
			binary.LittleEndian.PutUint16(e[2*i:], uint16(c))
		}
		if entry.name != "" {
			binary.LittleEndian.PutUint16(e[0x40:], uint16(2*len(entry.name)+2))
		}
		e[0x42], e[0x43] = entry.kind, black
		for at, value := range map[int]uint32{0x44: none, 0x48: none, 0x4c: entry.child} {
			binary.LittleEndian.PutUint32(e[at:], value)
		}
		if entry.kind == root {
			binary.LittleEndian.PutUint32(e[0x74:], end)
		}
		b = append(b, e...)
	}
	return b
}

// pdf is a page with some lines of text. (ISO 32000-1 §7.5)
func pdf(lines ...string) []byte {
	var page strings.Builder
	page.WriteString("BT /F1 14 Tf 72 760 Td 20 TL\n")
	for _, line := range lines {
		fmt.Fprintf(&page, "(%s) Tj T*\n", line)
	}
	page.WriteString("ET")
	objects := []string{
		"<< /Type /Catalog /Pages 2 0 R >>",
		"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
		"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
		fmt.Sprintf("<< /Length %d >>\nstream\n%s\nendstream", page.Len(), page.String()),
		"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
	}
	var b bytes.Buffer
	b.WriteString("%PDF-1.4\n")
	offsets := make([]int, len(objects))
	for i, object := range objects {
		offsets[i] = b.Len()
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", i+1, object)
	}
	start := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(objects)+1)
	for _, offset := range offsets {
		fmt.Fprintf(&b, "%010d 00000 n \n", offset)
	}
	fmt.Fprintf(&b, "trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n", len(objects)+1, start)
	return b.Bytes()
}

// picture is a soft gradient.
func picture(width, height int) []byte {
	canvas := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			canvas.Set(x, y, color.RGBA{uint8(40 + 120*x/width), uint8(110 + 90*y/height), 150, 255})
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, canvas); err != nil {
		panic(fmt.Sprintf("writing to memory failed: %v", err))
	}
	return b.Bytes()
}

// video is an MP4 file type box (ISO/IEC 14496-12 §4.3) and a box of noise.
func video(size int) []byte {
	b := []byte("\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom")
	b = binary.BigEndian.AppendUint32(b, uint32(size))
	b = append(b, "mdat"...)
	return append(b, noise(size-8)...)
}

// noise is the same bytes every time.
func noise(n int) []byte {
	b := make([]byte, n)
	source := rand.NewChaCha8([32]byte([]byte("the same noise on every new day.")))
	source.Read(b) //nolint:errcheck // it has none
	return b
}

// tnef is a winmail.dat with one file in it. (MS-OXTNEF §2.1)
func tnef(name string, body []byte) []byte {
	const (
		signature     = 0x223e9f78
		levelMessage  = 1
		levelFile     = 2
		attrVersion   = 0x00089006
		attrRendering = 0x00069002
		attrTitle     = 0x00018010
		attrData      = 0x0006800f
	)
	b := binary.LittleEndian.AppendUint32(nil, signature)
	b = binary.LittleEndian.AppendUint16(b, 1) // key
	attribute := func(level byte, id uint32, data []byte) {
		b = append(b, level)
		b = binary.LittleEndian.AppendUint32(b, id)
		b = binary.LittleEndian.AppendUint32(b, uint32(len(data)))
		b = append(b, data...)
		var sum uint16
		for _, c := range data {
			sum += uint16(c)
		}
		b = binary.LittleEndian.AppendUint16(b, sum)
	}
	attribute(levelMessage, attrVersion, []byte{0, 0, 1, 0})
	attribute(levelFile, attrRendering, []byte{1, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0})
	attribute(levelFile, attrTitle, append([]byte(name), 0))
	attribute(levelFile, attrData, body)
	return b
}
