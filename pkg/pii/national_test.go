package pii

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// A national is one number that a state gives out, with a number of its own form
// that is published as right and one that is published as wrong, or differs from
// the right one in a digit that checks. Where an authority has no digit to check,
// wrong is "".
type national struct {
	country string
	kind    Kind
	words   string // what stands before it
	right   string
	wrong   string
	check   string
	source  string // of the rule and the examples
}

// The examples are those of the authorities' own papers, of Wikipedia's articles
// about the numbers, or of the documentation of python-stdnum, which collects them.
var nationals = []national{
	{"AT", ATSocial, "SVNR", "1237 010180", "2237 010180", "weights, mod 11", "Dachverband der Sozialversicherungsträger; stdnum.at.vnr"},
	{"AT", ATTax, "Abgabenkontonummer", "59-119/9013", "59-119/9014", "alternating weights", "BMF; stdnum.at.tin"},
	{"AT", VATNumber, "UID", "ATU13585627", "ATU13585626", "alternating weights", "BMF; stdnum.at.uid"},
	{"BE", BENRN, "rijksregisternummer", "85.07.30-033.28", "85.07.30-033.29", "mod 97", "Rijksregister; stdnum.be.nn"},
	{"BE", BENRN, "rijksregisternummer", "17 07 30 033 84", "12345678901", "mod 97 with a 2 before", "Rijksregister; stdnum.be.nn"},
	{"BE", BENRN, "registre national", "98.47.28-997.65", "98.47.28-997.66", "mod 97, month plus 40", "BIS numbers; stdnum.be.bis"},
	{"BE", VATNumber, "BTW", "BE0428759497", "BE0431150351", "mod 97", "VIES; stdnum.be.vat"},
	{"BG", BGEGN, "ЕГН", "8032056031", "8019010008", "date, mod 11", "ГРАО; stdnum.bg.egn"},
	{"BG", BGLNC, "ЛНЧ", "7111042925", "7111042922", "mod 10", "МВР; stdnum.bg.pnf"},
	{"BG", VATNumber, "ДДС", "BG175074752", "BG175074751", "mod 11", "НАП; stdnum.bg.vat"},
	{"CY", CYTIN, "TIN", "10259033P", "10259033Z", "mod 26", "Tax Department; stdnum.cy.vat"},
	{"CY", VATNumber, "VAT", "CY10259033P", "CY10259033Z", "mod 26", "Tax Department; stdnum.cy.vat"},
	{"CZ", CZID, "rodné číslo", "710319/2745", "710319/2746", "date, mod 11", "Ministerstvo vnitra; stdnum.cz.rc"},
	{"CZ", VATNumber, "DIČ", "CZ25123891", "CZ25123890", "mod 11", "Finanční správa; stdnum.cz.dic"},
	{"DE", DETaxID, "IdNr.", "36574261809", "36574261890", "mod 11,10", "BZSt; stdnum.de.idnr"},
	{"DE", DETaxID, "Steuer-ID", "86 095 742 719", "36 554 266 806", "mod 11,10, repeated digits", "BZSt; Wikipedia"},
	{"DE", DETaxNumber, "Steuernummer", "181/815/08155", "", "none over all Länder", "Wikipedia, Steuernummer; stdnum.de.stnr"},
	{"DE", DESocial, "SV-Nummer", "65170839J003", "65170839J004", "weights, digit sums", "§ 147 SGB VI; Deutsche Rentenversicherung's example"},
	{"DE", DEHealth, "Versichertennummer", "A123456780", "A123456781", "weights 1 2", "§ 290 SGB V; Wikipedia"},
	{"DE", DEIDCard, "Personalausweis", "T220001293", "T220001294", "ICAO 7 3 1", "BMI's specimen"},
	{"DE", VATNumber, "USt-IdNr.", "DE136695976", "DE136695978", "mod 11,10", "BZSt; stdnum.de.vat"},
	{"DK", DKCPR, "CPR", "211062-5629", "511062-5629", "date", "CPR-kontoret; stdnum.dk.cpr"},
	{"DK", VATNumber, "moms", "DK13585628", "DK13585627", "mod 11", "Erhvervsstyrelsen; stdnum.dk.cvr"},
	{"EE", EEID, "isikukood", "36805280109", "36805280108", "mod 11 twice", "EVS 585; stdnum.ee.ik"},
	{"EE", VATNumber, "KMKR", "EE100594102", "EE100594103", "weights 3 7 1", "EMTA; stdnum.ee.kmkr"},
	{"ES", ESNIF, "DNI", "54362315K", "54362315Z", "mod 23", "Ministerio del Interior; stdnum.es.dni"},
	{"ES", ESNIE, "NIE", "X2482300W", "X2482300A", "mod 23", "Ministerio del Interior; stdnum.es.nie"},
	{"ES", ESCIF, "CIF", "J99216582", "J99216583", "Luhn", "Agencia Tributaria; stdnum.es.cif"},
	{"ES", VATNumber, "NIF-IVA", "ESB64717838", "ESB64717839", "Luhn", "Agencia Tributaria; stdnum.es.nif"},
	{"FI", FIHETU, "hetu", "131052-308T", "131052-308U", "date, mod 31", "DVV's example; stdnum.fi.hetu"},
	{"FI", VATNumber, "ALV", "FI20774740", "FI20774741", "mod 11", "Vero; stdnum.fi.alv"},
	{"FR", FRNIR, "NIR", "2 95 10 99 126 111 93", "2 95 10 99 126 111 99", "mod 97", "INSEE; stdnum.fr.nir"},
	{"FR", FRNIR, "NIR", "253072B07300470", "253072C07300443", "mod 97, Corsica", "INSEE; stdnum.fr.nir"},
	{"FR", FRTax, "numéro fiscal", "30 23 217 600 053", "30 23 217 600 054", "mod 511", "DGFiP; stdnum.fr.nif"},
	{"FR", VATNumber, "TVA", "FR23334175221", "FR84323140391", "key mod 97, Luhn", "DGFiP; stdnum.fr.tva"},
	{"GR", GRAMKA, "ΑΜΚΑ", "01013099997", "01013099999", "date, Luhn", "ΗΔΙΚΑ; stdnum.gr.amka"},
	{"GR", GRAFM, "ΑΦΜ", "094259216", "123456781", "powers of two, mod 11", "ΑΑΔΕ; stdnum.gr.vat"},
	{"GR", VATNumber, "VAT", "EL094259216", "EL123456781", "powers of two, mod 11", "VIES; stdnum.gr.vat"},
	{"HR", HROIB, "OIB", "33392005961", "33392005962", "mod 11,10", "Porezna uprava; stdnum.hr.oib"},
	{"HR", VATNumber, "PDV", "HR33392005961", "HR33392005962", "mod 11,10", "Porezna uprava; stdnum.hr.oib"},
	{"HU", HUTax, "adóazonosító jel", "8071592153", "8071592152", "mod 11", "NAV's example in the OECD's TIN notes"},
	{"HU", HUTAJ, "TAJ szám", "111111110", "111111112", "weights 3 7", "NEAK; by hand: 4·3+4·7=40"},
	{"HU", VATNumber, "áfa", "HU12892312", "HU12892313", "weights 9 7 3 1", "NAV; stdnum.hu.anum"},
	{"IE", IEPPS, "PPS number", "6433435F", "6433435E", "mod 23", "DSP; stdnum.ie.pps"},
	{"IE", IEPPS, "PPSN", "6433435OA", "6433435VH", "mod 23 with the second letter", "DSP; stdnum.ie.pps"},
	{"IE", VATNumber, "VAT", "IE6433435OA", "IE6433435VA", "mod 23", "Revenue; stdnum.ie.vat"},
	{"IT", ITFiscalCode, "codice fiscale", "RCCMNL83S18D969H", "RCCMNL83S18D969I", "odd and even values, mod 26", "DM 23.12.1976; stdnum.it.codicefiscale"},
	{"IT", ITVAT, "partita IVA", "00743110157", "00743110158", "Luhn, office", "Agenzia delle Entrate; stdnum.it.iva"},
	{"IT", VATNumber, "VAT", "IT00743110157", "IT00743110158", "Luhn, office", "Agenzia delle Entrate; stdnum.it.iva"},
	{"LT", LTID, "asmens kodas", "33309240064", "33309240164", "mod 11 twice", "VĮ Registrų centras; stdnum.lt.asmens"},
	{"LT", VATNumber, "PVM kodas", "LT119511515", "LT119511516", "mod 11 twice", "VMI; stdnum.lt.pvm"},
	{"LT", VATNumber, "PVM kodas", "LT100001919017", "LT100001919018", "mod 11 twice", "VMI; stdnum.lt.pvm"},
	{"LU", LUID, "matricule", "1893120105732", "1893120105733", "date, Luhn, Verhoeff", "CTIE's example in the OECD's TIN notes"},
	{"LU", VATNumber, "TVA", "LU15027442", "LU15027443", "mod 89", "AED; stdnum.lu.tva"},
	{"LV", LVID, "personas kods", "161175-19997", "161375-19997", "date, mod 11", "PMLP; stdnum.lv.pvn"},
	{"LV", VATNumber, "PVN", "LV40003521600", "LV40003521601", "mod 11", "VID; stdnum.lv.pvn"},
	{"MT", MTID, "ID card", "1234567M", "", "none", "Identità"},
	{"MT", VATNumber, "VAT", "MT11679112", "MT11679113", "mod 37", "CFR; stdnum.mt.vat"},
	{"NL", NLBSN, "BSN", "111222333", "111252333", "mod 11", "RvIG; stdnum.nl.bsn"},
	{"NL", VATNumber, "BTW", "NL004495445B01", "NL123456789B90", "mod 11", "Belastingdienst; stdnum.nl.btw"},
	{"NL", VATNumber, "BTW", "NL002455799B11", "NL002455799B12", "mod 97, since 2020", "Belastingdienst; stdnum.nl.btw"},
	{"PL", PLPESEL, "PESEL", "44051401359", "02381307589", "date, mod 10", "Dz.U. 2010; stdnum.pl.pesel"},
	{"PL", PLNIP, "NIP", "856-734-62-15", "856-734-62-16", "mod 11", "Ministerstwo Finansów; stdnum.pl.nip"},
	{"PL", VATNumber, "VAT", "PL8567346215", "PL8567346216", "mod 11", "Ministerstwo Finansów; stdnum.pl.nip"},
	{"PT", PTNIF, "NIF", "501964843", "501964842", "mod 11", "Autoridade Tributária; stdnum.pt.nif"},
	{"PT", PTCitizenCard, "cartão de cidadão", "00000000 0 ZZ4", "00000000 0 ZZ3", "Luhn over letters", "AMA; stdnum.pt.cc"},
	{"PT", VATNumber, "IVA", "PT501964843", "PT501964842", "mod 11", "Autoridade Tributária; stdnum.pt.nif"},
	{"RO", ROCNP, "CNP", "1630615123457", "1630615123458", "date, county, mod 11", "MAI; stdnum.ro.cnp"},
	{"RO", VATNumber, "CUI", "RO18547290", "RO18547291", "mod 11", "ANAF; stdnum.ro.cf"},
	{"SE", SEPersonal, "personnummer", "880320-0016", "880320-0018", "date, Luhn", "Skatteverket; stdnum.se.personnummer"},
	{"SE", VATNumber, "momsreg", "SE123456789701", "SE123456789101", "Luhn", "Skatteverket; stdnum.se.vat"},
	{"SI", SIEMSO, "EMŠO", "0101006500006", "0101006500007", "date, mod 11", "MNZ; stdnum.si.emso"},
	{"SI", SITax, "davčna številka", "50223054", "50223055", "mod 11", "FURS; stdnum.si.ddv"},
	{"SI", VATNumber, "DDV", "SI50223054", "SI50223055", "mod 11", "FURS; stdnum.si.ddv"},
	{"SK", SKID, "občiansky preukaz, rodné číslo", "710319/2745", "710319/2746", "date, mod 11", "MV SR; stdnum.sk.rc"},
	{"SK", VATNumber, "DPH", "SK2022749619", "SK2022749618", "mod 11", "Finančná správa; stdnum.sk.dph"},

	{"GB", UKNINO, "National Insurance", "AB 12 34 56 C", "QQ 12 34 56 C", "prefixes", "HMRC NIM39110"},
	{"GB", UKNHS, "NHS number", "943 476 5870", "943 476 5871", "mod 11", "NHS Data Dictionary; stdnum.gb.nhs"},
	{"GB", UKUTR, "UTR", "1955839661", "2955839661", "mod 11, digit first", "HMRC; stdnum.gb.utr"},
	{"GB", VATNumber, "VAT", "GB980780684", "GB802311781", "mod 97", "HMRC; stdnum.gb.vat"},
	{"GB", DriverLicense, "my", "MORGA657054SM9IJ", "MORGA613054SM9IJ", "name, date", "DVLA's example, Wikipedia"},
	{"US", USSSN, "SSN", "536-90-4399", "666-00-0000", "areas", "SSA; stdnum.us.ssn"},
	{"US", USITIN, "ITIN", "912-90-3456", "912-93-4567", "groups", "IRS; stdnum.us.itin"},
	{"US", USEIN, "employer identification number", "91-1144442", "07-1144442", "prefixes", "IRS; stdnum.us.ein"},
	{"US", USBankRouting, "routing number", "111000025", "112000025", "weights 3 7 1", "ABA; stdnum.us.rtn"},
	{"US", HealthInsurance, "Medicare", "1EG4-TE5-MK73", "1EG4-TE5-MKB3", "letters", "CMS's example of an MBI"},
	{"CH", CHAHV, "AHV", "756.9217.0769.85", "756.9217.0769.84", "EAN-13", "ZAS; stdnum.ch.ssn"},
	{"CH", VATNumber, "UID", "CHE-100.155.212", "CHE-100.155.213", "mod 11", "BFS; stdnum.ch.uid"},
	{"CA", CASIN, "SIN", "123-456-782", "823-456-785", "Luhn, no 8", "Service Canada; stdnum.ca.sin"},
	{"AU", AUTFN, "TFN", "123 456 782", "123 456 783", "mod 11", "ATO; stdnum.au.tfn"},
	{"AU", AUABN, "ABN", "83 914 571 673", "83 914 571 674", "mod 89", "ABR; stdnum.au.abn"},
	{"AU", AUMedicare, "Medicare number", "2123 45670 1", "2123 45671 1", "weights 1 3 7 9", "Services Australia; by hand: 2+3+14+27+4+15+42+63=170"},
	{"IN", INAadhaar, "Aadhaar", "2341 2341 2346", "2341 2341 2347", "Verhoeff", "UIDAI; stdnum.in_.aadhaar"},
	{"IN", INAadhaar, "Aadhaar", "2341234123412341", "2341234123412342", "Verhoeff", "UIDAI, virtual id; stdnum.in_.vid"},
	{"IN", INPAN, "PAN", "ACUPA7085R", "ABMXA3211G", "holder", "Income Tax Department; stdnum.in_.pan"},
	{"IN", INGSTIN, "no.", "27AAPFU0939F1ZV", "27AAPFU0939F1ZO", "mod 36", "GSTN; stdnum.in_.gstin"},
	{"IN", INVoter, "voter id", "WKH1186253", "WKH1186263", "Luhn", "ECI; stdnum.in_.epic"},
	{"BR", BRCPF, "CPF", "390.533.447-05", "231.002.999-01", "mod 11 twice", "Receita Federal; stdnum.br.cpf"},
	{"BR", BRCNPJ, "CNPJ", "16.727.230/0001-97", "16.727.230/0001-98", "mod 11 twice", "Receita Federal; stdnum.br.cnpj"},
	{"BR", BRCNPJ, "CNPJ", "12.ABC.345/01DE-35", "12.ABC.345/01DE-36", "mod 11 twice over letters", "IN RFB 2.229/2024; stdnum.br.cnpj"},
	{"NO", NOFNR, "fødselsnummer", "151086 95088", "151086 95077", "mod 11 twice", "Skatteetaten; stdnum.no.fodselsnummer"},
}

