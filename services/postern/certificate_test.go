package main

import (
	"bytes"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/signet"
	"github.com/postern-mail/postern/services/retain"
)

func TestAnItemIsLookedForInCertificates(t *testing.T) {
	dir := t.TempDir()
	private := filepath.Join(dir, "certificate.ed25519")
	issuer, err := signet.Load(private)
	if err != nil {
		t.Fatal(err)
	}
	item := func(uid uint32) string { return event.Item("support", "INBOX", 1, uid, 0) }
	certificate := func(name string, uid uint32) string {
		salt := bytes.Repeat([]byte{7}, 16)
		file, err := retain.Issue(retain.Certificate{ID: "C01", Plan: "P01", Cause: "expiry", Salt: hex.EncodeToString(salt), Items: []retain.Gone{
			{Item: retain.ItemDigest(salt, item(uid)), Layer: "raw", Keys: "gone", Ciphertext: "gone", Versions: 1},
		}}, issuer)
		path := filepath.Join(dir, name)
		if err != nil || os.WriteFile(path, file, 0o600) != nil {
			t.Fatal(err)
		}
		return path
	}
	first, second := certificate("first.json", 1), certificate("second.json", 2)
	ticket := event.Ticket(item(1))
	for name, c := range map[string]struct {
		files     []string
		item      string
		code      int
		out, says string
	}{
		"it is spoken of":               {[]string{first}, item(1), done, "it speaks of the item: layer raw, keys gone", ""},
		"it is not spoken of":           {[]string{first}, item(3), failed, "it does not speak of that item", ""},
		"one of two speaks of it":       {[]string{first, second}, item(2), done, "it speaks of the item", ""},
		"neither speaks of it":          {[]string{first, second}, item(3), failed, "it does not speak of that item", ""},
		"a ticket's name":               {[]string{first}, ticket, misuse, "", "is the name of a ticket; the id of an item is 64 hex digits"},
		"what was cut":                  {[]string{first}, item(1)[:63], misuse, "", "is not the id of an item, which is 64 hex digits"},
		"no item":                       {[]string{first}, "", done, "good, signed by key", ""},
		"one that is no certificate":    {[]string{first, private}, item(1), failed, "it speaks of the item", "certificate"},
		"none is, and it is a ticket's": {[]string{private}, ticket, misuse, "", "the name of a ticket"},
	} {
		args := append([]string{"certificate", "verify"}, c.files...)
		if c.item != "" {
			args = append(args, "--item", c.item)
		}
		code, out, said := typed(t, "", append(args, "--key", private+".pub")...)
		if code != c.code || !strings.Contains(out, c.out) || !strings.Contains(said, c.says) || (c.out == "") != (out == "") {
			t.Errorf("%s: exit %d, %q, %q", name, code, out, said)
		}
	}
}
