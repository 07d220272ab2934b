package attachment

import (
	"bytes"
	"math/bits"
	"strings"

	"github.com/gabriel-vasile/mimetype"
)

const octetStream = "application/octet-stream"

// A mark is a signature at a fixed place that the mimetype library lacks, or
// that must win over what it would say.
type mark struct {
	offset int
	bytes  string
	mime   string
}

var marks = []mark{
	{0, "\x1f\x9d", "application/x-compress"},
	{0, "\x1f\xa0", "application/x-compress"},
	{0, "\x04\x22\x4d\x18", "application/x-lz4"},
	{0, "\x89LZO\x00\r\n\x1a\n", "application/x-lzop"},
	{0, "LRZI", "application/x-lrzip"},
	{0, "\x60\xea", "application/x-arj"},
	{7, "**ACE**", "application/x-ace-compressed"},
	{20, "\xdc\xa7\xc4\xfd", "application/x-zoo"},
	{0, "MSWIM\x00\x00\x00", "application/x-ms-wim"},
	{0, "\x78\x9f\x3e\x22", "application/vnd.ms-tnef"},
	{0, "PK\x07\x08PK\x03\x04", "application/zip"}, // a split marker before the first member
	{0, "PK00PK\x03\x04", "application/zip"},
	{0, "conectix", "application/x-vhd"},
	{0, "vhdxfile", "application/x-vhdx"},
	{0, "KDMV", "application/x-vmdk"},
	{0, "ER\x02\x00", "application/x-apple-diskimage"},
	{0, "ALZ\x01", "application/x-alz-compressed"},
	{0, "EGGA", "application/x-egg-compressed"},
	{0, "\x00\x05\x16\x00\x00", "application/applefile"}, // AppleSingle: a file and all about it (RFC 1740)
	{0, "StuffIt", "application/x-stuffit"},
	{0, "SIT!", "application/x-stuffit"},
	{0, "\xc7\x71", "application/x-cpio"},
	{0, "\x71\xc7", "application/x-cpio"},
	{0, "\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d\xae\xb1\x53\x78\xd0\x29\x96\xd3", "application/onenote"},
	{0, "\xa1\x2f\xff\x43\xd9\xef\x76\x4c\x9e\xe2\x10\xea\x57\x22\x76\x5f", "application/onenote"},
	{0, "ActiveMime", "application/x-mso"}, // macros of a document saved as a web page
	{0, "Rar!\x1a\x07", "application/vnd.rar"},
	{0, "RE~^", "application/x-rar"}, // before version 1.5
	{0, "{\\rt", "text/rtf"},         // Word opens what begins with less than {\rtf
	{0, "L\x00\x00\x00\x01\x14\x02\x00", "application/x-ms-shortcut"},
}

// sniff names the type of content by its bytes, with the lower-case extension
// of its name where bytes alone do not tell.
func sniff(content []byte, extension string) string {
	for _, m := range marks {
		if len(content) >= m.offset+len(m.bytes) && string(content[m.offset:m.offset+len(m.bytes)]) == m.bytes {
			return m.mime
		}
	}
	switch {
	case isLHA(content):
		return "application/x-lzh-compressed"
	case isISO(content):
		return "application/x-iso9660-image"
	case isAppleImage(content):
		return "application/x-apple-diskimage"
	case isFixedVHD(content):
		return "application/x-vhd"
	}
	mime, _, _ := strings.Cut(mimetype.Detect(content).String(), ";")
	switch {
	case mime == octetStream && extension == "eml": // a mail with bytes that no text has
		return "message/rfc822"
	case mime == octetStream && isLZMA(content):
		return "application/x-lzma"
	case mime == "text/plain" || mime == "text/xml" || mime == "text/html" || mime == octetStream && startsAsText(content):
		return sniffText(content, mime, extension)
	}
	return mime
}

// textHead is how far into a text we look for what it is.
const textHead = 4096

// sniffText tells apart texts that act from texts that are read.
func sniffText(content []byte, mime, extension string) string {
	head := plainHead(content)
	trimmed := bytes.TrimLeft(head, " \t\r\n\xef\xbb\xbf\x00")
	trimmed = bytes.ToLower(trimmed[:min(len(trimmed), 64)])
	var lower []byte // of the head, where there is a mark to look for
	if first := bytes.IndexByte(head, '<'); first >= 0 {
		lower = bytes.ToLower(head[first:])
	}
	has := func(s string) bool { return bytes.Contains(lower, []byte(s)) }
	starts := func(s string) bool { return bytes.HasPrefix(trimmed, []byte(s)) }
	switch {
	case has("<hta:application"):
		return "application/hta"
	case extension == "hta":
		return "application/hta"
	case starts("[internetshortcut]"):
		return "application/x-mswinurl"
	case starts("@echo off"):
		return "text/x-msdos-batch"
	case starts("<svg"), has("<svg") && has("http://www.w3.org/2000/svg") && !has("<html"):
		return "image/svg+xml"
	case mime == "text/plain" && (starts("<script") || starts("<html") || starts("<!doctype html") || starts("<body") || starts("<head")):
		return "text/html"
	case mime == octetStream && (starts("<html") || starts("<script") || starts("<!doctype html")):
		return "text/html"
	case (extension == "html" || extension == "htm" || extension == "shtml" || extension == "xht") && mime == "text/plain" && has("<"):
		return "text/html"
	case extension == "eml" && mime == "text/plain":
		return "message/rfc822"
	case mime == "text/plain" && mailStart(trimmed) && extension != "txt" && extension != "log":
		return "message/rfc822"
	case mime == "text/plain" && starts("<?xml"): // in UTF-16
		return "text/xml"
	}
	return mime
}

