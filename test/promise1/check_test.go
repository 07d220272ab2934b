package promise1

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"testing"
)

// check compares what a process made with what a second client sees on the server: each
// mail is one ticket or set aside, none is lost and none is there twice. wantAside is how many are to be set aside; -1: any.
func (r *report) check(t *testing.T, server map[uint32][sha256.Size]byte, flags map[uint32][]string, wantAside int) {
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
		if _, there := server[i.UID]; !there {
			t.Errorf("UID %d has a record and is not on the server", i.UID)
		}
		gone := i.Layers["raw"] != "present"
		switch {
		case i.Ticket != "" && i.Code == "":
			tickets[i.Ticket] = true
			want := server[i.UID]
			if got := hex.EncodeToString(want[:]); !gone && i.Digest != got {
				t.Errorf("UID %d opens as another mail than the server's", i.UID)
			}
		case i.Ticket == "" && i.Code != "":
			aside++
		default:
			t.Errorf("UID %d: state %q, ticket %q, code %q: it is neither one ticket nor set aside", i.UID, i.State, i.Ticket, i.Code)
		}
		if i.Code == "killed_worker" {
			continue // before its archiving or after
		}
		if marked := slices.ContainsFunc(flags[i.UID], isKeyword); marked != (i.Ticket != "") {
			t.Errorf("UID %d: ticket %q, and its mail is marked: %v", i.UID, i.Ticket, marked)
		}
		for _, object := range i.Objects {
			if !slices.Contains(r.Objects, object) {
				t.Errorf("UID %d: an object of its record is not in the vault", i.UID)
			}
		}
	}
	for uid := range server {
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
		if i.Layers["raw"] != "destroyed" {
			t.Errorf("UID %d: raw is %s after its due date", i.UID, i.Layers["raw"])
		}
	}
	// Neither originals nor what attempts left that died before they were registered.
	for _, object := range r.Objects {
		if strings.HasPrefix(object, "raw/") {
			t.Errorf("object %s is still there", object)
		}
	}
}
