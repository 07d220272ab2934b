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
	lock := readBIFFLock(filePass(b))
	if lock == nil {
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
