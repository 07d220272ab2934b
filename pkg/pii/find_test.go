package pii

import (
	"strings"
	"testing"
)

// only gives the single find in a text, or fails.
func kindsIn(text string) string {
	var out []string
	for _, m := range Find(text) {
		out = append(out, string(m.Kind)+"="+text[m.Start:m.End])
	}
	return strings.Join(out, "; ")
}

// Numbers are the examples of the authorities that give them out, of their
// published descriptions, or worked by hand from these.
func TestNationalNumbersAreFoundByTheirOwnRules(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"SSN 219-09-9998", "us_ssn=219-09-9998"},
		{"my social security number is 457555462", "us_ssn=457555462"},
		{"ITIN: 912-78-1234", "us_itin=912-78-1234"},
		{"routing number 021000021", "us_bank_routing=021000021"},
		{"NHS number 943 476 5919", "uk_nhs=943 476 5919"},
		{"my NI number: QQ 12 34 56 C", ""}, // Q is never given out
		{"AB 12 34 56 C", "uk_nino=AB 12 34 56 C"},
		{"Steuer-ID 86 095 742 719", "de_tax_id=86 095 742 719"},
		{"IdNr. 47036892816", "de_tax_id=47036892816"},
		{"SV-Nummer 65170839J003", "de_social_security=65170839J003"},
		{"Rentenversicherungsnummer 65 170839 J 003", "de_social_security=65 170839 J 003"},
		{"SV-Nummer 15 070649 C 103", "de_social_security=15 070649 C 103"},
		{"65 170839 J 004", ""}, // its last digit is another
		{"Versichertennummer A000500015", "de_health_insurance=A000500015"},
		{"Versichertennummer A123456780", "de_health_insurance=A123456780"},
		{"Personalausweis T220001293", "de_id_card=T220001293"},
		{"SVNR 1237 010180", "at_social_security=1237 010180"},
		{"AHV 756.9217.0769.85", "ch_ahv=756.9217.0769.85"},
		{"NIR 2 55 08 14 168 025 38", "fr_nir=2 55 08 14 168 025 38"},
		{"255081416802538", "fr_nir=255081416802538"},
		{"DNI 12345678Z", "es_nif=12345678Z"},
		{"NIE X1234567L", "es_nie=X1234567L"},
		{"codice fiscale RSSMRA85T10A562S", "it_fiscal_code=RSSMRA85T10A562S"},
		{"Partita IVA 00743110157", "it_vat=00743110157"},
		{"contribuinte 123456789", "pt_nif=123456789"},
		{"BSN 111222333", "nl_bsn=111222333"},
		{"rijksregisternummer 85.07.30-033.28", "be_national_number=85.07.30-033.28"},
		{"PPS number 1234567T", "ie_pps=1234567T"},
		{"CPR 211062-5629", "dk_cpr=211062-5629"},
		{"personnummer 811228-9874", "se_personnummer=811228-9874"},
		{"fødselsnummer 01010750160", "no_fodselsnummer=01010750160"},
		{"hetu 131052-308T", "fi_hetu=131052-308T"},
		{"isikukood 37605030299", "ee_isikukood=37605030299"},
		{"PESEL 44051401359", "pl_pesel=44051401359"},
		{"NIP 123-456-32-18", "pl_nip=123-456-32-18"},
		{"rodné číslo 736028/5163", "cz_rodne_cislo=736028/5163"},
		{"CNP 1800101221144", "ro_cnp=1800101221144"},
		{"ЕГН 7523169263", "bg_egn=7523169263"},
		{"OIB 94577403194", "hr_oib=94577403194"},
		{"EMŠO 0101006500006", "si_emso=0101006500006"},
		{"ΑΦΜ 094014298", "gr_afm=094014298"},
		{"SIN 046 454 286", "ca_sin=046 454 286"},
		{"TFN 123 456 782", "au_tfn=123 456 782"},
		{"ABN 51 824 753 556", "au_abn=51 824 753 556"},
		{"Aadhaar 2341 2341 2346", "in_aadhaar=2341 2341 2346"},
		{"PAN card ABCPE1234F", "in_pan=ABCPE1234F"},
		{"CPF 111.444.777-35", "br_cpf=111.444.777-35"},
		{"CNPJ 11.222.333/0001-81", "br_cnpj=11.222.333/0001-81"},
		{"ID number 8001015009087", "za_id=8001015009087"},
		{"TC kimlik 10000000146", "tr_tckn=10000000146"},
		{"身份证 11010519491231002X", "cn_resident_id=11010519491231002X"},
		{"NRIC S0000001I", "sg_nric=S0000001I"},
	} {
		if got := kindsIn(test.text); got != test.want {
			t.Errorf("%q: found %q, want %q", test.text, got, test.want)
		}
	}
}

