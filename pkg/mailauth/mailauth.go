// Package mailauth says who sent a message and how that is known: SPF (RFC 7208),
// DKIM (RFC 6376), DMARC (RFC 9989), ARC (RFC 8617) and what our own mail server
// recorded (RFC 8601), judged together. Every verdict comes with reasons and with
// the evidence that it rests on, so that it can be repeated without the DNS.
//
// It does no I/O except through the Resolver, believes no header below the trust
// boundary, and never guesses: what is not known is said to be unknown.
package mailauth

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/postern-mail/postern/pkg/mail"
	"github.com/postern-mail/postern/pkg/mailauth/alike"
	"github.com/postern-mail/postern/pkg/mailauth/dkim"
	"github.com/postern-mail/postern/pkg/mailauth/dmarc"
	"github.com/postern-mail/postern/pkg/mailauth/dns"
	"github.com/postern-mail/postern/pkg/mailauth/spf"
	"github.com/postern-mail/postern/pkg/signature"
)

// A Resolver answers DNS questions; package dns states what it must do.
type Resolver = dns.Resolver

// Customers tell who is known. They must have the form of an address only where whoever
// keeps the directory says that it is the customer's.
type Customers = alike.Circle

// Ours is who we are: what others may not seem to be.
type Ours struct {
	Domains []string // and all below them
	Names   []string // of the company, its brands and its people
}

// A Verdict is what we believe about the author of a message.
type Verdict string

const (
	Verified      Verdict = "verified"      // authenticated or signed, and a known customer
	Authenticated Verdict = "authenticated" // an aligned identifier passed
	Unverified    Verdict = "unverified"    // no policy, or no answer in time; never shown as safe
	Forged        Verdict = "forged"        // the domain disowns it, or a signature is bad
	Ambiguous     Verdict = "ambiguous"     // two honest readers could see different authors
)

// Verdicts are all of them.
var Verdicts = []Verdict{Verified, Authenticated, Unverified, Forged, Ambiguous}

// Options of Judge. The zero value of each is usable and trusts nobody.
type Options struct {
	Resolver Resolver  // nil: every look-up fails temporarily
	At       time.Time // when the message was received; zero: now

	TrustMX       []string // host names of our own mail servers, as they stand after "by"
	TrustFilter   bool     // only a content filter hands mail to them over loopback
	TrustAuthserv []string // authserv-ids whose results we believe
	TrustSealers  []string // domains whose ARC seals we believe

	// The SMTP session where it is known from elsewhere. They go before what the
	// message says. MailFrom is "<>" for the null sender, "" where unknown.
	ClientIP netip.Addr
	Helo     string
	MailFrom string

	Keys      signature.Keys // of authors who sign themselves
	Customers Customers      // optional; without it a key of an author makes a customer known
	Ours      Ours           // optional
	KeyCache  *dkim.KeyCache // optional
	Limits    Limits         // zero fields take the defaults
}

// Limits of the work done for one message.
type Limits struct {
	Lookups        int // distinct DNS questions
	DKIMSignatures int // verified, the topmost
	SPF            spf.Limits
}

// DefaultLimits let every message pass that keeps to the standards' own limits.
var DefaultLimits = Limits{Lookups: 250, DKIMSignatures: dkim.DefaultMaxSignatures, SPF: spf.DefaultLimits}

// A Result is the judgement of one message. As JSON it is the "sender" object of
// postern inspect.
type Result struct {
	Verdict Verdict  `json:"verdict"`
	Address string   `json:"address"` // of the author, "" where there is not one
	Domain  string   `json:"domain"`  // of the author, in A-labels
	Reasons []string `json:"reasons"` // codes, see Reasons

	SPF        SPFResult          `json:"spf"`
	DKIM       []DKIMResult       `json:"dkim"`
	DMARC      DMARCResult        `json:"dmarc"`
	ARC        ARCResult          `json:"arc"`
	Signatures []signature.Result `json:"signatures"`

	Evidence Evidence `json:"-"`
}

// Unsettled reports whether asking the DNS again could confirm the author: nothing did, and
// some look-up failed temporarily.
func (r Result) Unsettled() bool {
	return r.Verdict == Unverified && slices.ContainsFunc(r.Evidence.Questions, func(q dns.Question) bool { return q.Temporary() })
}

// An SPFSource says where the client's address came from.
type SPFSource string

const (
	FromReceived SPFSource = "received" // a Received line of our own server
	FromAuthserv SPFSource = "authserv" // the result is our own server's
	FromFlag     SPFSource = "flag"     // given with the options
	FromNowhere  SPFSource = "none"     // not known
)

// An SPFResult is the answer of the envelope sender's domain.
type SPFResult struct {
	Result   spf.Outcome  `json:"result"`
	Domain   string       `json:"domain"`
	Identity spf.Identity `json:"identity"` // "" where nothing was checked
	ClientIP string       `json:"client_ip"`
	Source   SPFSource    `json:"source"`

	Reason      string `json:"-"`
	Term        string `json:"-"`
	Explanation string `json:"-"` // written by the domain
}

