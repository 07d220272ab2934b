package desktest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/keys"
	"github.com/postern-mail/postern/pkg/seal"
	"github.com/postern-mail/postern/pkg/seal/open"
	"github.com/postern-mail/postern/pkg/vault"
	contentv1 "github.com/postern-mail/postern/proto/content/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	ticketv1 "github.com/postern-mail/postern/proto/ticket/v1"
)

// A Mail is what a ticket is made of.
type Mail struct {
	Card    *contentv1.Card
	Message *contentv1.Message // the packets of its attachments are set here
	Files   [][]byte           // of the attachments whose packet is not -1, in order
	Looks   [][]byte           // of the pages and texts that stand for attachments, in order: their packets are set, too
	Values  []*contentv1.Value
	Raw     string
	Stored  bool          // the layers lie in the vault, not in the record
	Earlier time.Duration // how long ago it came; 0: a second after the one before
}

func itemOf(number uint32) string { return event.Item("support", "INBOX", 1, number, 0) }

// Ticket makes a ticket of a mail and gives its id.
func (w *World) Ticket(mail Mail) string {
	w.t.Helper()
	at := time.Time{}
	var number uint32
	w.set(func() {
		number = uint32(len(w.records) + 1)
		if mail.Earlier == 0 {
			w.now = w.now.Add(time.Second)
		}
		at = w.now.Add(-mail.Earlier)
	})
	item := itemOf(number)
	ticket := event.Ticket(item)
	record := &itemv1.Record{
		Item: item, Mailbox: "support", Folder: "INBOX", UidValidity: 1, Uid: number, Received: timestamppb.New(at),
		State: itemv1.State_STATE_TICKETED, Class: "standard", Ticket: ticket,
	}
	if mail.Message == nil {
		mail.Message = &contentv1.Message{Text: "Hello."}
	}
	var sender struct{ Reasons []string }
	if json.Unmarshal(mail.Message.Sender, &sender) == nil {
		record.Findings = &itemv1.Findings{SenderVerdict: mail.Card.GetSenderVerdict(), SenderReasons: sender.Reasons}
	}
	next := int32(2)
	for _, attached := range mail.Message.Attachments {
		if attached.Packet >= 0 {
			attached.Packet = next
			next++
		}
	}
	for _, attached := range mail.Message.Attachments {
		for _, page := range attached.Pages {
			page.Packet = next
			next++
		}
		if attached.TextPacket != 0 {
			attached.TextPacket = next
			next++
		}
	}
	packets := slices.Concat([][]byte{w.marshal(mail.Card), w.marshal(mail.Message)}, mail.Files, mail.Looks)
	if int(next) != len(packets) {
		w.t.Fatalf("%d packets for %d files and %d looks", next, len(mail.Files), len(mail.Looks))
	}
	record.Layers = append(record.Layers, w.layer(record, itemv1.LayerKind_LAYER_KIND_RAW, true, []byte(mail.Raw)))
	record.Layers = append(record.Layers, w.layer(record, itemv1.LayerKind_LAYER_KIND_VIEW, mail.Stored, packets...))
	if len(mail.Values) > 0 {
		var values [][]byte
		for _, value := range mail.Values {
			values = append(values, w.marshal(value))
		}
		record.Layers = append(record.Layers, w.layer(record, itemv1.LayerKind_LAYER_KIND_PII, mail.Stored, values...))
	}
	w.set(func() { w.records[item] = record })
	if _, err := w.say(context.Background(), ticket, item, &ticketv1.Opened{Ticket: ticket, Record: record}); err != nil {
		w.t.Fatal(err)
	}
	return ticket
}

func (w *World) marshal(message proto.Message) []byte {
	w.t.Helper()
	data, err := proto.Marshal(message)
	if err != nil {
		w.t.Fatal(err)
	}
	return data
}

var days = map[itemv1.LayerKind]int{itemv1.LayerKind_LAYER_KIND_RAW: 30, itemv1.LayerKind_LAYER_KIND_VIEW: 730, itemv1.LayerKind_LAYER_KIND_PII: 90}

func (w *World) layer(record *itemv1.Record, kind itemv1.LayerKind, stored bool, packets ...[]byte) *itemv1.Layer {
	w.t.Helper()
	ciphertext, sealed, err := seal.Bytes(w.bucket.Recipient(), packets...)
	if err != nil {
		w.t.Fatal(err)
	}
	layer := &itemv1.Layer{
		Kind: kind, State: itemv1.LayerState_LAYER_STATE_PRESENT, Size: sealed.Size, Digest: sealed.Digest, PacketEnds: sealed.PacketEnds,
		KeyPacket: sealed.KeyPacket, Bucket: sealed.Bucket, Due: timestamppb.New(record.GetReceived().AsTime().AddDate(0, 0, days[kind])),
	}
	if !stored {
		layer.Inline = ciphertext
		return layer
	}
	sum := sha256.Sum256(ciphertext)
	layer.Object = fmt.Sprintf("%s/%s.%x", strings.ToLower(strings.TrimPrefix(kind.String(), "LAYER_KIND_")), record.GetItem(), sum[:4])
	if _, err = w.Vault.Put(context.Background(), layer.Object, bytes.NewReader(ciphertext), vault.PutOptions{Size: int64(len(ciphertext))}); err != nil {
		w.t.Fatal(err)
	}
	return layer
}

