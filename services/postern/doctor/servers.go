package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/postern-mail/postern/pkg/clam"
	"github.com/postern-mail/postern/pkg/confine"
	"github.com/postern-mail/postern/pkg/mailauth/dns"
	"github.com/postern-mail/postern/pkg/preview"
	"github.com/postern-mail/postern/pkg/resolve"
	"github.com/postern-mail/postern/pkg/vault"
	"github.com/postern-mail/postern/pkg/vault/dir"
	"github.com/postern-mail/postern/services/ingest"
	"github.com/postern-mail/postern/services/ingest/imap"
)

func silent() *slog.Logger { return slog.New(slog.DiscardHandler) }

// machine looks at what could carry plaintext out of memory.
func (x *examination) machine(context.Context) {
	swaps, err := os.ReadFile("/proc/swaps")
	if err == nil && strings.Count(strings.TrimSpace(string(swaps)), "\n") > 0 {
		x.note("memory", "swap is on", "encrypt it or turn it off: what is in memory may be written there")
	} else if err == nil {
		x.well("memory", "no swap")
	}
	var at unix.Statfs_t
	if unix.Statfs(os.TempDir(), &at) == nil && at.Type != unix.TMPFS_MAGIC {
		x.note("temp", os.TempDir()+" is on a disk", "Postern writes no plaintext there, but clamd does: give clamd a TemporaryDirectory on tmpfs")
	}
}

// confined tries whether the kernel shuts a process in, as it must before anything is unpacked here.
func (x *examination) confined(ctx context.Context) {
	if err := confine.Probe(ctx, x.config.Confine.Room()); err != nil {
		x.ill("confine", err.Error(), confineAdvice(err))
		return
	}
	x.well("confine", "the kernel shuts decoders in: namespaces, Landlock, system calls, memory")
	if !x.config.Sanitize.Previews {
		return
	}
	switch forPDF, forOffice := preview.Installed(); {
	case forPDF && forOffice:
		x.well("previews", "poppler and LibreOffice are here: agents can look at documents without opening them")
	case forPDF:
		x.note("previews", "LibreOffice is not here: agents cannot look at office documents", "install Debian's libreoffice-writer-nogui, libreoffice-calc-nogui and libreoffice-impress-nogui beside sanitize, or set sanitize.previews: false")
	default:
		x.note("previews", "poppler is not here: agents cannot look at documents", "install Debian's poppler-utils, and libreoffice-writer-nogui, -calc-nogui and -impress-nogui, beside sanitize, or set sanitize.previews: false")
	}
}

// confineAdvice says what to do about a kernel that refuses.
func confineAdvice(err error) string {
	const container = " In a container: seccomp and AppArmor must let it, as in deploy/compose and deploy/kubernetes."
	step, _, _ := strings.Cut(err.Error(), ":")
	switch step {
	case "Landlock":
		return "scan and sanitize wait until it does. Landlock has to be built into the kernel (5.13 or later) and listed in its parameter lsm=." + container
	case "start":
		return "scan and sanitize wait until it does. Give it more with confine.memory."
	}
	if text, err := os.ReadFile("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"); err == nil && strings.TrimSpace(string(text)) == "1" {
		return "scan and sanitize wait until it does. Here AppArmor keeps user namespaces from programs without a profile: load deploy/apparmor/postern." + container
	}
	return "scan and sanitize wait until it does. User namespaces have to be allowed: user.max_user_namespaces above 0, and, where they are, kernel.unprivileged_userns_clone=1 and RestrictNamespaces=no for the unit." + container
}

func (x *examination) redis(ctx context.Context) {
	if x.config.Redis.Address == "" {
		x.well("redis", "it is inside the process")
		return
	}
	if err := x.process.OpenModel(ctx); err != nil {
		x.ill("redis", err.Error(), "correct the redis section: its files must be there, and readable by their owner alone")
		return
	}
	if _, err := x.process.Model.Position(ctx, "TICKETS"); err != nil {
		x.ill("redis", err.Error(), "start the server of redis.address, or correct it and its password")
		return
	}
	x.well("redis", "it answers")
	if !x.config.Redis.TLS && !loopback(x.config.Redis.Address) {
		x.note("redis", "it is spoken to without TLS over a network", "set redis.tls: its cells are sealed, but sessions are not")
	}
}

