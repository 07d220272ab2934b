package attachment

import (
	"bytes"
	"errors"
	"strconv"
)

// openPDF looks through a PDF for what acts (ISO 32000-1). It does not build the
// tree of objects, which damaged and hostile files leave to the reader's
// imagination: it reads every name in the file, wherever it stands, and in the
// streams that hold objects; and it takes out the files that are embedded.
func (w *walker) openPDF(a *Attachment, f file) error {
	names := pdfNames(f.content)
	var lock *pdfLock
	if names.encrypted {
		if lock = w.unlockPDF(a, f); lock == nil {
			if w.budget.stopped() != "" {
				return errStop
			}
			a.add(EncryptedDocument)
			names.tell(a)
			return nil
		}
		f.sealed = true
	}
	embedded, harmless, garbled := 0, 0, false
	streams := pdfStreams{b: f.content, all: names.form, begun: map[int]pdfBegun{}}
	for {
		s, ok := streams.next()
		if !ok {
			break
		}
		if s.picture && !s.objects && !s.file {
			err := w.pdfPicture(a, f, s, lock)
			streams.covered += int(s.data.Size()) - s.data.Len()
			if err != nil {
				return err
			}
			continue
		}
		content, err := w.pdfStream(f, s, lock)
		streams.covered += int(s.data.Size()) - s.data.Len()
		if errors.Is(err, errStop) {
			return err
		}
		switch {
		case err != nil && (s.objects || s.file):
			a.add(readReason("", err))
			continue
		case err != nil: // a picture or a font
			continue
		case s.objects:
			names.add(pdfNames(content))
			garbled = !names.packed(content, s.first) || garbled
		case !s.file:
			names.script = names.script || scriptInForm(content)
		}
		if s.file {
			embedded++
			if err := w.list(a, f, "", content); err != nil {
				return err
			}
			if last := a.Children[len(a.Children)-1]; last.Verdict == Clean && !carries(last.DetectedType) {
				harmless++
			}
		}
	}
	if streams.overlap() {
		a.add(OverlappingMembers)
	}
	names.remote = names.remote || names.goesToAddress(f.content, names.address)
	names.tell(a)
	if garbled && !names.script && !names.launch && !names.remote {
		a.add(MalformedDocument)
	}
	// An invoice that carries its own data as XML (PDF/A-3) is no cause for
	// alarm; a file that acts, or that we could not take out, is.
	if names.files && embedded == 0 || harmless < embedded || names.attached > embedded {
		a.add(PDFEmbeddedFile)
	}
	return nil
}

// unlockPDF opens an encrypted file: without a password, as every reader does first,
// and with the words of the mail.
func (w *walker) unlockPDF(a *Attachment, f file) *pdfLock {
	lock := readPDFLock(f.content)
	if lock == nil {
		return nil
	}
	if w.affords(lock.rounds()) && lock.opens("") {
		a.add(RestrictedDocument)
		return lock
	}
	if _, ok := w.unlock(lock.rounds(), lock.opens); !ok {
		return nil
	}
	a.add(PasswordInMail)
	return lock
}

// scriptInForm tells whether a stream is a form in XML with a script in it (XFA 3.3,
// chapter 10).
func scriptInForm(content []byte) bool {
	content = plainText(content)
	return bytes.Contains(content, []byte("<script")) || bytes.Contains(content, []byte(":script"))
}

// A pdfFinding is what the names in a PDF say of it.
type pdfFinding struct {
	encrypted, script, launch, files, remote, form, address bool

	attached int // file specifications that hold their file
	strings  int // forms that are strings
	pdfOpening
}

// tell adds what the names say as reasons.
func (p pdfFinding) tell(a *Attachment) {
	if p.script {
		a.add(PDFJavaScript)
	}
	if p.launch {
		a.add(PDFLaunch)
	}
	if p.remote {
		a.add(PDFRemoteAction)
	}
}

func (p *pdfFinding) add(q pdfFinding) {
	p.encrypted = p.encrypted || q.encrypted
	p.script = p.script || q.script
	p.launch = p.launch || q.launch
	p.files = p.files || q.files
	p.remote = p.remote || q.remote
	p.form = p.form || q.form
	p.address = p.address || q.address
	p.attached += q.attached
	p.then = append(p.then, q.then...)
}

