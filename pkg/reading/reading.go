// Package reading gives workers a mail to read: it asks the keyring for the key,
// fetches the sealed bytes, opens them, checks them to the end, and parses them. What
// the author encrypted to the company is decrypted here too, once, so that all workers
// see the same; it is in memory as long as the mail is, and nowhere else.
// Each worker's opening is asked for and recorded on its own; the fetching,
// decrypting and parsing behind it is shared among the workers of one process, who
// cannot see that. Importing it is the right to read.
package reading

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/postern-mail/postern/pkg/fault"
	"github.com/postern-mail/postern/pkg/keys"
	"github.com/postern-mail/postern/pkg/mail"
	"github.com/postern-mail/postern/pkg/seal"
	"github.com/postern-mail/postern/pkg/seal/open"
	"github.com/postern-mail/postern/pkg/signature"
	"github.com/postern-mail/postern/pkg/vault"
	contentv1 "github.com/postern-mail/postern/proto/content/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
)

// An Opener gives session keys; *open.Opener is one.
type Opener interface {
	Open(ctx context.Context, ask open.Ask) (*open.Key, error)
}

// Keys are the company's private keys; *keyfolder.Folder is such. Current must be safe for many
// goroutines.
type Keys interface {
	Current() signature.Keys
}

// Limits bound what is held in memory.
type Limits struct {
	Mail   int64         // bytes of one mail
	Shared int64         // bytes of all mails kept for the next worker, with what was decrypted in them
	Keep   time.Duration // how long one is kept

	// Decrypting bounds the bytes of all mails in which something is being decrypted at one time. What that
	// takes meanwhile is several times as much: docs/threats.md.
	Decrypting int64
	Encrypted  signature.OpenLimits // of what is encrypted in one mail
}

// DefaultLimits suit mails of up to 64 MiB. The largest are decrypted one at a time.
var DefaultLimits = Limits{
	Mail: 64 << 20, Shared: 256 << 20, Keep: 20 * time.Second,
	Decrypting: 64 << 20, Encrypted: signature.DefaultOpenLimits,
}

// A Desk is where the workers of one process read. It may be used by many goroutines.
type Desk struct {
	vault      vault.Store
	limits     Limits
	parse      mail.Limits
	keys       Keys                // nil: nothing is decrypted
	decrypting *semaphore.Weighted // in bytes

	mu     sync.Mutex
	sheets map[string]*sheet // by object name
	held   int64
}

// A sheet is one mail, opened and parsed, kept for the next worker.
type sheet struct {
	done   chan struct{}
	text   text
	err    error
	size   int64
	expiry *time.Timer
}

// A text is a mail as it came, and as it is when what is encrypted in it is opened.
type text struct {
	message, closed *mail.Message
	encryption      []signature.Piece
}

// size is how many bytes it keeps: the mail's, and what was decrypted in it.
func (t text) size() int64 {
	size := int64(len(t.message.Raw))
	t.message.Walk(func(p *mail.Part) {
		for _, opened := range p.Opened {
			size += int64(len(opened.Raw))
		}
	})
	return size
}

// NewDesk reads from a vault.
func NewDesk(store vault.Store, limits Limits, parse mail.Limits) *Desk {
	return &Desk{vault: store, limits: limits, parse: parse, sheets: map[string]*sheet{}, decrypting: semaphore.NewWeighted(max(1, limits.Decrypting))}
}

// DecryptWith has the desk decrypt what was encrypted to the company. It is called before anybody reads.
func (d *Desk) DecryptWith(keys Keys) *Desk {
	d.keys = keys
	return d
}

// A Mail is one mail, open. The worker calls Close when it is done with it.
type Mail struct {
	Message    *mail.Message
	Encryption []signature.Piece // what was encrypted in it, and whether the message has it opened
	closed     *mail.Message
	session    *seal.SessionKey
}

// Encrypted gives Encryption as it is kept beside a mail.
func (m *Mail) Encrypted() []*contentv1.Encryption {
	var all []*contentv1.Encryption
	for _, p := range m.Encryption {
		all = append(all, &contentv1.Encryption{Path: p.Path, Kind: string(p.Kind), Opened: p.Opened, Key: p.Key, Reason: p.Reason})
	}
	return all
}

// Closed gives the message as it came, with nothing decrypted in it.
func (m *Mail) Closed() *mail.Message { return m.closed }

// SealBeside seals details under the mail's own session key.
func (m *Mail) SealBeside(plain []byte) ([]byte, error) { return seal.Under(m.session, plain) }

// OpenBeside opens what was sealed beside the mail.
func (m *Mail) OpenBeside(packet []byte, limit int64) ([]byte, error) {
	return open.Bytes(m.session, packet, limit)
}

