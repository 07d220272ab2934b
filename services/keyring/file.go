package keyring

import (
	"context"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/fault"
	"github.com/postern-mail/postern/pkg/keys"
	"github.com/postern-mail/postern/pkg/seal"
	"github.com/postern-mail/postern/pkg/seal/open"
	auditv1 "github.com/postern-mail/postern/proto/audit/v1"
	contentv1 "github.com/postern-mail/postern/proto/content/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
)

// maxPeriodDays bounds a bucket's period.
const maxPeriodDays = 366

// file fixes class, due dates and buckets of a registered item, moves raw into its bucket
// and chooses the berths of the layers that are to come.
func (s *Service) file(ctx context.Context, c *call) (proto.Message, error) {
	r, err := read(c, new(keyringv1.File))
	if err != nil {
		return nil, err
	}
	if err := checkFile(r); err != nil {
		return nil, err
	}
	stored, changed, err := s.tellAndUpdate(ctx, r.Item, func(record *itemv1.Record) (*auditv1.Act, error) {
		if record.State != itemv1.State_STATE_REGISTERED {
			return nil, nil // first wins
		}
		if err := s.fileRecord(ctx, record, r); err != nil {
			return nil, err
		}
		a := s.act(c, "file", "")
		a.Items = []string{r.Item}
		return a, nil
	})
	if err != nil {
		return nil, err
	}
	return recorded(stored, changed), nil
}

func checkFile(r *keyringv1.File) error {
	if !fault.ValidCode(r.Class) || r.Class == classIntake || r.Class == classJournal || r.Class == classCustomer || len(r.Class) > 40 ||
		(len(r.Class) >= len(holdPrefix) && r.Class[:len(holdPrefix)] == holdPrefix) {
		return refuse(keys.Malformed, "the class's name cannot be used")
	}
	if len(r.Details) > maxDetails {
		return refuse(keys.Malformed, "the details are over their limit")
	}
	if len(r.Evidence) > keys.MaxEvidence {
		return refuse(keys.Malformed, "the evidence is over its limit")
	}
	seen := map[itemv1.LayerKind]bool{}
	for _, d := range r.Dues {
		switch {
		case d.Layer != raw && d.Layer != view && d.Layer != pii:
			return refuse(keys.WrongLayer, "a due date is of no layer of an item")
		case seen[d.Layer]:
			return refuse(keys.Malformed, "a layer has two due dates")
		case d.Due.CheckValid() != nil || d.PeriodDays < 1 || d.PeriodDays > maxPeriodDays:
			return refuse(keys.Malformed, "a due date or its period is missing")
		case d.Due.AsTime().Year() > 9000:
			return refuse(keys.Malformed, "a due date is beyond reason")
		}
		seen[d.Layer] = true
	}
	if !seen[raw] {
		return refuse(keys.Malformed, "raw has no due date")
	}
	return nil
}

func (s *Service) fileRecord(ctx context.Context, record *itemv1.Record, r *keyringv1.File) error {
	l := layerOf(record, raw)
	if l == nil || l.State != present {
		return keys.Destroyed
	}
	places := make([]place, len(r.Dues))
	for i, d := range r.Dues {
		places[i] = place{r.Class, d.Layer, lastDayOf(d.Due.AsTime(), d.PeriodDays)}
	}
	buckets, err := s.ensure(ctx, places...)
	if err != nil {
		return err
	}
	var author string
	err = s.withSession(l, func(session *seal.SessionKey) error { // once: it is the dear part
		if author, err = authorOf(session, r.Details); err != nil {
			return err
		}
		return s.berth(record, l, r.Dues, buckets, session)
	})
	if err != nil {
		return err
	}
	record.Class, record.Findings, record.Details, record.Evidence = r.Class, r.Findings, r.Details, r.Evidence
	record.State = itemv1.State_STATE_FILED
	if author == "" {
		return nil
	}
	p, err := s.ensurePeriod(ctx, record.Received.AsTime())
	if err != nil {
		return err
	}
	if pseudonym := p.pseudonymFor(author); !slices.Contains(record.Pseudonyms, pseudonym) {
		record.Pseudonyms = append(record.Pseudonyms, pseudonym)
	}
	return nil
}

