// Package verify finds out who sent a mail and says so with evidence. What it
// knows is pkg/mailauth's; here is only the work: open, judge, seal, say.
package verify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/postern-mail/postern/pkg/config"
	"github.com/postern-mail/postern/pkg/fault"
	"github.com/postern-mail/postern/pkg/keys"
	"github.com/postern-mail/postern/pkg/mail"
	"github.com/postern-mail/postern/pkg/mailauth"
	"github.com/postern-mail/postern/pkg/mailauth/alike"
	"github.com/postern-mail/postern/pkg/mailauth/dkim"
	"github.com/postern-mail/postern/pkg/mailauth/dns"
	"github.com/postern-mail/postern/pkg/reading"
	"github.com/postern-mail/postern/pkg/signature"
	contentv1 "github.com/postern-mail/postern/proto/content/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	mailv1 "github.com/postern-mail/postern/proto/mail/v1"
)

// Config says whom to believe.
type Config struct {
	// Boundaries say, for each mailbox, which hosts are ours. A mailbox that is not named uses the entry named "*".
	Boundaries []Boundary `yaml:"boundaries"`
	// Ours is who we are: a sender that could be taken for us is said to be like us.
	Ours Ours `yaml:"ours"`
	// Keys is a folder of what authors sign their mails with, and who may vouch for them: OpenPGP keys in its folder openpgp, certificates of signers in certificates, the authorities that are trusted for S/MIME in roots, and revocation lists in revocations. A key there is trusted to belong to the addresses that it names. It is read again when a file changes.
	Keys string `yaml:"keys"`
	// DNS is how names are looked up.
	DNS DNSConfig `yaml:"dns"`
}

// A Boundary is where our own mail servers end and the world begins.
type Boundary struct {
	// Mailbox is the configured id of a mailbox, or "*".
	Mailbox string `yaml:"mailbox"`
	// TrustMX are host names of our mail servers as they stand after "by" in the Received lines that they write.
	TrustMX []string `yaml:"trust_mx"`
	// TrustFilter says that nothing but a content filter hands mail to these servers over loopback, so that the line below its is theirs too. Without it such mail has no known session.
	TrustFilter bool `yaml:"trust_filter"`
	// TrustAuthserv are the authserv-ids of our mail servers, whose Authentication-Results are believed.
	TrustAuthserv []string `yaml:"trust_authserv"`
	// TrustSealers are domains whose ARC seals are believed.
	TrustSealers []string `yaml:"trust_sealers"`
}

// Ours is who we are.
type Ours struct {
	// Domains are those that we write from, as they were registered, without what stands below them.
	Domains []string `yaml:"domains"`
	// Names are the company's, its brands' and its people's, as From shows them.
	Names []string `yaml:"names"`
}

// Check tells what is wrong with an entry.
func (o Ours) Check() error {
	var problems []error
	for _, domain := range o.Domains {
		if err := dns.CheckName(alike.OfDomain(domain).Value); err != nil || !strings.Contains(domain, ".") || strings.ContainsAny(domain, "@*/: ") {
			problems = append(problems, fmt.Errorf("verify.ours.domains: %q is no domain: write it like example.com", domain))
		}
	}
	for _, name := range o.Names {
		if len(alike.Names(name)) == 0 {
			problems = append(problems, fmt.Errorf("verify.ours.names: %q has fewer than three letters, which is anybody's name", name))
		}
	}
	return errors.Join(problems...)
}

// DNSConfig is how names are looked up.
type DNSConfig struct {
	// Server is the resolver to ask, host:port; "system" uses the machine's; "none" asks nobody, so that every look-up is a temporary failure.
	Server string `yaml:"server"`
	// Patience is how long a mail waits for name servers that do not answer, where their answers could confirm its sender. Then it goes on unconfirmed and says why. Counted from when the mail was taken in, or when the service started.
	Patience config.Duration `yaml:"patience"`
}

// DefaultConfig trusts nobody and asks the machine's resolver.
func DefaultConfig() Config {
	return Config{DNS: DNSConfig{Server: "system", Patience: config.Duration(15 * time.Minute)}}
}

// Judge is the one judgement of a sender, for the service and for inspect.
func Judge(ctx context.Context, message *mail.Message, options mailauth.Options) mailauth.Result {
	return mailauth.Judge(ctx, message, options)
}

// Options gives what is believed about a mailbox's mail.
func (c Config) Options(mailbox string) mailauth.Options {
	index := slices.IndexFunc(c.Boundaries, func(b Boundary) bool { return b.Mailbox == mailbox })
	if index < 0 {
		index = slices.IndexFunc(c.Boundaries, func(b Boundary) bool { return b.Mailbox == "*" })
	}
	options := mailauth.Options{Ours: mailauth.Ours(c.Ours)}
	if index >= 0 {
		b := c.Boundaries[index]
		options.TrustMX, options.TrustFilter, options.TrustAuthserv, options.TrustSealers = b.TrustMX, b.TrustFilter, b.TrustAuthserv, b.TrustSealers
	}
	return options
}

