package keyring

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/keys"
	"github.com/postern-mail/postern/pkg/seal"
	"github.com/postern-mail/postern/pkg/seal/open"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
)

// register makes the record of a mail that is stored and sealed. The first wins; a repeat
// gives the record that is there, and an id with another size or date is a conflict.
func (s *Service) register(ctx context.Context, c *call) (proto.Message, error) {
	r, err := read(c, new(keyringv1.Register))
	if err != nil {
		return nil, err
	}
	item := event.Item(r.Mailbox, r.Folder, r.UidValidity, r.Uid, r.Generation)
	if err := checkRegister(r, item); err != nil {
		return nil, err
	}
	if r.Renumbered {
		if known, err := s.recognise(ctx, c, r); known != nil || err != nil {
			return known, err
		}
	}
	defer s.stripe(item)()
	if there, known := s.cache.get(item); known {
		return s.repeat(ctx, c, r, there)
	}
	record, err := s.newRecord(ctx, r, item)
	if code, refused := keys.RefusalOf(err); refused {
		// A repeat is no new registration: it gets the record however late it comes.
		if there, lookErr := s.deps.Records.Get(ctx, item); lookErr == nil && code != keys.Malformed {
			return again(r, there)
		} else if lookErr != nil && !errors.Is(lookErr, ErrNoRecord) {
			return nil, lookErr
		}
	}
	if err != nil {
		return nil, err
	}
	a := s.act(c, "register", "")
	a.Items = []string{item}
	// Told first: a death before the record leaves an act that the next attempt tells again.
	if err := s.scribe.append(ctx, a); err != nil {
		return nil, err
	}
	stored, err := s.put(ctx, record, 0)
	if errors.Is(err, ErrConflict) {
		there, err := s.deps.Records.Get(ctx, item)
		if err != nil {
			return nil, err
		}
		return s.repeat(ctx, c, r, there)
	}
	if err != nil {
		return nil, err
	}
	return recorded(stored, true), nil
}

// newRecord makes the record of a registration that keeps the rules.
func (s *Service) newRecord(ctx context.Context, r *keyringv1.Register, item string) (*itemv1.Record, error) {
	// Late is void: the sweep of orphans counts on nobody registering an old attempt.
	now := s.now()
	age := now.Sub(r.Raw.Attempted.AsTime())
	if age > s.cfg.LateAfter.Std() || age < -s.cfg.RequestSkew.Std() {
		return nil, refuse(keys.Late, "the attempt began too long ago, or ahead of the clock")
	}
	intake, err := s.intakeFor(r.Raw.Bucket, now)
	if err != nil {
		return nil, err
	}
	digest, period, err := s.rawDigest(ctx, intake, r, now)
	if err != nil {
		return nil, err
	}
	return &itemv1.Record{
		Item: item, Mailbox: r.Mailbox, Folder: r.Folder, UidValidity: r.UidValidity, Uid: r.Uid, Generation: r.Generation,
		Size: r.Size, InternalDate: r.InternalDate, Received: timestamppb.New(now),
		Direction: itemv1.Direction_DIRECTION_RECEIVED, State: itemv1.State_STATE_REGISTERED,
		RawDigest: digest, DigestPeriod: period, HeadersOnly: r.HeadersOnly, Kind: r.Kind, Loops: r.Loops,
		Layers: []*itemv1.Layer{{
			Kind: raw, State: present, Object: r.Raw.Object, Size: r.Raw.Size, Digest: r.Raw.Digest,
			PacketEnds: r.Raw.PacketEnds, KeyPacket: r.Raw.KeyPacket, Bucket: r.Raw.Bucket, Attempted: r.Raw.Attempted,
		}},
	}, nil
}

// bare tells a record that was made when the server told nothing of its mail, not even a size.
func bare(record *itemv1.Record) bool {
	return event.HeadersOnly(record) && record.Size == 0 && record.InternalDate.AsTime().Equal(time.Unix(0, 0))
}

