package mailauth

import (
	"github.com/postern-mail/postern/pkg/mailauth/arc"
	"github.com/postern-mail/postern/pkg/mailauth/dkim"
	"github.com/postern-mail/postern/pkg/mailauth/dmarc"
	"github.com/postern-mail/postern/pkg/mailauth/spf"
	"github.com/postern-mail/postern/pkg/signature"
)

// Reason codes of the judgement itself. Those of one check are declared in its
// package.
const (
	DMARCPass            = "dmarc_pass"
	DKIMAligned          = "dkim_aligned"
	SPFAligned           = "spf_aligned"
	KnownCustomer        = "known_customer"
	NothingAligned       = "nothing_aligned"
	PolicyReject         = "policy_reject"
	PolicyQuarantine     = "policy_quarantine"
	PolicyNone           = "policy_none"
	PolicyTesting        = "policy_testing"
	NoPolicy             = "no_policy"
	AlignedWithoutPolicy = "aligned_without_policy"
	SPFNotEvaluated      = "spf_not_evaluated"
	SPFFail              = "spf_fail"
	SPFSoftFail          = "spf_softfail"
	TooManySignatures    = "too_many_signatures"
	LookupBudgetSpent    = "lookup_budget_spent"
	DirectoryUnavailable = "directory_unavailable"
	EvidenceNotKept      = "evidence_not_kept"
	ForgedResults        = "forged_authentication_results"
	ARCVouched           = "arc_vouched"
	ARCAuthorUnsigned    = "arc_author_unsigned"
	AuthorSignatureGood  = "author_signature_good"
	AuthorSignatureBad   = "author_signature_bad"
	SignatureOnPart      = "signature_on_part"
	HeaderUnsigned       = "author_signature_leaves_header"
	KeyOffered           = "autocrypt_key"

	FromMissing          = "from_missing"
	FromRepeated         = "from_repeated"
	FromSeveral          = "from_several_authors"
	FromGroup            = "from_group"
	FromEmpty            = "from_empty"
	FromMalformed        = "from_malformed"
	FromNUL              = "from_nul"
	FromControl          = "from_control_character"
	FromBareLineBreak    = "from_bare_line_break"
	FromSmuggled         = "from_smuggled"
	FromFieldName        = "from_field_name"
	FromEncoding         = "from_encoding"
	FromEncodedWord      = "from_encoded_address"
	FromCommentInAddress = "from_comment_in_address"
	FromCommentAddress   = "from_comment_hides_address"
	FromRoute            = "from_route_address"
	FromTwoAddresses     = "from_two_addresses"
	FromQuotedLocal      = "from_quoted_local_part"
	FromDomainMalformed  = "from_domain_malformed"
	FromDomainLiteral    = "from_domain_literal"
	FromReadersDisagree  = "from_readers_disagree"

	NameLooksLikeAddress = "display_name_is_other_address"
	NameBidi             = "display_name_turns_text"
	NameInvisible        = "display_name_invisible_characters"
	DomainMixedScripts   = "domain_mixes_scripts"
	AddressMixedScripts  = "address_mixes_scripts"
	DomainLooksLike      = "domain_looks_like_recipient"
	ReplyToElsewhere     = "reply_to_elsewhere"
	ReplyToUnsigned      = "reply_to_unsigned"
	NameIsOurs           = "display_name_is_ours"
	NameOfCustomer       = "display_name_of_customer"
	DomainLooksLikeOurs  = "domain_looks_like_ours"
	DomainNearOurs       = "domain_one_letter_from_ours"
	DomainUsesOurs       = "domain_uses_our_name"
	DomainLooksLikeKnown = "domain_looks_like_known"
	DomainNearKnown      = "domain_one_letter_from_known"
	ClaimsToBeOurs       = "claims_our_domain"
)

// A Reason explains a code: to the people who answer customers, and to those who
// run the mail.
type Reason struct{ Agent, Engineer string }

