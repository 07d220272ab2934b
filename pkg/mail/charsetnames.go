package mail

import (
	"strings"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/encoding/unicode/utf32"
)

// Names that senders use and the registries do not know, or where the decoder
// of a superset reads more of what is really sent.
var aliases = map[string]encoding.Encoding{
	"gb2312": simplifiedchinese.GB18030, "gbk": simplifiedchinese.GB18030, "gb18030": simplifiedchinese.GB18030,
	"cp936": simplifiedchinese.GB18030, "windows-936": simplifiedchinese.GB18030, "x-gbk": simplifiedchinese.GB18030,
	"euc-cn": simplifiedchinese.GB18030, "gb_2312-80": simplifiedchinese.GB18030, "chinese": simplifiedchinese.GB18030,
	"hz-gb-2312": simplifiedchinese.HZGB2312, "hz": simplifiedchinese.HZGB2312,
	"big5": traditionalchinese.Big5, "big-5": traditionalchinese.Big5, "big5-hkscs": traditionalchinese.Big5,
	"cp950": traditionalchinese.Big5, "x-x-big5": traditionalchinese.Big5, "cn-big5": traditionalchinese.Big5,
	"euc-kr": korean.EUCKR, "ks_c_5601-1987": korean.EUCKR, "ksc5601": korean.EUCKR, "ks_c_5601": korean.EUCKR,
	"cp949": korean.EUCKR, "uhc": korean.EUCKR, "windows-949": korean.EUCKR, "ks_c_5601-1989": korean.EUCKR,
	"shift_jis": japanese.ShiftJIS, "shift-jis": japanese.ShiftJIS, "sjis": japanese.ShiftJIS, "x-sjis": japanese.ShiftJIS,
	"cp932": japanese.ShiftJIS, "windows-31j": japanese.ShiftJIS, "ms_kanji": japanese.ShiftJIS, "shiftjis": japanese.ShiftJIS,
	"euc-jp": japanese.EUCJP, "eucjp": japanese.EUCJP, "x-euc-jp": japanese.EUCJP, "ujis": japanese.EUCJP,
	"iso-8859-1": charmap.Windows1252, "latin1": charmap.Windows1252, "iso8859-1": charmap.Windows1252, "iso_8859-1": charmap.Windows1252,
	"iso-8859-9": charmap.Windows1254, "iso-8859-8-i": charmap.ISO8859_8, "iso-8859-8-e": charmap.ISO8859_8,
	"iso-8859-11": charmap.Windows874, "tis-620": charmap.Windows874, "cp874": charmap.Windows874,
	"cp1250": charmap.Windows1250, "cp1251": charmap.Windows1251, "cp1252": charmap.Windows1252, "cp1253": charmap.Windows1253,
	"cp1254": charmap.Windows1254, "cp1255": charmap.Windows1255, "cp1256": charmap.Windows1256, "cp1257": charmap.Windows1257, "cp1258": charmap.Windows1258,
	"cp437": charmap.CodePage437, "cp850": charmap.CodePage850, "cp852": charmap.CodePage852, "cp855": charmap.CodePage855,
	"cp858": charmap.CodePage858, "cp860": charmap.CodePage860, "cp862": charmap.CodePage862, "cp863": charmap.CodePage863,
	"cp865": charmap.CodePage865, "cp866": charmap.CodePage866, "ibm437": charmap.CodePage437, "ibm850": charmap.CodePage850,
	"macroman": charmap.Macintosh, "mac": charmap.Macintosh, "macintosh": charmap.Macintosh, "x-mac-roman": charmap.Macintosh,
	"koi8": charmap.KOI8R, "koi8r": charmap.KOI8R, "koi8-ru": charmap.KOI8U,
	"utf-16": unicode.UTF16(unicode.BigEndian, unicode.UseBOM), "utf16": unicode.UTF16(unicode.BigEndian, unicode.UseBOM),
	"utf-16le": unicode.UTF16(unicode.LittleEndian, unicode.UseBOM), "utf-16be": unicode.UTF16(unicode.BigEndian, unicode.UseBOM),
	"ucs-2": unicode.UTF16(unicode.BigEndian, unicode.UseBOM), "iso-10646-ucs-2": unicode.UTF16(unicode.BigEndian, unicode.UseBOM), "unicode": unicode.UTF16(unicode.LittleEndian, unicode.UseBOM),
	"utf-32": utf32.UTF32(utf32.BigEndian, utf32.UseBOM), "utf-32le": utf32.UTF32(utf32.LittleEndian, utf32.UseBOM), "utf-32be": utf32.UTF32(utf32.BigEndian, utf32.UseBOM), "ucs-4": utf32.UTF32(utf32.BigEndian, utf32.UseBOM),
}

// windowsFor is what senders mean where a text of one of these charsets holds
// the control characters of ISO 6429, which nobody writes.
var windowsFor = map[string]encoding.Encoding{
	"iso-8859-2": charmap.Windows1250, "iso-8859-5": charmap.Windows1251, "iso-8859-6": charmap.Windows1256, "iso-8859-7": charmap.Windows1253,
	"iso-8859-8": charmap.Windows1255, "iso-8859-13": charmap.Windows1257, "iso-8859-15": charmap.Windows1252,
}

// lookupEncoding finds the decoder of a charset, nil where it is unknown.
func lookupEncoding(name string) encoding.Encoding {
	if enc, ok := aliases[name]; ok {
		return enc
	}
	if len(name) > 60 {
		return nil
	}
	if enc, err := htmlindex.Get(name); err == nil && enc != encoding.Replacement {
		return enc
	}
	if enc, err := ianaindex.MIME.Encoding(name); err == nil && enc != nil {
		return enc
	}
	for from, to := range map[string]string{"iso8859": "iso-8859", "iso_8859": "iso-8859", "iso-8859_": "iso-8859-", "windows_": "windows-", "win-": "windows-", "win": "windows-", "x-cp": "windows-", "cp-": "cp", "cp": "windows-", "x-windows-": "windows-", "latin-": "latin"} {
		if rest, ok := strings.CutPrefix(name, from); ok {
			other := to + strings.TrimPrefix(rest, "_")
			if enc, ok := aliases[other]; ok {
				return enc
			}
			if enc, err := htmlindex.Get(other); err == nil && enc != encoding.Replacement {
				return enc
			}
		}
	}
	return nil
}
