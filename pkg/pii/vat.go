package pii

import "strings"

// A vatForm is how the VAT numbers of a country look behind its prefix.
type vatForm struct {
	forms string // as pattern has them, apart by blanks
	check func(number string) bool
}

func ofDigits(check func(d []byte) bool) func(string) bool {
	return func(number string) bool { return check(values(number)) }
}

// vatForms are by the prefix under which the Commission's VIES knows a country,
// with the checks that its tax authority publishes; GB and XI are of HMRC.
var vatForms = map[string]vatForm{
	"AT": {"U99999999", func(n string) bool { // BMF: alternating weights and a constant of four
		d := values(n[1:])
		sum := 4
		for i := range 7 {
			product := int(d[i]) * (1 + i%2)
			sum += product/10 + product%10
		}
		return (10-sum%10)%10 == int(d[7])
	}},
	"BE": {"9999999999", ofDigits(func(d []byte) bool { return d[0] <= 1 && 97-prefix(d, 8)%97 == two(d, 8) })},
	"BG": {"999999999 9999999999", ofDigits(bgVAT)},
	"CY": {"99999999A", cyTIN},
	"CZ": {"99999999 9999999999", ofDigits(czVAT)},
	"DE": {"999999999", ofDigits(func(d []byte) bool { return d[0] != 0 && mod1110(d) })},
	"DK": {"99999999", ofDigits(func(d []byte) bool { return d[0] != 0 && weighted(d, 2, 7, 6, 5, 4, 3, 2, 1)%11 == 0 })},
	"EE": {"999999999", ofDigits(func(d []byte) bool { return weighted(d, 3, 7, 1, 3, 7, 1, 3, 7, 1)%10 == 0 && !allSame(d) })},
	"EL": {"999999999", ofDigits(grAFM)},
	"ES": {"*9999999*", func(n string) bool { return esNIF(n) != "" || esCIF(n) }},
	"FI": {"99999999", ofDigits(func(d []byte) bool { return weighted(d, 7, 9, 10, 5, 8, 4, 2, 1)%11 == 0 && !allSame(d) })},
	"FR": {"**999999999", frVAT},
	"HR": {"99999999999", ofDigits(func(d []byte) bool { return mod1110(d) })},
	"HU": {"99999999", ofDigits(func(d []byte) bool { return weighted(d, 9, 7, 3, 1, 9, 7, 3, 1)%10 == 0 && !allSame(d) })},
	"IE": {"9999999A 9999999AA", iePPS},
	"IT": {"99999999999", ofDigits(itVAT)},
	"LT": {"999999999 999999999999", ofDigits(ltVAT)},
	"LU": {"99999999", ofDigits(func(d []byte) bool { return d[0] != 0 && prefix(d, 6)%89 == two(d, 6) })},
	"LV": {"99999999999", ofDigits(func(d []byte) bool {
		return d[0] > 3 && weighted(d, 9, 1, 4, 8, 3, 10, 2, 5, 7, 6, 1)%11 == 3
	})},
	"MT": {"99999999", ofDigits(func(d []byte) bool { return d[0] != 0 && weighted(d, 3, 4, 6, 7, 8, 9, 10, 1)%37 == 0 })},
	"NL": {"999999999B99", func(n string) bool { return nlBSN(values(n[:9])) || rest97(0, "NL"+n) == 1 }},
	"PL": {"9999999999", ofDigits(plNIP)},
	"PT": {"999999999", ofDigits(ptNIF)},
	"RO": {"9999999999 999999999 99999999 9999999", ofDigits(roVAT)},
	"SE": {"999999999999", ofDigits(func(d []byte) bool { return luhn(d[:10]) && !allSame(d[:10]) && two(d, 10) != 0 })},
	"SI": {"99999999", ofDigits(siTax)},
	"SK": {"9999999999", ofDigits(func(d []byte) bool { return d[0] != 0 && prefix(d, 10)%11 == 0 })},
	"GB": {"999999999 999999999999", ofDigits(gbVAT)},
	"XI": {"999999999 999999999999", ofDigits(gbVAT)},
}

// bgVAT: НАП; nine digits of firms, or the number of a person.
func bgVAT(d []byte) bool {
	if len(d) == 10 {
		return bgEGN(d) || bgLNC(d)
	}
	c := weighted(d, 1, 2, 3, 4, 5, 6, 7, 8) % 11
	if c == 10 {
		c = weighted(d, 3, 4, 5, 6, 7, 8, 9, 10) % 11 % 10
	}
	return c == int(d[8]) && !allSame(d)
}