// Close clears the session key.
func (m *Mail) Close() { m.session.Clear() }

// Read opens the raw layer of an item for a purpose. An item whose raw layer has been
// destroyed is done with: that is final.
func (d *Desk) Read(ctx context.Context, opener Opener, purpose, item string) (*Mail, error) {
	return d.ReadFor(ctx, opener, purpose, item, "")
}

// ReadFor is Read in somebody's name.
func (d *Desk) ReadFor(ctx context.Context, opener Opener, purpose, item, actor string) (*Mail, error) {
	key, err := opener.Open(ctx, open.Ask{Purpose: purpose, Layer: itemv1.LayerKind_LAYER_KIND_RAW, Item: item, Actor: actor})
	if err != nil {
		return nil, refused(err)
	}
	text, err := d.sheet(ctx, key)
	if err != nil {
		key.Clear()
		return nil, fmt.Errorf("raw layer: %w", err)
	}
	return &Mail{Message: text.message, Encryption: slices.Clone(text.encryption), closed: text.closed, session: key.Session}, nil
}

// refused turns the keyring's word into an end of work.
func refused(err error) error {
	code, isRefusal := keys.RefusalOf(err)
	if !isRefusal || code.Passing() {
		return err
	}
	return fault.FinalFor(err, "open_"+string(code))
}

// sheet gives the parsed mail of a key's layer, from the last worker's reading where it
// is still at hand. Two who come together read once.
func (d *Desk) sheet(ctx context.Context, key *open.Key) (text, error) {
	name := key.Layer.GetObject()
	d.mu.Lock()
	found, ok := d.sheets[name]
	if !ok {
		found = &sheet{done: make(chan struct{})}
		d.sheets[name] = found
	}
	d.mu.Unlock()
	if !ok {
		found.text, found.err = d.fetch(ctx, key)
		d.keep(name, found)
		close(found.done)
	}
	select {
	case <-found.done:
	case <-ctx.Done():
		return text{}, ctx.Err()
	}
	if found.err != nil && ok && ctx.Err() == nil {
		// The other's reading failed, perhaps only because its time was over.
		return d.fetch(ctx, key)
	}
	return found.text, found.err
}

func (d *Desk) fetch(ctx context.Context, key *open.Key) (text, error) {
	body, _, err := d.vault.Get(ctx, key.Layer.GetObject())
	if err != nil {
		return text{}, err
	}
	defer body.Close()
	packets, err := open.Layer(key.Session, body, key.Layer.GetPacketEnds(), key.Layer.GetDigest(), d.limits.Mail)
	if err != nil {
		return text{}, err
	}
	if len(packets) != 1 {
		return text{}, fmt.Errorf("raw layer of %d packets: it must be one", len(packets))
	}
	return d.decrypt(ctx, mail.Parse(packets[0], d.parse))
}

// decrypt opens what was encrypted in a mail. Those who do so at the same time wait for one another,
// since it takes several times the memory that the mail itself does.
func (d *Desk) decrypt(ctx context.Context, message *mail.Message) (text, error) {
	if !signature.Encrypted(message) {
		return text{message: message, closed: message}, nil
	}
	weight := min(max(1, d.limits.Decrypting), int64(len(message.Raw)))
	if err := d.decrypting.Acquire(ctx, weight); err != nil {
		return text{}, err
	}
	defer d.decrypting.Release(weight)
	var keys signature.Keys
	if d.keys != nil {
		keys = d.keys.Current()
	}
	opened, encryption := signature.Open(ctx, message, keys, d.limits.Encrypted, d.parse)
	if err := ctx.Err(); err != nil {
		return text{}, err // what was not reached is not closed for good
	}
	return text{opened, message, encryption}, nil
}

// keep leaves a sheet for the next worker while there is room, and forgets it after a while.
func (d *Desk) keep(name string, s *sheet) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if s.err == nil {
		s.size = s.text.size()
	}
	if s.err != nil || d.held+s.size > d.limits.Shared {
		delete(d.sheets, name)
		return
	}
	d.held += s.size
	s.expiry = time.AfterFunc(d.limits.Keep, func() { d.forget(name, s) })
}

func (d *Desk) forget(name string, s *sheet) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.sheets[name] == s {
		delete(d.sheets, name)
		d.held -= s.size
	}
}

// Done tells the desk that no further worker of this process will want an item's mail.
func (d *Desk) Done(object string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if s := d.sheets[object]; s != nil && s.expiry != nil {
		s.expiry.Stop()
		delete(d.sheets, object)
		d.held -= s.size
	}
}
