package mailauth

import (
	"bytes"
	"compress/flate"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"reflect"
	"sync"
	"time"

	"github.com/postern-mail/postern/pkg/mail"
	"github.com/postern-mail/postern/pkg/mailauth/alike"
	"github.com/postern-mail/postern/pkg/mailauth/dns"
	"github.com/postern-mail/postern/pkg/signature"
)

// A Dossier is what is kept beside a message so that its judgement can be repeated when the
// DNS says something else, keys have changed, and so have the customers and whom we trust.
// The dossier, the message and this package are all that a judgement takes.
type Dossier struct {
	Version   int            `json:"version"`
	Result    Result         `json:"result"` // as it was judged
	At        time.Time      `json:"at"`     // when the message was received
	Questions []dns.Question `json:"questions"`
	Keys      signature.Used `json:"keys"`
	Offered   *Offer         `json:"offered,omitempty"` // the key that the message brought
	Lines     []Line         `json:"lines,omitempty"`   // of the header that were read as evidence, to be looked at
	More      int            `json:"more,omitempty"`    // of them that are not kept here
	Knowing   bool           `json:"knowing"`           // whether there were customers to ask
	Known     []alike.Form   `json:"known,omitempty"`
	Silent    []alike.Form   `json:"silent,omitempty"` // of which they could not be asked
	Trusted   Trusted        `json:"trusted"`

	// Encryption is what was encrypted in the message, as it was opened when it was judged.
	Encryption []signature.Piece `json:"encryption,omitempty"`
}

// Trusted is what Options say of whom to believe, and within which bounds.
type Trusted struct {
	MX       []string   `json:"mx,omitempty"`
	Filter   bool       `json:"filter,omitempty"`
	Authserv []string   `json:"authserv,omitempty"`
	Sealers  []string   `json:"sealers,omitempty"`
	Ours     Ours       `json:"ours"`
	ClientIP netip.Addr `json:"client_ip"`
	Helo     string     `json:"helo,omitempty"`
	MailFrom string     `json:"mail_from,omitempty"`
	Limits   Limits     `json:"limits"`
}

// dossierVersion is raised when an older program would misread what is kept.
const dossierVersion = 1

// The bounds of a dossier, in bytes. Strangers choose how much the DNS answers.
const (
	maxDossier     = 8 << 20
	maxDossierKept = 96 << 10
)

// ErrDossierSize says that what a judgement rests on is too much to be kept.
var ErrDossierSize = fmt.Errorf("evidence of over %d bytes", maxDossierKept)

// errDossier hides what stood in it.
var errDossier = errors.New("evidence cannot be read")

// NewDossier gives what to keep of a judgement that was made with these options.
func NewDossier(result Result, options Options) Dossier {
	evidence := result.Evidence
	lines, more := linesOf(evidence.Headers)
	return Dossier{
		Lines: lines, More: more,
		Version: dossierVersion, Result: result, At: evidence.At, Questions: evidence.Questions, Keys: evidence.Keys, Offered: evidence.Offered,
		Knowing: options.Customers != nil, Known: evidence.Known, Silent: evidence.Silent,
		Trusted: Trusted{
			MX: options.TrustMX, Filter: options.TrustFilter, Authserv: options.TrustAuthserv, Sealers: options.TrustSealers,
			Ours: options.Ours, ClientIP: options.ClientIP, Helo: options.Helo, MailFrom: options.MailFrom,
			Limits: options.Limits.withDefaults(),
		},
	}
}

// Judge repeats the judgement. It asks nobody.
func (d Dossier) Judge(ctx context.Context, msg *mail.Message) (Result, error) {
	known, err := d.Keys.Keys()
	if err != nil {
		return Result{}, errDossier
	}
	t := d.Trusted
	options := Options{
		Resolver: dns.NewReplay(d.Questions), At: d.At, Keys: known,
		TrustMX: t.MX, TrustFilter: t.Filter, TrustAuthserv: t.Authserv, TrustSealers: t.Sealers,
		Ours: t.Ours, ClientIP: t.ClientIP, Helo: t.Helo, MailFrom: t.MailFrom, Limits: t.Limits,
	}
	if d.Knowing {
		options.Customers = &remembering{circle: alike.NewSet(d.Known...), silent: d.Silent}
	}
	return Judge(ctx, msg, options), nil
}

// Differences names what of a judgement is not as it was, by the fields of the sender object.
func (d Dossier) Differences(again Result) []string {
	differ := []string{}
	then, now := reflect.ValueOf(d.Result), reflect.ValueOf(again)
	for i := range then.NumField() {
		name := then.Type().Field(i).Tag.Get("json")
		if name == "-" {
			continue
		}
		// As they are written down: what is not kept of a field is not compared.
		a, errA := json.Marshal(then.Field(i).Interface())
		b, errB := json.Marshal(now.Field(i).Interface())
		if errA != nil || errB != nil || !bytes.Equal(a, b) {
			differ = append(differ, name)
		}
	}
	return differ
}

// packers are kept for the next mail: each has more than a megabyte to work with. It keeps bytes of
// the last one until then, as any memory of a worker does.
var packers = sync.Pool{New: func() any {
	packer, err := flate.NewWriter(io.Discard, flate.BestSpeed)
	if err != nil {
		panic(err) // the level is no level
	}
	return packer
}}

// Pack writes a dossier as compressed JSON (RFC 8259, RFC 1951). Where it is too much, the lines of
// the header are left out: the message has them, and nothing is judged from these.
func (d Dossier) Pack() ([]byte, error) {
	packed, err := d.pack()
	if errors.Is(err, ErrDossierSize) && len(d.Lines) > 0 {
		d.More, d.Lines = d.More+len(d.Lines), nil
		return d.pack()
	}
	return packed, err
}

func (d Dossier) pack() ([]byte, error) {
	plain, err := json.Marshal(d)
	if err != nil {
		return nil, fmt.Errorf("evidence: %w", err)
	}
	if len(plain) > maxDossier {
		return nil, ErrDossierSize
	}
	var out bytes.Buffer
	packer, _ := packers.Get().(*flate.Writer)
	defer packers.Put(packer)
	packer.Reset(&out)
	if _, err := packer.Write(plain); err != nil {
		return nil, fmt.Errorf("evidence: %w", err)
	}
	if err := packer.Close(); err != nil {
		return nil, fmt.Errorf("evidence: %w", err)
	}
	if out.Len() > maxDossierKept {
		return nil, ErrDossierSize
	}
	return out.Bytes(), nil
}

// ReadDossier reads what Pack wrote.
func ReadDossier(packed []byte) (Dossier, error) {
	var d Dossier
	plain, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(packed)), maxDossier+1))
	if err != nil || len(plain) > maxDossier || json.Unmarshal(plain, &d) != nil {
		return Dossier{}, errDossier
	}
	if d.Version != dossierVersion {
		return Dossier{}, fmt.Errorf("evidence of version %d, of which this program knows %d", d.Version, dossierVersion)
	}
	return d, nil
}
