package pii

// Checks of national numbers. Each names who defines it; d holds digit values.

// weighted adds the products of digits and weights.
func weighted(d []byte, weights ...int) int {
	sum := 0
	for i, weight := range weights {
		sum += int(d[i]) * weight
	}
	return sum
}

func luhnNonZero(d []byte) bool { return luhn(d) && !allSame(d) }

// mod1110 is the hybrid system of ISO/IEC 7064, MOD 11,10.
func mod1110(d []byte) bool {
	p := 10
	for _, digit := range d[:len(d)-1] {
		if p = (p + int(digit)) % 10; p == 0 {
			p = 10
		}
		p = p * 2 % 11
	}
	return (p+int(d[len(d)-1]))%10 == 1 && !allSame(d)
}

// usSSN: Social Security Administration, areas never assigned, and two numbers
// that became famous in print.
func usSSN(d []byte) bool {
	area, group, serial := prefix(d, 3), two(d, 3), prefix(d[5:], 4)
	whole := prefix(d, 9)
	return area != 0 && area != 666 && area < 900 && group != 0 && serial != 0 &&
		whole != 78051120 && whole != 219099999 && !allSame(d)
}

// usITIN: IRS Publication 1915, group ranges.
func usITIN(d []byte) bool {
	g := two(d, 3)
	return d[0] == 9 && (g >= 50 && g <= 65 || g >= 70 && g <= 88 || g >= 90 && g <= 92 || g >= 94 && g <= 99)
}

// usRouting: American Bankers Association.
func usRouting(d []byte) bool {
	p := two(d, 0)
	return (p <= 12 || p >= 21 && p <= 32 || p >= 61 && p <= 72 || p == 80) && !allSame(d) &&
		weighted(d, 3, 7, 1, 3, 7, 1, 3, 7, 1)%10 == 0
}

// ukNHS: NHS Data Dictionary, modulus 11.
func ukNHS(d []byte) bool {
	c := 11 - weighted(d, 10, 9, 8, 7, 6, 5, 4, 3, 2)%11
	return c%11 == int(d[9]) && c != 10 && !allSame(d)
}

// ukUTR: HMRC, the check digit comes first.
func ukUTR(d []byte) bool {
	return "21987654321"[weighted(d[1:], 6, 7, 8, 9, 10, 5, 4, 3, 2)%11]-'0' == d[0]
}

// deTaxID: § 139b AO and the BZSt's description: MOD 11,10 over ten digits of
// which at most one occurs more than once, and then at most three times.
func deTaxID(d []byte) bool {
	if d[0] == 0 || !mod1110(d) {
		return false
	}
	var count [10]int
	repeated := 0
	for _, digit := range d[:10] {
		if count[digit]++; count[digit] == 2 {
			repeated++
		} else if count[digit] > 3 {
			return false
		}
	}
	return repeated <= 1
}

// atSocial: Dachverband der Sozialversicherungsträger; the fourth digit checks.
func atSocial(d []byte) bool {
	month := two(d, 6)
	return d[0] != 0 && two(d, 4) >= 1 && two(d, 4) <= 31 && month >= 1 && month <= 15 &&
		weighted(d, 3, 7, 9, 0, 5, 8, 4, 2, 1, 6)%11 == int(d[3])
}

// deTaxNumber: the Steuernummer of the tax offices; each Land has its own digit to
// check, so none is checked here.
func deTaxNumber(d []byte) bool { return !allSame(d) }

// usEIN: IRS; prefixes that its campuses give out. There is no digit to check.
func usEIN(d []byte) bool {
	switch two(d, 0) {
	case 0, 7, 8, 9, 17, 18, 19, 28, 29, 49, 69, 70, 78, 79, 89, 96, 97:
		return false
	}
	return !allSame(d)
}

// atTax: Bundesministerium für Finanzen; alternating weights as Luhn's, from the left.
func atTax(d []byte) bool {
	sum := 0
	for i := range 8 {
		product := int(d[i]) * (1 + i%2)
		sum += product/10 + product%10
	}
	return (10-sum%10)%10 == int(d[8]) && !allSame(d)
}

