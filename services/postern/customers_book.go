package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/pkg/customer"
	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/keys"
	"github.com/postern-mail/postern/pkg/mailauth/alike"
	"github.com/postern-mail/postern/pkg/reading"
	"github.com/postern-mail/postern/pkg/seal"
	"github.com/postern-mail/postern/pkg/seal/open"
	"github.com/postern-mail/postern/pkg/signature"
	customerv1 "github.com/postern-mail/postern/proto/customer/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
	"github.com/postern-mail/postern/services/postern/customers"
)

// cardOpener gives the keys of cards.
type cardOpener interface {
	Many(ctx context.Context, ask open.Ask, items []string) ([]open.Outcome, error)
	Directory(ctx context.Context, actor string) (*seal.SessionKey, error)
}

// enroller records customers.
type enroller interface {
	Enrol(ctx context.Context, request *keyringv1.Enrol) (*keyringv1.Recorded, error)
}

// A book is the directory, as one command has it before it.
type book struct {
	conn    itemRecords
	keyring enroller
	opener  cardOpener
	now     func() time.Time
	actor   string

	token      []byte // the key of tokens
	records    map[string]*itemv1.Record
	superseded []string // cards whose destruction is still to be seen to
	index      customer.Index
	recipients *seal.Recipients
}

// newBook reads who is recorded. No card is opened.
func newBook(ctx context.Context, conn itemRecords, keyring enroller, opener cardOpener, now func() time.Time, actor string) (*book, error) {
	b := &book{conn: conn, keyring: keyring, opener: opener, now: now, actor: actor, records: map[string]*itemv1.Record{}, recipients: new(seal.Recipients)}
	for message, err := range conn.Scan(ctx, topology.Items, 1, bus.Matching(event.CustomersSubject)) {
		if err != nil {
			return nil, fmt.Errorf("customers' records: %w", err)
		}
		record := new(itemv1.Record)
		if err := proto.Unmarshal(message.Data, record); err != nil {
			return nil, fmt.Errorf("record %d of stream %s is garbled", message.Sequence, topology.Items)
		}
		b.index.Take(record)
		switch {
		case customer.Present(record):
			b.records[record.GetItem()] = record
		case customer.Superseded(record) && len(record.GetHolds()) == 0:
			b.superseded = append(b.superseded, record.GetItem())
		}
	}
	key, err := opener.Directory(ctx, actor)
	if err != nil {
		return nil, fmt.Errorf("directory's key: %w", explained(err))
	}
	b.token = key.Bytes()
	return b, nil
}

// who gives the customers of an address or a number.
func (b *book) who(form alike.Form) []string {
	token, ok := customer.TokenOf(b.token, form)
	if !ok {
		return nil
	}
	who := b.index.Who(token)
	slices.Sort(who)
	return who
}

// named gives the ids of the customers that words name, each once, and refuses words that name nobody.
func (b *book) named(words []string) ([]string, error) {
	var ids []string
	var problems []error
	for _, word := range words {
		found := b.one(word)
		if len(found) == 0 {
			problems = append(problems, fmt.Errorf("%q is no customer's id, address or number", word))
		}
		for _, id := range found {
			if !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
	}
	if err := errors.Join(problems...); err != nil {
		return nil, fmt.Errorf("nothing was done: %w", err)
	}
	return ids, nil
}

func (b *book) one(word string) []string {
	switch {
	case event.IsCustomer(word) && b.records[word] != nil:
		return []string{word}
	case strings.Contains(word, "@"):
		return b.who(alike.Of(word))
	}
	return b.who(customer.OfNumber(word))
}

// cards opens cards in this user's name, as many together as the keyring allows, in order.
// Those that were removed meanwhile are left out.
func (b *book) cards(ctx context.Context, ids []string) iter.Seq2[customers.Known, error] {
	return func(yield func(customers.Known, error) bool) {
		for part := range slices.Chunk(ids, open.MaxItems) {
			outcomes, err := b.opener.Many(ctx, open.Ask{Purpose: keys.ForCustomer, Layer: itemv1.LayerKind_LAYER_KIND_CARD, Actor: b.actor}, part)
			if err != nil {
				yield(customers.Known{}, explained(err))
				return
			}
			for i, outcome := range outcomes {
				known, err := b.opened(part[i], outcome)
				if code, refused := keys.RefusalOf(err); refused && code == keys.Destroyed {
					continue
				}
				if !yield(known, err) || err != nil {
					for _, left := range outcomes[i+1:] {
						left.Key.Clear()
					}
					return
				}
			}
		}
	}
}

func (b *book) opened(id string, outcome open.Outcome) (customers.Known, error) {
	if outcome.Err != nil {
		return customers.Known{}, fmt.Errorf("customer %s: %w", id, outcome.Err)
	}
	defer outcome.Key.Clear()
	card, err := reading.CardWith(outcome.Key, b.records[id])
	if err != nil {
		return customers.Known{}, fmt.Errorf("customer %s: %w", id, err)
	}
	return customers.Known{ID: id, Card: card}, nil
}

// ids are all customers, the first recorded first.
func (b *book) ids() []string {
	var ids []string
	for id := range b.records {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(x, y string) int {
		return cmp.Or(b.records[x].GetReceived().AsTime().Compare(b.records[y].GetReceived().AsTime()), cmp.Compare(x, y))
	})
	return ids
}

// list shows everybody on a line.
func (b *book) list(ctx context.Context, out io.Writer) error {
	if len(b.records) == 0 {
		fmt.Fprintln(out, "nobody is recorded")
		return nil
	}
	var all []customers.Known
	for known, err := range b.cards(ctx, b.ids()) {
		if err != nil {
			return err
		}
		all = append(all, known)
	}
	slices.SortStableFunc(all, func(x, y customers.Known) int {
		return cmp.Or(cmp.Compare(strings.ToLower(firstName(x.Card)), strings.ToLower(firstName(y.Card))), cmp.Compare(x.Card.GetNumber(), y.Card.GetNumber()))
	})
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tNUMBER\tNAME\tADDRESSES\tLANGUAGE")
	for _, known := range all {
		var addresses []string
		for _, a := range known.Card.GetAddresses() {
			addresses = append(addresses, a.GetAddress())
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", known.ID, dash(known.Card.GetNumber()), dash(firstName(known.Card)), dash(strings.Join(addresses, " ")), dash(known.Card.GetLanguage()))
	}
	return table.Flush()
}

func firstName(card *customerv1.Card) string {
	if names := card.GetNames(); len(names) > 0 {
		return names[0]
	}
	return ""
}

func dash(text string) string { return cmp.Or(printable(text), "-") }

// printable keeps what would change how a terminal shows the rest from doing so.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' || r == '\n' || bidi(r) {
			return ' '
		}
		return r
	}, text)
}

