// Package doctor asks the doctor about a fleet that is well, and about the same fleet with
// one thing wrong at a time: what is wrong is named, under its own subject, with advice.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/pkg/vault"
	"github.com/postern-mail/postern/services/ingest/imaptest/dovecot"
	"github.com/postern-mail/postern/services/postern/demo/mailbox"
	"github.com/postern-mail/postern/services/postern/fleet"
	"github.com/postern-mail/postern/test/program"
)

func TestMain(m *testing.M) { os.Exit(program.Main(m)) }

// A patient is a fleet with a mail in it, and the configuration of the doctor's credential.
type patient struct {
	fleet  *fleet.Fleet
	config string
}

func admit(t *testing.T) *patient {
	t.Helper()
	set, err := mailbox.New(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	f := program.Fleet(t, fleet.Options{Zone: set.Zone, TrustMX: []string{mailbox.TrustedMX}, Log: t.Output()})
	if err := f.Append(program.Context(t), fleet.Mail{Raw: set.Mails[0].Raw, Came: set.Mails[0].Came}); err != nil {
		t.Fatal(err)
	}
	if err := f.Append(program.Context(t), fleet.Mail{Raw: []byte(withFile), Came: set.Mails[0].Came}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WaitSettled(program.Context(t), 2); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(f.ConfigFile(topology.Doctor))
	if err != nil {
		t.Fatal(err)
	}
	return &patient{f, string(text)}
}

// withFile is a mail of which agents can open a file.
const withFile = "From: Jana Vogel <jana@customer.example>\r\nTo: support@company.example\r\nSubject: a note\r\nDate: Mon, 02 Feb 2026 10:00:00 +0000\r\n" +
	"Message-ID: <a-note@customer.example>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" +
	"--b\r\nContent-Type: text/plain\r\n\r\nPlease see the note.\r\n" +
	"--b\r\nContent-Type: text/plain; name=note.txt\r\nContent-Disposition: attachment; filename=note.txt\r\n\r\nnothing of interest\r\n--b--\r\n"

// ask runs the doctor on a configuration and gives what it says, a finding a line.
func ask(t *testing.T, config string) (lines []string, code int) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "postern.yaml")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return askAbout(t, path)
}

// askAbout is ask for a file.
func askAbout(t *testing.T, path string) (lines []string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), program.Patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, program.Path(t), "doctor", "--config", path).CombinedOutput()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		t.Fatal(err)
	}
	if ended != nil {
		code = ended.ExitCode()
	}
	return strings.Split(string(out), "\n"), code
}

// findings gives the subjects of the findings with a mark, and whether each has its advice
// on the next line.
func findings(lines []string, mark string) (subjects []string, advised bool) {
	advised = true
	for i, line := range lines {
		if !strings.HasPrefix(line, mark) {
			continue
		}
		subjects = append(subjects, strings.TrimSpace(line[6:min(len(line), 19)]))
		advised = advised && i+1 < len(lines) && strings.HasPrefix(lines[i+1], strings.Repeat(" ", 19)) && len(strings.TrimSpace(lines[i+1])) > 10
	}
	return subjects, advised
}

