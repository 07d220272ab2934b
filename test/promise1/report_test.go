package promise1

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"
	"google.golang.org/protobuf/proto"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/keys"
	"github.com/postern-mail/postern/pkg/seal/open"
	"github.com/postern-mail/postern/pkg/signet"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	retentionv1 "github.com/postern-mail/postern/proto/retention/v1"
	ticketv1 "github.com/postern-mail/postern/proto/ticket/v1"
	"github.com/postern-mail/postern/services/audit"
	"github.com/postern-mail/postern/services/postern/wiring"
	"github.com/postern-mail/postern/services/retain"
)

// A report is what a process ended with.
type report struct {
	Items     []item
	Tickets   map[string][]string // ticket → its events, in order
	Plans     map[string]int      // plan → targets
	Certified map[string]int      // plan → certificates
	Bad       []string            // what cannot be right, whatever was done to the process
	Objects   []string            // of layers, in the vault
	Anew      *anew               // what a scanner found; nil: there was none
}

// An item is what a record says.
type item struct {
	ID       string
	Validity uint32
	UID      uint32
	Size     int64
	State    string
	Code     string // of one that was set aside
	Ticket   string
	Layers   map[string]string // kind → state
	Objects  []string          // that present layers name
	Digest   string            // of the raw bytes as they open; "" where they are gone
}

// An insight lets one look into a Postern of whatever shape.
type insight struct {
	waits   bool // see life.Waits
	tool    func(ctx context.Context, credential string) (*wiring.Tool, error)
	keyFile func(service, name string) string // the public half of a service's signing key
	nkeys   string                            // the folder with the seed of setup
	connect func(signIn ...nats.Option) (*nats.Conn, error)
	known   map[string]string // digests of originals that were opened, by object and what it holds; nil: all are opened
}

// into looks into this process.
func into(p *wiring.Process) insight {
	return insight{
		tool:    p.Tool,
		keyFile: func(_, name string) string { return filepath.Join(p.Config.DataDir, "keys", name) },
		nkeys:   p.Config.NATS.Nkeys,
		connect: func(signIn ...nats.Option) (*nats.Conn, error) {
			return nats.Connect("", append(signIn, nats.InProcessServer(p.Local()))...)
		},
	}
}

