package desk

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/keys"
	"github.com/postern-mail/postern/pkg/readmodel"
	auditv1 "github.com/postern-mail/postern/proto/audit/v1"
)

// ActLimits bound what the board keeps of the audit log. The log keeps all; see Ledger.
type ActLimits struct {
	All   int // newest acts of all people
	Item  int // newest acts on one item
	Looks int // newest looks at lists that one item stood in
}

// DefaultActLimits are what pages show, and some more.
func DefaultActLimits() ActLimits { return ActLimits{All: 10_000, Item: 500, Looks: 100} }

const (
	// trimAfter is how many acts a set may have too many before it is trimmed.
	trimAfter = 50
	// trimMost is how many acts are trimmed at once.
	trimMost = 500
)

// Sets of acts, each with the act's place in AUDIT as the score.
const allActs = "acts"

func actsOf(item string) string  { return "acts:" + item }
func looksOf(item string) string { return "looks:" + item }
func actCell(name string) string { return "act:" + name }

// ApplyAct folds one message of AUDIT into the board: what people did. What workers did
// is in the log and would drown it here. It notifies nobody: looking at a list is an act,
// and lists that looked again at each act would never rest.
func (b *Board) ApplyAct(ctx context.Context, sequence uint64, subject string, data []byte) error {
	_, said, err := event.Open(subject, data)
	if err != nil {
		return fmt.Errorf("%w: %w", errFold, err)
	}
	entry, ok := said.(*auditv1.Entry)
	if !ok {
		return fmt.Errorf("%w: no audit entry", errFold)
	}
	return b.model.Apply(ctx, auditStream, sequence, func(tx readmodel.Tx) error {
		t := trimming{b: b, tx: tx, left: map[string]bool{}}
		for i, act := range entry.GetActs() {
			if act.GetActor() == "" || strings.HasPrefix(act.GetActor(), "worker:") {
				continue
			}
			value, err := proto.Marshal(act)
			if err != nil {
				return fmt.Errorf("act cell: %w", err)
			}
			name := fmt.Sprintf("%020d-%04d", sequence, i) // acts of one entry stand in their order
			tx.Put(actCell(name), value)
			tx.Add(allActs, name, float64(sequence))
			for _, item := range itemsOf(act) {
				set := actsOf(item)
				if isLook(act) {
					set = looksOf(item)
				}
				tx.Add(set, name, float64(sequence))
				if err := t.item(ctx, item, isLook(act)); err != nil {
					return err
				}
			}
			if act.GetAction() == askedOriginal && event.IsTicket(act.GetTicket()) {
				if err := t.asked(ctx, act); err != nil {
					return err
				}
			}
		}
		return t.all(ctx)
	})
}

// isLook says whether an act is a look at a list: of many items, and on none of them.
func isLook(act *auditv1.Act) bool { return len(act.GetItems()) > 1 }

// isCard says whether an act showed a card in a list. The desk names the ticket wherever it
// opens one, and names none where it shows a list: also one that a single mail stands in.
func isCard(act *auditv1.Act) bool {
	return act.GetAction() == "open" && act.GetPurpose() == keys.ForRead && act.GetTicket() == ""
}

// An actLine is one line of a page of acts: an act, or several openings that read alike.
type actLine struct {
	*auditv1.Act
	Times int
}

// actLines draws together openings that follow one another, read alike and are of one
// minute: a page of a ticket opens it more than once. Of one item it does not matter what
// else stood in a list; of all it does. What people change stands for itself.
func actLines(acts []*auditv1.Act, ofOne bool) []actLine {
	var lines []actLine
	for _, act := range acts {
		if n := len(lines); n > 0 && alike(lines[n-1].Act, act) && (ofOne || slices.Equal(lines[n-1].GetItems(), act.GetItems())) {
			lines[n-1].Times++
			continue
		}
		lines = append(lines, actLine{act, 1})
	}
	return lines
}

func alike(a, b *auditv1.Act) bool {
	minute := func(act *auditv1.Act) time.Time { return act.GetTime().AsTime().Truncate(time.Minute) }
	return a.GetAction() == "open" && len(a.GetReason()) == 0 && len(b.GetReason()) == 0 && minute(a).Equal(minute(b)) &&
		a.GetActor() == b.GetActor() && actWords(a) == actWords(b) && a.GetOutcome() == b.GetOutcome() &&
		a.GetTicket() == b.GetTicket() && a.GetValue() == b.GetValue()
}

func itemsOf(act *auditv1.Act) []string {
	return slices.DeleteFunc(slices.Clone(act.GetItems()), func(item string) bool { return !event.IsItem(item) })
}

// A trimming takes the oldest acts from sets that have too many. A cell goes with the last
// set that names it; a look's goes with the set of all.
type trimming struct {
	b    *Board
	tx   readmodel.Tx
	left map[string]bool // acts that leave the set of their item in this change
}

