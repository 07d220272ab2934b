package attachment

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"testing"

	"github.com/klauspost/compress/flate"
)

// streamOf reads one stream of a compound file of testdata.
func streamOf(t *testing.T, content []byte, name string) []byte {
	t.Helper()
	c, err := readCFB(content)
	if err != nil {
		t.Fatal(err)
	}
	i := c.named(name)
	b := make([]byte, c.entries[i].size)
	if n, _ := readFull(c.open(i), b); n != len(b) {
		t.Fatalf("%d bytes of %d", n, len(b))
	}
	return b
}

func TestLockedOpenDocumentsOpenWithThePasswordOfTheMail(t *testing.T) {
	for _, name := range []string{"macro-aes.odt", "macro-blowfish.odt"} {
		a := scanWithText(t, "password: Sesam-42", made(t, name), Limits{Passwords: 3}) // each try is 100,000 rounds
		want(t, a, Encrypted, PasswordInMail, DocumentMacro)
		if contains(allReasons(a), EncryptedDocument) {
			t.Errorf("%s: %v", name, allReasons(a))
		}
		opened := 0
		for _, child := range a.Children {
			if child.Name == "content.xml" && child.DetectedType == "text/xml" {
				opened++
			}
		}
		if opened != 1 {
			t.Errorf("%s: its text was opened %d times", name, opened)
		}
		a = scanWithText(t, "password: Sesam-41", made(t, name), Limits{Passwords: 3})
		want(t, a, Encrypted, EncryptedDocument)
		if contains(allReasons(a), PasswordInMail) {
			t.Errorf("%s opens with another password: %v", name, allReasons(a))
		}
	}
}

func TestLockedWordDocumentsOpenWithThePasswordOfTheMail(t *testing.T) {
	document := made(t, "word97.doc")
	a := scanWithText(t, "password: Sesam-42", document, Limits{})
	want(t, a, Encrypted, PasswordInMail)
	if contains(allReasons(a), EncryptedDocument) {
		t.Errorf("%v", allReasons(a))
	}
	a = scanWithText(t, "password: Sesam-41", document, Limits{})
	want(t, a, Encrypted, EncryptedDocument)
	if contains(allReasons(a), PasswordInMail) {
		t.Error("it opens with another password")
	}
	table := streamOf(t, document, "1Table")
	plain := readRC4Lock(table[:52]).stream("Sesam-42", streamOf(t, document, "WordDocument"), wordBlock)
	if !bytes.Contains(plain, wideBytes("The harbour opens at six in the morning.")) {
		t.Error("the text is not in the decrypted document")
	}
}

func TestObfuscatedWorkbooksOpenWithThePasswordOfTheMail(t *testing.T) {
	workbook := made(t, "xor.xls")
	a := scanWithText(t, "password: Sesam-42", workbook, Limits{})
	want(t, a, Encrypted, PasswordInMail)
	if contains(allReasons(a), EncryptedDocument) {
		t.Errorf("%v", allReasons(a))
	}
	want(t, scanWithText(t, "password: Sesam-41", workbook, Limits{}), Encrypted, EncryptedDocument)
	b := streamOf(t, workbook, "Workbook")
	if plain := readXORLock(filePass(b)).open("Sesam-42", b); !bytes.Contains(plain, []byte("The harbour opens at six")) {
		t.Error("the text of the first cell is not in the opened workbook")
	}
}

func TestLockedPresentationsOpenWithThePasswordOfTheMail(t *testing.T) {
	presentation := unpackedOf(t, "locked.ppt.gz")
	a := scanWithText(t, "password: Sesam-42", presentation, Limits{})
	want(t, a, Encrypted, PasswordInMail)
	if contains(allReasons(a), EncryptedDocument) {
		t.Errorf("%v", allReasons(a))
	}
	want(t, scanWithText(t, "password: Sesam-41", presentation, Limits{}), Encrypted, EncryptedDocument)
	document := streamOf(t, presentation, "PowerPoint Document")
	objects, ok := readPPTObjects(streamOf(t, presentation, "Current User"), document)
	if !ok || len(objects.at) != 6 || objects.session != 6 {
		t.Fatalf("%v %+v", ok, objects)
	}
	session, _ := pptRecord(document, objects.at[objects.session], pptCryptSession)
	plain, ok := objects.open(readRC4Lock(session), "Sesam-42", document)
	if !ok || !bytes.Contains(plain, wideBytes("The harbour opens at six")) {
		t.Error("the text of the first page is not in the decrypted presentation")
	}
}

// What is read apart cannot be shown in one text: an object within another is refused, though its key fits.
func TestObjectsOfAPresentationDoNotOverlap(t *testing.T) {
	presentation := unpackedOf(t, "locked.ppt.gz")
	document := streamOf(t, presentation, "PowerPoint Document")
	objects, _ := readPPTObjects(streamOf(t, presentation, "Current User"), document)
	session, _ := pptRecord(document, objects.at[objects.session], pptCryptSession)
	lock := readRC4Lock(session)
	const at = 16                             // inside the first object
	for another := uint32(100); ; another++ { // one whose key makes a length of the bytes there that fits
		if another == 1<<20 {
			t.Fatal("there is no such object")
		}
		head := make([]byte, 8)
		lock.cipher("Sesam-42", another).XORKeyStream(head, document[at:at+8])
		if uint64(at)+8+uint64(u32(head[4:])) > uint64(len(document)) {
			continue
		}
		objects.at[another] = at
		if _, ok := objects.open(lock, "Sesam-42", document); ok {
			t.Errorf("object %d is opened", another)
		}
		return
	}
}

