package commands

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postern-mail/postern/services/postern/demo/mailbox"
	"github.com/postern-mail/postern/test/program"
)

// A life is one run of the demonstration.
type life struct {
	*process
	desk, operations, link, second, temporary string
}

func demo(t *testing.T, data string, more ...string) *life {
	t.Helper()
	l := &life{temporary: short(t)}
	l.process = start(t, l.temporary, append([]string{"demo", "--data", data, "--listen", "127.0.0.1:0", "--operations", "127.0.0.1:0"}, more...)...)
	said := l.says(t, `is up in ([0-9.]+) s[\s\S]+?(http://(\S+)/link/\S+)[\s\S]+?second person[\s\S]+?(http://\S+/link/\S+)[\s\S]+?http://(\S+)/metrics`)
	t.Logf("up in %s s; a newcomer is promised 15", said[1])
	l.link, l.desk, l.second, l.operations = said[2], said[3], said[4], said[5]
	return l
}

// ends stops a run as Ctrl-C does: nothing is left of it.
func (l *life) ends(t *testing.T, data string) {
	t.Helper()
	own, err := processRoom(l.command.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	children := descendants(l.command.Process.Pid)
	for _, child := range children { // a decoder is shut in from its birth on; what has just ended has no room any more
		if room, err := processRoom(child.pid); err == nil && room == own {
			t.Errorf("it started process %d in its own room", child.pid)
		}
	}
	if code := l.interrupt(t); code != done || !strings.Contains(l.out.String(), "Stopped.") {
		t.Errorf("interrupted: exit %d\n%s", code, l.out.String())
	}
	if left := alive(children); len(left) > 0 {
		t.Errorf("of %d decoders %v are left", len(children), left)
	}
	if left := leftovers(t, l.temporary, data); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestADemonstrationIsRunStoppedAndGoesOn(t *testing.T) {
	t.Parallel()
	set, err := mailbox.New(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	all := len(set.Mails)
	data := filepath.Join(t.TempDir(), "data")
	before := fmt.Sprintf(`(?m)^%d mails are here from before\.`, all)

	first := demo(t, data)
	said := first.says(t, fmt.Sprintf(`All %d mails are [^\n]+ after ([0-9.]+) s`, all))
	t.Logf("done with %d mails in %s s; a newcomer is promised 60", all, said[1])
	for _, mail := range set.Mails {
		if told := len(regexp.MustCompile(`(?m)^ *[0-9.]+s  `+mail.Name+` `).FindAllString(first.out.String(), -1)); told != 1 {
			t.Errorf("%s is told %d times", mail.Name, told)
		}
	}
	stored := awaitTickets(t, program.SignIn(t, first.link), all)
	if len(stored) != all {
		t.Fatalf("%d tickets of %d mails", len(stored), all)
	}
	t.Run("a second one in its folder is refused, and does it no harm", func(t *testing.T) {
		authority := filepath.Join(data, "mailbox", "ca.pem")
		trusted := read(t, authority)
		out, complaint, code := typed(t, "", "demo", "--data", data, "--listen", "127.0.0.1:0", "--operations", "127.0.0.1:0")
		if code != failed || !strings.Contains(complaint, "stop that first") || out != "" {
			t.Errorf("exit %d: %s%s", code, out, complaint)
		}
		if !bytes.Equal(read(t, authority), trusted) {
			t.Error("the mailbox of the first has another certificate now")
		}
	})
	t.Run("addresses that are taken are told with how another is chosen", func(t *testing.T) {
		for flag, address := range map[string]string{"--listen": first.desk, "--operations": first.operations} {
			for _, command := range []string{"demo", "fleet"} {
				if command == "fleet" && flag != "--listen" {
					continue
				}
				words := []string{command, "--data", t.TempDir(), flag, address}
				if flag == "--operations" { // somebody else here may have a desk at the usual address
					words = append(words, "--listen", "127.0.0.1:0")
				}
				_, complaint, code := typed(t, "", words...)
				if code != failed || !strings.Contains(complaint, "in use") || !strings.Contains(complaint, "choose another address with "+flag) {
					t.Errorf("%s %s: exit %d: %s", command, flag, code, complaint)
				}
			}
		}
	})
	first.ends(t, data)

	second := demo(t, data)
	second.says(t, before)
	if again := awaitTickets(t, program.SignIn(t, second.link), all); !slices.Equal(again, stored) {
		t.Errorf("the tickets of the second run are %v, and were %v", again, stored)
	}
	quiet(t, second)
	second.ends(t, data)

	third := demo(t, data, "--clock-offset", "31d")
	somebody := program.SignIn(t, third.link)
	certificate := destroyed(t, somebody, third, all)
	t.Run("its certificate is verified offline", func(t *testing.T) { verified(t, certificate, filepath.Join(data, "keys", "certificate.ed25519.pub")) })
	if again := awaitTickets(t, somebody, all); !slices.Equal(again, stored) {
		t.Errorf("the tickets of the run with a moved clock are %v, and were %v", again, stored)
	}
	quiet(t, third)
	third.ends(t, data)

	t.Run("streams that are lost are rebuilt", func(t *testing.T) { rebuilt(t, data, stored, before) })
}

// quiet checks that a run took no mail: each was there before.
func quiet(t *testing.T, l *life) {
	t.Helper()
	for line := range strings.Lines(l.out.String()) {
		if regexp.MustCompile(`^ *[0-9.]+s  `).MatchString(line) && !strings.Contains(line, "original destroyed") {
			t.Errorf("a mail is told as new: %s", line)
		}
	}
}

var certificateLink = regexp.MustCompile(`href="/retention/certificates/(\w+)[?"]`)

// destroyed waits until every original is destroyed and certified, and gives the certificate.
func destroyed(t *testing.T, somebody *program.Browser, l *life, n int) []byte {
	t.Helper()
	program.Until(t, "every original is destroyed", func() bool {
		return strings.Count(l.out.String(), "original destroyed") == n
	})
	var found []string
	program.Until(t, "the certificate is there", func() bool {
		found = certificateLink.FindStringSubmatch(somebody.Opened(t, "/retention"))
		return found != nil
	})
	status, text := somebody.Get(t, "/retention/certificates/"+found[1])
	if status != 200 {
		t.Fatalf("the certificate answers %d", status)
	}
	return []byte(text)
}

func verified(t *testing.T, certificate []byte, key string) {
	folder := t.TempDir()
	file := func(name string, text []byte) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := file("good.json", certificate)
	out, complaint, code := typed(t, "", "certificate", "verify", good, "--key", key)
	if code != done || !strings.Contains(out, "good, signed by key") || !strings.Contains(out, "layers destroyed") {
		t.Errorf("exit %d: %s%s", code, out, complaint)
	}
	at := bytes.Index(certificate, []byte("expiry"))
	if at < 0 {
		t.Fatalf("the certificate does not name its cause:\n%s", certificate)
	}
	changed := bytes.Clone(certificate)
	copy(changed[at:], "erasur")
	if out, complaint, code := typed(t, "", "certificate", "verify", file("changed.json", changed), "--key", key); code != failed || strings.Contains(out, "good") || complaint == "" {
		t.Errorf("a changed one: exit %d: %s%s", code, out, complaint)
	}
	if _, complaint, code := typed(t, "", "certificate", "verify", good, "--key", strings.Replace(key, "certificate.", "audit.", 1)); code != failed || complaint == "" {
		t.Errorf("by another's key: exit %d: %s", code, complaint)
	}
}

// rebuilt loses the bus's disk, and has the streams made anew from the journal.
func rebuilt(t *testing.T, data string, stored []string, before string) {
	config := write(t, "data_dir: "+data+"\n")
	if out, complaint, code := typed(t, "", "rebuild", "--config", config); code != failed || !strings.Contains(complaint, "no stream was lost") {
		t.Errorf("with nothing lost: exit %d: %s%s", code, out, complaint)
	}
	if err := os.RemoveAll(filepath.Join(data, "nats")); err != nil {
		t.Fatal(err)
	}
	out, complaint, code := typed(t, "", "rebuild", "--config", config)
	if code != done {
		t.Fatalf("exit %d: %s%s", code, out, complaint)
	}
	for _, stream := range []string{"ITEMS", "TICKETS", "RETENTION", "AUDIT", "CHECKPOINTS"} {
		if !regexp.MustCompile(`(?m)^` + stream + ` +[1-9][0-9]* messages from [1-9]`).MatchString(out) {
			t.Errorf("nothing is said of %s:\n%s", stream, out)
		}
	}
	l := demo(t, data, "--clock-offset", "31d")
	l.says(t, before)
	if again := awaitTickets(t, program.SignIn(t, l.link), len(stored)); !slices.Equal(again, stored) {
		t.Errorf("the tickets are %v, and were %v", again, stored)
	}
	quiet(t, l)
	l.ends(t, data)
	if out, complaint, code := typed(t, "", "audit", "verify", "--config", config); code != done {
		t.Errorf("the audit log: exit %d: %s%s", code, out, complaint)
	}
}
