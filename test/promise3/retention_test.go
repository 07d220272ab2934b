package promise3

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/keys"
	"github.com/postern-mail/postern/pkg/seal"
	"github.com/postern-mail/postern/pkg/signet"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
	retentionv1 "github.com/postern-mail/postern/proto/retention/v1"
	"github.com/postern-mail/postern/services/postern/fleet"
	"github.com/postern-mail/postern/services/retain"
	"github.com/postern-mail/postern/test/program"
)

// A history is what retention has said.
type history struct {
	planned   []*retentionv1.Planned
	withdrawn map[string]string                 // plan → code
	certified map[string]*retentionv1.Certified // by plan
	documents map[string]retain.Certificate     // by plan
	spoken    map[string]int                    // "item layer" → certificates
}

func historyOf(t *testing.T, w *oneProcess, items ...string) history {
	t.Helper()
	tool := w.as(t, topology.Rebuild)
	public, err := signet.LoadPublic(w.keyFile("retain", "certificate.ed25519.pub"))
	if err != nil {
		t.Fatal(err)
	}
	h := history{nil, map[string]string{}, map[string]*retentionv1.Certified{}, map[string]retain.Certificate{}, map[string]int{}}
	for message, err := range tool.Conn.Scan(t.Context(), topology.Retention, 1) {
		if err != nil {
			t.Fatal(err)
		}
		_, said, err := event.Open(message.Subject, message.Data)
		if err != nil {
			t.Fatal(err)
		}
		switch e := said.(type) {
		case *retentionv1.Planned:
			h.planned = append(h.planned, e)
		case *retentionv1.Withdrawn:
			h.withdrawn[e.GetPlan()] = e.GetCode()
		case *retentionv1.Certified:
			if h.certified[e.GetPlan()] != nil {
				t.Errorf("plan %s is certified twice", e.GetPlan())
			}
			h.certified[e.GetPlan()] = e
			body, _, err := tool.Vault.Get(t.Context(), retain.CertificateObject(e.GetCertificate()))
			if err != nil {
				t.Fatal(err)
			}
			stored, err := io.ReadAll(body)
			if err := errors.Join(err, body.Close()); err != nil {
				t.Fatal(err)
			}
			if h.documents[e.GetPlan()], err = retain.Verify(stored, public); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, document := range h.documents {
		digests := map[string]string{}
		for _, item := range items {
			digests[retain.ItemDigest(salt(t, document), item)] = item
		}
		for _, line := range document.Items {
			if item := digests[line.Item]; item != "" {
				h.spoken[item+" "+line.Layer]++
			}
		}
	}
	return h
}

func recordsOf(t *testing.T, w world) map[string]*itemv1.Record {
	t.Helper()
	records, err := fleet.Records(program.Context(t), w.as(t, topology.Doctor).Conn)
	if err != nil {
		t.Fatal(err)
	}
	return records
}

// state is where an item's original stands.
func state(record *itemv1.Record) itemv1.LayerState { return layerOf(record, raw).GetState() }

const (
	there     = itemv1.LayerState_LAYER_STATE_PRESENT
	halfGone  = itemv1.LayerState_LAYER_STATE_ERASED
	destroyed = itemv1.LayerState_LAYER_STATE_DESTROYED
)

// between has something happen around calls to the bus.
type between struct {
	mu sync.Mutex
	do func(service string, c bus.Call, call func() error) error
}

func (b *between) set(do func(service string, c bus.Call, call func() error) error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.do = do
}

func (b *between) around(service string) bus.Around {
	return func(c bus.Call, call func() error) error {
		b.mu.Lock()
		do := b.do
		b.mu.Unlock()
		if do == nil {
			return call()
		}
		return do(service, c, call)
	}
}

// dueSoon are items whose original a month destroys.
func dueSoon(before map[string]*itemv1.Record) []string {
	var items []string
	for _, item := range slices.Sorted(maps.Keys(before)) {
		if layer := layerOf(before[item], raw); layer.GetObject() != "" && before[item].GetClass() == "customer" {
			items = append(items, item)
		}
	}
	return items
}

// sweepOnce runs retention once, and gives its outcome.
func (w *oneProcess) sweepOnce(t *testing.T) error {
	t.Helper()
	service, err := w.as(t, "retain").Retain()
	if err != nil {
		t.Fatal(err)
	}
	return service.Run(program.Context(t))
}

func TestAHoldBetweenPlanAndDestructionHasThePlanWithdrawn(t *testing.T) {
	t.Parallel()
	b := new(between)
	w := newOneProcess(t, func(w *oneProcess) { w.options.Around = b.around })
	before := settled(t, w)
	due := dueSoon(before)
	var held atomic.Bool
	b.set(func(service string, c bus.Call, call func() error) error {
		err := call()
		if c.Kind == bus.CallPublish && c.Subject == "retention.v1.Planned" && held.CompareAndSwap(false, true) {
			w.hold(t, due[0])
		}
		return err
	})
	w.advance(t, month)
	w.sweep(t)
	if !held.Load() {
		t.Fatal("nothing was planned")
	}
	after, h := recordsOf(t, w), historyOf(t, w, due...)
	if len(h.withdrawn) != 1 {
		t.Errorf("%d plans are withdrawn, want one", len(h.withdrawn))
	}
	for _, item := range due {
		want, certificates := destroyed, 1
		if item == due[0] {
			want, certificates = there, 0
		}
		if got := state(after[item]); got != want || h.spoken[item+" raw"] != certificates {
			t.Errorf("item %s: its original is %s, want %s; %d certificates, want %d", item, got, want, h.spoken[item+" raw"], certificates)
		}
	}
}

func TestWhatADeadDestructionHadTakenIsCertifiedThoughAHoldCame(t *testing.T) {
	t.Parallel()
	b := new(between)
	w := newOneProcess(t, func(w *oneProcess) {
		w.options.Around = b.around
		w.only = []string{"ingest", "verify", "scan", "archive", "sanitize", "desk", "keyring", "audit"} // retention runs when it is told to
	})
	before := settled(t, w)
	due := dueSoon(before)
	// The keyring takes the packets of one record and then reaches the bus no more.
	var planned, broken atomic.Bool
	broken.Store(true)
	var changes atomic.Int64
	b.set(func(service string, c bus.Call, call func() error) error {
		if c.Kind == bus.CallPublish && c.Subject == "retention.v1.Planned" {
			planned.Store(true)
		}
		if broken.Load() && planned.Load() && service == "keyring" && c.Kind == bus.CallPublish && strings.HasPrefix(c.Subject, "items.") && changes.Add(1) > 1 {
			return bus.ErrFaulty
		}
		return call()
	})
	w.advance(t, month)
	until(t, "one record has lost its packets", func(context.Context) (bool, error) {
		err := w.sweepOnce(t)
		return changes.Load() > 1, err
	})
	var taken []string
	hold := ""
	for item, record := range recordsOf(t, w) {
		switch {
		case state(record) == halfGone:
			taken = append(taken, item)
		case slices.Contains(due, item) && state(record) == there:
			hold = item
		}
	}
	if len(taken) != 1 || hold == "" {
		t.Fatalf("%d records have lost their packets, want one", len(taken))
	}
	broken.Store(false)
	w.hold(t, hold)
	until(t, "nothing is under way", func(context.Context) (bool, error) {
		err := w.sweepOnce(t)
		return err == nil, err
	})
	after, h := recordsOf(t, w), historyOf(t, w, due...)
	remainders := 0
	for _, plan := range h.planned {
		if plan.GetCause() == retain.Remainder {
			remainders++
		}
	}
	if len(h.withdrawn) == 0 || remainders != 1 {
		t.Errorf("%d plans withdrawn, %d remainders", len(h.withdrawn), remainders)
	}
	for _, item := range due {
		want, certificates := destroyed, 1
		if item == hold {
			want, certificates = there, 0
		}
		if got := state(after[item]); got != want || h.spoken[item+" raw"] != certificates {
			t.Errorf("item %s: its original is %s, want %s; %d certificates, want %d", item, got, want, h.spoken[item+" raw"], certificates)
		}
		if want == destroyed {
			if _, err := w.process.Vault.Stat(t.Context(), layerOf(before[item], raw).GetObject()); err == nil {
				t.Errorf("item %s: its object is still there", item)
			}
		}
	}
}

func TestAnItemThatIsErasedBeforeItIsRenderedIsNeverRendered(t *testing.T) {
	t.Parallel()
	w := newOneProcess(t, func(w *oneProcess) {
		w.only = []string{"ingest", "verify", "scan", "archive", "keyring", "retain", "audit"}
	})
	var records map[string]*itemv1.Record
	until(t, "every mail is filed", func(context.Context) (bool, error) {
		records = recordsOf(t, w)
		filed := 0
		for _, record := range records {
			if record.GetState() == itemv1.State_STATE_FILED {
				filed++
			}
		}
		return filed == w.mails(), nil
	})
	due := dueSoon(records)
	w.erase(t, due[0])
	w.stop(t)
	w.only = nil
	w.start(t)
	until(t, "every other mail is a ticket", func(context.Context) (bool, error) {
		records = recordsOf(t, w)
		tickets := 0
		for item, record := range records {
			if item != due[0] && record.GetState() == itemv1.State_STATE_TICKETED {
				tickets++
			}
		}
		return tickets == w.mails()-1, nil
	})
	w.advance(t, 72*time.Hour) // its day's intake keys are over
	w.sweep(t)
	record, h := recordsOf(t, w)[due[0]], historyOf(t, w, due...)
	if state(record) != destroyed || len(record.GetLayers()) != 1 || len(record.GetBerths()) != 0 || record.GetTicket() != "" {
		t.Errorf("the erased item has %d layers, ticket %q, its original is %s", len(record.GetLayers()), record.GetTicket(), state(record))
	}
	if len(h.spoken) != 1 || h.spoken[due[0]+" raw"] != 1 {
		t.Errorf("certificates speak of %v", h.spoken)
	}
	for name := range objects(t, w.process.Vault) {
		if strings.Contains(name, due[0]) {
			t.Errorf("object %s is there", name)
		}
	}
}

// many registers and files items with the real keyring, and nobody else takes part: their
// originals are due in some days. The objects were never stored, which an eraser takes for gone.
func (w *oneProcess) many(t *testing.T, from, n, days int) []string {
	t.Helper()
	door, archive := w.as(t, "ingest"), w.as(t, "archive")
	message, err := door.Conn.Last(t.Context(), keys.PublishedStream, keys.PublishedSubject)
	if err != nil {
		t.Fatal(err)
	}
	published, err := keys.ReadPublished(message.Data)
	if err != nil {
		t.Fatal(err)
	}
	now := w.now()
	intake, err := keys.Intake(published, now)
	if err != nil {
		t.Fatal(err)
	}
	recipient, err := seal.NewRecipient(intake.GetBucket(), intake.GetPublicKey())
	if err != nil {
		t.Fatal(err)
	}
	day := func(n int) *timestamppb.Timestamp {
		return timestamppb.New(now.UTC().Truncate(24*time.Hour).AddDate(0, 0, n))
	}
	items := make([]string, n)
	var work sync.WaitGroup
	slots := make(chan struct{}, 32)
	for i := range items {
		slots <- struct{}{}
		work.Go(func() {
			defer func() { <-slots }()
			uid := uint32(from + i)
			made, digest := sealOne(t, recipient)
			item := event.Item("many", "INBOX", 1, uid, 0)
			items[i] = item
			attempt := strings.ToLower(ulid.MustNew(ulid.Timestamp(now), rand.Reader).String())
			_, err := door.Client.Register(t.Context(), &keyringv1.Register{
				Mailbox: "many", Folder: "INBOX", UidValidity: 1, Uid: uid, Size: 6, InternalDate: timestamppb.New(now),
				Raw: &itemv1.Layer{
					Kind: raw, State: there, Object: fmt.Sprintf("raw/%s/%s.%s", now.UTC().Format("2006/01/02"), item, attempt), Size: made.Size, Digest: made.Digest,
					PacketEnds: made.PacketEnds, KeyPacket: made.KeyPacket, Bucket: made.Bucket, Attempted: timestamppb.New(now),
				},
				RawDigest: digest,
			})
			if err == nil {
				_, err = archive.Client.File(t.Context(), &keyringv1.File{Item: item, Class: "customer", Findings: &itemv1.Findings{}, Dues: []*keyringv1.Due{
					{Layer: raw, Due: day(days), PeriodDays: 1}, {Layer: view, Due: day(700), PeriodDays: 1}, {Layer: pii, Due: day(700), PeriodDays: 1},
				}})
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	work.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return items
}

func sealOne(t *testing.T, recipient *seal.Recipient) (seal.Sealed, []byte) {
	t.Helper()
	mail := []byte("a mail")
	layer, err := seal.NewLayer(recipient, io.Discard)
	if err != nil {
		t.Error(err)
	}
	packet, err := layer.Packet()
	if err != nil {
		t.Error(err)
	}
	_, err = packet.Write(mail)
	sum := sha256.Sum256(mail)
	digest, besideErr := layer.Beside(sum[:])
	if err := errors.Join(err, packet.Close(), besideErr); err != nil {
		t.Error(err)
	}
	sealed, err := layer.Close()
	if err != nil {
		t.Error(err)
	}
	return sealed, digest
}

func alone(w *oneProcess) { w.only = []string{"archive", "keyring", "retain", "audit"} }

func awaitKeyring(t *testing.T, w *oneProcess) {
	t.Helper()
	until(t, "the keyring has published its keys", func(ctx context.Context) (bool, error) {
		_, err := w.as(t, "ingest").Conn.Last(ctx, keys.PublishedStream, keys.PublishedSubject)
		return err == nil, err
	})
}

func TestAPlanThatIsTooLongForItsEventIsCarriedOutFromTheVault(t *testing.T) {
	t.Parallel()
	w := newOneProcess(t, alone)
	awaitKeyring(t, w)
	const n = 2001 // one more than ride in an event; retain's own tests show the limit itself
	items := w.many(t, 1, n, 30)
	w.advance(t, month)
	w.sweep(t)
	h := historyOf(t, w, items...)
	var plan *retentionv1.Planned
	for _, p := range h.planned {
		if len(h.documents[p.GetPlan()].Items) == n {
			plan = p
		}
	}
	if plan == nil {
		t.Fatalf("no certificate speaks of %d layers", n)
	}
	if plan.GetObject() == "" || len(plan.GetTargets()) != 0 {
		t.Errorf("a plan of %d: %d ride in the event, object %q", n, len(plan.GetTargets()), plan.GetObject())
	}
	records := recordsOf(t, w)
	for _, item := range items {
		if h.spoken[item+" raw"] != 1 || state(records[item]) != destroyed {
			t.Fatalf("item %s: %d certificates, its original is %s", item, h.spoken[item+" raw"], state(records[item]))
		}
	}
}

func TestAPlanThatWaitsSharesNothingWithTheNext(t *testing.T) {
	t.Parallel()
	b := new(between)
	w := newOneProcess(t, alone, func(w *oneProcess) { w.options.Around = b.around })
	awaitKeyring(t, w)
	first, second := w.many(t, 1, 3, 10), w.many(t, 101, 3, 20)
	var waits atomic.Bool
	waits.Store(true)
	b.set(func(service string, c bus.Call, call func() error) error {
		if waits.Load() && c.Kind == bus.CallRequest && strings.HasSuffix(c.Subject, ".attest") {
			return bus.ErrFaulty
		}
		return call()
	})
	for range 2 { // ten days each: the first plan's certificate is still to come when the second is made
		w.advance(t, 11*24*time.Hour)
		if err := w.sweepOnce(t); err == nil {
			t.Fatal("it ended though nothing can be attested")
		}
	}
	waits.Store(false)
	w.sweep(t)
	items := append(first, second...)
	h := historyOf(t, w, items...)
	plans := 0
	for _, plan := range h.planned {
		if len(plan.GetTargets()) > 0 {
			plans++
		}
	}
	if plans != 2 || len(h.withdrawn) != 0 {
		t.Errorf("%d plans with targets, %d withdrawn, want 2 and none", plans, len(h.withdrawn))
	}
	for _, item := range items {
		if h.spoken[item+" raw"] != 1 {
			t.Errorf("item %s: %d certificates speak of its original", item, h.spoken[item+" raw"])
		}
	}
	if err := w.sweepOnce(t); err != nil && !errors.Is(err, retain.ErrPending) {
		t.Errorf("with nothing to do: %v", err)
	}
}

func salt(t *testing.T, document retain.Certificate) []byte {
	t.Helper()
	bytes, err := hex.DecodeString(document.Salt)
	if err != nil {
		t.Fatal(err)
	}
	return bytes
}
