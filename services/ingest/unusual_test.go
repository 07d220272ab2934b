package ingest_test

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/postern-mail/postern/services/ingest"
	"github.com/postern-mail/postern/services/ingest/imaptest"
)

// instead replaces in the answers to commands that contain a word.
func instead(word, old, made string) func(string, []byte) []byte {
	return func(line string, answer []byte) []byte {
		if !strings.Contains(line, word) {
			return answer
		}
		return regexp.MustCompile(old).ReplaceAll(answer, []byte(made))
	}
}

// answers are the FETCH answers that a text holds, which no mail of it looks like.
var answers = regexp.MustCompile(`(?s)\* \d+ FETCH .*?\)\r\n`)

// What the standards allow and servers seldom do loses nothing and holds up nothing.
func TestAServerThatAnswersUnusuallyIsReadAsAnyOther(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*imaptest.Script){
		"a listing in several answers": func(s *imaptest.Script) {
			s.Rewrite = instead("SEARCH", `\* SEARCH (\d+) (\d+)`, "* SEARCH\r\n* SEARCH $1\r\n* SEARCH \r\n* SEARCH $2")
		},
		"a listing that ends with a space": func(s *imaptest.Script) {
			s.Rewrite = instead("SEARCH", `(\* SEARCH.*)\r\n(T)`, "$1 \r\n$2")
		},
		"ESEARCH": func(s *imaptest.Script) {
			s.Rewrite = func(line string, answer []byte) []byte {
				tag, _, _ := strings.Cut(line, " ")
				answer = bytes.ReplaceAll(answer, []byte("CAPABILITY IMAP4rev1"), []byte("CAPABILITY IMAP4rev2"))
				return regexp.MustCompile(`\* SEARCH( \d+)( \d+)( \d+)`).ReplaceAll(answer, []byte(`* ESEARCH (TAG "`+tag+`") UID ALL 1:3`))
			}
		},
		"mails in another order": func(s *imaptest.Script) {
			s.Rewrite = func(line string, answer []byte) []byte {
				if !strings.Contains(line, "FETCH") {
					return answer
				}
				list := answers.FindAll(answer, -1)
				rest := answers.ReplaceAll(answer, nil)
				slices.Reverse(list)
				return append(bytes.Join(list, nil), rest...)
			}
		},
		"the number behind the size": func(s *imaptest.Script) {
			s.Rewrite = instead("RFC822.SIZE", `\((UID \d+) ([^)]*)\)`, "($2 $1)")
		},
		"the number behind the body": func(s *imaptest.Script) {
			s.Rewrite = instead("BODY.PEEK", `(?s)\((UID \d+) (BODY.*?)\)\r\n`, "($2 $1)\r\n")
		},
		"the number behind a long body": func(s *imaptest.Script) {
			s.Mails[1].Raw = bytes.Repeat([]byte("long\r\n"), 100_000)
			s.Rewrite = instead("BODY.PEEK", `(?s)\((UID \d+) (BODY.*?)\)\r\n`, "($2 $1)\r\n")
		},
		"flags in front of the body and behind it": func(s *imaptest.Script) {
			s.Rewrite = instead("BODY.PEEK", `(?s)\((UID \d+) (BODY.*?)\)\r\n`, "(FLAGS (\\Seen) $1 $2 MODSEQ (5))\r\n")
		},
		"a body in quotation marks": func(s *imaptest.Script) {
			s.Mails[1].Raw = []byte("no line end")
			s.Rewrite = instead("BODY.PEEK", `\{11\}\r\nno line end`, `"no line end"`)
		},
		"an empty mail": func(s *imaptest.Script) { s.Mails[1].Raw = nil },
		"an empty mail in quotation marks": func(s *imaptest.Script) {
			s.Mails[1].Raw = nil
			s.Rewrite = instead("BODY.PEEK", `\{0\}\r\n`, `""`)
		},
		"no UIDNEXT": func(s *imaptest.Script) { s.Next = 0 },
		"OK without a word": func(s *imaptest.Script) {
			s.Rewrite = instead("", `(T\d+ OK) done`, "$1")
		},
		"OK with ALERT": func(s *imaptest.Script) {
			s.Greeting = "* OK [ALERT] the house is on fire"
			s.Rewrite = instead("", `(T\d+ OK) done`, "* OK [ALERT] \xff\xfe\r\n$1 [ALERT] the house is on fire")
		},
		"OK with a code that nobody knows": func(s *imaptest.Script) {
			s.Rewrite = instead("", `(T\d+ OK) done`, "$1 [X-STATE (a \"b\" {c})] done")
		},
		"signed in before the first word": func(s *imaptest.Script) {
			s.Greeting = "* PREAUTH [CAPABILITY IMAP4rev1] welcome"
			s.Rewrite = instead("LOGIN", `(T\d+) OK done`, "$1 BAD you are signed in")
		},
		"other abilities after the sign-in, told with it": func(s *imaptest.Script) {
			s.Rewrite = instead("LOGIN", `(T\d+) OK done`, "$1 OK [CAPABILITY IMAP4rev1 IDLE] done")
		},
		"other abilities after the sign-in, told before it": func(s *imaptest.Script) {
			s.Rewrite = instead("LOGIN", `(T\d+) OK done`, "* CAPABILITY IMAP4rev1 UIDPLUS\r\n$1 OK done")
		},
		"IMAP4rev2 and nothing before it": func(s *imaptest.Script) {
			s.Rewrite = instead("", "IMAP4rev1", "IMAP4rev2")
		},
		"both revisions": func(s *imaptest.Script) {
			s.Rewrite = instead("", "IMAP4rev1", "IMAP4rev1 IMAP4rev2")
		},
		"UTF-8 and nothing else": func(s *imaptest.Script) {
			enabled := 0
			s.Rewrite = func(line string, answer []byte) []byte {
				tag, command, _ := strings.Cut(line, " ")
				switch {
				case strings.HasPrefix(command, "LOGIN"):
					enabled = 0
				case command == "ENABLE UTF8=ACCEPT":
					enabled++
					return []byte("* ENABLED UTF8=ACCEPT\r\n" + tag + " OK done\r\n")
				case strings.HasPrefix(command, "EXAMINE") && enabled == 0:
					return []byte(tag + " NO [CANNOT] say first that you can read it\r\n") // RFC 6855 §3
				}
				return bytes.ReplaceAll(answer, []byte("CAPABILITY IMAP4rev1"), []byte("CAPABILITY IMAP4rev1 ENABLE UTF8=ONLY"))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			script := &imaptest.Script{Validity: 9, Next: 4, Mails: honest(3)}
			change(script)
			w := newWorld(t)
			service, stop := w.run(plaintextConfig(t, script.Serve(t)), w.deps())
			w.until("all are dealt with", func() bool { return w.dealt(3) })
			w.state(service, ingest.OK)
			stop()
			if len(w.records) != 3 || len(w.said) != 3 {
				t.Errorf("%d items and %d events of 3 mails", len(w.records), len(w.said))
			}
			for _, mail := range script.Mails {
				if record := w.record(mail.UID); record.SetAside != nil || !bytes.Equal(w.raw(record), mail.Raw) {
					t.Errorf("mail %d is set aside (%v) or has other bytes", mail.UID, record.SetAside)
				}
			}
		})
	}
}

