package mail

import (
	"bytes"
	"encoding/binary"
	"strings"
	"unicode/utf16"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
)

// What Outlook sends as winmail.dat is a list of attributes ([MS-OXTNEF]); some
// hold lists of MAPI properties.

var tnefSignature = []byte{0x78, 0x9f, 0x3e, 0x22}

func isTNEF(content []byte) bool { return bytes.HasPrefix(content, tnefSignature) }

const (
	tnefBody        = 0x0002800c
	tnefAttachTitle = 0x00018010
	tnefAttachData  = 0x0006800f
	tnefRenderData  = 0x00069002 // each attachment starts with it
	tnefMessage     = 0x00069003 // MAPI properties of the message
	tnefAttachment  = 0x00069005 // MAPI properties of an attachment
	tnefCodepage    = 0x00069007

	mapiBody         = 0x1000
	mapiRTF          = 0x1009
	mapiHTML         = 0x1013
	mapiDisplayName  = 0x3001
	mapiAttachData   = 0x3701
	mapiFilename     = 0x3704
	mapiLongFilename = 0x3707
	mapiMIMEType     = 0x370e
	mapiContentID    = 0x3712
)

// A tnefFile is one attachment of a winmail.dat as its attributes come in.
type tnefFile struct {
	title, long, short, shown, mediaType, id string
	data                                     []byte
	embedded                                 bool // a message or an OLE object in a format of its own
	twice                                    bool // two contents that differ are given
}

// content takes the data of an attachment; the first counts.
func (f *tnefFile) content(data []byte) {
	if f.data == nil {
		f.data = data
		return
	}
	f.twice = f.twice || !bytes.Equal(f.data, data)
}

func (f tnefFile) name() string {
	for _, n := range []string{f.long, f.title, f.short, f.shown} {
		if n != "" {
			return n
		}
	}
	return ""
}

// unpackTNEF hangs the attachments and the body of a winmail.dat below its part.
func (p *parser) unpackTNEF(part *Part) {
	p.spend(2 * len(part.Content))
	var files []tnefFile
	var codepage encoding.Encoding = charmap.Windows1252
	in := part.Content[min(6, len(part.Content)):] // signature and key
	intact := true
	for len(in) > 0 {
		if len(in) < 9 || in[0] != 1 && in[0] != 2 {
			intact = len(files) > 0 && len(bytes.Trim(in, "\x00\r\n")) == 0
			break
		}
		id := binary.LittleEndian.Uint32(in[1:])
		size := int64(binary.LittleEndian.Uint32(in[5:]))
		if size > int64(len(in)-9) {
			intact = false
			break
		}
		data := in[9 : 9+size]
		in = in[9+size:]
		if len(in) >= 2 { // some writers leave the last one out
			intact = intact && tnefSum(data) == binary.LittleEndian.Uint16(in)
		}
		in = in[min(2, len(in)):]
		if p.parts+len(files) >= p.lim.Parts {
			p.doubt(part, "part_limit")
			break
		}
		if len(files) == 0 && (id == tnefAttachTitle || id == tnefAttachData || id == tnefAttachment) {
			files = append(files, tnefFile{})
		}
		switch id {
		case tnefCodepage:
			if len(data) >= 4 {
				codepage = windowsCodepage(binary.LittleEndian.Uint32(data), codepage)
			}
		case tnefRenderData:
			files = append(files, tnefFile{})
		case tnefAttachTitle:
			files[len(files)-1].title = eightBit(data, codepage)
		case tnefAttachData:
			files[len(files)-1].content(data)
		case tnefAttachment:
			f := &files[len(files)-1]
			whole := eachMAPI(data, func(prop uint16, kind uint16, v []byte) { f.set(prop, kind, v, codepage) })
			intact = intact && whole
		case tnefBody:
			p.tnefText(part, "text/plain", "body.txt", []byte(eightBit(data, codepage)))
		case tnefMessage:
			whole := eachMAPI(data, func(prop uint16, kind uint16, v []byte) {
				switch prop {
				case mapiBody:
					p.tnefText(part, "text/plain", "body.txt", []byte(mapiString(kind, v, codepage)))
				case mapiHTML:
					p.tnefText(part, "text/html", "body.html", v)
				case mapiRTF:
					p.tnefText(part, "text/rtf", "body.rtf", inflateRTF(v, p.lim.Decoded-p.decoded))
				}
			})
			intact = intact && whole
		}
	}
	for _, f := range files {
		if f.data == nil && f.name() == "" {
			continue
		}
		child := p.unpacked(part, "tnef", f.name(), f.data)
		child.ContentID = strings.Trim(f.id, "<>")
		main, sub, ok := strings.Cut(strings.ToLower(f.mediaType), "/")
		if ok && isToken(main) && isToken(sub) {
			child.Type = main + "/" + sub
		}
		if f.embedded {
			p.doubt(child, "embedded_object")
		}
		if f.twice {
			p.doubt(child, "bad_tnef")
		}
		if f.title != "" && f.long != "" && differInKind(f.title, f.long) {
			p.doubt(child, "conflicting_filename")
		}
		if isTNEF(child.Content) && p.enter(child) { // a message within the message
			p.unpackTNEF(child)
			p.depth--
		}
	}
	if !intact {
		p.doubt(part, "bad_tnef")
	}
}