func TestOneWrongDigitIsNoNumber(t *testing.T) {
	for _, text := range []string{
		"Karte 4111 1111 1111 1112", "IBAN DE88 3704 0044 0532 0130 00", "Steuer-ID 86 095 742 718",
		"AHV 756.9217.0769.84", "NIR 2 55 08 14 168 025 37", "DNI 12345678A", "NIE X1234567M",
		"codice fiscale RSSMRA85T10A562T", "BSN 111222334", "rijksregisternummer 85.07.30-033.29",
		"PPS number 1234567S", "hetu 131052-308U", "PESEL 44051401358", "OIB 94577403195",
		"SIN 130 692 545", "TFN 123 456 783", "ABN 51 824 753 557", "Aadhaar 2341 2341 2347",
		"CPF 111.444.777-36", "NHS number 943 476 5918", "身份证 110105194912310021", "NRIC S0000001J",
		"bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5",
	} {
		if got := kindsIn(text); got != "" {
			t.Errorf("%q: found %q", text, got)
		}
	}
}

// What a company's mail is full of and nobody's person.
func TestOrdinaryNumbersAreNotEaten(t *testing.T) {
	for _, text := range []string{
		"Your order 4111111111111111 has shipped.",
		"order number 123-4567890-1234567", "Bestellnummer 302-1234567-7654321", "Auftrag Nr. 2024-000123456",
		"Rechnung 20240517001 über 1.234.567,89 EUR", "amount 12,345,678.90 USD", "total: 1234567.89",
		"tracking number 1Z999AA10123456784", "Sendungsnummer 00340434161094042557", "FedEx 986578788855",
		"parcel JJD000390007827365847", "RR123456789DE is on its way", "tracking 9400 1000 0000 0000 0000 00",
		"on 2024-05-17 at 10:23:45", "17.05.2024 10:00", "20240517T102345Z", "1715941425", "between 1995-2001",
		"version 10.0.19045.3803", "Version 1.2.3.4", "build 20240517.1", "ISBN 978-3-16-148410-0", "EAN 4006381333931",
		"ticket #12345678", "case 00123456", "customer number 12345678", "Kundennummer 5551234567", "invoice 2024/0001234",
		"model X1234567", "SKU 12345678A", "part 555-1234-99", "room 101, floor 2", "serial number is 1519761310",
		"10 000 000 people", "1 000 000 000", "3.141592653589793", "0.12345678901", "size 1920 1080 1280 720",
		"https://example.com/orders/4111111111111111/items/2125551234", "https://example.org/?id=0123456789&x=98765432106",
		"file IMG_20240517_102345.jpg", "sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
		"uuid 550e8400-e29b-41d4-a716-446655440000", "12:34:56:78", "Ratio 1:2:3:4", "icon@2x.png", "@everyone at 5@home",
		"please reset my password", "I forgot my password: please help", "the password is not working", "the PIN is wrong", "my PIN code was blocked",
		"the code is fine", "token is invalid", "he was born in Berlin", "Geburtstag am Samstag", "SWIFT delivery", "fax machine 2000",
		"§ 1234567 BGB", "Section 123 45 6789 of the act", "lat 52.520008 lon 13.404954", "+1 more", "3-2-1", "2+2=4", "1. 2. 3. 4. 5. 6. 7. 8. 9. 10.",
		"Vertrag V-2024-998877, Rückruf erbeten", "password reset link: https://example.org/reset?x=abc", "Az. 12 O 345/23",
		"HRB 123456 B", "UTC+02:00", "5 x 1234567", "€ 1 234 567", "99999999999", "0000000000",
		"Rechnung Nr. 2024-12345 vom 05.06.2024, Kundennr. 1234567890, Betrag 1.234,56 €", "Votre commande n° 4512345678 du 12/03/2024 a été expédiée, colis 6A12345678901",
		"Il tuo ordine 405-1234567-1234567 è stato spedito, tracking 1Z999AA10123456784", "Ihre Sendung 00340434161094042557 kommt am 12.12.2024 zwischen 10:00 und 14:00 Uhr",
		"Uw bestelling 123456789 is verzonden. Track & Trace 3SABCD1234567", "Заказ № 123456789012 от 01.02.2024 на сумму 12 345,67 руб.",
		"ご注文番号 503-1234567-1234567 お問い合わせ番号 1234-5678-9012", "订单号 202405171234567890 金额 1,234.56 元", "Pedido nº 123.456.789 valor R$ 1.234,56",
		"Zamówienie nr 123456789 z dnia 2024-05-17, przesyłka 00159007738123456789", "invoice INV-2024-000123 due 2024-06-30 total USD 12,345.67 PO 4500123456",
		"IMEI 490154203237518, MAC 00:1A:2B:3C:4D:5E, serial C02XK0AHJG5J", "EAN 4006381333931 Art.-Nr. 123.456.78 Charge 20240517A", "flight LH 1234 booking ABC123, seat 12A, gate 5",
		"temperature 36.6, 1024x768, 3.14159, 1e10, 0xDEADBEEF", "Ihre Bestellung FR23334175221", "see RFC 9000, section 4.2.1", "Vår order 12345678 levereras 2024-05-17 kl 10", "Ordre nr. 20240517 på 1.299,00 kr",
		"tilauksesi 123456789 on lähetetty", "Objednávka č. 1234567890 ze dne 1. 5. 2024, 1 299 Kč", "A rendelés száma: 2024051700123, összege 12 990 Ft", "Comanda nr. 123456789 din 17.05.2024, 1.299,99 lei",
		"Η παραγγελία 123456789 της 17/05/2024, 1.299,00 €", "Sipariş no: 1234567890, tutar 1.299,90 TL", "주문번호 20240517-0001234, 12,900원",
		"482913 is your order code\nYour code is ABC123", "What is your code is 12345 lines long", "The code is 12345 lines long", "Der Artikelcode lautet 482913",
		"Your customer code is 884201", "Your country code is 4930", "area code: 4021", "product code: 482913", "ZIP code: 90210", "QR code: 482913", "Barcode: 482913",
		"Code: 10115 Berlin", "Error\nCode: 500123", "discount\ncode: 482913", "source code: 4000", "Prüfnummer 737", "Bericht mit Prüfnummer: 1234",
		"Password: please see below", `{"password": "", "user": "erika muster"}`, "Passwort: siehe Anhang", "Password: will be sent by post", "Passwort: kommt per Brief", "Password:\nBest regards", "Passwort vergessen: hier klicken",
		"20%20 or 30%40 off", "printf %20s %40d %2d", "12345678%2012345678",
		"boarding pass: 4567A", "promo code SUMMER2024", "discount code: SAVE20", "error code 500123", "Code postal: 75002 Paris",
		"Auf Platz 3 liegt Bayern", "Parkplatz 12 ist frei", "Spring 2024 collection", "5 Minute Drive from here", "24 Hour Court date 5", "via DHL 12345 versandt", "Take Highway 66 and exit 12",
		"Straße 5 Minuten", "On 12 May Road works begin", "Order 12345 Street Fighter 2", "Ticket 4711, Berlin 2024", "In Berlin 10 Leute", "Box 5 and Box 6 are missing", "Sitzplatz 14, Wagen 5",
		"Der Termin ist am Montag, 10 Uhr, Raum 12, Berlin", "Kapitel 5\n10000 Wörter", "Kapitel 5, 10000 Wörter", "Team 5, 20000 Fans", "Rechnung 4711, 10115 Berlin", "am Montag 5, 12000 Leute", "Apollo 13, 1970", "Saison 12, 20000 Zuschauer kamen", "Windows 11 Pro 23H2", "iPhone 15 Pro Max, Galaxy S24", "Boeing 737, Airbus A320", "Level 5, Room 12",
	} {
		if got := kindsIn(text); got != "" {
			t.Errorf("%q: found %q", text, got)
		}
	}
}