// Item gives the item behind a ticket.
func (w *World) Item(ticket string) string {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for item, record := range w.records {
		if record.GetTicket() == ticket {
			return item
		}
	}
	w.t.Fatalf("no item behind %s", ticket)
	return ""
}

func (w *World) layerOf(item string, kind itemv1.LayerKind) *itemv1.Layer {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, layer := range w.records[item].GetLayers() {
		if layer.GetKind() == kind {
			return layer
		}
	}
	return nil
}

// Destroy has the keyring refuse a layer of a ticket, and, where it is certified, the
// board know it.
func (w *World) Destroy(ticket string, kind itemv1.LayerKind, certificate string) {
	w.t.Helper()
	item := w.Item(ticket)
	layer := w.layerOf(item, kind)
	w.set(func() {
		w.gone[fmt.Sprint(item, kind)] = keys.Destroyed
		layer.State, layer.KeyPacket = itemv1.LayerState_LAYER_STATE_DESTROYED, nil
	})
	if certificate == "" {
		return
	}
	said := &ticketv1.LayersDestroyed{Ticket: ticket, Layers: []itemv1.LayerKind{kind}, Certificate: certificate}
	if _, err := w.Say(context.Background(), ticket, said); err != nil {
		w.t.Fatal(err)
	}
}

// Break has the ciphertext of a ticket's view be another.
func (w *World) Break(ticket string) {
	item := w.Item(ticket)
	w.set(func() { w.gone[fmt.Sprint(item, itemv1.LayerKind_LAYER_KIND_VIEW)] = keys.Forbidden })
}

// Unseal opens what was sealed under a ticket's view.
func (w *World) Unseal(ticket string, sealed []byte) string {
	w.t.Helper()
	key, err := w.bucket.Unwrap(w.layerOf(w.Item(ticket), itemv1.LayerKind_LAYER_KIND_VIEW).GetKeyPacket())
	if err != nil {
		w.t.Fatal(err)
	}
	words, err := open.Bytes(key, sealed, 1<<16)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(words)
}

// Replace has the board hold another record for a ticket, as if it had been opened with it.
func (w *World) Replace(t testing.TB, ticket string, record *itemv1.Record) {
	t.Helper()
	if _, err := w.say(t.Context(), ticket, record.GetItem(), &ticketv1.Opened{Ticket: ticket, Record: record}); err != nil {
		t.Fatal(err)
	}
}

// Lose has the board name an object for a ticket's view that the vault does not have.
func (w *World) Lose(t testing.TB, ticket string) {
	t.Helper()
	row, _, err := w.Board.Get(t.Context(), ticket)
	if err != nil {
		t.Fatal(err)
	}
	row.Record.GetLayers()[1].Object = "view/gone"
	w.Replace(t, ticket, row.Record)
}

// RecordOf gives an item's record as it stands.
func (w *World) RecordOf(item string) *itemv1.Record {
	w.mu.Lock()
	defer w.mu.Unlock()
	return proto.CloneOf(w.records[item])
}

// Recall has the keyring recall the files of some packets of a ticket's view, infected by what is called found.
func (w *World) Recall(ticket, found string, packets ...int32) {
	item := w.Item(ticket)
	plain := w.marshal(&contentv1.Found{Signature: found})
	w.mu.Lock()
	defer w.mu.Unlock()
	outcome := w.outcome(item, itemv1.LayerKind_LAYER_KIND_VIEW)
	if outcome.Err != nil {
		w.t.Fatal(outcome.Err)
	}
	defer outcome.Key.Clear()
	details, err := seal.Under(outcome.Key.Session, plain)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, packet := range packets {
		w.records[item].Recalled = append(w.records[item].Recalled, &itemv1.Recalled{
			Packet: packet, Verdict: "infected", Reasons: []string{"scanner_signature"}, Time: timestamppb.New(w.now), Signatures: "two", Details: details,
		})
	}
}

// Mislay has the record of a ticket's item be where nobody finds it.
func (w *World) Mislay(ticket string) {
	item := w.Item(ticket)
	w.set(func() { delete(w.records, item) })
}
