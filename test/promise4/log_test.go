// Package promise4 shows, in the whole system, that nobody reads without a record: a key
// leaves the keyring when its entry is in the audit log and not before, every way in which
// a person comes to a customer's words leaves an entry that names them, and where the log
// cannot be written or the keyring does not answer, nothing is shown to anybody.
package promise4

import (
	"context"
	"errors"
	"iter"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/pkg/event"
	auditv1 "github.com/postern-mail/postern/proto/audit/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	"github.com/postern-mail/postern/services/desk"
	"github.com/postern-mail/postern/services/postern/fleet"
	"github.com/postern-mail/postern/services/postern/wiring"
	"github.com/postern-mail/postern/test/program"
)

func TestMain(m *testing.M) { os.Exit(program.Main(m)) }

// A guard stands at the keyring's door to the bus. It counts the answers that give keys
// and looks, before each leaves, how many such acts the log has; and it can close the log.
type guard struct {
	shut atomic.Bool // the log takes nothing from the keyring

	mu       sync.Mutex
	log      *bus.Conn
	answered map[string]int // by purpose
	early    []string       // answers that would have left before their entry
}

var errShut = errors.New("the log takes nothing")

const openSubject = "keyring.v1.open."

func (g *guard) around(service string) bus.Around {
	return func(c bus.Call, do func() error) error {
		if service != "keyring" {
			return do()
		}
		if c.Kind == bus.CallPublish && strings.HasPrefix(c.Subject, "audit.") && g.shut.Load() {
			return errShut
		}
		if purpose, opens := strings.CutPrefix(c.Subject, openSubject); opens && c.Kind == bus.CallAnswer && !g.shut.Load() {
			g.answering(purpose)
		}
		return do()
	}
}

func (g *guard) answering(purpose string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.answered[purpose]++
	if g.log == nil {
		return // nobody can look yet; the next look counts it
	}
	told := 0
	for act, err := range acts(g.log) {
		if err != nil {
			g.early = append(g.early, purpose+": the log cannot be read: "+err.Error())
			return
		}
		if act.GetPurpose() == purpose {
			told++
		}
	}
	if told < g.answered[purpose] {
		g.early = append(g.early, purpose)
	}
}

// acts reads what stands in the log.
func acts(conn *bus.Conn) iter.Seq2[*auditv1.Act, error] {
	return func(yield func(*auditv1.Act, error) bool) {
		for message, err := range conn.Scan(context.Background(), topology.Audit, 1) {
			if err != nil {
				yield(nil, err)
				return
			}
			_, said, err := event.Open(message.Subject, message.Data)
			if err != nil {
				yield(nil, err)
				return
			}
			entry, ok := said.(*auditv1.Entry)
			if !ok {
				continue
			}
			for _, act := range entry.GetActs() {
				if !yield(act, nil) {
					return
				}
			}
		}
	}
}

// A house is a Postern with a guard, and two people who may read.
type house struct {
	*program.One
	guard       *guard
	log         *bus.Conn
	records     map[string]*itemv1.Record // by the names of their mails
	agent, lead *program.Browser
}

const theLead = "second-person"

func newHouse(t *testing.T) *house {
	g := &guard{answered: map[string]int{}}
	h := &house{guard: g, records: map[string]*itemv1.Record{}}
	h.One = program.StartOne(t, wiring.Options{Around: g.around}, desk.User{Name: theLead, Roles: []desk.Role{desk.Lead}})
	var err error
	if h.log, err = h.Process.Connect(program.Context(t), "audit"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.log.Close)
	g.mu.Lock()
	g.log = h.log
	g.mu.Unlock()
	for _, record := range h.Settled(t) {
		h.records[h.Box.Mails()[record.GetUid()-1].Name] = record
	}
	h.agent, h.lead = program.SignIn(t, h.Link(t, fleet.DemoUser)), program.SignIn(t, h.Link(t, theLead))
	return h
}

func (h *house) page(name string) string { return "/tickets/" + h.records[name].GetTicket() }

// told gives the acts that are in the log and were not at an earlier look.
func (h *house) told(t *testing.T, before map[string]bool) []*auditv1.Act {
	t.Helper()
	var fresh []*auditv1.Act
	for act, err := range acts(h.log) {
		if err != nil {
			t.Fatal(err)
		}
		if !before[act.GetId()] {
			fresh = append(fresh, act)
		}
	}
	return fresh
}

func (h *house) mark(t *testing.T) map[string]bool {
	t.Helper()
	known := map[string]bool{}
	for _, act := range h.told(t, nil) {
		known[act.GetId()] = true
	}
	return known
}

// raw gives a mail as it came.
func (h *house) raw(name string) []byte { return h.Box.Mails()[h.records[name].GetUid()-1].Raw }

func has(act *auditv1.Act, item string) bool { return slices.Contains(act.GetItems(), item) }
