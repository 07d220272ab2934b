package main

import (
	"strings"
	"testing"
	"time"

	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	"github.com/postern-mail/postern/services/postern/demo/mailbox"
)

func item(uid uint32, state itemv1.State, raw itemv1.LayerState) *itemv1.Record {
	return &itemv1.Record{
		Item: strings.Repeat(string(rune('a'+uid)), 64), Uid: uid, State: state,
		Findings: &itemv1.Findings{SenderVerdict: "authenticated", ScanVerdict: "clean", Kind: "bounce", SenderReasons: []string{"spf_aligned"}, ScanReasons: []string{"no_second_opinion"}},
		SetAside: &itemv1.SetAside{Stage: "verify", Code: "killed_worker"},
		Layers:   []*itemv1.Layer{{Kind: itemv1.LayerKind_LAYER_KIND_RAW, State: raw}},
	}
}

const (
	mailRegistered = itemv1.State_STATE_REGISTERED
	mailTicketed   = itemv1.State_STATE_TICKETED
	mailAside      = itemv1.State_STATE_SET_ASIDE
	mailTombstone  = itemv1.State_STATE_TOMBSTONE
	rawPresent     = itemv1.LayerState_LAYER_STATE_PRESENT
	rawDestroyed   = itemv1.LayerState_LAYER_STATE_DESTROYED
)

// accountOf gives what an account says of what was there before and of what came, without
// the times.
func accountOf(before, came []*itemv1.Record) []string {
	var out strings.Builder
	a := &account{out: &out, mails: []mailbox.Mail{{Name: "one"}, {Name: "two"}, {Name: "three"}}, began: time.Now(), advice: "Look around."}
	for _, record := range before {
		a.note(record)
	}
	a.greet()
	for _, record := range came {
		a.tell(record)
	}
	var lines []string
	for line := range strings.Lines(out.String()) {
		if _, told, timed := strings.Cut(line, "s  "); timed {
			line = told
		}
		if line, _, _ = strings.Cut(line, ", after "); strings.TrimSpace(line) != "" {
			lines = append(lines, strings.Join(strings.Fields(line), " "))
		}
	}
	return lines
}

func TestAnAccountTellsWhatIsNewAndCountsWhatWasThereBefore(t *testing.T) {
	for name, c := range map[string]struct {
		before, came []*itemv1.Record
		want         string
	}{
		"a first run": {
			nil,
			[]*itemv1.Record{item(1, mailRegistered, rawPresent), item(1, mailTicketed, rawPresent), item(1, mailTicketed, rawPresent), item(3, mailAside, rawPresent), item(2, mailTicketed, rawPresent)},
			"one authenticated, clean, bounce spf_aligned/three set aside by verify: killed_worker/two authenticated, clean, bounce spf_aligned/All 3 mails are tickets or (1 of them) set aside, sealed and filed",
		},
		"a second run": {
			[]*itemv1.Record{item(1, mailTicketed, rawPresent), item(2, mailTicketed, rawDestroyed), item(3, mailTombstone, rawDestroyed)},
			[]*itemv1.Record{item(1, mailTicketed, rawPresent), item(2, mailTicketed, rawDestroyed), item(3, mailTombstone, rawDestroyed)},
			"3 mails are here from before. Look around.",
		},
		"a second run after one that was broken off": {
			[]*itemv1.Record{item(1, mailTicketed, rawPresent), item(2, mailRegistered, rawPresent)},
			[]*itemv1.Record{item(2, mailTicketed, rawPresent), item(3, mailTicketed, rawPresent)},
			"1 mail is here from before; 1 more were under way and go on./two authenticated, clean, bounce spf_aligned/three authenticated, clean, bounce spf_aligned/All 3 mails are tickets, sealed and filed",
		},
		"what expires": {
			[]*itemv1.Record{item(1, mailTicketed, rawPresent), item(2, mailTicketed, rawPresent), item(3, mailTicketed, rawPresent)},
			[]*itemv1.Record{item(1, mailTicketed, rawDestroyed), item(1, mailTicketed, rawDestroyed), item(1, mailTombstone, rawDestroyed), item(2, mailTombstone, rawDestroyed)},
			"3 mails are here from before. Look around./one original destroyed/one destroyed/two destroyed",
		},
		"a mail that is taken up again": {
			[]*itemv1.Record{item(1, mailAside, rawPresent), item(2, mailTicketed, rawPresent)},
			[]*itemv1.Record{item(1, mailRegistered, rawPresent), item(1, mailTicketed, rawPresent)},
			"2 mails are here from before./one authenticated, clean, bounce spf_aligned",
		},
		"a mail that was delivered later": {
			nil, []*itemv1.Record{item(4, mailTicketed, rawPresent)}, "mail 4 authenticated, clean, bounce spf_aligned",
		},
	} {
		if got := strings.Join(accountOf(c.before, c.came), "/"); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, c.want)
		}
	}
}

func TestAnAccountTellsFirstWhatSaysMost(t *testing.T) {
	pii := &itemv1.Layer{Kind: itemv1.LayerKind_LAYER_KIND_PII}
	for want, record := range map[string]*itemv1.Record{
		"one authenticated, clean, masked domain_one_letter_from_ours dkim_aligned spf_aligned dmarc_pass": {Layers: []*itemv1.Layer{pii}, Findings: &itemv1.Findings{
			SenderVerdict: "authenticated", SenderReasons: []string{"dkim_aligned", "spf_aligned", "dmarc_pass", "domain_one_letter_from_ours"}, ScanVerdict: "clean",
			ScanReasons: []string{"no_second_opinion"}, Kind: "person",
		}},
		"one unverified, encrypted no_policy aligned_without_policy encrypted_archive spf_aligned": {Findings: &itemv1.Findings{
			SenderVerdict: "unverified", SenderReasons: []string{"spf_aligned", "no_policy", "aligned_without_policy"}, ScanVerdict: "encrypted", ScanReasons: []string{"encrypted_archive"}, Kind: "person",
		}},
	} {
		record.Item, record.Uid, record.State = strings.Repeat("a", 64), 1, mailTicketed
		if got := accountOf(nil, []*itemv1.Record{record}); len(got) != 1 || got[0] != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