func TestAFleetThatIsWellAndTheSameWithOneThingWrong(t *testing.T) {
	p := admit(t)
	lines, code := ask(t, p.config)
	wrong, _ := findings(lines, "FAIL")
	if len(wrong) > 0 || code != 0 {
		t.Fatalf("a fleet that is well: exit code %d\n%s", code, strings.Join(lines, "\n"))
	}
	well, _ := findings(lines, "ok")
	for _, subject := range []string{"config", "data", "bus", "permissions", "redis", "vault", "sealed", "dns", "mailbox", "keyring", "clock", "desk", "nkeys"} {
		if !strings.Contains(" "+strings.Join(well, " ")+" ", " "+subject+" ") {
			t.Errorf("nothing is said of %s", subject)
		}
	}
	if notes, _ := findings(lines, "note"); !slices.Contains(notes, "clamd") { // it has one signature, which nobody published
		t.Errorf("nothing is said of the scanner's signatures:\n%s", strings.Join(lines, "\n"))
	}

	nobody := closed(t)
	plain := dovecot.Start(t, "plain")
	slow, even, fast := p.busOn(t, -time.Minute), p.busOn(t, 0), p.busOn(t, time.Minute)
	everywhere := func(address string) string { return "0.0.0.0:" + strconv.Itoa(portOf(t, address)) } // this machine, and no loopback
	secret := func(text string) string {
		path := filepath.Join(t.TempDir(), "secret")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	open := filepath.Join(t.TempDir(), "open")
	if err := os.MkdirAll(open, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(open, 0o755); err != nil { // past any umask
		t.Fatal(err)
	}
	openUsers := secret("users: []\n")
	if err := os.Chmod(openUsers, 0o666); err != nil {
		t.Fatal(err)
	}
	redis, store := p.address(t, "redis", "address"), p.address(t, "vault", "s3", "endpoint")
	first := func(s fleet.Section) fleet.Section {
		boxes, _ := s["mailboxes"].([]any)
		box, _ := boxes[0].(fleet.Section)
		return box
	}
	t.Run("wrong", func(t *testing.T) {
		missing := filepath.Join(t.TempDir(), "missing")
		for name, c := range map[string]struct {
			subject string // of the only failure
			change  func(config fleet.Section)
		}{
			"a bus in the clear":                         {"bus", func(c fleet.Section) { onBus(c, "0.0.0.0:"+even) }},
			"one of two servers of the bus in the clear": {"bus", func(c fleet.Section) { onBus(c, "127.0.0.1:"+even+",nats://0.0.0.0:"+even) }},
			"a bus whose clock is fast":                  {"clock", func(c fleet.Section) { onBus(c, "127.0.0.1:"+fast) }},
			"a bus whose clock is slow":                  {"clock", func(c fleet.Section) { onBus(c, "127.0.0.1:"+slow) }},
			"a store whose clock is fast":                {"clock", func(c fleet.Section) { fleet.Below(c, "vault", "s3")["endpoint"] = storeOn(t, store, time.Hour) }},
			"a desk beyond this machine in the clear":    {"desk", func(c fleet.Section) { fleet.Below(c, "desk")["base_url"] = "http://desk.example.com" }},
			"a seed that others read":                    {"nkeys", func(c fleet.Section) { fleet.Below(c, "nats")["nkeys"] = p.openSeeds(t) }},
			"a users file that others change":            {"users", func(c fleet.Section) { fleet.Below(c, "desk")["users_file"] = openUsers }},
			"a mailbox in the clear": {"mailbox", func(c fleet.Section) {
				box := first(fleet.Below(c, "ingest"))
				delete(box, "ca_file")
				box["port"], box["tls"], box["username"], box["password_file"] = portOf(t, plain.PlainAddr), "plaintext-insecure", "plain", secret(dovecot.Password)
			}},
			"a password of Redis that is not there": {"redis", func(c fleet.Section) { fleet.Below(c, "redis")["password_file"] = missing }},
			"a key of the store that is not there":  {"vault", func(c fleet.Section) { fleet.Below(c, "vault", "s3")["access_key_file"] = missing }},
			"a key that is unknown":                 {"config", func(c fleet.Section) { c["ingset"] = "x" }},
			"a folder that others enter":            {"data", func(c fleet.Section) { c["data_dir"] = open }},
			"a users file that is broken":           {"users", func(c fleet.Section) { fleet.Below(c, "desk")["users_file"] = secret("users: [") }},
			"no bus":                                {"bus", func(c fleet.Section) { fleet.Below(c, "nats")["url"] = "tls://" + nobody }},
			"a bus of another authority":            {"bus", func(c fleet.Section) { fleet.Below(c, "nats")["ca_file"] = otherAuthority(t) }},
			"no nkey":                               {"bus", func(c fleet.Section) { fleet.Below(c, "nats")["nkeys"] = t.TempDir() }},
			"another's nkey":                        {"bus", func(c fleet.Section) { fleet.Below(c, "nats")["nkeys"] = p.impostor(t) }},
			"no Redis":                              {"redis", func(c fleet.Section) { fleet.Below(c, "redis")["address"] = nobody }},
			"a wrong password for Redis":            {"redis", func(c fleet.Section) { fleet.Below(c, "redis")["password_file"] = secret("wrong") }},
			"no object store":                       {"vault", func(c fleet.Section) { fleet.Below(c, "vault", "s3")["endpoint"] = nobody }},
			"a bucket that is not there":            {"vault", func(c fleet.Section) { fleet.Below(c, "vault", "s3")["bucket"] = "another" }},
			"a wrong key for the store":             {"vault", func(c fleet.Section) { fleet.Below(c, "vault", "s3")["secret_key_file"] = secret("wrong") }},
			"no clamd":                              {"clamd", func(c fleet.Section) { fleet.Below(c, "clamd")["address"] = "tcp:" + nobody }},
			"no name server":                        {"dns", func(c fleet.Section) { fleet.Below(c, "verify", "dns")["server"] = nobody }},
			"no mail server":                        {"mailbox", func(c fleet.Section) { first(fleet.Below(c, "ingest"))["port"] = portOf(t, nobody) }},
			"a wrong password for a box":            {"mailbox", func(c fleet.Section) { first(fleet.Below(c, "ingest"))["password_file"] = secret("wrong") }},
			"a folder that is not there":            {"mailbox", func(c fleet.Section) { first(fleet.Below(c, "ingest"))["folders"] = []any{"INBOX", "Nowhere"} }},
			"a clock that runs far ahead":           {"clock", func(c fleet.Section) { fleet.Below(c, "clock")["offset"] = "1h" }},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel() // most of them wait for somebody who does not answer
				lines, code := ask(t, p.changed(t, c.change))
				wrong, advised := findings(lines, "FAIL")
				if len(wrong) != 1 || wrong[0] != c.subject || !advised || code != 1 {
					t.Errorf("exit code %d, failures %v, want %s with advice\n%s", code, wrong, c.subject, strings.Join(lines, "\n"))
				}
			})
		}
	})

	t.Run("doubtful", func(t *testing.T) {
		for name, c := range map[string]struct {
			mark, subject, says string
			change              func(config fleet.Section)
		}{
			"a bus in the clear on this machine": {"ok", "bus", "does not leave this machine", func(c fleet.Section) { onBus(c, "127.0.0.1:"+even+", nats://localhost:"+even) }},
			"Redis in the clear":                 {"note", "redis", "without TLS over a network", func(c fleet.Section) { fleet.Below(c, "redis")["address"] = everywhere(redis) }},
			"an object store in the clear":       {"note", "vault", "without TLS over a network", func(c fleet.Section) { fleet.Below(c, "vault", "s3")["endpoint"] = everywhere(store) }},
			"no mailboxes":                       {"note", "mailboxes", "no mailboxes are named: nothing is read", func(c fleet.Section) { delete(fleet.Below(c, "ingest"), "mailboxes") }},
			"no boundaries":                      {"note", "boundaries", "no verify.boundaries: every sender stays unconfirmed", func(c fleet.Section) { delete(fleet.Below(c, "verify"), "boundaries") }},
			"a mailbox without a boundary": {"note", "boundaries", "no boundary names its mail servers", func(c fleet.Section) {
				fleet.Below(c, "verify")["boundaries"] = []any{fleet.Section{"mailbox": "*", "trust_sealers": []any{"list.example"}}}
			}},
			"a desk behind TLS": {"ok", "desk", "browsers reach it by TLS", func(c fleet.Section) { fleet.Below(c, "desk")["base_url"] = "https://desk.example.com" }},
			"a desk behind TLS that answers everybody": {"note", "desk", "it answers without TLS at :8080", func(c fleet.Section) {
				fleet.Below(c, "desk")["base_url"], fleet.Below(c, "desk")["listen"] = "https://desk.example.com", ":8080"
			}},
			"fresh signatures": {"ok", "clamd", "27800", func(c fleet.Section) { fleet.Below(c, "clamd")["address"] = clamdThatSays(t, signaturesFrom(6)) }},
			"outdated tickets": {"note", "signatures", "tickets with files are outdated: judged with other signatures than clamd has, with which none was judged yet", func(c fleet.Section) {
				fleet.Below(c, "clamd")["address"] = clamdThatSays(t, signaturesFrom(1))
			}},
			"old signatures": {"note", "clamd", "its signatures are 8 days old", func(c fleet.Section) { fleet.Below(c, "clamd")["address"] = clamdThatSays(t, signaturesFrom(8)) }},
			"no signatures":  {"note", "clamd", "without published signatures", func(c fleet.Section) { fleet.Below(c, "clamd")["address"] = clamdThatSays(t, "ClamAV 1.4.3") }},
			"signatures of no known day": {"note", "clamd", "is not understood", func(c fleet.Section) {
				fleet.Below(c, "clamd")["address"] = clamdThatSays(t, "ClamAV 1.4.3/27800/heute")
			}},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				lines, code := ask(t, p.changed(t, c.change))
				found := slices.ContainsFunc(lines, func(line string) bool {
					return strings.HasPrefix(line, fmt.Sprintf("%-4s  %-12s ", c.mark, c.subject)) && strings.Contains(line, c.says)
				})
				if _, advised := findings(lines, c.mark); !found || code != 0 || c.mark == "note" && !advised {
					t.Errorf("exit code %d, want %s of %s with %q\n%s", code, c.mark, c.subject, c.says, strings.Join(lines, "\n"))
				}
			})
		}
	})

	t.Run("no keyring", func(t *testing.T) {
		p.fleet.StopServices()
		lines, code := ask(t, p.config)
		if wrong, advised := findings(lines, "FAIL"); len(wrong) != 1 || wrong[0] != "keyring" || !advised || code != 1 || !strings.Contains(strings.Join(lines, "\n"), "postern run --config FILE keyring") {
			t.Errorf("exit code %d, failures %v\n%s", code, wrong, strings.Join(lines, "\n"))
		}
	})

	t.Run("a stored sample that is readable", func(t *testing.T) {
		tool := program.As(t, p.fleet, "ingest")
		text := "Received: from a.example\r\nFrom: b@example.com\r\n\r\nhello\r\n"
		if _, err := tool.Process.Vault.Put(t.Context(), "raw/0000/00/00/readable", strings.NewReader(text), vault.PutOptions{Size: int64(len(text))}); err != nil {
			t.Fatal(err)
		}
		lines, code := ask(t, p.config)
		if wrong, advised := findings(lines, "FAIL"); !slices.Equal(wrong, []string{"sealed", "keyring"}) || !advised || code != 1 { // the keyring is still away
			t.Errorf("exit code %d, failures %v\n%s", code, wrong, strings.Join(lines, "\n"))
		}
	})
}

