package fleet

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
)

// startRedis starts Redis with both of its ways of writing to disk.
func (f *Fleet) startRedis(ctx context.Context) (*child, error) {
	folder := f.Folder(folderRedis)
	password, _, err := f.secret("redis-password")
	if err != nil {
		return nil, err
	}
	if f.servers.redis == "" {
		if f.servers.redis, err = freeAddress(); err != nil {
			return nil, err
		}
	}
	_, port, err := net.SplitHostPort(f.servers.redis)
	if err != nil {
		return nil, err
	}
	settings := fmt.Sprintf(`bind 127.0.0.1
port %s
daemonize no
dir %s
requirepass %s
appendonly yes
appendfsync everysec
save 60 1
maxmemory-policy noeviction
`, port, folder, password)
	config := filepath.Join(folder, "redis.conf")
	if err := os.WriteFile(config, []byte(settings), 0o600); err != nil {
		return nil, fmt.Errorf("redis configuration: %w", err)
	}
	c, err := f.server(folderRedis, nil, "redis-server", config)
	if err != nil {
		return c, err
	}
	return c, await(ctx, c, greets("tcp", f.servers.redis, "AUTH "+password+"\r\nPING\r\n", "+OK\r\n+PONG"))
}