// berth gives every layer its bucket: raw moves into its own at once, unless a hold keeps
// it; the others are to come.
func (s *Service) berth(record *itemv1.Record, l *itemv1.Layer, dues []*keyringv1.Due, buckets []*bucket, session *seal.SessionKey) error {
	for i, d := range dues {
		switch {
		case d.Layer != raw:
			record.Berths = append(record.Berths, &itemv1.Berth{
				Kind: d.Layer, Bucket: buckets[i].id, PublicKey: buckets[i].public, Due: d.Due,
			})
			continue
		case len(record.Holds) > 0: // it stays in the hold's bucket and goes home to this one
			setHome(record, raw, buckets[i].id)
		default:
			if err := s.rewrapWith(l, buckets[i], session); err != nil {
				return err
			}
		}
		l.Due = d.Due
	}
	return nil
}

// authorOf opens the findings with raw's session key and gives the author that they name.
// Findings that do not open are no findings of this item.
func authorOf(session *seal.SessionKey, details []byte) (string, error) {
	if len(details) == 0 {
		return "", nil
	}
	plain, err := open.Bytes(session, details, maxDetails)
	if err != nil {
		return "", refuse(keys.Malformed, "the details do not open with raw's key")
	}
	defer clear(plain)
	var findings contentv1.Findings
	if err := proto.Unmarshal(plain, &findings); err != nil {
		return "", refuse(keys.Malformed, "the details are no findings")
	}
	return findings.Author, nil
}

// withSession opens a layer's key packet for as long as fn runs.
func (s *Service) withSession(l *itemv1.Layer, fn func(*seal.SessionKey) error) error {
	b := s.snap.Load().buckets[l.Bucket]
	if b == nil {
		return keys.Destroyed
	}
	session, err := b.unwrap(l.KeyPacket)
	if err != nil {
		return err
	}
	defer session.Clear()
	return fn(session)
}

