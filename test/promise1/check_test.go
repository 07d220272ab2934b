package promise1

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"testing"

	"github.com/postern-mail/postern/services/ingest/imaptest"
)

// A sight is what a second client sees of the mails that came to a mailbox.
type sight struct {
	came    map[uint32][sha256.Size]byte // every mail, by the UID under which it came
	touched map[uint32]bool              // those to which the mailbox action was done; nil: nobody looks
}

// marked sees a mailbox in which archived mails are marked.
func marked(client *imaptest.Client) sight {
	s := sight{client.Digests(), map[uint32]bool{}}
	for uid, flags := range client.Flags() {
		s.touched[uid] = slices.ContainsFunc(flags, isKeyword)
	}
	return s
}

// alone sees a mailbox, and not what was done in it.
func alone(client *imaptest.Client) sight { return sight{client.Digests(), nil} }

// left sees a mailbox from which archived mails are taken. What is left of those that came is
// what it was, and nothing in it waits for its removal.
func left(t *testing.T, came map[uint32][sha256.Size]byte, client *imaptest.Client) sight {
	t.Helper()
	s := sight{came, map[uint32]bool{}}
	still := client.Digests()
	for uid := range came {
		_, there := still[uid]
		s.touched[uid] = !there
	}
	for uid, digest := range still {
		if came[uid] != digest {
			t.Errorf("UID %d is another mail on the server than the one that came", uid)
		}
	}
	for uid, flags := range client.Flags() {
		if slices.Contains(flags, `\Deleted`) {
			t.Errorf("UID %d is flagged as deleted and still there", uid)
		}
	}
	return s
}

// checkMoved holds the folder to which archived mails are moved against what left the mailbox:
// each is there once.
func (s sight) checkMoved(t *testing.T, folder *imaptest.Client) {
	t.Helper()
	want := map[[sha256.Size]byte]int{}
	for uid, gone := range s.touched {
		if gone {
			want[s.came[uid]]++
		}
	}
	for uid, digest := range folder.Digests() {
		if want[digest]--; want[digest] < 0 {
			t.Errorf("UID %d of the folder %s is there once too often", uid, moveTo)
		}
	}
	for _, missing := range want {
		if missing > 0 {
			t.Errorf("%d mails left the mailbox and did not come to the folder %s", missing, moveTo)
		}
	}
}

// check compares what a process made with what a second client sees on the server: each
// mail is one ticket or set aside, none is lost and none is there twice. wantAside is how many are to be set aside; -1: any.
func (r *report) check(t *testing.T, server sight, wantAside int) {
	t.Helper()
	for _, bad := range r.Bad {
		t.Error(bad)
	}
	byUID := map[uint32]item{}
	tickets := map[string]bool{}
	aside := 0
	for _, i := range r.Items {
		if _, twice := byUID[i.UID]; twice {
			t.Errorf("UID %d has two records", i.UID)
		}
		byUID[i.UID] = i
		if _, there := server.came[i.UID]; !there {
			t.Errorf("UID %d has a record and never came to the server", i.UID)
		}
		gone := i.Layers["raw"] != "present"
		switch {
		case i.Ticket != "" && i.Code == "":
			tickets[i.Ticket] = true
			want := server.came[i.UID]
			if got := hex.EncodeToString(want[:]); !gone && i.Digest != got {
				t.Errorf("UID %d opens as another mail than the server's", i.UID)
			}
		case i.Ticket == "" && i.Code != "":
			aside++
		default:
			t.Errorf("UID %d: state %q, ticket %q, code %q: it is neither one ticket nor set aside", i.UID, i.State, i.Ticket, i.Code)
		}
		if touched := server.touched[i.UID]; server.touched != nil && i.Code != "killed_worker" && touched != (i.Ticket != "") { // of a killed worker: before its archiving or after
			t.Errorf("UID %d: ticket %q, and the mailbox action was done to its mail: %v", i.UID, i.Ticket, touched)
		}
		for _, object := range i.Objects {
			if !slices.Contains(r.Objects, object) {
				t.Errorf("UID %d: an object of its record is not in the vault", i.UID)
			}
		}
	}
	for uid := range server.came {
		if _, there := byUID[uid]; !there {
			t.Errorf("UID %d is lost", uid)
		}
	}
	if wantAside >= 0 && aside != wantAside {
		t.Errorf("%d mails are set aside, want %d", aside, wantAside)
	}
	for ticket, said := range r.Tickets {
		opened := 0
		for _, name := range said {
			if name == "ticket.v1.Opened" {
				opened++
			}
		}
		if opened != 1 || said[0] != "ticket.v1.Opened" {
			t.Errorf("ticket %s says %v: it was not opened exactly once, and first", ticket, said)
		}
		if !tickets[ticket] {
			t.Errorf("ticket %s is no record's", ticket)
		}
		delete(tickets, ticket)
	}
	for ticket := range tickets {
		t.Errorf("ticket %s is in a record and was never opened", ticket)
	}
}

// isKeyword knows the keyword: case does not count in it (RFC 3501 §2.3.2 leaves it to servers).
func isKeyword(flag string) bool { return strings.EqualFold(flag, keyword) }

// checkKept holds a report against what retention promises before anything is due: nothing
// is destroyed.
func (r *report) checkKept(t *testing.T) {
	t.Helper()
	for _, i := range r.Items {
		for kind, state := range i.Layers {
			if state != "present" {
				t.Errorf("UID %d: %s is %s and nothing is due", i.UID, kind, state)
			}
		}
	}
	for plan, targets := range r.Plans {
		if targets > 0 {
			t.Errorf("plan %s has %d targets and nothing is due", plan, targets)
		}
	}
}

// checkDestroyed holds a report against what retention promises after the sweep's span:
// one certificate a plan, and no original left.
func (r *report) checkDestroyed(t *testing.T) {
	t.Helper()
	for plan, targets := range r.Plans {
		if want := min(targets, 1); r.Certified[plan] != want {
			t.Errorf("plan %s has %d targets and %d certificates", plan, targets, r.Certified[plan])
		}
	}
	if len(r.Certified) == 0 {
		t.Error("nothing was certified")
	}
	for _, i := range r.Items {
		for kind, state := range i.Layers {
			want := "present" // what is kept for longer is still to be there, and opens
			if kind == "raw" {
				want = "destroyed"
			}
			if state != want {
				t.Errorf("UID %d: %s is %s after the due date of originals, want %s", i.UID, kind, state, want)
			}
		}
	}
	// Neither originals nor what attempts left that died before they were registered.
	for _, object := range r.Objects {
		if strings.HasPrefix(object, "raw/") {
			t.Errorf("object %s is still there", object)
		}
	}
}
