package inspect_test

import (
	"encoding/json"
	"io/fs"
	"strings"
	"testing"

	"github.com/postern-mail/postern/pkg/corpora"
)

// zoneOf turns a zone of chasquid's tests into ours.
func zoneOf(text string) string {
	zone := map[string]any{}
	for _, block := range strings.Split(strings.ReplaceAll(text, "\\\n", " "), "\n") {
		name, value, ok := strings.Cut(block, ": ")
		if !ok {
			continue
		}
		switch value = strings.Join(strings.Fields(value), " "); value {
		case "TEMPERROR":
			zone[name+"."] = map[string]any{"error": "servfail"}
		case "PERMERROR":
			zone[name+"."] = map[string]any{"error": "nxdomain"}
		default:
			zone[name+"."] = map[string]any{"TXT": []string{value}}
		}
	}
	out, _ := json.Marshal(zone)
	return string(out)
}

func TestDKIMSignaturesHoldAsPublished(t *testing.T) {
	files := corpora.Open(t)
	checked := 0
	for _, name := range []string{"01-rfc8463", "05-dns_temp_error", "06-dns_perm_error", "07-algo_mismatch", "08-our_signature", "10-strict_domain_check_pass", "11-strict_domain_check_fail"} {
		read := func(ext string) string {
			text, err := fs.ReadFile(files, "dkim/chasquid/"+name+ext)
			if err != nil {
				t.Fatal(err)
			}
			return string(text)
		}
		var want struct {
			Results []struct{ State, Domain, Selector string }
		}
		if err := json.Unmarshal([]byte(read(".result")), &want); err != nil {
			t.Fatal(err)
		}
		d := one(t, read(".msg"), "--dns", write(t, "zone.json", zoneOf(read(".dns"))), "-")
		if len(d.Sender.DKIM) != len(want.Results) {
			t.Errorf("%s: %+v, want %+v", name, d.Sender.DKIM, want.Results)
			continue
		}
		for i, w := range want.Results {
			got := d.Sender.DKIM[i]
			result := map[string]string{"SUCCESS": "pass", "TEMPFAIL": "temperror", "PERMFAIL": "permerror"}[w.State]
			if (got.Result == "pass") != (result == "pass") || (got.Result == "temperror") != (result == "temperror") || got.Selector != w.Selector && w.Selector != "" {
				t.Errorf("%s %d: %+v, want %+v", name, i, got, w)
			}
			checked++
		}
	}
	if checked < 10 {
		t.Errorf("%d signatures checked", checked)
	}
}

func TestTheSenderIsJudgedByTheZoneAndTheEnvelope(t *testing.T) {
	long := strings.Repeat("ip4:198.51.100.1 ", 20) // a record over 255 bytes stands joined
	zone := write(t, "zone.json", `{
		"example.com.": {"TXT": ["v=spf1 a mx include:_spf.example.com exists:%{ir}.x.example.com ptr:example.net `+long+`-all"], "A": ["192.0.2.1"], "AAAA": ["2001:db8::1"], "MX": [{"pref": 10, "host": "mx.example.com."}]},
		"mx.example.com.": {"A": ["192.0.2.2"]},
		"_spf.example.com.": {"CNAME": "real.example.com."},
		"real.example.com.": {"TXT": ["v=spf1 ip4:192.0.2.3 -all"]},
		"4.2.0.192.in-addr.arpa.": {"PTR": ["host.example.net."]},
		"host.example.net.": {"A": ["192.0.2.4"]},
		"broken.example.": {"error": "servfail"},
		"slow.example.": {"error": "timeout"},
		"gone.example.": {"error": "nxdomain"},
		"_dmarc.example.com.": {"TXT": ["v=DMARC1; p=reject"]}
	}`)
	const msg = "From: a@example.com\nSubject: x\n\nhi\n"
	for _, c := range []struct{ ip, from, spf, dmarc, verdict string }{
		{"192.0.2.1", "a@example.com", "pass", "pass", "authenticated"},
		{"2001:db8::1", "<a@example.com>", "pass", "pass", "authenticated"},
		{"192.0.2.2", "a@example.com", "pass", "pass", "authenticated"},
		{"192.0.2.3", "a@example.com", "pass", "pass", "authenticated"},
		{"192.0.2.4", "a@example.com", "pass", "pass", "authenticated"},
		{"198.51.100.1", "a@example.com", "pass", "pass", "authenticated"},
		{"192.0.2.9", "a@example.com", "fail", "fail", "forged"},
		{"192.0.2.9", "a@broken.example", "temperror", "fail", "forged"},
		{"192.0.2.9", "a@slow.example", "temperror", "fail", "forged"},
		{"192.0.2.9", "a@gone.example", "none", "fail", "forged"},
		{"192.0.2.9", "a@absent.example", "none", "fail", "forged"},
	} {
		d := one(t, msg, "--dns", zone, "--client-ip", c.ip, "--helo", "mail.example.com", "--mail-from", c.from, "-")
		if d.Sender.SPF.Result != c.spf || d.Sender.DMARC.Result != c.dmarc || d.Sender.Verdict != c.verdict || d.Sender.SPF.Source != "flag" || d.Sender.SPF.ClientIP != c.ip {
			t.Errorf("%s %s: %+v %+v %s %v", c.ip, c.from, d.Sender.SPF, d.Sender.DMARC, d.Sender.Verdict, d.Sender.Reasons)
		}
	}
	null := one(t, msg, "--dns", zone, "--client-ip", "192.0.2.2", "--helo", "example.com", "--mail-from", "<>", "-")
	if null.Sender.SPF.Identity != "helo" || null.Sender.SPF.Result != "pass" { // RFC 7208 §2.4
		t.Errorf("%+v", null.Sender.SPF)
	}
	none := one(t, msg, "--client-ip", "192.0.2.1", "--mail-from", "a@example.com", "-")
	if none.Sender.SPF.Result != "temperror" || none.Sender.DMARC.Result != "temperror" || none.Sender.Verdict != "unverified" {
		t.Errorf("without DNS: %+v", none.Sender)
	}
}

func TestTheReceivedLineOfOurOwnServerIsTheBoundary(t *testing.T) {
	zone := write(t, "zone.json", `{"example.com.": {"TXT": ["v=spf1 ip4:192.0.2.1 -all"]}, "_dmarc.example.com.": {"TXT": ["v=DMARC1; p=none"]}}`)
	msg := "Return-Path: <a@example.com>\nReceived: from mail.example.com (mail.example.com [192.0.2.1])\n\tby mx.us.example (Postfix) with ESMTP id 1\n\tfor <b@us.example>; Fri, 21 Nov 1997 09:55:06 -0600\n" +
		"Received: from evil (evil [192.0.2.9]) by other.example; Fri, 21 Nov 1997 09:55:05 -0600\nFrom: a@example.com\nSubject: x\n\nhi\n"
	d := one(t, msg, "--dns", zone, "--trust-mx", "mx.us.example", "-")
	if d.Sender.SPF.Result != "pass" || d.Sender.SPF.ClientIP != "192.0.2.1" || d.Sender.SPF.Source != "received" {
		t.Errorf("%+v", d.Sender.SPF)
	}
	if d := one(t, msg, "--dns", zone, "-"); d.Sender.SPF.Source != "none" || d.Sender.SPF.Result != "none" {
		t.Errorf("trusting nobody: %+v", d.Sender.SPF)
	}
}
