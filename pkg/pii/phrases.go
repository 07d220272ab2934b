package pii

// phrases lists what words are about. Words are lower case; parts of a phrase
// may be apart by spaces, dots, hyphens, slashes, underscores or apostrophes.
var phrases = map[topic]string{
	aboutCard: `card|cards|cc|credit card|debit card|visa|mastercard|amex|american express|maestro|diners|discover|jcb|
		karte|kreditkarte|kreditkartennummer|kartennummer|bankkarte|carte bancaire|carte|tarjeta|carta|carta di credito|
		creditcard|kaart|cartao|cartão|karta|karty|kort|kortnummer|pan|カード|クレジットカード|信用卡|卡号`,
	aboutCVV:  `cvv|cvv2|cvc|cvc2|cid|card verification|security code|kartenprüfnummer|prüfziffer|sicherheitscode|cryptogramme|código de seguridad`,
	aboutIBAN: `iban|bank account|kontonummer|bankverbindung|compte bancaire|rib|conto corrente|cuenta bancaria`,
	aboutBIC:  `bic|swift|swift code|bic swift|bankleitzahl`,
	aboutAccount: `account number|account no|acct|acct no|bank account|kontonummer|konto|konto nr|kontonr|konto nummer|numéro de compte|
		número de cuenta|rekeningnummer|numero di conto|sort code`,
	aboutPhone: `phone|phones|telephone|telephone number|tel|mobile|mobil|mobilnummer|cell|cellphone|cell number|fax|call|calls|call me|called|
		calling|dial|ring me|text me|sms|whatsapp|signal|telegram|hotline|contact number|phone number|telefon|telefonnummer|telefono|
		teléfono|telefone|téléphone|telefoon|telefoonnummer|handy|handynummer|rufnummer|rückruf|anrufen|anruf|erreichen|erreichbar|durchwahl|
		portable|appeler|appelez|joignable|llamar|llámame|móvil|movil|celular|cellulare|chiamare|chiamami|bellen|mobiel|puhelin|
		puhelinnumero|telefonnr|tlf|telefonní|numer telefonu|tel nr|komórka|телефон|тел|мобильный|電話|電話番号|携帯|电话|手机|전화|번호|
		הטלפון|هاتف|landline|voicemail|answering at|reached at|reachable at|messages to|message to|text messages|texts to|texting|texted|phoned|dialled|dialed|rang|calls from|called from|joindre|contacter au|mon numéro|mi número|mi numero|mio numero|mój numer|meu número|meine nummer|mijn nummer|mitt nummer|mit nummer|mitt telefonnummer|numaram|мой номер|мій номер|moje číslo|mé číslo|számom|telefonszámom|numărul meu|ο αριθμός μου|numeroni|please text|text me at|llamada|llamadas|ligar|ligue|ligação|telefonar|zadzwonić|zadzwoń|dzwonić|ringa|ring til|звонить|позвоните|звоните|дзвоніть|zavolejte|volat|hívjon|hívás|sunați|apel|καλέστε|desk phone|reach me|my number|number is`,
	aboutPhoneLabel: `office|desk|home|work|direct|main|private|privat|büro|bureau|oficina|ufficio|kantoor`,
	aboutOrder: `order|boarding pass|bus pass|day pass|season pass|ski pass|promo code|discount code|voucher|voucher code|coupon|coupon code|gutschein|gutscheincode|error code|fehlercode|postal code|zip code|code postal|orders|order number|order no|order id|offer|invoice|invoices|invoice number|tracking|tracking number|parcel|shipment|
		consignment|ticket|ticket number|case|case number|case id|reference|reference number|ref|ref no|reference no|sku|item|item number|article|
		product|serial|serial number|part number|model|isbn|issn|ean|upc|gtin|asin|quantity|qty|price|amount|total|transaction|transaction id|
		booking|reservation|confirmation number|customer number|customer id|customer no|delivery|waybill|awb|usps|ups|fedex|dhl|dpd|gls|hermes|
		bestellung|bestellnummer|bestellnr|bestell nr|auftrag|auftragsnummer|auftragsnr|rechnung|rechnungsnummer|rechnungsnr|rechnungs nr|
		sendung|sendungsnummer|sendungsnr|paketnummer|vorgang|vorgangsnummer|artikel|artikelnummer|artikelnr|kundennummer|kundennr|kunden nr|
		lieferschein|lieferung|vertragsnummer|aktenzeichen|seriennummer|betrag|menge|commande|numéro de commande|facture|suivi|colis|référence|
		pedido|número de pedido|factura|seguimiento|envío|referencia|ordine|numero ordine|fattura|spedizione|bestelling|bestelnummer|factuur|
		zending|zamówienie|zamówienia|faktura|przesyłka|encomenda|fatura|pedidos|ordre|ordrenummer|注文|注文番号|注文番號|追跡番号|订单|订单号|件名|version|build|
		release|revision|timestamp|hash|checksum|log|pid|port|line|row|page|chapter|paragraph|section|law|act|chargennummer|message id`,
	aboutBirth: `birth|birthday|date of birth|dob|d o b|born|born on|birthdate|birth date|geburtsdatum|geburtstag|geboren|geboren am|geb|geb am|
		date de naissance|né le|née le|naissance|fecha de nacimiento|nacimiento|nacido|nacida|nacido el|data di nascita|nato il|nata il|nascita|
		data de nascimento|nascimento|nascido em|nascida em|geboortedatum|geboren op|data urodzenia|urodzony|urodzona|født|fødselsdato|född|
		födelsedatum|syntymäaika|datum narození|дата рождения|родился|родилась|生年月日|誕生日|出生日期|생년월일|생일|출생|ημερομηνία γέννησης|γεννήθηκα|γεννήθηκε|γεννημένος|γεννημένη|doğum tarihi|doğum|doğumlu|narozen|narozena|narozený|született|születési dátum|születési idő|szül|data nașterii|născut|născută|народився|народилася|дата народження|д р|fødselsdag|födelsedag|syntynyt|rođen|rođena|datum rođenja|rojen|rojena|datum rojstva|роден|родена|дата на раждане|dzimšanas datums|gimimo data|sünniaeg|sündinud|dátum narodenia|narodený|narodená|ngày sinh`,
	aboutPassword: `password|passwort|kennwort|pwd|passwd|passphrase|pass phrase|zugangspasswort|mot de passe|mdp|contraseña|contrasena|clave|
		wachtwoord|senha|parola d'ordine|parola|lösenord|adgangskode|passord|salasana|hasło|haslo|heslo|jelszó|parolă|пароль|パスワード|暗証番号|密码|密碼|비밀번호|
		login password|wifi password|wlan schlüssel|wlan passwort|pw|pass|psw|şifre|parola|lozinka|geslo|κωδικός πρόσβασης|κωδικός`,
	aboutPIN: `pin|pin code|pin number|pincode|pin nummer|geheimzahl|code pin|código pin|codice pin|puk|atm pin|card pin`,
	aboutCode: `otp|one time code|one time password|one time passcode|onetime code|verification code|security code|login code|sign in code|
		authentication code|auth code|access code|confirmation code|passcode|two factor code|activation code|sms code|tan|mtan|smstan|einmalcode|
		einmalpasswort|einmalkennwort|bestätigungscode|sicherheitscode|verifizierungscode|freischaltcode|anmeldecode|code de vérification|
		code de sécurité|code de confirmation|código de verificación|código de seguridad|código de confirmación|codice di verifica|codice di sicurezza|
		verificatiecode|código de verificação|kod weryfikacyjny|verifieringskod|код подтверждения|ваш код|код доступа|смс код|код из смс|код для входа|codigo de verificacion|doğrulama kodu|ellenőrző kód|cod de verificare|κωδικός επαλήθευσης|bekræftelseskode|vahvistuskoodi|engangskode|engangskod|kod jednorazowy|hasło jednorazowe|jednorázový kód|ověřovací kód|認証 コード|確認 コード|验证码|驗證碼|인증번호|verification pin`,
	aboutYourCode:    `your code|your new code|ihr code|dein code|votre code|ton code|tu código|su código|il tuo codice|il suo codice|uw code|je code|o seu código|twój kod|din kod|din kode|váš kód`,
	aboutSomeCode:    `code|kod|kode|codice|código|codigo|код`,
	aboutCheckNumber: `prüfnummer`,
	aboutKey: `api key|apikey|api token|access token|access key|secret key|secret|client secret|auth token|bearer|token|private key|
		api schlüssel|clé api|clave api|x api key|aws secret access key|refresh token|session token|authorization|account key|accountkey|shared access key|sharedaccesskey|signing key|encryption key|webhook secret|license key|lizenzschlüssel|seed phrase`,
	aboutPassport: `passport|passport number|passport no|reisepass|reisepassnummer|passnummer|pass nr|passeport|pasaporte|passaporto|paspoort|
		paspoortnummer|passaporte|paszport|паспорт|旅券番号|護照|护照`,
	aboutLicense: `driver license|drivers license|driver s license|driving licence|driving license|drivers licence|driver licence|licence number|
		license number|dl number|dl|dl no|führerschein|führerscheinnummer|fahrerlaubnis|permis de conduire|patente di guida|permiso de conducir|rijbewijs|
		rijbewijsnummer|carta de condução|prawo jazdy|körkort|kørekort|運転免許証番号`,
	aboutHealth: `health insurance|insurance number|insurance id|insurance no|member id|policy number|krankenversicherung|
		krankenversichertennummer|krankenversicherungsnummer|versichertennummer|versicherten nr|gesundheitskarte|kvnr|krankenkasse|
		versicherungsnummer|carte vitale|tarjeta sanitaria|tessera sanitaria|zorgverzekering|polisnummer|assurance maladie|ehic|medical record|mrn|patient id`,
	aboutTax:     `tax|tax id|tax number|tax no|tin|taxpayer|vat|vat number|vat id|fiscal|steuer|steuernummer|steuer nr|numéro fiscal|ust idnr|ustid|nif|cif`,
	aboutVersion: `version|versions|build|release|firmware|ver|rev|revision|v|driver|section|chapter|oid`,
	aboutIP:      `ip|ipv4|ipv6|ip address|ip adresse|adresse ip|host|gateway|server|dns|subnet|address`,
	aboutNational: `national id|national identity|identity number|identification number|id number|id card|personal number|personal id|personal code|
		citizen id|social security|social insurance|national insurance|personnummer|personalausweis|ausweisnummer|ausweis|identité|identidad|identidade|
		identità|identiteit|idnr|id nr|id no|ident nr|dni|documento|document number`,
	aboutSSN:      `ssn|my social|social security|social security number|soc sec|ss no|sozialversicherungsnummer usa`,
	aboutITIN:     `itin|individual taxpayer|taxpayer identification|taxpayer id|tax id`,
	aboutRouting:  `routing|routing number|aba|aba number|rtn|transit number|bank routing`,
	aboutNINO:     `nino|ni number|ni no|national insurance|national insurance number`,
	aboutNHS:      `nhs|nhs number|nhs no`,
	aboutUTR:      `utr|unique taxpayer reference|self assessment`,
	aboutDETax:    `idnr|steuer id|steuerid|steuer idnr|steuer identifikationsnummer|steueridentifikationsnummer|identifikationsnummer|tin|tax id|steuerliche`,
	aboutDESocial: `sozialversicherungsnummer|sv nummer|sv nr|svnr|rentenversicherungsnummer|rv nummer|versicherungsnummer|sozialversicherung`,
	aboutIDCard:   `personalausweis|personalausweisnummer|ausweisnummer|ausweis nr|ausweis|id card|identity card|id card number`,
	aboutATSocial: `svnr|sv nummer|sv nr|sozialversicherungsnummer|sozialversicherung|versicherungsnummer|e card`,
	aboutNIR:      `nir|numéro de sécurité sociale|sécurité sociale|securite sociale|n sécu|numéro insee|insee|carte vitale|numéro ss`,
	aboutBSN:      `bsn|burgerservicenummer|sofinummer|sofi nummer|citizen service number|btw`,
	aboutBE:       `rijksregisternummer|rijksregister|registre national|numéro national|numéro de registre national|insz|niss|nationaal nummer`,
	aboutPPS:      `pps|ppsn|pps number|pps no|personal public service`,
	aboutPTNIF:    `nif|contribuinte|número de contribuinte|número fiscal|nipc|identificação fiscal`,
	aboutDK:       `cpr|cpr nummer|cpr nr|personnummer`,
	aboutSE:       `personnummer|personnr|samordningsnummer|person nr`,
	aboutNO:       `fødselsnummer|fodselsnummer|personnummer|fnr|d nummer`,
	aboutEE:       `isikukood|personal code|personal identification code|isikukoodi`,
	aboutLT:       `asmens kodas|asmens kodą|asmens kodo|lithuanian personal code`,
	aboutLV:       `personas kods|personas kodu|personal code`,
	aboutPESEL:    `pesel|numer pesel`,
	aboutNIP:      `nip|numer nip`,
	aboutCZ:       `rodné číslo|rodne cislo|rodného čísla|birth number|rč`,
	aboutHUTax:    `adóazonosító|adóazonosító jel|adószám|tax id`,
	aboutHUTAJ:    `taj|taj szám|tajszám|társadalombiztosítási`,
	aboutCNP:      `cnp|cod numeric personal`,
	aboutEGN:      `егн|egn|единен граждански номер`,
	aboutOIB:      `oib|osobni identifikacijski broj`,
	aboutEMSO:     `emšo|emso|jmbg`,
	aboutAMKA:     `αμκα|amka`,
	aboutAFM:      `αφμ|afm|α φ μ`,
	aboutPIVA:     `partita iva|p iva|piva|vat|codice fiscale`,
	aboutLU:       `matricule|numéro d'identification|matricule nationale`,
	aboutSIN:      `sin|social insurance|social insurance number|nas|numéro d'assurance sociale|assurance sociale`,
	aboutTFN:      `tfn|tax file|tax file number`,
	aboutABN:      `abn|australian business number|acn`,
	aboutMedicare: `medicare|medicare number|medicare no|medicare card`,
	aboutAadhaar:  `aadhaar|aadhar|adhaar|uidai|uid|आधार`,
	aboutPAN:      `pan|pan number|pan card|permanent account number`,
	aboutCPF:      `cpf|cnpj|cadastro`,
	aboutZA:       `id number|south african id|sa id|identity number`,
	aboutTR:       `tc kimlik|tckn|kimlik|kimlik no|tc no|t c kimlik`,
	aboutEmail:    `mail|email|e mail|mails|emails|mailadresse|e mail adresse|emailadresse|courriel|correo|correo electrónico|posta|write to|schreib|schreiben|contact|kontakt|reach me|address|adresse|電子メール|メール|邮箱|почта`,
	aboutAddress: `address|addresses|billing address|shipping address|home address|mailing address|lives at|live at|living at|lives in|resides at|residing at|residence|
		located at|office is at|offices are at|sent to|send to|ship to|shipped to|deliver to|delivered to|delivery to|meet at|meet you at|meet me at|arrived at|return to|corner of|
		side of|station is on|drops you off at|stop at|enter on|adresse|anschrift|lieferadresse|rechnungsadresse|postanschrift|wohnhaft|wohnhaft in|wohne|wohnt|wohnen|wohnort|
		straße|liefern an|schicken an|indirizzo|residente|abito|dirección|direccion|domicilio|vivo en|endereço|morada|morador|moro|adres|adresem|zamieszkały|zamieszkała|woonachtig|woon|
		adress|bor på|bosatt|osoite|asun|adresa|bydliště|bydlisko|cím|lakcím|lakcímem|адрес|адреса|проживаю|διεύθυνση|地址|住所|주소|j'habite|habite|domicilié|demeurant`,
	aboutBox: `po box|p o box|pobox|post office box|box|postbox|postfach|boîte postale|bp|apartado|apartado de correos|casella postale|postbus|postboks|postboks|
		skrytka pocztowa|poštovní přihrádka|pf|caixa postal|а я`,
	aboutVAT: `vat|vat number|vat no|vat id|vat reg no|ust id|ust idnr|ustid|ustidnr|ust id nr|umsatzsteuer|umsatzsteuer id|uid|uid nummer|mwst|mwst nr|tva|n tva|
		numéro de tva|iva|partita iva|p iva|btw|btw nummer|nif|nif iva|cif|dph|dič|ddv|áfa|adószám|közösségi adószám|pvm|pvm kodas|pvn|kmkr|moms|momsnr|
		momsreg|vat registreringsnummer|alv|y tunnus|αφμ|φπα|ддс|cui|cod fiscal|oib|pdv|nip|nip ue|tin|tax id|tax number`,
	aboutDETaxNumber: `steuernummer|steuer nr|st nr|stnr|steuernr`,
	aboutEIN:         `ein number|ein no|employer identification|employer identification number|employer id|fein|federal tax id|federal tax`,
	aboutATTax:       `abgabenkontonummer|steuernummer|steuer nr|st nr|finanzamt`,
	aboutFRTax:       `numéro fiscal|numéro fiscal de référence|n fiscal|spi|numéro spi|identifiant fiscal|nif`,
	aboutSITax:       `davčna|davčna številka|davčno številko|davcna stevilka`,
	aboutSK:          `občiansky preukaz|slovenské rodné číslo|slovak birth number|rodné číslo sr|slovenská republika|slovensko|bratislava|košice`,
	aboutLNC:         `лнч|lnch|lnc|личен номер на чужденец`,
	aboutVoter:       `voter id|voter|epic|epic number|election card|electoral`,
	aboutGST:         `gst|gstin|gst number|gst no|gst registration`,
	aboutCC:          `cartão de cidadão|cartao de cidadao|cartão do cidadão|número de documento|documento de identificação|bilhete de identidade`,
	aboutVerify:      `to verify|to log in|to login|to sign in|to complete|to confirm|to continue|to reset|to access`,
	aboutIL:          `teudat zehut|תעודת זהות|ת ז|israeli id|id number|תז`,
}
