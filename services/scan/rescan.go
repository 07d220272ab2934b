package scan

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postern-mail/postern/pkg/attachment"
	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/clam"
	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/fault"
	"github.com/postern-mail/postern/pkg/keys"
	"github.com/postern-mail/postern/pkg/reading"
	"github.com/postern-mail/postern/pkg/seal"
	"github.com/postern-mail/postern/pkg/seal/open"
	"github.com/postern-mail/postern/pkg/stage"
	"github.com/postern-mail/postern/pkg/vault"
	contentv1 "github.com/postern-mail/postern/proto/content/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
	mailv1 "github.com/postern-mail/postern/proto/mail/v1"
)

// Rejudger is the keyring's part in judging anew.
type Rejudger interface {
	// Rejudge must be safe to repeat: what is recalled stays so.
	Rejudge(ctx context.Context, request *keyringv1.Rejudge) (*keyringv1.Recorded, error)
}

// Views give the bytes of a view that is too small for the vault: they rode in the ticket's first event.
type Views interface {
	// Inline must return bus.ErrNoMessage where there is no such event.
	Inline(ctx context.Context, ticket string) ([]byte, error)
}

// A Rescanner judges what agents could open with the signatures that are in force now. It looks at the very
// files that are handed out and at nothing else: whatever the mail was when it came, nobody gets more of it.
type Rescanner struct {
	Records  stage.Records
	Views    Views
	Vault    vault.Store
	Opener   reading.Opener
	Keyring  Rejudger
	Second   attachment.SecondOpinion
	Versions Versions
	Now      func() time.Time
	// Patience is how long a file that there was no room or time for is tried again before it is recalled for it.
	Patience time.Duration
}

// Rescan judges the files of one item anew. What follows is told where something is recalled.
func (r *Rescanner) Rescan(ctx context.Context, outdated *mailv1.Outdated) (*mailv1.Recalled, error) {
	version := r.Versions.Current()
	if version == "" {
		return nil, fault.Later(0, "signatures_unknown")
	}
	record, err := r.Records.Record(ctx, outdated.GetRecord().GetItem())
	if errors.Is(err, bus.ErrNoMessage) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	judged, files := event.JudgedWith(record)
	age := r.Now().Sub(outdated.GetTold().AsTime())
	switch {
	case !files:
		return nil, nil // nobody can open anything of it any more
	case judged == version || clam.Newer(judged, version):
		return r.told(record), nil
	case clam.Newer(outdated.GetSignatures(), version) && age < outdatedAgain:
		return nil, fault.Later(0, "signatures_older") // another scan has newer ones; an hour on it is told of again
	case clam.Newer(outdated.GetSignatures(), version):
		return nil, nil
	}
	found, err := r.judge(ctx, record, age < r.Patience)
	switch {
	case errors.Is(err, errGone):
		return nil, nil
	case errors.Is(err, errLost):
		return nil, r.lost(ctx, record, err)
	case err != nil:
		return nil, err
	}
	changed := r.Versions.Current() != version
	if changed { // nobody knows with which it was judged, but what was found was found
		version = ""
	}
	if version != "" || len(found) > 0 {
		if record, err = r.note(ctx, &keyringv1.Rejudge{Item: record.GetItem(), Signatures: version, Recalled: found}); err != nil || record == nil {
			return nil, err
		}
	}
	if changed {
		return nil, fault.Later(0, "signatures_changed")
	}
	return r.told(record), nil
}

// lost tells what follows where a view's object is not in the vault: nothing, if the view was destroyed
// meanwhile. Else nobody can open it, and should it be found again it is still outdated.
func (r *Rescanner) lost(ctx context.Context, record *itemv1.Record, err error) error {
	now, failed := r.Records.Record(ctx, record.GetItem())
	if failed != nil && !errors.Is(failed, bus.ErrNoMessage) {
		return failed
	}
	if _, files := event.JudgedWith(now); !files {
		return nil
	}
	return fault.FinalFor(err, "view_lost")
}

// told is what follows from a record: nothing where nothing is recalled.
func (r *Rescanner) told(record *itemv1.Record) *mailv1.Recalled {
	if len(record.GetRecalled()) == 0 {
		return nil
	}
	return &mailv1.Recalled{Told: timestamppb.New(r.Now()), Record: &itemv1.Record{
		Item: record.GetItem(), Ticket: record.GetTicket(), State: record.GetState(), Received: record.GetReceived(), Recalled: record.GetRecalled(),
	}}
}