func TestNumbersOfStatesAreFoundAndWrongOnesAreNot(t *testing.T) {
	for _, n := range nationals {
		text := n.words + " " + n.right
		if got, want := kindsIn(text), string(n.kind)+"="+n.right; got != want {
			t.Errorf("%s %s: %q gives %q", n.country, n.source, text, got)
		}
		if n.wrong == "" {
			continue
		}
		text = n.words + " " + n.wrong
		for _, m := range Find(text) {
			if m.Kind == n.kind {
				t.Errorf("%s %s: %q gives %s %q", n.country, n.source, text, m.Kind, text[m.Start:m.End])
			}
		}
	}
}

// Every country that we say we know has an entry.
func TestEveryCountryOfTheUnionHasItsNumbers(t *testing.T) {
	for _, country := range strings.Fields("AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK GB US CH CA AU IN BR") {
		personal := slices.ContainsFunc(nationals, func(n national) bool { return n.country == country && n.kind != VATNumber })
		if !personal {
			t.Errorf("%s has no number of persons", country)
		}
	}
	for country := range vatForms {
		if country == "XI" {
			continue
		}
		if !slices.ContainsFunc(nationals, func(n national) bool { return n.kind == VATNumber && strings.HasPrefix(n.right, country) }) {
			t.Errorf("%s has no example of a VAT number", country)
		}
	}
}

