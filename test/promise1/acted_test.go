package promise1

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	goimap "github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"github.com/postern-mail/postern/pkg/bus/topology"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	"github.com/postern-mail/postern/services/ingest"
)

// soon is how long the mailbox actions may take that ingest was told of; what it was not told
// of, because the event died with the bus, it finds within two minutes of a start.
const (
	soon  = 15 * time.Second
	found = 3 * time.Minute
)

// acted waits until the mailbox action is done to every ticket's mail.
func (l life) acted(ctx context.Context, p insight) error {
	tool, err := p.tool(ctx, topology.Rebuild)
	if err != nil {
		return err
	}
	defer tool.Conn.Close()
	tickets := 0
	for record, err := range records(ctx, tool.Conn) {
		if err != nil {
			return err
		}
		if record.GetState() == itemv1.State_STATE_TICKETED {
			tickets++
		}
	}
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		done, err := l.touched()
		if err == nil && done >= tickets {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the mailbox action is done to %d of %d mails: %w", done, tickets, context.Cause(ctx))
		case <-ticker.C:
		}
	}
}

// touched counts the mails to which the action was done.
func (l life) touched() (int, error) {
	client, err := imapclient.DialInsecure(net.JoinHostPort(l.Host, itoa(l.Port)), nil)
	if err != nil {
		return 0, err
	}
	defer client.Close()
	password, err := os.ReadFile(l.Password)
	if err != nil {
		return 0, err
	}
	if err := client.Login(l.User, strings.TrimSpace(string(password))).Wait(); err != nil {
		return 0, err
	}
	if _, err := client.Select("INBOX", &goimap.SelectOptions{ReadOnly: true}).Wait(); err != nil {
		return 0, err
	}
	criteria := &goimap.SearchCriteria{}
	if l.action() == ingest.Keyword {
		criteria.Flag = []goimap.Flag{keyword}
	}
	all, err := client.UIDSearch(criteria, nil).Wait()
	if err != nil {
		return 0, err
	}
	if l.action() == ingest.Keyword {
		return len(all.AllUIDs()), nil
	}
	return l.Mails - len(all.AllUIDs()), nil
}
