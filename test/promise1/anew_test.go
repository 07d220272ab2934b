package promise1

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The versions of the signatures before which, and with which, the heron is found.
const (
	blind  = "clamav-1.0.0.daily-100"
	seeing = "clamav-1.0.0.daily-101"
	heron  = "the heron of 7731"
)

// Mails of which newer signatures find something, or nothing: one of two files, a file, none.
var (
	partly   = letter("Two notes", `multipart/mixed; boundary="b"`, attachments("first.txt", heron, "second.txt", "nothing of interest"))
	spotless = letter("A note", `multipart/mixed; boundary="b"`, attachments("third.txt", "nothing at all"))
	judged   = [][]byte{partly, spotless, plain}
)

func attachments(namesAndContents ...string) string {
	var b strings.Builder
	b.WriteString("--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nSee the notes.\r\n")
	for i := 0; i < len(namesAndContents); i += 2 {
		fmt.Fprintf(&b, "--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Disposition: attachment; filename=%q\r\n\r\n%s\r\n", namesAndContents[i], namesAndContents[i+1])
	}
	b.WriteString("--b--\r\n")
	return b.String()
}

// anewSteps are the steps of what follows newer signatures.
var anewSteps = []step{
	said(55, "scan", "mail.v1.Outdated"),
	at(56, "scan has the key of the view", of("keyring", "answer", "keyring.v1.open.rescan")),
	at(57, "clamd is asked", pattern{Where: onClamd, Kind: "scan", What: heron}),
	at(58, "the recall is in the audit log", of("keyring", "publish", "audit.v1.Entry.keyring")).since(sighted, of("scan", "request", "keyring.v1.rejudge")),
	at(59, "the record recalls the file", of("keyring", "publish", "items.")).since(sighted, of("scan", "request", "keyring.v1.rejudge")),
	at(60, "scan hears of it", of("keyring", "answer", "keyring.v1.rejudge")).since(sighted),
	said(61, "scan", "mail.v1.Recalled"),
	at(62, "Outdated is acknowledged", of("scan", "ack", "mail.v1.Outdated")).since(sighted),
	at(63, "the ticket hears of it", of("desk", "publish", "tickets.")).since(sighted),
	at(64, "Recalled is acknowledged", of("desk", "ack", "mail.v1.Recalled")),
}

// sighted is when clamd finds something.
var sighted = pattern{Where: onClamd, Kind: "scan", What: heron}

// since has the step counted only after calls of patterns.
func (s step) since(patterns ...pattern) step {
	s.before.Since, s.after.Since = patterns, patterns
	return s
}

// blindly has a life come to its end in which mails are judged with signatures that find nothing.
func blindly(t *testing.T) life {
	t.Helper()
	l := inMemory(t, judged...)
	l.Scanner = blind
	r, err := l.run(t.Context())
	if err != nil {
		t.Fatalf("before: %v\n%s", err, logged(l.Data))
	}
	l.checkMemory(t, r, judged)
	if len(r.Anew.Recalled) > 0 || len(r.Anew.Acts) > 0 || r.Anew.Version != blind {
		t.Fatalf("before: %+v", r.Anew)
	}
	return l
}

// everyMoment has something done before and after each step, each time over data of its own, with signatures that see.
func everyMoment(t *testing.T, do func(t *testing.T, l life, s step, moment string)) {
	t.Helper()
	first := blindly(t)
	for _, s := range anewSteps {
		for moment := range s.killings() {
			t.Run(fmt.Sprintf("%s %s %s", s.name(), moment, strings.ReplaceAll(s.what, " ", "_")), func(t *testing.T) {
				t.Parallel()
				l := first
				l.Data, l.Scanner = quickDir(t), seeing
				copyTree(t, first.Data, l.Data)
				do(t, l, s, moment)
			})
		}
	}
}

// Newer signatures come, and the process is killed at each step of what follows from that.
func TestWhatNewerSignaturesFindIsRecalledOnceWhereverTheProcessIsKilled(t *testing.T) {
	everyMoment(t, func(t *testing.T, l life, s step, moment string) {
		k := s.killings()[moment]
		l.Kill = &k
		if _, err := l.run(t.Context()); err != nil {
			t.Fatalf("%v\n%s", err, logged(l.Data))
		}
		l.Kill = nil
		// Where a death is between the act and the record's change, whoever comes after does both: AUDIT tells it
		// twice. It never tells less than was done.
		l.recalls(t, s.number == 58 && moment == "after" || s.number == 59 && moment == "before")
	})
}

// The call of each step fails once, before or after it took effect, and nobody dies.
func TestWhatNewerSignaturesFindIsRecalledOnceWhicheverCallFails(t *testing.T) {
	everyMoment(t, func(t *testing.T, l life, s step, moment string) {
		k := s.killings()[moment]
		l.Fault = &k
		l.recalls(t, s.number == 58 && moment == "after") // nobody knows that it was written
	})
}

// recalls runs a life to its end and holds what became of the files against what its signatures find.
func (l life) recalls(t *testing.T, toldTwice bool) {
	t.Helper()
	r, err := l.run(t.Context())
	if err != nil {
		t.Fatalf("%v\n%s", err, logged(l.Data))
	}
	l.checkMemory(t, r, judged)
	r.Anew.check(t, toldTwice)
	if t.Failed() {
		t.Log(logged(l.Data))
	}
}

// check holds what became of the files against what newer signatures find.
func (a *anew) check(t *testing.T, toldTwice bool) {
	t.Helper()
	for _, bad := range a.Bad {
		t.Error(bad)
	}
	if want := []string{"first.txt infected " + seeing}; fmt.Sprint(a.Recalled) != fmt.Sprint(want) {
		t.Errorf("recalled are %q, want %q", a.Recalled, want)
	}
	want := []string{"worker:scan 0 infected allowed"}
	if toldTwice {
		want = append(want, want[0])
	}
	if fmt.Sprint(a.Acts) != fmt.Sprint(want) {
		t.Errorf("acts of recalling are %q, want %q", a.Acts, want)
	}
	if want := map[string]int{"first.txt": 403, "second.txt": 200, "third.txt": 200}; fmt.Sprint(a.Fetched) != fmt.Sprint(want) {
		t.Errorf("at the end files are fetched with %v, want %v", a.Fetched, want)
	}
}

// copyTree copies folders and files; what else there is belongs to a process.
func copyTree(t *testing.T, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rest, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		switch target := filepath.Join(to, rest); {
		case entry.IsDir():
			return os.MkdirAll(target, info.Mode().Perm())
		case entry.Type().IsRegular():
			return copyFile(path, target, info.Mode().Perm())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func copyFile(from, to string, mode os.FileMode) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	if _, err := io.Copy(target, source); err != nil {
		target.Close()
		return err
	}
	return target.Close()
}