// repeat answers a registration of an id that is taken, by the mail itself or by its headers.
// The whole of a mail completes headers that were taken up again, and nothing else: what was
// erased stays so.
func (s *Service) repeat(ctx context.Context, c *call, r *keyringv1.Register, there Stored) (proto.Message, error) {
	if !event.Lacking(there.Record) || r.HeadersOnly {
		return again(r, there)
	}
	if !bare(there.Record) {
		if answer, err := again(r, there); err != nil {
			return answer, err
		}
	}
	return s.complete(ctx, c, r, there)
}

// complete puts the whole of a mail in the place of its headers. The headers' keys go when
// the mail's go; their object is nobody's any more.
func (s *Service) complete(ctx context.Context, c *call, r *keyringv1.Register, there Stored) (proto.Message, error) {
	record := proto.CloneOf(there.Record)
	headers := layerOf(record, raw)
	if s.doomed(headers.Bucket) {
		return nil, refuse(keys.ClosedBucket, "the headers' bucket is being destroyed")
	}
	fresh, err := s.newRecord(ctx, r, record.Item)
	if err != nil {
		return nil, err
	}
	whole := fresh.Layers[0]
	whole.PastBuckets, whole.Due = append(slices.Clone(headers.PastBuckets), headers.Bucket), headers.Due
	if len(record.Holds) > 0 {
		held, err := s.ensure(ctx, place{holdClass(record.Holds[0].Id), raw, endless})
		if err != nil {
			return nil, err
		}
		setHome(record, raw, whole.Bucket)
		if err := s.rewrap(whole, held[0]); err != nil {
			return nil, err
		}
	}
	record.Layers = []*itemv1.Layer{whole}
	record.Size, record.InternalDate = r.Size, r.InternalDate // as they were, or known only now
	record.HeadersDigest, record.HeadersPeriod = record.RawDigest, record.DigestPeriod
	record.RawDigest, record.DigestPeriod, record.FetchLimit, record.HeadersOnly = fresh.RawDigest, fresh.DigestPeriod, 0, false
	record.Kind, record.Loops = fresh.Kind, fresh.Loops
	a := s.act(c, "register", "")
	a.Items = []string{record.Item}
	if err := s.scribe.append(ctx, a); err != nil {
		return nil, err
	}
	stored, err := s.put(ctx, record, there.Sequence)
	if err != nil {
		return nil, err
	}
	return recorded(stored, true), nil
}

// again answers a registration of an id that is taken.
func again(r *keyringv1.Register, there Stored) (proto.Message, error) {
	if there.Record.Size != r.Size || !there.Record.InternalDate.AsTime().Equal(r.InternalDate.AsTime()) {
		return nil, refuse(keys.Conflict, "the id is taken by a mail of another size or date")
	}
	return recorded(there, false), nil
}

// longestKind is the length of the longest word for what sort of sender made a mail, and some more.
const longestKind = 16

func checkRegister(r *keyringv1.Register, item string) error {
	l := r.Raw
	switch {
	case r.Mailbox == "" || r.Folder == "" || r.UidValidity == 0 || r.Uid == 0:
		return refuse(keys.Malformed, "mailbox, folder, UIDVALIDITY or UID is missing")
	case r.Size < 0 || r.InternalDate.CheckValid() != nil:
		return refuse(keys.Malformed, "size or INTERNALDATE is missing")
	case len(r.Kind) > longestKind || strings.ContainsFunc(r.Kind, func(c rune) bool { return c != '_' && (c < 'a' || c > 'z') }):
		return refuse(keys.Malformed, "the kind is no word of ours") // nothing that a sender wrote gets into a record
	case l == nil || l.Kind != raw:
		return refuse(keys.WrongLayer, "only raw is registered")
	case len(l.Inline) > 0:
		return refuse(keys.Malformed, "raw stands in the vault, not inline")
	}
	if err := checkSealed(l); err != nil {
		return err
	}
	length := r.Size
	if r.Length > 0 {
		length = r.Length
	}
	if !r.HeadersOnly && l.Size < length { // sealing never makes bytes fewer
		return refuse(keys.Malformed, "fewer bytes are sealed than the mail has")
	}
	began, ok := attemptOf(l.Object, "raw/", item)
	if !ok {
		return refuse(keys.Malformed, "the object's name is not raw/<yyyy>/<mm>/<dd>/<item>.<attempt>")
	}
	if off := began.Sub(l.Attempted.AsTime()).Abs(); off > time.Second {
		return refuse(keys.Malformed, "the attempt's start differs from its name")
	}
	return nil
}

