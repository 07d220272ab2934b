package inspect

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/postern-mail/postern/pkg/attachment"
	"github.com/postern-mail/postern/pkg/clam"
	"github.com/postern-mail/postern/pkg/confine"
	"github.com/postern-mail/postern/pkg/mail"
	"github.com/postern-mail/postern/pkg/mailauth"
	"github.com/postern-mail/postern/pkg/mailauth/dns"
	"github.com/postern-mail/postern/pkg/reading"
	"github.com/postern-mail/postern/pkg/resolve"
	"github.com/postern-mail/postern/pkg/signature"
	"github.com/postern-mail/postern/services/postern/cmdline"
	"github.com/postern-mail/postern/services/sanitize"
	"github.com/postern-mail/postern/services/scan"
	"github.com/postern-mail/postern/services/verify"
)

// lookupTimeout bounds one question to the machine's name server.
const lookupTimeout = 5 * time.Second

// options are the flags, read and checked.
type options struct {
	inputs     []string // paths, "-" for standard input, in the order given
	sender     mailauth.Options
	decryption signature.Keys
	scanner    attachment.SecondOpinion // nil for none
	pretty     bool
	showMasked bool
	textOnly   bool
	unconfined bool
	maxInput   int64 // bytes

	room   confine.Room
	judge  scan.Judging
	artist func(ctx context.Context) (artist sanitize.Artist, failed func() error)
}

// flags are as they are written.
type flags struct {
	set                                  *flag.FlagSet
	dns, clientIP, helo, mailFrom, at    string
	clamd, list                          string
	trustMX, trustAuthserv, trustSealers words
	pgpKeys, smimeRoots                  words
	decryptionKeys                       string
	ourDomains, ourNames                 words
	pretty, showMasked, text, unconfined bool
}

// words is a flag that may be repeated, or hold several values with commas.
type words []string

func (w *words) String() string { return strings.Join(*w, ",") }

func (w *words) Set(value string) error {
	for _, word := range strings.Split(value, ",") {
		if word = strings.TrimSpace(word); word != "" {
			*w = append(*w, word)
		}
	}
	return nil
}

func newFlags(stderr io.Writer) *flags {
	f := &flags{set: flag.NewFlagSet("postern inspect", flag.ContinueOnError)}
	s := f.set
	s.SetOutput(stderr)
	s.StringVar(&f.dns, "dns", "none", "where names are looked up: a `FILE` with a JSON zone, \"system\", or \"none\", where every look-up is a temporary failure")
	s.StringVar(&f.clientIP, "client-ip", "", "`IP` address of the SMTP client")
	s.StringVar(&f.helo, "helo", "", "`NAME` that the SMTP client gave itself")
	s.StringVar(&f.mailFrom, "mail-from", "", "`ADDRESS` of the SMTP envelope, <> for the null sender")
	s.StringVar(&f.at, "at", "", "`TIME` of receipt (RFC 3339, or seconds since 1970); now where not given")
	s.Var(&f.trustMX, "trust-mx", "`HOST` name of our own mail server, whose Received line is the trust boundary (repeatable)")
	s.Var(&f.trustAuthserv, "trust-authserv", "authserv-`ID` whose results are believed (repeatable)")
	s.Var(&f.trustSealers, "trust-sealer", "`DOMAIN` whose ARC seals are believed (repeatable)")
	s.Var(&f.ourDomains, "our-domain", "`DOMAIN` of ours, which others may not seem to be (repeatable)")
	s.Var(&f.ourNames, "our-name", "`NAME` of ours, which others may not bear (repeatable)")
	s.Var(&f.pgpKeys, "pgp-keys", "`FILE` of OpenPGP keys: public ones to verify signatures with, private ones without a passphrase to decrypt with (repeatable)")
	s.Var(&f.smimeRoots, "smime-roots", "`FILE` of certificates that S/MIME signatures must lead to (repeatable)")
	s.StringVar(&f.decryptionKeys, "decryption-keys", "", "`FOLDER` of private keys to decrypt with, as decryption.keys of the configuration is")
	s.StringVar(&f.clamd, "clamd", "none", "second opinion on attachments: `unix:PATH`, tcp:HOST:PORT or none")
	s.StringVar(&f.list, "list", "", "`FILE` that names the messages, one path a line")
	s.BoolVar(&f.pretty, "pretty", false, "indent the documents")
	s.BoolVar(&f.showMasked, "show-masked", false, "print view.text without its masks")
	s.BoolVar(&f.text, "text", false, "take the inputs for plain text and run the masking alone")
	s.BoolVar(&f.unconfined, "unconfined", false, "look into attachments in this process, where the kernel lets none be confined")
	s.Usage = func() {
		fmt.Fprintln(stderr, "usage: postern inspect [flags] FILE...   (- for standard input)")
		cmdline.Explain(s)
	}
	return f
}