// czVAT: Finanční správa; eight digits of firms, or the number of a person.
func czVAT(d []byte) bool {
	if len(d) == 10 {
		return czID(d)
	}
	c := (11 - weighted(d, 8, 7, 6, 5, 4, 3, 2)%11) % 11
	if c == 0 {
		c = 1
	}
	return d[0] != 9 && c%10 == int(d[7])
}

// frVAT: a key of two characters and the firm's SIREN, which has a digit by Luhn.
func frVAT(n string) bool {
	if strings.ContainsAny(n[:2], "IO") {
		return false
	}
	siren := values(n[2:])
	if !luhnNonZero(siren) {
		return false
	}
	if !onlyDigits(n[:2]) {
		return true
	}
	return (12+3*(prefix(siren, 9)%97))%97 == two(values(n[:2]), 0)
}

// ltVAT: VMI; nine digits, or twelve of those that are registered for a time.
func ltVAT(d []byte) bool {
	n := len(d)
	if d[n-2] != 1 {
		return false
	}
	sum := func(shift int) (s int) {
		for i, digit := range d[:n-1] {
			s += int(digit) * (1 + (i+shift)%9)
		}
		return s % 11
	}
	c := sum(0)
	if c == 10 {
		c = sum(2) % 10
	}
	return c == int(d[n-1])
}

// roVAT: ANAF; the weights stand to the right.
func roVAT(d []byte) bool {
	weights := [...]int{7, 5, 3, 2, 1, 7, 5, 3, 2}
	sum, n := 0, len(d)-1
	for i := range n {
		sum += int(d[i]) * weights[len(weights)-n+i]
	}
	return d[0] != 0 && sum*10%11%10 == int(d[n])
}

// gbVAT: HMRC, modulus 97 in the older and the newer way; three more digits name a branch.
func gbVAT(d []byte) bool {
	rest := weighted(d, 8, 7, 6, 5, 4, 3, 2, 10, 1) % 97
	return prefix(d, 7) != 0 && (rest == 0 || rest == 42)
}

// esCIF: Agencia Tributaria; a letter for the sort of firm, seven digits, and one
// that checks, or the letter that stands for it.
func esCIF(word string) bool {
	if len(word) != 9 || strings.IndexByte("ABCDEFGHJNPQRSUVW", word[0]) < 0 || !onlyDigits(word[1:8]) {
		return false
	}
	for c := byte(0); c < 10; c++ {
		if luhn(append(values(word[1:8]), c)) {
			return word[8] == '0'+c || word[8] == "JABCDEFGHI"[c]
		}
	}
	return false
}

// chUID: Bundesamt für Statistik, modulus 11.
func chUID(d []byte) bool {
	return (11-weighted(d, 5, 4, 3, 2, 7, 6, 5, 4)%11)%11 == int(d[8])
}

// maxVATGap bounds the blanks and signs within a VAT number.
const maxVATGap = 5

// vat finds a VAT number with its country's prefix at i and gives its end, 0 for
// none. Its check is one digit, so it stands by itself only where it is written as
// one word.
func (s *scan) vat(i int) int {
	text := s.text
	country := string([]byte{upper(text[i]), upper(text[i+1])})
	if country == "GR" {
		country = "EL"
	}
	if country == "CH" && i+2 < len(text) && upper(text[i+2]) == 'E' {
		if number, end, _ := gather(text, i+3, 9); len(number) == 9 && onlyDigits(number) && chUID(values(number)) && !s.nobodys(i, aboutVAT) {
			s.add(VATNumber, i, end)
			return end
		}
		return 0
	}
	form, ok := vatForms[country]
	if !ok {
		return 0
	}
	for forms := form.forms; forms != ""; {
		one, rest, _ := strings.Cut(forms, " ")
		forms = rest
		number, end, gaps := gather(text, i+2, len(one))
		if !pattern(number, one) || !form.check(number) {
			continue
		}
		if s.near(aboutVAT, i, end, 40, 16) || gaps == 0 && text[i] == country[0] && !s.nobodys(i, aboutVAT) && !s.inURL(i) {
			s.add(VATNumber, i, end)
			return end
		}
	}
	return 0
}

// gather reads n letters and digits, in capitals, with single blanks and signs
// between; fewer where others or another letter or digit follow.
func gather(text string, i, n int) (number string, end, gaps int) {
	var kept [16]byte
	size := 0
	for j := i; j < len(text) && size < n; j++ {
		c := text[j]
		switch {
		case isAlnum(c):
			kept[size] = upper(c)
			size++
			end = j + 1
		case (c == ' ' || c == '.' || c == '-') && gaps < maxVATGap && (size > 0 || gaps == 0):
			gaps++
		default:
			return "", 0, 0
		}
	}
	if end < len(text) && (isAlnum(text[end]) || text[end] == '_') {
		return "", 0, 0
	}
	return string(kept[:size]), end, gaps
}