// settle returns when the records say that so many mails are at rest, and no stage has
// anything left to do.
func settle(ctx context.Context, p insight, mails int) error {
	tool, err := p.tool(ctx, topology.Rebuild)
	if err != nil {
		return err
	}
	defer tool.Conn.Close()
	stages, done, err := consumers(p)
	if err != nil {
		return err
	}
	defer done()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	seen, busy, same := 0, "none is asked", 0
	for {
		rest := 0
		for record, err := range records(ctx, tool.Conn) {
			if err != nil {
				return fmt.Errorf("%d of %d mails were at rest: records: %w", seen, mails, err)
			}
			switch record.State {
			case itemv1.State_STATE_TICKETED, itemv1.State_STATE_SET_ASIDE, itemv1.State_STATE_TOMBSTONE:
				rest++
			}
		}
		seen = rest
		if rest > mails {
			return fmt.Errorf("%d records at rest, and there are %d mails", rest, mails)
		}
		if rest == mails {
			now, waiting, err := stages(ctx)
			if err != nil {
				return err
			}
			if same++; now != busy {
				busy, same = now, 0
			}
			if _, err = tool.Client.Status(ctx); err != nil && !errors.Is(err, bus.ErrNobody) {
				return fmt.Errorf("keyring: %w", err)
			}
			if (busy == "" || p.waits && waiting && same >= still) && err == nil {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d of %d mails are at rest, stages at work: %s: %w", rest, mails, busy, context.Cause(ctx))
		case <-ticker.C:
		}
	}
}

// still is for how many looks in a row nothing moves where all that is left waits to be handed out
// again: what was given back often does so for up to half an hour.
const still = 250

// consumers tells which stages have not taken and acknowledged everything, "" for none, and whether
// they have but to be handed again what they gave back.
func consumers(p insight) (busy func(context.Context) (words string, waiting bool, err error), done func(), err error) {
	js, done, err := p.setup()
	if err != nil {
		return nil, nil, err
	}
	return func(ctx context.Context) (string, bool, error) {
		var busy []string
		waiting := true
		for _, c := range topology.Consumers {
			consumer, err := js.Consumer(ctx, c.Stream, c.Stage)
			if err != nil {
				return "", false, fmt.Errorf("consumer %s: %w", c.Stage, err)
			}
			if info := consumer.CachedInfo(); info.NumPending > 0 || info.NumAckPending > 0 {
				busy = append(busy, fmt.Sprintf("%s (%d to take, %d taken, %d again)", c.Stage, info.NumPending, info.NumAckPending, info.NumRedelivered))
				waiting = waiting && info.NumPending == 0
			}
		}
		return strings.Join(busy, ", "), waiting, nil
	}, done, nil
}

// setup signs in as the one who makes the streams.
func (p insight) setup() (jetstream.JetStream, func(), error) {
	seed, err := wiring.Seed(p.nkeys, topology.Setup)
	if err != nil {
		return nil, nil, err
	}
	pair, err := nkeys.FromSeed(seed)
	if err != nil {
		return nil, nil, err
	}
	public, err := pair.PublicKey()
	if err != nil {
		return nil, nil, err
	}
	nc, err := p.connect(nats.Nkey(public, pair.Sign), nats.CustomInboxPrefix(bus.Inbox(topology.Setup)))
	if err != nil {
		return nil, nil, err
	}
	js, err := jetstream.New(nc)
	return js, nc.Close, err
}

// forgetful has streams forget the ids of what they were told almost at once, as they do in two days.
// Two of them nobody may change.
func forgetful(ctx context.Context, p *wiring.Process) error {
	js, done, err := into(p).setup()
	if err != nil {
		return err
	}
	defer done()
	for _, s := range topology.Streams {
		if s.Forever {
			continue
		}
		stream, err := js.Stream(ctx, s.Name)
		if err != nil {
			return err
		}
		config := stream.CachedInfo().Config
		config.Duplicates = 100 * time.Millisecond
		if _, err := js.UpdateStream(ctx, config); err != nil {
			return fmt.Errorf("stream %s: %w", s.Name, err)
		}
	}
	return nil
}

func records(ctx context.Context, conn *bus.Conn) func(func(*itemv1.Record, error) bool) {
	return func(yield func(*itemv1.Record, error) bool) {
		for message, err := range conn.Scan(ctx, topology.Items, 1) {
			record := new(itemv1.Record)
			if err == nil {
				err = proto.Unmarshal(message.Data, record)
			}
			if !yield(record, err) || err != nil {
				return
			}
		}
	}
}

// look reads everything that a process has made.
func look(ctx context.Context, p insight) (*report, error) {
	tool, err := p.tool(ctx, topology.Rebuild)
	if err != nil {
		return nil, err
	}
	defer tool.Conn.Close()
	reader, err := p.tool(ctx, "verify")
	if err != nil {
		return nil, err
	}
	defer reader.Conn.Close()
	desk, err := p.tool(ctx, "desk")
	if err != nil {
		return nil, err
	}
	defer desk.Conn.Close()
	views := desk.Opener()
	r := &report{Tickets: map[string][]string{}, Plans: map[string]int{}, Certified: map[string]int{}}
	for record, err := range records(ctx, tool.Conn) {
		if err != nil {
			return nil, err
		}
		i, err := itemOf(ctx, reader, record, p.known)
		if err != nil {
			return nil, fmt.Errorf("item %s: %w", record.GetItem(), err)
		}
		view := "view of " + i.ID
		if i.Ticket != "" && i.Layers["view"] == "present" && p.known[view] == "" {
			key, err := views.Open(ctx, open.Ask{Purpose: keys.ForRead, Layer: itemv1.LayerKind_LAYER_KIND_VIEW, Item: i.ID, Actor: "test", Ticket: i.Ticket})
			if err != nil {
				return nil, fmt.Errorf("view of item %s: %w", i.ID, err)
			}
			key.Clear()
			note(p.known, view, "opens")
		}
		r.Items = append(r.Items, i)
	}
	if err := r.readTickets(ctx, tool.Conn); err != nil {
		return nil, err
	}
	if err := r.readRetention(ctx, tool, p.keyFile("retain", "certificate.ed25519.pub")); err != nil {
		return nil, err
	}
	for _, prefix := range []string{"raw/", "view/", "pii/"} {
		for object, err := range tool.Vault.List(ctx, prefix, "") {
			if err != nil {
				return nil, err
			}
			r.Objects = append(r.Objects, object.Name)
		}
	}
	return r, r.readAudit(ctx, tool, p.keyFile("audit", "audit.ed25519.pub"))
}

// note keeps what need not be opened twice, where anything is kept.
func note(known map[string]string, name, what string) {
	if known != nil {
		known[name] = what
	}
}

func itemOf(ctx context.Context, reader *wiring.Tool, record *itemv1.Record, known map[string]string) (item, error) {
	i := item{
		ID: record.GetItem(), Validity: record.GetUidValidity(), UID: record.GetUid(), Size: record.GetSize(),
		State: event.StateWord(record.GetState()), Code: record.GetSetAside().GetCode(), Ticket: record.GetTicket(), Layers: map[string]string{},
	}
	for _, layer := range record.GetLayers() {
		kind := strings.ToLower(strings.TrimPrefix(layer.GetKind().String(), "LAYER_KIND_"))
		i.Layers[kind] = strings.ToLower(strings.TrimPrefix(layer.GetState().String(), "LAYER_STATE_"))
		if layer.GetState() != itemv1.LayerState_LAYER_STATE_PRESENT {
			continue
		}
		if layer.GetObject() != "" {
			i.Objects = append(i.Objects, layer.GetObject())
		}
		if layer.GetKind() != itemv1.LayerKind_LAYER_KIND_RAW {
			continue
		}
		original := fmt.Sprintf("%s %x", layer.GetObject(), layer.GetDigest())
		if i.Digest = known[original]; i.Digest != "" {
			continue
		}
		key, err := reader.Opener().Open(ctx, open.Ask{Purpose: keys.ForVerify, Layer: layer.GetKind(), Item: i.ID})
		if err != nil {
			return i, err
		}
		defer key.Clear()
		body, _, err := reader.Vault.Get(ctx, layer.GetObject())
		if err != nil {
			return i, err
		}
		defer body.Close()
		sealed, err := io.ReadAll(body)
		if err != nil {
			return i, err
		}
		raw, err := open.Bytes(key.Session, sealed, 16<<20)
		if err != nil {
			return i, err
		}
		i.Digest = digest(raw)
		note(known, original, i.Digest)
	}
	return i, nil
}

func digest(raw []byte) string {
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

// once notes what may be said once only.
func (r *report) once(said map[string]bool, what string) {
	if said[what] {
		r.Bad = append(r.Bad, what+": twice")
	}
	said[what] = true
}

func (r *report) readTickets(ctx context.Context, conn *bus.Conn) error {
	heard := map[string]bool{}
	for message, err := range conn.Scan(ctx, topology.Tickets, 1) {
		if err != nil {
			return err
		}
		_, said, err := event.Open(message.Subject, message.Data)
		if err != nil {
			return err
		}
		ticket := strings.TrimPrefix(message.Subject, "tickets.")
		r.Tickets[ticket] = append(r.Tickets[ticket], event.Name(said))
		switch e := said.(type) {
		case *ticketv1.Opened:
			if event.Ticket(e.GetRecord().GetItem()) != ticket {
				r.Bad = append(r.Bad, "a ticket is not its item's")
			}
		case *ticketv1.LayersDestroyed:
			r.once(heard, "ticket "+ticket+" hears of certificate "+e.GetCertificate())
		}
	}
	return nil
}

func (r *report) readRetention(ctx context.Context, tool *wiring.Tool, keyFile string) error {
	key, err := signet.LoadPublic(keyFile)
	if err != nil {
		return err
	}
	heard := map[string]bool{}
	for message, err := range tool.Conn.Scan(ctx, topology.Retention, 1) {
		if err != nil {
			return err
		}
		_, said, err := event.Open(message.Subject, message.Data)
		if err != nil {
			return err
		}
		switch e := said.(type) {
		case *retentionv1.Destroyed:
			r.once(heard, "plan "+e.GetPlan()+" is said to be destroyed")
		case *retentionv1.Withdrawn:
			r.once(heard, "plan "+e.GetPlan()+" is withdrawn")
		case *retentionv1.Planned:
			r.once(heard, "plan "+e.GetPlan()+" is said")
			r.Plans[e.GetPlan()] = len(e.GetTargets())
		case *retentionv1.Certified:
			r.Certified[e.GetPlan()]++
			if _, err := retain.Verify(e.GetDocument(), key); err != nil {
				r.Bad = append(r.Bad, "a certificate: "+err.Error())
			}
			body, _, err := tool.Vault.Get(ctx, "certificates/"+strings.ToLower(e.GetCertificate())+".json")
			if err != nil {
				return fmt.Errorf("certificate: %w", err)
			}
			stored, err := io.ReadAll(body)
			if err := errors.Join(err, body.Close()); err != nil {
				return err
			}
			if string(stored) != string(e.GetDocument()) {
				r.Bad = append(r.Bad, "the vault has another certificate than the log")
			}
		}
	}
	return nil
}

func (r *report) readAudit(ctx context.Context, tool *wiring.Tool, keyFile string) error {
	key, err := signet.LoadPublic(keyFile)
	if err != nil {
		return err
	}
	checkpoints, err := audit.Checkpoints(ctx, tool.Conn)
	if err != nil {
		return err
	}
	if _, err := audit.Verify(audit.Messages(ctx, tool.Conn), checkpoints, key); err != nil {
		r.Bad = append(r.Bad, "the audit log: "+err.Error())
	}
	return nil
}

// logged gives the last lines of a process's log, for a test that failed.
func logged(data string) string {
	lines := strings.Split(wholeLog(data), "\n")
	return strings.Join(lines[max(0, len(lines)-40):], "\n")
}

func wholeLog(data string) string {
	text, _ := os.ReadFile(filepath.Join(data, "postern.log"))
	return string(text)
}
