package attachment

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"io"
	"testing"
)

const (
	letterText = "The harbour opens at six in the morning.\n"
	letterSize = int64(len(letterText))
)

// unpacked reads a file of testdata that is packed to be small there.
func unpackedOf(t testing.TB, name string) []byte {
	t.Helper()
	r, err := gzip.NewReader(bytes.NewReader(made(t, name)))
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// What other programs packed (see testdata/README.md) is listed, and read where it
// is not packed in ways of its own.
func TestRareArchivesAreListedAndNeverClean(t *testing.T) {
	for name, packed := range map[string]bool{"stored.arj": false, "packed.arj": true, "packed.lzh": true, "stored.cab": false, "mszip.cab": false} {
		a := scanFile(t, name, made(t, name))
		want(t, a, Suspicious, UnsupportedContainer, Executable)
		if letter := memberNamed(a, "letter.txt"); letter.SHA256 != sum(letterText) || letter.Verdict != Clean {
			t.Errorf("%s: the letter is %+v", name, letter)
		}
		if memberNamed(a, "crane.exe").Verdict != Suspicious {
			t.Errorf("%s: the program is %+v", name, memberNamed(a, "crane.exe"))
		}
		if berths := memberNamed(a, "berths.txt"); packed && (berths.Verdict != Unsupported || berths.Size != 6804) {
			t.Errorf("%s: the list is %+v", name, berths)
		}
	}
	// Without the program nothing in it is suspicious, and it is still not clean.
	cab := made(t, "stored.cab")
	copy(cab[bytes.Index(cab, []byte("crane.exe")):], "crane.txt")
	copy(cab[bytes.Index(cab, []byte("MZ")):], "mz")
	want(t, scanFile(t, "a.cab", cab), Unsupported, UnsupportedContainer)
}

func TestRareArchivesThatAreCutOrFollowedAreNotClean(t *testing.T) {
	for _, name := range []string{"stored.arj", "packed.lzh", "mszip.cab"} {
		whole := made(t, name)
		for cut := range whole {
			if a := scanFile(t, name, whole[:cut]); cut > 4 && a.Verdict == Clean {
				t.Errorf("%s is clean after %d bytes", name, cut)
			}
		}
		want(t, scanFile(t, name, append(whole, "and more"...)), Suspicious, DataAfterArchive)
	}
}

// Every byte of what was read to its end is of a member, of the structure, or named.
func TestEveryByteOfAnArchiveIsAccountedFor(t *testing.T) {
	junk := []byte("junk that nobody unpacks")
	zipped := zipOf(t, member{name: "a.txt", content: []byte(letterText)}, member{name: "b.txt", content: []byte(letterText)})
	for name, content := range map[string][]byte{
		"a.zip": zipped, "a.tar": append(tarHead("a.txt", 5), append([]byte("hello"), make([]byte, 507+1024)...)...),
		"a.7z": made(t, "names.7z"), "a.arj": made(t, "packed.arj"), "a.lzh": made(t, "packed.lzh"), "a.cab": made(t, "mszip.cab"),
		"a.bz2": made(t, "one.bz2"), "a.xz": made(t, "one.xz"), "a.zst": made(t, "one.zst"), "a.iso": unpackedOf(t, "joliet.iso.gz"),
	} {
		a := scanWithText(t, "password: Sesam-42", content, Limits{})
		l := a.Layout
		if l.Members+l.Structure+l.Named+l.Gap != int64(len(content)) || l.Gap != 0 || l.Named != 0 || l.Members == 0 {
			t.Errorf("%s of %d bytes: %+v", name, len(content), l)
		}
		switch name {
		case "a.bz2", "a.xz", "a.zst":
			if a := scanFile(t, name, append(bytes.Clone(content), junk...)); a.Verdict == Clean {
				t.Errorf("%s with junk behind it is clean", name)
			}
			continue
		case "a.iso":
			continue // an image has any size
		}
		a = scanWithText(t, "password: Sesam-42", append(bytes.Clone(content), junk...), Limits{})
		want(t, a, a.Verdict, DataAfterArchive)
		if l := a.Layout; l.Named != int64(len(junk)) || l.Members+l.Structure+l.Named != int64(len(content)+len(junk)) {
			t.Errorf("%s with %d bytes behind it: %+v", name, len(junk), l)
		}
	}
}

func TestDataBetweenMembersIsAFinding(t *testing.T) {
	junk := []byte("junk between two members")
	one, two := storedRecord("a.txt", []byte("one")), storedRecord("b.txt", []byte("two"))
	two.before = junk
	a := scanFile(t, "a.zip", handZip(one, two))
	want(t, a, Suspicious, DataBetweenMembers)
	if a.Layout.Gap != int64(len(junk)) {
		t.Errorf("the gap is %d bytes, want %d", a.Layout.Gap, len(junk))
	}
	// In a 7z archive packed streams stand before the header; what stands between
	// them and it is nothing's.
	seven := sevenWithGap(junk)
	want(t, scanFile(t, "a.7z", seven), Suspicious, DataBetweenMembers)
	want(t, scanFile(t, "a.7z", sevenWithGap(nil)), Clean)
}

// sevenWithGap is an archive of one stored file of five bytes (7zFormat.txt), with
// something between it and the header.
func sevenWithGap(gap []byte) []byte {
	header := []byte{1, 4, 6, 0, 1, 9, 5, 0, 7, 11, 1, 0, 1, 1, 0, 12, 5, 0, 8, 10, 1}
	header = binary.LittleEndian.AppendUint32(header, crc([]byte("12345")))
	header = append(header, 0, 0, 5, 1, 17, 5, 0, 'a', 0, 0, 0, 0, 0)
	out := sevenOf(header)
	le := binary.LittleEndian
	le.PutUint64(out[12:], uint64(5+len(gap)))
	le.PutUint32(out[8:], crc(out[12:32]))
	return append(append(bytes.Clone(out[:37]), gap...), out[37:]...)
}

func TestRARIsAccountedForToo(t *testing.T) {
	for _, name := range []string{"libarchive/test_read_format_rar.rar", "libarchive/test_read_format_rar5_multiple_files.rar", "libarchive/test_read_format_rar_compress_normal.rar"} {
		content := fileNamed(t, name)
		a := scanFile(t, "a.rar", content)
		if l := a.Layout; l.Members+l.Structure != int64(len(content)) || l.Members == 0 {
			t.Errorf("%s of %d bytes: %+v", name, len(content), l)
		}
		a = scanFile(t, "a.rar", append(bytes.Clone(content), "junk behind it"...))
		want(t, a, Suspicious, DataAfterArchive)
	}
}

func TestLockedArchivesOfTheCorporaOpenWithTheirPasswords(t *testing.T) {
	// The passwords are those of libarchive's tests.
	for name, password := range map[string]string{
		"libarchive/test_read_format_rar_encryption_partially.rar": "12345678",
		"libarchive/test_read_format_zip_winzip_aes128.zip":        "password",
		"libarchive/test_read_format_7zip_encryption.7z":           "12345678",
	} {
		a := scanWithText(t, "password: "+password, fileNamed(t, name), Limits{})
		want(t, a, Encrypted, PasswordInMail)
		if contains(allReasons(a), EncryptedArchive) {
			t.Errorf("%s: %v", name, allReasons(a))
		}
	}
}

func TestStreamsInAnyNumberAreReadAndCutOnesAreNot(t *testing.T) {
	for _, name := range []string{"one.bz2", "one.xz", "one.zst"} {
		whole := made(t, name)
		twice := scanFile(t, name, append(bytes.Clone(whole), whole...))
		want(t, twice, Clean)
		if twice.Children[0].SHA256 != sum(letterText+letterText) {
			t.Errorf("%s twice holds %d bytes", name, twice.Children[0].Size)
		}
		for cut := 8; cut < len(whole); cut++ {
			if a := scanFile(t, name, whole[:cut]); a.Verdict == Clean {
				t.Errorf("%s is clean after %d bytes of %d", name, cut, len(whole))
			}
		}
	}
}

func TestLaterVolumesAreNotCleanByTheirBytes(t *testing.T) {
	middle := []byte("\x01\x02\x03 the middle of an archive \xff\xfe\xfd")
	for _, name := range []string{"plans.7z.002", "plans.z01", "plans.r00", "plans.a17"} {
		want(t, scanFile(t, name, middle), Unsupported, MissingVolume)
	}
	for _, name := range []string{"libarchive/test_rar_multivolume_single_file.part3.rar", "libarchive/test_read_format_rar5_multiarchive.part01.rar",
		"libarchive/test_read_format_rar5_multiarchive_solid.part02.rar", "libarchive/test_rar_multivolume_uncompressed_files.part09.rar"} {
		if a := scanFile(t, "a.rar", fileNamed(t, name)); a.Verdict == Clean {
			t.Errorf("%s is clean", name)
		}
	}
}

func TestDictionariesUpToTheLimitAreUsedAndOnePastItIsALimit(t *testing.T) {
	// LZMA2 with a dictionary of 2 MiB: property 18 is (2|0) << 20 (xz format 1.2 §5.3.1).
	archive := sevenOf([]byte{1, 4, 6, 0, 1, 9, 5, 0, 7, 11, 1, 0, 1, 0x21, 0x21, 1, 18, 12, 5, 0, 0, 5, 1, 17, 5, 0, 'a', 0, 0, 0, 0, 0})
	at := scanWith(t, "a.7z", octetStream, archive, Options{Limits: Limits{Dictionary: 2 << 20}})
	if contains(allReasons(at), DictionaryLimit) {
		t.Errorf("at the limit: %v", allReasons(at))
	}
	want(t, scanWith(t, "a.7z", octetStream, archive, Options{Limits: Limits{Dictionary: 2<<20 - 1}}), Limit, DictionaryLimit)
}

func TestADiskImageOfTwoFileSystemsIsNotClean(t *testing.T) {
	a := scanFile(t, "a.iso", unpackedOf(t, "bridge.iso.gz"))
	want(t, a, Suspicious, UnsupportedContainer, DiskImage, Executable)
	if memberNamed(a, "letter.txt").SHA256 != sum(letterText) {
		t.Errorf("got %+v", a.Children)
	}
}

func TestFilesInOneNoteAreTakenOut(t *testing.T) {
	section := append([]byte("\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d\xae\xb1\x53\x78\xd0\x29\x96\xd3"), make([]byte, 1008)...)
	embed := func(content []byte) []byte {
		head := append(bytes.Clone(oneNoteFile), make([]byte, 20)...)
		binary.LittleEndian.PutUint64(head[16:], uint64(len(content)))
		return append(head, content...)
	}
	want(t, scanFile(t, "a.one", section), Suspicious, OneNote, UnsupportedContainer)
	a := scanFile(t, "a.one", append(append(section, embed(testString)...), embed(programBytes)...))
	want(t, a, Infected, OneNote, EICARTestFile, Executable)
	if len(a.Children) != 2 || a.Children[1].SHA256 != sum(string(programBytes)) {
		t.Errorf("got %+v", a.Children)
	}
	cut := embed(programBytes)
	want(t, scanFile(t, "a.one", append(section, cut[:len(cut)-1]...)), Error, MalformedDocument)
}

func FuzzRareArchives(f *testing.F) {
	fuzzOne(f, "a", made(f, "stored.arj"), made(f, "packed.lzh"), made(f, "mszip.cab"), made(f, "stored.cab"),
		append([]byte("\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d\xae\xb1\x53\x78\xd0\x29\x96\xd3"), oneNoteFile...))
}

func FuzzLocked(f *testing.F) {
	for _, name := range []string{"names.7z", "aes256.zip", "agile-sha1.xlsx", "standard.xlsx", "excel97.xls", "rc4-40.pdf", "aes-256.pdf", "aes-128.pdf", "word97.doc", "xor.xls", "macro-blowfish.odt"} {
		f.Add(made(f, name))
	}
	f.Add(unpackedOf(f, "locked.ppt.gz"))
	small := Limits{MemberBytes: 1 << 20, TotalBytes: 4 << 20, RatioFloor: 1 << 20, Members: 200, Dictionary: 16 << 20, Passwords: 2, Rounds: 200_000}
	f.Fuzz(func(t *testing.T, content []byte) {
		msg := mailOf("x", octetStream, content)
		msg.Root.Children[0].Content = []byte("password: Sesam-42")
		for _, a := range Scan(t.Context(), msg, Options{Limits: small}).Attachments {
			wellFormed(t, a, "2")
		}
	})
}