// A body that comes before its number is taken for nothing but what the number says: else it is no mail.
func TestABodyBeforeItsNumberCountsOnlyWithTheNumber(t *testing.T) {
	t.Parallel()
	for name, made := range map[string]string{
		"another's number":          "($2 UID 3)\r\n",
		"a number that is nobody's": "($2 UID 77)\r\n",
		"no number":                 "($2)\r\n",
		"the end of the line gone":  "($2 $1) ",
		"twice":                     "($2 $1)\r\n* 2 FETCH ($2 $1)\r\n",
		"and once more as usual":    "($2 $1)\r\n* 2 FETCH ($1 $2)\r\n",
		"a second body in it":       "($2 $1 BODY[] {3}\r\nabc)\r\n",
	} {
		for _, size := range []int{500, 300_000} {
			t.Run(fmt.Sprint(name, " ", size), func(t *testing.T) {
				t.Parallel()
				script := among(imaptest.ScriptMail{UID: 5, Raw: bytes.Repeat([]byte("x\r\n"), size/3)})
				late, odd := instead("BODY.PEEK", `(?s)\((UID \d+) (BODY.*?)\)\r\n`, "($2 $1)\r\n"), instead("BODY.PEEK", `(?s)\((UID 5) (BODY.*?)\)\r\n`, made)
				script.Rewrite = func(line string, answer []byte) []byte { return late(line, odd(line, answer)) }
				w := newWorld(t)
				_, stop := w.run(plaintextConfig(t, script.Serve(t)), w.deps())
				w.until("all are dealt with", func() bool { return w.dealt(6) })
				stop()
				if len(w.records) != 3 {
					t.Errorf("%d items of 3 mails", len(w.records))
				}
				for _, mail := range script.Mails {
					record := w.record(mail.UID)
					if record.SetAside != nil && mail.UID == 5 {
						continue
					}
					if record.SetAside != nil || !bytes.Equal(w.raw(record), mail.Raw) {
						t.Errorf("mail %d is set aside (%v) or has other bytes", mail.UID, record.SetAside)
					}
				}
			})
		}
	}
}

