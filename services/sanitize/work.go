package sanitize

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/oklog/ulid/v2"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postern-mail/postern/pkg/attachment"
	"github.com/postern-mail/postern/pkg/fault"
	"github.com/postern-mail/postern/pkg/keys"
	"github.com/postern-mail/postern/pkg/mail"
	"github.com/postern-mail/postern/pkg/reading"
	"github.com/postern-mail/postern/pkg/seal"
	"github.com/postern-mail/postern/pkg/vault"
	contentv1 "github.com/postern-mail/postern/proto/content/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
	mailv1 "github.com/postern-mail/postern/proto/mail/v1"
)

// Bounds of the layers.
const (
	inlineLimit  = 64 << 10 // ciphertext of a layer that rides in the record; larger goes to the vault
	findingsRead = 1 << 20
	snippetRunes = 140
)

// Adder is the keyring's part in sanitizing.
type Adder interface {
	// Layers must be safe to repeat: the first layers stay. Where a berth's bucket is
	// closed the answer carries the record with a fresh one.
	Layers(ctx context.Context, request *keyringv1.Layers) (*keyringv1.Recorded, error)
}

// A Worker makes the view and pii layers.
type Worker struct {
	desk       *reading.Desk
	opener     reading.Opener
	keyring    Adder
	vault      vault.Store
	options    Options
	gallery    Gallery
	recipients *seal.Recipients
	now        func() time.Time
}

// NewWorker reads at a desk and seals into a vault.
func NewWorker(desk *reading.Desk, opener reading.Opener, keyring Adder, store vault.Store, options Options, now func() time.Time) *Worker {
	return &Worker{desk: desk, opener: opener, keyring: keyring, vault: store, options: options, recipients: new(seal.Recipients), now: now}
}

// DrawIn has what agents look at drawn in confined processes. It is called before anybody works.
func (w *Worker) DrawIn(gallery Gallery) *Worker {
	w.gallery = gallery
	return w
}

// Sanitize turns what was archived into what is sanitized. The answer speaks of the
// record as it stands, whichever attempt made its layers.
func (w *Worker) Sanitize(ctx context.Context, archived *mailv1.Archived) (*mailv1.Sanitized, error) {
	record := archived.GetRecord()
	if record.GetState() != itemv1.State_STATE_FILED {
		return said(record), nil // a layer is made once: the filing that came late tells what is there
	}
	view, known, err := w.view(ctx, record)
	if err != nil {
		return nil, err
	}
	w.desk.Done(original(record)) // this worker is the last that wants the mail itself
	// A bucket that closed between filing and now is answered with a berth in the next.
	for range 3 {
		layers, err := w.layers(ctx, record, view, known)
		if err != nil {
			return nil, err
		}
		recorded, err := w.keyring.Layers(ctx, &keyringv1.Layers{Item: record.GetItem(), Layers: layers})
		code, refused := keys.RefusalOf(err)
		switch {
		case err == nil:
			return said(recorded.GetRecord()), nil
		case refused && code == keys.Destroyed:
			return nil, nil // erased before it was made
		case refused && code == keys.ClosedBucket && recorded.GetRecord() != nil:
			record = recorded.GetRecord()
		case refused && !code.Passing():
			return nil, fault.FinalFor(err, "layers_"+string(code))
		default:
			return nil, err
		}
	}
	return nil, fault.Later(0, "bucket_closed")
}

// original is the name of the stored mail.
func original(record *itemv1.Record) string {
	for _, layer := range record.GetLayers() {
		if layer.GetKind() == itemv1.LayerKind_LAYER_KIND_RAW {
			return layer.GetObject()
		}
	}
	return ""
}

// said is what follows from a record: nothing where somebody took it out of the flow.
func said(record *itemv1.Record) *mailv1.Sanitized {
	switch record.GetState() {
	case itemv1.State_STATE_RENDERED, itemv1.State_STATE_TICKETED:
		return &mailv1.Sanitized{Record: record}
	}
	return nil
}

// about is what was found out about a mail before, opened.
type about struct {
	findings   *contentv1.Findings
	evidence   []byte // of the sender's verdict
	encryption []*contentv1.Encryption
}

