package keyring

import (
	"cmp"
	"context"
	"crypto/sha256"
	"slices"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/keys"
	auditv1 "github.com/postern-mail/postern/proto/audit/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
)

// A server that numbers a folder anew (RFC 3501 §2.3.1.1) shows mails that are items
// already. They are known by their keyed digests: each old item is taken for one mail at most, and
// what was destroyed is known by what its tombstone keeps.

const (
	// renumberedIdle is how long what is known of a folder is kept without being asked.
	renumberedIdle = 15 * time.Minute
	// renumberedBuild is how long reading all records may take.
	renumberedBuild = 10 * time.Minute
)

// A numbering is how a server numbers a folder's mails.
type numbering struct {
	mailbox, folder      string
	validity, generation uint32
}

// renumberings are the folders that are being read anew.
type renumberings struct {
	mu    sync.Mutex
	known map[numbering]*renumbering
}

// A renumbering is one folder under its new numbers.
type renumbering struct {
	ready chan struct{} // closed when it was built, or building failed
	err   error

	mu     sync.Mutex
	old    map[digested][]known // in the order of their numbers
	taken  map[string]bool      // items that a mail was taken for
	placed map[uint32]string    // items by their new UID
	used   time.Time
}

// digested is a mail's keyed digest, and the period whose key it is under. Headers say little of their
// mail: they are the same mail's only where the server tells the same size of it.
type digested struct {
	period  string
	digest  [sha256.Size]byte
	headers bool
	size    int64
}

// known is an item, and the INTERNALDATE that its mail had.
type known struct {
	item string
	date time.Time
}

// find gives the item that a mail is, which no other mail was taken for; "" where there is none. Of
// several that fit, the first of the same date is the one.
func (r *renumbering) find(key digested, date time.Time) string {
	free := slices.DeleteFunc(r.old[key], func(k known) bool { return r.taken[k.item] })
	r.old[key] = free
	if len(free) == 0 {
		return ""
	}
	at := max(0, slices.IndexFunc(free, func(k known) bool { return k.date.Equal(date) }))
	return free[at].item
}

// drop forgets folders that nobody asks for any more.
func (r *renumberings) drop(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for n, folder := range r.known {
		select {
		case <-folder.ready:
		default:
			continue
		}
		folder.mu.Lock()
		if folder.err != nil || now.Sub(folder.used) > renumberedIdle {
			delete(r.known, n)
		}
		folder.mu.Unlock()
	}
}

