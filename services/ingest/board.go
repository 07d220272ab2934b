package ingest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	ingestv1 "github.com/postern-mail/postern/proto/ingest/v1"
)

// A Board is where each mailbox's status stands for operators to see. Nothing rests on it: what
// two processes write at once is right again at the next writing.
type Board interface {
	// Read gives a mailbox's status, nil where there is none.
	Read(ctx context.Context, mailbox string) (*ingestv1.Status, error)
	Write(ctx context.Context, status *ingestv1.Status) error
}

const (
	// boardEvery is how often it is looked whether there is news.
	boardEvery = 5 * time.Second
	// cursorEvery is how often it is looked whether somebody else has changed the cursor.
	cursorEvery = 30 * time.Second
	// boardStale is how old a status may become without any.
	boardStale = time.Minute
)

// A board is one mailbox's part of it, and what is known of earlier holders' checks.
type board struct {
	mu       sync.Mutex
	held     bool
	written  *ingestv1.Status
	wrote    time.Time
	last     *ingestv1.Check
	lastTime time.Time
}

func (b *board) hold(held bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.held = held
}

func (b *board) checkedAt() (held bool, at time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.held, b.lastTime
}

// check notes the outcome of a comparison.
func (b *board) check(at time.Time, folders []Comparison) {
	c := &ingestv1.Check{Time: timestamppb.New(at)}
	for _, f := range folders {
		c.Folders = append(c.Folders, &ingestv1.FolderCheck{
			Name: f.Folder, Server: f.Server, Archived: f.Archived, SetAside: f.SetAside, InFlight: f.InFlight,
			Destroyed: f.Destroyed, Missing: f.Missing, Unknown: f.Unknown, Lost: f.Lost,
		})
	}
	b.learn(c)
}

// learn takes over a check, where it is newer than what is known.
func (b *board) learn(c *ingestv1.Check) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if at := c.GetTime().AsTime(); c != nil && at.After(b.lastTime) {
		b.last, b.lastTime = c, at
	}
}

// checked is the last check's outcome while the mailbox is held here.
func (b *board) checked() *ingestv1.Check {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.held {
		return nil
	}
	return b.last
}

// watch tells how the mailbox fares, and notices when somebody else has changed its cursor: who
// has the cursor in memory would find out only when it has something to save. It ends with ctx.
func (m *mailbox) watch(ctx context.Context, cursor *cursor, moved func(error)) {
	m.board.hold(true)
	defer m.board.hold(false)
	m.recallBoard(ctx)
	looked := time.Now()
	for {
		if m.service.deps.Board != nil {
			if err := m.post(ctx); err != nil && ctx.Err() == nil {
				m.log.Warn("status not written", "err", err)
			}
		}
		timer := time.NewTimer(m.service.boardEvery)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		if time.Since(looked) < m.service.cursorEvery {
			continue
		}
		looked = time.Now()
		if is, err := cursor.current(ctx); err == nil && !is {
			moved(fmt.Errorf("cursor: %w", ErrMoved))
			return
		}
	}
}

// current tells whether the saved cursor is the one that was saved here last.
func (c *cursor) current(ctx context.Context) (bool, error) {
	c.saving.Lock()
	defer c.saving.Unlock()
	_, revision, err := c.store.Load(ctx, c.mailbox)
	if err != nil {
		return false, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return revision == c.revision, nil
}

// recallBoard learns what the mailbox's holder before has told.
func (m *mailbox) recallBoard(ctx context.Context) {
	if m.service.deps.Board == nil {
		return
	}
	status, err := m.service.deps.Board.Read(ctx, m.config.ID)
	if err != nil {
		if ctx.Err() == nil {
			m.log.Warn("status not read", "err", err)
		}
		return
	}
	m.board.learn(status.GetCheck())
	told := map[string]*ingestv1.FolderStatus{}
	for _, f := range status.GetFolders() {
		told[f.GetName()] = f
	}
	for _, f := range m.folders {
		if before := told[f.name]; before != nil {
			f.recallStatus(before)
		}
	}
}

// post writes the status where it has changed, or is about to look like nobody's.
func (m *mailbox) post(ctx context.Context) error {
	b := &m.board
	status := m.status()
	b.mu.Lock()
	same := b.written != nil && proto.Equal(news(status), news(b.written)) && time.Since(b.wrote) < boardStale
	b.mu.Unlock()
	if same {
		return nil
	}
	if err := m.service.deps.Board.Write(ctx, status); err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.written, b.wrote = status, time.Now()
	return nil
}

// news is a status without what changes at every look.
func news(status *ingestv1.Status) *ingestv1.Status {
	status = proto.CloneOf(status)
	status.Time = nil
	for _, f := range status.Folders {
		f.LastSuccess = nil
	}
	return status
}

func (m *mailbox) status() *ingestv1.Status {
	status := &ingestv1.Status{
		Mailbox: m.config.ID, Worker: worker(), Time: timestamppb.New(m.service.deps.Now()), Check: m.board.checked(),
	}
	for _, f := range m.folders {
		s := f.state()
		status.Folders = append(status.Folders, &ingestv1.FolderStatus{
			Name: s.Folder, State: string(s.State), Idle: s.Idle, Waiting: s.Waiting, Trouble: int64(s.Trouble),
			LastSuccess: moment(s.LastSuccess), LastFailure: moment(s.LastFailure), Failure: string(s.Failure),
		})
	}
	return status
}

func moment(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

// worker names this process.
var worker = sync.OnceValue(func() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%s/%d", host, os.Getpid())
})

var errGarbledStatus = errors.New("stored status is garbled")