// chAHV: ZAS; EAN-13 with the country prefix 756.
func chAHV(d []byte) bool {
	return prefix(d, 3) == 756 && weighted(d, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1)%10 == 0
}

// frNIR: INSEE; the key is 97 less the number modulo 97. Corsican departments,
// which have a letter, are read with the letters of tokens.
func frNIR(d []byte) bool {
	month := two(d, 3)
	if d[0] == 0 || d[0] == 5 || d[0] == 6 || d[0] == 9 || month == 0 || month > 12 && month < 20 || month > 42 && month < 50 {
		return false
	}
	return 97-prefix(d, 13)%97 == two(d, 13)
}

// frTax: DGFiP, the numéro fiscal de référence; modulus 511 over the first ten.
func frTax(d []byte) bool {
	return d[0] <= 3 && prefix(d, 10)%511 == prefix(d[10:], 3) && !allSame(d)
}

// siTax: FURS, modulus 11.
func siTax(d []byte) bool {
	c := 11 - weighted(d, 8, 7, 6, 5, 4, 3, 2)%11
	return d[0] != 0 && c != 11 && c%10 == int(d[7])
}

// ptNIF: Autoridade Tributária, modulus 11.
func ptNIF(d []byte) bool {
	c := 11 - weighted(d, 9, 8, 7, 6, 5, 4, 3, 2)%11
	if c >= 10 {
		c = 0
	}
	return d[0] != 0 && d[0] != 4 && c == int(d[8]) && !allSame(d)
}

// itVAT: Agenzia delle Entrate, Luhn over eleven digits with an office code.
func itVAT(d []byte) bool {
	office := prefix(d[7:], 3)
	return luhnNonZero(d) && (office >= 1 && office <= 100 || office == 120 || office == 121 || office == 888 || office == 999)
}

// nlBSN: RvIG, the "elfproef".
func nlBSN(d []byte) bool {
	return !allSame(d) && (weighted(d, 9, 8, 7, 6, 5, 4, 3, 2)-int(d[8]))%11 == 0
}

// beNRN: Rijksregister; 97 less the number modulo 97, with a 2 before it for
// those born since 2000.
func beNRN(d []byte) bool {
	month := two(d, 2) % 20
	if month > 12 || two(d, 4) > 31 || prefix(d[6:], 3) == 0 {
		return false
	}
	number, check := prefix(d, 9), two(d, 9)
	return 97-number%97 == check || 97-(2_000_000_000+number)%97 == check
}

// luID: CTIE; birth date, Luhn over the first twelve, Verhoeff over the first
// eleven and the last.
func luID(d []byte) bool {
	y := prefix(d, 4)
	return y >= 1880 && y <= 2100 && isDate(two(d, 4), two(d, 6)) && luhn(d[:12]) &&
		verhoeff(append(append(make([]byte, 0, 12), d[:11]...), d[12]))
}

// dkCPR: CPR-kontoret. The modulus no longer binds, so only the date is checked.
func dkCPR(d []byte) bool { return isDate(two(d, 2), two(d, 0)) }

// sePersonal: Skatteverket; Luhn over the last ten, day plus 60 for
// coordination numbers.
func sePersonal(d []byte) bool {
	if len(d) == 12 {
		if c := two(d, 0); c < 18 || c > 20 {
			return false
		}
		d = d[2:]
	}
	day := two(d, 4)
	if day > 60 {
		day -= 60
	}
	return isDate(two(d, 2), day) && luhn(d)
}

// noFNR: Skatteetaten, two check digits modulus 11.
func noFNR(d []byte) bool {
	day, month := two(d, 0), two(d, 2)
	if day > 40 {
		day -= 40
	}
	if month > 40 {
		month -= 40
	}
	return isDate(month, day) &&
		(11-weighted(d, 3, 7, 6, 1, 8, 9, 4, 5, 2)%11)%11 == int(d[9]) &&
		(11-weighted(d, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)%11)%11 == int(d[10])
}

