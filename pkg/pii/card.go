package pii

// luhn checks the digit of ISO/IEC 7812-1 Annex B.
func luhn(digits []byte) bool {
	sum := 0
	for i := range digits {
		d := int(digits[len(digits)-1-i])
		if i%2 == 1 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return sum%10 == 0
}

func allSame(digits []byte) bool {
	for _, d := range digits {
		if d != digits[0] {
			return false
		}
	}
	return true
}

// prefix gives the number that the first n digits make.
func prefix(digits []byte, n int) int {
	value := 0
	for _, d := range digits[:min(n, len(digits))] {
		value = value*10 + int(d)
	}
	return value
}

// issuer says whether a card network issues numbers that begin and are as long
// as these, and whether the range is so wide that other numbers often fall in.
func issuer(d []byte) (known, wide bool) {
	n := len(d)
	if n < 12 || n > 19 {
		return false, false
	}
	p2, p3, p4, p6 := prefix(d, 2), prefix(d, 3), prefix(d, 4), prefix(d, 6)
	switch {
	case d[0] == 4: // Visa
		return n == 13 || n == 16 || n == 19, n != 16
	case p2 >= 51 && p2 <= 55, p4 >= 2221 && p4 <= 2720: // Mastercard
		return n == 16, false
	case p2 == 34 || p2 == 37: // American Express
		return n == 15, false
	case p3 >= 300 && p3 <= 305, p4 == 3095, p2 == 36, p2 == 38, p2 == 39: // Diners Club
		return n == 14 || n == 16 || n == 19, n == 19
	case p4 >= 3528 && p4 <= 3589: // JCB
		return n >= 16, n != 16
	case p4 == 1800 || p4 == 2131: // JCB, as once issued
		return n == 15, true
	case p4 == 6011, p3 >= 644 && p3 <= 649, p2 == 65, p6 >= 622126 && p6 <= 622925: // Discover
		return n >= 16, n != 16
	case p2 == 62 || p2 == 81: // UnionPay
		return n >= 16, n != 16
	case p4 >= 2200 && p4 <= 2204: // Mir
		return n >= 16, n != 16
	case p4 == 9792: // Troy
		return n == 16, false
	case p2 == 50, p2 >= 56 && p2 <= 58, d[0] == 6: // Maestro and national debit schemes
		return true, true
	case d[0] == 1: // UATP
		return n == 15, true
	}
	return false, false
}

// card finds payment card numbers.
func (s *scan) card(w *window) {
	d := w.digits
	known, wide := issuer(d)
	if !known || !luhn(d) || allSame(d) || w.from == 0 && (w.run.lead == '+' || w.run.lead == '.' || w.run.lead == ',') {
		return
	}
	told := s.near(aboutCard, w.start, w.end, 60, 24)
	switch w.shape() {
	case "4-4-4-4", "4-6-5", "4-6-4", "4-4-4-4-3", "4-4-5", "4-4-4-3", "4-4-4-1":
		if w.sign == '?' && !told && (wide || len(d) != 16) {
			return
		}
		if wide && !told || !w.apart && w.sign == ' ' && !told && len(d) != 16 {
			return
		}
	case "16", "15", "14", "13", "12", "17", "18", "19", "6-13", "6-12", "6-10":
		if wide && !told || !w.apart && !told || s.nobodys(w.start, aboutCard) {
			return
		}
	case "4-4-8", "4-8-4", "8-4-4": // where a sign that takes no room stood, too
		if !told && (wide || !w.apart || s.nobodys(w.start, aboutCard)) {
			return
		}
	default: // written in an unusual way
		if !told || w.groups() < 2 {
			return
		}
	}
	s.add(PaymentCard, w.start, w.end)
}