func TestNumbersOfStatesAreFoundHoweverTheyAreWritten(t *testing.T) {
	wide := func(text string) string {
		return strings.Map(func(r rune) rune {
			if r > ' ' && r < 0x7F {
				return r - '!' + 0xFF01
			}
			return r
		}, text)
	}
	for _, n := range nationals {
		for name, value := range map[string]string{
			"full width":  wide(n.right),
			"zero width":  strings.Join(strings.Split(n.right, ""), "\u200b"),
			"no-break":    strings.ReplaceAll(n.right, " ", "\u00a0"),
			"soft hyphen": n.right[:3] + "\u00ad" + n.right[3:],
			"dashes":      strings.ReplaceAll(n.right, "-", "\u2011"),
			"broken":      broken(n.right),
		} {
			text := n.words + " " + value
			found := Find(text)
			if len(found) != 1 || found[0].Kind != n.kind || text[found[0].Start:found[0].End] != value {
				t.Errorf("%s, %s: %q gives %v", n.country, name, text, found)
			}
		}
	}
}

// broken breaks a number of digits at its second blank or sign, as lines of mail are
// broken; what has letters or none of them stays.
func broken(number string) string {
	if strings.ContainsFunc(number, func(r rune) bool { return r >= 'A' }) {
		return number
	}
	if first := strings.IndexByte(number, ' '); first > 0 {
		if second := strings.IndexByte(number[first+1:], ' '); second > 0 {
			return number[:first+1+second] + "\n> " + number[first+second+2:]
		}
		return number[:first] + "\n" + number[first+1:]
	}
	return number
}