// readOptions reads the command line. Flags may stand after files too; what
// follows "--" is files only.
func readOptions(args []string, stderr io.Writer) (options, error) {
	f := newFlags(stderr)
	o := options{maxInput: maxInput, room: room}
	var err error
	if o.inputs, err = cmdline.Parse(f.set, args); err != nil {
		return options{}, err
	}
	if f.list != "" {
		listed, err := readList(f.list)
		if err != nil {
			return options{}, err
		}
		o.inputs = append(o.inputs, listed...)
	}
	if len(o.inputs) == 0 && f.list == "" {
		f.set.Usage()
		return options{}, errors.New("no message given")
	}
	standard := 0
	for _, input := range o.inputs {
		if input == "-" {
			standard++
		}
	}
	if standard > 1 {
		return options{}, errors.New("standard input given twice")
	}
	o.pretty, o.showMasked, o.textOnly, o.unconfined = f.pretty, f.showMasked, f.text, f.unconfined
	if err := o.readSender(f); err != nil {
		return options{}, err
	}
	if o.sender.Keys, err = readKeys(f.pgpKeys, f.smimeRoots); err != nil {
		return options{}, err
	}
	if n := o.sender.Keys.Locked(); n > 0 {
		fmt.Fprintf(stderr, "postern inspect: --pgp-keys: %d private keys are protected by a passphrase and open nothing\n", n)
	}
	company, err := reading.OpenKeys(f.decryptionKeys, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		return options{}, fmt.Errorf("--decryption-keys: %w", err)
	}
	o.decryption = o.sender.Keys.And(company.Current())
	scanner, err := clam.New(f.clamd, clam.Options{})
	switch {
	case err == nil:
		o.scanner = scanner
	case !errors.Is(err, clam.ErrNone):
		return options{}, fmt.Errorf("--clamd: %w", err)
	}
	return o, nil
}

func readList(path string) ([]string, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("--list: %w", err)
	}
	defer file.Close()
	var paths []string
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if line := strings.TrimSuffix(lines.Text(), "\r"); line != "" {
			paths = append(paths, line)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("--list: %w", err)
	}
	return paths, nil
}

// readSender reads what the judgement of the sender depends on.
func (o *options) readSender(f *flags) error {
	resolver, err := readDNS(f.dns)
	if err != nil {
		return fmt.Errorf("--dns: %w", err)
	}
	at := time.Now()
	if f.at != "" {
		if at, err = readTime(f.at); err != nil {
			return fmt.Errorf("--at: %w", err)
		}
	}
	ours := verify.Ours{Domains: f.ourDomains, Names: f.ourNames}
	if err := ours.Check(); err != nil {
		return fmt.Errorf("--our-domain, --our-name: %w", err)
	}
	o.sender = mailauth.Options{
		Resolver: resolver, At: at, TrustMX: f.trustMX, TrustAuthserv: f.trustAuthserv, TrustSealers: f.trustSealers,
		Ours: mailauth.Ours(ours), Helo: f.helo,
	}
	if f.clientIP != "" {
		if o.sender.ClientIP, err = netip.ParseAddr(f.clientIP); err != nil {
			return errors.New("--client-ip: not an IP address")
		}
	}
	if o.sender.MailFrom, err = readMailFrom(f.mailFrom); err != nil {
		return fmt.Errorf("--mail-from: %w", err)
	}
	return nil
}

// readMailFrom takes an address with or without angle brackets.
func readMailFrom(text string) (string, error) {
	text = strings.TrimSpace(text)
	if text == "" || text == "<>" {
		return text, nil
	}
	bare := strings.TrimSuffix(strings.TrimPrefix(text, "<"), ">")
	local, domain, ok := cutLast(bare, "@")
	if !ok || local == "" || domain == "" || strings.ContainsAny(bare, "<>") || strings.ContainsFunc(domain, notOfAtom) || !quoted(local) && strings.ContainsFunc(local, notOfAtom) {
		return "", errors.New("not an address")
	}
	return bare, nil
}

// quoted tells a local part that may hold spaces (RFC 5321 §4.1.2).
func quoted(local string) bool {
	return len(local) > 2 && local[0] == '"' && local[len(local)-1] == '"' && !strings.ContainsFunc(local, unicode.IsControl)
}

func notOfAtom(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

func readDNS(where string) (mailauth.Resolver, error) {
	switch where {
	case "none":
		return dns.None{}, nil
	case "system":
		return resolve.New("system", lookupTimeout)
	}
	text, err := os.ReadFile(where)
	if err != nil {
		return nil, err
	}
	if text = bytes.TrimSpace(text); len(text) == 0 || text[0] != '{' {
		return nil, errors.New("not a zone: it is a JSON object of names")
	}
	return dns.ParseZone(text)
}

// readTime takes RFC 3339, a date alone, seconds since 1970, or a date as mail
// writes it.
func readTime(text string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && n >= 0 {
		return time.Unix(n, 0).UTC(), nil
	}
	if t := mail.ParseDate(text); !t.IsZero() {
		return t, nil
	}
	return time.Time{}, errors.New("not a time; write it as 2026-11-21T12:00:00Z")
}
