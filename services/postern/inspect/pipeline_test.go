package inspect_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postern-mail/postern/pkg/attachment"
	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/pkg/keys"
	"github.com/postern-mail/postern/pkg/mail"
	"github.com/postern-mail/postern/pkg/mailauth/dns"
	"github.com/postern-mail/postern/pkg/reading"
	"github.com/postern-mail/postern/pkg/reading/readingtest"
	"github.com/postern-mail/postern/pkg/seal/open"
	"github.com/postern-mail/postern/pkg/stage"
	"github.com/postern-mail/postern/pkg/stage/stagetest"
	"github.com/postern-mail/postern/pkg/vault"
	"github.com/postern-mail/postern/pkg/vault/memory"
	contentv1 "github.com/postern-mail/postern/proto/content/v1"
	eventv1 "github.com/postern-mail/postern/proto/event/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
	mailv1 "github.com/postern-mail/postern/proto/mail/v1"
	"github.com/postern-mail/postern/services/sanitize"
	"github.com/postern-mail/postern/services/scan"
	"github.com/postern-mail/postern/services/verify"
)

// receivedAt is when all mails of the pipeline came in.
var receivedAt = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

type still struct{}

func (still) Now() time.Time { return receivedAt.Add(time.Second) }

// A line is the pipeline's three stages that read mails, on buses in memory, each as
// the program runs it, with a vault and a keyring that know only these mails.
type line struct {
	t       *testing.T
	openers map[string]*readingtest.Opener // by item
	store   *memory.Store
	desk    *reading.Desk
	berths  map[itemv1.LayerKind]*open.BucketKey

	mu     sync.Mutex
	layers map[string][]*itemv1.Layer // by item
}

func newLine(t *testing.T) *line {
	l := &line{t: t, openers: map[string]*readingtest.Opener{}, store: memory.New(), berths: map[itemv1.LayerKind]*open.BucketKey{}, layers: map[string][]*itemv1.Layer{}}
	l.desk = reading.NewDesk(l.store, reading.DefaultLimits, mail.DefaultLimits)
	for _, kind := range []itemv1.LayerKind{itemv1.LayerKind_LAYER_KIND_VIEW, itemv1.LayerKind_LAYER_KIND_PII} {
		bucket, err := open.GenerateBucketKey(fmt.Sprintf("customer.%d.20280101.0", kind))
		if err != nil {
			t.Fatal(err)
		}
		l.berths[kind] = bucket
	}
	return l
}

// add seals a mail as ingest would and gives its record.
func (l *line) add(n int, raw []byte) *itemv1.Record {
	l.t.Helper()
	record := stagetest.Record(stagetest.Item(n))
	record.Mailbox, record.Received = "support", timestamppb.New(receivedAt)
	sealed, opener := readingtest.Seal(l.t, string(raw))
	opener.Layer.Object = "raw/" + record.GetItem()
	if _, err := l.store.Put(l.t.Context(), opener.Layer.GetObject(), bytes.NewReader(sealed.Content), vault.PutOptions{Size: int64(len(sealed.Content))}); err != nil {
		l.t.Fatal(err)
	}
	l.openers[record.GetItem()] = opener
	record.Layers = []*itemv1.Layer{opener.Layer}
	return record
}

// Open is reading.Opener.Open.
func (l *line) Open(ctx context.Context, ask open.Ask) (*open.Key, error) {
	opener, ok := l.openers[ask.Item]
	if !ok {
		return nil, keys.UnknownItem
	}
	return opener.Open(ctx, ask)
}

// Layers is sanitize.Adder.Layers.
func (l *line) Layers(_ context.Context, request *keyringv1.Layers) (*keyringv1.Recorded, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.layers[request.GetItem()] = request.GetLayers()
	return &keyringv1.Recorded{Record: &itemv1.Record{Item: request.GetItem(), State: itemv1.State_STATE_RENDERED}, Changed: true}, nil
}