func bidi(r rune) bool {
	return r >= 0x202A && r <= 0x202E || r >= 0x2066 && r <= 0x2069 || r == 0x200E || r == 0x200F || r == 0x061C
}

// showAll shows all that is known of some.
func (b *book) showAll(ctx context.Context, words []string, out io.Writer) error {
	ids, err := b.named(words)
	if err != nil {
		return err
	}
	first := true
	for known, err := range b.cards(ctx, ids) {
		if err != nil {
			return err
		}
		if !first {
			fmt.Fprintln(out)
		}
		first = false
		if err := b.show(known, out); err != nil {
			return err
		}
	}
	return nil
}

func (b *book) show(known customers.Known, out io.Writer) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line := func(name, format string, values ...any) {
		fmt.Fprintf(table, "%s\t"+format+"\n", append([]any{name}, values...)...)
	}
	card := known.Card
	line("customer", "%s", known.ID)
	line("recorded", "%s", when(card.GetRecorded()))
	if card.GetNumber() != "" {
		line("number", "%s", printable(card.GetNumber()))
	}
	for _, name := range card.GetNames() {
		line("name", "%s", printable(name))
	}
	for _, a := range card.GetAddresses() {
		address := printable(a.GetAddress())
		text := address + ", not confirmed"
		if c := a.GetConfirmed(); c != nil {
			text = fmt.Sprintf("%s, confirmed %s, %s", address, c.GetWhen().AsTime().UTC().Format(time.DateOnly), c.GetHow())
			if c.GetBy() != "" {
				text += ", by " + c.GetBy()
			}
		}
		line("address", "%s", text)
	}
	if card.GetLanguage() != "" {
		line("language", "%s", card.GetLanguage())
	}
	for _, key := range card.GetOpenpgp() {
		fingerprint, err := signature.Fingerprint(key)
		if err != nil {
			return fmt.Errorf("customer %s: OpenPGP key: %w", known.ID, err)
		}
		line("OpenPGP key", "%s", fingerprint)
	}
	for _, certificate := range card.GetCertificates() {
		sum := sha256.Sum256(certificate)
		line("certificate", "SHA-256 %s", hex.EncodeToString(sum[:]))
	}
	for _, note := range strings.Split(card.GetNotes(), "\n") {
		if note != "" {
			line("note", "%s", printable(note))
		}
	}
	for _, hold := range b.records[known.ID].GetHolds() {
		line("hold", "%s since %s", hold.GetId(), when(hold.GetPlaced()))
	}
	return table.Flush()
}

// known opens the cards of those who share an address or a number with a file's customers, and
// of nobody else.
func (b *book) known(ctx context.Context, entries []customers.Entry) (func(alike.Form) []customers.Known, error) {
	var ids []string
	for _, e := range entries {
		for _, form := range customers.Singles(e.Card) {
			ids = append(ids, b.who(form)...)
		}
	}
	slices.Sort(ids)
	cards := map[string]customers.Known{}
	for known, err := range b.cards(ctx, slices.Compact(ids)) {
		if err != nil {
			return nil, err
		}
		cards[known.ID] = known
	}
	return func(form alike.Form) []customers.Known {
		var found []customers.Known
		for _, id := range b.who(form) {
			if known, there := cards[id]; there {
				found = append(found, known)
			}
		}
		return found
	}, nil
}

