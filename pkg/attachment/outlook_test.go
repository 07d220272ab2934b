package attachment

import (
	"encoding/binary"
	"strings"
	"testing"
	"unicode/utf16"
)

// A stored is one stream of a compound file, by the path of its storages.
type storedStream struct {
	path    string
	content []byte
}

// compoundTree writes a compound file with storages; all streams are in the mini
// stream or not, as their size demands ([MS-CFB]).
func compoundTree(streams ...storedStream) []byte {
	const sector = 512
	le := binary.LittleEndian
	type entry struct {
		name        string
		kind        byte
		child, next uint32
		start       uint32
		size        int
	}
	const none, end = 0xffffffff, 0xfffffffe
	entries := []entry{{name: "Root Entry", kind: 5, child: none, next: none, start: end}}
	storages := map[string]int{"": 0}
	var body, mini []byte
	var fat, miniFAT []uint32
	chain := func(table *[]uint32, n int) uint32 {
		start := uint32(len(*table))
		for i := range n {
			*table = append(*table, start+uint32(i)+1)
		}
		(*table)[len(*table)-1] = end
		return start
	}
	pad := func(b []byte, unit int) []byte { return append(b, make([]byte, (unit-len(b)%unit)%unit)...) }
	link := func(parent int, e entry) int {
		e.child, e.next = none, entries[parent].child
		entries = append(entries, e)
		entries[parent].child = uint32(len(entries) - 1)
		return len(entries) - 1
	}
	for _, s := range streams {
		steps := strings.Split(s.path, "/")
		parent, path := 0, ""
		for _, step := range steps[:len(steps)-1] {
			path += "/" + step
			if _, ok := storages[path]; !ok {
				storages[path] = link(parent, entry{name: step, kind: 1, start: 0})
			}
			parent = storages[path]
		}
		e := entry{name: steps[len(steps)-1], kind: 2, start: end, size: len(s.content)}
		switch {
		case len(s.content) == 0:
		case len(s.content) < 4096:
			e.start = chain(&miniFAT, (len(s.content)+63)/64)
			mini = append(mini, pad(append([]byte(nil), s.content...), 64)...)
		default:
			e.start = chain(&fat, (len(s.content)+sector-1)/sector)
			body = append(body, pad(append([]byte(nil), s.content...), sector)...)
		}
		link(parent, e)
	}
	if len(mini) > 0 {
		entries[0].start, entries[0].size = chain(&fat, (len(mini)+sector-1)/sector), len(mini)
		body = append(body, pad(mini, sector)...)
	}
	var table []byte
	for _, n := range miniFAT {
		table = le.AppendUint32(table, n)
	}
	for len(table)%sector != 0 {
		table = le.AppendUint32(table, none)
	}
	miniAt := uint32(end)
	if len(table) > 0 {
		miniAt = chain(&fat, len(table)/sector)
		body = append(body, table...)
	}
	var directory []byte
	for _, e := range entries {
		d := make([]byte, 128)
		units := utf16.Encode([]rune(e.name))
		for i, u := range units {
			le.PutUint16(d[2*i:], u)
		}
		le.PutUint16(d[64:], uint16(2*len(units)+2))
		d[66], d[67] = e.kind, 1
		le.PutUint32(d[68:], none)
		le.PutUint32(d[72:], e.next)
		le.PutUint32(d[76:], e.child)
		le.PutUint32(d[116:], e.start)
		le.PutUint32(d[120:], uint32(e.size))
		directory = append(directory, d...)
	}
	directory = pad(directory, sector)
	directoryAt := chain(&fat, len(directory)/sector)
	body = append(body, directory...)
	fatAt, fatSectors := uint32(len(fat)), (len(fat)+127)/127
	for range fatSectors {
		fat = append(fat, 0xfffffffd)
	}
	for len(fat)%128 != 0 {
		fat = append(fat, none)
	}
	head := make([]byte, sector)
	copy(head, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
	le.PutUint16(head[24:], 0x3e)
	le.PutUint16(head[26:], 3)
	le.PutUint16(head[28:], 0xfffe)
	le.PutUint16(head[30:], 9)
	le.PutUint16(head[32:], 6)
	le.PutUint32(head[44:], uint32(fatSectors))
	le.PutUint32(head[48:], directoryAt)
	le.PutUint32(head[56:], 4096)
	le.PutUint32(head[60:], miniAt)
	le.PutUint32(head[64:], uint32(len(table)/sector))
	le.PutUint32(head[68:], end)
	for i := range 109 {
		at := uint32(none)
		if i < fatSectors {
			at = fatAt + uint32(i)
		}
		le.PutUint32(head[76+4*i:], at)
	}
	out := append(head, body...)
	for _, n := range fat {
		out = le.AppendUint32(out, n)
	}
	return out
}

func wideOf(s string) []byte { return []byte(wide(s)) }

// attached is an attachment of a saved message, below a storage.
func attached(prefix, number, name string, content []byte) []storedStream {
	at := prefix + "__attach_version1.0_#0000000" + number + "/"
	return []storedStream{{at + "__properties_version1.0", make([]byte, 32)},
		{at + "__substg1.0_3707001F", wideOf(name)}, {at + "__substg1.0_37010102", content}}
}

// savedMessage is a message as Outlook saves it ([MS-OXMSG] §2.2), with an embedded one.
func savedMessage(files ...storedStream) []byte {
	streams := []storedStream{
		{"__properties_version1.0", make([]byte, 64)},
		{"__nameid_version1.0/__substg1.0_00020102", make([]byte, 16)},
		{"__substg1.0_0037001F", wideOf("The crane")},
		{"__substg1.0_1000001F", wideOf("Please find the plans. The password is Sesam-42.")},
		{"__substg1.0_10130102", []byte("<html><body>Please find the plans.</body></html>")},
	}
	return compoundTree(append(streams, files...)...)
}

func TestASavedMessageIsExaminedAsAMail(t *testing.T) {
	want(t, scanFile(t, "a.msg", savedMessage()), Clean)
	a := scanFile(t, "a.msg", savedMessage(append(attached("", "0", "plan.txt", []byte("The plan.\n")), attached("", "1", "crane.exe", programBytes)...)...))
	want(t, a, Suspicious, Executable)
	if a.DetectedType != "application/vnd.ms-outlook" || len(a.Children) != 2 {
		t.Fatalf("%s with %+v", a.DetectedType, a.Children)
	}
	// Parts 1 and 2 are its texts.
	plan, crane := a.Children[0], a.Children[1]
	if plan.Path != "2/3" || plan.Name != "plan.txt" || plan.SHA256 != sum("The plan.\n") || crane.Path != "2/4" || crane.Name != "crane.exe" {
		t.Errorf("got %+v and %+v", plan, crane)
	}
}

func TestMessagesWithinASavedMessageAreExaminedToo(t *testing.T) {
	within := "__attach_version1.0_#00000000/__substg1.0_3701000D/"
	streams := []storedStream{{within + "__properties_version1.0", make([]byte, 24)}, {within + "__substg1.0_1000001F", wideOf("Inside.")}}
	a := scanFile(t, "a.msg", savedMessage(append(streams, attached(within, "0", "eicar.com", testString)...)...))
	want(t, a, Infected, EICARTestFile)
	if len(a.Children) != 1 || a.Children[0].DetectedType != "message/rfc822" || len(a.Children[0].Children) != 1 {
		t.Errorf("got %+v", a.Children)
	}
}

func TestThePasswordMayStandInTheMessageThatHoldsTheArchive(t *testing.T) {
	a := scanFile(t, "a.msg", savedMessage(attached("", "0", "plans.zip", made(t, "aes256.zip"))...))
	want(t, a, Encrypted, PasswordInMail)
	raw := "From: a@example.com\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\npassword: Sesam-42\r\n--b\r\nContent-Type: application/zip; name=a.zip\r\n\r\n" +
		string(made(t, "traditional.zip")) + "\r\n--b--\r\n"
	want(t, scanFile(t, "a.eml", []byte(raw)), Encrypted, PasswordInMail)
}

func TestPackedRichTextOfASavedMessageIsUnpacked(t *testing.T) {
	// [MS-OXRTFCP] §3.1.1, the example of a compressed text.
	packed := []byte("\x2d\x00\x00\x00\x2b\x00\x00\x00LZFu\xf1\xc5\xc7\xa7\x03\x00\x0a\x00\x72\x63\x70\x67\x31\x32\x35\x42\x32\x0a\xf3\x20\x68\x65\x6c\x09\x00\x20\x62\x77\x05\xb0\x6c\x64\x7d\x0a\x80\x0f\xa0")
	if got := string((&outlook{}).inflate(packed)); got != "{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n" {
		t.Errorf("got %q", got)
	}
	object := `{\rtf1{\object\objemb{\*\objdata 0105}}}`
	stored := append([]byte("\x00\x00\x00\x00\x00\x00\x00\x00MELA\x00\x00\x00\x00"), object...)
	want(t, scanFile(t, "a.msg", savedMessage(storedStream{"__substg1.0_10090102", stored})), Suspicious, OLEObject)
}

func TestASavedMessageOfManyNamesForTheSameBytesIsALimit(t *testing.T) {
	b := savedMessage(attached("", "0", "a.bin", make([]byte, 64<<10))...)
	entry := []byte(nil)
	c, err := readCFB(b)
	if err != nil {
		t.Fatal(err)
	}
	for i := range c.entries {
		if c.entries[i].name == "__substg1.0_37010102" {
			entry = b[(int64(u32(b[48:]))+1)*512+int64(i)*128:][:128]
		}
	}
	// A directory of its own whose entries are all that one stream.
	directory := append([]byte(nil), b[(int64(u32(b[48:]))+1)*512:][:128]...)
	binary.LittleEndian.PutUint32(directory[76:], 0xffffffff)
	for range 15 {
		directory = append(directory, entry...)
	}
	properties := append([]byte(nil), entry...)
	for i, u := range utf16.Encode([]rune("__properties_version1.0")) {
		binary.LittleEndian.PutUint16(properties[2*i:], u)
	}
	binary.LittleEndian.PutUint16(properties[64:], 48)
	copy(directory[128:], properties)
	copy(b[(int64(u32(b[48:]))+1)*512:], directory)
	a := scanFile(t, "a.msg", b)
	if a.Verdict != Limit && a.Verdict != Error {
		t.Errorf("%s %v", a.Verdict, allReasons(a))
	}
}

func FuzzOutlook(f *testing.F) {
	fuzzOne(f, "a.msg", savedMessage(), savedMessage(attached("", "0", "a.txt", []byte("x"))...),
		savedMessage(storedStream{"__attach_version1.0_#00000000/__substg1.0_3701000D/__substg1.0_1000001F", wideOf("x")}))
}