// folderOf gives what is known of a folder under its new numbers. Where nothing is yet,
// all records are read: whoever asked waits for it as long as it may.
func (s *Service) folderOf(ctx context.Context, n numbering) (*renumbering, error) {
	s.renumbered.mu.Lock()
	folder := s.renumbered.known[n]
	if folder == nil {
		folder = &renumbering{ready: make(chan struct{}), used: s.now()}
		if s.renumbered.known == nil {
			s.renumbered.known = map[numbering]*renumbering{}
		}
		s.renumbered.known[n] = folder
		within, cancel := context.WithTimeout(context.WithoutCancel(ctx), renumberedBuild)
		go func() {
			defer cancel()
			folder.err = s.readFolder(within, n, folder)
			close(folder.ready)
		}()
	}
	s.renumbered.mu.Unlock()
	select {
	case <-folder.ready:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if folder.err != nil { // the next one begins anew
		s.renumbered.mu.Lock()
		if s.renumbered.known[n] == folder {
			delete(s.renumbered.known, n)
		}
		s.renumbered.mu.Unlock()
		return nil, folder.err
	}
	return folder, nil
}

// readFolder reads the records of a folder.
func (s *Service) readFolder(ctx context.Context, n numbering, folder *renumbering) error {
	type aged struct {
		known
		uid  uint32
		when time.Time
	}
	old := map[digested][]aged{}
	folder.old, folder.taken, folder.placed = map[digested][]known{}, map[string]bool{}, map[uint32]string{}
	for stored, err := range s.deps.Records.All(ctx) {
		if err != nil {
			return err
		}
		record := stored.Record
		if record.Mailbox != n.mailbox || record.Folder != n.folder || len(record.RawDigest) != sha256.Size {
			continue
		}
		at := event.Place(record)
		if at.UidValidity == n.validity && at.Generation == n.generation {
			folder.placed[at.Uid] = record.Item
			continue
		}
		it := aged{known{record.Item, at.InternalDate.AsTime()}, at.Uid, record.Received.AsTime()}
		for _, key := range digestsOf(record) {
			old[key] = append(old[key], it)
		}
	}
	for key, items := range old {
		slices.SortFunc(items, func(a, b aged) int {
			return cmp.Or(a.when.Compare(b.when), cmp.Compare(a.uid, b.uid), cmp.Compare(a.item, b.item))
		})
		for _, item := range items {
			folder.old[key] = append(folder.old[key], item.known)
		}
	}
	return nil
}

// digestsOf are those that a record's mail may come with: of the whole, or of its headers where it is over
// the size that is fetched; both where it has been that.
func digestsOf(record *itemv1.Record) (keys []digested) {
	whole := digested{period: record.DigestPeriod, digest: [sha256.Size]byte(record.RawDigest)}
	if record.HeadersOnly {
		whole.headers, whole.size = true, record.Size
	}
	keys = append(keys, whole)
	if len(record.HeadersDigest) == sha256.Size {
		keys = append(keys, digested{record.HeadersPeriod, [sha256.Size]byte(record.HeadersDigest), true, record.Size})
	}
	return keys
}

// recognise finds the item that a mail of a folder with new numbers is already, and notes
// its new place in the item's record. It gives nothing where the mail is new.
func (s *Service) recognise(ctx context.Context, c *call, r *keyringv1.Register) (proto.Message, error) {
	intake, err := s.intakeFor(r.Raw.Bucket, s.now())
	if err != nil {
		return nil, err
	}
	sum, err := digestIn(intake, r)
	if err != nil {
		return nil, err
	}
	defer clear(sum)
	folder, err := s.folderOf(ctx, numbering{r.Mailbox, r.Folder, r.UidValidity, r.Generation})
	if err != nil {
		return nil, err
	}
	folder.mu.Lock()
	defer folder.mu.Unlock()
	folder.used = s.now()
	if item, known := folder.placed[r.Uid]; known {
		stored, err := s.look(ctx, item)
		if err != nil {
			return nil, err
		}
		return recorded(stored, false), nil
	}
	for name, p := range s.snap.Load().periods {
		key := digested{period: name, digest: [sha256.Size]byte(p.digestOf(sum))}
		if r.HeadersOnly {
			key.headers, key.size = true, r.Size
		}
		item := folder.find(key, r.InternalDate.AsTime())
		if item == "" {
			continue
		}
		stored, err := s.placeItem(ctx, c, item, r)
		if err != nil {
			return nil, err
		}
		folder.taken[item] = true
		folder.placed[r.Uid] = stored.Record.Item
		return recorded(stored, true), nil
	}
	return nil, nil
}

func (s *Service) placeItem(ctx context.Context, c *call, item string, r *keyringv1.Register) (Stored, error) {
	place := &itemv1.Place{UidValidity: r.UidValidity, Uid: r.Uid, Generation: r.Generation, InternalDate: r.InternalDate}
	stored, _, err := s.tellAndUpdate(ctx, item, func(record *itemv1.Record) (*auditv1.Act, error) {
		if proto.Equal(record.Place, place) { // by a request whose answer was lost
			return nil, nil
		}
		if record.RawDigest == nil {
			return nil, refuse(keys.Conflict, "the item has no digest any more")
		}
		record.Place = place
		a := s.act(c, "place", "")
		a.Items = []string{item}
		return a, nil
	})
	return stored, err
}
