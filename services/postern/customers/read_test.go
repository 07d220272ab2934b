package customers_test

import (
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	customerv1 "github.com/postern-mail/postern/proto/customer/v1"
	"github.com/postern-mail/postern/services/postern/customers"
)

func nothingBeside(name string) ([]byte, error) { return nil, errors.New("there is no " + name) }

// line tells a card on one line, for comparison.
func line(card *customerv1.Card) string {
	var addresses []string
	for _, a := range card.GetAddresses() {
		text := a.GetAddress()
		if c := a.GetConfirmed(); c != nil {
			text += "!" + c.GetHow() + "@" + c.GetWhen().AsTime().Format("2006-01-02")
		}
		addresses = append(addresses, text)
	}
	return strings.Join([]string{card.GetNumber(), strings.Join(card.GetNames(), "+"), strings.Join(addresses, "+"), card.GetLanguage(), card.GetNotes()}, "|")
}

func TestATableIsReadAsProgramsExportIt(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"commas":                  {"number,name,address,language,notes\nK1,Anna Weber,anna@example.com,de,\"a \"\"b\"\", c\"\n", `K1|Anna Weber|anna@example.com|de|a "b", c`},
		"semicolons, as Excel":    {"\uFEFFNumber;Name;E-Mail\r\nK1;Müller & Söhne;büro@example.com\r\n", "K1|Müller & Söhne|büro@example.com||"},
		"tabs":                    {"number\taddress\nK1\ta@example.com\n", "K1||a@example.com||"},
		"columns several times":   {"name,name,address,address\nAnna,Weber GmbH,a@example.com,b@example.com\n", "|Anna+Weber GmbH|a@example.com+b@example.com||"},
		"several in a cell":       {"name,address\nAnna; Weber GmbH,a@example.com; b@example.com;\n", "|Anna+Weber GmbH|a@example.com+b@example.com||"},
		"a cell on several lines": {"address,notes\na@example.com,\"one\r\ntwo\"\n", "||a@example.com||one\ntwo"},
		"confirmed":               {"address,confirmed,how\na@example.com,2026-03-31,contract\n", "||a@example.com!contract@2026-03-31||"},
		"Excel's own first line":  {"sep=;\r\nnumber;name\r\nK1;Anna\r\n", "K1|Anna|||"},
		"Excel for Macintosh":     {"number,name\rK1,Anna\r", "K1|Anna|||"},
		"Google Contacts": {"First Name,Middle Name,Last Name,Nickname,Notes,Labels,E-mail 1 - Label,E-mail 1 - Value,E-mail 2 - Value,Phone 1 - Value,Organization Name\n" +
			"Anna,M,Weber,Nana,hi,* myContacts,Home,a@example.com ::: b@example.com,c@example.com,+41,Weber GmbH\nBert,,Only,,,,,,,+41,\n", "|Anna M Weber+Weber GmbH|a@example.com+b@example.com+c@example.com||hi"},
		"Outlook": {"Title,First Name,Middle Name,Last Name,Company,Mobile Phone,E-mail Address,E-mail Type,E-mail 2 Address,Notes\r\n" +
			",Anna,,Weber,Weber GmbH,1,a@example.com,SMTP,,\r\n", "|Anna Weber+Weber GmbH|a@example.com||"},
		"empty rows": {"number,name\n,\nK1,Anna\n,\n", "K1|Anna|||"},
	} {
		t.Run(name, func(t *testing.T) {
			entries, _, err := customers.Read("x.csv", []byte(c.text), nothingBeside)
			if err != nil || len(entries) != 1 || line(entries[0].Card) != c.want {
				t.Fatalf("got %v, %v; want %s", entries, err, c.want)
			}
		})
	}
}

