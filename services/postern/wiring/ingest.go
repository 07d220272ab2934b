package wiring

import (
	"context"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/services/ingest"
)

func runIngest(ctx context.Context, s *service, conn *bus.Conn) error {
	client, err := s.client(conn)
	if err != nil {
		return err
	}
	deps := ingest.OnBus(conn)
	deps.Vault, deps.Registrar, deps.Now = s.Vault, client, s.Clock.Now
	deps.Log, deps.Tracer, deps.Metrics, deps.Health = s.Log, s.tracer, s.Registry, s.reporter
	mailboxes, err := ingest.New(s.Config.Ingest, deps)
	if err != nil {
		return err
	}
	return together(ctx, mailboxes.Run, func(ctx context.Context) error {
		return s.runStage(ctx, conn, client, ingest.AfterStage, mailboxes.After)
	})
}