// vault writes nothing: it lists.
func (x *examination) vault(ctx context.Context) {
	store, err := x.store()
	if err != nil {
		x.ill("vault", err.Error(), "correct the vault section, or let the user that runs Postern use the folder")
		return
	}
	if store == nil {
		x.note("vault", x.config.Vault.Dir+" holds no vault yet", "it is made at the first start")
		return
	}
	for _, err := range store.List(ctx, "raw/", "") {
		if err != nil {
			x.ill("vault", err.Error(), "start the server of vault.s3.endpoint, make the bucket, or correct the keys")
			return
		}
		break
	}
	x.listed = true
	x.well("vault", "it can be listed")
	if s3 := x.config.Vault.S3; x.config.Vault.Kind == "s3" && s3.Insecure && !loopback(s3.Endpoint) {
		x.note("vault", "it is spoken to without TLS over a network", "remove vault.s3.insecure: what is stored is sealed, but its names and the requests' signatures are seen")
	}
}

// store opens the vault once; a folder only where a vault has been begun in it.
func (x *examination) store() (vault.Store, error) {
	if x.process.Vault == nil && x.config.Vault.Kind == "dir" && !dir.Begun(x.config.Vault.Dir) {
		return nil, nil
	}
	if x.process.Vault == nil {
		if err := x.process.OpenVault(); err != nil {
			return nil, err
		}
	}
	return x.process.Vault, nil
}

// samples is how many objects of each kind are looked at.
const samples = 3

// sealed reads the beginnings of what is stored of mails: each must be an OpenPGP data packet
// and must not read like text.
func (x *examination) sealed(ctx context.Context) {
	store, err := x.store()
	if err != nil || store == nil {
		return
	}
	looked := map[string]bool{}
	today := time.Now().UTC().Format("raw/2006/01/02/") // what is written now, beside what is oldest
	for _, kind := range []string{"raw/", today, "view/", "pii/"} {
		of := 0
		for object, err := range store.List(ctx, kind, "") {
			if err != nil {
				return // what is wrong with the vault was told
			}
			if of == samples {
				break
			}
			of++
			head, err := beginning(ctx, store, object.Name)
			if err != nil {
				x.ill("sealed", err.Error(), "look at the vault")
				return
			}
			if !ciphertext(head) {
				x.ill("sealed", "a stored sample is not an OpenPGP data packet", "stop ingest and find out what wrote "+object.Name)
				return
			}
			looked[object.Name] = true
		}
	}
	if len(looked) == 0 {
		x.note("sealed", "no mail is stored", "")
		return
	}
	x.well("sealed", fmt.Sprintf("what is stored is ciphertext, in %d samples", len(looked)))
}

func beginning(ctx context.Context, store vault.Store, name string) ([]byte, error) {
	body, _, err := store.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return io.ReadAll(io.LimitReader(body, 4096))
}

// textShare is the part of bytes that are printable above which nothing is taken for
// ciphertext. Of bytes at random 98 in 256 are; four in five of 40 are less than one time in a
// million, and no packet is shorter.
const textShare = 0.8

// ciphertext says whether bytes can be the beginning of a data packet: of a new-format header
// of packet 18, whose first byte is 0xd2 (RFC 9580 §4.2), and then of bytes as if at random.
func ciphertext(head []byte) bool {
	if len(head) < 40 || head[0] != 0xd2 {
		return false
	}
	printable := 0
	for _, b := range head[1:] {
		if b >= ' ' && b <= '~' || b == '\t' || b == '\r' || b == '\n' {
			printable++
		}
	}
	return float64(printable) < textShare*float64(len(head)-1)
}

func (x *examination) clamd(ctx context.Context) {
	client, err := clam.New(x.config.Clamd.Address, clam.Options{})
	if errors.Is(err, clam.ErrNone) {
		x.note("clamd", "none: files pass by our own rules alone, and their reports say so", "set clamd.address; deploy/clamd.conf is a configuration for it")
		return
	}
	if err == nil {
		err = client.Ping(ctx)
	}
	if err != nil {
		x.ill("clamd", err.Error(), "start clamd, or correct clamd.address: until then mails wait")
		return
	}
	version, err := client.Version(ctx)
	if err != nil {
		x.ill("clamd", err.Error(), "look at clamd's log")
		return
	}
	x.signatures(version, time.Now())
	if x.version, err = client.Signatures(ctx); errors.Is(err, clam.ErrSignatures) {
		x.note("signatures", "clamd does not tell which it has: no opinion is remembered, and what agents could open is not scanned anew when they change",
			"fetch the published signatures, or install your own with deploy/clamav/rules")
	}
}

// staleAfter is how old clamd's newest signatures may be. They are published every day.
const staleAfter = 7 * 24 * time.Hour