func TestCardsAreFoundInTheWaysTheyAreWritten(t *testing.T) {
	for text, want := range map[string]string{
		"4111111111111111":                            "4111111111111111",
		"card 4111-1111-1111-1111!":                   "4111-1111-1111-1111",
		"378282246310005":                             "378282246310005",
		"Amex 3782 822463 10005":                      "3782 822463 10005",
		"card 4111 1111\n> 1111 1111":                 "4111 1111\n> 1111 1111",
		"４１１１ １１１１ １１１１ １１１１":                         "４１１１ １１１１ １１１１ １１１１",
		"4111\u00a01111\u00a01111\u00a01111":          "4111\u00a01111\u00a01111\u00a01111",
		"card: 4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1":       "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
		"41\u200b11 1111 1111 11\u200b11":             "41\u200b11 1111 1111 11\u200b11",
		"(5555.5555.5555.4444)":                       "5555.5555.5555.4444",
		"4111\u00a01111\u20111111\u00ad1111":          "4111\u00a01111\u20111111\u00ad1111",
		"card 4111_1111_1111_1111 ok":                 "4111_1111_1111_1111",
		"4111 - 1111 - 1111 - 1111":                   "4111 - 1111 - 1111 - 1111",
		"𝟒𝟏𝟏𝟏 𝟏𝟏𝟏𝟏 𝟏𝟏𝟏𝟏 𝟏𝟏𝟏𝟏":                         "𝟒𝟏𝟏𝟏 𝟏𝟏𝟏𝟏 𝟏𝟏𝟏𝟏 𝟏𝟏𝟏𝟏",
		"card 6011111111111117 exp 12/27":             "6011111111111117",
		"Karte: 5555 5555 5555 4444 gültig bis 12/27": "5555 5555 5555 4444",
	} {
		if got := kindsIn(text); got != "payment_card="+want {
			t.Errorf("%q: found %q", text, got)
		}
	}
}