// oldest gives what a set has too much of, oldest first.
func (t *trimming) oldest(ctx context.Context, set string, limit int) ([]readmodel.Member, error) {
	count, err := t.b.model.Count(ctx, set, 0, 1e18)
	if err != nil || count < int64(limit)+trimAfter {
		return nil, err
	}
	return t.b.model.Range(ctx, set, readmodel.Query{Limit: int(min(count-int64(limit), trimMost))})
}

func (t *trimming) item(ctx context.Context, item string, look bool) error {
	set, limit := actsOf(item), t.b.acts.Item
	if look {
		set, limit = looksOf(item), t.b.acts.Looks
	}
	members, err := t.oldest(ctx, set, limit)
	if err != nil {
		return err
	}
	for _, member := range members {
		t.tx.Remove(set, member.Name)
		if look {
			continue
		}
		t.left[member.Name] = true
		if _, there, err := t.b.model.Score(ctx, allActs, member.Name); err != nil {
			return err
		} else if !there {
			t.tx.Delete(actCell(member.Name))
		}
	}
	return nil
}

func (t *trimming) all(ctx context.Context) error {
	members, err := t.oldest(ctx, allActs, t.b.acts.All)
	if err != nil || len(members) == 0 {
		return err
	}
	cells := make([]string, len(members))
	for i, member := range members {
		cells[i] = actCell(member.Name)
	}
	values, err := t.b.model.GetMany(ctx, cells)
	if err != nil {
		return err
	}
	for i, member := range members {
		t.tx.Remove(allActs, member.Name)
		act := new(auditv1.Act)
		if err := proto.Unmarshal(values[i], act); err != nil {
			return fmt.Errorf("act cell: %w", err)
		}
		needed := false
		for _, item := range itemsOf(act) {
			if isLook(act) {
				t.tx.Remove(looksOf(item), member.Name)
				continue
			}
			_, there, err := t.b.model.Score(ctx, actsOf(item), member.Name)
			if err != nil {
				return err
			}
			needed = needed || there && !t.left[member.Name]
		}
		if !needed {
			t.tx.Delete(cells[i])
		}
	}
	return nil
}

// asked adds a wish for an original, and forgets those that have ended.
func (t *trimming) asked(ctx context.Context, act *auditv1.Act) error {
	at := act.GetTime().AsTime()
	ended := float64(at.Add(-askLife).UnixMilli())
	members, err := t.b.model.Range(ctx, "asked", readmodel.Query{Max: &ended, Limit: trimMost})
	if err != nil {
		return err
	}
	for _, member := range members {
		t.tx.Remove("asked", member.Name)
	}
	t.tx.Add("asked", act.GetTicket(), float64(at.UnixMilli()))
	return nil
}

// Acts is Tickets.Acts.
func (b *Board) Acts(ctx context.Context, item string, limit int) ([]*auditv1.Act, error) {
	if !event.IsItem(item) {
		return nil, nil
	}
	own, err := b.newest(ctx, actsOf(item), min(limit, b.acts.Item))
	if err != nil {
		return nil, err
	}
	looks, err := b.newest(ctx, looksOf(item), min(limit, b.acts.Looks))
	if err != nil {
		return nil, err
	}
	names := append(own, looks...)
	slices.SortFunc(names, func(a, b string) int { return cmp.Compare(b, a) })
	return b.read(ctx, names)
}

// RecentActs is Tickets.RecentActs.
func (b *Board) RecentActs(ctx context.Context, limit int) ([]*auditv1.Act, error) {
	names, err := b.newest(ctx, allActs, min(limit, b.acts.All))
	if err != nil {
		return nil, err
	}
	return b.read(ctx, names)
}

func (b *Board) newest(ctx context.Context, set string, limit int) ([]string, error) {
	members, err := b.model.Range(ctx, set, readmodel.Query{Reverse: true, Limit: limit})
	names := make([]string, len(members))
	for i, member := range members {
		names[i] = member.Name
	}
	return names, err
}

func (b *Board) read(ctx context.Context, names []string) ([]*auditv1.Act, error) {
	cells := make([]string, len(names))
	for i, name := range names {
		cells[i] = actCell(name)
	}
	values, err := b.model.GetMany(ctx, cells)
	if err != nil {
		return nil, err
	}
	var acts []*auditv1.Act
	for _, value := range values {
		if value == nil {
			continue // trimmed since
		}
		act := new(auditv1.Act)
		if err := proto.Unmarshal(value, act); err != nil {
			return nil, fmt.Errorf("act cell: %w", err)
		}
		acts = append(acts, act)
	}
	return acts, nil
}

// Asked is Tickets.Asked.
func (b *Board) Asked(ctx context.Context, since time.Time, limit int) ([]string, error) {
	least := float64(since.UnixMilli())
	members, err := b.model.Range(ctx, "asked", readmodel.Query{Reverse: true, Min: &least, Limit: limit})
	var tickets []string
	for _, member := range members {
		tickets = append(tickets, member.Name)
	}
	return tickets, err
}