// checkSealed checks what every layer that comes in must have.
func checkSealed(l *itemv1.Layer) error {
	switch {
	case l.Size <= 0 || len(l.Digest) != sha256.Size:
		return refuse(keys.Malformed, "the layer's size or digest is missing")
	case len(l.KeyPacket) != seal.KeyPacketSize:
		return refuse(keys.Malformed, "the key packet has not 96 bytes")
	case l.Attempted.CheckValid() != nil:
		return refuse(keys.Malformed, "the attempt's start is missing")
	case len(l.PacketEnds) == 0 || l.PacketEnds[len(l.PacketEnds)-1] != l.Size:
		return refuse(keys.Malformed, "the packet ends do not end with the layer")
	}
	var last int64
	for _, end := range l.PacketEnds {
		if end <= last {
			return refuse(keys.Malformed, "the packet ends do not grow")
		}
		last = end
	}
	return nil
}

// attemptOf reads when an attempt began out of an object's name,
// <prefix>…/<item>.<ULID>: the first ten characters of a ULID are milliseconds since 1970
// in Crockford's base 32.
func attemptOf(object, prefix, item string) (time.Time, bool) {
	name, ok := strings.CutPrefix(object, prefix)
	if !ok || len(object) > 300 {
		return time.Time{}, false
	}
	attempt, ok := strings.CutPrefix(name[strings.LastIndexByte(name, '/')+1:], item+".")
	if !ok || len(attempt) != 26 {
		return time.Time{}, false
	}
	const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	var ms int64
	for i, c := range strings.ToUpper(attempt) {
		v := strings.IndexRune(alphabet, c)
		if v < 0 || (i == 0 && v > 7) {
			return time.Time{}, false
		}
		if i < 10 {
			ms = ms<<5 | int64(v)
		}
	}
	return time.UnixMilli(ms).UTC(), true
}

// intakeFor checks that a bucket takes raw mail now.
func (s *Service) intakeFor(id string, now time.Time) (*bucket, error) {
	b, err := s.bucketFor(id, raw)
	if err != nil {
		return nil, err
	}
	if b.class != classIntake {
		return nil, refuse(keys.WrongLayer, "mail comes in through an intake bucket")
	}
	if dayOver(b.lastDay, now, intakeLinger) {
		return nil, refuse(keys.ClosedBucket, "the intake bucket's day is over")
	}
	return b, nil
}

// bucketFor checks that a bucket is of a layer and takes wraps.
func (s *Service) bucketFor(id string, kind itemv1.LayerKind) (*bucket, error) {
	b := s.snap.Load().buckets[id]
	switch {
	case b == nil:
		return nil, refuse(keys.ClosedBucket, "the bucket is gone or never was")
	case b.layer != kind:
		return nil, refuse(keys.WrongLayer, "the bucket is of another layer")
	case b.phase != keyringv1.Phase_PHASE_OPEN:
		return nil, refuse(keys.ClosedBucket, "the bucket takes nothing any more")
	}
	return b, nil
}

// rawDigest gives the HMAC of a mail's digest under the period's key.
func (s *Service) rawDigest(ctx context.Context, intake *bucket, r *keyringv1.Register, now time.Time) ([]byte, string, error) {
	sum, err := digestIn(intake, r)
	if err != nil {
		return nil, "", err
	}
	defer clear(sum)
	p, err := s.ensurePeriod(ctx, now)
	if err != nil {
		return nil, "", err
	}
	return p.digestOf(sum), p.name, nil
}

// digestIn opens the digest that came sealed beside raw, which proves that the key packet
// opens.
func digestIn(intake *bucket, r *keyringv1.Register) ([]byte, error) {
	session, err := intake.unwrap(r.Raw.KeyPacket)
	if err != nil {
		return nil, refuse(keys.Malformed, "the key packet does not open with its bucket")
	}
	defer session.Clear()
	sum, err := open.Bytes(session, r.RawDigest, sha256.Size)
	if err != nil || len(sum) != sha256.Size {
		return nil, refuse(keys.Malformed, "the sealed digest does not open with the layer's key")
	}
	return sum, nil
}