func TestAccountsAreFoundInTheWaysTheyAreWritten(t *testing.T) {
	for text, want := range map[string]string{
		"DE89370400440532013000":                            "iban=DE89370400440532013000",
		"iban de89 3704 0044 0532 0130 00.":                 "iban=de89 3704 0044 0532 0130 00",
		"GB29-NWBK-6016-1331-9268-19":                       "iban=GB29-NWBK-6016-1331-9268-19",
		"DE89 3704 0044\n0532 0130 00":                      "iban=DE89 3704 0044\n0532 0130 00",
		"IBAN DE89_3704_0044_0532_0130_00":                  "iban=DE89_3704_0044_0532_0130_00",
		"IBAN: D E 8 9 3 7 0 4 0 0 4 4 0 5 3 2 0 1 3 0 0 0": "iban=D E 8 9 3 7 0 4 0 0 4 4 0 5 3 2 0 1 3 0 0 0",
		"BIC: COBADEFFXXX":                                  "bic=COBADEFFXXX",
		"DE89370400440532013000 (COBADEFFXXX)":              "iban=DE89370400440532013000; bic=COBADEFFXXX",
		"COBADEFFXXX":                                       "",
		"account number 12345678":                           "bank_account=12345678",
		"NO9386011117947 NL91ABNA0417164300":                "iban=NO9386011117947; iban=NL91ABNA0417164300",
		"bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4":        "crypto_wallet=bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
		"1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2":                "crypto_wallet=1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2",
		"0x52908400098527886E0F7030069857D2E4169EE7":        "crypto_wallet=0x52908400098527886E0F7030069857D2E4169EE7",
	} {
		if got := kindsIn(text); got != want {
			t.Errorf("%q: found %q, want %q", text, got, want)
		}
	}
}

