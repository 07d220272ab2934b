package attachment

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"runtime/metrics"
	"testing"
	"time"

	"github.com/klauspost/compress/flate"
)

type member struct {
	name    string
	content []byte
	stored  bool
}

// zipOf packs members with the standard library.
func zipOf(t testing.TB, members ...member) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, m := range members {
		method := zip.Deflate
		if m.stored {
			method = zip.Store
		}
		f, err := w.CreateHeader(&zip.FileHeader{Name: m.name, Method: method})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(m.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// A record is one member of a zip put together by hand, header by header.
type record struct {
	localName, centralName     string
	localMethod, centralMethod uint16
	flags                      uint16
	data                       []byte
	size                       uint32
	crc                        uint32
	offset                     int // of the local header; -1 to write one
	unlisted                   bool
	before                     []byte // stands in front of the local header
}

func storedRecord(name string, content []byte) record {
	return record{localName: name, centralName: name, data: content, size: uint32(len(content)), crc: crc32.ChecksumIEEE(content), offset: -1}
}

// handZip writes local headers, the directory and the end record
// (APPNOTE.TXT §4.3.7, §4.3.12, §4.3.16).
func handZip(records ...record) []byte {
	var out, directory bytes.Buffer
	le := binary.LittleEndian
	count := 0
	for _, r := range records {
		at := r.offset
		if at < 0 {
			out.Write(r.before)
			at = out.Len()
			h := make([]byte, 30)
			copy(h, "PK\x03\x04")
			le.PutUint16(h[4:], 20)
			le.PutUint16(h[6:], r.flags)
			le.PutUint16(h[8:], r.localMethod)
			le.PutUint32(h[14:], r.crc)
			le.PutUint32(h[18:], uint32(len(r.data)))
			le.PutUint32(h[22:], r.size)
			le.PutUint16(h[26:], uint16(len(r.localName)))
			out.Write(h)
			out.WriteString(r.localName)
			out.Write(r.data)
		}
		if r.unlisted {
			continue
		}
		count++
		h := make([]byte, 46)
		copy(h, "PK\x01\x02")
		le.PutUint16(h[4:], 20)
		le.PutUint16(h[6:], 20)
		le.PutUint16(h[8:], r.flags)
		le.PutUint16(h[10:], r.centralMethod)
		le.PutUint32(h[16:], r.crc)
		le.PutUint32(h[20:], uint32(len(r.data)))
		le.PutUint32(h[24:], r.size)
		le.PutUint16(h[28:], uint16(len(r.centralName)))
		le.PutUint32(h[42:], uint32(at))
		directory.Write(h)
		directory.WriteString(r.centralName)
	}
	start := out.Len()
	out.Write(directory.Bytes())
	end := make([]byte, 22)
	copy(end, "PK\x05\x06")
	le.PutUint16(end[8:], uint16(count))
	le.PutUint16(end[10:], uint16(count))
	le.PutUint32(end[12:], uint32(directory.Len()))
	le.PutUint32(end[16:], uint32(start))
	out.Write(end)
	return out.Bytes()
}

func deflated(t testing.TB, content io.Reader) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, 9)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(w, content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// nest packs content into n zips inside one another.
func nest(t testing.TB, n int, name string, content []byte) []byte {
	for i := range n {
		content = zipOf(t, member{name: name, content: content})
		name = fmt.Sprintf("level%d.zip", i+1)
	}
	return content
}

func TestAZipIsWalkedToItsMembers(t *testing.T) {
	a := scanFile(t, "a.zip", zipOf(t, member{name: "docs/a.txt", content: []byte("first\n")}, member{name: "b.txt", content: []byte("second\n"), stored: true}))
	want(t, a, Clean)
	if len(a.Children) != 2 || a.Children[0].Name != "docs/a.txt" || a.Children[0].Path != "2/1" || a.Children[1].Path != "2/2" {
		t.Fatalf("got %+v", a.Children)
	}
	// sha256sum of "second\n"
	if got := a.Children[1].SHA256; got != sum("second\n") || a.Children[1].Size != 7 {
		t.Errorf("digest %s", got)
	}
}

func TestEICARIsFoundInNestedZips(t *testing.T) {
	for n := 1; n <= 10; n++ {
		want(t, scanFile(t, "a.zip", nest(t, n, "eicar.com", testString)), Infected, EICARTestFile)
	}
}

func TestZipsNestedToTheDepthLimitAreReadAndOnePastItIsALimit(t *testing.T) {
	want(t, scanFile(t, "a.zip", nest(t, 10, "a.txt", []byte("x\n"))), Clean)
	want(t, scanFile(t, "a.zip", nest(t, 11, "a.txt", []byte("x\n"))), Limit, DepthLimit)
	// Not even the test file is seen past the limit, and still it is not clean.
	want(t, scanFile(t, "a.zip", nest(t, 11, "eicar.com", testString)), Limit, DepthLimit)
	shallow := Options{Limits: Limits{Depth: 1}}
	want(t, scanWith(t, "a.zip", "application/zip", nest(t, 1, "a.txt", []byte("x\n")), shallow), Clean)
	want(t, scanWith(t, "a.zip", "application/zip", nest(t, 2, "a.txt", []byte("x\n")), shallow), Limit, DepthLimit)
}

func TestMembersUpToTheLimitAreReadAndOnePastItIsALimit(t *testing.T) {
	three := []member{{name: "1.txt", content: []byte("1\n")}, {name: "2.txt", content: []byte("2\n")}, {name: "3.txt", content: []byte("3\n")}}
	want(t, scanWith(t, "a.zip", "application/zip", zipOf(t, three...), Options{Limits: Limits{Members: 3}}), Clean)
	want(t, scanWith(t, "a.zip", "application/zip", zipOf(t, three...), Options{Limits: Limits{Members: 2}}), Limit, MembersLimit)
	var many, folders []member
	for i := range 9 {
		many = append(many, member{name: fmt.Sprint(i)})
		folders = append(folders, member{name: fmt.Sprint(i, "/"), stored: true})
	}
	for _, members := range [][]member{many, folders} { // none of them is hidden
		a := scanWith(t, "a.zip", "application/zip", zipOf(t, members...), Options{Limits: Limits{Members: 2}})
		if want(t, a, Limit, MembersLimit); len(a.Reasons) > 1 {
			t.Errorf("%v", a.Reasons)
		}
	}
}

func TestMemberBytesUpToTheLimitAreReadAndOnePastItIsALimit(t *testing.T) {
	pack := zipOf(t, member{name: "1.txt", content: bytes.Repeat([]byte("line\n"), 200)})
	want(t, scanWith(t, "a.zip", "application/zip", pack, Options{Limits: Limits{MemberBytes: 1000}}), Clean)
	want(t, scanWith(t, "a.zip", "application/zip", pack, Options{Limits: Limits{MemberBytes: 999}}), Limit, SizeLimit)
}

func TestTotalBytesUpToTheLimitAreReadAndOnePastItIsALimit(t *testing.T) {
	content := bytes.Repeat([]byte("line\n"), 200)
	pack := zipOf(t, member{name: "1.txt", content: content}, member{name: "2.txt", content: content})
	want(t, scanWith(t, "a.zip", "application/zip", pack, Options{Limits: Limits{TotalBytes: 2000}}), Clean)
	want(t, scanWith(t, "a.zip", "application/zip", pack, Options{Limits: Limits{TotalBytes: 1999}}), Limit, TotalLimit)
}

func TestTheRatioUpToTheLimitIsReadAndOnePastItIsALimit(t *testing.T) {
	pack := zipOf(t, member{name: "1.txt", content: bytes.Repeat([]byte("line\n"), 2000)})
	size := int64(len(pack))
	fits := (10_000 + size - 1) / size
	want(t, scanWith(t, "a.zip", "application/zip", pack, Options{Limits: Limits{RatioFloor: 1, Ratio: fits}}), Clean)
	want(t, scanWith(t, "a.zip", "application/zip", pack, Options{Limits: Limits{RatioFloor: 1, Ratio: fits - 1}}), Limit, RatioLimit)
	want(t, scanWith(t, "a.zip", "application/zip", pack, Options{Limits: Limits{RatioFloor: 10_000, Ratio: 1}}), Clean)
	want(t, scanWith(t, "a.zip", "application/zip", pack, Options{Limits: Limits{RatioFloor: 9_999, Ratio: 1}}), Limit, RatioLimit)
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// heapGrowth runs a scan and gives all that it allocated, whether it was collected
// meanwhile or not: what it held at any time is less.
func heapGrowth(t *testing.T, scan func()) uint64 {
	t.Helper()
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	before := sample[0].Value.Uint64()
	scan()
	metrics.Read(sample)
	return sample[0].Value.Uint64() - before
}

// unpackedBy gives how many bytes and members a scan took out of one file: what it
// costs in time is in proportion.
func unpackedBy(t *testing.T, content []byte) (size int64, members int) {
	t.Helper()
	w := newWalker(t.Context(), Options{})
	w.budget.part(int64(len(content)))
	w.look(file{path: "1", name: "a.zip", content: content})
	return w.budget.total, w.budget.members
}

// bombOf is a zip of zips of zips, sixteen at each of five levels, with 4 GB of
// zeros in each of the innermost: 16^5 times 4 GB are some 4.5 PB.
func bombOf(t testing.TB) []byte {
	zero := deflated(t, io.LimitReader(zeros{}, 64<<20))
	level := handZip(record{localName: "0.dll", centralName: "0.dll", localMethod: 8, centralMethod: 8, data: zero, size: 1<<32 - 2, offset: -1})
	for i := range 5 {
		var members []member
		for j := range 16 {
			members = append(members, member{name: fmt.Sprintf("lib %d%x.zip", i, j), content: level})
		}
		level = zipOf(t, members...)
	}
	return level
}

func TestAZipOfZipsThatUnfoldsToPetabytesEndsAtALimit(t *testing.T) {
	bomb := bombOf(t)
	if len(bomb) > 42<<10 {
		t.Fatalf("the bomb has %d bytes", len(bomb))
	}
	var a Attachment
	grown := heapGrowth(t, func() { a = scanFile(t, "42.zip", bomb) })
	want(t, a, Limit, RatioLimit)
	if grown > 32<<20 {
		t.Errorf("%d MB were allocated", grown>>20)
	}
	if size, members := unpackedBy(t, bomb); size > DefaultLimits.RatioFloor+256<<10 || members > 64 {
		t.Errorf("%d bytes in %d members were unpacked", size, members)
	}
}

func TestOverlappingMembersAreALimit(t *testing.T) {
	kernel := deflated(t, io.LimitReader(zeros{}, 20<<20))
	records := []record{{localName: "0", centralName: "0", localMethod: 8, centralMethod: 8, data: kernel, size: 20 << 20, offset: -1}}
	for i := 1; i < 250; i++ {
		r := records[0]
		r.offset, r.centralName = 0, fmt.Sprintf("%d", i)
		records = append(records, r)
	}
	overlapping := handZip(records...)
	var zbsm Attachment
	if grown := heapGrowth(t, func() { zbsm = scanFile(t, "zbsm.zip", overlapping) }); grown > 32<<20 {
		t.Errorf("%d MB were allocated", grown>>20)
	}
	want(t, zbsm, Ambiguous, OverlappingMembers, ConflictingZipHeaders)
	if size, _ := unpackedBy(t, overlapping); size > DefaultLimits.RatioFloor+256<<10 {
		t.Errorf("%d bytes were unpacked", size)
	}
	// With one name for all nothing but the overlap is wrong.
	content := []byte("hello\n")
	a := storedRecord("a.txt", content)
	b := a
	b.offset = 0
	want(t, scanFile(t, "two.zip", handZip(a, b)), Ambiguous, OverlappingMembers, DuplicateMember)
}

func TestAMemberThatIsLargerThanItsHeaderSaysIsAnError(t *testing.T) {
	r := storedRecord("a.txt", []byte("hello\n"))
	r.size = 3
	r.localMethod, r.centralMethod = 8, 8
	r.data = deflated(t, bytes.NewReader([]byte("hello\n")))
	want(t, scanFile(t, "a.zip", handZip(r)), Error, MalformedArchive)
}

func TestEncryptedMembersAreEncrypted(t *testing.T) {
	r := storedRecord("secret.doc", []byte("0123456789abcdef"))
	r.flags = 1
	a := scanFile(t, "a.zip", handZip(storedRecord("a.txt", []byte("x\n")), r))
	want(t, a, Encrypted, EncryptedArchive)
	if len(a.Children) != 2 || a.Children[1].Name != "secret.doc" || a.Children[1].Verdict != Encrypted || a.Children[0].Verdict != Clean {
		t.Errorf("got %+v", a.Children)
	}
	aes := storedRecord("secret.doc", []byte("0123456789abcdef"))
	aes.localMethod, aes.centralMethod = 99, 99
	want(t, scanFile(t, "a.zip", handZip(aes)), Encrypted, EncryptedArchive)
}

func TestHeadersThatDisagreeAreAmbiguous(t *testing.T) {
	name := storedRecord("a.txt", []byte("x\n"))
	name.localName = "a.exe"
	want(t, scanFile(t, "a.zip", handZip(name)), Ambiguous, ConflictingZipHeaders)
	method := storedRecord("a.txt", []byte("x\n"))
	method.localMethod = 8
	want(t, scanFile(t, "a.zip", handZip(method)), Ambiguous, ConflictingZipHeaders)
}

func TestSizesThatFollowTheDataMayBeMissingBeforeIt(t *testing.T) {
	// As the archiver of macOS writes: of the sizes only the unpacked one.
	r := storedRecord("a.txt", []byte("x\n"))
	r.flags = 1 << 3
	pack := handZip(r)
	binary.LittleEndian.PutUint32(pack[18:], 0)
	want(t, scanFile(t, "a.zip", pack), Clean)
	binary.LittleEndian.PutUint32(pack[22:], 1)
	want(t, scanFile(t, "a.zip", pack), Ambiguous, ConflictingZipHeaders)
	binary.LittleEndian.PutUint16(pack[6:], 0) // without the promise of a descriptor
	binary.LittleEndian.PutUint32(pack[22:], 2)
	want(t, scanFile(t, "a.zip", pack), Ambiguous, ConflictingZipHeaders)
}

func TestAMemberThatTheDirectoryOmitsIsFoundAndAmbiguous(t *testing.T) {
	secret := storedRecord("eicar.com", testString)
	secret.unlisted = true
	a := scanFile(t, "a.zip", handZip(storedRecord("a.txt", []byte("x\n")), secret))
	want(t, a, Infected, HiddenMember, EICARTestFile)
	harmless := storedRecord("b.txt", []byte("y\n"))
	harmless.unlisted = true
	want(t, scanFile(t, "a.zip", handZip(harmless, storedRecord("a.txt", []byte("x\n")))), Ambiguous, HiddenMember)
}

func TestTwoArchivesInOneFileAreAmbiguous(t *testing.T) {
	first, second := zipOf(t, member{name: "a.txt", content: []byte("x\n")}), zipOf(t, member{name: "eicar.com", content: testString})
	want(t, scanFile(t, "a.zip", append(bytes.Clone(first), second...)), Infected, SeveralZipDirectories, EICARTestFile)
	want(t, scanFile(t, "a.zip", append(bytes.Clone(second), first...)), Infected, HiddenMember, EICARTestFile)
}

func TestAStoredZipInsideAZipIsNoSecondDirectory(t *testing.T) {
	inner := zipOf(t, member{name: "a.txt", content: []byte("x\n")})
	want(t, scanFile(t, "a.zip", zipOf(t, member{name: "inner.zip", content: inner, stored: true})), Clean)
}

func TestDataAroundAZipIsSuspiciousAndTheZipIsRead(t *testing.T) {
	pack := zipOf(t, member{name: "eicar.com", content: testString})
	harmless := zipOf(t, member{name: "a.txt", content: []byte("x\n")})
	want(t, scanFile(t, "a.zip", append(bytes.Clone(harmless), "and more"...)), Suspicious, DataAfterArchive)
	want(t, scanFile(t, "a.zip", append(bytes.Clone(harmless), 0, 0, 0, 0)), Clean)
	want(t, scanFile(t, "a.zip", append(bytes.Clone(pack), "and more"...)), Infected, DataAfterArchive)
	want(t, scanFile(t, "a.zip", append([]byte("some words before it"), pack...)), Infected, DataBeforeArchive, Polyglot)
}

func TestAZipWithoutItsDirectoryIsAnErrorAndStillRead(t *testing.T) {
	pack := handZip(storedRecord("eicar.com", testString), storedRecord("b.txt", []byte("y\n")))
	cut := pack[:bytes.Index(pack, []byte("PK\x01\x02"))]
	want(t, scanFile(t, "a.zip", cut), Infected, MalformedArchive, EICARTestFile)
	harmless := handZip(storedRecord("b.txt", []byte("y\n")))
	want(t, scanFile(t, "a.zip", harmless[:bytes.Index(harmless, []byte("PK\x01\x02"))]), Error, MalformedArchive)
}

func TestAWrongDirectoryOffsetIsReadAllTheSame(t *testing.T) {
	pack := handZip(storedRecord("eicar.com", testString))
	binary.LittleEndian.PutUint32(pack[len(pack)-6:], 1<<30)
	want(t, scanFile(t, "a.zip", pack), Infected, WrongZipDirectory, EICARTestFile)
}

func TestUnknownMethodsAreUnsupported(t *testing.T) {
	r := storedRecord("a.txt", []byte("x\n"))
	r.localMethod, r.centralMethod = 97, 97 // WavPack
	want(t, scanFile(t, "a.zip", handZip(r)), Unsupported, UnsupportedMethod)
}

func TestZip64SizesAreRead(t *testing.T) {
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	f, err := w.CreateHeader(&zip.FileHeader{Name: "eicar.com", Method: zip.Store})
	if err != nil {
		t.Fatal(err)
	}
	f.Write(testString)
	for i := range 0x10000 { // more entries than 16 bits count
		if _, err := w.CreateHeader(&zip.FileHeader{Name: fmt.Sprintf("d%d/", i)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	a := scanWith(t, "a.zip", "application/zip", out.Bytes(), Options{Limits: Limits{Members: 100_000}})
	want(t, a, Infected, EICARTestFile)
	if contains(a.Reasons, MalformedArchive) {
		t.Errorf("reasons %v", a.Reasons)
	}
}

func TestABombEndsSoon(t *testing.T) {
	// The scan is bounded by work, not by the clock: no more than the ratio
	// floor and one member's chunk is ever unpacked.
	bomb := handZip(record{localName: "0", centralName: "0", localMethod: 8, centralMethod: 8, data: deflated(t, io.LimitReader(zeros{}, 64<<20)), size: 64 << 20, offset: -1})
	w := newWalker(t.Context(), Options{Clock: time.Now})
	w.budget.part(42 << 10)
	a := w.look(file{path: "1", name: "a.zip", content: bomb})
	want(t, a, Limit, RatioLimit)
	if got, most := w.budget.total, DefaultLimits.RatioFloor+1<<20; got > most {
		t.Errorf("unpacked %d bytes, want at most %d", got, most)
	}
}
