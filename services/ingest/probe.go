package ingest

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

// Probe signs in to every mailbox and opens each of its folders for reading. It
// changes nothing, on the server or here, but for a refresh token that the provider
// replaces. The errors stand under the mailboxes' IDs; a mailbox without one is well.
func Probe(ctx context.Context, config Config, now func() time.Time) (map[string]error, error) {
	config, err := config.Complete()
	if err != nil {
		return nil, err
	}
	troubles := map[string]error{}
	s := &Service{config: config, log: slog.New(slog.DiscardHandler)}
	for _, each := range config.Mailboxes {
		m := &mailbox{service: s, config: each, log: s.log}
		if each.OAuth2.used() {
			m.tokens = newTokenSource(each.OAuth2, now, s.log)
		}
		if err := m.probe(ctx); err != nil {
			troubles[each.ID] = err
		}
	}
	return troubles, nil
}

func (m *mailbox) probe(ctx context.Context) error {
	session, err := m.dial(ctx)
	if err != nil {
		return err
	}
	defer session.Leave()
	for _, folder := range m.config.Folders {
		if _, err := session.Examine(folder); err != nil {
			return fmt.Errorf("folder %s: %w", folder, err)
		}
	}
	return nil
}
