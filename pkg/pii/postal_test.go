package pii

import "testing"

// The addresses are of public buildings, or of the examples in the papers of the
// posts that deliver to them.
func TestPostalAddressesAreFoundByTheirStructure(t *testing.T) {
	for text, want := range map[string]string{
		"Ich wohne in der Musterstraße 12a, 12345 Berlin.":           "Musterstraße 12a, 12345 Berlin",
		"Erika Mustermann\nHauptstr. 5\n80331 München\nDeutschland":  "Hauptstr. 5\n80331 München",
		"10 Downing Street, London SW1A 2AA":                         "10 Downing Street, London SW1A 2AA",
		"1600 Pennsylvania Avenue NW, Washington, DC 20500, call me": "1600 Pennsylvania Avenue NW, Washington, DC 20500",
		"221B Baker Street, London NW1 6XE.":                         "221B Baker Street, London NW1 6XE",
		"24 Sussex Drive, Ottawa, ON K1M 1M4":                        "24 Sussex Drive, Ottawa, ON K1M 1M4",
		"12 bis, rue de la Paix, 75002 Paris":                        "12 bis, rue de la Paix, 75002 Paris",
		"8 rue de l'Église 67000 Strasbourg":                         "8 rue de l'Église 67000 Strasbourg",
		"Calle Mayor 10, 3º B, 28013 Madrid":                         "Calle Mayor 10, 3º B, 28013 Madrid",
		"C/ Mayor, 10, 28013 Madrid":                                 "C/ Mayor, 10, 28013 Madrid",
		"Via Roma 1, 00184 Roma":                                     "Via Roma 1, 00184 Roma",
		"Rua Augusta 100, 1100-053 Lisboa":                           "Rua Augusta 100, 1100-053 Lisboa",
		"Damstraat 1, 1012 JS Amsterdam":                             "Damstraat 1, 1012 JS Amsterdam",
		"ul. Marszałkowska 10/5, 00-590 Warszawa":                    "ul. Marszałkowska 10/5, 00-590 Warszawa",
		"Storgatan 5, 111 22 Stockholm":                              "Storgatan 5, 111 22 Stockholm",
		"Vesterbrogade 12, 2. tv, 1620 København V":                  "Vesterbrogade 12, 2. tv, 1620 København V",
		"Mannerheimintie 5 A 12, 00100 Helsinki":                     "Mannerheimintie 5 A 12, 00100 Helsinki",
		"Petőfi Sándor utca 12, 1052 Budapest":                       "Petőfi Sándor utca 12, 1052 Budapest",
		"ул. Ленина, д. 5, кв. 10, Москва 101000":                    "ул. Ленина, д. 5, кв. 10, Москва 101000",
		"Potsdamer Platz 1, 10785 Berlin":                            "Potsdamer Platz 1, 10785 Berlin",
		"Strada Lalelelor nr. 5, București":                          "Strada Lalelelor nr. 5, București",
		"Atatürk Caddesi No: 5, Ankara":                              "Atatürk Caddesi No: 5, Ankara",
		"P.O. Box 123, Springfield, IL 62701":                        "P.O. Box 123, Springfield, IL 62701",
		"Postfach 12 34 56, 10115 Berlin":                            "Postfach 12 34 56, 10115 Berlin",
		"Unit 4719 Box 7394\nDPO AP 70942":                           "Unit 4719 Box 7394\nDPO AP 70942",
		"〒100-0001 東京都千代田区千代田1-1":                                    "〒100-0001 東京都千代田区千代田1-1",
		"北京市朝阳区建国路88号":                                               "北京市朝阳区建国路88号",
		"she lives at Brisas 6802, Dolores":                          "Brisas 6802, Dolores",
		"Unter den Linden 77, 10117 Berlin":                          "Unter den Linden 77, 10117 Berlin",
		"An der Alster 1 · 20099 Hamburg":                            "An der Alster 1 · 20099 Hamburg",
		"Nowy Świat 15/17, 00-029 Warszawa":                          "Nowy Świat 15/17, 00-029 Warszawa",
		"Rue de Rivoli 99, Paris":                                    "Rue de Rivoli 99, Paris",
		"Gran Vía 28, Madrid":                                        "Gran Vía 28, Madrid",
		"> Hauptstr. 5\n> 80331 München":                             "Hauptstr. 5\n> 80331 München",
	} {
		if got := kindsIn(text); got != "postal_address="+want {
			t.Errorf("%q: found %q, want %q", text, got, want)
		}
	}
}

// A street whose name begins as a month does is no date.
func TestStreetsMayBeginLikeMonths(t *testing.T) {
	for text, want := range map[string]string{
		"12 Main Street, Springfield, IL 62704":         "postal_address=12 Main Street, Springfield, IL 62704",
		"send it to 5 Marble Arch Road, London W1H 7EJ": "postal_address=5 Marble Arch Road, London W1H 7EJ",
		"on 12 September Road works begin":              "",
		"on 12 March we drove along the road":           "",
		"it came on 3 May, the street was wet":          "",
	} {
		if got := kindsIn(text); got != want {
			t.Errorf("%q: found %q, want %q", text, got, want)
		}
	}
}

// What stands on the lines below an address, or in the next sentence, is no part of it.
func TestAnAddressEndsBeforeWhatIsNumberedBehindIt(t *testing.T) {
	for text, want := range map[string]string{
		"Hauptstr. 12, 10115 Berlin\nBestellung 47110 fehlt":                             "postal_address=Hauptstr. 12, 10115 Berlin",
		"10 Downing Street\nSW1A 2AA\nOrder 4711":                                        "postal_address=10 Downing Street\nSW1A 2AA",
		"221B Baker Street, London NW1 6XE. Order 4711-0042 is late":                     "postal_address=221B Baker Street, London NW1 6XE",
		"221B Baker Street, London NW1 6XE. 1600 Items are missing, I want them by noon": "postal_address=221B Baker Street, London NW1 6XE",
		"1600 Pennsylvania Avenue NW, Washington, DC 20500.\nTicket A123456780.":         "postal_address=1600 Pennsylvania Avenue NW, Washington, DC 20500",
		"Vernon Circle 1, Canberra, ACT 2600":                                            "",
		"1 Vernon Circle, Canberra, ACT 2601":                                            "postal_address=1 Vernon Circle, Canberra, ACT 2601",
	} {
		if got := kindsIn(text); got != want {
			t.Errorf("%q: found %q, want %q", text, got, want)
		}
	}
}