// stageSays lets one stage of the topology work on events until all are dealt with, and gives
// what it said of each item.
func stageSays[In, Out proto.Message](l *line, name string, events map[string]In, work func(context.Context, In) (Out, error)) map[string]Out {
	l.t.Helper()
	consumer, ok := topology.ConsumerOf(name)
	if !ok {
		l.t.Fatalf("no stage %s", name)
	}
	ctx, cancel := context.WithTimeout(l.t.Context(), 5*time.Minute)
	defer cancel()
	kit := stagetest.New(time.Hour)
	var mu sync.Mutex
	left := len(events)
	kit.Around = func(call bus.Call, do func() error) error {
		err := do()
		if call.Kind == bus.CallAck || call.Kind == bus.CallTerm {
			mu.Lock()
			defer mu.Unlock()
			if left--; left == 0 {
				cancel()
			}
		}
		return err
	}
	for _, item := range slices.Sorted(maps.Keys(events)) {
		kit.Put(item, events[item])
	}
	deps := kit.Process().Deps()
	deps.Clock = still{}
	err := stage.Run(ctx, deps, stage.Of(consumer, func(ctx context.Context, _ *eventv1.Envelope, message proto.Message) ([]stage.Out, error) {
		out, err := work(ctx, message.(In))
		if err != nil {
			return nil, err
		}
		return []stage.Out{{Message: out}}, nil
	}))
	if left != 0 || len(kit.Asides()) > 0 {
		l.t.Fatalf("%s: %v, %d mails left, set aside: %v", name, err, left, kit.Asides())
	}
	said := map[string]Out{}
	for _, stored := range kit.Stored() {
		said[stored.Envelope.GetItem()] = stored.Message.(Out)
	}
	if len(said) != len(events) {
		l.t.Fatalf("%s said something of %d of %d mails", name, len(said), len(events))
	}
	return said
}

// beside opens what a stage sealed beside a mail.
func (l *line) beside(item string, packet []byte) *contentv1.Findings {
	l.t.Helper()
	key, err := l.Open(l.t.Context(), open.Ask{Item: item})
	if err != nil {
		l.t.Fatal(err)
	}
	defer key.Clear()
	plain, err := open.Bytes(key.Session, packet, 1<<20)
	if err != nil {
		l.t.Fatal(err)
	}
	findings := new(contentv1.Findings)
	if err := proto.Unmarshal(plain, findings); err != nil {
		l.t.Fatal(err)
	}
	return findings
}

// packets opens a layer that sanitize made.
func (l *line) packets(item string, kind itemv1.LayerKind) [][]byte {
	l.t.Helper()
	for _, layer := range l.layers[item] {
		if layer.GetKind() != kind {
			continue
		}
		session, err := l.berths[kind].Unwrap(layer.GetKeyPacket())
		if err != nil {
			l.t.Fatal(err)
		}
		var source io.Reader = bytes.NewReader(layer.GetInline())
		if layer.GetObject() != "" {
			body, _, err := l.store.Get(l.t.Context(), layer.GetObject())
			if err != nil {
				l.t.Fatal(err)
			}
			defer body.Close()
			source = body
		}
		packets, err := open.Layer(session, source, layer.GetPacketEnds(), layer.GetDigest(), 256<<20)
		if err != nil {
			l.t.Fatal(err)
		}
		return packets
	}
	return nil
}

// differences names the fields in which two JSON values differ.
func differences(where string, a, b any) []string {
	x, both := a.(map[string]any)
	y, isObject := b.(map[string]any)
	if both && isObject {
		var found []string
		names := map[string]bool{}
		for name := range x {
			names[name] = true
		}
		for name := range y {
			names[name] = true
		}
		for _, name := range slices.Sorted(maps.Keys(names)) {
			found = append(found, differences(where+"."+name, x[name], y[name])...)
		}
		return found
	}
	if !reflect.DeepEqual(a, b) {
		return []string{fmt.Sprintf("%s: the pipeline says %v, inspect %v", where, a, b)}
	}
	return nil
}

func decoded(t *testing.T, text []byte) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatalf("%v in %.200s", err, text)
	}
	return v
}