// What no standard allows is lived with, or has a clear state, until it stops.
func TestAServerThatBreaksTheRulesForAWhileLosesNothing(t *testing.T) {
	t.Parallel()
	for name, each := range map[string]struct {
		rewrite func(string, []byte) []byte
		state   ingest.State // empty: the mail is in trouble
	}{
		"a body in a binary literal":   {instead("BODY.PEEK", `BODY\[\] \{`, "BODY[] ~{"), ""},
		"no body":                      {instead("BODY.PEEK", `(?s)BODY\[\] \{\d+\}\r\n.*?\)\r\n`, "BODY[] NIL)\r\n"), ""},
		"an answer of no known kind":   {instead("EXAMINE", `^`, "* XANNOUNCE hello\r\n"), ingest.Garbled},
		"no UIDVALIDITY":               {instead("EXAMINE", `\* OK \[UIDVALIDITY 9\] ok\r\n`, ""), ingest.Garbled},
		"sign-in by name is ruled out": {instead("CAPABILITY", `IMAP4rev1`, "IMAP4rev1 LOGINDISABLED"), ingest.SignInRefused},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			script := &imaptest.Script{Validity: 9, Next: 4, Mails: honest(3), Greeting: "* OK ready"}
			script.Rewrite = each.rewrite
			if each.state == ingest.SignInRefused {
				script.On = func(_ *imaptest.Script, command string, _ int) {
					if command == "LOGIN" {
						t.Error("the password was sent to a server that does not want it")
					}
				}
			}
			w := newWorld(t)
			service, stop := w.run(plaintextConfig(t, script.Serve(t)), w.deps())
			if each.state != "" {
				w.state(service, each.state)
			} else {
				script.Fetched(2)
			}
			script.Change(func(s *imaptest.Script) { s.Rewrite, s.On = nil, nil })
			w.until("all are dealt with", func() bool { return w.dealt(3) })
			stop()
			if len(w.records) != 3 {
				t.Errorf("%d items of 3 mails", len(w.records))
			}
			for _, mail := range script.Mails {
				if record := w.record(mail.UID); record.SetAside != nil || !bytes.Equal(w.raw(record), mail.Raw) {
					t.Errorf("mail %d is set aside (%v) or has other bytes", mail.UID, record.SetAside)
				}
			}
		})
	}
}

// In a folder without mails * stands for none (RFC 3501 §9), and some servers say BAD to it.
func TestAnEmptyFolderIsAskedWithoutAStar(t *testing.T) {
	t.Parallel()
	script := &imaptest.Script{Validity: 9, Next: 1}
	script.Rewrite = func(line string, answer []byte) []byte {
		tag, _, _ := strings.Cut(line, " ")
		if len(script.Mails) == 0 && strings.Contains(line, "*") {
			return []byte(tag + " BAD no such mail\r\n")
		}
		return answer
	}
	w := newWorld(t)
	service, stop := w.run(plaintextConfig(t, script.Serve(t)), w.deps())
	w.state(service, ingest.OK)
	script.Change(func(s *imaptest.Script) { s.Mails, s.Next = honest(3), 4 })
	w.until("all are dealt with", func() bool { return w.dealt(3) })
	script.Change(func(s *imaptest.Script) { s.Mails = nil })
	script.Given("EXAMINE", 3)
	w.state(service, ingest.OK)
	stop()
}

// A folder's name goes over the wire as the server expects it: in modified UTF-7 (RFC 3501 §5.1.3) where it
// offers IMAP4rev1, also beside IMAP4rev2, which nobody has enabled (RFC 9051 §6.3.1); else in UTF-8.
func TestAFoldersNameIsWrittenAsTheServerReadsIt(t *testing.T) {
	t.Parallel()
	for offers, wire := range map[string][3]string{
		"IMAP4rev1":           {`"&AMQ-rger &- Co"`, `"a\\b\"c"`, `"x|y^z ~peter"`},
		"IMAP4rev1 IMAP4rev2": {`"&AMQ-rger &- Co"`, `"a\\b\"c"`, `"x|y^z ~peter"`},
		"IMAP4rev2":           {`"Ärger &- Co"`, `"a\\b\"c"`, `"x|y^z ~peter"`}, // the library doubles the & all the same
	} {
		t.Run(offers, func(t *testing.T) {
			t.Parallel()
			script := &imaptest.Script{Validity: 9, Next: 4, Mails: honest(3)}
			opened := map[string]bool{}
			script.Rewrite = func(line string, answer []byte) []byte {
				if _, name, is := strings.Cut(line, " EXAMINE "); is {
					opened[name] = true
				}
				return bytes.ReplaceAll(answer, []byte("IMAP4rev1"), []byte(offers))
			}
			script.Greeting = fmt.Sprintf("* OK [CAPABILITY %s] ready", offers)
			c := plaintextConfig(t, script.Serve(t))
			c.Mailboxes[0].Folders = []string{"Ärger & Co", `a\b"c`, "x|y^z ~peter"}
			w := newWorld(t)
			_, stop := w.run(c, w.deps())
			w.until("all are items of each folder", func() bool { return len(w.records) >= 9 })
			stop()
			for _, name := range wire {
				if !opened[name] {
					t.Errorf("%s was not opened, but %v", name, opened)
				}
			}
		})
	}
}