// mailStart tells whether a text begins as a message does: with header fields
// that only mail has.
func mailStart(lower []byte) bool {
	for _, field := range []string{"received:", "return-path:", "delivered-to:", "mime-version:", "message-id:", "x-mozilla-status:"} {
		if bytes.HasPrefix(lower, []byte(field)) {
			return true
		}
	}
	return false
}

// plainHead is the beginning of a text as single bytes; UTF-16 is narrowed so
// that signatures match it too.
func plainHead(content []byte) []byte {
	head := content[:min(len(content), textHead)]
	return plainText(head)
}

// startsAsText tells whether the first bytes could be a text with odd bytes in it.
func startsAsText(content []byte) bool {
	head := bytes.TrimLeft(plainHead(content), " \t\r\n\x00\xef\xbb\xbf")
	return len(head) > 0 && head[0] == '<'
}

// isLHA knows the method field of all header levels ("-lh5-", "-lzs-", "-pm2-").
func isLHA(b []byte) bool {
	return len(b) > 21 && b[2] == '-' && b[6] == '-' && (b[3] == 'l' && (b[4] == 'h' || b[4] == 'z') || b[3] == 'p' && b[4] == 'm')
}

// isISO knows a volume descriptor of ISO 9660 or UDF, which begin after 16
// sectors (ECMA-119 §8.1, ECMA-167 2/9.1.2); raw images have 2352 bytes a sector.
func isISO(b []byte) bool {
	for _, at := range []int{16*2048 + 1, 16*2352 + 16 + 1, 16*2352 + 24 + 1} {
		if len(b) < at+5 {
			continue
		}
		switch string(b[at : at+5]) {
		case "CD001", "BEA01", "NSR02", "NSR03":
			return true
		}
	}
	return false
}

// isAppleImage knows the trailer of a UDIF image.
func isAppleImage(b []byte) bool {
	return len(b) >= 512 && string(b[len(b)-512:len(b)-508]) == "koly"
}

// isFixedVHD knows the footer of a virtual disk of fixed size.
func isFixedVHD(b []byte) bool {
	return len(b) >= 512 && string(b[len(b)-512:len(b)-504]) == "conectix"
}

// isLZMA knows the header of an LZMA file: properties, a dictionary size that
// encoders write, and a size that is unknown or believable.
func isLZMA(b []byte) bool {
	if len(b) < 14 || b[0] != 0x5d || b[13] != 0 {
		return false
	}
	// 2^n or 2^n + 2^(n-1)
	if d := u32(b[1:]); d < 1<<12 || bits.OnesCount32(d) > 2 || bits.OnesCount32(d) == 2 && bits.OnesCount32(d&(d>>1)) != 1 {
		return false
	}
	unknownSize := bytes.Equal(b[5:13], bytes.Repeat([]byte{0xff}, 8))
	return unknownSize || b[10] == 0 && b[11] == 0 && b[12] == 0
}

// unopened are containers that we recognise and have no decoder for.
var unopened = map[string]bool{
	"application/x-rar":                     true,
	"application/x-compress":                true,
	"application/x-lz4":                     true,
	"application/x-lzop":                    true,
	"application/x-lrzip":                   true,
	"application/lzip":                      true,
	"application/zlib":                      true,
	"application/x-ace-compressed":          true,
	"application/x-zoo":                     true,
	"application/x-alz-compressed":          true,
	"application/x-egg-compressed":          true,
	"application/x-stuffit":                 true,
	"application/applefile":                 true,
	"application/x-ms-wim":                  true,
	"application/x-installshield":           true,
	"application/x-cpio":                    true,
	"application/x-archive":                 true,
	"application/vnd.debian.binary-package": true,
	"application/x-rpm":                     true,
	"application/x-xar":                     true,
	"application/vnd.ms-htmlhelp":           true,
	"application/x-vhd":                     true,
	"application/x-vhdx":                    true,
	"application/x-vmdk":                    true,
	"application/x-apple-diskimage":         true,
	"application/vnd.ms-tnef":               true,
	"application/x-chrome-extension":        true,
	"application/x-os2-hlp":                 true,
	"application/x-msaccess":                true,
}