// layers adds view and pii to a filed item. They must be sealed to the berths that filing
// chose; where such a bucket was re-keyed meanwhile, they are moved on.
func (s *Service) layers(ctx context.Context, c *call) (proto.Message, error) {
	r, err := read(c, new(keyringv1.Layers))
	if err != nil {
		return nil, err
	}
	if err := s.checkLayers(r); err != nil {
		return nil, err
	}
	var closed error
	stored, changed, err := s.update(ctx, r.Item, func(record *itemv1.Record) (bool, error) {
		closed = nil
		if record.State != itemv1.State_STATE_FILED {
			return false, nil // first wins
		}
		for _, l := range r.Layers {
			l = proto.CloneOf(l)
			err := s.addLayer(ctx, record, l)
			if code, is := keys.RefusalOf(err); is && code == keys.ClosedBucket {
				// The caller seals anew, to the berth that this record names.
				closed = err
				return s.freshBerth(ctx, record, l.Kind)
			}
			if err != nil {
				return false, err
			}
		}
		record.Berths, record.Details = nil, nil
		record.State = itemv1.State_STATE_RENDERED
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	if closed != nil {
		return recorded(stored, false), closed
	}
	return recorded(stored, changed), nil
}

func (s *Service) checkLayers(r *keyringv1.Layers) error {
	seen := map[itemv1.LayerKind]bool{}
	for _, l := range r.Layers {
		if l.Kind != view && l.Kind != pii {
			return refuse(keys.WrongLayer, "only view and pii are added")
		}
		if seen[l.Kind] {
			return refuse(keys.Malformed, "a layer comes twice")
		}
		seen[l.Kind] = true
		if err := checkSealed(l); err != nil {
			return err
		}
		switch {
		case (l.Object == "") == (len(l.Inline) == 0):
			return refuse(keys.Malformed, "a layer stands inline or in the vault, one of the two")
		case len(l.Inline) > inlineLimit:
			return refuse(keys.Malformed, "an inline layer is over its limit")
		case len(l.Inline) > 0 && int64(len(l.Inline)) != l.Size:
			return refuse(keys.Malformed, "an inline layer has another size")
		}
		if l.Object == "" {
			continue
		}
		began, ok := attemptOf(l.Object, layerNames[l.Kind]+"/", r.Item)
		if !ok {
			return refuse(keys.Malformed, "the object's name is not <layer>/<yyyy>/<mm>/<dd>/<item>.<attempt>")
		}
		if age := s.now().Sub(began); age > s.cfg.LateAfter.Std() || age < -s.cfg.RequestSkew.Std() {
			return refuse(keys.Late, "the attempt began too long ago, or ahead of the clock")
		}
	}
	if !seen[view] {
		return refuse(keys.Malformed, "there is no view")
	}
	return nil
}

func (s *Service) addLayer(ctx context.Context, record *itemv1.Record, l *itemv1.Layer) error {
	berth := berthOf(record, l.Kind)
	if berth == nil {
		return refuse(keys.Destroyed, "the layer has no berth: it was erased before it was made")
	}
	sealedTo := s.snap.Load().buckets[l.Bucket]
	switch {
	case sealedTo == nil:
		return refuse(keys.ClosedBucket, "the berth's bucket is gone")
	case sealedTo.layer != l.Kind:
		return refuse(keys.WrongLayer, "the bucket is of another layer")
	case sealedTo.class != record.Class:
		return refuse(keys.WrongLayer, "the bucket is of another class")
	}
	// The packet must open: a layer that nobody can read would be a lost ticket.
	if err := s.withSession(l, func(*seal.SessionKey) error { return nil }); err != nil {
		return refuse(keys.Malformed, "the key packet does not open with its bucket")
	}
	target := sealedTo
	if len(record.Holds) > 0 {
		held, err := s.ensure(ctx, place{holdClass(record.Holds[0].Id), l.Kind, endless})
		if err != nil {
			return err
		}
		setHome(record, l.Kind, berth.Bucket)
		target = held[0]
	} else if l.Bucket != berth.Bucket || sealedTo.phase != keyringv1.Phase_PHASE_OPEN {
		b, err := s.ensure(ctx, sealedTo.place())
		if err != nil {
			return err
		}
		target = b[0]
	}
	l.State, l.PastBuckets, l.Due = present, nil, berth.Due
	l.Erased, l.Destroyed, l.Plan = nil, nil, ""
	if err := s.rewrap(l, target); err != nil {
		return err
	}
	record.Layers = append(record.Layers, l)
	return nil
}

// freshBerth puts an open bucket into a berth whose bucket is gone.
func (s *Service) freshBerth(ctx context.Context, record *itemv1.Record, kind itemv1.LayerKind) (bool, error) {
	berth := berthOf(record, kind)
	if b := s.snap.Load().buckets[berth.Bucket]; b != nil && b.phase == keyringv1.Phase_PHASE_OPEN {
		return false, nil
	}
	b, err := s.ensure(ctx, place{record.Class, kind, lastDayOfBucket(berth.Bucket)})
	if err != nil {
		return false, err
	}
	berth.Bucket, berth.PublicKey = b[0].id, b[0].public
	return true, nil
}

// ticket adds the ticket id and drops what rode inline: it travels in TICKETS now.
func (s *Service) ticket(ctx context.Context, c *call) (proto.Message, error) {
	r, err := read(c, new(keyringv1.Ticket))
	if err != nil {
		return nil, err
	}
	if r.Ticket != event.Ticket(r.Item) {
		return nil, refuse(keys.Malformed, "the ticket id is not the item's")
	}
	stored, changed, err := s.update(ctx, r.Item, func(record *itemv1.Record) (bool, error) {
		if record.State != itemv1.State_STATE_RENDERED {
			return false, nil // first wins
		}
		record.Ticket, record.State = r.Ticket, itemv1.State_STATE_TICKETED
		for _, l := range record.Layers {
			l.Inline = nil
		}
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	return recorded(stored, changed), nil
}
