package promise4

import (
	"syscall"
	"testing"
	"time"

	"github.com/postern-mail/postern/services/postern/demo/mailbox"
	"github.com/postern-mail/postern/services/postern/fleet"
	"github.com/postern-mail/postern/test/program"
)

// The desk of a fleet has shown a mail, and shows it no more while the keyring is silent:
// it has kept neither the key nor the words.
func TestWhileTheKeyringIsSilentTheDeskShowsNothing(t *testing.T) {
	set, err := mailbox.New(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	f := program.Fleet(t, fleet.Options{Zone: set.Zone, TrustMX: []string{mailbox.TrustedMX}, Log: t.Output()})
	var raw []byte
	for _, mail := range set.Mails {
		if mail.Name == "where-is-my-order" {
			raw = mail.Raw
		}
	}
	if err := f.Append(program.Context(t), fleet.Mail{Raw: raw, Came: time.Now()}); err != nil {
		t.Fatal(err)
	}
	records, err := f.WaitSettled(program.Context(t), 1)
	if err != nil {
		t.Fatal(err)
	}
	link, err := f.Link(program.Context(t))
	if err != nil {
		t.Fatal(err)
	}
	agent := program.SignIn(t, link)
	for _, record := range records {
		paths, words := wordsOf(t, "/tickets/"+record.GetTicket(), raw)
		showsAll(t, agent, paths, words)
		pid := f.PID("keyring")
		if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGCONT) })
		showsNothing(t, agent, paths, words)
		if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		showsAll(t, agent, paths, words)
	}
}