// A lock is only ever written by strangers: whatever its bytes, reading it ends.
func TestDamagedLocksEnd(t *testing.T) {
	for name, content := range map[string][]byte{"word97.doc": made(t, "word97.doc"), "xor.xls": made(t, "xor.xls"), "locked.ppt": unpackedOf(t, "locked.ppt.gz")} {
		for at := 600; at < len(content); at += len(content)/40 + 1 {
			broken := bytes.Clone(content)
			for i := range broken[at:min(at+16, len(broken))] {
				broken[at+i] ^= 0xff
			}
			if a := scanWithText(t, "password: Sesam-42", broken, Limits{Passwords: 3, Rounds: 1000}); contains(allReasons(a), DecoderFailed) {
				t.Errorf("%s, damaged at %d: %s %v", name, at, a.Verdict, allReasons(a))
			}
		}
	}
}

// lockedPackage is a package with one encrypted file, by a key that costs next to nothing
// (ODF 1.3 part 2 §4.8). damage is done to the manifest and to the file before they are packed.
func lockedPackage(t *testing.T, password string, damage func(manifest, locked []byte)) []byte {
	t.Helper()
	var packed bytes.Buffer
	w, err := flate.NewWriter(&packed, flate.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	w.Write([]byte(`<office:document-content><text:p>The harbour opens at six.</text:p></office:document-content>`))
	w.Close()
	salt, iv := []byte("0123456789abcdef"), []byte("fedcba9876543210")
	start := sha256.Sum256([]byte(password))
	key, err := pbkdf2.Key(sha1.New, string(start[:]), salt, 2, 32)
	if err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	checksum := sha256.Sum256(packed.Bytes())
	pad := 16 - packed.Len()%16
	locked := append(packed.Bytes(), bytes.Repeat([]byte{byte(pad)}, pad)...)
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(locked, locked)
	text := base64.StdEncoding.EncodeToString
	manifest := []byte(`<manifest:manifest xmlns:manifest="` + odfNamespace + `"><manifest:file-entry manifest:full-path="content.xml" manifest:size="93">` +
		`<manifest:encryption-data manifest:checksum-type="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0#sha256-1k" manifest:checksum="` + text(checksum[:]) + `">` +
		`<manifest:algorithm manifest:algorithm-name="http://www.w3.org/2001/04/xmlenc#aes256-cbc" manifest:initialisation-vector="` + text(iv) + `"/>` +
		`<manifest:start-key-generation manifest:start-key-generation-name="http://www.w3.org/2000/09/xmldsig#sha256" manifest:key-size="32"/>` +
		`<manifest:key-derivation manifest:key-derivation-name="PBKDF2" manifest:key-size="32" manifest:iteration-count="2" manifest:salt="` + text(salt) + `"/>` +
		`</manifest:encryption-data></manifest:file-entry></manifest:manifest>`)
	damage(manifest, locked)
	return openDocumentOf(t, member{name: "META-INF/manifest.xml", content: manifest}, member{name: "content.xml", content: locked, stored: true})
}

func TestDamagedLocksOfOpenDocumentsEnd(t *testing.T) {
	var length int
	whole := lockedPackage(t, "Sesam-42", func(manifest, locked []byte) { length = len(manifest) + len(locked) })
	a := scanWithText(t, "password: Sesam-42", whole, Limits{Passwords: 3})
	want(t, a, Encrypted, PasswordInMail)
	if contains(allReasons(a), EncryptedDocument) {
		t.Fatalf("it does not open where it is whole: %v", allReasons(a))
	}
	closed := 0
	for at := range length {
		broken := lockedPackage(t, "Sesam-42", func(manifest, locked []byte) {
			if at < len(manifest) {
				manifest[at] ^= 1
			} else {
				locked[at-len(manifest)] ^= 0xff
			}
		})
		a := scanWithText(t, "password: Sesam-42", broken, Limits{Passwords: 3})
		if contains(allReasons(a), DecoderFailed) {
			t.Errorf("damaged at %d: %s %v", at, a.Verdict, allReasons(a))
		}
		if contains(allReasons(a), EncryptedDocument) {
			closed++
		}
	}
	if closed < length/2 {
		t.Errorf("%d of %d stay closed", closed, length)
	}
}

// Edits that name one directory again and again do not have it read for each.
func TestADirectoryOfAPresentationIsReadOnce(t *testing.T) {
	record := func(kind uint16, data []byte) []byte {
		head := binary.LittleEndian.AppendUint16(make([]byte, 2), kind)
		return append(binary.LittleEndian.AppendUint32(head, uint32(len(data))), data...)
	}
	for edits, want := range map[int]bool{1: true, 100: false} {
		b := record(pptDirectory, make([]byte, 4096))
		last := 0
		for range edits {
			edit := make([]byte, 28) // its directory is at 0
			binary.LittleEndian.PutUint32(edit[8:], uint32(last))
			last = len(b)
			b = append(b, record(pptUserEdit, edit)...)
		}
		user := binary.LittleEndian.AppendUint32(make([]byte, 16), uint32(last))
		if _, ok := readPPTObjects(user, b); ok != want {
			t.Errorf("%d edits: %t", edits, ok)
		}
	}
}