// noteAtOnce is how many files one request recalls.
const noteAtOnce = 256

// note tells the keyring, the version last: before everything is recalled nothing is up to date. It gives no
// record where there is none to tell of.
func (r *Rescanner) note(ctx context.Context, request *keyringv1.Rejudge) (*itemv1.Record, error) {
	if len(request.Recalled) > noteAtOnce {
		first := &keyringv1.Rejudge{Item: request.Item, Recalled: request.Recalled[:noteAtOnce]}
		if record, err := r.note(ctx, first); err != nil || record == nil {
			return record, err
		}
		return r.note(ctx, &keyringv1.Rejudge{Item: request.Item, Signatures: request.Signatures, Recalled: request.Recalled[noteAtOnce:]})
	}
	recorded, err := r.Keyring.Rejudge(ctx, request)
	code, refused := keys.RefusalOf(err)
	switch {
	case refused && (code == keys.UnknownItem || code == keys.Destroyed):
		return nil, nil
	case refused && !code.Passing():
		return nil, fault.FinalFor(err, "rejudge_"+string(code))
	}
	return recorded.GetRecord(), err
}

var (
	errGone = errors.New("view: it has been destroyed")
	errLost = errors.New("view: its object is not in the vault")
)

// judge asks for an opinion on each file that is still handed out.
func (r *Rescanner) judge(ctx context.Context, record *itemv1.Record, young bool) ([]*itemv1.Recalled, error) {
	left := slices.DeleteFunc(event.Files(record), func(packet int32) bool { return event.RecalledFile(record, packet) != nil })
	if len(left) == 0 {
		return nil, nil
	}
	// One that names a ticket travels alone, and takes what time it is given: a lost answer must not hold up others.
	within, cancel := context.WithTimeout(ctx, open.DefaultTimeout)
	key, err := r.Opener.Open(within, open.Ask{Purpose: keys.ForRescan, Layer: itemv1.LayerKind_LAYER_KIND_VIEW, Item: record.GetItem(), Ticket: record.GetTicket()})
	cancel()
	if code, refused := keys.RefusalOf(err); refused && !code.Passing() {
		if code == keys.Destroyed || code == keys.NotPresent || code == keys.UnknownItem {
			return nil, errGone
		}
		return nil, fault.FinalFor(err, "open_"+string(code))
	}
	if err != nil {
		return nil, err
	}
	defer key.Clear()
	var inline []byte
	if key.Layer.GetObject() == "" {
		if inline, err = r.Views.Inline(ctx, record.GetTicket()); errors.Is(err, bus.ErrNoMessage) {
			return nil, fmt.Errorf("ticket's first event: %w", errLost)
		} else if err != nil {
			return nil, fmt.Errorf("ticket's first event: %w", err)
		}
	}
	view := &view{key: key, inline: inline, vault: r.Vault}
	message := new(contentv1.Message)
	if err := view.read(ctx, messagePacket, func(plain io.Reader) error { return readMessage(plain, message) }); err != nil {
		return nil, err
	}
	var found []*itemv1.Recalled
	for index, attached := range message.GetAttachments() {
		if !slices.Contains(left, attached.GetPacket()) {
			continue // withheld, recalled already, or judged under another name
		}
		left = slices.DeleteFunc(left, func(packet int32) bool { return packet == attached.GetPacket() })
		recalled, err := r.file(ctx, view, attached.GetPacket(), young)
		if err != nil {
			return nil, err
		}
		if recalled != nil {
			recalled.Index = int32(index) //nolint:gosec // of a list
			found = append(found, recalled)
		}
	}
	return found, nil
}

// messagePacket is the packet of the view that lists its files, messageLimit the most of it that is read.
const (
	messagePacket = 1
	messageLimit  = 32 << 20
)

func readMessage(plain io.Reader, into *contentv1.Message) error {
	content, err := io.ReadAll(io.LimitReader(plain, messageLimit+1))
	if err != nil {
		return fmt.Errorf("view's message: %w", err)
	}
	if len(content) > messageLimit || proto.Unmarshal(content, into) != nil {
		return fault.Final("garbled_view")
	}
	return nil
}