// signatures judges the age of what clamd knows, by its answer to VERSION: its own version,
// the database's and when that was made.
func (x *examination) signatures(version string, now time.Time) {
	const advice = "run freshclam, as a service beside clamd: it knows no virus that is younger"
	parts := strings.SplitN(version, "/", 3)
	if len(parts) < 3 {
		x.note("clamd", version+", without published signatures", advice)
		return
	}
	made, err := time.Parse(time.ANSIC, strings.TrimSpace(parts[2]))
	if err != nil {
		x.note("clamd", version+": when its signatures were made is not understood", advice)
		return
	}
	if age := now.Sub(made); age > staleAfter {
		x.note("clamd", fmt.Sprintf("%s: its signatures are %d days old", version, int(age.Hours()/24)), advice)
		return
	}
	x.well("clamd", version)
}

func (x *examination) dns(ctx context.Context) {
	server := x.config.Verify.DNS.Server
	switch {
	case server == "none" && x.config.Desk.Demo:
		x.well("dns", "the demonstration brings its own answers")
		return
	case server == "none":
		x.note("dns", "nobody is asked: no sender can be confirmed", "set verify.dns.server")
		return
	}
	resolver, err := resolve.New(server, 3*time.Second)
	if err != nil {
		x.ill("dns", err.Error(), "set verify.dns.server")
		return
	}
	if _, err := resolver.Lookup(ctx, dns.TXT, "postern.invalid"); dns.IsTemporary(err) {
		x.ill("dns", "the name server does not answer", "correct verify.dns.server: until then no sender can be confirmed")
		return
	}
	x.well("dns", "the name server answers")
}

func (x *examination) mailboxes(ctx context.Context) {
	if len(x.config.Ingest.Mailboxes) == 0 {
		x.note("mailboxes", "no mailboxes are named: nothing is read", "name them under ingest.mailboxes")
		return
	}
	troubles, err := ingest.Probe(ctx, x.config.Ingest, time.Now)
	if err != nil {
		x.ill("mailboxes", err.Error(), "correct the ingest section")
		return
	}
	for _, box := range x.config.Ingest.Mailboxes {
		switch {
		case troubles[box.ID] != nil:
			x.ill("mailbox", box.ID+": "+troubles[box.ID].Error(), adviceOnMailbox(troubles[box.ID]))
		case box.TLS == imap.Plaintext:
			x.ill("mailbox", box.ID+": passwords and mail travel readable", "use tls: implicit or starttls")
		default:
			x.well("mailbox", fmt.Sprintf("%s: signed in, every folder opens, %s TLS", box.ID, box.TLS))
		}
	}
}

// adviceOnMailbox says what to do about a mailbox that cannot be read.
func adviceOnMailbox(err error) string {
	for _, each := range []struct {
		kind   error
		advice string
	}{
		{os.ErrNotExist, "put the secret where password_file or oauth2 says, or correct the path"},
		{imap.ErrSignIn, "correct username and password_file or oauth2, or have the server let this user in by IMAP"},
		{imap.ErrTLS, "correct host, port and tls; where an authority of your own signs the server's certificate, name it in ca_file"},
		{imap.ErrNoFolder, "correct folders, or make the folder on the server"},
		{imap.ErrReadOnly, "let this user open the folder"},
		{imap.ErrBusy, "the server asks to wait: look again in some minutes"},
		{imap.ErrLost, "start the server, let this machine reach it, or correct host and port"},
	} {
		if errors.Is(err, each.kind) {
			return each.advice
		}
	}
	return "correct host, port, tls, name or secret; the folders must exist"
}

// boundaries looks whether it is known which hosts are ours.
func (x *examination) boundaries(context.Context) {
	const advice = "name your own mail servers under verify.boundaries, as they stand after \"by\" in the Received lines that they write"
	if len(x.config.Verify.Boundaries) == 0 {
		x.note("boundaries", "no verify.boundaries: every sender stays unconfirmed", advice)
		return
	}
	for _, box := range x.config.Ingest.Mailboxes {
		if options := x.config.Verify.Options(box.ID); len(options.TrustMX)+len(options.TrustAuthserv) == 0 {
			x.note("boundaries", box.ID+": no boundary names its mail servers: every sender stays unconfirmed", advice)
		}
	}
}

// desk looks whether what people do at the desk travels readable.
func (x *examination) desk(context.Context) {
	const advice = "put a server that speaks TLS before it, and set desk.base_url to https"
	switch listen, base := x.config.Desk.Listen, x.config.Desk.BaseURL; {
	case strings.HasPrefix(base, "https:") && !loopback(listen):
		x.note("desk", "it answers without TLS at "+listen+", for what speaks TLS before it", "let nobody else reach that address, or set desk.listen to one on this machine")
	case strings.HasPrefix(base, "https:"):
		x.well("desk", "browsers reach it by TLS, at "+base)
	case !loopback(base) || !loopback(listen):
		x.ill("desk", fmt.Sprintf("it answers at %s, and browsers reach it without TLS at %s: passwords and mail travel readable", listen, base), advice)
	default:
		x.well("desk", "it does not leave this machine")
	}
}