// What inspect prints is what the services say, of every mail of the corpora: with the
// same zone, the same boundary, the same time.
func TestTheServicesSayWhatTheBuiltCommandPrints(t *testing.T) {
	mails, zoneText := corpusMails(t)
	zone, err := dns.ParseZone(zoneText)
	if err != nil {
		t.Fatal(err)
	}
	trusted := []string{"dogma.slashnull.org", "phobos.labs.spamassassin.taint.org", "phobos.labs.netnoteinc.com", "webnote.net"}
	pgp, smime := newPGPWorld(t), newSMIMEWorld(t)
	folder := decryptionKeys(t, pgp, smime)
	for _, m := range sealedMails(t, pgp, smime) {
		mails = append(mails, corpusMail{m.name, []byte(m.raw)})
	}
	company, err := reading.OpenKeys(folder, still{}.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	boundary := verify.Boundary{Mailbox: "*", TrustMX: trusted, TrustAuthserv: []string{"mx.example.org"}, TrustSealers: []string{"example.org"}}

	l := newLine(t)
	l.desk.DecryptWith(company)
	received := map[string]*mailv1.Received{}
	for n, m := range mails {
		record := l.add(n, m.raw)
		received[record.GetItem()] = &mailv1.Received{Record: record}
	}
	verified := stageSays(l, "verify", received, verify.NewWorker(verify.Config{Boundaries: []verify.Boundary{boundary}}, l.desk, l, zone, func(*itemv1.Record) bool { return false }, nil, nil).Verify)
	scanned := stageSays(l, "scan", verified, scan.NewWorker(l.desk, l, scan.Here(attachment.Options{}), func(*itemv1.Record) bool { return true }).Scan)
	archived := map[string]*mailv1.Archived{}
	for item, s := range scanned {
		record, _ := proto.Clone(s.GetRecord()).(*itemv1.Record)
		record.State, record.Findings, record.Details = itemv1.State_STATE_FILED, s.GetFindings(), s.GetDetails()
		for kind, bucket := range l.berths {
			record.Berths = append(record.Berths, &itemv1.Berth{Kind: kind, Bucket: fmt.Sprintf("customer.%d.20280101.0", kind), PublicKey: bucket.Recipient().PublicKey()})
		}
		archived[item] = &mailv1.Archived{Record: record}
	}
	stageSays(l, "sanitize", archived, sanitize.NewWorker(l.desk, l, l, l.store, sanitize.Options{}, still{}.Now).Sanitize)

	flags := []string{
		"--dns", write(t, "zone.json", string(zoneText)), "--at", receivedAt.Format(time.RFC3339), "--trust-mx", strings.Join(trusted, ","),
		"--trust-authserv", "mx.example.org", "--trust-sealer", "example.org", "--decryption-keys", folder, "--list", writeMails(t, mails),
	}
	masked, unmasked := printed(t, flags...), printed(t, append(flags, "--show-masked")...)
	if len(masked) != len(mails) || len(unmasked) != len(mails) {
		t.Fatalf("%d and %d documents of %d mails", len(masked), len(unmasked), len(mails))
	}
	seen := map[string]int{}
	for n, m := range mails {
		item := stagetest.Item(n)
		findings := l.beside(item, scanned[item].GetDetails())
		inspected := decoded(t, masked[n])
		report := decoded(t, findings.GetScan())
		wrong := differences("sender", decoded(t, findings.GetSender()), inspected["sender"])
		wrong = append(wrong, differences("", report, map[string]any{"attachments": inspected["attachments"], "scan": inspected["scan"], "account": inspected["account"]})...)
		wrong = append(wrong, codesDiffer(scanned[item].GetFindings(), inspected)...)
		wrong = append(wrong, encryptionDiffers("findings", findings.GetEncryption(), inspected)...)
		wrong = append(wrong, l.viewDiffers(item, inspected, decoded(t, unmasked[n]))...)
		for _, w := range wrong {
			t.Errorf("%s: %.600s", m.name, w)
		}
		sender := inspected["sender"].(map[string]any)
		seen[fmt.Sprint(sender["verdict"])]++
		seen["spf "+fmt.Sprint(sender["spf"].(map[string]any)["source"])]++
		seen["dmarc "+fmt.Sprint(sender["dmarc"].(map[string]any)["result"])]++
		seen["scan "+fmt.Sprint(inspected["scan"].(map[string]any)["verdict"])]++
		if len(sender["dkim"].([]any)) > 0 {
			seen["dkim"]++
		}
		for _, piece := range findings.GetEncryption() {
			seen[fmt.Sprintf("%s opened %v", piece.GetKind(), piece.GetOpened())]++
		}
		for _, signature := range sender["signatures"].([]any) {
			if len(findings.GetEncryption()) > 0 {
				seen["sealed signature "+fmt.Sprint(signature.(map[string]any)["result"])]++
			}
		}
	}
	t.Logf("%d mails: %v", len(mails), seen)
	// The comparison is worth something only where there is something to compare.
	for _, what := range []string{"authenticated", "forged", "ambiguous", "unverified", "spf received", "dmarc pass", "dmarc fail", "dmarc temperror", "scan clean", "scan suspicious", "scan ambiguous", "dkim",
		"openpgp opened true", "openpgp opened false", "smime opened true", "smime opened false", "scan infected", "sealed signature unknown_key", "sealed signature expired"} {
		if seen[what] == 0 {
			t.Errorf("no mail is %q: %v", what, seen)
		}
	}
}

// encryptionDiffers compares what is told of what was encrypted.
func encryptionDiffers(where string, pieces []*contentv1.Encryption, inspected map[string]any) []string {
	all := []any{}
	for _, p := range pieces {
		all = append(all, map[string]any{"path": p.GetPath(), "kind": p.GetKind(), "opened": p.GetOpened(), "key": p.GetKey(), "reason": p.GetReason()})
	}
	return differences(where+" encryption", all, inspected["encryption"])
}

// codesDiffer compares what travels in the clear.
func codesDiffer(findings *itemv1.Findings, inspected map[string]any) []string {
	sender, scan := inspected["sender"].(map[string]any), inspected["scan"].(map[string]any)
	list := func(codes []string) []any {
		all := []any{}
		for _, code := range codes {
			all = append(all, code)
		}
		return all
	}
	return differences("findings", map[string]any{
		"sender": findings.GetSenderVerdict(), "why": list(findings.GetSenderReasons()), "kind": findings.GetKind(),
		"scan": findings.GetScanVerdict(), "what": list(findings.GetScanReasons()),
	}, map[string]any{
		"sender": sender["verdict"], "why": sender["reasons"], "kind": inspected["message"].(map[string]any)["kind"],
		"scan": scan["verdict"], "what": scan["reasons"],
	})
}

// viewDiffers compares the view and pii layers with the document's view.
func (l *line) viewDiffers(item string, masked, unmasked map[string]any) []string {
	packets := l.packets(item, itemv1.LayerKind_LAYER_KIND_VIEW)
	if len(packets) < 2 {
		return []string{fmt.Sprintf("view: %d packets", len(packets))}
	}
	var message contentv1.Message
	if err := proto.Unmarshal(packets[1], &message); err != nil {
		return []string{"view: " + err.Error()}
	}
	values := map[string]bool{}
	for _, packet := range l.packets(item, itemv1.LayerKind_LAYER_KIND_PII) {
		var value contentv1.Value
		if err := proto.Unmarshal(packet, &value); err != nil {
			return []string{"pii: " + err.Error()}
		}
		values[value.GetKind()+" "+value.GetValue()] = true
	}
	view, open := masked["view"].(map[string]any), unmasked["view"].(map[string]any)
	wrong := differences("view", map[string]any{
		"text": message.GetText(), "html": message.GetHtml(),
		"removed": map[string]any{
			"active": float64(message.GetRemovedActive()), "remote": float64(message.GetRemovedRemote()),
			"trackers": float64(message.GetRemovedTrackers()), "other": float64(message.GetRemovedOther()),
		},
	}, map[string]any{"text": view["text"], "html": view["html"], "removed": view["removed"]})
	wrong = append(wrong, encryptionDiffers("view", message.GetEncryption(), masked)...)
	wrong = append(wrong, differences("masked", view["masked"], open["masked"])...)
	text := open["text"].(string)
	for _, mask := range open["masked"].([]any) {
		m := mask.(map[string]any)
		start, end := int(m["start"].(float64)), int(m["end"].(float64))
		if start < 0 || end <= start || end > len(text) || !values[fmt.Sprint(m["kind"])+" "+text[start:end]] {
			wrong = append(wrong, fmt.Sprintf("masked %s from %d to %d: not a value of the pii layer", m["kind"], start, end))
		}
	}
	return wrong
}