// A Worker verifies.
type Worker struct {
	config   Config
	desk     *reading.Desk
	opener   reading.Opener
	resolver mailauth.Resolver
	young    func(record *itemv1.Record) bool
	cache    *dkim.KeyCache
	keys     *Keys

	directory *Directory
}

// cachedKeys bounds the signing keys of domains that are kept parsed.
const cachedKeys = 4096

// timeForOne bounds how long the look-ups of one mail take together. Who answers late is asked
// by the next mail, and remembered then.
const timeForOne = 20 * time.Second

// NewWorker reads at a desk and asks a resolver. While a mail is young, name servers that do
// not answer are waited for. Keys and directory may be nil.
func NewWorker(c Config, desk *reading.Desk, opener reading.Opener, resolver mailauth.Resolver, young func(*itemv1.Record) bool, authors *Keys, directory *Directory) *Worker {
	return &Worker{
		config: c, desk: desk, opener: opener, resolver: resolver, young: young, cache: dkim.NewKeyCache(cachedKeys), keys: authors, directory: directory,
	}
}

// Verify turns what was received into what is verified.
func (w *Worker) Verify(ctx context.Context, received *mailv1.Received) (*mailv1.Verified, error) {
	record := received.GetRecord()
	opened, err := w.desk.Read(ctx, w.opener, keys.ForVerify, record.GetItem())
	if err != nil {
		return nil, err
	}
	defer opened.Close()
	options := w.config.Options(record.GetMailbox())
	options.Resolver, options.KeyCache = w.resolver, w.cache
	options.At, options.Keys = record.GetReceived().AsTime(), w.keys.Current()
	options.Customers = w.directory.Circle()
	within, cancel := context.WithTimeout(ctx, timeForOne)
	defer cancel()
	result, options, err := w.judge(within, opened.Message, options)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err // a judgement without the DNS's answers is not one
	}
	if w.config.DNS.Server != "none" && result.Unsettled() && w.young(record) {
		return nil, fault.Later(0, "name_servers_silent")
	}
	evidence, err := w.evidence(opened, &result, options)
	if err != nil {
		return nil, err
	}
	details, err := details(result)
	if err != nil {
		return nil, err
	}
	sealed, err := opened.SealBeside(details)
	if err != nil {
		return nil, fmt.Errorf("sender details: %w", err)
	}
	return &mailv1.Verified{
		Record: record,
		Findings: &itemv1.Findings{
			SenderVerdict: string(result.Verdict),
			SenderReasons: result.Reasons,
			Kind:          string(opened.Message.Kind),
		},
		Details:  sealed,
		Evidence: evidence,
	}, nil
}

// judge judges a mail, and judges it again with a customer's own keys where there is a
// signature to hold against them. It gives the options that the judgement rests on.
func (w *Worker) judge(ctx context.Context, message *mail.Message, options mailauth.Options) (mailauth.Result, mailauth.Options, error) {
	result := Judge(ctx, message, options)
	if len(result.Signatures) == 0 {
		return result, options, nil
	}
	theirs, err := w.directory.Keys(ctx, result.Address)
	if err != nil || theirs.Count() == 0 {
		return result, options, err
	}
	options.Keys = options.Keys.And(theirs)
	return Judge(ctx, message, options), options, nil
}

// evidence seals what the verdict rests on beside the mail. Strangers choose how much it is.
func (w *Worker) evidence(opened *reading.Mail, result *mailauth.Result, options mailauth.Options) ([]byte, error) {
	dossier := mailauth.NewDossier(*result, options)
	dossier.Encryption = opened.Encryption
	packed, err := dossier.Pack()
	if errors.Is(err, mailauth.ErrDossierSize) {
		result.Reasons = append(result.Reasons, mailauth.EvidenceNotKept)
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	sealed, err := opened.SealBeside(packed)
	if err != nil {
		return nil, fmt.Errorf("sender evidence: %w", err)
	}
	return sealed, nil
}

// detailsLimit bounds what is told of a sender, in bytes. It leaves room for the scan's report
// in what the keyring takes.
const detailsLimit = 64 << 10

// details are the evidence that people see. Strangers choose how long it is: past the limit
// the single signatures are left out, and then all but the verdict.
func details(result mailauth.Result) ([]byte, error) {
	for shorten := 0; ; shorten++ {
		sender, err := json.Marshal(result)
		if err != nil {
			return nil, fmt.Errorf("sender details: %w", err)
		}
		plain, err := proto.Marshal(&contentv1.Findings{Sender: sender, Author: result.Address})
		if err != nil {
			return nil, fmt.Errorf("sender details: %w", err)
		}
		if len(plain) <= detailsLimit {
			return plain, nil
		}
		switch shorten {
		case 0:
			result.DKIM, result.Signatures, result.ARC.Sealers = []mailauth.DKIMResult{}, []signature.Result{}, []string{}
		case 1:
			result = mailauth.Result{Verdict: result.Verdict, Reasons: result.Reasons, DKIM: result.DKIM, Signatures: result.Signatures}
		default:
			return nil, fault.Final("sender_too_large")
		}
	}
}