func TestWhatIsWrongWithAFileIsToldWithItsLineAndNothingIsTaken(t *testing.T) {
	for name, c := range map[string]struct{ file, text, want string }{
		"another kind of file":        {"x.xlsx", "PK", `".xlsx" is not known`},
		"nothing":                     {"x.csv", "", "line 1: there is no line with the names"},
		"names of columns alone":      {"x.csv", "number,name\n", "nobody in it"},
		"Latin-1":                     {"x.csv", "name,address\nM\xfcller,a@example.com\n", "line 2 is not UTF-8"},
		"an unknown column":           {"x.csv", "number,shoe size\n1,44\n", `line 1: column "shoe size" is not known: there are number, name`},
		"a column twice":              {"x.csv", "number,number\n1,2\n", "line 1: column \"number\" stands there twice"},
		"nothing to find them by":     {"x.csv", "name\nAnna\n", "line 1: there is no column"},
		"nobody by number or address": {"x.csv", "sep=,\nnumber,name\n1,Anna\n,Bert\n", "line 4: neither address nor number"},
		"letters of an old card":      {"x.vcf", "BEGIN:VCARD\nVERSION:3.0\nFN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:M=C3=BCller\nEMAIL:a@example.com\nEND:VCARD\n", "line 3: FN is in quoted-printable"},
		"a row that is too short":     {"x.csv", "number,name\n1\n", "line 2: 1 cells where the first line names 2"},
		"a quote that is open":        {"x.csv", "number,name\n1,\"Anna\n", "line 2"},
		"a broken address":            {"x.csv", "number,address\n1,a@example.com\n2,nonsense\n", `line 3: "nonsense" is no address`},
		"an address of two":           {"x.csv", "number,address\n1,a@example.com\n2,A@Example.com\n", `line 3: address "a@example.com" is that of line 2`},
		"a number of two":             {"x.csv", "number,address\n1,a@example.com\n1,b@example.com\n", `line 3: number "1" is that of line 2`},
		"confirmed, and how not":      {"x.csv", "address,confirmed\na@example.com,2026-03-31\n", "line 2: confirmed and how belong together"},
		"a day that is none":          {"x.csv", "address,confirmed,how\na@example.com,31.3.26,contract\n", `line 2: "31.3.26" is no day`},
		"how in a sentence":           {"x.csv", "address,confirmed,how\na@example.com,2026-03-31,I called\n", "line 2: address"},
		"a key that is not there":     {"x.csv", "address,openpgp\na@example.com,anna.asc\n", "line 2: openpgp: there is no anna.asc"},
		"a key that is none":          {"x.csv", "address,openpgp\na@example.com,-----BEGIN PGP nonsense\n", "line 2: openpgp:"},
		"a card that is open":         {"x.vcf", "BEGIN:VCARD\nVERSION:4.0\nFN:Anna\n", "line 1: the card that begins here does not end"},
		"a card in a card":            {"x.vcf", "BEGIN:VCARD\nVERSION:4.0\nBEGIN:VCARD\nEND:VCARD\n", "line 3: a card begins before"},
		"an old card":                 {"x.vcf", "BEGIN:VCARD\nVERSION:2.1\nFN:Anna\nEND:VCARD\n", `line 2: version "2.1" is not read`},
		"no line of a card":           {"x.vcf", "BEGIN:VCARD\nVERSION:4.0\nanna@example.com\nFN:Anna\nEND:VCARD\n", "line 3: this is no line of a vCard"},
		"outside of a card":           {"x.vcf", "FN:Anna\n", "line 1: this stands outside"},
		"a key on the network":        {"x.vcf", "BEGIN:VCARD\nVERSION:4.0\nFN:Anna\nKEY:https://example.com/key\nEND:VCARD\n", "line 1: KEY: it stands elsewhere on the network"},
	} {
		t.Run(name, func(t *testing.T) {
			entries, _, err := customers.Read(c.file, []byte(c.text), nothingBeside)
			if err == nil || entries != nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, %v; want %q", entries, err, c.want)
			}
		})
	}
}