// confirmations are the changes that note how addresses were made sure of.
func (b *book) confirmations(ctx context.Context, addresses []string, how string, day time.Time) ([]customers.Change, error) {
	if day.IsZero() {
		day = b.now().UTC()
	}
	if day.After(b.now()) {
		return nil, fmt.Errorf("%s has not come yet", day.Format(time.DateOnly))
	}
	ids, err := b.named(addresses)
	if err != nil {
		return nil, err
	}
	var changes []customers.Change
	for known, err := range b.cards(ctx, ids) {
		if err != nil {
			return nil, err
		}
		changed := false
		for _, a := range known.Card.GetAddresses() {
			if slices.ContainsFunc(addresses, func(word string) bool { return alike.Of(word) == alike.Of(a.GetAddress()) }) {
				a.Confirmed, changed = &customerv1.Confirmation{When: timestamppb.New(day), How: how, By: b.actor}, true
			}
		}
		if !changed {
			return nil, fmt.Errorf("nothing was done: name the address of customer %s that was confirmed", known.ID)
		}
		changes = append(changes, customers.Change{Card: known.Card, Replaces: []string{known.ID}})
	}
	return changes, nil
}

// enrolAtOnce is how many customers are recorded at once.
const enrolAtOnce = 16

// record seals and records cards. It gives how many there are now, and what they took the place
// of and nobody holds: those are erased once the new ones are recorded, never before.
func (b *book) record(ctx context.Context, changes []customers.Change) (recorded int, replaced []string, err error) {
	var mu sync.Mutex
	group, within := errgroup.WithContext(ctx)
	group.SetLimit(enrolAtOnce)
	for _, change := range changes {
		group.Go(func() error {
			if err := b.enrolPatiently(within, change); err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			recorded++
			for _, former := range change.Replaces {
				if len(b.records[former].GetHolds()) == 0 { // one that is held would keep all of its plan
					replaced = append(replaced, former)
				}
			}
			return nil
		})
	}
	err = group.Wait()
	if refusal, _ := keys.RefusalOf(err); refusal == keys.Conflict {
		err = fmt.Errorf("somebody else changed or removed one of them in this moment (%w)", err)
	}
	if err != nil {
		err = fmt.Errorf("%d of %d were recorded; the same command goes on with the rest: %w", recorded, len(changes), explained(err))
	}
	return recorded, replaced, err
}

// While customers' cards are re-keyed, which is after others were destroyed, the key that was
// published takes nothing until the next one is.
const (
	rekeyed    = 300 // tries
	untilRekey = 100 * time.Millisecond
)

func (b *book) enrolPatiently(ctx context.Context, change customers.Change) error {
	for tries := 1; ; tries++ {
		err := b.enrol(ctx, change)
		if refusal, _ := keys.RefusalOf(err); refusal != keys.ClosedBucket || tries == rekeyed {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(untilRekey):
		}
	}
}

// recipient is the bucket that takes customers' cards.
func (b *book) recipient(ctx context.Context) (*seal.Recipient, error) {
	message, err := b.conn.LastFresh(ctx, keys.PublishedStream, keys.PublishedSubject)
	if err != nil {
		return nil, fmt.Errorf("published keys: %w", err)
	}
	published, err := keys.ReadPublished(message.Data)
	if err != nil {
		return nil, err
	}
	if published.GetCustomers() == nil {
		return nil, errors.New("the keyring has published no key for customers' cards: is it of this version?")
	}
	return b.recipients.Get(published.GetCustomers().GetBucket(), published.GetCustomers().GetPublicKey())
}

func (b *book) enrol(ctx context.Context, change customers.Change) error {
	card := change.Card
	to, err := b.recipient(ctx)
	if err != nil {
		return err
	}
	card.Recorded = timestamppb.New(b.now())
	for _, a := range card.GetAddresses() {
		if a.GetConfirmed() != nil && a.GetConfirmed().GetBy() == "" {
			a.Confirmed.By = b.actor
		}
	}
	plain, err := proto.Marshal(card)
	if err != nil {
		return fmt.Errorf("card: %w", err)
	}
	defer clear(plain)
	if len(plain) > customer.MaxCard {
		return fmt.Errorf("the card of %s has %d bytes: at most %d are kept, so leave out a key or notes", dash(strings.Join(card.GetNames(), ", ")), len(plain), customer.MaxCard)
	}
	ciphertext, sealed, err := seal.Bytes(to, plain)
	if err != nil {
		return fmt.Errorf("card: %w", err)
	}
	_, err = b.keyring.Enrol(ctx, &keyringv1.Enrol{Item: event.NewCustomer(), Actor: b.actor, Replaces: change.Replaces, Card: &itemv1.Layer{
		Kind: itemv1.LayerKind_LAYER_KIND_CARD, Inline: ciphertext, Size: sealed.Size, Digest: sealed.Digest, PacketEnds: sealed.PacketEnds,
		KeyPacket: sealed.KeyPacket, Bucket: sealed.Bucket, Attempted: timestamppb.New(b.now()),
	}})
	return err
}
