package pii

import "strings"

// tokens finds numbers that hold letters: at every start of a word, the sorts
// whose shape begins so are asked.
func (s *scan) tokens() {
	text := s.text
	for i := 0; i < len(text); {
		if !isAlnum(text[i]) {
			i++
			continue
		}
		end := i
		for end < len(text) && isLetter(text[end]) {
			end++
		}
		digits, letters := 0, end-i
		for end < len(text) && isAlnum(text[end]) {
			if isDigit(text[end]) {
				digits++
			} else {
				letters++
			}
			end++
		}
		if digits == 0 && letters != 2 && !(letters == 1 && s.topics.has(aboutIBAN)) && !(letters == 3 && swissFirm(text[i:end])) && letters != 8 && letters != 11 && letters < leastWallet { // an ordinary word
			i = end
			continue
		}
		whole := (i == 0 || text[i-1] != '_' && !(text[i-1] >= 0x80 && letterBefore(text, i))) &&
			(end == len(text) || text[end] != '_' && !(text[end] >= 0x80 && sortOfNext(text[end:]) == letterWord))
		if whole {
			s.token(i, end, digits, letters)
		} else if letters >= 2 && end < len(text) && text[end] == '_' && isLetter(text[i]) { // DE89_3704_…
			if to := s.iban(i); to > 0 {
				s.add(IBAN, i, to)
			}
		}
		i = end
	}
}

func swissFirm(word string) bool { return word[0]|0x20 == 'c' && lower(word) == "che" }

func (s *scan) token(i, end, digits, letters int) {
	text, n := s.text, end-i
	if n == 1 && letters == 1 { // D E 8 9 3 7 …
		if end+1 < len(text) && isLetter(text[end+1]) && s.near(aboutIBAN, i, end, 24, 0) {
			if to := s.iban(i); to > 0 {
				s.add(IBAN, i, to)
			}
		}
		return
	}
	if letters >= 2 && isLetter(text[i]) && isLetter(text[i+1]) && (n == 2 || isDigit(text[i+2])) {
		if to := s.iban(i); to > 0 {
			s.add(IBAN, i, to)
			s.bicAfter(to)
			return
		}
		if to := nino(text, i); to > 0 && !s.nobodys(i, aboutNINO) {
			s.add(UKNINO, i, to)
		}
	}
	if letters >= 2 && isLetter(text[i]) && isLetter(text[i+1]) && s.vat(i) > 0 {
		return
	}
	if n == 2 && end+16 <= len(text) && text[end] == '.' {
		if whole := strings.ToUpper(text[i : end+16]); formed(whole, "**.***.***/****-99") &&
			brAlphaCNPJ(whole[:2]+whole[3:6]+whole[7:10]+whole[11:15]+whole[16:]) {
			s.add(BRCNPJ, i, end+16)
			return
		}
	}
	if n == 2 && letters == 0 && s.spacedSocial(i) {
		return
	}
	if letters == 0 && digits < 6 && (end == len(text) || text[end] != '-') || n > 130 {
		return
	}
	word := text[i:end]
	if n == 4 && end+9 <= len(text) && text[end] == '-' && text[end+4] == '-' && (end+9 == len(text) || !isAlnum(text[end+9])) {
		if usMBI(strings.ToUpper(word + text[end+1:end+4] + text[end+5:end+9])) {
			s.add(HealthInsurance, i, end+9)
		}
	}
	if digits > 0 && letters > 0 {
		s.mixed(word, i, end)
	}
	if letters == 0 {
		s.hyphened(word, i, end)
		s.afterWords(word, i, end, digits)
		return
	}
	if (n == 8 || n == 11) && s.near(aboutBIC, i, end, 24, 0) && bic(word) {
		s.add(BIC, i, end)
	}
	if digits > 0 {
		s.afterWords(word, i, end, digits)
		s.wallet(word, i, end)
	} else if n >= leastWallet {
		s.wallet(word, i, end)
	}
}

