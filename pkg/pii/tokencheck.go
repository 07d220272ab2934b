package pii

import "strings"

// Checks of national numbers that hold letters; all take capitals.

func pattern(word, form string) bool {
	if len(word) != len(form) {
		return false
	}
	for i := 0; i < len(word); i++ {
		switch form[i] {
		case '9':
			if !isDigit(word[i]) {
				return false
			}
		case 'A':
			if !isLetter(word[i]) {
				return false
			}
		case '*':
			if !isAlnum(word[i]) {
				return false
			}
		}
	}
	return true
}

// formed is pattern with all other characters of the form as they stand.
func formed(word, form string) bool {
	if !pattern(word, form) {
		return false
	}
	for i := 0; i < len(word); i++ {
		if c := form[i]; c != '9' && c != 'A' && c != '*' && c != word[i] {
			return false
		}
	}
	return true
}

func values(digits string) []byte {
	out := make([]byte, len(digits))
	for i := range out {
		out[i] = digits[i] - '0'
	}
	return out
}

// nino finds a National Insurance number at i (HMRC NIM39110): prefix, six
// digits, suffix A to D; with or without spaces.
func nino(text string, i int) int {
	if first := i + 2; first < len(text) && (text[first] == ' ' || text[first] == '-') {
		if first++; first == len(text) || !isDigit(text[first]) {
			return 0
		}
	}
	a, b := upper(text[i]), upper(text[i+1])
	if strings.IndexByte("DFIQUV", a) >= 0 || strings.IndexByte("DFIOQUV", b) >= 0 {
		return 0
	}
	switch string([]byte{a, b}) {
	case "BG", "GB", "KN", "NK", "NT", "TN", "ZZ":
		return 0
	}
	j, spaces := i+2, 0
	for n := 0; n < 6; n++ {
		if n%2 == 0 && j < len(text) && (text[j] == ' ' || text[j] == '-') {
			j++
			spaces++
		}
		if j >= len(text) || !isDigit(text[j]) {
			return 0
		}
		j++
	}
	if j < len(text) && (text[j] == ' ' || text[j] == '-') {
		j++
	}
	if j >= len(text) || upper(text[j]) < 'A' || upper(text[j]) > 'D' || j+1 < len(text) && isAlnum(text[j+1]) {
		return 0
	}
	return j + 1
}

// esNIF: Ministerio del Interior; the letter is the number modulo 23. Foreigners'
// numbers begin with X, Y or Z for 0, 1, 2.
func esNIF(word string) Kind {
	n := len(word)
	kind := ESNIF
	digits := word[:n-1]
	if at := strings.IndexByte("XYZ", word[0]); at >= 0 && n == 9 {
		kind = ESNIE
		digits = string([]byte{'0' + byte(at)}) + word[1:8]
	}
	value := 0
	for i := 0; i < len(digits); i++ {
		if !isDigit(digits[i]) {
			return ""
		}
		value = value*10 + int(digits[i]-'0')
	}
	if value == 0 || word[n-1] != "TRWAGMYFPDXBNJZSQVHLCKE"[value%23] {
		return ""
	}
	return kind
}

// iePPS: Department of Social Protection; modulus 23, a second letter counts nine.
func iePPS(word string) bool {
	if !pattern(word, "9999999A") && !pattern(word, "9999999AA") {
		return false
	}
	sum := 0
	for i := range 7 {
		sum += int(word[i]-'0') * (8 - i)
	}
	if len(word) == 9 {
		if strings.IndexByte("ABCDEFGHIW", word[8]) < 0 {
			return false
		}
		if word[8] != 'W' {
			sum += int(word[8]-'A'+1) * 9
		}
	}
	return word[7] == "WABCDEFGHIJKLMNOPQRSTUV"[sum%23]
}

// sgNRIC: Immigration & Checkpoints Authority, series S, T, F, G.
func sgNRIC(word string) bool {
	if !pattern(word, "A9999999A") {
		return false
	}
	sum := weighted(values(word[1:8]), 2, 7, 6, 5, 4, 3, 2)
	switch word[0] {
	case 'S':
		return word[8] == "JZIHGFEDCBA"[sum%11]
	case 'T':
		return word[8] == "JZIHGFEDCBA"[(sum+4)%11]
	case 'F':
		return word[8] == "XWUTRQPNMLK"[sum%11]
	case 'G':
		return word[8] == "XWUTRQPNMLK"[(sum+4)%11]
	}
	return false
}