func (p *parser) tnefText(part *Part, mediaType, name string, content []byte) {
	if len(content) == 0 || p.parts >= p.lim.Parts {
		return
	}
	for _, c := range part.Children {
		if c.Filename == name {
			if !bytes.Equal(bytes.TrimSpace(c.Content), bytes.TrimSpace(content)) { // programs show one or the other
				p.doubt(part, "bad_tnef")
			}
			return
		}
	}
	child := p.unpacked(part, "tnef", name, content)
	child.Type, child.Disposition = mediaType, "inline"
	if mediaType == "text/plain" {
		child.Charset = "utf-8"
	}
}

func (f *tnefFile) set(prop, kind uint16, v []byte, codepage encoding.Encoding) {
	switch prop {
	case mapiLongFilename:
		f.long = mapiString(kind, v, codepage)
	case mapiFilename:
		f.short = mapiString(kind, v, codepage)
	case mapiDisplayName:
		f.shown = mapiString(kind, v, codepage)
	case mapiMIMEType:
		f.mediaType = mapiString(kind, v, codepage)
	case mapiContentID:
		f.id = mapiString(kind, v, codepage)
	case mapiAttachData:
		if kind == 0x0d && len(v) >= 16 { // an object: its interface id comes first
			v, f.embedded = v[16:], true
			f.embedded = !isTNEF(v)
		}
		f.content(v)
	}
}

// tnefSum is the checksum of an attribute ([MS-OXTNEF] §2.1.3.2).
func tnefSum(data []byte) (sum uint16) {
	for _, c := range data {
		sum += uint16(c)
	}
	return sum
}

// eachMAPI visits the first value of every property of a list. It ends where the
// list does not hold what it promises, and says whether it holds it all.
func eachMAPI(in []byte, visit func(prop, kind uint16, value []byte)) bool {
	r := mapiReader{in: in}
	for n := r.u32(); n > 0; n-- {
		if !r.ok() {
			return false
		}
		kind, prop := r.u16(), r.u16()
		if prop >= 0x8000 { // a named property: its name
			r.skip(16)
			if r.u32() == 0 {
				r.skip(4)
			} else {
				r.padded(int64(r.u32()))
			}
		}
		many := kind&0x1000 != 0
		kind &^= 0x1000
		size := int64(0)
		switch kind {
		case 0x02, 0x0b, 0x03, 0x04, 0x0a, 0x01:
			size = 4
		case 0x05, 0x06, 0x07, 0x14, 0x40:
			size = 8
		case 0x48:
			size = 16
		case 0x0d, 0x1e, 0x1f, 0x102:
			size = -1
		default: // a kind of which nobody knows how long it is
			return false
		}
		count := uint32(1)
		if many || size < 0 {
			count = r.u32()
		}
		for i := uint32(0); i < count && r.ok(); i++ {
			length := size
			if size < 0 {
				length = int64(r.u32())
			}
			v := r.padded(length)
			if i == 0 && v != nil {
				visit(prop, kind, v)
			}
		}
	}
	return !r.bad
}