// file judges one file; nil where it still passes.
func (r *Rescanner) file(ctx context.Context, view *view, packet int32, young bool) (*itemv1.Recalled, error) {
	opinion, err := r.opinion(ctx, view, packet)
	if err != nil {
		return nil, err
	}
	if opinion.Verdict == attachment.Clean {
		return nil, nil
	}
	if opinion.Reason == "" || opinion.Reason.Verdict() != opinion.Verdict {
		return nil, fault.Later(0, "scanner_contradicts_itself")
	}
	if !lasting(opinion) && young {
		// It passed before: that there was no time for it today may be the day's doing.
		return nil, fault.Later(0, "scanner_limit")
	}
	plain, err := proto.Marshal(&contentv1.Found{Signature: opinion.Signature})
	if err != nil {
		return nil, err
	}
	details, err := seal.Under(view.key.Session, plain)
	if err != nil {
		return nil, err
	}
	return &itemv1.Recalled{Packet: packet, Verdict: string(opinion.Verdict), Reasons: []string{string(opinion.Reason)}, Details: details}, nil
}

// opinion asks for an opinion on one file. Where some are remembered it is read twice: once for its digest.
func (r *Rescanner) opinion(ctx context.Context, view *view, packet int32) (attachment.Opinion, error) {
	if known, ok := r.Second.(knowing); ok {
		hash := sha256.New()
		if err := view.read(ctx, packet, func(plain io.Reader) error {
			_, err := io.Copy(hash, plain)
			return err
		}); err != nil {
			return attachment.Opinion{}, err
		}
		if opinion, ok := known.Known(digest(hash.Sum(nil))); ok {
			return opinion, nil
		}
	}
	var opinion attachment.Opinion
	err := view.read(ctx, packet, func(plain io.Reader) (err error) {
		if opinion, err = r.Second.Scan(ctx, plain); err != nil && ctx.Err() == nil {
			return fault.LaterFor(err, 0, "scanner_silent")
		}
		return err
	})
	return opinion, err
}

// A view is one that is open.
type view struct {
	key    *open.Key
	inline []byte // where it is not in the vault
	vault  vault.Store
}

// read hands out what one packet holds. It may be relied on when all of it was read without an error.
func (v *view) read(ctx context.Context, packet int32, with func(io.Reader) error) error {
	var layer io.Reader = bytes.NewReader(v.inline)
	if name := v.key.Layer.GetObject(); name != "" {
		body, _, err := v.vault.Get(ctx, name)
		if errors.Is(err, vault.ErrNotFound) {
			return errLost
		}
		if err != nil {
			return fmt.Errorf("view object: %w", err)
		}
		defer body.Close()
		layer = body
	}
	section, err := open.Section(layer, v.key.Layer.GetPacketEnds(), int(packet))
	if err != nil {
		return fmt.Errorf("view packet: %w", err)
	}
	plain, err := open.NewReader(v.key.Session, section)
	if err != nil {
		return fmt.Errorf("view packet: %w", err)
	}
	return with(plain)
}

// SetAside is the end of an item that could not be judged anew; stage.SetAsider. Nothing is taken out of the
// flow for it. One that ended three processes is recalled whole, for that is no file to hand to a person; any
// other is told of again.
func (r *Rescanner) SetAside(ctx context.Context, item, code, _ string) (*itemv1.Record, error) {
	record, err := r.Records.Record(ctx, item)
	if errors.Is(err, bus.ErrNoMessage) {
		return nil, fault.FinalFor(err, "unknown_item")
	}
	if err != nil || code != stage.KilledWorker {
		return record, err
	}
	request := &keyringv1.Rejudge{Item: item}
	for _, file := range event.Files(record) {
		if event.RecalledFile(record, file) == nil {
			request.Recalled = append(request.Recalled, &itemv1.Recalled{
				Packet: file, Index: -1, Verdict: string(attachment.NotExamined.Verdict()), Reasons: []string{string(attachment.NotExamined)},
			})
		}
	}
	if len(request.Recalled) == 0 {
		return record, nil
	}
	return r.note(ctx, request)
}
