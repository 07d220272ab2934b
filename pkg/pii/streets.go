package pii

import "strings"

// A streetKind says where the name and the number of a street stand beside the
// word for "street", and how much that word says by itself.
type streetKind uint8

const (
	nameFirst  streetKind = 1 << iota // Villacher Strasse 89, Fő utca 5
	nameAfter                         // via Roma 5, ul. Długa 5, 12 rue de la Paix
	numberLead                        // 12 Main Street: the number comes before all
	doubtful                          // says little: a postcode or words about an address must stand by
)

func set(words string) map[string]bool {
	list := map[string]bool{}
	for word := range strings.FieldsSeq(words) {
		list[word] = true
	}
	return list
}

// streets are words for streets by themselves, without dots.
var streets = func() map[string]streetKind {
	table := map[string]streetKind{}
	for kind, words := range map[streetKind]string{
		// German, Dutch, the North, Hungarian, Greek, Turkish, Baltic, South Slavic
		nameFirst: `vía straße strasse str gasse allee chaussee damm ufer promenade straat laan gracht kade plein singel gatan gata vägen gränd torget
			gade vej vejen vei veien stræde katu tänav tn puiestee mnt utca utja körút rakpart rkp sétány caddesi cad sokak sok bulvarı gatvė iela ulica cesta`,
		nameFirst | doubtful: `weg platz ring markt hof steig park dijk gt väg allé plads torv terrasse braut tie tori kuja polku u út tér köz sor st pst g pr trg`,
		// Romance, Slavic, Greek
		nameAfter: `rue calle avenida avda paseo plaza carretera rua travessa praça alameda rodovia viale piazza piazzale vicolo strada bulevardul calea aleea șoseaua
			ul ulica aleja plac ulice třída náměstí nám ул улица проспект переулок бульвар шоссе вул вулиця провулок οδός λεωφόρος πλατεία`,
		nameAfter | doubtful: `via c corso largo av bd bul al pl os tř пр пер λ str r camino estrada viala`,
		numberLead:           `street st avenue ave road rd boulevard blvd lane ln terrace crescent parkway pkwy`,
		numberLead | doubtful: `drive dr court ct place pl way close gardens grove square sq highway hwy circle cir row mews hill quay walk view alley trail trl loop park
			green rise gate heights plaza turnpike broadway point pass path run crossing bend cove ridge`,
	} {
		for word := range set(words) {
			table[word] |= kind &^ doubtful
			if kind&doubtful != 0 {
				table[word] |= kind << 4 // by its place
			}
		}
	}
	return table
}()

// is says whether a word for a street may stand at the place that kind names;
// doubted tells that it says little there.
func (k streetKind) is(kind streetKind) (ok, doubted bool) {
	return k&kind != 0, k&(kind<<4) != 0
}

// frenchStreets stand between the number and the name.
var frenchStreets = set(`rue avenue av bd boulevard place chemin impasse allée allées allee quai cours route square passage sentier faubourg villa cité ruelle venelle montée rond-point`)

// streetEnds end names that are one word with the word for "street"; those with a
// mark say little.
var streetEnds = strings.Fields(`straße strasse str gasse allee chaussee ufer damm weg platz straat laan gracht kade plein singel steeg
	gatan gata vägen gränd torget gade vej vejen vei veien stræde stien katu tänav stræti straeti gaten vangen vænget vænge vollen`)

var doubtfulEnds = strings.Fields(`ring markt hof berg feld graben brücke steig tie kuja polku kaari vall braut dijk dreef hove gården torv haven park ova`)

// noStreets end as streets do and are none.
var noStreets = set(`parkplatz stellplatz sitzplatz arbeitsplatz stehplatz liegeplatz startplatz speicherplatz spielplatz studienplatz listenplatz tabellenplatz
	campingplatz golfplatz flugplatz fensterplatz gangplatz ausbildungsplatz kitaplatz umweg ausweg einweg rückweg hinweg heimweg arbeitsweg lebensweg dienstweg
	mittelweg postweg rechtsweg fahrweg fluchtweg klageweg verkehrsweg norweg keineswegs halbweg transportweg übertragungsweg bestellweg`)

// particles may stand within the name of a street or a place, in small letters.
var particles = set(`de la las los del el da do das dos di della delle dei degli du des le les the of and und e y i et van der den het ten ter te am an auf im in zum zur
	bei san santa st św gen ks im von aux à au sur sous en d l s`)

// unitWords open what tells a dwelling within a house.
var unitWords = set(`apt apartment suite ste unit flat floor room rm app appt appartement apto apartamento wohnung whg etage stock og eg piso puerta planta interno int
	scala lok lokal mieszkanie m kv кв квартира daire kat bus bte boîte lgh bâtiment bat escalier esc bloc ap sc bl ház em emelet ajtó porta andar fração hinterhaus vorderhaus building bldg`)

// numberWords may stand between the name of a street and its number.
var numberWords = set(`nr no n nº n° núm num numero número č čp д буд дом no. numer №`)

// notPlaces are words that begin sentences behind an address and are no town.
var notPlaces = set(`thanks thank please regards best kind danke bitte gruß grüße mfg viele merci cordialement gracias saludos grazie saluti obrigado tack mvh hilsen dank groeten
	i we you he she it they if when but so and or my your our the this that is are was ich wir sie er es wenn aber und oder mein unser der die das je nous vous mais`)

// numbered are words for things that bear numbers and are no streets.
var numbered = set(`chapter kapitel chapitre capítulo capitolo hoofdstuk kapitola rozdział level stufe niveau nivel livello page seite página pagina strona side sida
	table tabelle tableau tabla tabella figure fig abb abbildung step schritt étape paso passo stap part teil partie parte deel room raum zimmer salle sala stanza kamer
	hall halle saal gate terminal group gruppe groupe grupo gruppo team phase version windows android ios iphone model modell modèle modelo type typ typo position pos
	question frage pregunta domanda vraag number nummer numéro número numero line zeile ligne línea linea row column spalte day tag jour día giorno week woche semaine
	semana settimana zone bereich class klasse classe clase size größe taille talla taglia volume band tome item punkt point section abschnitt article artikel
	boeing airbus formel formula option`)

// months are names that stand behind a day; a word may begin as one does and be the name of a street.
var months = set(`january february march april june july august september sept october november december januar februar märz maerz juni juli oktober dezember
	janvier février fevrier mars avril juin juillet août aout septembre octobre novembre décembre enero febrero marzo abril mayo junio julio agosto septiembre
	octubre noviembre diciembre gennaio febbraio aprile maggio giugno luglio settembre ottobre dicembre januari februari maart mei augustus augusti`)
