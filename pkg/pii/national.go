package pii

// A rule is one national number that is made of digits alone.
type rule struct {
	kind   Kind
	size   int
	forms  string // groups as officially written, several apart by space, with the sign between
	words  []topic
	check  func(d []byte) bool
	strong bool // the check is so strict that the number stands without form or words
}

// national finds national and tax numbers. Each passes its own check; beyond
// that words nearby, the official way of writing, or a strict check must speak
// for it.
func (s *scan) national(w *window) {
	n := len(w.digits)
	if n < 7 || n > 16 || !w.apart || w.from == 0 && (w.run.lead != 0 && w.run.lead != '(') || w.groups() > 7 {
		return
	}
	for i := range rulesBySize[n] {
		r := &rulesBySize[n][i]
		if !r.check(w.digits) {
			continue
		}
		if s.speaks(r, w) {
			s.add(r.kind, w.start, w.end)
		}
	}
}

func (s *scan) speaks(r *rule, w *window) bool {
	for _, about := range r.words {
		if s.near(about, w.start, w.end, 48, 24) {
			return !s.nobodys(w.start, about)
		}
	}
	if w.lines || s.nobodys(w.start, aboutNational) || s.near(aboutPhone, w.start, w.end, 24, 0) || s.inURL(w.start) {
		return false
	}
	if w.groups() == 1 {
		return r.strong
	}
	return inForm(r.forms, w)
}

// inForm says whether the window is written in one of the forms.
func inForm(forms string, w *window) bool {
	for forms != "" {
		form := forms
		rest := ""
		for i := 0; i < len(forms); i++ {
			if forms[i] == ' ' && i > 0 && forms[i-1] == ';' {
				form, rest = forms[:i-1], forms[i+1:]
				break
			}
		}
		if sameForm(form, w) {
			return true
		}
		forms = rest
	}
	return false
}

// sameForm compares a form such as "3.3.3-2" with a window.
func sameForm(form string, w *window) bool {
	g := w.from
	for i := 0; i < len(form); i++ {
		if g >= w.to || w.run.groups[g].end-w.run.groups[g].first != int(form[i]-'0') {
			return false
		}
		if g++; i+1 < len(form) {
			if i++; g >= w.to || w.run.groups[g].gap != form[i] || w.run.groups[g].gapLong {
				return false
			}
		}
	}
	return g == w.to
}

var rules = []rule{
	{USSSN, 9, "3-2-4; 3 2 4; 3.2.4", []topic{aboutSSN}, usSSN, false},
	{USITIN, 9, "3-2-4", []topic{aboutITIN, aboutSSN}, usITIN, false},
	{USBankRouting, 9, "", []topic{aboutRouting}, usRouting, false},
	{UKNHS, 10, "", []topic{aboutNHS}, ukNHS, false},
	{UKUTR, 10, "", []topic{aboutUTR}, ukUTR, false},
	{DETaxID, 11, "2 3 3 3", []topic{aboutDETax}, deTaxID, true},
	{DETaxNumber, 10, "", []topic{aboutDETaxNumber}, deTaxNumber, false},
	{DETaxNumber, 11, "", []topic{aboutDETaxNumber}, deTaxNumber, false},
	{DETaxNumber, 13, "", []topic{aboutDETaxNumber}, deTaxNumber, false},
	{USEIN, 9, "", []topic{aboutEIN}, usEIN, false},
	{ATTax, 9, "2-3/4", []topic{aboutATTax}, atTax, false},
	{FRTax, 13, "2 2 3 3 3", []topic{aboutFRTax}, frTax, false},
	{SITax, 8, "", []topic{aboutSITax}, siTax, false},
	{ATSocial, 10, "4 6", []topic{aboutATSocial}, atSocial, false},
	{CHAHV, 13, "3.4.4.2", []topic{aboutNational}, chAHV, true},
	{FRNIR, 15, "1 2 2 2 3 3 2; 3 2 2 3 3 2", []topic{aboutNIR}, frNIR, true},
	{PTNIF, 9, "", []topic{aboutPTNIF}, ptNIF, false},
	{ITVAT, 11, "", []topic{aboutPIVA}, itVAT, false},
	{NLBSN, 9, "", []topic{aboutBSN}, nlBSN, false},
	{BENRN, 11, "2.2.2-3.2", []topic{aboutBE, aboutNational}, beNRN, true},
	{LUID, 13, "", []topic{aboutLU, aboutNational}, luID, true},
	{DKCPR, 10, "", []topic{aboutDK}, dkCPR, false},
	{SEPersonal, 10, "6-4", []topic{aboutSE}, sePersonal, false},
	{SEPersonal, 12, "8-4", []topic{aboutSE}, sePersonal, true},
	{NOFNR, 11, "6 5", []topic{aboutNO}, noFNR, true},
	{EEID, 11, "", []topic{aboutEE}, balticID, false},
	{LTID, 11, "", []topic{aboutLT}, balticID, false},
	{LVID, 11, "", []topic{aboutLV}, lvID, false},
	{PLPESEL, 11, "", []topic{aboutPESEL}, plPESEL, true},
	{PLNIP, 10, "", []topic{aboutNIP}, plNIP, false},
	{SKID, 10, "", []topic{aboutSK}, czID, false},
	{CZID, 10, "6/4", []topic{aboutCZ}, czID, false},
	{HUTax, 10, "", []topic{aboutHUTax}, huTax, false},
	{HUTAJ, 9, "", []topic{aboutHUTAJ}, huTAJ, false},
	{ROCNP, 13, "", []topic{aboutCNP}, roCNP, true},
	{BGLNC, 10, "", []topic{aboutLNC}, bgLNC, false},
	{BGEGN, 10, "", []topic{aboutEGN}, bgEGN, false},
	{HROIB, 11, "", []topic{aboutOIB}, func(d []byte) bool { return mod1110(d) }, false},
	{SIEMSO, 13, "", []topic{aboutEMSO}, siEMSO, true},
	{GRAMKA, 11, "", []topic{aboutAMKA}, grAMKA, false},
	{GRAFM, 9, "", []topic{aboutAFM}, grAFM, false},
	{CASIN, 9, "", []topic{aboutSIN}, caSIN, false},
	{AUTFN, 9, "", []topic{aboutTFN}, auTFN, false},
	{AUTFN, 8, "", []topic{aboutTFN}, auTFN, false},
	{AUABN, 11, "2 3 3 3", []topic{aboutABN}, auABN, false},
	{AUMedicare, 10, "", []topic{aboutMedicare}, auMedicare, false},
	{AUMedicare, 11, "", []topic{aboutMedicare}, auMedicare, false},
	{INAadhaar, 12, "4 4 4", []topic{aboutAadhaar}, inAadhaar, false},
	{INAadhaar, 16, "", []topic{aboutAadhaar}, inAadhaar, false},
	{BRCPF, 11, "3.3.3-2", []topic{aboutCPF}, brCPF, true},
	{BRCNPJ, 14, "2.3.3/4-2", []topic{aboutCPF}, brCNPJ, true},
	{ZAID, 13, "6 4 3; 6 4 2 1", []topic{aboutZA, aboutNational}, zaID, true},
	{TRID, 11, "", []topic{aboutTR}, trID, false},
	{KRRRN, 13, "6-7", []topic{aboutNational}, krRRN, false},
	{ILID, 9, "", []topic{aboutIL}, luhnNonZero, false},
}

var rulesBySize = func() (table [maxWindow + 1][]rule) {
	for _, r := range rules {
		table[r.size] = append(table[r.size], r)
	}
	return table
}()
