package mailauth

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/pkg/mailauth/dns"
)

// Each attack is a set of files in testdata/attacks: what it is (.readme), the
// mail (.eml), the DNS (.dns, as for postern inspect), what is known of the
// session and trusted (.session, optional), the verdict and reasons (.want). The
// party that is impersonated is bank.example.
func TestAttacks(t *testing.T) {
	mails, err := filepath.Glob("testdata/attacks/*.eml")
	if err != nil || len(mails) < 30 {
		t.Fatalf("%d attacks (%v)", len(mails), err)
	}
	for _, path := range mails {
		base := strings.TrimSuffix(path, ".eml")
		t.Run(filepath.Base(base), func(t *testing.T) {
			read := func(extension string) []byte {
				text, err := os.ReadFile(base + extension)
				if err != nil {
					t.Fatal(err)
				}
				return text
			}
			if len(read(".readme")) == 0 {
				t.Error("no readme")
			}
			zone, err := dns.ParseZone(read(".dns"))
			if err != nil {
				t.Fatal(err)
			}
			options := Options{Resolver: zone, At: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)}
			if session, err := os.ReadFile(base + ".session"); err == nil {
				readSession(t, string(session), &options)
			}
			got := judged(t, read(".eml"), options)
			want := strings.Fields(string(read(".want")))
			if string(got.Verdict) != want[0] {
				t.Errorf("%s %v, want %s", got.Verdict, got.Reasons, want[0])
			}
			for _, reason := range want[1:] {
				if !slices.Contains(got.Reasons, reason) {
					t.Errorf("%v lack %s", got.Reasons, reason)
				}
			}
			believed := got.Verdict == Verified || got.Verdict == Authenticated
			if believed && strings.HasSuffix(got.Domain, "bank.example") && (len(got.DKIM) == 0 || got.DKIM[0].Domain != "bank.example") {
				t.Errorf("%s as %s", got.Verdict, got.Domain)
			}
		})
	}
}

func readSession(t *testing.T, text string, options *Options) {
	t.Helper()
	for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
		name, value, _ := strings.Cut(line, " ")
		switch name {
		case "client-ip":
			options.ClientIP = netip.MustParseAddr(value)
		case "helo":
			options.Helo = value
		case "mail-from":
			options.MailFrom = value
		case "trust-mx":
			options.TrustMX = append(options.TrustMX, value)
		case "trust-authserv":
			options.TrustAuthserv = append(options.TrustAuthserv, value)
		case "trust-sealer":
			options.TrustSealers = append(options.TrustSealers, value)
		default:
			t.Fatalf("session line %q", name)
		}
	}
}
