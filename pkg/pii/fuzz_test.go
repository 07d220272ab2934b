package pii

import "testing"

func FuzzFind(f *testing.F) {
	for _, seed := range []string{
		"Karte 4111 1111 1111 1111, IBAN DE89 3704 0044 0532 0130 00, BIC COBADEFFXXX",
		"call +49 (0)30 1234567 or 415-555-0132 x45, mail a.b@example.org, c (at) example [at] de",
		"SSN 078-05-1123; IdNr 86 095 742 719; NINO PR 12 36 12 C; 12345678Z",
		"Geburtsdatum: 1. Mai 1980, born on 5/17/1980, 生年月日 1980年5月17日",
		"password: hunter2 PIN is 1234, your code is 123456. 998877 is your login code",
		"ghp_0123456789abcdefghijklmnopqrstuvwxyzAB 0x52908400098527886E0F7030069857D2E4169EE7",
		"-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n::1 10.0.0.1/8 2001:db8::1",
		"4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1\n>1 2-3.4/5(6)7 ４１１１ 1111\u00a01111\u200b1111",
		"passport no. C01X00T47, driver's license D1234-5678, KVNR A123456780",
		"Musterstraße 12a, 12345 Berlin\n10 Downing Street, London SW1A 2AA\n〒100-0001 東京都千代田区千代田1-1 路88号 P.O. Box 5",
		"erika (at) example dot org, a dot b at c dot de, x @ y . com, DE１３６６９５９７６, CHE-100.155.212 D E 8 9",
		"4111\u200b1111\u00ad1111\u20111111 ｅｒｉｋａ＠ｅｘａｍｐｌｅ．ｏｒｇ 𝟒𝟏𝟏𝟏 ４１１１_1111",
		"P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<\nL898902C36UTO7408122F1204159ZE184226B<<<<<10\npostgres://u:p@h/",
		"Überweisung: ١٢٣٤٥٦٧٨٩٠ \xff\xfe ‹pin› Passwort: ‹password›",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		found := Find(text)
		if !sound(text, found) {
			t.Fatalf("%v in %d bytes", found, len(text))
		}
		masked := Mask(text, found, Options{})
		for _, m := range found {
			if m.Kind == Email && len(text) < 100 && masked == text {
				t.Fatalf("nothing masked in %q", text)
			}
		}
	})
}
