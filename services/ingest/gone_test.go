package ingest_test

import (
	"testing"

	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
	"github.com/postern-mail/postern/services/ingest/imaptest"
)

// uids gives which UIDs are items; mu is held or nothing runs.
func (w *world) uids() map[uint32]bool {
	set := map[uint32]bool{}
	for _, record := range w.records {
		set[record.Uid] = true
	}
	return set
}

func TestAMailThatOneAnswerLacksIsFetchedAgain(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*imaptest.ScriptMail){
		"sizes":  func(m *imaptest.ScriptMail) { m.Undescribed = 2 },
		"search": func(m *imaptest.ScriptMail) { m.Unlisted = 1 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			script := &imaptest.Script{Validity: 9, Next: 6, Mails: honest(5)}
			spoil(&script.Mails[2])
			w := newWorld(t)
			_, stop := w.run(plaintextConfig(t, script.Serve(t)), w.deps())
			w.until("all five are in the cursor", func() bool { return w.dealt(5) })
			stop()
			if got := w.uids(); len(got) != 5 {
				t.Errorf("items of the mails %v, want all five", got)
			}
		})
	}
}

// A SEARCH that hides a mail in every session is found out by the number of mails in the folder.
func TestAListingWithFewerMailsThanTheFolderHasProvesNothing(t *testing.T) {
	t.Parallel()
	script := &imaptest.Script{Validity: 9, Next: 6, Mails: honest(5)}
	script.Mails[2].Unlisted = 1 << 30
	w := newWorld(t)
	_, stop := w.run(plaintextConfig(t, script.Serve(t)), w.deps())
	w.until("the four others are said", func() bool { return len(w.said) == 4 })
	script.Sessions(5)
	w.mu.Lock()
	if w.dealt(5) {
		t.Error("the hidden mail counts as gone")
	}
	w.mu.Unlock()
	script.Change(func(s *imaptest.Script) { s.Mails[2].Unlisted = 0 })
	w.until("the hidden one is taken", func() bool { return w.dealt(5) && len(w.records) == 5 })
	stop()
}

func TestAnExpungedMailCountsAsGoneWhenTwoSessionsSaySo(t *testing.T) {
	t.Parallel()
	script := &imaptest.Script{Validity: 9, Next: 6, Mails: honest(5)}
	script.Mails[1].Withheld = true // so that it is not taken before it goes
	w := newWorld(t)
	_, stop := w.run(plaintextConfig(t, script.Serve(t)), w.deps())
	w.until("the others are said", func() bool { return len(w.said) == 4 })
	script.Change(func(s *imaptest.Script) { s.Mails = append(s.Mails[:1:1], s.Mails[2:]...) })
	w.until("the cursor is whole", func() bool { return w.dealt(5) })
	stop()
	if len(w.records) != 4 {
		t.Errorf("%d items, want 4", len(w.records))
	}
}

func TestNewsOfFlagsAmongTheAnswersLosesNothing(t *testing.T) {
	t.Parallel()
	script := &imaptest.Script{Validity: 9, Mails: honest(3), News: true}
	w := newWorld(t)
	_, stop := w.run(plaintextConfig(t, script.Serve(t)), w.deps())
	script.Sessions(2)
	script.Change(func(s *imaptest.Script) { s.News = false })
	w.until("all are in the cursor", func() bool { return w.dealt(3) })
	stop()
	if len(w.records) != 3 {
		t.Errorf("%d items, want 3", len(w.records))
	}
}

func TestOneAnswerOutOfAnOldReplicaStartsNoNewScan(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*imaptest.Script){
		"UIDVALIDITY": func(s *imaptest.Script) { s.ValidityIn = map[int]uint32{2: 8} },
		"UIDNEXT":     func(s *imaptest.Script) { s.NextIn = map[int]uint32{2: 2} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			script := &imaptest.Script{Validity: 9, Next: 4, Mails: honest(3)}
			spoil(script)
			address := script.Serve(t)
			w := newWorld(t)
			for _, sessions := range []int{1, 3, 4} { // the second makes a third necessary
				_, stop := w.run(plaintextConfig(t, address), w.deps())
				w.until("all are in the cursor", func() bool { return w.dealt(3) })
				script.Sessions(sessions)
				stop()
			}
			if folder := w.cursors["support"].Folders[0]; len(w.records) != 3 || folder.UidValidity != 9 || folder.Generation != 0 {
				t.Errorf("%d items, cursor %v", len(w.records), folder)
			}
		})
	}
}

func TestAUIDAboveUIDNEXTMakesNoGenerations(t *testing.T) {
	t.Parallel()
	script := &imaptest.Script{Validity: 9, Next: 4, Mails: append(honest(3), imaptest.ScriptMail{UID: 4_294_967_295, Raw: []byte("a mistake")})}
	address := script.Serve(t)
	w := newWorld(t)
	for range 3 {
		_, stop := w.run(plaintextConfig(t, address), w.deps())
		w.until("all four are items", func() bool { return len(w.records) >= 4 })
		stop()
	}
	if len(w.records) != 4 {
		t.Errorf("%d items of four mails", len(w.records))
	}
}

func TestWhatWasThereWhenAFolderWasNumberedAnewIsRemembered(t *testing.T) {
	t.Parallel()
	for name, told := range map[string]bool{"told by UIDNEXT": true, "by the first listing": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			next := func(n uint32) uint32 {
				if told {
					return n
				}
				return 0
			}
			script := &imaptest.Script{Validity: 9, Next: next(4), Mails: honest(3)}
			address := script.Serve(t)
			w := newWorld(t)
			_, stop := w.run(plaintextConfig(t, address), w.deps())
			w.until("all are in the cursor", func() bool { return w.dealt(3) })
			if n := w.cursors["support"].Folders[0].Renumbered; n != 0 {
				t.Errorf("renumbered below %d at first sight", n)
			}
			script.Change(func(s *imaptest.Script) { s.Validity = 10 })
			renumbered := 0
			w.mu.Lock()
			w.refuse = func(r *keyringv1.Register) error {
				if r.Renumbered != (r.Uid < 4) {
					t.Errorf("mail %d is registered as renumbered: %v", r.Uid, r.Renumbered)
				}
				renumbered++
				return nil
			}
			w.mu.Unlock()
			w.until("all are there anew", func() bool { return w.dealt(3) && w.cursors["support"].Folders[0].UidValidity == 10 })
			script.Change(func(s *imaptest.Script) {
				s.Next, s.Mails = next(5), append(s.Mails, imaptest.ScriptMail{UID: 4, Raw: []byte("Subject: new\r\n\r\n")})
			})
			w.until("a new one, too", func() bool { return w.dealt(4) })
			stop()
			if renumbered != 4 {
				t.Errorf("%d registrations, want 4", renumbered)
			}
			if n := w.cursors["support"].Folders[0].Renumbered; n != 4 {
				t.Errorf("renumbered below %d, want 4", n)
			}
		})
	}
}