// cyTIN: Cyprus Tax Department; digits in odd places are mapped, modulus 26.
func cyTIN(word string) bool {
	if !pattern(word, "99999999A") || strings.HasPrefix(word, "12") {
		return false
	}
	sum := 0
	for i := range 8 {
		d := int(word[i] - '0')
		if i%2 == 0 {
			d = [10]int{1, 0, 5, 7, 9, 13, 15, 17, 19, 21}[d]
		}
		sum += d
	}
	return word[8] == 'A'+byte(sum%26)
}

// mtID has no check digit: seven digits and the letter of its register.
func mtID(word string) bool {
	return pattern(word, "9999999A") && strings.IndexByte("MGAPLHBZ", word[7]) >= 0
}

// deIDCard: ICAO Doc 9303-3, weights 7 3 1; the serial number has nine
// characters out of a reduced set and mostly stands with its check digit.
func deIDCard(word string) bool {
	if strings.IndexByte("CFGHJKLMNPRTVWXYZ", word[0]) < 0 || strings.ContainsAny(word[:9], "ABDEIOQSU") {
		return false
	}
	if len(word) == 9 {
		return true
	}
	sum := 0
	for i := range 9 {
		value := int(word[i] - '0')
		if isLetter(word[i]) {
			value = int(word[i]-'A') + 10
		}
		sum += value * [3]int{7, 3, 1}[i%3]
	}
	return int(word[9])-'0' == sum%10
}

// deHealth: GKV-Spitzenverband, § 290 SGB V; a letter and nine digits, the last
// of which checks by alternating weights 1 and 2.
func deHealth(word string) bool {
	if !pattern(word, "A999999999") {
		return false
	}
	letter := int(word[0]-'A') + 1
	d := append([]byte{byte(letter / 10), byte(letter % 10)}, values(word[1:9])...)
	sum := 0
	for i, digit := range d {
		product := int(digit) * (1 + i%2)
		sum += product/10 + product%10
	}
	return sum%10 == int(word[9]-'0')
}

// deSocial: Deutsche Rentenversicherung, § 147 SGB VI.
func deSocial(word string) bool {
	if !pattern(word, "99999999A999") {
		return false
	}
	day, month := two(values(word[2:6]), 0), two(values(word[2:6]), 2)
	if day == 0 || day > 31 && day < 51 || day > 81 || month == 0 || month > 12 {
		return false
	}
	letter := int(word[8]-'A') + 1
	d := append(values(word[:8]), byte(letter/10), byte(letter%10))
	d = append(d, values(word[9:11])...)
	sum := 0
	for i, weight := range [...]int{2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1} {
		product := int(d[i]) * weight
		sum += product/10 + product%10
	}
	return sum%10 == int(word[11]-'0')
}

// corsican is a French NIR of a department with a letter: 2A is read as 19, 2B
// as 18.
func corsican(word string) bool {
	if word[5] != '2' || word[6] != 'A' && word[6] != 'B' {
		return false
	}
	as := "19"
	if word[6] == 'B' {
		as = "18"
	}
	word = word[:5] + as + word[7:]
	return pattern(word, "999999999999999") && frNIR(values(word))
}

// itFiscalCode: DM 23 dicembre 1976; letters for name, date and place, a check
// letter. Digits may be replaced by letters where two people would share one.
func itFiscalCode(word string) bool {
	for _, i := range []int{6, 7, 9, 10, 12, 13, 14} {
		if !isDigit(word[i]) && strings.IndexByte("LMNPQRSTUV", word[i]) < 0 {
			return false
		}
	}
	if !pattern(word[:6], "AAAAAA") || !isLetter(word[11]) || !isLetter(word[15]) || strings.IndexByte("ABCDEHLMPRST", word[8]) < 0 {
		return false
	}
	odd := [...]int{1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23}
	sum := 0
	for i := range 15 {
		value := int(word[i]) - 'A'
		if isDigit(word[i]) {
			value = int(word[i]) - '0'
		}
		if i%2 == 0 {
			value = odd[value]
		}
		sum += value
	}
	return int(word[15])-'A' == sum%26
}

// inPAN: Income Tax Department; the fourth letter says what sort of holder. There
// is no published check.
func inPAN(word string) bool {
	return pattern(word, "AAAAA9999A") && word[5:9] != "0000" && strings.IndexByte("ABCFGHJLPT", word[3]) >= 0
}

