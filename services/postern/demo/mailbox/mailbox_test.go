package mailbox

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"github.com/postern-mail/postern/pkg/attachment"
	"github.com/postern-mail/postern/pkg/mail"
	"github.com/postern-mail/postern/pkg/mailauth"
	"github.com/postern-mail/postern/pkg/mailauth/dns"
)

func build(t *testing.T) Set {
	t.Helper()
	set, err := New(time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// What the story of each mail promises; the others are unverified.
var verdicts = map[string]mailauth.Verdict{
	"where-is-my-order": "authenticated", "thanks-and-one-more-thing": "authenticated",
	"verified-wholesale": "authenticated", "calendar-invitation": "authenticated", "newsletter": "authenticated",
	"card-number": "authenticated", "look-alike": "authenticated", "please-delete-my-data": "authenticated",
	"forged-invoice": "forged", "two-authors": "ambiguous",
}

func TestEverySenderIsJudgedAsItsStoryGoes(t *testing.T) {
	set := build(t)
	zone, err := dns.NewZone(set.Zone)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, m := range set.Mails {
		names[m.Name] = true
		message := mail.Parse(m.Raw, mail.Limits{})
		result := mailauth.Judge(context.Background(), message, mailauth.Options{
			Resolver: zone, At: m.Came, TrustMX: []string{TrustedMX}, Ours: mailauth.Ours{Domains: []string{Domain}, Names: []string{Company}},
		})
		if m.Name == "look-alike" && !slices.Contains(result.Reasons, mailauth.DomainNearOurs) {
			t.Errorf("a domain one letter from ours goes unnoticed: %v", result.Reasons)
		}
		if want := verdicts[m.Name]; want != "" && result.Verdict != want {
			t.Errorf("%s: %s %v, want %s", m.Name, result.Verdict, result.Reasons, want)
		}
		for _, signature := range result.DKIM {
			if signature.Result != "pass" {
				t.Errorf("%s: signature of %s: %s %s", m.Name, signature.Domain, signature.Result, signature.Reason)
			}
		}
		if m.Name == "verified-wholesale" && (result.SPF.Result != "pass" || len(result.DKIM) != 1) {
			t.Errorf("%s: spf %s, %d signatures", m.Name, result.SPF.Result, len(result.DKIM))
		}
	}
	for name := range verdicts {
		if !names[name] {
			t.Errorf("no mail %s", name)
		}
	}
	if len(set.Mails) < 30 {
		t.Errorf("%d mails, want 30 or more", len(set.Mails))
	}
}

func TestAttachmentsAreWhatTheyPretendNotToBe(t *testing.T) {
	want := map[string]attachment.Verdict{
		"pdf-and-photo": "clean", "virus-in-nested-zip": "infected", "encrypted-zip": "encrypted",
		"double-extension": "suspicious", "macro-document": "suspicious",
	}
	for _, m := range build(t).Mails {
		if want[m.Name] == "" {
			continue
		}
		report := attachment.Scan(context.Background(), mail.Parse(m.Raw, mail.Limits{}), attachment.Options{}).Scan
		if report.Verdict != want[m.Name] {
			t.Errorf("%s: %s %v, want %s", m.Name, report.Verdict, report.Reasons, want[m.Name])
		}
	}
}

// The digest that EICAR and every virus encyclopedia give for the 68 bytes.
const eicar = "275a021bbfb6489e54d471899f7db9d1663fc695ec2fe2a2c4538aabf651fd0f"

func TestTheTestVirusIsTheRealOneAndInNoFile(t *testing.T) {
	sum := sha256.Sum256(testVirus())
	if hex.EncodeToString(sum[:]) != eicar {
		t.Errorf("digest %x", sum)
	}
	err := filepath.WalkDir(".", func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if bytes.Contains(text, testVirus()[:20]) {
			t.Errorf("%s holds the test virus", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestTheLargeMailIsLargeAndTheOthersEndTheirLines(t *testing.T) {
	for _, m := range build(t).Mails {
		if m.Name == "twenty-megabytes" && (len(m.Raw) < 20<<20 || len(m.Raw) > 25<<20) {
			t.Errorf("%s has %d bytes", m.Name, len(m.Raw))
		}
		if m.Name != "malformed" && bytes.Count(m.Raw, []byte("\n")) != bytes.Count(m.Raw, []byte("\r\n")) {
			t.Errorf("%s has bare line feeds", m.Name)
		}
		for line := range strings.SplitSeq(string(m.Raw[:min(len(m.Raw), 100_000)]), "\r\n") {
			if len(line) > 998 { // RFC 5322 §2.1.1
				t.Errorf("%s has a line of %d bytes", m.Name, len(line))
			}
		}
	}
}

// read signs in and gives every mail by UID, with its date.
func read(t *testing.T, s *Server) (validity uint32, mails map[imap.UID]*imapclient.FetchMessageBuffer) {
	t.Helper()
	client, err := imapclient.DialTLS(s.Addr, &imapclient.Options{TLSConfig: &tls.Config{RootCAs: s.CA}})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.Login(s.User, s.Password).Wait(); err != nil {
		t.Fatal(err)
	}
	selected, err := client.Select(Folder, nil).Wait()
	if err != nil {
		t.Fatal(err)
	}
	all := imap.UIDSet{{Start: 1, Stop: 0}}
	section := &imap.FetchItemBodySection{Peek: true}
	list, err := client.Fetch(all, &imap.FetchOptions{UID: true, InternalDate: true, BodySection: []*imap.FetchItemBodySection{section}}).Collect()
	if err != nil {
		t.Fatal(err)
	}
	mails = map[imap.UID]*imapclient.FetchMessageBuffer{}
	for _, m := range list {
		mails[m.UID] = m
	}
	return selected.UIDValidity, mails
}

func TestASecondStartShowsTheSameMails(t *testing.T) {
	dir := t.TempDir()
	run := func(f func(*Server)) {
		ctx, cancel := context.WithCancel(t.Context())
		s, err := Start(ctx, dir)
		if err != nil {
			t.Fatal(err)
		}
		f(s)
		cancel()
		<-s.Done()
	}
	var validity uint32
	var before map[imap.UID]*imapclient.FetchMessageBuffer
	run(func(s *Server) {
		if err := s.Append([]byte("From: late@postbox.example\r\nSubject: one more\r\n\r\nHello\r\n")); err != nil {
			t.Fatal(err)
		}
		validity, before = read(t, s)
		if len(before) != len(s.Mails())+1 {
			t.Errorf("%d mails, want %d", len(before), len(s.Mails())+1)
		}
	})
	run(func(s *Server) {
		again, after := read(t, s)
		if again != validity || len(after) != len(before) {
			t.Errorf("UIDVALIDITY %d, %d mails; before %d, %d", again, len(after), validity, len(before))
		}
		for uid, m := range after {
			old := before[uid]
			if old == nil || !old.InternalDate.Equal(m.InternalDate) || !bytes.Equal(old.BodySection[0].Bytes, m.BodySection[0].Bytes) {
				t.Errorf("mail %d is another than before", uid)
			}
		}
		info, err := os.Stat(s.PasswordFile)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("password file: %v, %v", info, err)
		}
	})
}
