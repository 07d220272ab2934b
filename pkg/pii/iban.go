package pii

// ibanForms holds, by country, the structure of the account number behind the
// check digits (SWIFT IBAN Registry): counts of n digits, a capitals, c either.
var ibanForms = map[string]string{
	"AD": "8n12c", "AE": "19n", "AL": "8n16c", "AT": "16n", "AZ": "4a20c", "BA": "16n", "BE": "12n",
	"BG": "4a6n8c", "BH": "4a14c", "BI": "23n", "BR": "23n1a1c", "BY": "4c4n16c", "CH": "5n12c", "CR": "18n",
	"CY": "8n16c", "CZ": "20n", "DE": "18n", "DJ": "23n", "DK": "14n", "DO": "4c20n", "EE": "16n", "EG": "25n",
	"ES": "20n", "FI": "14n", "FK": "2a12n", "FO": "14n", "FR": "10n11c2n", "GB": "4a14n", "GE": "2a16n",
	"GI": "4a15c", "GL": "14n", "GR": "7n16c", "GT": "4c20c", "HN": "4a20n", "HR": "17n", "HU": "24n", "IE": "4a14n",
	"IL": "19n", "IQ": "4a15n", "IS": "22n", "IT": "1a10n12c", "JO": "4a4n18c", "KW": "4a22c", "KZ": "3n13c",
	"LB": "4n20c", "LC": "4a24c", "LI": "5n12c", "LT": "16n", "LU": "3n13c", "LV": "4a13c", "LY": "21n",
	"MC": "10n11c2n", "MD": "2c18c", "ME": "18n", "MK": "3n10c2n", "MN": "16n", "MR": "23n", "MT": "4a5n18c",
	"MU": "4a19n3a", "NI": "4a20n", "NL": "4a10n", "NO": "11n", "OM": "3n16c", "PK": "4a16c", "PL": "24n",
	"PS": "4a21c", "PT": "21n", "QA": "4a21c", "RO": "4a16c", "RS": "18n", "RU": "14n15c", "SA": "2n18c",
	"SC": "4a20n3a", "SD": "14n", "SE": "20n", "SI": "15n", "SK": "20n", "SM": "1a10n12c", "SO": "19n",
	"ST": "21n", "SV": "4a20n", "TL": "19n", "TN": "20n", "TR": "6n16c", "UA": "6n19c", "VA": "18n", "VG": "4a16n",
	"XK": "16n", "YE": "4a4n18c",
}

// maxIBAN is the greatest length of an IBAN (ISO 13616-1).
const maxIBAN = 34

// maxIBANGap bounds the bytes between two groups of an IBAN.
const maxIBANGap = 8

// iban finds an IBAN that begins at i, written together or in groups, and gives
// its end.
func (s *scan) iban(i int) int {
	text := s.text
	if i+4 >= len(text) || !isLetter(text[i]) {
		return 0
	}
	second := i + 1 + separator(text, i+1) // of the country's letters
	if !isLetter(text[second]) {
		return 0
	}
	first := second + 1 // of the check digits
	for size := 1; first < len(text) && size > 0 && first-i <= maxIBANGap+2; first += size {
		size = separator(text, first)
	}
	if first == len(text) || !isDigit(text[first]) {
		return 0
	}
	form, ok := ibanForms[string([]byte{upper(text[i]), upper(text[second])})]
	if !ok {
		return 0
	}
	length := 4 + formLength(form)
	var number [maxIBAN]byte
	n, end, gap := 0, i, 0
	for j := i; j < len(text) && n < length; {
		c := text[j]
		switch {
		case isAlnum(c):
			if !isDigit(c) && (n == 2 || n == 3) {
				return 0 // the check digits
			}
			number[n] = upper(c)
			n++
			j++
			end, gap = j, 0
			continue
		case n == 0:
			return 0
		}
		size := separator(text, j)
		if gap += size; size == 0 || gap > maxIBANGap {
			return 0
		}
		j += size
	}
	if n < length || end < len(text) && (isAlnum(text[end]) || text[end] == '_') {
		return 0
	}
	if !fits(number[4:n], form) || !mod97(number[:n]) {
		return 0
	}
	return end
}

// separator gives the size of a character that may stand between the groups of
// an account number, 0 where none stands.
func separator(text string, i int) int {
	switch text[i] {
	case ' ', '-', '.', '_', '\n', '\r', '\t', '>':
		return 1
	}
	return 0
}

func upper(c byte) byte {
	if c >= 'a' && c <= 'z' {
		return c - 'a' + 'A'
	}
	return c
}

func formLength(form string) (length int) {
	number := 0
	for i := 0; i < len(form); i++ {
		if isDigit(form[i]) {
			number = number*10 + int(form[i]-'0')
			continue
		}
		length += number
		number = 0
	}
	return length
}

// fits says whether an account number has the structure of its country.
func fits(account []byte, form string) bool {
	number, at := 0, 0
	for i := 0; i < len(form); i++ {
		if isDigit(form[i]) {
			number = number*10 + int(form[i]-'0')
			continue
		}
		for ; number > 0; number-- {
			digit := isDigit(account[at])
			if form[i] == 'n' && !digit || form[i] == 'a' && digit {
				return false
			}
			at++
		}
	}
	return true
}

// mod97 is ISO/IEC 7064 MOD 97-10 as ISO 13616-1 applies it.
func mod97(number []byte) bool {
	return rest97(rest97(0, string(number[4:])), string(number[:4])) == 1
}

// rest97 goes on with a remainder modulo 97 over digits and capitals.
func rest97(rest int, number string) int {
	for i := 0; i < len(number); i++ {
		if c := number[i]; isDigit(c) {
			rest = (rest*10 + int(c-'0')) % 97
		} else {
			rest = (rest*100 + int(c-'A') + 10) % 97
		}
	}
	return rest
}