// mixed asks the sorts that are one word of letters and digits.
func (s *scan) mixed(word string, i, end int) {
	switch len(word) {
	case 8, 9, 10, 11, 12, 14, 15, 16, 18:
	default:
		return
	}
	up := strings.ToUpper(word)
	add := func(kind Kind, about topic, strong bool) {
		if s.near(about, i, end, 48, 24) || strong && !s.nobodys(i, about) && !s.inURL(i) {
			s.add(kind, i, end)
		}
	}
	switch len(up) {
	case 8, 9:
		if spanish := esNIF(up); spanish == ESNIE || spanish == ESNIF {
			add(spanish, aboutNational, len(up) == 9)
		}
		if len(up) == 9 && esCIF(up) {
			add(ESCIF, aboutTax, false)
		}
		if iePPS(up) {
			add(IEPPS, aboutPPS, false)
		}
		if len(up) == 9 && sgNRIC(up) {
			add(SGNRIC, aboutNational, true)
		}
		if cyTIN(up) {
			add(CYTIN, aboutTax, false)
		}
		if mtID(up) {
			add(MTID, aboutIDCard, false)
		}
		if len(up) == 9 && deIDCard(up) {
			add(DEIDCard, aboutIDCard, false)
		}
	case 10:
		if inPAN(up) {
			add(INPAN, aboutPAN, word == up)
		}
		if deHealth(up) {
			add(DEHealth, aboutHealth, false)
		}
		if len(up) == 10 && deIDCard(up) {
			add(DEIDCard, aboutIDCard, false)
		}
		if inVoter(up) {
			add(INVoter, aboutVoter, false)
		}
	case 11:
		if usMBI(up) {
			add(HealthInsurance, aboutMedicare, false)
		}
	case 14:
		if brAlphaCNPJ(up) {
			add(BRCNPJ, aboutCPF, true)
		}
	case 12:
		if ptCitizenCard(up) {
			add(PTCitizenCard, aboutCC, false)
		}
		if deSocial(up) {
			add(DESocial, aboutDESocial, true)
		}
	case 15:
		if gstin, checked := inGSTIN(up); gstin {
			add(INGSTIN, aboutGST, checked && word == up)
		}
		if corsican(up) {
			add(FRNIR, aboutNIR, true)
		}
	case 16:
		if ukDriver(up) {
			add(DriverLicense, aboutLicense, true)
		}
		if itFiscalCode(up) {
			add(ITFiscalCode, aboutTax, true)
		}
	case 18:
		if mxCURP(up) {
			add(MXCURP, aboutNational, true)
		}
		if cnID(up) {
			add(CNID, aboutNational, true)
		}
	}
}

// spacedSocial finds the German "12 345678 A 123".
func (s *scan) spacedSocial(i int) bool {
	const form = "99 999999 A 999"
	end := i + len(form)
	if end > len(s.text) || end < len(s.text) && isAlnum(s.text[end]) || !formed(strings.ToUpper(s.text[i:end]), form) {
		return false
	}
	if !deSocial(strings.ToUpper(strings.ReplaceAll(s.text[i:end], " ", ""))) || s.nobodys(i, aboutDESocial) {
		return false
	}
	s.add(DESocial, i, end)
	return true
}

// hyphened asks the sorts that are digits followed by a sign and more: the
// Spanish "1111111-G", the Finnish "131052-308T".
func (s *scan) hyphened(word string, i, end int) {
	text := s.text
	if end+1 < len(text) && text[end] == '-' && (len(word) == 7 || len(word) == 8) && isLetter(text[end+1]) &&
		(end+2 == len(text) || !isAlnum(text[end+2])) && (i == 0 || text[i-1] != '-') {
		if esNIF(strings.ToUpper(word+text[end+1:end+2])) == ESNIF && !s.nobodys(i, aboutNational) {
			s.add(ESNIF, i, end+2)
		}
	}
	if len(word) == 6 && end+5 <= len(text) && (end+5 == len(text) || !isAlnum(text[end+5])) {
		if fiHETU(strings.ToUpper(text[i : end+5])) {
			s.add(FIHETU, i, end+5)
		}
	}
	if card := i + len("00000000 0 ZZ4"); len(word) == 8 && card <= len(text) && text[end] == ' ' && text[end+2] == ' ' && (card == len(text) || !isAlnum(text[card])) {
		if ptCitizenCard(strings.ToUpper(word+text[end+1:end+2]+text[end+3:card])) && !s.nobodys(i, aboutCC) {
			s.add(PTCitizenCard, i, card)
		}
	}
	if len(word) == 18 && cnID(word) {
		s.add(CNID, i, end)
	}
}