// pdfNames reads all names, in which any character may be written as #xx
// (§7.3.5). Compressed data can look like a short name by chance, so what
// follows must look like a value.
func pdfNames(b []byte) pdfFinding {
	var found pdfFinding
	left := pdfWork(b)
	for {
		i := bytes.IndexByte(b, '/')
		if i < 0 {
			return found
		}
		b = b[i+1:]
		name, length := pdfName(b)
		switch name {
		case "JavaScript", "JS":
			found.script = found.script || pdfValueFollows(b[length:])
		case "Launch":
			found.launch = true
		case "EF":
			if bytes.HasPrefix(bytes.TrimLeft(b[length:min(len(b), length+32)], pdfSpace), []byte("<<")) {
				found.files = true
				found.attached++
			}
		case "SubmitForm", "ImportData", "GoToE", "GoToR", "RichMedia":
			found.remote = true
		case "XFA":
			found.form = found.form || pdfValueFollows(b[length:])
			found.script = found.script || found.formString(b[length:])
		case "OpenAction", "AA":
			found.remote = found.remote || found.note(b[length:], &left)
		case "URI":
			found.address = true
		case "FS": // of a file that lies elsewhere (§7.11.5)
			value := pdfLexer{b: b[length:min(len(b), length+pdfHeadingBytes)]}
			found.remote = found.remote || value.next().text == "URL"
		case "EmbeddedFile", "EmbeddedFiles":
			found.files = true
		case "Encrypt":
			found.encrypted = found.encrypted || pdfValueFollows(b[length:])
		}
	}
}

// A form that is a string is looked through to this length, and so many of them; no writer makes
// longer ones or more.
const (
	pdfFormBytes   = 1 << 20
	pdfFormStrings = 8
)

// formString tells whether a form that is a string, which none is to be (§12.7.8), has a script.
func (p *pdfFinding) formString(b []byte) bool {
	b = bytes.TrimLeft(b, pdfSpace)
	if len(b) < 2 || b[0] != '(' && (b[0] != '<' || b[1] == '<') {
		return false
	}
	p.strings++
	form := pdfLongString(b, pdfFormBytes)
	return p.strings > pdfFormStrings || len(form) >= pdfFormBytes || scriptInForm(form)
}

// longestPDFName is that of the names we look for, each character written as #xx.
const longestPDFName = 3 * len("EmbeddedFiles")

// pdfName decodes the name that begins at b and says how long it is written.
func pdfName(b []byte) (string, int) {
	var name [longestPDFName]byte
	n, i := 0, 0
	for i < len(b) && n < len(name) && pdfRegular(b[i]) {
		c := b[i]
		if c == '#' && i+2 < len(b) {
			if v, err := strconv.ParseUint(string(b[i+1:i+3]), 16, 8); err == nil {
				c = byte(v)
				i += 2
			} else if v, err := strconv.ParseUint(string(b[i+1:i+2]), 16, 8); err == nil { // as poppler reads it
				c = byte(v) << 4
				i += 2
			}
		}
		name[n] = c
		n++
		i++
	}
	return string(name[:n]), i
}

// pdfRegular tells whether a byte is neither white space nor a delimiter
// (§7.2.2).
func pdfRegular(c byte) bool {
	switch c {
	case 0, '\t', '\n', '\f', '\r', ' ', '(', ')', '<', '>', '[', ']', '{', '}', '/', '%':
		return false
	}
	return true
}

// pdfValueFollows tells whether a string, a dictionary, a list, a reference or
// the next key follows.
func pdfValueFollows(b []byte) bool {
	trimmed := bytes.TrimLeft(b, pdfSpace)
	if len(trimmed) == 0 {
		return true // the end of a stream that was cut
	}
	switch c := trimmed[0]; c {
	case '(', '<', '[', '/', '>', '%', ']':
		return true
	default:
		return (c >= '0' && c <= '9' || c == '+') && len(trimmed) < len(b)
	}
}