func TestTelephoneNumbersAreFound(t *testing.T) {
	for text, want := range map[string]string{
		"+49 30 901820":              "+49 30 901820",
		"+49 (0)30 901820":           "+49 (0)30 901820",
		"0049 30 901820":             "0049 30 901820",
		"Tel. 030/901820":            "030/901820",
		"Telefon: 030 9018-20":       "030 9018-20",
		"(212) 555-0123":             "(212) 555-0123",
		"call 212.555.0123 now":      "212.555.0123",
		"1-800-862-0959":             "1-800-862-0959",
		"06 12 34 56 78":             "06 12 34 56 78",
		"+81 3-3518-3299":            "+81 3-3518-3299",
		"電話番号：03-3518-3299":          "03-3518-3299",
		"Mobile: 07700 900123":       "07700 900123",
		"fax 888-800-6339 ext. 1377": "888-800-6339 ext. 1377",
		"T: 01 6188428":              "01 6188428",
		"06.12.34.56.78":             "06.12.34.56.78",
		"+49 30\n> 901820":           "+49 30\n> 901820",
		"+49 30 901820\n12 items":    "+49 30 901820",
		"8 (495) 123-45-67":          "8 (495) 123-45-67",
		"(02) 9876 5432":             "(02) 9876 5432",
		"mi número es 612 345 678":   "612 345 678",
		"(11) 91234-5678":            "(11) 91234-5678",
		"138-0013-8000":              "138-0013-8000",
	} {
		if got := kindsIn(text); got != "phone="+want {
			t.Errorf("%q: found %q, want %q", text, got, want)
		}
	}
}

func TestAddressesOnTheNetworkAreFound(t *testing.T) {
	for text, want := range map[string]string{
		"mail me: a.b+c@example.co.uk.":                 "email=a.b+c@example.co.uk",
		"<erika@müller.example>":                        "email=erika@müller.example",
		"info (at) example [dot] de":                    "email=info (at) example [dot] de",
		"erika dot mueller at mail dot example dot org": "email=erika dot mueller at mail dot example dot org",
		"mail: peter.muster at example.com":             "email=peter.muster at example.com",
		"erika{at}example{dot}de, danke":                "email=erika{at}example{dot}de",
		"my e-mail is erika @ example . com":            "email=erika @ example . com",
		"erika.muster(ät)example(punkt)de":              "email=erika.muster(ät)example(punkt)de",
		"ERIKA AT EXAMPLE DOT COM":                      "email=ERIKA AT EXAMPLE DOT COM",
		"we met at amazon dot com":                      "",
		"look at example.com, meet @ cafe.com":          "",
		"the meeting (at 5) [see dot] is over":          "",
		"info (at) example.de":                          "email=info (at) example.de",
		"info[at]example.de":                            "email=info[at]example.de",
		"https://x.example/?to=a@b.example":             "email=a@b.example",
		"私はa@b.exampleです":                               "email=a@b.example",
		"メール：a@b.jpまで":                                  "email=a@b.jp",
		"‹a@b.example›":                                 "email=a@b.example",
		"mailto:a@b.example":                            "email=a@b.example",
		"用户@例子.广告":                                      "email=用户@例子.广告",
		"from 192.0.2.1 port 25":                        "ip=192.0.2.1",
		"http://192.0.2.1/x":                            "ip=192.0.2.1",
		"[IPv6:2001:db8::1]":                            "",
		"2001:db8::1":                                   "ip=2001:db8::1",
	} {
		if got := kindsIn(text); got != want && !(want == "" && !strings.Contains(got, "email")) {
			t.Errorf("%q: found %q, want %q", text, got, want)
		}
	}
}