// mxCURP: RENAPO; letters, birth date, sex, state, check digit modulus 10.
func mxCURP(word string) bool {
	if !pattern(word, "AAAA999999AAAAAA*9") || word[10] != 'H' && word[10] != 'M' && word[10] != 'X' ||
		!isDate(two(values(word[4:10]), 2), two(values(word[4:10]), 4)) {
		return false
	}
	sum := 0
	for i := range 17 {
		value := int(word[i] - '0')
		if isLetter(word[i]) {
			if value = int(word[i]-'A') + 10; word[i] > 'N' {
				value++ // Ñ follows N
			}
		}
		sum += value * (18 - i)
	}
	return (10-sum%10)%10 == int(word[17]-'0')
}

// cnID: GB 11643-1999; birth date and ISO 7064 MOD 11-2.
func cnID(word string) bool {
	if !pattern(word[:17], "99999999999999999") {
		return false
	}
	d := values(word[:17])
	y := prefix(d[6:], 4)
	return y >= 1880 && y <= 2100 && isDate(two(d, 10), two(d, 12)) && d[0] != 0 &&
		"10X98765432"[weighted(d, 7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)%11] == word[17]
}

// fiHETU: Digi- ja väestötietovirasto; date, century sign, number, check
// character modulus 31.
func fiHETU(word string) bool {
	if !pattern(word[:6], "999999") || strings.IndexByte("-+ABCDEFYXWVU", word[6]) < 0 || !pattern(word[7:10], "999") {
		return false
	}
	d := values(word[:6] + word[7:10])
	return isDate(two(d, 2), two(d, 0)) && word[10] == "0123456789ABCDEFHJKLMNPRSTUVWXY"[prefix(d, 9)%31]
}

// ptCitizenCard: AMA; twelve characters, Luhn over letters that count from ten on.
func ptCitizenCard(word string) bool {
	if !pattern(word, "999999999**9") {
		return false
	}
	sum := 0
	for i := range len(word) {
		value := int(word[i] - '0')
		if isLetter(word[i]) {
			value = int(word[i]-'A') + 10
		}
		if i%2 == 0 {
			if value *= 2; value > 9 {
				value -= 9
			}
		}
		sum += value
	}
	return sum%10 == 0
}

// inGSTIN: GSTN; a state, the holder's PAN, an entity, Z, and a character that
// checks modulo 36. checked tells that it does.
func inGSTIN(word string) (ok, checked bool) {
	if !pattern(word, "99AAAAA9999A*A*") || word[13] != 'Z' {
		return false, false
	}
	if state := two(values(word[:2]), 0); state == 0 || state > 38 && state != 97 && state != 99 {
		return false, false
	}
	sum := 0
	for i := range 15 {
		value := int(word[i] - '0')
		if isLetter(word[i]) {
			value = int(word[i]-'A') + 10
		}
		if i%2 == 1 {
			value *= 2
		}
		if i == 14 {
			value = int(word[i] - '0')
			if isLetter(word[i]) {
				value = int(word[i]-'A') + 10
			}
		}
		sum += value/36 + value%36
	}
	return true, sum%36 == 0
}

// inVoter: Election Commission of India; three letters, seven digits by Luhn.
func inVoter(word string) bool {
	return pattern(word, "AAA9999999") && luhnNonZero(values(word[3:]))
}

// usMBI: CMS, the Medicare Beneficiary Identifier; letters that look like digits
// are not used. There is no digit to check.
func usMBI(word string) bool {
	return pattern(word, "9A*9A*9AA99") && word[0] != '0' && !strings.ContainsAny(word, "SLOIBZ")
}

// ukDriver: DVLA; five characters of the name, filled up with nines, date of birth
// with 50 more on a woman's month, initials, and three characters of DVLA's own.
func ukDriver(word string) bool {
	if !pattern(word[5:11], "999999") || !isLetter(word[11]) || !isAlnum(word[12]) || isDigit(word[12]) && word[12] != '9' ||
		!pattern(word[13:], "*AA") {
		return false
	}
	name := strings.TrimRight(word[:5], "9")
	d := values(word[5:11])
	month := int(d[1])*10 + int(d[2])
	if month > 50 {
		month -= 50
	}
	return name != "" && onlyLetters(name) && isDate(month, int(d[3])*10+int(d[4]))
}

// brAlphaCNPJ: Receita Federal, IN RFB 2.229/2024; since July 2026 the first twelve
// characters may be letters, which count by their code less 48.
func brAlphaCNPJ(word string) bool {
	if !onlyDigits(word[12:]) || onlyDigits(word) {
		return false
	}
	d := make([]byte, 14)
	for i := range d {
		d[i] = word[i] - '0'
	}
	return brCNPJ(d)
}