// A DKIMResult is what became of one signature.
type DKIMResult struct {
	Result    dkim.Outcome `json:"result"`
	Domain    string       `json:"domain"`
	Selector  string       `json:"selector"`
	AUID      string       `json:"auid"`
	Algorithm string       `json:"algorithm"`
	Reason    string       `json:"reason"`
}

// A DMARCResult is the decision for the author's domain.
type DMARCResult struct {
	Result       dmarc.Outcome     `json:"result"`
	Policy       dmarc.Policy      `json:"policy"`
	RecordDomain string            `json:"record_domain"`
	OrgDomain    string            `json:"org_domain"`
	Aligned      []dmarc.Mechanism `json:"aligned"`
}

// An ARCResult is the state of the chain of intermediaries.
type ARCResult struct {
	Result  string   `json:"result"`  // "none", "pass" or "fail"
	Sealers []string `json:"sealers"` // domains, the first to seal first
	Trusted bool     `json:"trusted"` // pass, and every sealer is one we trust
}

// Evidence is what a verdict rests on, beside the message. As JSON, and with the options' own
// part, it is a Dossier.
type Evidence struct {
	At        time.Time
	Questions []dns.Question // asked of the DNS, in order, with their answers
	Envelope  Envelope       // of the session, as far as it is known
	Boundary  string         // the Received line of our own server, "" for none
	Headers   []string       // fields that were read as evidence, as they stand
	Known     []alike.Form   // of what the customers had when they were asked
	Silent    []alike.Form   // of which they could not be asked
	Offered   *Offer         // the key that the message brings, nil for none
	Keys      signature.Used // that the answers on signatures rest on
}

// An Envelope is what is known of the SMTP session.
type Envelope struct {
	ClientIP netip.Addr
	Helo     string
	MailFrom string // "<>" for the null sender, "" where unknown
	Source   SPFSource
}

// Judge says who sent a message. It always answers; the context bounds the time
// that look-ups take, and what could not be asked counts as a temporary failure.
func Judge(ctx context.Context, msg *mail.Message, options Options) Result {
	options.Limits = options.Limits.withDefaults()
	if options.At.IsZero() {
		options.At = time.Now()
	}
	recorder := dns.NewRecorder(options.Resolver, options.Limits.Lookups, time.Now)
	text := dkim.NewText(msg.Header, msg.Root.RawBody)
	j := &judge{ctx: ctx, msg: msg, text: text, options: options, resolver: recorder}
	if options.Customers != nil {
		j.circle = &remembering{circle: options.Customers}
	}
	j.result = Result{
		Reasons:    []string{},
		DKIM:       []DKIMResult{},
		DMARC:      DMARCResult{Result: dmarc.None, Policy: dmarc.NoPolicy, Aligned: []dmarc.Mechanism{}},
		ARC:        ARCResult{Result: "none", Sealers: []string{}},
		Signatures: []signature.Result{},
	}
	j.run()
	if recorder.Spent() {
		j.reason(LookupBudgetSpent)
	}
	j.result.Evidence.At = options.At
	j.result.Evidence.Headers = evidenceOf(msg.Header)
	j.result.Evidence.Questions = recorder.Questions()
	if j.circle != nil {
		j.result.Evidence.Known, j.result.Evidence.Silent = j.circle.found, j.circle.silent
	}
	return j.result
}

func (l Limits) withDefaults() Limits {
	if l.Lookups <= 0 {
		l.Lookups = DefaultLimits.Lookups
	}
	if l.DKIMSignatures <= 0 {
		l.DKIMSignatures = DefaultLimits.DKIMSignatures
	}
	if l.SPF == (spf.Limits{}) {
		l.SPF = DefaultLimits.SPF
	}
	return l
}

// Limits of the header fields that are kept as evidence.
const (
	maxEvidenceFields = 200
	maxEvidenceField  = 8 << 10
)

// evidenceFields are the names of the fields that a judgement reads.
var evidenceFields = []string{
	"received", "dkim-signature", "from", "return-path", "sender", "reply-to", "received-spf", "authentication-results",
	"arc-seal", "arc-message-signature", "arc-authentication-results",
}

// evidenceOf gives the fields that a judgement reads, as they stand.
func evidenceOf(header mail.Header) []string {
	var kept []string
	for i := range header {
		if len(kept) == maxEvidenceFields {
			break
		}
		name := strings.TrimRight(header[i].Name, " \t")
		if slices.ContainsFunc(evidenceFields, func(known string) bool { return len(known) == len(name) && strings.EqualFold(known, name) }) {
			kept = append(kept, string(header[i].Raw[:min(len(header[i].Raw), maxEvidenceField)]))
		}
	}
	return kept
}
