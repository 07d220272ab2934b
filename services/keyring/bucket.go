package keyring

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
)

// Classes that no policy may use.
const (
	classIntake   = "intake"
	classJournal  = "journal"
	classSetAside = "set_aside"
	classCustomer = "customers"
	holdPrefix    = "hold_"
)

// endless is the last day of buckets that no date closes.
const endless = "99991231"

const (
	dayForm = "20060102"
	day     = 24 * time.Hour
)

var layerNames = map[itemv1.LayerKind]string{
	itemv1.LayerKind_LAYER_KIND_RAW:     "raw",
	itemv1.LayerKind_LAYER_KIND_VIEW:    "view",
	itemv1.LayerKind_LAYER_KIND_PII:     "pii",
	itemv1.LayerKind_LAYER_KIND_JOURNAL: "journal",
	itemv1.LayerKind_LAYER_KIND_CARD:    "card",
}

// A place is what buckets of rising serials are for.
type place struct {
	class   string
	layer   itemv1.LayerKind
	lastDay string
}

func (p place) id(serial int32) string {
	return fmt.Sprintf("%s.%s.%s.%d", p.class, layerNames[p.layer], p.lastDay, serial)
}

func (b *bucket) place() place { return place{b.class, b.layer, b.lastDay} }

// lastDayOf gives the last day of the period that a due date ends in or falls into. A due
// date that is midnight belongs to the day before: it is when that day is over.
func lastDayOf(due time.Time, periodDays int32) string {
	length := int64(max(periodDays, 1))
	d := due.Add(-1).Unix() / int64(day/time.Second)
	last := (d/length+1)*length - 1
	return time.Unix(last*int64(day/time.Second), 0).UTC().Format(dayForm)
}

// dayOver tells whether a day that was named yyyymmdd is over for some time.
func dayOver(lastDay string, now time.Time, since time.Duration) bool {
	d, err := time.Parse(dayForm, lastDay)
	if err != nil {
		return false
	}
	return !now.Before(d.Add(day + since))
}

// holdClass names the class of a hold's buckets.
func holdClass(hold string) string {
	sum := sha256.Sum256([]byte(hold))
	return holdPrefix + hex.EncodeToString(sum[:10])
}

// openIn gives the open bucket of a place with the highest serial.
func (s *snapshot) openIn(p place) *bucket {
	if s.open != nil {
		return s.open[p]
	}
	var best *bucket
	for _, b := range s.buckets {
		if b.place() == p && b.phase == keyringv1.Phase_PHASE_OPEN && (best == nil || b.serial > best.serial) {
			best = b
		}
	}
	return best
}

// serialAfter gives a serial that no bucket of the place ever had.
func (s *snapshot) serialAfter(p place) int32 {
	serial := int32(1)
	for {
		id := p.id(serial)
		if s.buckets[id] == nil && s.gone[id] == nil {
			return serial
		}
		serial++
	}
}

// add makes a new bucket of a place. The snapshot must be one that may be changed.
func (s *snapshot) add(p place, now time.Time) (*bucket, error) {
	serial := s.serialAfter(p)
	id := p.id(serial)
	m, err := newMaterial(id)
	if err != nil {
		return nil, err
	}
	b := &bucket{
		id: id, class: p.class, layer: p.layer, lastDay: p.lastDay, serial: serial,
		phase: keyringv1.Phase_PHASE_OPEN, created: now, material: m,
	}
	s.buckets[id] = b
	return b, nil
}

// openOrAdd gives the open bucket of a place.
func (s *snapshot) openOrAdd(p place, now time.Time) (*bucket, error) {
	if b := s.openIn(p); b != nil {
		return b, nil
	}
	return s.add(p, now)
}
