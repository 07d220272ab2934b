// Package resolve asks a recursive name server (RFC 1035 over UDP, TCP where an
// answer is cut; EDNS0, RFC 6891) and remembers its answers for as long as they say.
// It tells "no such name" from "no such record", which the standard library does not
// and sender policies need. It validates no DNSSEC: that is the name server's work.
package resolve

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/postern-mail/postern/pkg/mailauth/dns"
)

// Bounds of the cache.
const (
	maxCached   = 50_000
	maxTTL      = time.Hour
	negativeTTL = time.Minute     // where the answer names no better (RFC 2308 §5)
	failureTTL  = 5 * time.Second // of no answer at all, at most five minutes (RFC 2308 §7)
)

// A Resolver asks one name server after another. It may be used by many goroutines.
type Resolver struct {
	servers []string
	timeout time.Duration
	dial    func(ctx context.Context, network, address string) (net.Conn, error)
	now     func() time.Time

	flight singleflight.Group
	mu     sync.Mutex
	cache  map[string]cached
}

type cached struct {
	answer  dns.Answer
	err     error
	expires time.Time
}

// New asks the given servers (host:port); "system" stands for those of /etc/resolv.conf.
func New(server string, timeout time.Duration) (*Resolver, error) {
	servers := []string{server}
	if server == "system" {
		found, err := systemServers("/etc/resolv.conf")
		if err != nil {
			return nil, err
		}
		servers = found
	}
	for _, s := range servers {
		if _, _, err := net.SplitHostPort(s); err != nil {
			return nil, fmt.Errorf("name server %q: write it as host:port, or system", s)
		}
	}
	if timeout <= 0 {
		timeout = 5 * time.Second
	}
	dialer := new(net.Dialer)
	return &Resolver{servers: servers, timeout: timeout, dial: dialer.DialContext, now: time.Now, cache: map[string]cached{}}, nil
}

func systemServers(path string) ([]string, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("name servers: %w", err)
	}
	defer file.Close()
	var servers []string
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) >= 2 && fields[0] == "nameserver" {
			if ip, err := netip.ParseAddr(fields[1]); err == nil {
				servers = append(servers, netip.AddrPortFrom(ip, 53).String())
			}
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("name servers: %w", err)
	}
	if len(servers) == 0 {
		return nil, fmt.Errorf("name servers: %s names none: set verify.dns.server", path)
	}
	return servers, nil
}

// Lookup answers one question, from memory where an answer is still good. Those who
// ask the same at the same time share one look-up.
func (r *Resolver) Lookup(ctx context.Context, kind dns.Type, name string) (dns.Answer, error) {
	if err := dns.CheckName(name); err != nil {
		return dns.Answer{}, err
	}
	key := string(kind) + " " + dns.Clean(name)
	if found, ok := r.remembered(key); ok {
		return found.answer, found.err
	}
	// The look-up belongs to all who wait for it, so no single one's end ends it.
	result := r.flight.DoChan(key, func() (any, error) {
		shared, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.timeout)
		defer cancel()
		answer, ttl, err := r.ask(shared, kind, name)
		if dns.IsTemporary(err) {
			ttl = failureTTL // many mails can name the same dead servers
		}
		entry := cached{answer: answer, err: err, expires: r.now().Add(min(ttl, maxTTL))}
		r.remember(key, entry)
		return entry, nil
	})
	select {
	case done := <-result:
		entry, _ := done.Val.(cached)
		return entry.answer, entry.err
	case <-ctx.Done():
		return dns.Answer{}, fmt.Errorf("%w: %w", dns.ErrTimeout, ctx.Err())
	}
}

func (r *Resolver) remembered(key string) (cached, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	found, ok := r.cache[key]
	return found, ok && r.now().Before(found.expires)
}

func (r *Resolver) remember(key string, entry cached) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.cache) >= maxCached { // what has expired goes; where all is fresh, everything does
		now := r.now()
		for k, c := range r.cache {
			if !now.Before(c.expires) {
				delete(r.cache, k)
			}
		}
		if len(r.cache) >= maxCached {
			clear(r.cache)
		}
	}
	r.cache[key] = entry
}

// ask tries each server until one gives an answer that is one.
func (r *Resolver) ask(ctx context.Context, kind dns.Type, name string) (dns.Answer, time.Duration, error) {
	last := dns.ErrTemporary
	for _, server := range r.servers {
		// A silent server must leave time for the next.
		each, cancel := context.WithTimeout(ctx, r.timeout/time.Duration(len(r.servers)))
		answer, ttl, err := r.exchange(each, server, kind, name)
		cancel()
		if err == nil || dns.IsVoid(err) {
			return answer, ttl, err
		}
		last = err
	}
	if ctx.Err() != nil || errors.Is(last, os.ErrDeadlineExceeded) || errors.Is(last, context.DeadlineExceeded) {
		return dns.Answer{}, 0, fmt.Errorf("%s %w", kind, dns.ErrTimeout)
	}
	return dns.Answer{}, 0, last
}