func TestSecretsAreFoundBehindTheWordsThatNameThem(t *testing.T) {
	for text, want := range map[string]string{
		"password: hunter2":                           "password=hunter2",
		"Passwort lautet Geheim!123.":                 "password=Geheim!123",
		"Mein Passwort: sonnenschein\nDanke":          "password=sonnenschein",
		"mot de passe : Soleil2024":                   "password=Soleil2024",
		"パスワード：abc123xyz":                             "password=abc123xyz",
		"the password is \"open sesame\" ok":          "password=open sesame",
		"Passwort: \"two words\"":                     "password=two words",
		"Mein Passwort ist „Blauer Elefant 7“.":       "password=Blauer Elefant 7",
		"Kennwort: »Blauer Elefant 7«":                "password=Blauer Elefant 7",
		"password: 'it isn't hers' ok":                "password=it isn't hers",
		"Password: correct horse battery staple\nX":   "password=correct horse battery staple",
		"password: one two three four five six seven": "",
		"https://user:pa55w0rd@example.org/x":         "password=pa55w0rd",
		"https://erika:p%40ss%2Fw@example.org/":       "password=p%40ss%2Fw",
		"Password: hun%20ter2, x":                     "password=hun%20ter2",
		"My PIN is 4 8 2 1":                           "pin=4 8 2 1",
		"Der Code lautet 482913":                      "one_time_code=482913",
		"Votre code est le 482913":                    "one_time_code=482913",
		"Code: 482913":                                "one_time_code=482913",
		"The code is 4829 and ends soon":              "one_time_code=4829",
		"Karte 4111.1111.1111.1111 Prüfnummer 737":    "payment_card=4111.1111.1111.1111; card_security_code=737",
		"Sicherheitscode 737":                         "card_security_code=737",
		"PIN: 4711":                                   "pin=4711",
		"my PIN is 0815, thanks":                      "pin=0815",
		"Your verification code is 482913.":           "one_time_code=482913",
		"482913 is your verification code":            "one_time_code=482913",
		"Your code is 482913.":                        "one_time_code=482913",
		"your code:\n482 913":                         "one_time_code=482 913",
		"482913 is your code":                         "one_time_code=482913",
		"Votre code est 482913":                       "one_time_code=482913",
		"Your code for 20% off is SAVE2024":           "", // nobody's
		"Your code of conduct of 2024":                "",
		"your order code is 482913":                   "",
		"TAN: 123456":                                 "one_time_code=123456",
		"Bestätigungscode: 774-221":                   "one_time_code=774-221",
		"CVV 123":                                     "card_security_code=123",
		"key AKIAIOSFODNN7EXAMPLE leaked":             "api_key=AKIAIOSFODNN7EXAMPLE",
		"ghp_0123456789abcdefghijklmnopqrstuvwxyzAB":  "api_key=ghp_0123456789abcdefghijklmnopqrstuvwxyzAB",
		"api key: 8f14e45fceea167a5a36dedd4bea2543":   "api_key=8f14e45fceea167a5a36dedd4bea2543",
		"認証コード: 123456":                               "one_time_code=123456", // kanji and katakana are words of their own
		"-----BEGIN RSA PRIVATE KEY-----\nMII=\n-----END RSA PRIVATE KEY-----": "private_key=-----BEGIN RSA PRIVATE KEY-----\nMII=\n-----END RSA PRIVATE KEY-----",
		"password hunter2":                          "password=hunter2",
		"your one-time code: 123 456":               "one_time_code=123 456",
		"Ihr Bestätigungscode: 12 34 56":            "one_time_code=12 34 56",
		"Use 482913 to verify your account":         "one_time_code=482913",
		"Authorization: Basic dXNlcjpwYXNzd29yZA==": "api_key=dXNlcjpwYXNzd29yZA==",
		"postgres://user:s3cret@db/x":               "password=s3cret",
		"https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX": "api_key=T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX",
		"ΚΩΔΙΚΟΣ: abc123X": "password=abc123X",
		"aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY": "api_key=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
		"passport number C01X00T47":                                        "passport=C01X00T47",
		"US passport no. 340020013":                                        "us_passport=340020013",
		"driver's license: D123-4567-8901":                                 "driver_license=D123-4567-8901",
	} {
		if got := kindsIn(text); got != want {
			t.Errorf("%q: found %q, want %q", text, got, want)
		}
	}
}

