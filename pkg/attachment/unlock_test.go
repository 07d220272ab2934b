package attachment

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// made reads a file of testdata; its README says what made it.
func made(t testing.TB, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// memberNamed finds a member of a container.
func memberNamed(a Attachment, name string) Attachment {
	for _, child := range a.Children {
		if child.Name == name {
			return child
		}
	}
	return Attachment{}
}

func TestLockedOfficeDocumentsOpenWithThePasswordOfTheMail(t *testing.T) {
	for _, name := range []string{"agile-sha512.xlsx", "agile-sha1.xlsx", "standard.xlsx", "standard-256.xlsx"} {
		a := scanWithText(t, "password: Sesam-42", made(t, name), Limits{})
		want(t, a, Encrypted, PasswordInMail, VBAMacro)
		if contains(allReasons(a), EncryptedDocument) || len(a.Children) != 1 || a.Children[0].Size != 9513 {
			t.Errorf("%s: %v, %+v", name, allReasons(a), a.Children)
		}
		want(t, scanWithText(t, "password: sesam-42", made(t, name), Limits{}), Encrypted, EncryptedDocument)
	}
	a := scanFile(t, "velvet.xlsx", made(t, "velvet.xlsx"))
	want(t, a, Suspicious, DefaultPassword, VBAMacro)
	if contains(allReasons(a), EncryptedDocument) {
		t.Errorf("reasons are %v", allReasons(a))
	}
}

func TestLockedWorkbooksOfExcel97OpenToo(t *testing.T) {
	want(t, scanWithText(t, "password: Sesam-42", made(t, "excel97.xls"), Limits{}), Encrypted, PasswordInMail)
	want(t, scanWithText(t, "password: Sesam-41", made(t, "excel97.xls"), Limits{}), Encrypted, EncryptedDocument)
	a := scanFile(t, "velvet.xls", made(t, "velvet-excel97.xls"))
	want(t, a, Suspicious, DefaultPassword)
	// Decrypted, the workbook is a sequence of records to its last byte.
	c, err := readCFB(made(t, "excel97.xls"))
	if err != nil {
		t.Fatal(err)
	}
	i := c.named("Workbook")
	b := make([]byte, c.entries[i].size)
	if n, _ := readFull(c.open(i), b); n != len(b) {
		t.Fatalf("%d bytes of %d", n, len(b))
	}
	plain := readBIFFLock(filePass(b)).open("Sesam-42", b)
	if !bytes.Contains(plain, []byte("The harbour")) {
		t.Error("the text of the first cell is not in the decrypted workbook")
	}
}

func TestTriesOfPasswordsEndAtTheLimitOfRounds(t *testing.T) {
	// Each try costs 1,000 rounds: the password that Excel knows, then "wrong" and
	// "Sesam-42" in the order they stand.
	document := made(t, "agile-sha1.xlsx")
	text := "password: wrong\npassword: Sesam-42"
	w := newWalker(t.Context(), Options{})
	w.mail = mailOf("x", "", nil)
	w.mail.Root.Children[0].Content = []byte(text)
	before := int64(0)
	for i, word := range w.words() {
		if word == "Sesam-42" {
			before = int64(i) + 1
		}
	}
	want(t, scanWithText(t, text, document, Limits{Rounds: 1000 * (before + 1)}), Encrypted, PasswordInMail)
	want(t, scanWithText(t, text, document, Limits{Rounds: 1000*(before+1) - 1}), Encrypted, EncryptedDocument)
}

func TestLockedPDFsOpenWithThePasswordOfTheMail(t *testing.T) {
	for _, name := range []string{"rc4-40.pdf", "rc4-128.pdf", "aes-128.pdf", "aes-256-r5.pdf", "aes-256.pdf"} {
		want(t, scanWithText(t, "password: Sesam-42", made(t, name), Limits{}), Encrypted, PasswordInMail, PDFJavaScript)
		a := scanWithText(t, "password: Sesam-4", made(t, name), Limits{})
		want(t, a, Encrypted, EncryptedDocument)
		if contains(allReasons(a), PasswordInMail) {
			t.Errorf("%s opens with another password", name)
		}
	}
	a := scanWithText(t, "password: Sesam-42", made(t, "aes-128-file.pdf"), Limits{})
	want(t, a, Encrypted, PasswordInMail, Executable, PDFEmbeddedFile)
}

func TestPDFsThatEverybodyCanReadAreReadAndMayBeClean(t *testing.T) {
	want(t, scanFile(t, "a.pdf", made(t, "empty-plain.pdf")), Clean, RestrictedDocument)
	want(t, scanFile(t, "a.pdf", made(t, "empty-rc4.pdf")), Clean, RestrictedDocument)
	want(t, scanFile(t, "a.pdf", made(t, "empty-script.pdf")), Suspicious, RestrictedDocument, PDFJavaScript)
}

// The files were locked by other programs with the password Sesam-42 (see
// testdata/README.md).
func TestWhatIsLockedOpensWithThePasswordOfTheMailAndSaysSo(t *testing.T) {
	for _, name := range []string{"content.7z", "names.7z", "stored.7z", "traditional.zip", "aes256.zip"} {
		content := made(t, name)
		a := scanWithText(t, "Good morning,\nthe password is Sesam-42.\n", content, Limits{})
		want(t, a, Encrypted, PasswordInMail)
		if letter := memberNamed(a, "letter.txt"); letter.SHA256 != sum("The harbour opens at six in the morning.\n") {
			t.Errorf("%s: the letter in it is %+v", name, letter)
		}
		if contains(allReasons(a), EncryptedArchive) {
			t.Errorf("%s: reasons are %v", name, allReasons(a))
		}
		for _, text := range []string{"", "password: Sesam-43"} {
			a := scanWithText(t, text, content, Limits{})
			want(t, a, Encrypted, EncryptedArchive)
			if contains(allReasons(a), PasswordInMail) || len(a.Children) > 0 && a.Children[0].SHA256 != "" {
				t.Errorf("%s opens with %q", name, text)
			}
		}
	}
}
