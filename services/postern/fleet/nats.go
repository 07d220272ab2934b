package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/services/postern/wiring"
)

// startNATS starts the bus: synced to disk, over TLS, each service in an account of its own.
// The server chooses its ports and writes them down.
func (f *Fleet) startNATS(ctx context.Context) (*child, error) {
	folder := f.Folder(folderNATS)
	certificate, key, err := f.servers.ca.certify(f.Folder(folderTLS), folderNATS)
	if err != nil {
		return nil, err
	}
	public, err := wiring.PublicNkeys(filepath.Join(f.Folder("setup"), "nkeys"))
	if err != nil {
		return nil, err
	}
	accounts, err := topology.Accounts(public)
	if err != nil {
		return nil, err
	}
	settings := fmt.Sprintf(`server_name: fleet
listen: %q
http: %q
max_payload: 1MB
ports_file_dir: %q
tls { cert_file: %q, key_file: %q }
jetstream { store_dir: %q, sync_interval: always }
%s`, addressOf(f.servers.natsURL), addressOf(f.servers.natsWatch), filepath.Join(folder, "tmp"), certificate, key, filepath.Join(folder, "store"), accounts)
	config := filepath.Join(folder, "nats.conf")
	if err := os.WriteFile(config, []byte(settings), 0o600); err != nil {
		return nil, fmt.Errorf("nats configuration: %w", err)
	}
	c, err := f.server(folderNATS, nil, "nats-server", "-c", config)
	if err != nil {
		return c, err
	}
	var ports struct {
		NATS       []string `json:"nats"`
		Monitoring []string `json:"monitoring"`
	}
	file := filepath.Join(folder, "tmp", fmt.Sprintf("nats-server_%d.ports", c.pid()))
	err = await(ctx, c, func(context.Context) error {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(text, &ports); err != nil {
			return err
		}
		if len(ports.NATS) == 0 || len(ports.Monitoring) == 0 {
			return errors.New("it names no port")
		}
		return nil
	})
	if err != nil {
		return c, err
	}
	f.servers.natsURL, f.servers.natsWatch = ports.NATS[0], ports.Monitoring[0]
	return c, nil
}

// addressOf is where a server is that had an address before, and otherwise one that it may choose.
func addressOf(before string) string {
	if known, err := url.Parse(before); err == nil && known.Host != "" {
		return known.Host
	}
	return "127.0.0.1:-1"
}

// NATSMonitor is the URL of the bus's account of itself, such as who is connected.
func (f *Fleet) NATSMonitor() string { return f.servers.natsWatch }
