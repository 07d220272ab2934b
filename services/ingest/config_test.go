package ingest

import (
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/pkg/config"
)

func TestAConfigurationThatCannotWorkIsRefusedWithItsReason(t *testing.T) {
	good := func() Mailbox {
		return Mailbox{ID: "support-2", Host: "mail.example.org", Username: "ada", PasswordFile: "/secret"}
	}
	oauth := OAuth2{TokenURL: "https://login.example.org/token", ClientID: "postern", RefreshTokenFile: "/refresh"}
	cases := []struct {
		change func(*Config, *Mailbox)
		want   string // empty: it works
	}{
		{func(*Config, *Mailbox) {}, ""},
		{func(_ *Config, m *Mailbox) { m.ID = strings.Repeat("a", 64) }, ""},
		{func(_ *Config, m *Mailbox) { m.ID = strings.Repeat("a", 65) }, "id is"},
		{func(_ *Config, m *Mailbox) { m.ID = "Support" }, "id is"},
		{func(_ *Config, m *Mailbox) { m.ID = "a.b" }, "id is"},
		{func(_ *Config, m *Mailbox) { m.ID = "" }, "id is"},
		{func(_ *Config, m *Mailbox) { m.Host = "" }, "host"},
		{func(_ *Config, m *Mailbox) { m.Port = 65536 }, "port"},
		{func(_ *Config, m *Mailbox) { m.Username = "" }, "username"},
		{func(_ *Config, m *Mailbox) { m.PasswordFile = "" }, "either"},
		{func(_ *Config, m *Mailbox) { m.OAuth2 = oauth }, "either"},
		{func(_ *Config, m *Mailbox) { m.PasswordFile, m.OAuth2 = "", oauth }, ""},
		{func(_ *Config, m *Mailbox) {
			m.PasswordFile, m.OAuth2 = "", oauth
			m.OAuth2.TokenURL = "http://login.example.org/token"
		}, "https"},
		{func(_ *Config, m *Mailbox) {
			m.PasswordFile, m.OAuth2 = "", oauth
			m.OAuth2.TokenURL = "http://127.0.0.1:8000/token"
		}, ""},
		{func(_ *Config, m *Mailbox) { m.PasswordFile, m.OAuth2 = "", oauth; m.OAuth2.Mechanism = "PLAIN" }, "mechanism"},
		{func(_ *Config, m *Mailbox) { m.PasswordFile, m.OAuth2 = "", oauth; m.OAuth2.ClientID = "" }, "client_id"},
		{func(_ *Config, m *Mailbox) { m.Poll = config.Duration(2 * time.Minute) }, ""},
		{func(_ *Config, m *Mailbox) { m.Poll = config.Duration(2*time.Minute + 1) }, "poll"},
		{func(_ *Config, m *Mailbox) { m.Folders = []string{"INBOX", "INBOX"} }, "folder"},
		{func(_ *Config, m *Mailbox) { m.Folders = []string{""} }, "folder"},
		{func(_ *Config, m *Mailbox) { m.After = "burn" }, "after"},
		{func(_ *Config, m *Mailbox) { m.After = Keyword }, "keyword"},
		{func(_ *Config, m *Mailbox) { m.After, m.Keyword = Keyword, "two words" }, "keyword"},
		{func(_ *Config, m *Mailbox) { m.After, m.Keyword = Keyword, "$Archived" }, ""},
		{func(_ *Config, m *Mailbox) { m.After, m.MoveTo = Move, "INBOX" }, "move_to"},
		{func(_ *Config, m *Mailbox) { m.After, m.MoveTo = Move, "Done" }, ""},
		{func(c *Config, _ *Mailbox) { c.Mailboxes = append(c.Mailboxes, good()) }, "twice"},
		{func(c *Config, _ *Mailbox) { c.MaxSize = 64 << 10 }, ""},
		{func(c *Config, _ *Mailbox) { c.MaxSize = 64<<10 - 1 }, "max_size"},
		{func(c *Config, _ *Mailbox) { c.Concurrency = 0 }, "concurrency"},
		{func(c *Config, _ *Mailbox) { c.Streams = 0 }, "streams"},
		{func(c *Config, _ *Mailbox) { c.Silence = 0 }, "silence"},
	}
	for i, each := range cases {
		c, m := Default(), good()
		c.Mailboxes = make([]Mailbox, 1)
		each.change(&c, &m)
		c.Mailboxes[0] = m
		_, err := c.Complete()
		if each.want == "" && err != nil {
			t.Errorf("case %d: %v", i, err)
		}
		if each.want != "" && (err == nil || !strings.Contains(err.Error(), each.want)) {
			t.Errorf("case %d: %v, want it to speak of %q", i, err, each.want)
		}
	}
}

func TestWhatIsLeftOutIsFilledIn(t *testing.T) {
	var c struct {
		Ingest Config `yaml:"ingest"`
	}
	c.Ingest = Default()
	text := "ingest:\n  max_size: 25MiB\n  mailboxes:\n    - {id: a, host: h, username: u, password_file: /p}\n    - {id: b, host: h, username: u, password_file: /p, tls: starttls, poll: 10s}\n"
	if err := config.Parse([]byte(text), &c); err != nil {
		t.Fatal(err)
	}
	complete, err := c.Ingest.Complete()
	if err != nil {
		t.Fatal(err)
	}
	a, b := complete.Mailboxes[0], complete.Mailboxes[1]
	if a.Port != 993 || a.TLS != "implicit" || a.After != Keep || len(a.Folders) != 1 || a.Folders[0] != "INBOX" || a.Poll.Std() != time.Minute {
		t.Errorf("a is %+v", a)
	}
	if b.Port != 143 || b.Poll.Std() != 10*time.Second || complete.MaxSize != 25<<20 || complete.Concurrency != 64 {
		t.Errorf("b is %+v", b)
	}
	if err := config.Parse([]byte("ingest:\n  mailboxes:\n    - {idd: a}\n"), &c); err == nil || !strings.Contains(err.Error(), "line 3") {
		t.Errorf("an unknown key: %v", err)
	}
}
