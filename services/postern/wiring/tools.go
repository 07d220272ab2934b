package wiring

import (
	"context"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/keys"
	"github.com/postern-mail/postern/pkg/seal/open"
	"github.com/postern-mail/postern/services/retain"
)

// A Tool is an operator's command, signed in with one credential.
type Tool struct {
	*Process
	Conn   *bus.Conn
	Client *keys.Client
	name   string
}

// Tool signs in with a credential. The connection ends with Close of the Tool's Conn.
func (p *Process) Tool(ctx context.Context, credential string) (*Tool, error) {
	conn, err := p.Connect(ctx, credential)
	if err != nil {
		return nil, err
	}
	s := &service{p, credential, p.Health.Reporter(credential)}
	client, err := s.client(conn)
	if err != nil {
		conn.Close()
		return nil, err
	}
	return &Tool{p, conn, client, credential}, nil
}

// Opener asks for keys in the tool's name.
func (t *Tool) Opener() *open.Opener { return open.NewOpener(t.Client, open.OpenerOptions{}) }

// Retain gives retention's own logic, to run it once by hand.
func (t *Tool) Retain() (*retain.Service, error) { return t.retain(t.Conn, t.Client) }