// view opens the mail and renders it.
func (w *Worker) view(ctx context.Context, record *itemv1.Record) (View, about, error) {
	opened, err := w.desk.Read(ctx, w.opener, keys.ForSanitize, record.GetItem())
	if err != nil {
		return View{}, about{}, err
	}
	defer opened.Close()
	findings := new(contentv1.Findings)
	var report attachment.Report
	if len(record.GetDetails()) > 0 {
		plain, err := opened.OpenBeside(record.GetDetails(), findingsRead)
		if err != nil {
			return View{}, about{}, fmt.Errorf("findings: %w", err)
		}
		if err := proto.Unmarshal(plain, findings); err != nil {
			return View{}, about{}, fmt.Errorf("findings: %w", err)
		}
		if err := json.Unmarshal(findings.GetScan(), &report); err != nil {
			return View{}, about{}, fmt.Errorf("scan report: %w", err)
		}
	}
	message, encryption := opened.Message, opened.Encrypted()
	changed := !slices.EqualFunc(findings.GetEncryption(), encryption, func(a, b *contentv1.Encryption) bool { return proto.Equal(a, b) })
	if changed {
		// What was not examined is not shown: the keys have changed since, or are others here.
		message, encryption = opened.Closed(), closed(findings.GetEncryption(), encryption)
	}
	known := about{findings: findings, encryption: encryption}
	if len(record.GetEvidence()) > 0 {
		if known.evidence, err = opened.OpenBeside(record.GetEvidence(), keys.MaxEvidence); err != nil {
			return View{}, about{}, fmt.Errorf("sender evidence: %w", err)
		}
	}
	view, err := w.render(ctx, message, report)
	if err != nil {
		return View{}, about{}, err
	}
	if changed {
		view.Notices = append(view.Notices, KeysChanged)
	}
	return view, known, nil
}

// closed says of each piece that it is, whoever opened it.
func closed(scanned, here []*contentv1.Encryption) []*contentv1.Encryption {
	pieces := scanned
	if len(pieces) == 0 {
		pieces = here
	}
	var all []*contentv1.Encryption
	for _, piece := range pieces {
		reason := piece.GetReason()
		if piece.GetOpened() {
			reason = string(KeysChanged)
		}
		all = append(all, &contentv1.Encryption{Path: piece.GetPath(), Kind: piece.GetKind(), Reason: reason})
	}
	return all
}

func (w *Worker) render(ctx context.Context, message *mail.Message, report attachment.Report) (View, error) {
	if w.gallery.Pool == nil {
		return Render(message, report, w.options), nil
	}
	artist := w.gallery.For(ctx)
	options := w.options
	options.Artist = artist
	view := Render(message, report, options)
	if err := artist.Err(); err != nil {
		return View{}, fault.LaterFor(err, 0, "not_drawn")
	}
	return view, nil
}

// layers seals the view and the masked values to the berths that filing chose.
func (w *Worker) layers(ctx context.Context, record *itemv1.Record, view View, known about) ([]*itemv1.Layer, error) {
	packets, err := viewPackets(record, view, known)
	if err != nil {
		return nil, err
	}
	layer, err := w.layer(ctx, record, itemv1.LayerKind_LAYER_KIND_VIEW, packets)
	if err != nil {
		return nil, err
	}
	layers := []*itemv1.Layer{layer}
	if len(view.Values) == 0 {
		return layers, nil
	}
	values := make([][]byte, len(view.Values))
	for i, value := range view.Values {
		if values[i], err = proto.Marshal(&contentv1.Value{Kind: string(value.Kind), Value: value.Value}); err != nil {
			return nil, fmt.Errorf("masked value: %w", err)
		}
	}
	layer, err = w.layer(ctx, record, itemv1.LayerKind_LAYER_KIND_PII, values)
	if err != nil {
		return nil, err
	}
	return append(layers, layer), nil
}

// layer seals packets to the berth of their kind and puts them where they belong.
func (w *Worker) layer(ctx context.Context, record *itemv1.Record, kind itemv1.LayerKind, packets [][]byte) (*itemv1.Layer, error) {
	var berth *itemv1.Berth
	for _, b := range record.GetBerths() {
		if b.GetKind() == kind {
			berth = b
		}
	}
	if berth == nil {
		return nil, fault.Final("no_berth")
	}
	recipient, err := w.recipients.Get(berth.GetBucket(), berth.GetPublicKey())
	if err != nil {
		return nil, fmt.Errorf("berth: %w", err)
	}
	attempted := w.now()
	ciphertext, sealed, err := seal.Bytes(recipient, packets...)
	if err != nil {
		return nil, fmt.Errorf("layer: %w", err)
	}
	layer := &itemv1.Layer{
		Kind: kind, State: itemv1.LayerState_LAYER_STATE_PRESENT,
		Size: sealed.Size, Digest: sealed.Digest, PacketEnds: sealed.PacketEnds, KeyPacket: sealed.KeyPacket,
		Bucket: berth.GetBucket(), Due: berth.GetDue(), Attempted: timestamppb.New(attempted),
	}
	if len(ciphertext) <= inlineLimit {
		layer.Inline = ciphertext
		return layer, nil
	}
	name := strings.ToLower(strings.TrimPrefix(kind.String(), "LAYER_KIND_"))
	attempt := strings.ToLower(ulid.MustNew(ulid.Timestamp(attempted), ulid.DefaultEntropy()).String())
	layer.Object = fmt.Sprintf("%s/%s/%s.%s", name, attempted.UTC().Format("2006/01/02"), record.GetItem(), attempt)
	if _, err := w.vault.Put(ctx, layer.GetObject(), io.Reader(bytes.NewReader(ciphertext)), vault.PutOptions{Size: int64(len(ciphertext))}); err != nil {
		return nil, fmt.Errorf("layer object: %w", err)
	}
	return layer, nil
}

