package attachment

import "bytes"

// tryOffice tries the password that Excel tries by itself, then the words of the
// mail, and says which opened the document.
func (w *walker) tryOffice(rounds int64, opens func(password string) bool) (password string, why Reason, ok bool) {
	if w.affords(rounds) && opens(sweatshop) {
		return sweatshop, DefaultPassword, true
	}
	password, ok = w.unlock(rounds, opens)
	return password, PasswordInMail, ok
}

// openPackage decrypts a newer Office document and lists what it is.
func (w *walker) openPackage(a *Attachment, f file, c *cfb, info, packed int) error {
	content, reason, err := w.stream(f, c.entries[info].size, c.open(info))
	if reason != "" {
		return errStop
	}
	if err != nil {
		return nil // said already
	}
	lock := readOfficeLock(bytes.Clone(content))
	if lock == nil {
		return nil
	}
	var secret []byte
	_, why, ok := w.tryOffice(lock.rounds(), func(password string) (ok bool) {
		secret, ok = lock.key(password)
		return ok
	})
	if w.budget.stopped() != "" {
		return errStop
	}
	if !ok {
		return nil
	}
	content, reason, err = w.stream(f, c.entries[packed].size, c.open(packed))
	if reason != "" {
		return errStop
	}
	if err != nil {
		return MalformedDocument
	}
	a.drop(EncryptedDocument)
	a.add(why)
	plain := openOffice(lock, secret, content)
	f.sealed = true
	_, err = w.member(a, f, "", int64(len(plain)), bytes.NewReader(plain))
	return err
}

// openWorkbook looks at an older workbook, decrypted where a password is known.
func (w *walker) openWorkbook(a *Attachment, b []byte) {
	excelBinary(a, b)
	var lock interface {
		opens(password string) bool
		open(password string, b []byte) []byte
	}
	if rc4, xor := readBIFFLock(filePass(b)), readXORLock(filePass(b)); rc4 != nil {
		lock = rc4
	} else if xor != nil {
		lock = xor
	} else {
		return
	}
	password, why, ok := w.tryOffice(biffRounds, lock.opens)
	if !ok {
		return
	}
	excelBinary(a, lock.open(password, b))
	a.drop(EncryptedDocument)
	a.add(why)
}

// Where the flags of a Word document stand, what follows its first bytes, and how many
// bytes have a key of their own ([MS-DOC] §2.5.2, §2.2.6.2).
const (
	wordFlags     = 10
	wordEncrypted = 1 << 8
	wordTable     = 1 << 9
	wordMasked    = 1 << 15 // obfuscated by XOR
	wordClear     = 68
	wordBlock     = 512
)

// openWord looks at an older Word document that is encrypted, where a password is known:
// its text, its tables and what is stored with it. Macros and objects are not encrypted.
func (w *walker) openWord(a *Attachment, f file, c *cfb) error {
	main := c.named("WordDocument")
	if main < 0 {
		return nil
	}
	content, reason, err := w.stream(f, c.entries[main].size, c.open(main))
	if reason != "" {
		return errStop
	}
	if err != nil || len(content) < wordClear {
		return nil // said already
	}
	text := bytes.Clone(content)
	flags := u16(text[wordFlags:])
	if flags&wordEncrypted == 0 || flags&wordMasked != 0 {
		return nil
	}
	table := c.named(map[bool]string{true: "1Table", false: "0Table"}[flags&wordTable != 0])
	if table < 0 {
		return nil
	}
	content, reason, err = w.stream(f, c.entries[table].size, c.open(table))
	if reason != "" {
		return errStop
	}
	header := uint64(u32(text[14:])) // lKey: the size of the encryption's header
	if err != nil || header > uint64(len(content)) {
		return nil
	}
	lock := readRC4Lock(bytes.Clone(content[:header]))
	if lock == nil {
		return nil
	}
	password, why, ok := w.tryOffice(biffRounds, lock.opens)
	if w.budget.stopped() != "" {
		return errStop
	}
	if !ok {
		return nil
	}
	plain := lock.stream(password, text, wordBlock)
	copy(plain, text[:wordClear])
	plain[wordFlags+1] &^= wordEncrypted >> 8
	wordBinary(a, plain)
	if data := c.named("Data"); data >= 0 {
		content, reason, err := w.stream(f, c.entries[data].size, c.open(data))
		if reason != "" {
			return errStop
		}
		if err != nil {
			return MalformedDocument
		}
		f.sealed = true
		if plain := lock.stream(password, content, wordBlock); carries(sniff(plain, "")) {
			if err := w.list(a, f, "Data", plain); err != nil {
				return err
			}
		}
	}
	a.drop(EncryptedDocument)
	a.add(why)
	return nil
}