// The first is the example of RFC 6350 §8, as far as it is about what is kept; the second the
// first of RFC 2426 §7, with a folded note.
func TestCardsAreReadAsTheirStandardsHaveThem(t *testing.T) {
	const text = "BEGIN:VCARD\r\nVERSION:4.0\r\nFN:Simon Perreault\r\nN:Perreault;Simon;;;ing. jr,M.Sc.\r\nBDAY:--0203\r\nGENDER:M\r\nLANG;PREF=1:fr\r\nLANG;PREF=2:en\r\n" +
		"ORG;TYPE=work:Viagenie\r\nADR;TYPE=work:;Suite D2-630;2875 Laurier;\r\n Quebec;QC;G1V 2M2;Canada\r\nTEL;VALUE=uri;TYPE=\"work,voice\";PREF=1:tel:+1-418-656-9254;ext=102\r\n" +
		"EMAIL;TYPE=work:simon.perreault@viagenie.ca\r\nGEO;TYPE=work:geo:46.772673,-71.282945\r\nTZ:-0500\r\nURL;TYPE=home:http://nomis80.org\r\nEND:VCARD\r\n" +
		"BEGIN:vCard\r\nVERSION:3.0\r\nFN:Frank Dawson\r\nORG:Lotus Development Corporation\r\nADR;TYPE=WORK,POSTAL,PARCEL:;;6544 Battleford Drive\r\n ;Raleigh;NC;27613-3502;U.S.A.\r\n" +
		"TEL;TYPE=VOICE,MSG,WORK:+1-919-676-9515\r\nEMAIL;TYPE=INTERNET,PREF:Frank_Dawson@Lotus.com\r\nitem1.EMAIL;TYPE=INTERNET:fdawson@earthlink.net\r\nNOTE:answers\\, but\r\n  late\r\nUID:19950401-080045-40000F192713-0052\r\nEND:vCard\r\n"
	entries, _, err := customers.Read("x.vcf", []byte(text), nothingBeside)
	if err != nil || len(entries) != 2 {
		t.Fatalf("got %v, %v", entries, err)
	}
	for i, want := range []string{
		"|Simon Perreault+Viagenie|simon.perreault@viagenie.ca|fr|",
		"19950401-080045-40000F192713-0052|Frank Dawson+Lotus Development Corporation|Frank_Dawson@Lotus.com+fdawson@earthlink.net||answers, but late",
	} {
		if got := line(entries[i].Card); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if entries[1].Line != 18 {
		t.Errorf("the second begins on line %d", entries[1].Line)
	}
}

// As address books write them: Apple's groups (RFC 6350 §6.1.4 has KIND), empty fields, one address twice.
func TestWhoCannotBeFoundAgainIsLeftOutAndCounted(t *testing.T) {
	begin, end := "BEGIN:VCARD\nVERSION:3.0\n", "END:VCARD\n"
	text := begin + "UID:g\nFN:Friends\nX-ADDRESSBOOKSERVER-KIND:group\nX-ADDRESSBOOKSERVER-MEMBER:urn:uuid:x\n" + end +
		begin + "UID:h\nFN:Team\nKIND:group\nEMAIL:team@example.com\n" + end + begin + "FN:Telephone\nTEL:1\n" + end +
		begin + "FN:Anna\nEMAIL:\nitem1.EMAIL;type=INTERNET:anna@example.com\nitem1.X-ABLabel:_$!<Work>!$_\nEMAIL:Anna@Example.com\nLANG:de_CH\n" + end
	entries, passed, err := customers.Read("x.vcf", []byte(text), nothingBeside)
	if err != nil || passed != 3 || len(entries) != 1 || line(entries[0].Card) != "|Anna|anna@example.com|de-CH|" {
		t.Errorf("got %v, %d left out, %v", entries, passed, err)
	}
}

// The keys were made by GnuPG, the certificate by OpenSSL (pkg/signature/testdata).
func TestKeysComeFromCellsFilesAndCards(t *testing.T) {
	read := func(path string) []byte {
		text, err := os.ReadFile(filepath.Join("../../../pkg/signature/testdata", path))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	ring, pem := read("openpgp/keys.asc"), read("smime/signer.pem")
	beside := func(name string) ([]byte, error) {
		if name == "anna.asc" {
			return ring, nil
		}
		return nothingBeside(name)
	}
	in := func(property string, content []byte) string {
		return "BEGIN:VCARD\nVERSION:4.0\nFN:Anna\nEMAIL:anna@example.com\n" + property + base64.StdEncoding.EncodeToString(content) + "\nEND:VCARD\n"
	}
	var want int
	for name, c := range map[string]struct {
		file, text            string
		openpgp, certificates bool
	}{
		"a file beside":          {"x.csv", "address,openpgp\nanna@example.com,anna.asc\n", true, false},
		"cells":                  {"x.csv", "address,openpgp,certificate\nanna@example.com,\"" + string(ring) + "\",\"" + string(pem) + "\"\n", true, true},
		"a data URI":             {"x.vcf", in("KEY;MEDIATYPE=application/pgp-keys:data:application/pgp-keys;base64\\,", ring), true, false},
		"a certificate in a URI": {"x.vcf", in("KEY:data:application/pkix-cert;base64,", pem), false, true},
		"a card of version 3.0":  {"x.vcf", strings.Replace(in("KEY;TYPE=PGP;ENCODING=b:", ring), "4.0", "3.0", 1), true, false},
	} {
		entries, _, err := customers.Read(c.file, []byte(c.text), beside)
		if err != nil || len(entries) != 1 {
			t.Errorf("%s: got %v, %v", name, entries, err)
			continue
		}
		card := entries[0].Card
		if c.openpgp != (len(card.GetOpenpgp()) > 0) || c.certificates != (len(card.GetCertificates()) > 0) {
			t.Errorf("%s: %d keys, %d certificates", name, len(card.GetOpenpgp()), len(card.GetCertificates()))
		}
		if n := len(card.GetOpenpgp()); n > 0 {
			if want == 0 {
				want = n
			}
			if n != want {
				t.Errorf("%s: %d keys, others gave %d", name, n, want)
			}
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add("x.csv", []byte("number,name,address\n1,Anna,a@example.com\n"))
	f.Add("x.csv", []byte("number;confirmed;how\n\"1\";2026-01-01;x\n"))
	f.Add("x.vcf", []byte("BEGIN:VCARD\nVERSION:4.0\nFN:Anna\nEMAIL:a@example.com\nKEY:data:;base64,AAAA\nEND:VCARD\n"))
	f.Add("x.vcf", []byte("BEGIN:VCARD\nVERSION:3.0\nN:;Anna\n ;;\nEND:VCARD\n"))
	f.Fuzz(func(t *testing.T, name string, content []byte) {
		entries, _, err := customers.Read(name, content, nothingBeside)
		if err == nil && len(entries) == 0 || err != nil && entries != nil {
			t.Errorf("%d entries, %v", len(entries), err)
		}
	})
}
