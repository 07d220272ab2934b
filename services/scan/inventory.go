package scan

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/clam"
	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/fault"
	"github.com/postern-mail/postern/pkg/stage"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
)

const (
	untoldMost = 10_000 // items that are kept in mind to be told of
	unreadMost = 2_000  // records without a header that are read in one look
)

// An inventory knows which items are outdated. Each record is read once, and again when it changes: one that
// cannot be judged does not have all behind it read again and again.
type inventory struct {
	version string // that is in force
	next    uint64 // every record before this sequence is as it should be, or in mind
	begun   bool   // a look of this turn has come to its end
	newer   bool   // somebody judges with newer signatures

	inMind    []*outdatedItem // in the order in which they were found
	byItem    map[string]*outdatedItem
	uncounted int // outdated items that there was no room for
}

// An outdatedItem is one to be told of.
type outdatedItem struct {
	id   string
	told time.Time // zero: not yet
	only bool      // it is not outdated, but it may not have been told what was recalled of it
	over bool      // it is out of mind
}

// of gives an inventory for another version, before anything was looked at.
func (v inventory) of(version string) inventory {
	begun := v.begun && !slices.ContainsFunc(v.inMind, func(i *outdatedItem) bool { return i.only && !i.over })
	return inventory{version: version, next: 1, begun: begun, byItem: map[string]*outdatedItem{}}
}

// count is how many items are outdated, as of the last look.
func (v *inventory) count() int {
	n := v.uncounted
	for _, item := range v.byItem {
		if !item.only {
			n++
		}
	}
	return n
}

// due are the items to be told of now.
func (v *inventory) due(now time.Time) []*outdatedItem {
	v.inMind = slices.DeleteFunc(v.inMind, func(i *outdatedItem) bool { return i.over })
	var due []*outdatedItem
	for _, item := range v.inMind {
		if item.told.IsZero() || now.Sub(item.told) >= outdatedAgain {
			due = append(due, item)
		}
	}
	return due
}

func (v *inventory) told(item *outdatedItem, now time.Time) {
	if item.told = now; item.only {
		v.drop(item.id)
	}
}

func (v *inventory) keep(item string, only bool) {
	kept := &outdatedItem{id: item, only: only}
	v.inMind, v.byItem[item] = append(v.inMind, kept), kept
}

func (v *inventory) drop(item string) {
	if known := v.byItem[item]; known != nil {
		known.over = true
		delete(v.byItem, item)
	}
}

// look reads what has changed since the last look.
func (v *inventory) look(ctx context.Context, records stage.Records, now time.Time) error {
	whole, unread, room := true, unreadMost, untoldMost
	v.uncounted = 0
	for _, item := range v.byItem {
		if item.told.IsZero() {
			room--
		}
	}
	for msg, err := range records.Headers(ctx, v.next) {
		if err != nil {
			return fmt.Errorf("item records: %w", err)
		}
		item, _ := strings.CutPrefix(msg.Subject, "items.")
		judged := msg.Header.Get(event.HeaderJudged)
		if judged == "" && msg.Header.Get(event.HeaderState) == ticketed {
			if unread == 0 {
				whole = false
				continue
			}
			unread--
			if judged, err = judgedOf(ctx, records, item); err != nil {
				return err
			}
		}
		v.newer = v.newer || clam.Newer(judged, v.version)
		switch {
		case v.current(judged):
			if known := v.byItem[item]; known != nil && !known.only {
				v.drop(item)
			}
			if !v.begun && v.byItem[item] == nil && lately(msg.Header.Get(event.HeaderRecalled), now) {
				v.keep(item, true) // whoever recalled may be gone before anybody was told
			}
		case v.byItem[item] != nil:
			v.byItem[item].only = false
		case room > 0:
			v.keep(item, false)
			room--
		default:
			v.uncounted++
			whole = false
		}
		if whole {
			v.next = msg.Sequence + 1
		}
	}
	v.begun = true
	return nil
}

var ticketed = event.StateWord(itemv1.State_STATE_TICKETED)

// current tells whether what was judged so needs no other judgement of ours.
func (v *inventory) current(judged string) bool {
	return judged == "" || judged == event.NoFiles || judged == v.version || clam.Newer(judged, v.version)
}

// judgedOf reads what the header of a record would say that is from before there was one.
func judgedOf(ctx context.Context, records stage.Records, item string) (string, error) {
	record, err := records.Record(ctx, item)
	if errors.Is(err, bus.ErrNoMessage) || fault.IsFinal(err) { // one that cannot be read does not stand in the way of others
		return event.NoFiles, nil
	}
	if err != nil {
		return "", fmt.Errorf("record of item %s: %w", item, err)
	}
	version, files := event.JudgedWith(record)
	if !files {
		return event.NoFiles, nil
	}
	return version, nil
}

// lately tells whether something was recalled within a day.
func lately(recalled string, now time.Time) bool {
	at, err := time.Parse(time.RFC3339, recalled)
	return err == nil && now.Sub(at) < 24*time.Hour
}