// viewPackets are the card, the message and the attachments that passed.
func viewPackets(record *itemv1.Record, view View, known about) ([][]byte, error) {
	message := &contentv1.Message{
		Text: view.MaskedText, Html: view.HTML, Sender: known.findings.GetSender(), Scan: known.findings.GetScan(), Evidence: known.evidence, Encryption: known.encryption,
		To: people(view.To), Cc: people(view.Cc), ReplyTo: strings.Join(people(view.ReplyTo), ", "),
		RemovedActive: int32(view.Removed.Active), RemovedRemote: int32(view.Removed.Remote),
		RemovedTrackers: int32(view.Removed.Trackers), RemovedOther: int32(view.Removed.Other), Trackers: view.Trackers,
		Events: events(view.Events), Deliveries: deliveries(view.Deliveries),
	}
	for _, notice := range view.Notices {
		message.Notices = append(message.Notices, string(notice))
	}
	for i, value := range view.Values {
		message.Masks = append(message.Masks, &contentv1.Mask{Kind: string(value.Kind), Token: value.Token, Packet: int32(i)})
	}
	var files [][]byte
	keep := func(content []byte) int32 {
		files = append(files, content)
		return int32(1 + len(files)) //nolint:gosec // a mail has some thousand parts
	}
	for _, passed := range view.Attachments {
		file := &contentv1.Attachment{
			Path: passed.Path, Name: passed.Name, Type: passed.Type, Size: int64(len(passed.Content)),
			Verdict: string(attachment.Clean), Packet: keep(passed.Content), ContentId: passed.ContentID, Preview: string(passed.Look),
		}
		if passed.Drawn {
			file.Pages = []*contentv1.Page{{Packet: file.GetPacket(), Type: passed.Type}}
		}
		for _, page := range passed.Pages {
			file.Pages = append(file.Pages, &contentv1.Page{Packet: keep(page.PNG), Type: "image/png", Width: int32(page.Width), Height: int32(page.Height)}) //nolint:gosec // pixels
		}
		if passed.Text != "" {
			file.TextPacket = keep([]byte(passed.Text))
		}
		message.Attachments = append(message.Attachments, file)
	}
	for _, kept := range view.Withheld {
		held := &contentv1.Attachment{Path: kept.Path, Name: kept.Name, Type: kept.Type, Size: kept.Size, Verdict: string(kept.Verdict), Packet: -1}
		for _, reason := range kept.Reasons {
			held.Reasons = append(held.Reasons, string(reason))
		}
		message.Attachments = append(message.Attachments, held)
	}
	card := &contentv1.Card{
		Subject: view.Subject, Snippet: snippet(view.MaskedText),
		SenderVerdict: record.GetFindings().GetSenderVerdict(), ScanVerdict: record.GetFindings().GetScanVerdict(), Kind: record.GetFindings().GetKind(),
		Date: record.GetReceived(), Attachments: int32(len(message.GetAttachments())), Masked: int32(len(view.Values)),
	}
	if len(view.From) > 0 {
		card.FromName, card.FromAddress = view.From[0].Name, view.From[0].Address
	}
	first, err := proto.Marshal(card)
	if err != nil {
		return nil, fmt.Errorf("card: %w", err)
	}
	second, err := proto.Marshal(message)
	if err != nil {
		return nil, fmt.Errorf("message: %w", err)
	}
	return append([][]byte{first, second}, files...), nil
}

func people(list []Person) []string {
	var shown []string
	for _, person := range list {
		switch {
		case person.Name == "":
			shown = append(shown, person.Address)
		default:
			shown = append(shown, person.Name+" <"+person.Address+">")
		}
	}
	return shown
}

// snippet is the first words of a text on one line.
func snippet(text string) string {
	var line strings.Builder
	runes := 0
	for word := range strings.FieldsSeq(text) {
		if runes > 0 {
			line.WriteByte(' ')
			runes++
		}
		word = word[:min(len(word), utf8.UTFMax*(snippetRunes+1))] // no more of a word is ever shown
		line.WriteString(word)
		if runes += utf8.RuneCountInString(word); runes > snippetRunes {
			return strings.TrimSpace(string([]rune(line.String())[:snippetRunes])) + "…"
		}
	}
	return line.String()
}