// balticID: the Estonian isikukood and the Lithuanian asmens kodas share form
// and check (EVS 585).
func balticID(d []byte) bool {
	if d[0] < 1 || d[0] > 8 || !isDate(two(d, 3), two(d, 5)) {
		return false
	}
	c := weighted(d, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1) % 11
	if c == 10 {
		c = weighted(d, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3) % 11 % 10
	}
	return c == int(d[10])
}

// lvID: PMLP; date and modulus for the old form, the prefix 32 for the new.
func lvID(d []byte) bool {
	if two(d, 0) == 32 {
		return true
	}
	return isDate(two(d, 2), two(d, 0)) && d[6] <= 2 &&
		(1101-weighted(d, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2))%11 == int(d[10])
}

// plPESEL: Ustawa o ewidencji ludności; the month carries the century.
func plPESEL(d []byte) bool {
	return isDate(two(d, 2)%20, two(d, 4)) &&
		weighted(d, 1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)%10 == 0
}

// plNIP: Ministerstwo Finansów, modulus 11.
func plNIP(d []byte) bool {
	return d[0] != 0 && weighted(d, 6, 5, 7, 2, 3, 4, 5, 6, 7)%11 == int(d[9])
}

// czID: divisible by eleven since 1954; women's months plus 50, overflow 20 or 70.
func czID(d []byte) bool {
	month := two(d, 2)
	for _, plus := range [...]int{70, 50, 20} {
		if month > plus {
			month -= plus
			break
		}
	}
	return isDate(month, two(d, 4)) && (prefix(d, 10)%11 == 0 || prefix(d, 9)%11 == 10 && d[9] == 0)
}

// huTax: NAV; begins with 8, modulus 11.
func huTax(d []byte) bool {
	return d[0] == 8 && weighted(d, 1, 2, 3, 4, 5, 6, 7, 8, 9)%11 == int(d[9])
}

// huTAJ: NEAK, modulus 10.
func huTAJ(d []byte) bool {
	return !allSame(d) && weighted(d, 3, 7, 3, 7, 3, 7, 3, 7)%10 == int(d[8])
}

// roCNP: date, county and modulus 11.
func roCNP(d []byte) bool {
	county := two(d, 7)
	c := weighted(d, 2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9) % 11
	if c == 10 {
		c = 1
	}
	return d[0] != 0 && isDate(two(d, 3), two(d, 5)) && (county >= 1 && county <= 52 || county == 70) && c == int(d[12])
}

// bgEGN: ГРАО; month plus 20 or 40 for other centuries.
func bgEGN(d []byte) bool {
	month := two(d, 2)
	if month > 40 {
		month -= 40
	} else if month > 20 {
		month -= 20
	}
	return isDate(month, two(d, 4)) && weighted(d, 2, 4, 8, 5, 10, 9, 7, 3, 6)%11%10 == int(d[9])
}

// bgLNC: МВР, numbers of foreigners; modulus 10.
func bgLNC(d []byte) bool {
	return weighted(d, 21, 19, 17, 13, 11, 9, 7, 3, 1)%10 == int(d[9]) && !allSame(d)
}

// siEMSO: also the JMBG of the neighbouring states; date with a three-digit year.
func siEMSO(d []byte) bool {
	year := prefix(d[4:], 3)
	c := 11 - weighted(d, 7, 6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)%11
	return isDate(two(d, 2), two(d, 0)) && (year >= 880 || year <= 99) && c != 10 && c%11 == int(d[12])
}

// grAMKA: ΗΔΙΚΑ, date and Luhn.
func grAMKA(d []byte) bool { return isDate(two(d, 2), two(d, 0)) && luhn(d) }

// grAFM: ΑΑΔΕ, powers of two.
func grAFM(d []byte) bool {
	return !allSame(d) && weighted(d, 256, 128, 64, 32, 16, 8, 4, 2)%11%10 == int(d[8])
}

// caSIN: Service Canada, Luhn; none begins with 8.
func caSIN(d []byte) bool { return d[0] != 8 && luhnNonZero(d) }