// changed is the configuration with one thing changed.
func (p *patient) changed(t *testing.T, change func(fleet.Section)) string {
	t.Helper()
	var config fleet.Section
	if err := yaml.Unmarshal([]byte(p.config), &config); err != nil {
		t.Fatal(err)
	}
	change(config)
	text, err := yaml.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// address gives a server's, as it is configured.
func (p *patient) address(t *testing.T, keys ...string) (address string) {
	t.Helper()
	p.changed(t, func(config fleet.Section) {
		address, _ = fleet.Below(config, keys[:len(keys)-1]...)[keys[len(keys)-1]].(string)
	})
	return address
}

// closed is an address at which nobody listens.
func closed(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func portOf(t *testing.T, address string) int {
	t.Helper()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return number
}

// storeOn stands before the store and lets its clock seem to be off.
func storeOn(t *testing.T, store string, off time.Duration) string {
	t.Helper()
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = "http", store
			r.Out.Host = r.In.Host // it is signed
		},
		ModifyResponse: func(r *http.Response) error {
			r.Header.Set("Date", time.Now().Add(off).UTC().Format(http.TimeFormat))
			return nil
		},
	}
	server := httptest.NewServer(proxy)
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// openSeeds is a folder in which everybody may read the doctor's nkey.
func (p *patient) openSeeds(t *testing.T) string {
	t.Helper()
	seed, err := os.ReadFile(filepath.Join(p.fleet.Folder("doctor"), "nkeys", "doctor.seed"))
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	path := filepath.Join(folder, "doctor.seed")
	if err := errors.Join(os.WriteFile(path, seed, 0o600), os.Chmod(path, 0o644)); err != nil {
		t.Fatal(err)
	}
	return folder
}

// impostor is a folder in which the doctor's nkey is the scanner's.
func (p *patient) impostor(t *testing.T) string {
	t.Helper()
	seed, err := os.ReadFile(filepath.Join(p.fleet.Folder("scan"), "nkeys", "scan.seed"))
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "doctor.seed"), seed, 0o600); err != nil {
		t.Fatal(err)
	}
	return folder
}