func TestDatesAreOfBirthOnlyWhereWordsSaySo(t *testing.T) {
	for text, want := range map[string]string{
		"born on 5/17/1980":              "date_of_birth=5/17/1980",
		"Geburtsdatum: 17.05.1980":       "date_of_birth=17.05.1980",
		"geb. am 17. Mai 1980 in Köln":   "date_of_birth=17. Mai 1980",
		"date of birth (May 17th, 1980)": "date_of_birth=May 17th, 1980",
		"né le 17 mai 1980":              "date_of_birth=17 mai 1980",
		"生年月日 1980年5月17日":                "date_of_birth=1980年5月17日",
		"DOB 1980-05-17":                 "date_of_birth=1980-05-17",
		"дата рождения: 17 мая 1980 г.":  "date_of_birth=17 мая 1980",
		"ΗΜΕΡΟΜΗΝΙΑ ΓΕΝΝΗΣΗΣ 17/05/1980": "date_of_birth=17/05/1980",
		"Γεννήθηκα στις 17 Μαΐου 1980":   "date_of_birth=17 Μαΐου 1980",
		"doğum tarihi 17.05.1980":        "date_of_birth=17.05.1980",
		"narozena 17. května 1980":       "date_of_birth=17. května 1980",
		"생년월일 1980년 5월 17일":              "date_of_birth=1980년 5월 17일",
		"ordered on 17.05.1980":          "",
		"born on 35.13.1980":             "",
	} {
		if got := kindsIn(text); got != want {
			t.Errorf("%q: found %q, want %q", text, got, want)
		}
	}
}

func TestMaskingTakesKindsAsConfigured(t *testing.T) {
	text := "card 4111 1111 1111 1111, mail a@example.org, IP 192.0.2.1"
	found := Find(text)
	if got, want := Mask(text, found, Options{}), "card ‹payment_card ··1111›, mail ‹email›, IP ‹ip›"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	actions := Options{Actions: map[Kind]Action{PaymentCard: Hide, Email: Leave, IP: LastFour}}
	if got, want := Mask(text, found, actions), "card ‹payment_card›, mail a@example.org, IP ‹ip›"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestEveryPhraseIsKnownInSmallLettersAndCapitals(t *testing.T) {
	for about, list := range phrases {
		for entry := range strings.SplitSeq(list, "|") {
			entry = strings.TrimSpace(entry)
			for _, text := range []string{entry, strings.ToUpper(entry), "x (" + entry + ").", strings.ReplaceAll(entry, "認証 コ", "認証コ")} {
				if !strings.EqualFold(text, strings.ToUpper(text)) { // ſ and the like
					continue
				}
				s := scan{text: text}
				if s.words(); !s.topics.has(about) {
					t.Errorf("%q is not known", text)
				}
			}
		}
	}
}

func TestSettlingOneFindOrNoneIsNoWork(t *testing.T) {
	if got := (&scan{}).settle(); got != nil {
		t.Errorf("got %v, want nothing", got)
	}
	if got := (&scan{found: []Match{{Phone, 1, 8}}}).settle(); len(got) != 1 || got[0] != (Match{Phone, 1, 8}) {
		t.Errorf("got %v", got)
	}
}

func TestOverlapsAreSettledForTheLongest(t *testing.T) {
	s := &scan{found: []Match{{Phone, 0, 5}, {IBAN, 3, 12}, {PIN, 4, 8}, {Email, 12, 14}, {Phone, 20, 25}, {PaymentCard, 20, 25}}}
	want := []Match{{IBAN, 3, 12}, {Email, 12, 14}, {PaymentCard, 20, 25}}
	got := s.settle()
	if len(got) != len(want) {
		t.Fatalf("got %v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("got %v, want %v", got, want)
		}
	}
}