// The specimen of ICAO Doc 9303, parts 4 and 5.
func TestLinesForMachinesAreFound(t *testing.T) {
	for _, lines := range []string{
		"P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<\nL898902C36UTO7408122F1204159ZE184226B<<<<<10",
		"I<UTOD231458907<<<<<<<<<<<<<<<\n7408122F1204159UTO<<<<<<<<<<<6\nERIKSSON<<ANNA<MARIA<<<<<<<<<<",
		"I<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<\nD231458907UTO7408122F1204159<<<<<<<6",
	} {
		text := "scan:\n" + lines + "\nthanks"
		if got := kindsIn(text); got != "passport="+lines {
			t.Errorf("%q gives %q", text, got)
		}
	}
	for _, text := range []string{"a << b << c", "<<<<<<< HEAD\n=======\n>>>>>>> main", "cat <<EOF\nX\nEOF"} {
		if got := kindsIn(text); got != "" {
			t.Errorf("%q gives %q", text, got)
		}
	}
}

// page is where the table stands for readers.
const page = "../../docs/personal-data.md"

// table writes the countries' numbers as the page has them.
func table() string {
	var out strings.Builder
	out.WriteString("| Country | Number | Checked by | By whom, and where the examples are from |\n| --- | --- | --- | --- |\n")
	for _, n := range nationals {
		check := n.check
		if n.wrong == "" {
			check += " (words beside it must name it)"
		}
		out.WriteString("| " + n.country + " | `" + string(n.kind) + "` | " + check + " | " + n.source + " |\n")
	}
	return out.String()
}

func TestThePageHasTheTableAndEveryKind(t *testing.T) {
	data, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(data), table()) {
		t.Errorf("%s has another table; it should be\n%s", page, table())
	}
	for _, kind := range Kinds {
		if !strings.Contains(string(data), "`"+string(kind)+"`") {
			t.Errorf("%s does not speak of %s", page, kind)
		}
	}
}
