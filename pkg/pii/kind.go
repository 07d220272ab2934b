package pii

import "slices"

// The kinds, the most specific first: of two finds of one stretch the earlier
// kind wins.
const (
	PrivateKey       Kind = "private_key"
	APIKey           Kind = "api_key"
	CryptoWallet     Kind = "crypto_wallet"
	IBAN             Kind = "iban"
	PaymentCard      Kind = "payment_card"
	CardSecurityCode Kind = "card_security_code"
	Email            Kind = "email"
	IP               Kind = "ip"
	USSSN            Kind = "us_ssn"
	USITIN           Kind = "us_itin"
	USEIN            Kind = "us_ein"
	USBankRouting    Kind = "us_bank_routing"
	UKNINO           Kind = "uk_nino"
	UKNHS            Kind = "uk_nhs"
	UKUTR            Kind = "uk_utr"
	DETaxID          Kind = "de_tax_id"
	DESocial         Kind = "de_social_security"
	DEHealth         Kind = "de_health_insurance"
	DETaxNumber      Kind = "de_tax_number"
	DEIDCard         Kind = "de_id_card"
	ATSocial         Kind = "at_social_security"
	ATTax            Kind = "at_tax_number"
	CHAHV            Kind = "ch_ahv"
	FRNIR            Kind = "fr_nir"
	FRTax            Kind = "fr_tax_number"
	ESNIF            Kind = "es_nif"
	ESCIF            Kind = "es_cif"
	ESNIE            Kind = "es_nie"
	ITFiscalCode     Kind = "it_fiscal_code"
	ITVAT            Kind = "it_vat"
	PTNIF            Kind = "pt_nif"
	PTCitizenCard    Kind = "pt_citizen_card"
	NLBSN            Kind = "nl_bsn"
	BENRN            Kind = "be_national_number"
	LUID             Kind = "lu_national_id"
	IEPPS            Kind = "ie_pps"
	DKCPR            Kind = "dk_cpr"
	SEPersonal       Kind = "se_personnummer"
	NOFNR            Kind = "no_fodselsnummer"
	FIHETU           Kind = "fi_hetu"
	EEID             Kind = "ee_isikukood"
	LTID             Kind = "lt_asmens_kodas"
	LVID             Kind = "lv_personas_kods"
	PLPESEL          Kind = "pl_pesel"
	PLNIP            Kind = "pl_nip"
	CZID             Kind = "cz_rodne_cislo"
	SKID             Kind = "sk_rodne_cislo"
	HUTax            Kind = "hu_tax_id"
	HUTAJ            Kind = "hu_taj"
	ROCNP            Kind = "ro_cnp"
	BGEGN            Kind = "bg_egn"
	BGLNC            Kind = "bg_foreigner_number"
	HROIB            Kind = "hr_oib"
	SIEMSO           Kind = "si_emso"
	SITax            Kind = "si_tax_number"
	GRAMKA           Kind = "gr_amka"
	GRAFM            Kind = "gr_afm"
	CYTIN            Kind = "cy_tin"
	MTID             Kind = "mt_id_card"
	CASIN            Kind = "ca_sin"
	AUTFN            Kind = "au_tfn"
	AUABN            Kind = "au_abn"
	AUMedicare       Kind = "au_medicare"
	INAadhaar        Kind = "in_aadhaar"
	INPAN            Kind = "in_pan"
	INGSTIN          Kind = "in_gstin"
	INVoter          Kind = "in_voter_id"
	BRCPF            Kind = "br_cpf"
	BRCNPJ           Kind = "br_cnpj"
	MXCURP           Kind = "mx_curp"
	ZAID             Kind = "za_id"
	TRID             Kind = "tr_tckn"
	KRRRN            Kind = "kr_rrn"
	CNID             Kind = "cn_resident_id"
	SGNRIC           Kind = "sg_nric"
	ILID             Kind = "il_id"
	VATNumber        Kind = "vat_number"
	USPassport       Kind = "us_passport"
	Passport         Kind = "passport"
	DriverLicense    Kind = "driver_license"
	HealthInsurance  Kind = "health_insurance"
	BIC              Kind = "bic"
	DateOfBirth      Kind = "date_of_birth"
	OneTimeCode      Kind = "one_time_code"
	PIN              Kind = "pin"
	Password         Kind = "password"
	BankAccount      Kind = "bank_account"
	Phone            Kind = "phone"
	PostalAddress    Kind = "postal_address"
)

// Kinds are all kinds that Find can give, the most specific first.
var Kinds = []Kind{PrivateKey, APIKey, CryptoWallet, IBAN, PaymentCard, CardSecurityCode, Email, IP,
	USSSN, USITIN, USEIN, USBankRouting, UKNINO, UKNHS, UKUTR, DETaxID, DESocial, DEHealth, DETaxNumber, DEIDCard, ATSocial, ATTax, CHAHV,
	FRNIR, FRTax, ESNIF, ESCIF, ESNIE, ITFiscalCode, ITVAT, PTNIF, PTCitizenCard, NLBSN, BENRN, LUID, IEPPS, DKCPR, SEPersonal, NOFNR, FIHETU,
	EEID, LTID, LVID, PLPESEL, PLNIP, SKID, CZID, HUTax, HUTAJ, ROCNP, BGEGN, BGLNC, HROIB, SIEMSO, SITax, GRAMKA, GRAFM, CYTIN, MTID,
	CASIN, AUTFN, AUABN, AUMedicare, INAadhaar, INPAN, INGSTIN, INVoter, BRCPF, BRCNPJ, MXCURP, ZAID, TRID, KRRRN, CNID, SGNRIC, ILID,
	VATNumber,
	USPassport, Passport, DriverLicense, HealthInsurance, BIC, DateOfBirth, OneTimeCode, PIN, Password, BankAccount, Phone, PostalAddress}

var ranks = func() map[Kind]int {
	ranks := map[Kind]int{}
	for i, kind := range Kinds {
		ranks[kind] = i
	}
	return ranks
}()

func rank(kind Kind) int { return ranks[kind] }

// Known says whether Find can give the kind.
func Known(kind Kind) bool { return slices.Contains(Kinds, kind) }