type mapiReader struct {
	in  []byte
	bad bool
}

func (r *mapiReader) ok() bool { return !r.bad && len(r.in) > 0 }

func (r *mapiReader) skip(n int64) []byte {
	if n < 0 || n > int64(len(r.in)) {
		r.bad, r.in = true, nil
		return nil
	}
	v := r.in[:n]
	r.in = r.in[n:]
	return v
}

func (r *mapiReader) padded(n int64) []byte {
	v := r.skip(n)
	r.skip(min(-n&3, int64(len(r.in))))
	return v
}

func (r *mapiReader) u16() uint16 {
	if v := r.skip(2); v != nil {
		return binary.LittleEndian.Uint16(v)
	}
	return 0
}

func (r *mapiReader) u32() uint32 {
	if v := r.skip(4); v != nil {
		return binary.LittleEndian.Uint32(v)
	}
	return 0
}

func mapiString(kind uint16, v []byte, codepage encoding.Encoding) string {
	if kind != 0x1f {
		return eightBit(v, codepage)
	}
	units := make([]uint16, 0, len(v)/2)
	for i := 0; i+1 < len(v); i += 2 {
		units = append(units, binary.LittleEndian.Uint16(v[i:]))
	}
	return strings.TrimRight(string(utf16.Decode(units)), "\x00")
}

func eightBit(v []byte, codepage encoding.Encoding) string {
	text, _ := decodeWith(codepage, bytes.TrimRight(v, "\x00"))
	return text
}

func windowsCodepage(n uint32, otherwise encoding.Encoding) encoding.Encoding {
	for number, enc := range map[uint32]string{
		932: "cp932", 936: "cp936", 949: "cp949", 950: "cp950", 874: "cp874", 1250: "cp1250", 1251: "cp1251", 1252: "cp1252",
		1253: "cp1253", 1254: "cp1254", 1255: "cp1255", 1256: "cp1256", 1257: "cp1257", 1258: "cp1258", 20866: "koi8r",
	} {
		if number == n {
			return aliases[enc]
		}
	}
	if n == 65001 {
		return encoding.Nop
	}
	return otherwise
}

// rtfDictionary is what every compressed RTF starts from ([MS-OXRTFCP] §2.1.2.1).
const rtfDictionary = `{\rtf1\ansi\mac\deff0\deftab720{\fonttbl;}{\f0\fnil \froman \fswiss \fmodern \fscript \fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\colortbl\red0\green0\blue0` + "\r\n" + `\par \pard\plain\f0\fs20\b\i\u\tab\tx`

// inflateRTF unpacks a compressed RTF body ([MS-OXRTFCP]), up to room bytes. It
// gives nil for what is none.
func inflateRTF(in []byte, room int) []byte {
	if len(in) < 16 {
		return nil
	}
	size := int(min(int64(binary.LittleEndian.Uint32(in[4:])), int64(max(room, 0))))
	switch string(in[8:12]) {
	case "MELA":
		return in[16:min(len(in), 16+size)]
	case "LZFu":
	default:
		return nil
	}
	in = in[16:]
	var dict [4096]byte
	at := copy(dict[:], rtfDictionary)
	var out []byte
	for len(in) > 0 && len(out) < size {
		control := in[0]
		in = in[1:]
		for bit := 0; bit < 8 && len(out) < size; bit++ {
			if control>>bit&1 == 0 {
				if len(in) < 1 {
					return out
				}
				dict[at] = in[0]
				out = append(out, in[0])
				at, in = (at+1)%len(dict), in[1:]
				continue
			}
			if len(in) < 2 {
				return out
			}
			from, n := int(in[0])<<4|int(in[1])>>4, int(in[1]&0xf)+2
			in = in[2:]
			if from == at { // the end
				return out
			}
			for ; n > 0 && len(out) < size; n-- {
				c := dict[from%len(dict)]
				dict[at] = c
				out = append(out, c)
				at, from = (at+1)%len(dict), from+1
			}
		}
	}
	return out
}