// auTFN: Australian Taxation Office, modulus 11 for nine and eight digits.
func auTFN(d []byte) bool {
	if allSame(d) {
		return false
	}
	if len(d) == 8 {
		return weighted(d, 10, 7, 8, 4, 6, 3, 5, 1)%11 == 0
	}
	return weighted(d, 1, 4, 3, 7, 5, 8, 6, 9, 10)%11 == 0
}

// auABN: Australian Business Register, modulus 89.
func auABN(d []byte) bool {
	return d[0] != 0 && (weighted(d, 10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19)-10)%89 == 0
}

// auMedicare: Services Australia; the ninth digit checks the eight before it.
func auMedicare(d []byte) bool {
	return d[0] >= 2 && d[0] <= 6 && weighted(d, 1, 3, 7, 9, 1, 3, 7, 9)%10 == int(d[8])
}

// inAadhaar: UIDAI, Verhoeff; none begins with 0 or 1.
// A virtual id has sixteen digits.
func inAadhaar(d []byte) bool { return d[0] >= 2 && !allSame(d) && verhoeff(d) }

// brCPF: Receita Federal, two check digits modulus 11.
func brCPF(d []byte) bool {
	check := func(sum int) int { return sum * 10 % 11 % 10 }
	return !allSame(d) && check(weighted(d, 10, 9, 8, 7, 6, 5, 4, 3, 2)) == int(d[9]) &&
		check(weighted(d, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2)) == int(d[10])
}

// brCNPJ: Receita Federal, two check digits modulus 11.
func brCNPJ(d []byte) bool {
	check := func(sum int) int {
		if sum%11 < 2 {
			return 0
		}
		return 11 - sum%11
	}
	return !allSame(d) && check(weighted(d, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2)) == int(d[12]) &&
		check(weighted(d, 6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2)) == int(d[13])
}

// zaID: Department of Home Affairs; date, citizenship, Luhn.
func zaID(d []byte) bool {
	return isDate(two(d, 2), two(d, 4)) && d[10] <= 2 && luhn(d)
}

// trID: Nüfus ve Vatandaşlık İşleri, two check digits.
func trID(d []byte) bool {
	odd := int(d[0]) + int(d[2]) + int(d[4]) + int(d[6]) + int(d[8])
	even := int(d[1]) + int(d[3]) + int(d[5]) + int(d[7])
	return d[0] != 0 && (odd*7-even+90)%10 == int(d[9]) && (odd+even+int(d[9]))%10 == int(d[10])
}

// krRRN: date and sex digit; numbers given since October 2020 have no check digit.
func krRRN(d []byte) bool {
	return isDate(two(d, 2), two(d, 4)) && d[6] >= 1 && d[6] <= 8
}

// verhoeff is J. Verhoeff's check over the dihedral group D5 (1969).
func verhoeff(d []byte) bool {
	c := byte(0)
	for i := range d {
		c = dihedral[c][permutation[i%8][d[len(d)-1-i]]]
	}
	return c == 0
}

var dihedral = [10][10]byte{
	{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, {1, 2, 3, 4, 0, 6, 7, 8, 9, 5}, {2, 3, 4, 0, 1, 7, 8, 9, 5, 6},
	{3, 4, 0, 1, 2, 8, 9, 5, 6, 7}, {4, 0, 1, 2, 3, 9, 5, 6, 7, 8}, {5, 9, 8, 7, 6, 0, 4, 3, 2, 1},
	{6, 5, 9, 8, 7, 1, 0, 4, 3, 2}, {7, 6, 5, 9, 8, 2, 1, 0, 4, 3}, {8, 7, 6, 5, 9, 3, 2, 1, 0, 4},
	{9, 8, 7, 6, 5, 4, 3, 2, 1, 0},
}

var permutation = func() (table [8][10]byte) {
	table[0] = [10]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}
	table[1] = [10]byte{1, 5, 7, 6, 2, 8, 3, 0, 9, 4}
	for i := 2; i < 8; i++ {
		for j := range 10 {
			table[i][j] = table[i-1][table[1][j]]
		}
	}
	return table
}()
