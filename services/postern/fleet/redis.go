package fleet

import (
	"context"
	"fmt"
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
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	f.servers.redis = loopback(port)
	settings := fmt.Sprintf(`bind 127.0.0.1
port %d
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