// afterWords finds what has no check of its own and stands right behind the
// words that name it.
func (s *scan) afterWords(word string, i, end, digits int) {
	if (i == 0 || s.text[i-1] != '-') && s.near(aboutLicense, i, end, 28, 0) {
		if to := s.groupsEnd(s.joinedEnd(end, i+maxLicense+1)); to-i >= 6 && to-i <= maxLicense && countDigits(s.text[i:to]) >= 4 {
			s.add(DriverLicense, i, to)
			return
		}
	}
	if digits < 4 || len(word) > 20 {
		return
	}
	switch {
	case s.near(aboutPassport, i, end, 28, 0) && len(word) >= 6 && len(word) <= 10 && digits >= 5:
		kind := Passport
		if len(word) == 9 && digits >= 8 && s.american(i) {
			kind = USPassport
		}
		s.add(kind, i, end)
	case s.near(aboutHealth, i, end, 24, 0) && len(word) >= 8 && digits >= 6:
		s.add(HealthInsurance, i, end)
	case s.near(aboutAccount, i, end, 24, 0) && len(word) == digits && digits >= 6 && digits <= 18:
		s.add(BankAccount, i, end)
	}
}

func (s *scan) american(i int) bool {
	before := strings.ToLower(s.text[max(0, i-60):i])
	return strings.Contains(before, "us ") || strings.Contains(before, "u.s") || strings.Contains(before, "american") ||
		strings.Contains(before, "united states") || strings.Contains(before, "passport")
}

func countDigits(word string) (n int) {
	for i := 0; i < len(word); i++ {
		if isDigit(word[i]) {
			n++
		}
	}
	return n
}

// groupsEnd goes on over groups of three or four digits that blanks keep apart.
func (s *scan) groupsEnd(end int) int {
	for range 4 {
		to := end + 1
		for to < len(s.text) && isDigit(s.text[to]) && to-end < 6 {
			to++
		}
		if end >= len(s.text) || s.text[end] != ' ' || to-end < 4 || to-end > 5 || to < len(s.text) && isAlnum(s.text[to]) {
			break
		}
		end = to
	}
	return end
}

// maxLicense bounds the bytes of the number of a driver's license.
const maxLicense = 24

// joinedEnd is the end of what hyphens join to a word, as far as the limit: a text
// may be one run of them.
func (s *scan) joinedEnd(end, limit int) int {
	for end < limit && end+1 < len(s.text) && s.text[end] == '-' && isAlnum(s.text[end+1]) {
		for end++; end < limit && end < len(s.text) && isAlnum(s.text[end]); end++ {
		}
	}
	return end
}

func letterBefore(text string, i int) bool {
	j := i - 1
	for j > 0 && text[j] >= 0x80 && text[j] < 0xC0 {
		j--
	}
	return sortOfNext(text[j:]) == letterWord
}

// bicAfter finds a BIC that stands behind an IBAN.
func (s *scan) bicAfter(i int) {
	text := s.text
	for n := 0; i < len(text) && !isAlnum(text[i]) && n < 4; n++ {
		i++
	}
	end := i
	for end < len(text) && isAlnum(text[end]) {
		end++
	}
	if bic(text[i:end]) {
		s.add(BIC, i, end)
	}
}

// bic says whether a word has the form of ISO 9362: four letters, a country,
// two or five letters or digits, in capitals.
func bic(word string) bool {
	if len(word) != 8 && len(word) != 11 || word != strings.ToUpper(word) {
		return false
	}
	for i := range 6 {
		if !isLetter(word[i]) {
			return false
		}
	}
	_, known := ibanForms[word[4:6]]
	return known || strings.Contains("US CA AU NZ JP CN HK SG KR IN TH MY ID PH VN TW ZA NG KE GH MX AR CL CO PE UY MA", word[4:6])
}