// Reasons explains every code that a judgement can give.
var Reasons = map[string]Reason{
	DMARCPass:            {"The sender's domain confirms this mail.", "DMARC passed: an identifier that DKIM or SPF authenticated is aligned with From (RFC 9989)."},
	DKIMAligned:          {"The sender's domain signed this mail.", "A DKIM signature that passed is aligned with the From domain."},
	SPFAligned:           {"The mail came from a server of the sender's domain.", "SPF passed for an envelope domain that is aligned with the From domain."},
	KnownCustomer:        {"The address belongs to a customer that we know.", "The address is in the customer directory as confirmed."},
	NothingAligned:       {"Nothing shows that the mail comes from this sender.", "Neither DKIM nor SPF gave a passed identifier that is aligned with From."},
	PolicyReject:         {"The sender's domain asks everybody to refuse such mail.", "The DMARC policy that applies is reject."},
	PolicyQuarantine:     {"The sender's domain asks everybody to be suspicious of such mail.", "The DMARC policy that applies is quarantine."},
	PolicyNone:           {"The sender's domain does not say what to do with such mail.", "The DMARC policy that applies is none."},
	PolicyTesting:        {"The sender's domain is still trying out its rules.", "The DMARC record has t=y, so the policy counts one step milder (RFC 9989 §4.7)."},
	NoPolicy:             {"The sender's domain does not protect its name.", "No DMARC record applies to the From domain."},
	AlignedWithoutPolicy: {"The sender's domain seems to have sent this, but does not protect its name.", "DKIM or SPF passed and is aligned, but without a DMARC record this authenticates nobody."},
	SPFNotEvaluated:      {"We do not know which server delivered this mail.", "Client address or envelope sender are not known from our own mail server (trust boundary), so SPF of the envelope sender was not evaluated."},
	SPFFail:              {"The mail came from a server that its envelope domain rules out.", "SPF: fail. The envelope domain does not allow the client address."},
	SPFSoftFail:          {"The mail came from a server that its envelope domain does not expect.", "SPF: softfail. The client address is probably not allowed."},
	TooManySignatures:    {"The mail carries unusually many signatures; not all were checked.", "More DKIM-Signature fields than the limit; only the topmost were verified."},
	LookupBudgetSpent:    {"Checking this mail took too many questions; some were left out.", "The message's budget of DNS look-ups was spent; what was not asked counts as a temporary failure."},
	EvidenceNotKept:      {"So much was found out about the sender that it could not be kept to prove this.", "The answers of the DNS and the keys of this judgement are over the bound of what is kept; it cannot be repeated."},
	DirectoryUnavailable: {"We could not look up whether this is a known customer.", "The customer directory gave an error."},
	ForgedResults:        {"The mail claims check results in our own name.", "An Authentication-Results field with one of our authserv-ids stands below the trust boundary, where anybody could have written it (RFC 8601 §5)."},
	ARCVouched:           {"A forwarder that we trust saw the sender confirmed.", "DMARC failed here, but an ARC chain of trusted sealers holds and records dmarc=pass for the From domain."},
	ARCAuthorUnsigned:    {"The forwarder's seal leaves out the sender.", "The newest ARC-Message-Signature does not cover every From field, so the chain says nothing about the author."},
	AuthorSignatureGood:  {"The sender signed this mail with their own key.", "An OpenPGP or S/MIME signature of the From address covers the whole body and is good."},
	AuthorSignatureBad:   {"The mail was changed after the sender signed it.", "An OpenPGP or S/MIME signature of the From address over the whole body does not verify."},
	KeyOffered:           {"The mail brings a key, so that an answer could be encrypted. It does not show who wrote.", "One valid Autocrypt field names the author's address. Its key is recorded with the evidence and trusted for nothing."},
	HeaderUnsigned:       {"The sender's own signature covers the text, not the subject or the date: an old mail of theirs could have been sent again.", "An OpenPGP or S/MIME signature over the body is all that shows who wrote; it covers no header field, and DMARC did not pass."},
	SignatureOnPart:      {"Only part of this mail is signed.", "A signature covers one part among others; the rest could be anybody's."},

	signature.StructureBroken:     {"A signature does not belong to a clear part of the mail.", "multipart/signed does not have exactly two parts of the right types, or a detached CMS signature brings content of its own."},
	signature.StructureAmbiguous:  {"A signature does not belong to a clear part of the mail.", "The structure of the signed part is ambiguous, so readers differ in what was signed."},
	signature.SignatureUnreadable: {"A signature of the mail cannot be read.", "OpenPGP packets or the CMS structure are malformed, or of no use for a document."},
	signature.ContentChanged:      {"The signed text was changed.", "The signature or message digest does not match the signed bytes."},
	signature.ValueWrong:          {"The signature does not fit the mail.", "The signature value does not verify under the signer's key."},
	signature.KeyMissing:          {"We do not have the key to check a signature.", "No configured key or certificate matches the signer."},
	signature.HashWeak:            {"A signature is of a kind that can be forged.", "The digest is MD5, SHA-1 or the algorithm DSA."},
	signature.KeyTooLarge:         {"The key that signed this mail is too large to be tried.", "The RSA key has more than 8192 bits, or the DSA key more than 4096, which would cost seconds to check."},
	signature.KeyWeak:             {"The key of a signature is too short to prove anything.", "An RSA key of fewer than 2048 bits, or a deprecated kind of key."},
	signature.AlgorithmUnknown:    {"A signature of the mail is of an unknown kind.", "The digest or signature algorithm is not supported."},
	signature.KeyRevoked:          {"The key of a signature was withdrawn.", "The signer's key or certificate was revoked at the time of receipt."},
	signature.KeyExpired:          {"The key of a signature was not valid when the mail arrived.", "The signer's key or certificate had expired, or was not valid yet, at the time of receipt."},
	signature.SignatureExpired:    {"A signature had expired when the mail arrived.", "The OpenPGP signature's own lifetime had ended."},
	signature.SignatureFromFuture: {"A signature claims to be made after the mail arrived.", "The OpenPGP signature's creation time is after the time of receipt."},
	signature.KeyNotForSigning:    {"The key of a signature is not meant for signing.", "Key flags or keyUsage do not allow signing."},
	signature.ChainUntrusted:      {"Nobody we trust vouches for the signer.", "The certificate leads to no configured root."},
	signature.PurposeNotMail:      {"The signer's certificate is not meant for mail.", "extendedKeyUsage lacks emailProtection (RFC 8550 §4.4.4)."},
	signature.SignerNotAuthor:     {"The mail is signed by somebody else than its sender.", "No address of the key or certificate is the From address."},

	arc.TooManySets:         {"The mail was sealed by too many forwarders.", "An ARC instance is above 50 (RFC 8617 §4.2.1)."},
	arc.SetMalformed:        {"A forwarder's seal cannot be read.", "An ARC field has no valid instance, or stands twice in its set."},
	arc.SetIncomplete:       {"A forwarder's seal is incomplete.", "An ARC set lacks one of its three fields, or an instance is missing."},
	arc.ChainFailedBefore:   {"A forwarder found the seals before it broken.", "The newest ARC-Seal has cv=fail."},
	arc.SealMismatch:        {"A forwarder's seal is broken.", "An ARC-Seal does not verify."},
	arc.SealMalformed:       {"A forwarder's seal cannot be read.", "An ARC-Seal is malformed, or its cv= is not none for the first and pass for the others."},
	arc.MessageMismatch:     {"The mail was changed after it was sealed.", "The newest ARC-Message-Signature does not verify."},
	arc.MessageMalformed:    {"A forwarder's seal cannot be read.", "An ARC-Message-Signature is malformed or covers a seal."},
	arc.KeyUnavailable:      {"The key to a forwarder's seal could not be fetched just now.", "The look-up of a sealer's key failed temporarily."},
	arc.KeyUnusable:         {"The key to a forwarder's seal does not exist or is unusable.", "A sealer's key is missing, revoked, too short or of another type."},
	arc.MessageBodyMismatch: {"The text was changed after it was sealed.", "The body hash of the newest ARC-Message-Signature does not match."},

	FromMissing:          {"The mail does not say who wrote it.", "There is no From field."},
	FromRepeated:         {"The mail names its author more than once.", "There is more than one From field (RFC 5322 §3.6 allows one), one of them perhaps beyond what we take for the header; readers differ in which they show."},
	FromSeveral:          {"The mail names several authors.", "From holds more than one mailbox; no one domain vouches for all."},
	FromGroup:            {"The mail names a group as its author.", "From holds group syntax (RFC 6854)."},
	FromEmpty:            {"The mail leaves its author empty.", "From holds no complete address."},
	FromMalformed:        {"The author's address is written so that programs read it differently.", "From does not follow RFC 5322 §3.4."},
	FromNUL:              {"The author's address contains a hidden character.", "From contains NUL, at which some readers stop."},
	FromControl:          {"The author's address contains hidden characters.", "From contains control characters, plain or in an encoded word, or its address has characters without width."},
	FromBareLineBreak:    {"The author's address contains a hidden line break.", "From contains a CR or LF that is no line end."},
	FromSmuggled:         {"A second author is hidden in the mail.", "From: stands after a line end that only some readers know, at a first line that is folded, or beside characters that are not seen: a field to some readers and not to others."},
	FromFieldName:        {"The field that names the author is written so that programs read it differently.", "White space stands between From and its colon (obsolete, RFC 5322 §4.5); some readers do not see the field."},
	FromEncoding:         {"The author's address is not readable text.", "The From address is not valid UTF-8 (RFC 6532)."},
	FromEncodedWord:      {"The author's address is disguised.", "An encoded word stands inside the address (forbidden by RFC 2047 §5); readers that decode it see another address."},
	FromCommentInAddress: {"The author's address has text hidden in it.", "White space or a comment stands inside the address (obsolete, RFC 5322 §4.4)."},
	FromCommentAddress:   {"A second address is hidden beside the author's.", "A comment in From spells an address; readers differ in whether they show it."},
	FromRoute:            {"The author's address has an outdated form that programs read differently.", "From holds a source route (RFC 5322 §4.4)."},
	FromTwoAddresses:     {"The author's name is itself another address.", "An unquoted address stands before the one in angle brackets and differs from it; some readers take the first."},
	FromQuotedLocal:      {"The author's address is disguised.", "The quoted local part contains characters that end an address for some readers."},
	FromDomainMalformed:  {"The author's domain is not a valid name.", "The From domain cannot be converted to A-labels, or has characters no host name has."},
	FromDomainLiteral:    {"The author's address names a machine, not a domain.", "The From domain is an address literal; DMARC does not apply."},
	FromReadersDisagree:  {"The author's address is written so that programs read it differently.", "The strict reading of From and the one shown to people differ, or the local part has letters that are forms of other letters (UAX #15)."},

	NameLooksLikeAddress: {"The sender's name looks like a different address.", "The display name contains an address other than the one in From."},
	NameBidi:             {"The sender's name contains characters that turn text around.", "The display name contains bidirectional controls."},
	ReplyToElsewhere:     {"Answers would go to another domain than the sender's.", "Reply-To holds an address whose domain is neither the From domain nor above or below it."},
	DomainMixedScripts:   {"The sender's domain mixes letters of several alphabets that look alike.", "A label of the From domain mixes Latin with Cyrillic, Greek, Armenian or Cherokee (UTS #39 §5.1)."},
	AddressMixedScripts:  {"The sender's address mixes letters of several alphabets that look alike.", "The local part of From mixes Latin with Cyrillic, Greek, Armenian or Cherokee (UTS #39 §5.1)."},
	DomainLooksLike:      {"The sender's domain reads like one that this mail was sent to, and is another.", "The From domain is not the domain of a recipient in To or Cc, nor above or below it, but looks like it (after UTS #39 §4) or is one letter away."},
	ReplyToUnsigned:      {"The reply address could have been added by anybody.", "Reply-To leads to another domain, no signature of the author's domain covers it, and SPF does not show that the mail came from there directly."},
	NameInvisible:        {"The sender's name contains invisible characters.", "The display name contains format characters without width."},
	NameIsOurs:           {"The sender bears our name and does not write from our domain.", "The display name has the same look (UTS #39 §4) as a configured name of ours; the From domain is none of ours."},
	NameOfCustomer:       {"The sender bears the name of a customer, and this is not an address that we know of theirs.", "The display name has the same look (UTS #39 §4) as a name in the customer directory, and the address is not there."},
	DomainLooksLikeOurs:  {"The sender's domain looks like ours and is another.", "The From domain has the skeleton (UTS #39 §4) of a domain of ours."},
	DomainNearOurs:       {"The sender's domain is one letter away from ours.", "A domain of ours differs from the From domain by one letter more, less, another or moved."},
	DomainUsesOurs:       {"The sender's domain uses our name and is not ours.", "The From domain holds the first label of a domain of ours: under another ending, as a word of a label, or with our whole domain in front."},
	DomainLooksLikeKnown: {"The sender's domain looks like one that a customer writes from, and is another.", "The From domain has the skeleton (UTS #39 §4) of a domain in the customer directory."},
	DomainNearKnown:      {"The sender's domain is one letter away from one that a customer writes from.", "A domain in the customer directory differs from the From domain by one letter more, less, another or moved."},
	ClaimsToBeOurs:       {"The mail claims to come from ourselves, and nothing confirms it.", "The From domain is ours, and the mail is not authenticated."},

	dkim.SignatureMalformed:      {"A signature of the mail cannot be read.", "The DKIM-Signature field does not follow RFC 6376 §3.5."},
	dkim.VersionUnknown:          {"A signature of the mail is of an unknown kind.", "v= of the DKIM-Signature is not 1."},
	dkim.AlgorithmUnknown:        {"A signature of the mail is of an unknown kind.", "a= names no algorithm of RFC 8301 or RFC 8463."},
	dkim.AlgorithmWeak:           {"A signature of the mail is of a kind that can be forged.", "a=rsa-sha1 must not be accepted (RFC 8301 §3.1)."},
	dkim.CanonicalizationUnknown: {"A signature of the mail is of an unknown kind.", "c= names no canonicalization of RFC 6376 §3.4."},
	dkim.QueryUnknown:            {"A signature of the mail names no usable way to its key.", "q= does not list dns/txt."},
	dkim.FromUnsigned:            {"A signature of the mail leaves out the sender.", "h= does not include From (RFC 6376 §5.4)."},
	dkim.AUIDOutsideDomain:       {"A signature of the mail names a signer of another domain.", "The domain of i= is neither d= nor below it."},
	dkim.KeyUnavailable:          {"The key to a signature could not be fetched just now.", "The look-up of the key record failed temporarily."},
	dkim.KeyNotFound:             {"The key to a signature does not exist.", "There is no key record under the selector."},
	dkim.KeyMalformed:            {"The key to a signature cannot be read.", "The key record does not follow RFC 6376 §3.6.1."},
	dkim.KeyRevoked:              {"The key to a signature was withdrawn.", "The key record has an empty p=."},
	dkim.KeyTypeMismatch:         {"The key does not fit the signature.", "The key type is not that of a=."},
	dkim.KeyHashRefused:          {"The key is not meant for such signatures.", "h= of the key record does not allow the hash of a=."},
	dkim.KeyServiceRefused:       {"The key is not meant for mail.", "s= of the key record allows neither email nor *."},
	dkim.KeySubdomainRefused:     {"The key is not meant for this part of the domain.", "The key record has t=s and the domain of i= is not exactly d=."},
	dkim.KeyTooLong:              {"The key to a signature is too long to be tried.", "The RSA key has more than 8192 bits, which would cost seconds to check."},
	dkim.KeyTooShort:             {"The key to a signature is too short to prove anything.", "The RSA key has fewer than 1024 bits (RFC 8301 §3.2)."},
	dkim.KeyTesting:              {"The sender's domain is only trying out its signature.", "The key record has t=y: the message counts as unsigned (RFC 6376 §3.6.1)."},
	dkim.BodyHashMismatch:        {"The text was changed after it was signed.", "The body hash is not bh=."},
	dkim.BodyShorterThanSigned:   {"Part of the signed text is missing.", "The body is shorter than l=."},
	dkim.BodyTailUnsigned:        {"Text was or could have been added after signing.", "l= leaves the end of the body unsigned (RFC 6376 §8.2)."},
	dkim.SignatureMismatch:       {"The signature does not fit the mail.", "The signature does not verify over the header fields in h=."},
	dkim.SignatureExpired:        {"The signature had expired when the mail arrived.", "The time of receipt is after x=."},
	dkim.SignatureFromFuture:     {"The signature claims to be made after the mail arrived.", "t= is later than the time of receipt."},
	dkim.SubjectUnsigned:         {"The subject is not covered by the signature.", "Subject is present and not in h=."},
	dkim.FromAdded:               {"A sender was added after signing.", "There are more From fields than h= covers (RFC 6376 §8.15)."},
	dkim.SubjectAdded:            {"A subject was added after signing.", "There are more Subject fields than h= covers."},
	dkim.DateAdded:               {"A date was added after signing.", "There are more Date fields than h= covers."},
	dkim.ToAdded:                 {"A recipient line was added after signing.", "There are more To fields than h= covers."},
	dkim.ContentTypeAdded:        {"What kind of text this is was changed after signing.", "There are more Content-Type or Content-Transfer-Encoding fields than h= covers, so that the signed body can be read otherwise than it was meant."},
	dkim.ReplyToAdded:            {"A reply address was added after signing.", "There are more Reply-To fields than h= covers."},

	spf.LookupFailed:     {"The sender's server list could not be fetched just now.", "A DNS look-up of SPF failed temporarily."},
	spf.RecordMalformed:  {"The sender's server list is faulty.", "The SPF record has a syntax error (RFC 7208 §4.6)."},
	spf.RecordMultiple:   {"The sender's server list is faulty.", "There is more than one SPF record (RFC 7208 §4.5)."},
	spf.TooManyLookups:   {"The sender's server list is too long to check.", "SPF evaluation needs more than ten terms that ask the DNS (RFC 7208 §4.6.4)."},
	spf.TooManyVoid:      {"The sender's server list is faulty.", "More than two SPF look-ups found nothing (RFC 7208 §4.6.4)."},
	spf.TooManyExchanges: {"The sender's server list is too long to check.", "An mx term leads to more than ten hosts (RFC 7208 §4.6.4)."},
	spf.IncludeMissing:   {"The sender's server list is faulty.", "An included domain has no SPF record (RFC 7208 §5.2)."},
	spf.RedirectMissing:  {"The sender's server list is faulty.", "The domain of redirect= has no SPF record (RFC 7208 §6.1)."},

	dmarc.RecordUnavailable:     {"The rules of the sender's domain could not be fetched just now.", "The look-up of the DMARC record failed temporarily."},
	dmarc.IdentifierUnavailable: {"The sender could not be checked just now.", "An identifier that would be aligned could not be checked for a temporary failure."},
	dmarc.ExistenceUnavailable:  {"The rules of the sender's domain could not be fetched just now.", "Whether the From domain exists decides between sp= and np= (RFC 9989 §4.10.1), and its look-up failed temporarily."},
	dmarc.DomainMalformed:       {"The sender's domain is not a valid name.", "The From domain cannot be asked for a DMARC record."},
}
