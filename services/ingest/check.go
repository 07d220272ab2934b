package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// A Checked is what became of the comparison of one mailbox: its folders, or why it could not be made.
type Checked struct {
	Mailbox string
	Folders []Comparison
	Err     error
}

// Check compares mail servers with the archive, for the mailboxes of these IDs; for all where none
// is named. It opens folders for reading alone, and no mail. Of the dependencies it takes the
// cursors, the records, the objects and the clock.
func Check(ctx context.Context, config Config, ids []string, deps Deps) ([]Checked, error) {
	mailboxes, err := visitors(config, ids, deps)
	if err != nil {
		return nil, err
	}
	return checkAll(ctx, mailboxes, deps)
}

// errNoMailbox says that the configuration names no such mailbox.
var errNoMailbox = errors.New("mailbox: not in the configuration")

// visitors are mailboxes that are looked at and not read.
func visitors(config Config, ids []string, deps Deps) ([]*mailbox, error) {
	if deps.Cursors == nil || deps.Records == nil || deps.Objects == nil || deps.Now == nil {
		return nil, errors.New("ingest: a dependency is missing")
	}
	config, err := config.Complete()
	if err != nil {
		return nil, err
	}
	s := &Service{config: config, deps: deps, log: slog.New(slog.DiscardHandler)}
	wanted := map[string]bool{}
	for _, id := range ids {
		wanted[id] = true
	}
	var list []*mailbox
	for _, each := range config.Mailboxes {
		if len(ids) > 0 && !wanted[each.ID] {
			continue
		}
		delete(wanted, each.ID)
		m := &mailbox{service: s, config: each, log: s.log}
		if each.OAuth2.used() {
			m.tokens = newTokenSource(each.OAuth2, deps.Now, s.log)
		}
		list = append(list, m)
	}
	for id := range wanted {
		return nil, fmt.Errorf("%w: %q", errNoMailbox, id)
	}
	return list, nil
}

// checkAll asks one server after another, and goes through the records once for all of them. A
// server that cannot be asked is no reason to leave out the others.
func checkAll(ctx context.Context, mailboxes []*mailbox, deps Deps) ([]Checked, error) {
	checked := make([]Checked, len(mailboxes))
	of := make([][]*sight, len(mailboxes))
	var all []*sight
	for i, m := range mailboxes {
		checked[i].Mailbox = m.config.ID
		sights, err := m.sights(ctx, m.config.Folders)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err != nil {
			checked[i].Err = err
			continue
		}
		of[i] = sights
		all = append(all, sights...)
	}
	if len(all) == 0 {
		return checked, nil
	}
	if err := compare(ctx, all, deps.Records, deps.Objects, mostSeen); err != nil {
		return nil, err
	}
	for i, sights := range of {
		for _, s := range sights {
			checked[i].Folders = append(checked[i].Folders, s.conclude())
		}
	}
	return checked, nil
}

// sights looks at folders in one session.
func (m *mailbox) sights(ctx context.Context, folders []string) (list []*sight, err error) {
	defer caught(&err)
	session, err := m.dial(ctx)
	if err != nil {
		return nil, err
	}
	defer session.Leave()
	for _, name := range folders {
		s := &sight{mailbox: m.config.ID, name: name, keeps: m.config.After == Keep || m.config.After == Keyword}
		if err := s.look(ctx, session, m.service.deps.Cursors); err != nil {
			return nil, fmt.Errorf("folder %q: %w", name, err)
		}
		list = append(list, s)
	}
	return list, nil
}

const (
	// checkEvery is how often a mailbox is compared with the archive.
	checkEvery = 24 * time.Hour
	// checkLook is how often it is looked which mailboxes' time has come.
	checkLook = 10 * time.Minute
)

// check compares the mailboxes whose leases are held here with the archive, each once a day,
// whoever held it the last time.
func (s *Service) check(ctx context.Context) {
	pause := s.checkLook / 10 // soon after the start, but not at once
	for {
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		pause = s.checkLook
		if err := s.checkDue(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn("mailboxes not compared with the archive", "err", err)
		}
	}
}

func (s *Service) checkDue(ctx context.Context) error {
	var due []*mailbox
	for _, m := range s.mailboxes {
		if held, at := m.board.checkedAt(); held && s.deps.Now().Sub(at) >= s.checkEvery {
			due = append(due, m)
		}
	}
	if len(due) == 0 {
		return nil
	}
	checked, err := checkAll(ctx, due, s.deps)
	if err != nil {
		return err
	}
	for i, m := range due {
		if err := checked[i].Err; err != nil { // at the next look again; that it is away, its state tells
			m.log.Warn("mailbox not compared with the archive", "err", err)
			continue
		}
		m.board.check(s.deps.Now(), checked[i].Folders)
		for _, c := range checked[i].Folders {
			if c.Differs() {
				m.log.Error("server and archive differ", "folder", c.Folder, "missing", c.Missing, "unknown", c.Unknown, "lost", c.Lost)
			}
		}
	}
	return nil
}
