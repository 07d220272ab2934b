package attachment

import (
	"bytes"
	"testing"
)

func TestArchivesBehindPicturesAndOtherFilesAreFound(t *testing.T) {
	picture := made(t, "words.png")
	page := pdfOf("1 0 obj << /Type /Catalog >> endobj")
	for name, archive := range map[string][]byte{
		"7z":    sevenWithGap(nil),
		"RAR":   fileNamed(t, "libarchive/test_read_format_rar.rar"),
		"RAR 5": fileNamed(t, "libarchive/test_read_format_rar5_multiple_files.rar"),
		"cab":   made(t, "stored.cab"),
		"zip":   zipOf(t, member{name: "a.txt", content: []byte("x")}),
	} {
		for _, carrier := range [][]byte{picture, page, append([]byte("GIF89a\x01\x00\x01\x00\x80\x01\x00\x00\x00\x00\xff\xff\xff"), "\x2c\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02\x4c\x01\x00\x3b"...)} {
			a := scanFile(t, "x", append(bytes.Clone(carrier), archive...))
			want(t, a, Suspicious, Polyglot)
			if len(a.Children) == 0 {
				t.Errorf("%s behind %s: nothing in it is listed", name, a.DetectedType)
			}
		}
	}
}

func TestSignaturesOfArchivesInOtherFilesAreNoArchives(t *testing.T) {
	for _, mark := range []string{"Rar!\x1a\x07\x00", "Rar!\x1a\x07\x01\x00", "7z\xbc\xaf\x27\x1c", "MSCF\x00\x00\x00\x00"} {
		want(t, scanFile(t, "a.pdf", pdfOf("% "+mark+" is a signature")), Clean)
	}
}

func TestAPageOrAProgramCalledAPictureIsAMismatch(t *testing.T) {
	want(t, scanWith(t, "a.png", "image/png", []byte("<html><script>x</script>"), Options{}), Suspicious, TypeMismatch)
	want(t, scanWith(t, "a.png", "image/png", programBytes, Options{}), Suspicious, TypeMismatch, Executable)
	// A picture that is a page too: its comment begins one.
	gif := []byte("GIF89a/*\x00\x00\x00\x00\x00\x21\xfe\x20*/=1;<script>alert(1)</script>  \x00\x3b")
	want(t, scanFile(t, "a.gif", gif), Error, MalformedPicture, Polyglot)
	remark := append(made(t, "words.png"), "\x00\x00\x00\x0etEXt<script>x</sc...."...)
	want(t, scanFile(t, "a.png", remark), Suspicious, Polyglot)
}
